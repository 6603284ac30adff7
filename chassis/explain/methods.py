"""AccessService: why somebody may do something; asked of the very code that enforces it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select
from sqlalchemy.types import Text

from chassis.access.model import ROLES, Grant, Member, Reach
from chassis.access.people import USERS, names_of, role_names, sees_user
from chassis.access.scope import NO_LIMIT, Shape
from chassis.call import Call, Principal
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import NotFound, PermissionDenied, missing
from chassis.explain.sentences import Question, add_sentences
from chassis.resource.plan import Plan, reach_shape
from chassis.resource.read import get_record, not_found, plan_of
from chassis.rpc.methods import Methods, Unary
from chassis.shares.reach import WRITE
from chassis.shares.store import OF_RECORD
from crm.chassis.v1 import access_pb2 as pb

SERVICE = "crm.chassis.v1.AccessService"
Reason = pb.ExplainAccessResponse.Reason


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked: may `him` do the verb, on the record or on any."""

    him: Call
    plan: Plan
    verb: str
    record_id: str

    async def allowed(self, tx: Tx) -> bool:
        """What reads and changes of the record themselves would find."""
        try:
            if self.record_id:
                await get_record(self.him, tx, self.plan, self.record_id, ("id",), self.verb)
            else:
                self.plan.reach(self.him, self.verb)
        except (NotFound, PermissionDenied):
            return False
        return True

    def by(self, role_id: str, grant: Grant) -> "_Asked":
        """The same, if this grant were all he had."""
        access = replace(self.him.access, roles={role_id: (grant,)})
        return replace(self, him=replace(self.him, access=access))

    @property
    def reach(self) -> Reach:
        """What he reaches."""
        return self.plan.reach(self.him, self.verb)


class Explanations:
    """Handlers over the resources of one service."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._plans = plans

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"ExplainAccess": Unary(self.explain)}

    async def explain(
        self, call: Call, tx: Tx, request: pb.ExplainAccessRequest
    ) -> pb.ExplainAccessResponse:
        """Whether the user may, and why; what the caller does not see himself is NotFound."""
        plan = plan_of(self._plans, request.resource)
        user_id = request.user_id.lower()
        _require_concern(call, user_id)
        if request.record_id:
            await _require_seen(call, tx, plan, request.record_id)
        asked = _Asked(_as_user(call, user_id), plan, request.verb, request.record_id.lower())
        active = call.access.members.get(user_id, Member(active=False)).active
        allowed = active and await asked.allowed(tx)
        fields = asked.him.field_access(plan.plural)
        answer = pb.ExplainAccessResponse(
            allowed=allowed,
            reasons=[one async for one in _reasons(asked, tx)] if allowed else (),
            denied_because="" if allowed else _denial(asked, active=active),
            hidden_fields=sorted(fields.hidden),
            read_only_fields=sorted(fields.read_only),
        )
        names = await names_of(call, tx, [user_id])
        question = Question(names.get(user_id, user_id), request.verb, plan.plural)
        add_sentences(question, answer)
        return answer


def _require_concern(call: Call, user_id: str) -> None:
    """Everybody may ask about himself; about others, who configures their accounts."""
    if user_id == call.principal.id:
        return
    if not sees_user(call, call.reach(USERS, "CONFIGURE"), user_id):
        raise missing("user", user_id)


async def _require_seen(call: Call, tx: Tx, plan: Plan, record_id: str) -> None:
    try:
        await get_record(call, tx, plan, record_id, ("id",))
    except PermissionDenied:
        raise not_found(plan, record_id) from None


def _as_user(call: Call, user_id: str) -> Call:
    """The call as that user would make it."""
    if user_id == call.principal.id:
        return call
    member = call.access.members.get(user_id, Member())
    him = Principal(
        kind="user",
        id=user_id,
        tenant_id=call.tenant_id,
        role_ids=member.role_ids,
        partner_company_id=call.access.company_of(user_id),
    )
    return replace(call, principal=him)


def _denial(asked: _Asked, *, active: bool) -> str:
    if not active:
        return "USER_INACTIVE"
    try:
        asked.plan.reach(asked.him, asked.verb)
    except PermissionDenied:
        return "NO_GRANT"
    return "OUT_OF_SCOPE"


async def _reasons(asked: _Asked, tx: Tx) -> AsyncIterator[Reason]:
    """Each grant of his that alone allows it."""
    roles = asked.him.access.roles
    names = await role_names(asked.him, tx, asked.him.principal.role_ids)
    row = await _place(asked, tx) if asked.record_id else None
    for role_id in asked.him.principal.role_ids:
        # Of grants with the same scope one says all.
        grants = {one.scope: one for one in roles.get(role_id, ()) if _is_about(asked, one)}
        for scope, grant in grants.items():
            alone = asked.by(role_id, grant)
            if not await alone.allowed(tx):
                continue
            reason = Reason(role_id=role_id, role_name=names.get(role_id, ""), scope=scope)
            if row is not None:
                await _match(alone, tx, row, reason)
            yield reason


def _is_about(asked: _Asked, grant: Grant) -> bool:
    return grant.covers(asked.plan.plural) and asked.verb in grant.verbs


async def _match(alone: _Asked, tx: Tx, row: Record, reason: Reason) -> None:
    """How a record, allowed by this grant alone, comes within its reach."""
    reach = alone.reach
    reason.matched_by = _matched_by(alone, reach_shape(alone.plan, reach), reach, row)
    if reason.matched_by == "SHARE":
        reason.share_id = await _share_of(alone, tx, reach, row)


def _matched_by(alone: _Asked, shape: Shape, reach: Reach, row: Record) -> str:
    if not shape[0]:
        return "PARTNER_COMPANY" if shape != NO_LIMIT else "ALL"
    if alone.plan.plural == ROLES:
        return "RIGHTS"
    if row["owner"] == alone.him.user_id:
        return "OWNER"
    if row["owner"] in reach.owner_ids:
        return "SUBORDINATE"
    return "DEPARTMENT" if row["department"] in reach.department_ids else "SHARE"


async def _share_of(alone: _Asked, tx: Tx, reach: Reach, row: Record) -> str:
    scope = alone.plan.scope
    keys = {
        "tenant_id": alone.him.tenant_id,
        "resource": scope.shared.table.name if scope.shared is not None else "",
        "record_id": row["shared"],
    }
    levels = {WRITE, reach.shares}
    found = (
        str(one["id"])
        for one in await tx.fetch(OF_RECORD, keys)
        if str(one["grantee_id"]) in reach.grantee_ids and one["level"] in levels
    )
    return next(found, "")


async def _place(asked: _Asked, tx: Tx) -> Record | None:
    """What scopes go by, of the record or of the one above it."""
    run = asked.plan.cached("place", lambda: _place_statement(asked.plan))
    values = {"tenant_id": asked.him.tenant_id, "id": asked.record_id}
    return await tx.fetch_row(run, values)


def _place_statement(plan: Plan) -> Statement:
    table, scope = plan.resource.table, plan.scope
    columns = {"owner": scope.owner, "department": scope.department, "shared": scope.shared}
    named = [
        (table.c.id if column is None else column).cast(Text).label(name)
        for name, column in columns.items()
    ]
    query = select(*named).where(
        table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id")
    )
    return statement(query if scope.link is None else query.where(scope.link))
