"""Secrets of API clients: shown once, kept as hashes, several at a time."""

from collections.abc import Sequence
from datetime import UTC

from google.protobuf.message import Message
from sqlalchemy import any_, bindparam, delete, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.custom_fields.model import NO_FIELDS
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.ids import new_id
from chassis.resource.checks import check_match, refuse_deleted
from chassis.resource.read import get_record, lock_record
from chassis.resource.rows import column_values
from chassis.resource.standard import Collection
from chassis.resource.write import update_record
from chassis.rpc.methods import Methods, Unary
from crm.identity.v1 import api_client_secret_pb2 as pb
from crm.identity.v1.api_client_pb2 import ApiClient, ApiClientSecret
from crm.type.v1.requests_pb2 import GetRequest
from services.identity.domain.client import (
    PREFIX_SHOWN,
    SECRETS_MAX,
    SecretNotFound,
    SecretsExhausted,
    new_secret,
)
from services.identity.methods.api_client import require_power
from services.identity.models.api_client import api_client_secret

_SECRET = api_client_secret.c
_INSERT = statement(
    insert(api_client_secret).values({one.name: bindparam(one.name) for one in _SECRET})
)
_REMOVE = statement(
    delete(api_client_secret).where(
        _SECRET.tenant_id == bindparam("tenant_id"),
        _SECRET.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
    )
)
_USES = statement(
    select(_SECRET.id, _SECRET.last_used_time).where(
        _SECRET.tenant_id == bindparam("tenant_id"), _SECRET.client_id == bindparam("client_id")
    )
)


class Secrets:
    """The methods of ApiClientSecretService, and of clients what has to do with secrets."""

    def __init__(self, clients: Collection) -> None:
        self._clients = clients

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {
            "AddSecret": Unary(self.add, self._added),
            "RemoveSecret": Unary(self.remove, self._clients.reread),
        }

    async def get(self, call: Call, tx: Tx, request: GetRequest) -> Message:
        """GetApiClient: with the times when the secrets were last used."""
        message = await self._clients.get(call, tx, request)
        assert isinstance(message, ApiClient)
        rows = await tx.fetch(_USES, {"tenant_id": call.tenant_id, "client_id": request.id})
        used = {str(row["id"]): row["last_used_time"] for row in rows}
        for one in message.secrets:
            if used.get(one.id) is not None:
                one.last_used_time.FromDatetime(used[one.id])
        return message

    async def add(self, call: Call, tx: Tx, request: pb.AddSecretRequest) -> pb.AddSecretResponse:
        """Make a secret; those that have expired make room for it."""
        ends = request.expire_time.ToDatetime(UTC) if request.HasField("expire_time") else None
        if ends is not None and ends <= call.now:
            raise invalid_fields([("expire_time", "It must lie in the future.")])
        before, client = await self._locked(call, tx, request.id)
        over = [one.id for one in client.secrets if _is_over(one, call)]
        living = [one for one in client.secrets if one.id not in over]
        if len(living) >= SECRETS_MAX:
            raise SecretsExhausted
        made = new_secret()
        del client.secrets[:]
        client.secrets.extend(living)
        added = client.secrets.add(id=new_id(), prefix=made.text[:PREFIX_SHOWN])
        added.create_time.FromDatetime(call.now)
        if ends is not None:
            added.expire_time.CopyFrom(request.expire_time)
        values = {
            "tenant_id": call.tenant_id,
            "id": added.id,
            "client_id": request.id,
            "secret_hash": made.kept,
            "expire_time": ends,
            "last_used_time": None,
        }
        await tx.execute(_REMOVE, {"tenant_id": call.tenant_id, "ids": over})
        await tx.execute(_INSERT, values)
        answer = await self._written(call, tx, before, client, "secret_added")
        return pb.AddSecretResponse(secret=made.text, api_client=answer)

    async def remove(self, call: Call, tx: Tx, request: pb.RemoveSecretRequest) -> ApiClient:
        """Take a secret away, and with it the tokens that were given for it."""
        before, client = await self._locked(call, tx, request.id)
        kept = [one for one in client.secrets if one.id != request.secret_id]
        if len(kept) == len(client.secrets):
            raise SecretNotFound(request.secret_id)
        del client.secrets[:]
        client.secrets.extend(kept)
        await tx.execute(_REMOVE, {"tenant_id": call.tenant_id, "ids": [request.secret_id]})
        return await self._written(call, tx, before, client, "secret_removed")

    async def _added(self, call: Call, tx: Tx, ids: Sequence[str]) -> pb.AddSecretResponse:
        """What a repeated call gets: the secret was shown once."""
        client = await get_record(call, tx, self._clients.plan, ids[0])
        assert isinstance(client, ApiClient)
        return pb.AddSecretResponse(api_client=client)

    async def _locked(self, call: Call, tx: Tx, client_id: str) -> tuple[Record, ApiClient]:
        plan = self._clients.plan
        before = await lock_record(call, tx, plan, client_id, "CONFIGURE")
        check_match(call.if_match, before["version"])
        refuse_deleted(plan, before)
        await require_power(call, tx, before)
        client = plan.to_message(())(before, NO_FIELDS)
        assert isinstance(client, ApiClient)
        return before, client

    async def _written(
        self, call: Call, tx: Tx, before: Record, client: ApiClient, event: str
    ) -> ApiClient:
        plan = self._clients.plan
        row = column_values(client, [plan.fields["secrets"]])
        answer = await update_record(call, tx, plan, before, row, event)
        assert isinstance(answer, ApiClient)
        return answer


def _is_over(secret: ApiClientSecret, call: Call) -> bool:
    return secret.HasField("expire_time") and secret.expire_time.ToDatetime(UTC) <= call.now
