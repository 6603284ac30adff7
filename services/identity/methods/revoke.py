"""Ends sessions and says so in an event, so that every gateway forgets them."""

from sqlalchemy import bindparam, update

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.events.change_row import record_event
from services.identity.models.user import session

_OF_USER = statement(
    update(session)
    .values(revoke_time=bindparam("now"), update_time=bindparam("now"))
    .where(
        session.c.tenant_id == bindparam("tenant_id"),
        session.c.user_id == bindparam("of_user_id"),
        session.c.revoke_time.is_(None),
    )
    .returning(session.c.id)
)
_ONE = statement(
    update(session)
    .values(revoke_time=bindparam("now"), update_time=bindparam("now"))
    .where(
        session.c.tenant_id == bindparam("tenant_id"),
        session.c.id == bindparam("session_id"),
        session.c.revoke_time.is_(None),
    )
    .returning(session.c.id)
)


async def revoke_sessions(call: Call, tx: Tx, user_id: str) -> None:
    """End all sessions of a user."""
    values = {"tenant_id": call.tenant_id, "of_user_id": user_id, "now": call.now}
    for row in await tx.fetch(_OF_USER, values):
        await _tell(call, tx, str(row["id"]), user_id)


async def revoke_session(call: Call, tx: Tx, session_id: str, user_id: str) -> None:
    """End one session; ending it twice is harmless."""
    values = {"tenant_id": call.tenant_id, "session_id": session_id, "now": call.now}
    if await tx.fetch_row(_ONE, values) is not None:
        await _tell(call, tx, session_id, user_id)


async def _tell(call: Call, tx: Tx, session_id: str, user_id: str) -> None:
    data = {"id": session_id, "user_id": user_id}
    await record_event(call, tx, "session", "revoked", session_id, data)
