"""API clients: nobody gives one more than he has himself, also not by way of its owner."""

from collections.abc import Mapping

from google.protobuf.message import Message

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.resource.resource import Reference, Resource, Row
from chassis.resource.write import changed_columns
from crm.identity.v1.api_client_pb2 import ApiClient
from services.identity.methods.power import require_lesser, require_roles
from services.identity.models.api_client import api_client

# Fields that decide what a client may do; changing them takes the right to configure clients.
POWER = frozenset({"role_ids", "scopes", "state", "owner_id", "delete_time"})


async def _prepare_create(call: Call, tx: Tx, row: Row, message: Message) -> None:
    assert isinstance(message, ApiClient)
    row["secrets"] = "[]"
    if message.role_ids:
        call.reach("api_clients", "CONFIGURE")
    widened = is_of_another(call, row)
    await require_roles(call, tx, list(message.role_ids), widened=widened)


async def _prepare_update(call: Call, tx: Tx, before: Row, row: Row, message: Message) -> None:
    """Neither what the client may do nor what it will goes beyond the caller's own rights."""
    assert isinstance(message, ApiClient)
    if not POWER & changed_columns(before, row):
        return
    call.reach("api_clients", "CONFIGURE")
    await require_power(call, tx, before)
    after = {**before, **row}
    widened = is_of_another(call, after)
    if "role_ids" in row:
        await require_roles(call, tx, list(message.role_ids), widened=widened)
    await require_lesser(call, tx, after, widened=widened)


async def require_power(call: Call, tx: Tx, client: Mapping[str, object]) -> None:
    """GrantBeyondOwn for a client that may do more than the caller."""
    await require_lesser(call, tx, client, widened=is_of_another(call, client))


def is_of_another(call: Call, client: Mapping[str, object]) -> bool:
    """Whether somebody else's own records are the client's own."""
    return str(client["owner_id"] or call.user_id) != call.user_id


API_CLIENT = Resource(
    message=ApiClient,
    table=api_client,
    filterable=("name", "state"),
    orderable=("name",),
    searchable=("name", "description"),
    references=(Reference("role_ids", "roles"), Reference("owner_id", "users")),
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_delete=require_power,
)
