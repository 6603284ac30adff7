"""Row scope as SQL: a reach on any table with columns for owner, department and partner company."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Table,
    Text,
    all_,
    any_,
    bindparam,
    exists,
    or_,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.sql.visitors import ExternallyTraversible, replacement_traverse

from chassis.access.model import Access, Reach
from chassis.access.place import COMPANY, GRANTEES, OWNED
from chassis.call import Call
from chassis.shares.reach import is_shared
from crm.type.v1.options_pb2 import Place

# What of a reach decides about the SQL text: narrowed by owner, narrowed by company, widened by
# shares of which level, narrowed to what belongs to one collection.
Shape: TypeAlias = tuple[bool, bool, str, bool]
NO_LIMIT: Shape = (False, False, "", False)
OF_COLLECTION: Shape = (False, False, "", True)

# No array is empty: what no row can be equal to implies the predicate of any partial index, and
# PostgreSQL would take one of those for it.
NOBODY = ["00000000-0000-0000-0000-000000000000"]

_IDS = ARRAY(UUID(as_uuid=False))
_OWNERS = bindparam("reach_owners", type_=_IDS)
_DEPARTMENTS = bindparam("reach_departments", type_=_IDS)
_COMPANY = bindparam("reach_company", type_=UUID(as_uuid=False))
_COMPANY_DEPARTMENTS = bindparam("reach_company_departments", type_=_IDS)
_OF = bindparam("reach_of", type_=Text())
_WITHOUT = bindparam("reach_without", type_=_IDS)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that stand for owner, department and company; rows without any are everybody's.

    Without a column for the company it is the one that the department lies in. With a `link` they
    are those of the row above. `shared` is the id that shares name, or in a copy of the record the
    list of those it is shared with, where there may be some. Settings have a column that names the
    collection which they are `of`.
    """

    owner: Column[object] | None
    department: Column[object] | None
    company: Column[object] | None
    link: ColumnElement[bool] | None = None
    shared: Column[object] | None = None
    of: Column[object] | None = None


def scope_columns(table: Table, place: Place = OWNED) -> Columns:
    """The columns of a table by name; a name that it does not have stands for nothing."""
    if place.parent:
        above = referred_table(table, place.parent)
        if above is None:
            raise ValueError(f"{table.name}.{place.parent} refers to nothing")
        same = (above.c.tenant_id == table.c.tenant_id) & (above.c.id == table.c[place.parent])
        return replace(scope_columns(above), link=same)
    owner, department = table.c.get(place.owner), table.c.get(place.department)
    shared = table.c.get(GRANTEES, table.c.id) if OWNED.owner in table.c else None
    company, of = table.c.get(COMPANY), table.c.get("resource")
    return Columns(owner, department, company, shared=shared, of=of)


def referred_table(table: Table, field: str) -> Table | None:
    """The table that a foreign key from the field points to; None without one."""
    found = (one.referred_table for one in table.foreign_key_constraints if field in one.columns)
    return next(found, None)


def readable(call: Call, resource: str) -> Reach:
    """What of a resource the caller may refer to: what his roles let him read. Who is in the head
    office and has no grant on it at all may name any, because forms do not show it to him.
    """
    who = call.principal
    company_id = who.partner_company_id
    reach = call.access.reach(who.id, who.role_ids, company_id, resource, "READ")
    return reach or Reach(everything=not company_id, company_id=company_id)


def table_reach_shape(columns: Columns, reach: Reach) -> Shape:
    """What of a reach decides about the SQL text."""
    if reach.of:
        return OF_COLLECTION
    if columns.owner is None and columns.department is None:
        return NO_LIMIT
    narrowed = not (reach.everything or reach.company_all)
    shared = reach.shares if narrowed and columns.shared is not None else ""
    return narrowed, bool(reach.company_id), shared, False


def table_reach_condition(
    columns: Columns, shape: Shape, *, walked: bool = False
) -> list[ColumnElement[bool]]:
    """The conditions that keep a statement to the rows within reach; `walked` row by row."""
    ways, limits = reach_parts(columns, shape, walked=walked)
    conditions = [or_(*ways), *limits] if ways else limits
    if columns.link is not None and conditions:
        return [exists().where(columns.link, *conditions)]
    return conditions


def reach_parts(
    columns: Columns, shape: Shape, *, walked: bool = False
) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """The ways into a reach, of which a row needs one where there are any, and what it needs
    besides.
    """
    owner, department, company = columns.owner, columns.department, columns.company
    ways: list[ColumnElement[bool]] = []
    limits: list[ColumnElement[bool]] = []
    if shape[0]:
        pairs = ((owner, _OWNERS), (department, _DEPARTMENTS))
        ways = [one == any_(ids) for one, ids in pairs if one is not None]
        if shape[2] and columns.shared is not None:
            ways.append(is_shared(columns.shared, shape[2], walked=walked))
    if shape[1] and company is not None:
        limits.append(company == _COMPANY)
    elif shape[1] and department is not None:
        limits.append(department == any_(_COMPANY_DEPARTMENTS))
    if shape[3] and columns.of is not None:
        limits += [columns.of == _OF, columns.of.table.c.id != all_(_WITHOUT)]
    return ways, limits


def covers_row(columns: Columns, reach: Reach, row: Mapping[str, object], access: Access) -> bool:
    """The same for a row that has been read; one with a row above is in reach when all are."""
    if columns.link is not None:
        return reach.everything and not reach.company_id
    if columns.owner is None and columns.department is None:
        return True
    department = _text(row, columns.department)
    company = _text(row, columns.company)
    if columns.company is None:
        company = access.company_at(department)
    return reach.covers(_text(row, columns.owner), department, company)


def _text(row: Mapping[str, object], column: Column[object] | None) -> str:
    return "" if column is None else str(row[column.name] or "")


def beside(conditions: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """The conditions over parameters named `also_...`, for a second reach in one statement."""

    def rename(element: ExternallyTraversible, **_: object) -> ExternallyTraversible | None:
        if not isinstance(element, BindParameter) or not element.key.startswith("reach_"):
            return None
        return bindparam(f"also_{element.key}", type_=element.type)

    return [replacement_traverse(one, {}, rename) for one in conditions]


def beside_values(reach: Reach) -> dict[str, object]:
    """The values of those parameters."""
    return {f"also_{name}": value for name, value in reach_values(reach).items()}


def reach_values(reach: Reach) -> dict[str, object]:
    """The values of the parameters that table_reach_condition may use."""
    return {
        "reach_owners": list(reach.owner_ids),
        "reach_departments": list(reach.department_ids) or NOBODY,
        "reach_company": reach.company_id or None,
        "reach_company_departments": list(reach.company_department_ids),
        "reach_grantees": list(reach.grantee_ids),
        "reach_of": reach.of,
        "reach_without": list(reach.without),
    }
