"""crm get, list, create, update, delete, undelete, do: any collection, by its name in the API."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from cli.client import PAGE_SIZE_MAX
from cli.context import signed_in
from cli.errors import CliError
from cli.output import Format, print_json, print_line, print_records

Collection = Annotated[str, typer.Argument(help="For example customers, opportunities, stages.")]
Id = Annotated[str, typer.Argument(help="Id of the record.")]
Fields = Annotated[
    list[str] | None,
    typer.Argument(
        help="field=text, field:=JSON, amount.amount=10, or @file.json, or - for stdin."
    ),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]
_NAME = re.compile(r"[A-Za-z][A-Za-z_]{0,62}")
_FIELD = re.compile(r"([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)(:?=)(.*)", re.DOTALL)


def get(collection: Collection, id: Id, fields: str = "") -> None:  # noqa: A002  # the field's name
    """Show one record as JSON."""
    with signed_in() as client:
        params = {"fields": fields} if fields else {}
        print_json(client.read(record_path(collection, id), params))


@dataclass(frozen=True)
class Listing:
    """What `crm list` is told."""

    collection: Collection
    filter: Annotated[str, typer.Option(help="AIP-160 filter.")] = ""
    order_by: Annotated[str, typer.Option(help='For example "amount desc, name".')] = ""
    fields: Annotated[str, typer.Option(help="Comma separated fields.")] = ""
    page_size: Annotated[int, typer.Option(min=1, max=PAGE_SIZE_MAX, help="Records.")] = 50
    all: Annotated[bool, typer.Option("--all", help="Every page.")] = False
    show_deleted: Annotated[bool, typer.Option("--show-deleted", help="The bin too.")] = False
    output: Output = Format.TABLE

    def params(self) -> dict[str, str | int | bool]:
        """The query of the first page."""
        size = PAGE_SIZE_MAX if self.all else self.page_size
        asked = {"filter": self.filter, "order_by": self.order_by, "fields": self.fields}
        params: dict[str, str | int | bool] = {"page_size": size}
        params |= {name: value for name, value in asked.items() if value}
        return params | ({"show_deleted": "true"} if self.show_deleted else {})


def list_records(options: Listing) -> None:
    """List records: the first page, or all with --all."""
    more = False
    records: Iterator[Mapping[str, object]]
    with signed_in() as client:
        pages = client.pages(collection_path(options.collection), options.params())
        if options.all:
            records = chain.from_iterable(map(items, pages))
        else:
            page = next(pages)
            records, more = chain(items(page)), bool(page.get("next_page_token"))
        print_all(records, options)
    if more:
        typer.echo("There are more: --all shows them.", err=True)


def print_all(records: Iterator[Mapping[str, object]], options: Listing) -> None:
    """Records in the format asked for; as lines they are printed as they come."""
    if options.output is Format.TABLE:
        print_records(list(records), options.fields)
    elif options.output is Format.JSON:
        print_json(list(records))
    else:
        for record in records:
            print_line(record)


def create(collection: Collection, fields: Fields = None, validate_only: bool = False) -> None:
    """Create a record and show it."""
    with signed_in() as client:
        path = collection_path(collection) + ("?validate_only=true" if validate_only else "")
        print_json(client.change("POST", path, body_of(fields or ())))


def update(
    collection: Collection,
    id: Id,  # noqa: A002  # the field's name
    fields: Fields = None,
    etag: Annotated[str, typer.Option(help="Version that you mean; the present one.")] = "",
) -> None:
    """Change the fields given; refused when somebody else changed the record meanwhile."""
    body = body_of(fields or ())
    if not body:
        raise CliError("Nothing to change: give field=value.")
    with signed_in() as client:
        path = record_path(collection, id)
        match = etag or str(client.read(path, {"fields": "etag"}).get("etag", ""))
        print_json(client.change("PATCH", path, body, {"if-match": quoted(match)}))


def delete(
    collection: Collection,
    id: Id,  # noqa: A002  # the field's name
    etag: Annotated[str, typer.Option(help="Version that you mean; the present one.")] = "",
) -> None:
    """Move a record to the recycle bin."""
    with signed_in() as client:
        path = record_path(collection, id)
        match = etag or str(client.read(path, {"fields": "etag"}).get("etag", ""))
        client.change("DELETE", path, headers={"if-match": quoted(match)})
    typer.echo(f"Deleted; crm undelete {collection} {id} takes it back.")


def undelete(collection: Collection, id: Id) -> None:  # noqa: A002  # the field's name
    """Take a record out of the recycle bin."""
    with signed_in() as client:
        print_json(client.change("POST", f"{record_path(collection, id)}:undelete", {}))


def do(
    collection: Collection,
    id: Id,  # noqa: A002  # the field's name
    verb: Annotated[str, typer.Argument(help="For example win, lose, move.")],
    fields: Fields = None,
) -> None:
    """Call a method of a record, for example: crm do opportunities ID lose reason=price."""
    if not _NAME.fullmatch(verb):
        raise CliError(f"{verb!r} is no method.")
    with signed_in() as client:
        body = body_of(fields or ())
        print_json(client.change("POST", f"{record_path(collection, id)}:{verb}", body))


def collection_path(collection: str) -> str:
    """The path of a collection; campaign_members and campaignMembers are the same."""
    if not _NAME.fullmatch(collection):
        raise CliError(f"{collection!r} is no collection; customers and opportunities are some.")
    first, *others = collection.split("_")
    return "/v1/" + first + "".join(part[:1].upper() + part[1:] for part in others)


def record_path(collection: str, record_id: str) -> str:
    """The path of a record."""
    return f"{collection_path(collection)}/{quote(record_id, safe='')}"


def items(page: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The records of a page: its one list."""
    lists = [value for value in page.values() if isinstance(value, list)]
    return [record for record in lists[0] if isinstance(record, dict)] if lists else []


def body_of(arguments: Sequence[str]) -> dict[str, object]:
    """The JSON object that the arguments of a command describe; later ones win."""
    body: dict[str, object] = {}
    for argument in arguments:
        if argument == "-" or argument.startswith("@"):
            body |= _document(argument)
            continue
        found = _FIELD.fullmatch(argument)
        if found is None:
            raise CliError(f"{argument!r} is not understood: field=text or field:=JSON.")
        path, sign, text = found.groups()
        _put(body, path, text if sign == "=" else _json(text, path))
    return body


def quoted(etag: str) -> str:
    """An entity tag with the quotes that the header wants (RFC 9110, 8.8.3)."""
    return '"' + etag.strip('"') + '"'


def _put(body: dict[str, object], path: str, value: object) -> None:
    *parents, last = path.split(".")
    for name in parents:
        inner = body.setdefault(name, {})
        if not isinstance(inner, dict):
            raise CliError(f"{path}: {name} has a value of its own.")
        body = inner
    body[last] = value


def _document(argument: str) -> dict[str, object]:
    try:
        text = sys.stdin.read() if argument == "-" else Path(argument[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"cannot read {argument[1:]}: {error}") from error
    document = _json(text, argument)
    if not isinstance(document, dict):
        raise CliError(f"{argument} holds no JSON object.")
    return document


def _json(text: str, what: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise CliError(f"{what}: not valid JSON: {error}") from error
    return value
