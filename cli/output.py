"""How results look: JSON for programs, tables for people."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Columns that a table leaves out unless they are asked for.
HIDDEN = frozenset({
    "etag", "create_time", "update_time", "delete_time", "purge_time", "creator_id", "updater_id",
    "department_id", "partner_company_id", "external_source", "description", "grants",
})  # fmt: skip
CELL_MAX = 60


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    LINES = "lines"


def print_json(value: object) -> None:
    """A value as indented JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_line(value: object) -> None:
    """A value as one line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under bold headings; as wide as it needs when it goes to a file or a pipe."""
    is_terminal = sys.stdout.isatty()
    console = Console(soft_wrap=False, width=None if is_terminal else 1000, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="ellipsis" if is_terminal else "fold", no_wrap=True)
    for row in rows:
        table.add_row(*[Text(cell(value)) for value in row])
    if is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    sys.stdout.write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")


def print_records(records: Sequence[Mapping[str, object]], fields: str) -> None:
    """Records as a table: the fields asked for, else those that any of them has."""
    asked = [name.strip() for name in fields.split(",") if name.strip()]
    columns = asked or [
        name
        for name in dict.fromkeys(name for record in records for name in record)
        if name not in HIDDEN and any(record.get(name) not in EMPTY for record in records)
    ]
    print_table(columns, [[record.get(name) for name in columns] for record in records])


EMPTY: tuple[object, ...] = (None, "", [], {})


def cell(value: object) -> str:
    """A value as the text of a table cell; control characters are shown as spaces."""
    if value is None:
        text = ""
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, Mapping) and set(value) == {"currency_code", "amount"}:
        text = f"{value['currency_code']} {value['amount']}"
    elif isinstance(value, Mapping | list):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value)
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= CELL_MAX else text[: CELL_MAX - 1] + "…"


def money(amounts: object) -> str:
    """Amounts per currency in one cell."""
    if not isinstance(amounts, list):
        return ""
    return ", ".join(cell(amount) for amount in amounts)
