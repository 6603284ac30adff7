"""crm export and crm bulk: many records of one collection at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client
from cli.context import signed_in
from cli.errors import CliError
from cli.importing import (
    bar,
    counts_of,
    follow,
    metadata_of,
    number,
    operation_id,
    require_success,
    save_result,
)
from cli.records import body_of, items

Collection = Annotated[str, typer.Argument(help="For example customers, opportunities.")]
Filter = Annotated[str, typer.Option(help="AIP-160 filter.")]
Texts = list[str] | None
FORMATS = {".csv": "CSV", ".xlsx": "XLSX"}


@dataclass(frozen=True)
class Export:
    """What `crm export` is told."""

    collection: Collection
    to: Annotated[Path, typer.Option("--to", "-o", help="File to write: .csv or .xlsx.")]
    filter: Filter = ""
    order_by: Annotated[str, typer.Option(help='For example "amount desc, name".')] = ""
    fields: Annotated[str, typer.Option(help="Comma separated fields, as columns.")] = ""


@dataclass(frozen=True)
class Bulk:
    """What `crm bulk` is told; one of the actions."""

    collection: Collection
    filter: Filter
    fields: Annotated[Texts, typer.Option("--set", help="field=text or field:=JSON.")] = None
    owner: Annotated[str, typer.Option(help="Id of the user who is to own them.")] = ""
    tags: Annotated[Texts, typer.Option("--tag", help="Tag to add.")] = None
    no_tags: Annotated[Texts, typer.Option("--no-tag", help="Tag to remove.")] = None
    delete: Annotated[bool, typer.Option("--delete", help="Put them into the recycle bin.")] = False
    force: Annotated[bool, typer.Option("--force", help="With what belongs to them.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False

    def action(self) -> Mapping[str, object]:
        """The one action that is asked for."""
        tag = {"add": self.tags or [], "remove": self.no_tags or []}
        asked = {
            "update": {"fields": body_of(self.fields)} if self.fields else None,
            "assign": {"owner_id": self.owner} if self.owner else None,
            "tag": tag if self.tags or self.no_tags else None,
            "delete": {"force": self.force} if self.delete else None,
        }
        found = {name: value for name, value in asked.items() if value is not None}
        if len(found) != 1:
            raise CliError("Name one thing to do: --set, --owner, --tag and --no-tag, or --delete.")
        return found


def export(options: Export) -> None:
    """Export records to a CSV or XLSX file; the columns are named as an import takes them."""
    if options.to.suffix.lower() not in FORMATS:
        raise CliError(f"{options.to}: a file ends with .csv or .xlsx.")
    asked = {
        "filter": options.filter,
        "order_by": options.order_by,
        "fields": options.fields,
        "format": FORMATS[options.to.suffix.lower()],
    }
    with signed_in() as client:
        operation = _run(client, f"{options.collection}:export", asked)
        save_result(client, operation_id(operation), options.to)
    counts = metadata_of(operation).get("counts")
    rows = number(counts.get("exported")) if isinstance(counts, dict) else 0
    typer.echo(f"{rows:,} records in {options.to}")


def bulk(options: Bulk) -> None:
    """Change all records that match a filter; crm operations undo takes it back."""
    asked: dict[str, object] = {"filter": options.filter, "action": options.action()}
    with signed_in() as client:
        path = f"/v1/{options.collection}:previewBulk"
        preview = client.change("POST", path, asked)
        count = number(preview.get("count"))
        names = ", ".join(str(one["label"] or one["id"]) for one in items(preview))
        typer.echo(f"{count:,} records, you may change {number(preview.get('allowed_count')):,}")
        if not count:
            return
        if not options.yes:
            typer.confirm(f"{names} ... go on?", abort=True)
        operation = _run(client, f"{options.collection}:bulk", {**asked, "expected_count": count})
    counts = counts_of(operation)
    done = ", ".join(f"{counts[name]:,} {name}" for name in ("updated", "skipped", "failed"))
    typer.echo(f"{operation_id(operation)}: {done}")
    if counts["failed"]:
        raise typer.Exit(1)


def _run(client: Client, path: str, body: Mapping[str, object]) -> Mapping[str, object]:
    """Start an operation and wait for its end, which must be a good one."""
    started = client.change("POST", f"/v1/{path}", body)
    with bar() as progress:
        operation = follow(client, operation_id(started), progress, path)
    require_success(operation, path)
    return operation
