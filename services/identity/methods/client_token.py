"""Access tokens of API clients: the OAuth client credentials grant (RFC 6749, 4.4) and what becomes
of its tokens.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from joserfc.jwk import OKPKey
from sqlalchemy import any_, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.model import scopes_allow
from chassis.access.source import micros
from chassis.call import Call, Principal
from chassis.db.pool import Database, Record
from chassis.db.sql import statement
from chassis.errors import Unauthenticated
from chassis.events.change_row import record_event
from chassis.ids import new_id
from chassis.rpc.methods import Free, Methods
from crm.identity.v1 import client_token_pb2 as pb
from crm.identity.v1.session_pb2 import ExchangeTokenRequest, InternalToken
from services.identity.domain.client import (
    EVERYTHING,
    TOKENS_MAX,
    ClientInvalid,
    ScopeInvalid,
    kept_of,
    new_token,
    split_scope,
    token_end,
)
from services.identity.domain.session import SessionInvalid
from services.identity.domain.tenant import require_active
from services.identity.methods.access_time import access_time
from services.identity.methods.issue import internal_token
from services.identity.models.api_client import api_client, api_client_secret, client_token
from services.identity.models.tenant import tenant

USE_NOTED_EVERY = timedelta(minutes=1)
_CLIENT, _SECRET, _TOKEN = api_client.c, api_client_secret.c, client_token.c
_TENANT_STATE = tenant.c.state.label("tenant_state")
_OF_CLIENT = tenant.c.tenant_id == _CLIENT.tenant_id
_PRINCIPAL = select(
    _CLIENT.tenant_id, _CLIENT.id, _CLIENT.role_ids, _CLIENT.partner_company_id, _CLIENT.state,
    _CLIENT.delete_time, _TENANT_STATE,
).add_columns(access_time(_CLIENT.tenant_id)).join(tenant, _OF_CLIENT)  # fmt: skip
_BY_ID = statement(
    _PRINCIPAL.add_columns(_CLIENT.scopes).where(
        _CLIENT.tenant_id == bindparam("tenant_id"), _CLIENT.id == bindparam("id")
    )
)
_BY_TOKEN = statement(
    _PRINCIPAL.add_columns(
        _TOKEN.id.label("token_id"),
        _TOKEN.scopes,
        _TOKEN.expire_time,
        _CLIENT.scopes.label("client_scopes"),
    )
    .join(client_token, (_TOKEN.tenant_id == _CLIENT.tenant_id) & (_TOKEN.client_id == _CLIENT.id))
    .where(_TOKEN.access_hash == bindparam("hash"))
)
_BY_SECRET = statement(
    select(
        _SECRET.tenant_id, _SECRET.id, _SECRET.client_id, _SECRET.expire_time,
        _SECRET.last_used_time, _CLIENT.state, _CLIENT.delete_time, _CLIENT.scopes,
        _TENANT_STATE,
    )
    .join(api_client, (_CLIENT.tenant_id == _SECRET.tenant_id) & (_CLIENT.id == _SECRET.client_id))
    .join(tenant, _OF_CLIENT)
    .where(_SECRET.secret_hash == bindparam("hash"))
)  # fmt: skip
_INSERT = statement(insert(client_token).values({one.name: bindparam(one.name) for one in _TOKEN}))
# The newest ones by their end; all that this leaves out may go.
_KEPT = statement(
    select(_TOKEN.id)
    .where(
        _TOKEN.tenant_id == bindparam("tenant_id"),
        _TOKEN.client_id == bindparam("client_id"),
        _TOKEN.expire_time > bindparam("now"),
    )
    .order_by(_TOKEN.expire_time.desc(), _TOKEN.id.desc())
    .limit(bindparam("limit"))
)
_CLEAR = statement(
    delete(client_token).where(
        _TOKEN.tenant_id == bindparam("tenant_id"),
        _TOKEN.client_id == bindparam("client_id"),
        ~(_TOKEN.id == any_(bindparam("kept", type_=ARRAY(UUID(as_uuid=False))))),
    )
)
_USED = statement(
    update(api_client_secret)
    .values(last_used_time=bindparam("now"))
    .where(_SECRET.tenant_id == bindparam("tenant_id"), _SECRET.id == bindparam("secret_id"))
)
_REVOKE = statement(
    delete(client_token)
    .where(
        _TOKEN.tenant_id == bindparam("tenant_id"),
        _TOKEN.client_id == bindparam("client_id"),
        _TOKEN.access_hash == bindparam("hash"),
    )
    .returning(_TOKEN.id)
)


class ClientTokens:
    """The methods of ClientTokenService, and what clients' tokens are worth inside."""

    def __init__(self, database: Database, key: OKPKey) -> None:
        self._database = database
        self._key = key

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"CreateClientToken": Free(self.create), "RevokeClientToken": Free(self.revoke)}

    async def create(self, call: Call, request: pb.CreateClientTokenRequest) -> pb.ClientToken:
        """A token with the scopes asked for; ClientInvalid or ScopeInvalid when there is none."""
        secret = await self._proved(call.now, request.credentials)
        require_active(secret["tenant_state"])
        scopes = _granted(request.scope.split(), secret["scopes"])
        made, end = new_token(), token_end(call.now, secret["expire_time"])
        tenant_id, client_id = str(secret["tenant_id"]), str(secret["client_id"])
        values = {"tenant_id": tenant_id, "client_id": client_id, "secret_id": str(secret["id"])}
        token = {"id": new_id(), "access_hash": made.kept, "scopes": scopes, "expire_time": end}
        async with self._database.transaction(tenant_id) as tx:
            await tx.execute(_INSERT, {**values, **token})
            rows = await tx.fetch(_KEPT, {**values, "now": call.now, "limit": TOKENS_MAX})
            await tx.execute(_CLEAR, {**values, "kept": [row["id"] for row in rows]})
            if _is_noted(secret["last_used_time"], call.now):
                await tx.execute(_USED, {**values, "now": call.now})
        return pb.ClientToken(
            access_token=made.text,
            token_type="Bearer",  # noqa: S106  # the name of a scheme, RFC 6750
            expires_in=int((end - call.now).total_seconds()),
            scope=" ".join(scopes) or EVERYTHING,
        )

    async def revoke(
        self, call: Call, request: pb.RevokeClientTokenRequest
    ) -> pb.RevokeClientTokenResponse:
        """End a token of the client; what is no token of his is ignored (RFC 7009, 2.2)."""
        secret = await self._proved(call.now, request.credentials)
        tenant_id, client_id = str(secret["tenant_id"]), str(secret["client_id"])
        values = {"tenant_id": tenant_id, "client_id": client_id, "hash": kept_of(request.token)}
        async with self._database.transaction(tenant_id) as tx:
            row = await tx.fetch_row(_REVOKE, values)
            if row is not None:
                who = Principal(kind="client", id=client_id, tenant_id=tenant_id)
                acting = replace(call, principal=who, through="integration")
                token_id = str(row["id"])
                data = {"id": token_id, "client_id": client_id}
                await record_event(acting, tx, "client_token", "revoked", token_id, data)
        return pb.RevokeClientTokenResponse()

    async def exchange(self, call: Call, request: ExchangeTokenRequest) -> InternalToken:
        """An internal token for a client's access token; Unauthenticated when it is not good."""
        async with self._database.worker() as tx:
            row = await tx.fetch_row(_BY_TOKEN, {"hash": kept_of(request.access_token)})
        if row is None or not _is_active(row) or not _still_granted(row):
            raise SessionInvalid
        if row["expire_time"] <= call.now:
            raise Unauthenticated("TOKEN_EXPIRED", "The access token has expired; get another.")
        require_active(row["tenant_state"])
        return internal_token(self._key, _principal(row, str(row["token_id"])), call.now)

    async def act_for(self, tenant_id: str, client_id: str, now: datetime) -> InternalToken | None:
        """A token with a client's present rights, for work that it has started; None when there is
        no such client.
        """
        async with self._database.worker() as tx:
            row = await tx.fetch_row(_BY_ID, {"tenant_id": tenant_id, "id": client_id})
        if row is None:
            return None
        if not _is_active(row):
            raise Unauthenticated("USER_INACTIVE", "The client may not work any more.")
        require_active(row["tenant_state"])
        return internal_token(self._key, _principal(row, ""), now)

    async def _proved(self, now: datetime, credentials: pb.ClientCredentials) -> Record:
        """The secret with its client. It is looked for by its hash, so that an unknown client and
        a wrong secret are one and the same thing and take the same time.
        """
        async with self._database.worker() as tx:
            row = await tx.fetch_row(_BY_SECRET, {"hash": kept_of(credentials.client_secret)})
        if row is None or not _is_active(row) or (row["expire_time"] or now) < now:
            raise ClientInvalid
        presented = credentials.client_id.lower().encode()
        if not hmac.compare_digest(str(row["client_id"]).encode(), presented):
            raise ClientInvalid
        return row


def _granted(asked: Sequence[str], allowed: Sequence[str]) -> list[str]:
    """The scopes of a token: those asked for, all of which the client must have, or its own."""
    for scope in asked:
        parts = split_scope(scope)
        if parts is None or not scopes_allow(allowed, *parts):
            raise ScopeInvalid(scope)
    found = sorted(set(asked or allowed))
    return [] if EVERYTHING in found else found


def _still_granted(row: Record) -> bool:
    """Whether the client may still have all the scopes that its token has; none means all."""
    parts = [split_scope(one) for one in row["scopes"] or (EVERYTHING,)]
    return all(one and scopes_allow(row["client_scopes"], *one) for one in parts)


def _is_noted(last: datetime | None, now: datetime) -> bool:
    return last is None or last < now - USE_NOTED_EVERY


def _is_active(row: Mapping[str, object]) -> bool:
    return row["state"] == "ACTIVE" and row["delete_time"] is None


def _principal(row: Record, token_id: str) -> Principal:
    return Principal(
        kind="client",
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]),
        session_id=token_id,
        role_ids=tuple(str(one) for one in row["role_ids"]),
        partner_company_id=str(row["partner_company_id"] or ""),
        access_version=micros(row["access_time"]),
        scopes=tuple(row["scopes"]),
    )
