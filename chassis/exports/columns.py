"""The columns of an export: the fields of a resource as an import takes them, and their cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from chassis.operations.lines import Cell
from chassis.resource.fields import Field, Form
from chassis.resource.resource import Reference
from chassis.resource.view import View

CUSTOM = "custom_fields"
LIST_MARK = ";"
MONEY_PARTS = ("amount", "currency_code")

Record = Mapping[str, object]
# Names by id, of the records that each field refers to.
Labels = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Column:
    """One column: its name, and its cell of a record in JSON form."""

    name: str
    cell: Callable[[Record, Labels], Cell]


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
        # A tenant's own fields are all filterable by name.
        own = [one for one in view.filters if one.startswith(f"{name}.")]
        return [Column(one, _inner(name, one.partition(".")[2])) for one in own]
    columns = [Column(name, _plain(name, field.form))]
    if any(one.field == name and _labelled(view, one, ()) for one in view.plan.resource.references):
        columns.append(Column(f"{name}.name", _label(name)))
    return columns


def _plain(name: str, form: Form) -> Callable[[Record, Labels], Cell]:
    def cell(record: Record, _labels: Labels) -> Cell:
        value = record.get(name)
        if form is Form.DATE and value:
            return date.fromisoformat(str(value))
        return cell_of(value)

    return cell


def _money(name: str, part: str) -> Callable[[Record, Labels], Cell]:
    def cell(record: Record, _labels: Labels) -> Cell:
        money = record.get(name)
        if not isinstance(money, Mapping):
            return ""
        return Decimal(str(money[part])) if part == "amount" else str(money[part])

    return cell


def _inner(name: str, key: str) -> Callable[[Record, Labels], Cell]:
    def cell(record: Record, _labels: Labels) -> Cell:
        values = record.get(name)
        return cell_of(values.get(key)) if isinstance(values, Mapping) else ""

    return cell


def _label(name: str) -> Callable[[Record, Labels], Cell]:
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
