"""crm doctor: the checks on one screen."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.doctor.checks import PROCESS_CHECKS, RESOURCE_CHECKS
from cli.doctor.event_checks import EVENT_CHECKS
from cli.doctor.findings import Finding, State, judge
from cli.doctor.look import look
from cli.doctor.places import places

CHECKS = {**PROCESS_CHECKS, **EVENT_CHECKS, **RESOURCE_CHECKS}
MARKS = {State.OK: ("ok", "green"), State.WRONG: ("WRONG", "bold red"), State.UNKNOWN: ("-", "dim")}
WIDE = 200

Url = Annotated[str, typer.Option(help="Address of the gateway; else CRM_URL.")]
Metrics = Annotated[
    list[str] | None,
    typer.Option(help="Metrics port, <service>=<host:port>, repeated; else CRM_METRICS."),
]
Health = Annotated[
    list[str] | None,
    typer.Option(help="gRPC health in clear, <service>=<host:port>, repeated; else CRM_HEALTH."),
]


def doctor(url: Url = "", metrics: Metrics = None, health: Health = None) -> None:
    """Check a running installation and say what is wrong; exit code 1 when anything is."""
    facts = asyncio.run(look(places(url, metrics or (), health or ())))
    findings = judge(CHECKS, facts)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    console.print(table(findings))
    count = sum(one.state is State.WRONG for one in findings)
    if count:
        console.print(f"\n{count} thing{'s are' if count > 1 else ' is'} wrong.", style="bold red")
        raise typer.Exit(1)
    left = sum(one.state is State.UNKNOWN for one in findings)
    end = f" as far as was looked: {left} not checked." if left else "."
    console.print(f"\nAll is well{end}", style="bold green")


def table(findings: Sequence[Finding]) -> Table:
    """The findings, one a row."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "check", "found", "next"):
        grid.add_column(name, overflow="fold")
    for one in findings:
        mark, style = MARKS[one.state]
        grid.add_row(Text(mark, style), one.check, Text(one.text), Text(one.next))
    return grid
