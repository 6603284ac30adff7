"""The columns of an export: the fields of a resource as an import takes them, and their cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from chassis.custom_fields.model import CHOOSING, CUSTOM, Choices, Definition, Kind
from chassis.operations.lines import Cell
from chassis.resource.fields import Field, Form
from chassis.resource.resource import Reference
from chassis.resource.view import View

LIST_MARK = ";"
MONEY_PARTS = ("amount", "currency_code")

Record = Mapping[str, object]
# Names by id, of the records that each field refers to.
Labels = Mapping[str, Mapping[str, str]]


Read = Callable[[Record, Labels], Cell]


@dataclass(frozen=True)
class Column:
    """One column: its name, and its cell of a record in JSON form."""

    name: str
    cell: Read


def export_columns(view: View, fields: Sequence[str]) -> list[Column]:
    """The columns of these fields (all that may be read when none), in that order."""
    plain = [name for name, one in view.fields.items() if one.form is not Form.MESSAGES]
    columns: list[Column] = []
    for name in fields or plain:
        columns += _columns(view, view.fields[name]) if name in view.fields else []
    return columns


def label_references(view: View, fields: Sequence[str]) -> list[Reference]:
    """The references among these fields whose records are named in a second column."""
    return [one for one in view.plan.resource.references if _labelled(view, one, fields)]


def _labelled(view: View, one: Reference, fields: Sequence[str]) -> bool:
    known = view.fields.get(one.field)
    return known is not None and known.form is Form.UUID and (not fields or one.field in fields)


def _columns(view: View, field: Field) -> list[Column]:
    name = field.name
    if field.form is Form.MONEY:
        return [Column(f"{name}.{part}", _money(name, part)) for part in MONEY_PARTS]
    if field.form is Form.CUSTOM:
        return [column for one in view.own.by_name.values() for column in _own(one)]
    if name in view.plan.resource.choices:
        return [Column(name, _chosen(name, view.own.lists.get(name, {})))]
    columns = [Column(name, _plain(name, field.form))]
    if any(one.field == name and _labelled(view, one, ()) for one in view.plan.resource.references):
        columns.append(Column(f"{name}.name", _label(name)))
    return columns


def _plain(name: str, form: Form) -> Read:
    def cell(record: Record, _labels: Labels) -> Cell:
        value = record.get(name)
        if form is Form.DATE and value:
            return date.fromisoformat(str(value))
        return cell_of(value)

    return cell


def _money(name: str, part: str) -> Read:
    def cell(record: Record, _labels: Labels) -> Cell:
        money = record.get(name)
        if not isinstance(money, Mapping):
            return ""
        return Decimal(str(money[part])) if part == "amount" else str(money[part])

    return cell


def _own(one: Definition) -> list[Column]:
    """One of the tenant's own fields, choices by their labels."""
    read = _plain(one.name, Form.DATE if one.kind is Kind.DATE else Form.TEXT)
    if one.kind in CHOOSING:
        read = _chosen(one.name, one.choices)
    if one.kind is Kind.NUMBER:
        read = _number(one.name)
    cells = {one.path: read}
    if one.kind is Kind.MONEY:
        cells = {f"{one.path}.{part}": _money(one.name, part) for part in MONEY_PARTS}
    return [Column(path, _within(cell)) for path, cell in cells.items()]


def _within(read: Read) -> Read:
    """The same of a record's own values."""

    def cell(record: Record, labels: Labels) -> Cell:
        values = record.get(CUSTOM)
        return read(values, labels) if isinstance(values, Mapping) else ""

    return cell


def _chosen(name: str, choices: Choices) -> Read:
    def cell(record: Record, _labels: Labels) -> Cell:
        value = record.get(name)
        ids = value if isinstance(value, list) else [value]
        known = {one: choices[one].label for one in map(str, ids) if one in choices}
        found = (known.get(str(one), cell_of(one)) for one in ids)
        return LIST_MARK.join(str(one) for one in found)

    return cell


def _number(name: str) -> Read:
    def cell(record: Record, _labels: Labels) -> Cell:
        value = record.get(name)
        return "" if value is None else Decimal(str(value))

    return cell


def _label(name: str) -> Read:
    return lambda record, labels: labels[name].get(str(record.get(name)), "")


def cell_of(value: object) -> Cell:
    """A value in JSON form as it stands in a cell."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return value
        case list():
            return LIST_MARK.join(str(cell_of(item)) for item in value)
        case dict():
            return " ".join(str(cell_of(item)) for item in value.values())
    return str(value)
