"""crm report."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.context import signed_in
from cli.output import Format, money, print_json, print_line, print_table
from cli.records import items

app = typer.Typer(help="Reports from the read models.", no_args_is_help=True)


class Dimension(StrEnum):
    """What the pipeline is grouped by."""

    STAGE = "stage"
    OWNER = "owner"
    PRODUCT = "product"
    CUSTOMER = "customer"
    CAMPAIGN = "campaign"
    CLOSE_MONTH = "close_month"
    CLOSE_QUARTER = "close_quarter"


@app.callback()
def reports() -> None:
    """Reports from the read models."""


@app.command()
def pipeline(
    group_by: Annotated[Dimension, typer.Option(help="Dimension.")] = Dimension.STAGE,
    filter: Annotated[str, typer.Option(help="Which opportunities.")] = "",  # noqa: A002  # as there
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print.")] = Format.TABLE,
) -> None:
    """Count and value of opportunities, won and lost, by one dimension."""
    params = {"group_by": group_by.value} | ({"filter": filter} if filter else {})
    with signed_in() as client:
        summary = client.read("/v1/reports/pipelineSummary", params)
    groups = items({"groups": summary.get("groups", [])})
    if output is Format.JSON:
        print_json(summary)
    elif output is Format.LINES:
        for group in groups:
            print_line(group)
    else:
        print_table(
            (
                group_by.value,
                "count",
                "amount",
                "won",
                "won amount",
                "lost",
                "lost amount",
                "win rate",
            ),
            [
                (
                    group.get("label") or group.get("key") or "-",
                    group.get("count", 0),
                    money(group.get("amounts")),
                    group.get("won_count", 0),
                    money(group.get("won_amounts")),
                    group.get("lost_count", 0),
                    money(group.get("lost_amounts")),
                    percent(group.get("win_rate")),
                )
                for group in groups
            ],
        )
        typer.echo(f"current as of {summary.get('current_as_of', 'unknown')}", err=True)


def percent(rate: object) -> str:
    """A share between 0 and 1 as percent; empty when nothing was decided yet."""
    return f"{rate:.2%}" if isinstance(rate, int | float) else ""
