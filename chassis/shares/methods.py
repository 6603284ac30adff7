"""ShareService: single records for people and departments whose roles do not reach them."""

from collections.abc import Mapping, Sequence

from chassis.access.people import require_renewed
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.errors import FailedPrecondition, NotFound, PermissionDenied, missing
from chassis.ids import new_id
from chassis.resource.checks import check_match, refuse_deleted
from chassis.resource.plan import Plan
from chassis.resource.read import get_record, lock_record, plan_of
from chassis.resource.resource import Row
from chassis.resource.write import note_record
from chassis.rpc.methods import Methods, Unary
from chassis.shares import store
from chassis.shares.reach import WRITE
from crm.chassis.v1 import share_pb2 as pb

SERVICE = "crm.chassis.v1.ShareService"
SHARES_MAX = 100
USER, DEPARTMENT = "USER", "DEPARTMENT"


class ShareBeyondOwn(PermissionDenied):
    """The caller would let others do what he may not do himself."""

    def __init__(self) -> None:
        super().__init__("SHARE_BEYOND_OWN", "You may not give more than you may do yourself.")


class Shares:
    """Handlers over the resources of one service."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._plans = plans

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {
            "ListShares": Unary(self.list),
            "CreateShare": Unary(self.create, self.reread),
            "DeleteShare": Unary(self.delete, self.reread_deleted),
        }

    async def list(
        self, call: Call, tx: Tx, request: pb.ListSharesRequest
    ) -> pb.ListSharesResponse:
        """The shares of a record within reach whose grantees the caller may know of."""
        plan = plan_of(self._plans, request.resource)
        await get_record(call, tx, plan, request.record_id, ("id",), "SHARE")
        rows = await tx.fetch(store.OF_RECORD, _keys(call, plan, request.record_id))
        known = [row for row in rows if _known(call, row)]
        return pb.ListSharesResponse(shares=[_message(row) for row in known])

    async def create(self, call: Call, tx: Tx, request: pb.CreateShareRequest) -> pb.Share:
        """Share a record, or change the level at which it is shared; the same again is nothing."""
        plan, wanted = plan_of(self._plans, request.resource), request.share
        if not plan.owned:
            raise FailedPrecondition(
                "RESOURCE_NOT_SHARED",
                f"Single {plan.plural} are not shared.",
                metadata={"resource": plan.plural},
            )
        level = pb.Share.Level.Name(wanted.level or pb.Share.READ)
        before = await lock_record(call, tx, plan, request.record_id, "SHARE")
        check_match(call.if_match, before["version"])
        refuse_deleted(plan, before)
        kind, grantee_id = _grantee(call, wanted, str(before["partner_company_id"] or ""))
        await _require_own(call, tx, plan, request.record_id, level)
        keys = _keys(call, plan, request.record_id)
        rows = await tx.fetch(store.OF_RECORD, keys)
        old = next((row for row in rows if str(row["grantee_id"]) == grantee_id), None)
        if old is not None and old["level"] == level:
            return _message(old)
        if old is None and len(rows) >= SHARES_MAX:
            raise FailedPrecondition(
                "SHARES_MAX",
                f"A record has at most {SHARES_MAX} shares.",
                metadata={"limit": str(SHARES_MAX)},
            )
        new: Row = dict(old or {}) or {
            "id": new_id(),
            "grantee_kind": kind,
            "grantee_id": grantee_id,
            "creator_id": call.principal.id,
            "create_time": call.now,
        }
        new |= {**keys, "level": level}
        await tx.execute(store.KEEP, new)
        await _tell(call, tx, plan, before, (old, new))
        return _message(new)

    async def reread(self, call: Call, tx: Tx, ids: Sequence[str]) -> pb.Share:
        """The share as a repeated call gets it."""
        row = await tx.fetch_row(store.ONE, {"tenant_id": call.tenant_id, "id": ids[0]})
        if row is None:
            raise missing("share", ids[0])
        plan = next(
            one for one in self._plans.values() if one.resource.table.name == row["resource"]
        )
        await get_record(call, tx, plan, str(row["record_id"]), ("id",), "SHARE")
        return _message(row)

    async def delete(
        self, call: Call, tx: Tx, request: pb.DeleteShareRequest
    ) -> pb.DeleteShareResponse:
        """Take a share back."""
        plan = plan_of(self._plans, request.resource)
        before = await lock_record(call, tx, plan, request.record_id, "SHARE")
        keys = {**_keys(call, plan, request.record_id), "id": request.id}
        old = await tx.fetch_row(store.DROP, keys)
        if old is None:
            raise missing("share", request.id)
        await _tell(call, tx, plan, before, (old, None))
        return pb.DeleteShareResponse()

    async def reread_deleted(
        self, _call: Call, _tx: Tx, _ids: Sequence[str]
    ) -> pb.DeleteShareResponse:
        """The same nothing."""
        return pb.DeleteShareResponse()


def _keys(call: Call, plan: Plan, record_id: str) -> dict[str, object]:
    return {
        "tenant_id": call.tenant_id,
        "resource": plan.resource.table.name,
        "record_id": record_id,
    }


def _grantee(call: Call, share: pb.Share, company_id: str) -> tuple[str, str]:
    """Kind and id of a grantee who is there, for a record of this partner company ("" for none)."""
    name = share.WhichOneof("grantee")
    if name is None:
        raise invalid_fields([("share.user_id", "Name a user or a department.")])
    kind = USER if name == "user_id" else DEPARTMENT
    grantee_id: str = getattr(share, name).lower()
    company = _company(call, kind, grantee_id)
    if company is None:
        require_renewed(call)
        raise invalid_fields([(f"share.{name}", "There is no such record.")])
    if company not in {"", company_id}:
        raise invalid_fields([(f"share.{name}", "The record is of another company.")])
    return kind, grantee_id


def _known(call: Call, row: Record) -> bool:
    return _company(call, row["grantee_kind"], str(row["grantee_id"])) is not None


def _company(call: Call, kind: str, grantee_id: str) -> str | None:
    """Partner company of a grantee, "" for the head office; None when he is not there for the
    caller.
    """
    access, own = call.access, call.principal.partner_company_id
    member = access.members.get(grantee_id) if kind == USER else None
    if kind == USER:
        there = member is not None and member.active and not member.owner_id
    else:
        there = grantee_id in access.parents and grantee_id not in access.closed
    if not there:
        return None
    company = access.company_at(member.department_id if member else grantee_id)
    return company if own in {"", company} else None


async def _require_own(call: Call, tx: Tx, plan: Plan, record_id: str, level: str) -> None:
    """ShareBeyondOwn when the caller may not do himself what he would let others do."""
    try:
        verb = "UPDATE" if level == WRITE else "READ"
        await get_record(call, tx, plan, record_id, ("id",), verb)
    except (NotFound, PermissionDenied):
        raise ShareBeyondOwn from None


async def _tell(
    call: Call, tx: Tx, plan: Plan, before: Record, change: tuple[Record | None, Record | None]
) -> None:
    """A version and an event of the record say what has become of its shares."""
    old, new = change
    share = new or old
    if call.idempotency is not None and share is not None:
        call.idempotency.record_ids = [str(share["id"])]
    changes = {"shares": {"from": _told(old), "to": _told(new)}}
    await note_record(call, tx, plan, before, "shared" if new else "unshared", changes)


def _told(row: Record | None) -> dict[str, object] | None:
    if row is None:
        return None
    return {_field(row): str(row["grantee_id"]), "level": row["level"]}


def _field(row: Record) -> str:
    return "user_id" if row["grantee_kind"] == USER else "department_id"


def _message(row: Record) -> pb.Share:
    share = pb.Share(
        id=str(row["id"]),
        level=row["level"],
        creator_id=row["creator_id"],
        create_time=row["create_time"],
    )
    setattr(share, _field(row), str(row["grantee_id"]))
    return share
