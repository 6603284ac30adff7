"""crm log: the operation log, read and verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from cli.client import PAGE_SIZE_MAX, Client
from cli.context import signed_in
from cli.errors import CliError
from cli.importing import bar
from cli.options import command
from cli.output import Format, print_json, print_line, print_table
from cli.records import Output, items

PATH = "/v1/logEntries"
app = typer.Typer(help="The operation log: who did what.", no_args_is_help=True)


@dataclass(frozen=True)
class Listing:
    """What `crm log list` is told."""

    filter: Annotated[str, typer.Option(help="AIP-160 filter.")] = ""
    order_by: Annotated[str, typer.Option(help='The latest first, or "sequence".')] = ""
    own: Annotated[bool, typer.Option("--own", help="Only what you did yourself.")] = False
    page_size: Annotated[int, typer.Option(min=1, max=PAGE_SIZE_MAX, help="Entries.")] = 50
    output: Output = Format.TABLE


def list_entries(options: Listing) -> None:
    """List entries, the latest first."""
    asked = {"filter": options.filter, "order_by": options.order_by}
    params: dict[str, str | int | bool] = {"page_size": options.page_size}
    params |= {name: value for name, value in asked.items() if value}
    with signed_in() as client:
        entries = items(client.read(f"{PATH}:own" if options.own else PATH, params))
    if options.output is Format.JSON:
        print_json(entries)
    elif options.output is Format.LINES:
        for entry in entries:
            print_line(entry)
    else:
        columns = ("sequence", "time", "actor", "action", "record", "label", "changed")
        print_table(columns, map(_cells, entries))


@app.command()
def verify(
    start: Annotated[int, typer.Option("--from", min=1, help="First entry.")] = 1,
    end: Annotated[int, typer.Option("--to", min=0, help="Last entry; 0 for the end.")] = 0,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print.")] = Format.TABLE,
) -> None:
    """Check the log against its hashes and signed roots; exit code 1 when it is not intact."""
    with signed_in() as client:
        result = verify_all(client, start, end)
    if output is Format.TABLE:
        print_table(("checked", ""), [(name, result[name]) for name in result])
    else:
        print_json(result)
    if not result["intact"]:
        problem = str(result["problem"]).replace("_", " ").lower()
        raise CliError(f"The log is not intact at {result['bad_sequence']}: {problem}.")


def verify_all(client: Client, start: int, end: int) -> dict[str, object]:
    """Verify stretch after stretch, until all is checked or something is wrong."""
    first, roots, following = 0, 0, start
    with bar() as progress:
        task = progress.add_task("verify", total=None)
        while True:
            asked = {"from_sequence": following, "to_sequence": end}
            answer = client.change("POST", f"{PATH}:verify", asked)
            first = first or _number(answer, "first_sequence")
            roots += _number(answer, "root_count")
            following = _number(answer, "next_sequence")
            progress.update(task, completed=_number(answer, "last_sequence"))
            if not following:
                break
    return {
        "intact": bool(answer.get("intact")),
        "first": first,
        "last": _number(answer, "last_sequence"),
        "signed up to": _number(answer, "signed_sequence"),
        "roots": roots,
        "bad_sequence": _number(answer, "bad_sequence"),
        "problem": str(answer.get("problem") or ""),
    }


def _number(answer: Mapping[str, object], name: str) -> int:
    return int(str(answer.get(name) or 0))


def _cells(entry: Mapping[str, object]) -> tuple[object, ...]:
    fields = entry.get("changed_fields")
    return (
        entry.get("sequence"),
        str(entry.get("time", ""))[:19],
        entry.get("actor_id") or str(entry.get("actor_kind", "")).lower(),
        str(entry.get("action", "")).removeprefix("crm."),
        entry.get("record_id"),
        entry.get("label") or entry.get("detail"),
        ", ".join(map(str, fields)) if isinstance(fields, list) else "",
    )


app.command("list")(command(list_entries, Listing))
