"""The mapping of an import, checked against file and resource before anything runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from chassis.codec import invalid_fields
from chassis.custom_fields.model import CUSTOM, Kind, OwnFields
from chassis.resource.fields import Field, Form
from chassis.resource.plan import Plan
from chassis.resource.resource import Reference
from chassis.resource.view import NO_FIELD, View
from crm.chassis.v1.import_pb2 import ColumnMapping, ImportSpec

MONEY_PARTS = ("amount", "currency_code")
KEY = "external_id"
SOURCE = "external_source"


@dataclass(frozen=True, slots=True)
class Target:
    """What one column (or default, `index` -1) fills: a field, or a part of a money field."""

    column: str
    index: int
    field: Field
    part: str
    values: Mapping[str, str]
    match: str
    reference: Reference | None
    factor: str

    @property
    def path(self) -> str:
        """Field path, for example "amount.currency_code"."""
        return f"{self.field.name}.{self.part}" if self.part else self.field.name


@dataclass(frozen=True)
class ImportMapping:
    """Columns and defaults of one import into one resource."""

    plan: Plan
    spec: ImportSpec
    columns: Sequence[Target]
    defaults: Mapping[str, str]
    own: OwnFields

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """Every field that some row may set, by name; external_source is set with external_id."""
        names = [target.field.name for target in self.columns]
        names += [path.split(".")[0] for path in self.defaults]
        if self.spec.external_source:
            names.append(SOURCE)
        return {name: self.plan.fields[name] for name in dict.fromkeys(names)}

    @cached_property
    def create_fields(self) -> Sequence[Field]:
        """The fields of a new record: what callers may set, and what an import may."""
        imported = [one for one in self.fields.values() if one.output_only]
        return (*self.plan.writable, *imported)

    @cached_property
    def matched(self) -> Sequence[Target]:
        """Columns whose cells name records."""
        return [target for target in self.columns if target.match]

    def points_to_own(self, target: Target) -> bool:
        """Whether the column names records of the resource that is imported."""
        reference = target.reference
        return (
            reference is not None
            and reference.resource == self.plan.plural
            and reference.service in {"", self.plan.service}
        )

    def column_of(self, path: str) -> str:
        """The column that an error at a field path is told for; the path itself when none is."""
        for wanted in (
            path,
            path.split("[", maxsplit=1)[0],
            path.split("[", maxsplit=1)[0].split(".", maxsplit=1)[0],
        ):
            for target in self.columns:
                if target.path == wanted or target.path.startswith(f"{wanted}."):
                    return target.column
        return path


def make_mapping(view: View, spec: ImportSpec, header: Sequence[str]) -> ImportMapping:
    """The mapping, or InvalidArgument naming everything that is wrong with it."""
    plan = view.plan
    problems = [
        *_missing_columns(spec, header),
        *_column_problems(view, spec),
        *_default_problems(view, spec),
        *_key_problems(plan, spec),
    ]
    if problems:
        raise invalid_fields(problems)
    columns = [_target(plan, one, list(header).index(one.column)) for one in spec.columns]
    return ImportMapping(plan, spec, columns, dict(spec.defaults), view.own)


def refuse_denied(view: View, spec: ImportSpec) -> None:
    """InvalidArgument for fields that the importer's roles do not let him set."""
    paths = {f"spec.columns[{at}].field": one.field for at, one in enumerate(spec.columns)}
    paths |= {f"spec.defaults.{path}": path for path in spec.defaults}
    paths |= {"spec.external_source": SOURCE} if spec.external_source else {}
    problems = [
        (place, _unknown(view.plan, path) if rule == NO_FIELD else rule)
        for place, path in paths.items()
        if (rule := view.rule(path))
    ]
    if problems:
        raise invalid_fields(problems)


def _target(plan: Plan, column: ColumnMapping, index: int) -> Target:
    name, _, part = column.field.partition(".")
    return Target(
        column=column.column,
        index=index,
        field=plan.fields[name],
        part=part,
        values=dict(column.values),
        match=column.match,
        reference=_reference(plan, name),
        factor=column.factor,
    )


def _reference(plan: Plan, name: str) -> Reference | None:
    return next((one for one in plan.resource.references if one.field == name), None)


def _missing_columns(spec: ImportSpec, header: Sequence[str]) -> Iterator[tuple[str, str]]:
    for at, column in enumerate(spec.columns):
        if column.column not in header:
            text = f'The file has no column "{column.column}".'
            yield f"spec.columns[{at}].column", text


def _column_problems(view: View, spec: ImportSpec) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for at, column in enumerate(spec.columns):
        place = f"spec.columns[{at}]"
        text = field_problem(view, column.field)
        if text:
            yield f"{place}.field", text
            continue
        if column.field in seen:
            yield f"{place}.field", "Two columns fill this field."
        seen.add(column.field)
        if column.match and _reference(view.plan, column.field) is None:
            yield f"{place}.match", "This field is no reference."
        if column.factor and not _is_number(view, column.field):
            yield f"{place}.factor", "This field is no number."


def _is_number(view: View, path: str) -> bool:
    name, _, part = path.partition(".")
    if name == CUSTOM and part in view.own.by_name:
        return view.own.by_name[part].kind is Kind.NUMBER
    return part.endswith("amount") or view.plan.fields[name].form is Form.NUMBER


def _default_problems(view: View, spec: ImportSpec) -> Iterator[tuple[str, str]]:
    for path in spec.defaults:
        text = field_problem(view, path)
        if text or path == KEY:
            yield f"spec.defaults.{path}", text or "Every record has its own external id."


def _key_problems(plan: Plan, spec: ImportSpec) -> Iterator[tuple[str, str]]:
    keyed = any(column.field == KEY for column in spec.columns)
    if keyed and not spec.external_source:
        yield "spec.external_source", "It is required with a column for external_id."
    if spec.external_source and SOURCE not in plan.fields:
        yield "spec.external_source", f"{plan.plural} have no external source."


def field_problem(view: View, path: str) -> str:
    """Why the path cannot be filled; "" when it can."""
    name, _, part = path.partition(".")
    plan = view.plan
    field = plan.fields.get(name)
    if name == CUSTOM:
        return _own_problem(view, part)
    if field is None:
        return _unknown(plan, path)
    if name == SOURCE:
        return "The external source is given once, as external_source of the import."
    if field.output_only and name not in plan.resource.importable:
        return "This field cannot be set."
    if field.form is Form.MESSAGES:
        return "This field cannot be imported from a column."
    if field.form is Form.MONEY and part not in MONEY_PARTS:
        return f"Name a part of it: {name}.amount or {name}.currency_code."
    return "" if field.form is Form.MONEY or not part else "This field has no parts."


def _own_problem(view: View, path: str) -> str:
    """The same for one of the tenant's own fields, which a column fills whole, money also by its
    parts.
    """
    name, _, part = path.partition(".")
    one = view.own.by_name.get(name)
    if one is None:
        return f"{view.plan.plural} have no field {CUSTOM}.{name} to import."
    parts = MONEY_PARTS if one.kind is Kind.MONEY else ()
    return "" if not part or part in parts else "This field has no such part."


def _unknown(plan: Plan, path: str) -> str:
    return f"{plan.plural} have no field {path.partition('.')[0]} to import."
