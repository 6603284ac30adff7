"""The inbox of announcements: what is shown to the caller now."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as ID
from sqlalchemy.types import Boolean

from chassis.call import Call
from chassis.custom_fields.model import NO_FIELDS
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.filter.condition import CompiledFilter
from chassis.filter.fields import FieldKind
from chassis.filter.order_by import Order, OrderField, OrderTerm, Position
from chassis.filter.page_token import (
    PageArguments,
    PageToken,
    decode_page_token,
    encode_page_token,
)
from chassis.resource.listing import PAGE_BYTES_MAX, PAGE_SIZE
from chassis.resource.plan import Plan
from chassis.resource.query import filter_of, tied
from chassis.resource.view import View, view_of
from crm.identity.v1 import announcement_receipt_pb2 as pb
from crm.identity.v1.announcement_pb2 import Announcement
from services.identity.models.announcement import announcement, announcement_receipt

_IDS = ARRAY(ID(as_uuid=False))
_TOLD, _RECEIPT = announcement.c, announcement_receipt.c
_READ = (
    (_RECEIPT.tenant_id == _TOLD.tenant_id)
    & (_RECEIPT.announcement_id == _TOLD.id)
    & (_RECEIPT.user_id == bindparam("user_id"))
)
# Pinned ones first, then the newest.
_ORDER = Order(
    tuple(
        OrderTerm(OrderField(name, _TOLD[name], kind, nullable=False), descending=True)
        for name, kind in (
            ("pinned", FieldKind.BOOLEAN),
            ("publish_time", FieldKind.TIMESTAMP),
            ("id", FieldKind.UUID),
        )
    )
)
# Shown now and addressed to the reader.
_ADDRESSED = and_(
    _TOLD.tenant_id == bindparam("tenant_id"),
    _TOLD.delete_time.is_(None),
    _TOLD.publish_time <= bindparam("now"),
    or_(_TOLD.expire_time.is_(None), _TOLD.expire_time > bindparam("now")),
    # What a partner company tells stays in it.
    or_(
        _TOLD.partner_company_id.is_(None),
        _TOLD.partner_company_id == bindparam("company", type_=ID(as_uuid=False)),
    ),
    or_(
        func.cardinality(_TOLD.audience_department_ids) + func.cardinality(_TOLD.audience_role_ids)
        == 0,
        _TOLD.audience_department_ids.overlap(bindparam("departments", type_=_IDS)),
        _TOLD.audience_role_ids.overlap(bindparam("roles", type_=_IDS)),
    ),
)
_UNREAD = statement(
    select(func.count().label("count"))
    .select_from(announcement.outerjoin(announcement_receipt, _READ))
    .where(_ADDRESSED, _RECEIPT.read_time.is_(None))
)


@dataclass(frozen=True, eq=False)
class Inbox:
    """A method of AnnouncementReceiptService; `page_token_key` signs page tokens."""

    announcements: Plan
    page_token_key: bytes

    async def list(self, call: Call, tx: Tx, request: pb.ListInboxRequest) -> pb.ListInboxResponse:
        """What is shown to the caller now, pinned first, then the newest."""
        plan, size = self.announcements, request.page_size or PAGE_SIZE
        asked = f"unread_only={request.unread_only} {request.filter}"
        arguments = PageArguments(call.tenant_id, "inbox", call.principal.id, filter=asked)
        now, position = call.now, None
        if request.page_token:
            token = decode_page_token(request.page_token, arguments, self.page_token_key)
            now, position = token.now, _ORDER.after(token.keys)
        view = view_of(call, plan)
        wanted = filter_of(call, view, request.filter, now)
        values = _reader(call) | {"unread_only": request.unread_only, "limit": size + 1}
        unread = await tx.fetch_row(_UNREAD, values)
        shape = ("inbox", position and position.shape, wanted.shape)
        run = plan.cached(shape, lambda: _page(plan, position, wanted))
        keys = position.values if position else {}
        rows = await tx.fetch(run, {**values, **wanted.values, **view.own_ids, **keys})
        answer = pb.ListInboxResponse(unread_count=unread["count"] if unread else 0)
        shown = _fill(answer, view, rows[:size])
        if shown < len(rows):
            last = rows[shown - 1]
            place = (last["pinned"], last["publish_time"], UUID(str(last["id"])))
            next_page = PageToken(place, now)
            answer.next_page_token = encode_page_token(next_page, arguments, self.page_token_key)
        return answer


def departments_of(call: Call, user_id: str) -> Sequence[str]:
    """The department of a user and those above it."""
    member = call.access.members.get(user_id)
    return call.access.lineage(member.department_id if member else "")


def _reader(call: Call) -> dict[str, object]:
    """The parameters that say who reads, and when."""
    return {
        "tenant_id": call.tenant_id,
        "user_id": call.principal.id,
        "now": call.now,
        "departments": list(departments_of(call, call.principal.id)),
        "roles": list(call.principal.role_ids),
        "company": call.principal.partner_company_id or None,
    }


def _fill(answer: pb.ListInboxResponse, view: View, rows: Sequence[Record]) -> int:
    """Add the rows that fit into a page, at least one; how many."""
    to_message = view.plan.to_message(())
    for row in rows:
        told = view.shown(to_message(row, NO_FIELDS))
        assert isinstance(told, Announcement)
        if answer.entries and answer.ByteSize() + told.ByteSize() > PAGE_BYTES_MAX:
            break
        entry = answer.entries.add(announcement=told)
        if row["read_time"] is not None:
            entry.read_time.FromDatetime(row["read_time"])
    return len(answer.entries)


def _page(plan: Plan, position: Position | None, wanted: CompiledFilter) -> Statement:
    unread_only = bindparam("unread_only", type_=Boolean())
    also = [wanted.expression(), *tied([*wanted.columns.values()])]
    after = [position.expression()] if position else []
    return statement(
        select(*plan.columns_of(()), _RECEIPT.read_time)
        .select_from(announcement.outerjoin(announcement_receipt, _READ))
        .where(_ADDRESSED, or_(~unread_only, _RECEIPT.read_time.is_(None)), *also, *after)
        .order_by(*_ORDER.expressions())
        .limit(bindparam("limit"))
    )
