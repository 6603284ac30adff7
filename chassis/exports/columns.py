"""The columns of an export: the fields of a resource as an import takes them, and their cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from chassis.custom_fields.model import CUSTOM, Choices, Definition, Kind
from chassis.custom_fields.values import LIST_MARK
from chassis.imports.mapping import MONEY_PARTS
from chassis.operations.lines import Cell
from chassis.resource.fields import Field, Form
from chassis.resource.resource import Reference
from chassis.resource.view import View

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
    return [column for name in fields or plain for column in _columns(view, name)]


def label_references(view: View, fields: Sequence[str]) -> list[Reference]:
    """The references among these fields whose records are named in a second column."""
    return [one for one in view.plan.resource.references if _labelled(view, one, fields)]


def _labelled(view: View, one: Reference, fields: Sequence[str]) -> bool:
    known = view.fields.get(one.field)
    return known is not None and known.form is Form.UUID and (not fields or one.field in fields)


def _columns(view: View, name: str) -> list[Column]:
    """The columns of a field, of the tenant's own fields or of one of them; none for the etag."""
    if name.startswith(CUSTOM):
        own = view.own.by_name.values()
        return [column for one in own if name in {CUSTOM, one.path} for column in _own(one)]
    return _plain_columns(view, view.fields[name]) if name in view.fields else []


def _own(one: Definition) -> list[Column]:
    """The columns of one of the tenant's own fields; a choice is told by its label."""
    shown = _TYPED.get(one.kind) or _named(one.choices)
    if one.kind is Kind.MONEY:
        parts = [(f"{one.path}.{part}", part) for part in MONEY_PARTS]
        return [Column(path, _inner(one.name, _part(part))) for path, part in parts]
    return [Column(one.path, _inner(one.name, shown))]


def _plain_columns(view: View, field: Field) -> list[Column]:
    name = field.name
    if field.form is Form.MONEY:
        return [Column(f"{name}.{part}", _of(name, _part(part))) for part in MONEY_PARTS]
    columns = [Column(name, _of(name, _DATE if field.form is Form.DATE else cell_of))]
    if any(one.field == name and _labelled(view, one, ()) for one in view.plan.resource.references):
        columns.append(Column(f"{name}.name", _label(name)))
    if name in view.plan.resource.choices:
        shown = _named(view.own.lists.get(name, {}))
        columns.append(Column(f"{name}.name", _of(name, shown)))
    return columns


def _of(name: str, shown: Callable[[object], Cell]) -> Callable[[Record, Labels], Cell]:
    return lambda record, _labels: shown(record.get(name))


def _typed(parse: Callable[[str], Cell]) -> Callable[[object], Cell]:
    """Texts as what a spreadsheet reckons with."""
    return lambda value: parse(str(value)) if value else ""


_DATE = _typed(date.fromisoformat)
_TYPED: Mapping[Kind, Callable[[object], Cell]] = {Kind.NUMBER: _typed(Decimal), Kind.DATE: _DATE}


def _part(part: str) -> Callable[[object], Cell]:
    def cell(money: object) -> Cell:
        if not isinstance(money, Mapping):
            return ""
        return Decimal(str(money[part])) if part == "amount" else str(money[part])

    return cell


def _named(choices: Choices) -> Callable[[object], Cell]:
    """Ids of choices as their labels, and other values as they are."""

    def cell(value: object) -> Cell:
        if isinstance(value, list):
            return LIST_MARK.join(str(cell(item)) for item in value)
        known = choices.get(str(value))
        return known.label if known else cell_of(value)

    return cell


def _inner(name: str, shown: Callable[[object], Cell]) -> Callable[[Record, Labels], Cell]:
    def cell(record: Record, _labels: Labels) -> Cell:
        values = record.get(CUSTOM)
        return shown(values.get(name)) if isinstance(values, Mapping) else ""

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
    return str(value)
