"""Who is online: sessions that gateways have seen used, counted within the caller's reach."""

from datetime import timedelta

from sqlalchemy import any_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.scope import Shape
from chassis.call import Call
from chassis.db.pool import Database, Tx
from chassis.db.sql import Statement, statement
from chassis.resource.plan import Plan, reach_condition, reach_shape, reach_values
from chassis.resource.view import view_of
from chassis.rpc.methods import Free, Methods, Unary
from crm.identity.v1 import presence_pb2 as pb
from services.identity.models.user import session, user

ONLINE_FOR = timedelta(minutes=5)
# Several gateways may have seen the same session in the same minute.
NOTED_EVERY = timedelta(seconds=50)
SHOWN_MAX = 1000
_TOUCH = statement(
    update(session)
    .values(last_seen_time=bindparam("now"))
    .where(
        session.c.tenant_id == bindparam("tenant_id"),
        session.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
        session.c.revoke_time.is_(None),
        or_(
            session.c.last_seen_time.is_(None),
            session.c.last_seen_time < bindparam("noted_before"),
        ),
    )
)


class Presence:
    """The methods of PresenceService; `users` is the plan of users."""

    def __init__(self, database: Database, users: Plan) -> None:
        self._database = database
        self._users = users

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"ListOnlineUsers": Unary(self.list), "TouchSessions": Free(self.touch)}

    async def list(
        self, call: Call, tx: Tx, _request: pb.ListOnlineUsersRequest
    ) -> pb.ListOnlineUsersResponse:
        """Who is online of those whom the caller may see."""
        plan, reach = self._users, call.reach("users", "READ")
        shape = reach_shape(plan, reach)
        run = plan.cached(("online", shape), lambda: _online(plan, shape))
        since = call.now - ONLINE_FOR
        values = {"tenant_id": call.tenant_id, "since": since, "limit": SHOWN_MAX}
        answer, seen = pb.ListOnlineUsersResponse(), view_of(call, plan).fields
        for row in await tx.fetch(run, {**values, **reach_values(reach)}):
            answer.count = row["count"]
            one = answer.users.add(user_id=str(row["id"]))
            one.name = row["name"] if "name" in seen else ""
            one.department_id = str(row["department_id"] or "") if "department_id" in seen else ""
            one.last_seen_time.FromDatetime(row["last_seen_time"])
        return answer

    async def touch(self, call: Call, request: pb.TouchSessionsRequest) -> pb.TouchSessionsResponse:
        """Keep that the sessions were used just now."""
        for seen in request.seen:
            values = {
                "tenant_id": seen.tenant_id,
                "ids": list(seen.session_ids),
                "now": call.now,
                "noted_before": call.now - NOTED_EVERY,
            }
            async with self._database.transaction(seen.tenant_id) as tx:
                await tx.execute(_TOUCH, values)
        return pb.TouchSessionsResponse()


def _online(plan: Plan, shape: Shape) -> Statement:
    last_seen = func.max(session.c.last_seen_time)
    return statement(
        select(
            user.c.id,
            user.c.name,
            user.c.department_id,
            last_seen.label("last_seen_time"),
            func.count().over().label("count"),
        )
        .join(session, (session.c.tenant_id == user.c.tenant_id) & (session.c.user_id == user.c.id))
        .where(
            user.c.tenant_id == bindparam("tenant_id"),
            user.c.delete_time.is_(None),
            user.c.state == "ACTIVE",
            session.c.last_seen_time > bindparam("since"),
            session.c.revoke_time.is_(None),
            *reach_condition(plan, shape),
        )
        .group_by(user.c.id, user.c.name, user.c.department_id)
        .order_by(last_seen.desc(), user.c.id)
        .limit(bindparam("limit"))
    )
