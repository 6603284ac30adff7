"""Roles; what they allow is given by those only who have it."""

from google.protobuf.message import Message

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.resource.resource import Resource, Row
from crm.identity.v1.role_pb2 import Role
from services.identity.methods.administrators import keep_administrator
from services.identity.methods.power import require_rights
from services.identity.models.role import role


async def _prepare_create(call: Call, _tx: Tx, row: Row, _message: Message) -> None:
    """What a partner user makes is his company's."""
    row["partner_company_id"] = call.principal.partner_company_id or None
    require_rights(call, row)


async def _prepare_update(call: Call, tx: Tx, before: Row, row: Row, _message: Message) -> None:
    """Neither the rights that the role has nor those it gets go beyond the caller's."""
    if {"grants", "field_rules"} & row.keys():
        require_rights(call, before)
        require_rights(call, before | row)
        await keep_administrator(call, tx)


async def _prepare_delete(call: Call, tx: Tx, _before: Row) -> None:
    await keep_administrator(call, tx)


ROLE = Resource(
    message=Role,
    table=role,
    filterable=("name", "key", "partner_company_id"),
    orderable=("name",),
    unique={"uq_role_name": "name"},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_delete=_prepare_delete,
)  # fmt: skip
