"""Roles; what they allow is given by those only who have it."""

from google.protobuf.message import Message

from chassis.access.model import ALL_RESOURCES
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.contracts import collection_fields, granted
from chassis.custom_fields.model import CUSTOM
from chassis.db.pool import Tx
from chassis.resource.resource import Resource, Row
from crm.identity.v1.role_pb2 import Role
from services.identity.methods.administrators import keep_administrator
from services.identity.methods.power import require_rights
from services.identity.models.role import role


async def _prepare_create(call: Call, _tx: Tx, row: Row, message: Message) -> None:
    """What a partner user makes is his company's."""
    _check_rules(message)
    row["partner_company_id"] = call.principal.partner_company_id or None
    require_rights(call, row)


async def _prepare_update(call: Call, tx: Tx, before: Row, row: Row, message: Message) -> None:
    """Neither the rights that the role has nor those it gets go beyond the caller's."""
    _check_rules(message)
    if {"grants", "field_rules", "delete_time"} & row.keys():
        require_rights(call, before)
        require_rights(call, before | row)
        await keep_administrator(call, tx)


async def _prepare_delete(call: Call, tx: Tx, before: Row) -> None:
    require_rights(call, before)
    await keep_administrator(call, tx)


def _check_rules(message: Message) -> None:
    """InvalidArgument for a grant or a rule on what there is not: a slip would leave a field open,
    or somebody without the right that he was meant to have.
    """
    assert isinstance(message, Role)
    wrong = [
        (f"grants[{at}].resource", "There is no such collection.")
        for at, grant in enumerate(message.grants)
        if grant.resource not in {ALL_RESOURCES, *granted()}
    ]
    for at, rule in enumerate(message.field_rules):
        names = collection_fields().get(rule.resource)
        if names is None:
            wrong.append((f"field_rules[{at}].resource", "There is no such collection."))
        elif not (rule.field in names or rule.field.startswith(f"{CUSTOM}.")):
            wrong.append((f"field_rules[{at}].field", "There is no such field."))
    if wrong:
        raise invalid_fields(wrong)


ROLE = Resource(
    message=Role,
    table=role,
    filterable=("name", "key", "partner_company_id"),
    orderable=("name",),
    searchable=("name", "description"),
    unique={"uq_role_name": "name"},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_delete=_prepare_delete,
)  # fmt: skip
