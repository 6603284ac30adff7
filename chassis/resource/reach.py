"""Row scope as SQL: a reach on any table that holds owner, department and partner company."""

from collections.abc import Sequence

from sqlalchemy import BindParameter, ColumnElement, Table, and_, any_, bindparam, or_
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.sql.visitors import ExternallyTraversible, replacement_traverse

from chassis.access.model import Reach

_OWNERS = bindparam("reach_owners", type_=ARRAY(UUID(as_uuid=False)))
_DEPARTMENTS = bindparam("reach_departments", type_=ARRAY(UUID(as_uuid=False)))
_COMPANY = bindparam("reach_company", type_=UUID(as_uuid=False))


def table_reach_shape(table: Table, reach: Reach) -> tuple[bool, bool]:
    """What of a reach decides about the SQL text: narrowed by owner, narrowed by company."""
    if "owner_id" not in table.c:
        return (False, False)
    return (not (reach.everything or reach.company_all), bool(reach.company_id))


def table_reach_condition(table: Table, shape: tuple[bool, bool]) -> list[ColumnElement[bool]]:
    """The conditions that keep a statement to the rows within reach."""
    conditions: list[ColumnElement[bool]] = []
    if shape[0]:
        owner, department = table.c.owner_id, table.c.department_id
        conditions.append(or_(owner == any_(_OWNERS), department == any_(_DEPARTMENTS)))
    if shape[1]:
        conditions.append(and_(table.c.partner_company_id == _COMPANY))
    return conditions


def beside(conditions: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """The conditions over parameters named `also_...`, for a second reach in one statement."""

    def rename(element: ExternallyTraversible, **_: object) -> ExternallyTraversible | None:
        if not isinstance(element, BindParameter):
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
        "reach_departments": list(reach.department_ids),
        "reach_company": reach.company_id or None,
    }
