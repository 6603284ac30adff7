"""Departments: a tree, whose branches may be partner companies."""

from google.protobuf.message import Message

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.resource.resource import Child, Reference, Resource, Row
from chassis.resource.write import changed_columns
from crm.identity.v1.department_pb2 import Department
from services.identity.domain.organisation import check_partner_kind
from services.identity.methods.administrators import keep_administrator
from services.identity.methods.organisation import (
    check_written,
    lock_organisation,
    require_living,
    require_within,
)
from services.identity.models.department import department
from services.identity.models.user import user


async def _prepare_create(call: Call, tx: Tx, row: Row, _message: Message) -> None:
    """A partner user's department lies in his company."""
    check_partner_kind(row["kind"], row["partner_kind"])
    row["parent_id"] = row["parent_id"] or call.principal.partner_company_id or None
    require_within(call, call.reach("departments", "CREATE"), row["parent_id"])
    await _check_parent(call, tx, str(row["id"]), row["parent_id"])


async def _prepare_update(call: Call, tx: Tx, before: Row, row: Row, _message: Message) -> None:
    """A department moves within what the caller may configure: whoever is above it sees more."""
    after, changed = before | row, changed_columns(before, row)
    check_partner_kind(after["kind"], after["partner_kind"])
    if "parent_id" in changed:
        for place in (before["id"], after["parent_id"]):
            require_within(call, call.reach("departments", "CONFIGURE"), place)
        await keep_administrator(call, tx)
    if {"parent_id", "delete_time"} & changed:
        await _check_parent(call, tx, str(before["id"]), after["parent_id"])


async def _check_parent(call: Call, tx: Tx, department_id: str, parent_id: object) -> None:
    await lock_organisation(call, tx)
    await require_living(call, tx, "parent_id", parent_id)
    tx.after(check_written, call, "department", department_id, "parent_id")


DEPARTMENT = Resource(
    message=Department,
    table=department,
    filterable=(
        "name",
        "parent_id",
        "kind",
        "partner_kind",
    ),
    orderable=("name",),
    searchable=("name",),
    references=(Reference("parent_id", "departments"),),
    children=(Child(department, "parent_id"), Child(user, "department_id")),
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
)
