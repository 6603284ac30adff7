"""Preferences: each user's own, whatever his roles; told again at sign-in."""

from collections.abc import Mapping
from typing import Protocol

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from chassis.call import Call
from chassis.codec import decoder, encoder, invalid_fields
from chassis.db.pool import Database, Tx
from chassis.db.sql import Statement, StatementCache, statement
from chassis.rpc.methods import Free, Methods, Unary
from crm.identity.v1 import preferences_pb2 as pb
from crm.identity.v1 import session_pb2
from services.identity.methods.tenant import check_zone
from services.identity.models.preferences import preferences

CLIENT_BYTES_MAX = 16 * 1024
_COLUMNS = preferences.c
_OWN = statement(
    select(preferences).where(
        _COLUMNS.tenant_id == bindparam("tenant_id"), _COLUMNS.user_id == bindparam("user_id")
    )
)
_DEFAULTS = pb.Preferences(
    theme=pb.Preferences.SYSTEM,
    density=pb.Preferences.COMFORTABLE,
    font_size=pb.Preferences.MEDIUM,
)
_DEFAULTS.client.SetInParent()
_SETTABLE = tuple(one.name for one in pb.Preferences.DESCRIPTOR.fields if one.name != "update_time")
_encode = encoder(pb.Preferences)
_decode = decoder(pb.Preferences, allow_output_only=True)


class SignIn(Protocol):
    """What signs people in."""

    async def __call__(
        self, call: Call, request: session_pb2.CreateSessionRequest
    ) -> session_pb2.Session:
        """Their session."""


class OwnPreferences:
    """The methods of PreferencesService."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = StatementCache()

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"GetPreferences": Unary(self.get), "UpdatePreferences": Unary(self.update)}

    async def get(self, call: Call, tx: Tx, _request: pb.GetPreferencesRequest) -> pb.Preferences:
        """The caller's preferences."""
        return await _stored(tx, call.tenant_id, call.principal.id)

    async def update(
        self, call: Call, tx: Tx, request: pb.UpdatePreferencesRequest
    ) -> pb.Preferences:
        """Change the fields of the mask, else those set; the others stay, also when two devices
        change different ones at once.
        """
        names = _masked(request)
        message = pb.Preferences()
        message.CopyFrom(_DEFAULTS)
        for name in names:
            _take(message, request.preferences, name)
        who = {"tenant_id": call.tenant_id, "user_id": call.principal.id}
        run = self._statements.get(names, lambda: _upsert(names))
        await tx.execute(run, {**_column_values(message), **who, "update_time": call.now})
        return await _stored(tx, call.tenant_id, call.principal.id)

    def told(self, sign_in: SignIn) -> Free:
        """The method that signs in and tells the user's preferences with his session."""

        async def run(call: Call, request: session_pb2.CreateSessionRequest) -> session_pb2.Session:
            session = await sign_in(call, request)
            async with self._database.transaction(session.tenant_id) as tx:
                found = await _stored(tx, session.tenant_id, session.user_id)
            session.preferences.CopyFrom(found)
            return session

        return Free(run)


async def _stored(tx: Tx, tenant_id: str, user_id: str) -> pb.Preferences:
    row = await tx.fetch_row(_OWN, {"tenant_id": tenant_id, "user_id": user_id})
    if row is None:
        return _DEFAULTS
    values: dict[str, object] = {name: row[name] for name in _SETTABLE}
    values["client"] = orjson.loads(row["client"])
    message = _decode(values)
    assert isinstance(message, pb.Preferences)
    message.update_time.FromDatetime(row["update_time"])
    return message


def _masked(request: pb.UpdatePreferencesRequest) -> tuple[str, ...]:
    """Names of the fields to change; one that there is not or that is read-only is refused."""
    sent = [one.name for one, _ in request.preferences.ListFields()]
    names = {path.partition(".")[0] for path in request.update_mask.paths or sent}
    if names == {"*"}:
        names = set(_SETTABLE)
    wrong = sorted(names - set(_SETTABLE))
    if wrong:
        raise invalid_fields([(name, "There is no such field to set.") for name in wrong])
    return tuple(sorted(names))


def _take(message: pb.Preferences, sent: pb.Preferences, name: str) -> None:
    """Set one field as sent; an empty one goes back to its default."""
    part = pb.Preferences()
    for one, value in sent.ListFields():
        if one.name == name and one.message_type is None:
            setattr(part, name, value)
        elif one.name == name:
            part.client.CopyFrom(sent.client)
    if name == "time_zone" and part.time_zone:
        check_zone(part.time_zone)
    message.MergeFrom(part)


def _column_values(message: pb.Preferences) -> Mapping[str, object]:
    values = _encode(message)
    client = orjson.dumps(values["client"])
    if len(client) > CLIENT_BYTES_MAX:
        raise invalid_fields([("client", f"At most {CLIENT_BYTES_MAX} bytes as JSON.")])
    return {**values, "client": client.decode()}


def _upsert(names: tuple[str, ...]) -> Statement:
    whole = insert(preferences).values({one.name: bindparam(one.name) for one in _COLUMNS})
    changed = {name: whole.excluded[name] for name in (*names, "update_time")}
    return statement(
        whole.on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_=changed)
    )
