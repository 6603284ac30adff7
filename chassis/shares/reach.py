"""Shared records as SQL: what shares add to the reach of a verb."""

from sqlalchemy import Column, ColumnElement, Select, Table, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.place import GRANTEES
from chassis.db.schema import chassis_tables, new_metadata

WRITE = "WRITE"
SHARE = chassis_tables(new_metadata())["share"]
_GRANTEES = bindparam("reach_grantees", type_=ARRAY(UUID(as_uuid=False)))


def is_shared(
    record_id: Column[object], level: str, *, walked: bool = False
) -> ColumnElement[bool]:
    """Whether the record with this id is shared with the caller at this level.

    The ids are gathered into an array once per statement, so that they are an index condition like
    those of owner and department beside it. When rows are `walked` they are kept in a hash table.
    A copy of records has a list of grantees in the id's place, which says nothing of levels.
    """
    if isinstance(record_id.type, ARRAY):
        among: ColumnElement[bool] = record_id.overlap(_GRANTEES)
        return among
    found = shared_ids(record_id.table.name, level)
    return (
        record_id.in_(found) if walked else record_id == any_(func.array(found.scalar_subquery()))
    )


def shared_ids(table: str, level: str) -> Select[tuple[object]]:
    """The ids of the table's records that are shared with the caller at this level."""
    found = select(SHARE.c.record_id).where(
        SHARE.c.tenant_id == bindparam("tenant_id"),
        SHARE.c.grantee_id == any_(_GRANTEES),
        SHARE.c.resource == table,
    )
    return found.where(SHARE.c.level == WRITE) if level == WRITE else found


def grantees_of(
    table: Table, resource: ColumnElement[str], record_id: ColumnElement[object]
) -> ColumnElement[object]:
    """With whom the record in a row of the table is shared, in order; `grantee_ids` of the row.

    Shares name the table of a record, changes its resource: the two have one name.
    """
    found = select(SHARE.c.grantee_id).where(
        SHARE.c.tenant_id == table.c.tenant_id,
        SHARE.c.resource == resource,
        SHARE.c.record_id == record_id,
    )
    ordered = found.order_by(SHARE.c.grantee_id).correlate(table)
    return func.array(ordered.scalar_subquery()).label(GRANTEES)
