"""Announcements: what a tenant tells its people."""

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.message import Message

from chassis.access.scope import readable
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.resource.resource import Reference, Resource, Row
from crm.identity.v1.announcement_pb2 import Announcement
from services.identity.domain.announcement import Audience, Showing
from services.identity.models.announcement import announcement


async def _prepare_create(call: Call, _tx: Tx, row: Row, message: Message) -> None:
    _settle(call, row, message)


async def _prepare_update(call: Call, _tx: Tx, before: Row, row: Row, message: Message) -> None:
    _settle(call, row, message, before)


def _settle(
    call: Call, row: Row, message: Message, before: Mapping[str, object] | None = None
) -> None:
    """It is published at once when no time is given; its author sees whom it is addressed to."""
    # A column that is never NULL has the beginning of all time for what was not sent.
    if "publish_time" in row and not message.HasField("publish_time"):
        row["publish_time"] = call.now
    sees = {"audience_department_ids": _sees_department, "audience_role_ids": _sees_role}
    wrong = [
        (name, "There is no such record.")
        for name, seen in sees.items()
        if not all(seen(call, one) for one in _ids(row.get(name)))
    ]
    if wrong:
        raise invalid_fields(wrong)
    if not showing_of({**(before or {}), **row}).is_possible:
        raise invalid_fields([("expire_time", "It must lie after publish_time.")])


def _sees_department(call: Call, record_id: str) -> bool:
    company_id = call.access.company_at(record_id)
    reach = readable(call, "departments")
    return record_id in call.access.parents and reach.covers("", record_id, company_id)


def _sees_role(call: Call, record_id: str) -> bool:
    return record_id in call.access.roles and readable(call, "roles").covers(record_id, "", "")


def company_of(row: Record) -> str:
    """The partner company that an announcement stays in; empty for one of the head office."""
    return str(row["partner_company_id"] or "")


def audience_of(row: Record) -> Audience:
    """Whom an announcement is addressed to."""
    departments, roles = row["audience_department_ids"], row["audience_role_ids"]
    return Audience(frozenset(_ids(departments)), frozenset(_ids(roles)))


def showing_of(row: Record) -> Showing:
    """When an announcement is shown."""
    start, end = row["publish_time"], row["expire_time"]
    assert isinstance(start, datetime)
    return Showing(start, end if isinstance(end, datetime) else None)


def _ids(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


ANNOUNCEMENT = Resource(
    message=Announcement,
    table=announcement,
    filterable=("title", "pinned", "publish_time", "expire_time"),
    orderable=("publish_time", "title"),
    searchable=("title", "body"),
    references=(
        Reference("audience_department_ids", "departments"),
        Reference("audience_role_ids", "roles"),
        Reference("owner_id", "users"),
    ),
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
)
