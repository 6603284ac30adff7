"""Receipts of announcements: who has read what."""

from sqlalchemy import ColumnElement, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID, insert
from sqlalchemy.types import Boolean

from chassis.access.scope import Shape
from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.resource.plan import Plan, reach_condition, reach_shape, reach_values
from chassis.resource.read import lock_record, not_found
from chassis.rpc.methods import Methods, Unary
from crm.identity.v1 import announcement_receipt_pb2 as pb
from services.identity.methods.announcement import audience_of, company_of, showing_of
from services.identity.methods.announcement_inbox import departments_of
from services.identity.models.announcement import announcement, announcement_receipt
from services.identity.models.user import user

PAGE_SIZE = 50
_ID = UUID(as_uuid=False)
_IDS = ARRAY(_ID)
_TOLD, _RECEIPT = announcement.c, announcement_receipt.c
_KEEP = insert(announcement_receipt).values({one.name: bindparam(one.name) for one in _RECEIPT})
_KEEP_FIRST = statement(
    # Changes nothing; an update, so that the row of the first time is returned.
    _KEEP.on_conflict_do_update(
        index_elements=["tenant_id", "announcement_id", "user_id"],
        set_={"read_time": announcement_receipt.c.read_time},
    ).returning(_RECEIPT.read_time)
)


class Receipts:
    """The other methods of AnnouncementReceiptService."""

    def __init__(self, announcements: Plan, users: Plan) -> None:
        self._announcements = announcements
        self._users = users
        self._one = statement(
            select(*announcements.columns_of(())).where(
                _TOLD.tenant_id == bindparam("tenant_id"),
                _TOLD.id == bindparam("id"),
                _TOLD.delete_time.is_(None),
            )
        )

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {
            "MarkRead": Unary(self.mark_read),
            "ListReceipts": Unary(self.list_receipts),
        }

    async def mark_read(
        self, call: Call, tx: Tx, request: pb.MarkReadRequest
    ) -> pb.MarkReadResponse:
        """Keep when it was read first; NotFound for what is not shown to the caller."""
        row = await tx.fetch_row(self._one, {"tenant_id": call.tenant_id, "id": request.id})
        if row is None or not _is_shown_to(call, row):
            raise not_found(self._announcements, request.id)
        values = {
            "tenant_id": call.tenant_id,
            "announcement_id": request.id,
            "user_id": call.principal.id,
            "read_time": call.now,
        }
        kept = await tx.fetch_row(_KEEP_FIRST, values)
        answer = pb.MarkReadResponse()
        answer.read_time.FromDatetime(kept["read_time"] if kept else call.now)
        return answer

    async def list_receipts(
        self, call: Call, tx: Tx, request: pb.ListReceiptsRequest
    ) -> pb.ListReceiptsResponse:
        """Who has read it and who has not, of those addressed whom the caller may see."""
        told = await lock_record(call, tx, self._announcements, request.id, "UPDATE")
        plan, reach = self._users, call.reach("users", "READ")
        shape, size = reach_shape(plan, reach), request.page_size or PAGE_SIZE
        values = {
            **reach_values(reach),
            "tenant_id": call.tenant_id,
            "announcement_id": request.id,
            "audience": _audience(call, told),
            "read": request.read if request.HasField("read") else None,
            "after": request.page_token or None,
            "limit": size + 1,
        }
        run = plan.cached(("receipts", shape), lambda: _page(plan, shape))
        rows = await tx.fetch(run, values)
        run = plan.cached(("receipt counts", shape), lambda: _counts(plan, shape))
        counts = await tx.fetch_row(run, values)
        read, addressed = (counts["read"], counts["addressed"]) if counts else (0, 0)
        answer = pb.ListReceiptsResponse(read_count=read, unread_count=addressed - read)
        for row in rows[:size]:
            one = answer.receipts.add(user_id=str(row["id"]), name=row["name"])
            one.department_id = str(row["department_id"] or "")
            if row["read_time"] is not None:
                one.read_time.FromDatetime(row["read_time"])
        if len(rows) > size:
            answer.next_page_token = str(rows[size - 1]["id"])
        return answer


def _is_shown_to(call: Call, row: Record) -> bool:
    departments = departments_of(call, call.principal.id)
    addressed = audience_of(row).includes(departments, call.principal.role_ids)
    inside = company_of(row) in {"", call.principal.partner_company_id}
    return inside and addressed and showing_of(row).is_shown(call.now)


def _audience(call: Call, row: Record) -> list[str] | None:
    """Ids of the users addressed; None for everyone."""
    audience, company_id = audience_of(row), company_of(row)
    if audience.everyone and not company_id:
        return None
    return [
        user_id
        for user_id, member in call.access.members.items()
        if company_id in {"", call.access.company_of(user_id)}
        and audience.includes(departments_of(call, user_id), member.role_ids)
    ]


def _addressed(plan: Plan, shape: Shape) -> list[ColumnElement[bool]]:
    audience = bindparam("audience", type_=_IDS)
    return [
        user.c.tenant_id == bindparam("tenant_id"),
        user.c.delete_time.is_(None),
        user.c.state == "ACTIVE",
        or_(audience.is_(None), user.c.id == any_(audience)),
        *reach_condition(plan, shape),
    ]


_OF_USER = user.outerjoin(
    announcement_receipt,
    (_RECEIPT.tenant_id == user.c.tenant_id)
    & (_RECEIPT.user_id == user.c.id)
    & (_RECEIPT.announcement_id == bindparam("announcement_id")),
)


def _page(plan: Plan, shape: Shape) -> Statement:
    read, after = bindparam("read", type_=Boolean()), bindparam("after", type_=_ID)
    return statement(
        select(user.c.id, user.c.name, user.c.department_id, _RECEIPT.read_time)
        .select_from(_OF_USER)
        .where(
            *_addressed(plan, shape),
            or_(read.is_(None), _RECEIPT.read_time.is_not(None) == read),
            or_(after.is_(None), user.c.id > after),
        )
        .order_by(user.c.id)
        .limit(bindparam("limit"))
    )


def _counts(plan: Plan, shape: Shape) -> Statement:
    return statement(
        select(func.count(_RECEIPT.read_time).label("read"), func.count().label("addressed"))
        .select_from(_OF_USER)
        .where(*_addressed(plan, shape))
    )
