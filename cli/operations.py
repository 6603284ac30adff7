"""crm operations: long-running work."""

import time
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from cli.context import signed_in
from cli.importing import (
    bar,
    counts_of,
    follow,
    metadata_of,
    operation_id,
    require_success,
    save_errors,
    save_result,
)
from cli.output import Format, print_json, print_line, print_table
from cli.records import items

Id = Annotated[str, typer.Argument(help='Id of the operation, for example "sales-0190...".')]
app = typer.Typer(help="Imports and other long-running work.", no_args_is_help=True)


@app.command("list")
def list_operations(
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print.")] = Format.TABLE,
) -> None:
    """List your latest operations, newest first."""
    with signed_in() as client:
        operations = items(client.read("/v1/operations"))
    if output is Format.JSON:
        print_json(operations)
        return
    if output is Format.LINES:
        for operation in operations:
            print_line(operation)
        return
    rows = []
    for operation in operations:
        metadata, counts = metadata_of(operation), counts_of(operation)
        rows.append((
            operation_id(operation), metadata.get("kind"), metadata.get("state"),
            metadata.get("progress_percent"), *counts.values(), metadata.get("create_time"),
        ))  # fmt: skip
    columns = ("id", "kind", "state", "%", "created", "updated", "skipped", "failed", "since")
    print_table(columns, rows)


@app.command()
def show(
    id: Id,  # noqa: A002  # the field's name
    wait: Annotated[bool, typer.Option("--wait", help="Until it is done.")] = False,
) -> None:
    """Show one operation as JSON."""
    with signed_in() as client:
        if wait:
            with bar() as progress:
                print_json(follow(client, quote(id, safe=""), progress, id))
            return
        print_json(client.read(f"/v1/operations/{quote(id, safe='')}"))


@app.command()
def cancel(id: Id) -> None:  # noqa: A002  # the field's name
    """Ask an operation to stop; what it did so far stays."""
    with signed_in() as client:
        operation = client.change("POST", f"/v1/operations/{quote(id, safe='')}:cancel", {})
    typer.echo(f"{operation_id(operation)}: {metadata_of(operation).get('state', 'asked to stop')}")


@app.command()
def undo(id: Id) -> None:  # noqa: A002  # the field's name
    """Take a bulk change back: each record that nothing else has changed since."""
    with signed_in() as client:
        started = client.change("POST", f"/v1/operations/{quote(id, safe='')}:undo", {})
        with bar() as progress:
            operation = follow(client, operation_id(started), progress, "undo")
    require_success(operation, "The undo")
    counts = counts_of(operation)
    done = ", ".join(f"{counts[name]:,} {name}" for name in ("updated", "skipped", "failed"))
    typer.echo(f"{operation_id(operation)}: {done}")


@app.command()
def result(
    id: Id,  # noqa: A002  # the field's name
    to: Annotated[Path, typer.Option(help="File to save to.")],
) -> None:
    """Save the result file of an operation: of an export, or of each record of a bulk change."""
    with signed_in() as client:
        save_result(client, quote(id, safe=""), to)
    typer.echo(str(to))


@app.command()
def errors(
    id: Id,  # noqa: A002  # the field's name
    to: Annotated[Path | None, typer.Option(help="File to save to.")] = None,
) -> None:
    """Save the error file of an operation (row, column, reason)."""
    path = to or Path(f"{Path(id).name}-{time.strftime('%Y%m%d-%H%M%S')}.errors.csv")
    with signed_in() as client:
        save_errors(client, quote(id, safe=""), path)
    typer.echo(str(path))
