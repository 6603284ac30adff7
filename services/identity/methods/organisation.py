"""The organisation as it has just been written: lines end, companies do not nest, and who manages
one company stays within it.
"""

from sqlalchemy import ColumnElement, Table, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import UUID

from chassis.access.model import Reach
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import PermissionDenied
from services.identity.domain.organisation import LEVELS_MAX, PARTNER_COMPANY, Line, check_line
from services.identity.models.department import department
from services.identity.models.user import user

_ID = bindparam("id", type_=UUID(as_uuid=False))
_ZERO: ColumnElement[int] = literal_column("0")
_LOCK = statement(
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("name"), _ZERO)))
)
_DELETED = statement(
    select(department.c.id).where(
        department.c.tenant_id == bindparam("tenant_id"),
        department.c.id == _ID,
        department.c.delete_time.is_not(None),
    )
)


def _line(table: Table, link: str, *, up: bool) -> Statement:
    """(id, level, kind) of a row at level 0 and of all above or below it, LEVELS_MAX levels and
    one more, deleted ones too.
    """
    row = table.alias("one")
    kind: ColumnElement[str] = row.c.get("kind", literal_column("''"))
    near, far = ("id", link) if up else (link, "id")
    line = (
        select(row.c.id, row.c[link], _ZERO.label("level"), kind.label("kind"))
        .where(row.c.tenant_id == bindparam("tenant_id"), row.c.id == _ID)
        .cte("line", recursive=True)
    )
    line = line.union_all(
        select(row.c.id, row.c[link], line.c.level + literal_column("1"), kind).where(
            row.c.tenant_id == bindparam("tenant_id"),
            row.c[near] == line.c[far],
            line.c.level <= literal_column(str(LEVELS_MAX)),
        )
    )
    return statement(select(line.c.id, line.c.level, line.c.kind).order_by(line.c.level))


_LINES = {
    "department": tuple(_line(department, "parent_id", up=up) for up in (True, False)),
    "user": tuple(_line(user, "manager_id", up=up) for up in (True, False)),
}


async def company_of(tx: Tx, member: Record) -> str:
    """Partner company of a user (tenant_id, department_id); empty for one of the head office."""
    if member["department_id"] is None:
        return ""
    values = {"tenant_id": member["tenant_id"], "id": member["department_id"]}
    above = await tx.fetch(_LINES["department"][0], values)
    return next((str(row["id"]) for row in above if row["kind"] == PARTNER_COMPANY), "")


async def lock_organisation(call: Call, tx: Tx) -> None:
    """One change of a tenant's lines at a time, so that two together close no circle."""
    await tx.execute(_LOCK, {"name": f"organisation {call.tenant_id}"})


async def check_written(call: Call, tx: Tx, resource: str, record_id: str, field: str) -> None:
    """FailedPrecondition when the department or user, as written, is above itself, too deep, or a
    company in a company; `field` is what was set.
    """
    values = {"tenant_id": call.tenant_id, "id": record_id}
    above, below = [await tx.fetch(run, values) for run in _LINES[resource]]
    companies = {str(row["id"]) for row in (*above, *below) if row["kind"] == PARTNER_COMPANY}
    line = Line(
        above=[str(row["id"]) for row in above],
        levels_below=max((row["level"] for row in below), default=0),
        companies=len(companies),
    )
    check_line(line, field)


async def require_living(call: Call, tx: Tx, field: str, department_id: object) -> None:
    """InvalidArgument for a department in the recycle bin; foreign keys refuse what never was."""
    values = {"tenant_id": call.tenant_id, "id": department_id}
    if department_id and await tx.fetch_row(_DELETED, values) is not None:
        raise invalid_fields([(field, "There is no such record.")])


def require_within(call: Call, reach: Reach, department_id: object, owner_id: str = "") -> None:
    """PermissionDenied when a department, or a user of it, is out of reach, whether it exists or
    not.
    """
    place = str(department_id or "")
    if not reach.covers(owner_id, place, call.access.company_at(place)):
        raise PermissionDenied("DEPARTMENT_NOT_IN_SCOPE", "You may not do this in this department.")
