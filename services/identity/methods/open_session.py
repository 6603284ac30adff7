"""The sessions of a user: listed, and ended one by one."""

from sqlalchemy import bindparam, select

from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.errors import NotFound
from chassis.resource.plan import Plan
from chassis.resource.read import get_record, lock_record
from chassis.rpc.methods import Methods, Unary
from crm.identity.v1 import session_pb2 as pb
from services.identity.domain.session import SESSIONS_MAX
from services.identity.methods.power import require_lesser
from services.identity.methods.revoke import revoke_session
from services.identity.models.user import session

_OPEN = statement(
    select(session)
    .where(
        session.c.tenant_id == bindparam("tenant_id"),
        session.c.user_id == bindparam("user_id"),
        session.c.revoke_time.is_(None),
        session.c.expire_time > bindparam("now"),
    )
    .order_by(session.c.create_time.desc(), session.c.id.desc())
    .limit(SESSIONS_MAX)
)
_USER = statement(
    select(session.c.user_id).where(
        session.c.tenant_id == bindparam("tenant_id"), session.c.id == bindparam("session_id")
    )
)


class OpenSessions:
    """ListSessions, RevokeSession and DeleteSession; `users` is the plan of users."""

    def __init__(self, users: Plan) -> None:
        self._users = users

    def methods(self) -> Methods:
        """By rpc name."""
        return {
            "ListSessions": Unary(self.list),
            "RevokeSession": Unary(self.revoke),
            "DeleteSession": Unary(self.delete),
        }

    async def list(
        self, call: Call, tx: Tx, request: pb.ListSessionsRequest
    ) -> pb.ListSessionsResponse:
        """The caller's sessions, or those of a user whom he may configure."""
        user_id = request.user_id or call.principal.id
        if user_id != call.principal.id:
            await get_record(call, tx, self._users, user_id, ("id",), "CONFIGURE")
        who = {"tenant_id": call.tenant_id, "user_id": user_id, "now": call.now}
        rows = await tx.fetch(_OPEN, who)
        return pb.ListSessionsResponse(
            sessions=[_message(row, call.principal.session_id) for row in rows]
        )

    async def revoke(
        self, call: Call, tx: Tx, request: pb.RevokeSessionRequest
    ) -> pb.RevokeSessionResponse:
        """End one; of somebody else's it takes the right to configure him."""
        row = await tx.fetch_row(_USER, {"tenant_id": call.tenant_id, "session_id": request.id})
        user_id = str(row["user_id"]) if row else ""
        if user_id != call.principal.id:
            await self._require_to_configure(call, tx, user_id)
        await revoke_session(call, tx, request.id, user_id)
        return pb.RevokeSessionResponse()

    async def _require_to_configure(self, call: Call, tx: Tx, user_id: str) -> None:
        """NotFound for a session of nobody or of somebody out of reach, who is not named."""
        call.reach(self._users.plural, "CONFIGURE")
        try:
            user = await lock_record(call, tx, self._users, user_id, "CONFIGURE")
        except NotFound:
            raise NotFound("NOT_FOUND", "There is no such session.") from None
        await require_lesser(call, tx, user)

    async def delete(
        self, call: Call, tx: Tx, _request: pb.DeleteSessionRequest
    ) -> pb.DeleteSessionResponse:
        """Sign out."""
        await revoke_session(call, tx, call.principal.session_id, call.principal.id)
        return pb.DeleteSessionResponse()


def _message(row: Record, current_id: str) -> pb.OpenSession:
    return pb.OpenSession(
        id=str(row["id"]),
        user_id=str(row["user_id"]),
        create_time=row["create_time"],
        last_seen_time=row["last_seen_time"] or row["create_time"],
        expire_time=row["expire_time"],
        address=row["address"],
        user_agent=row["user_agent"],
        current=str(row["id"]) == current_id,
    )
