"""Lists: filter, order and keyset page within the caller's reach, never counted unless
asked for.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any  # the reason stands where it is used
from uuid import UUID
from zoneinfo import ZoneInfo

from google.protobuf.message import Message
from sqlalchemy import (
    ColumnElement,
    Label,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)

from chassis.access.model import Reach
from chassis.access.scope import beside, beside_values
from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.filter.condition import CompiledFilter, FilterSearch, compile_filter
from chassis.filter.order_by import KeyValue, Order, OrderField, Position, parse_order_by
from chassis.filter.parser import parse_filter
from chassis.filter.values import FilterContext
from chassis.resource.page_token import (
    PageArguments,
    PageToken,
    decode_page_token,
    encode_page_token,
)
from chassis.resource.plan import Plan, reach_condition, reach_shape, reach_values
from chassis.resource.view import View, view_of
from crm.type.v1.requests_pb2 import ListRequest

PAGE_SIZE = 50
PAGE_BYTES_MAX = 2 * 1024 * 1024
ESTIMATE_MAX = 10_000
WALKED_MAX = 10_000
_NUMBER = "walk_number"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of records."""

    records: Sequence[Message]
    next_page_token: str
    total_size: int | None


@dataclass(frozen=True, slots=True)
class _Query:
    plan: Plan
    view: View
    request: ListRequest
    names: tuple[str, ...]
    filter: CompiledFilter
    order: Order
    position: Position | None
    reach: Reach
    # A second verb's, when it reaches others.
    also: Reach | None
    now: datetime

    @property
    def shape(self) -> Hashable:
        """What decides about the SQL text."""
        return (
            self.names,
            self.filter.shape,
            self.order.text,
            self.position.shape if self.position else None,
            self.reach_shapes,
            self.request.show_deleted,
        )

    @property
    def reach_shapes(self) -> Hashable:
        """What of the reaches decides about it."""
        plan, also = self.plan, self.also
        return reach_shape(plan, self.reach), reach_shape(plan, also) if also else None

    @property
    def values(self) -> dict[str, object]:
        """The values to bind."""
        keys = self.position.values if self.position else {}
        also = beside_values(self.also) if self.also else {}
        reach = reach_values(self.reach)
        return {**self.filter.values, **keys, **self.view.own_ids, **reach, **also}


async def list_records(  # what is listed, for whom and what for
    call: Call, tx: Tx, plan: Plan, request: ListRequest, key: bytes, verb: str = "READ"
) -> Page:
    """One page of what the caller may read and do the verb to; `key` signs page tokens. A wrong
    filter, order, field or token raises InvalidArgument.
    """
    arguments = _arguments(call, plan, request)
    query = _query(call, plan, request, arguments, key)
    also = plan.reach(call, verb)
    if also != query.reach:
        query = replace(query, also=also)
    size = request.page_size or PAGE_SIZE
    rows = await _rows(tx, query, {**query.values, "tenant_id": call.tenant_id, "limit": size + 1})
    page, records = _fitting(query, rows[:size])
    token = ""
    if len(rows) > len(page):
        keys = tuple(_key(page[-1][_label(at)]) for at in range(len(query.order.terms)))
        token = encode_page_token(PageToken(keys, query.now), arguments, key)
    return Page(records, token, await _total(call, tx, query))


async def _rows(tx: Tx, query: _Query, values: Mapping[str, object]) -> Sequence[Record]:
    """The rows of a page. A word that many records have is sought in the order of the list, until
    the page is full; only when WALKED_MAX records were not enough all that have it are gathered.
    """
    plan = query.plan
    if query.filter.frequent:
        walk = plan.cached(("walk", query.shape), lambda: _walk_statement(query))
        rows = await tx.fetch(walk, values)
        if not any(row[_NUMBER] == WALKED_MAX for row in rows):
            return rows
    run = plan.cached(("list", query.shape), lambda: _page_statement(query))
    return await tx.fetch(run, values)


def filter_context(call: Call, now: datetime) -> FilterContext:
    """What relative values in filters are relative to."""
    member = call.access.members.get(call.user_id)
    return FilterContext(
        now=now,
        zone=ZoneInfo(call.access.time_zone),
        user_id=call.user_id,
        department_id=(member.department_id or None) if member else None,
    )


def _arguments(call: Call, plan: Plan, request: ListRequest) -> PageArguments:
    return PageArguments(
        tenant_id=call.tenant_id,
        resource=plan.plural,
        principal=call.principal.id,
        filter=request.filter,
        order_by=request.order_by,
        fields=request.fields,
        show_deleted=request.show_deleted,
    )


def _query(
    call: Call, plan: Plan, request: ListRequest, arguments: PageArguments, key: bytes
) -> _Query:
    view = view_of(call, plan)
    order = parse_order_by(request.order_by, view.orders, plan.identifier)
    now, position = call.now, None
    if request.page_token:
        token = decode_page_token(request.page_token, arguments, key)
        now, position = token.now, order.after(token.keys)
    return _Query(
        plan=plan,
        view=view,
        request=request,
        names=view.names(request.fields),
        filter=compile_filter(
            parse_filter(request.filter),
            view.filters,
            filter_context(call, now),
            _search(call, plan, view.searched),
        ),
        order=order,
        position=position,
        reach=plan.reach(call, "READ"),
        also=None,
        now=now,
    )


def _label(at: int) -> str:
    return f"order_key_{at}"


def _search(call: Call, plan: Plan, names: tuple[str, ...]) -> FilterSearch | None:
    return plan.search.filter(call.tenant_id, names) if plan.search and names else None


def _conditions(
    query: _Query, filters: Sequence[ColumnElement[bool]], ordered: Sequence[OrderField] = ()
) -> list[ColumnElement[bool]]:
    table = query.plan.resource.table
    # A field of a side table that is filtered and ordered by is tied once.
    used = [one.ties for one in query.filter.columns.values()] + [one.ties for one in ordered]
    ties = {id(one): one for one in used}
    conditions = [
        table.c.tenant_id == bindparam("tenant_id"),
        *filters,
        *(condition for tie in ties.values() for condition in tie),
        *reach_condition(query.plan, reach_shape(query.plan, query.reach)),
    ]
    if query.also:
        conditions += beside(reach_condition(query.plan, reach_shape(query.plan, query.also)))
    if not query.request.show_deleted and "delete_time" in table.c:
        conditions.append(table.c.delete_time.is_(None))
    return conditions


def _page(
    query: _Query,
    filters: Sequence[ColumnElement[bool]],
    *more: Label[Any],  # Any: several types
) -> Select[*tuple[Any, ...]]:  # Any: as above
    """The records of a list from its position on, in order, and the keys of that order."""
    after = [query.position.expression()] if query.position else []
    ordered = [term.field for term in query.order.terms]
    keys = [term.field.column.label(_label(at)) for at, term in enumerate(query.order.terms)]
    return (
        select(*query.plan.columns_of(query.names), *keys, *more)
        .where(*_conditions(query, [*filters, *after], ordered))
        .order_by(*query.order.expressions())
    )


def _page_statement(query: _Query) -> Statement:
    return statement(_page(query, [query.filter.expression()]).limit(bindparam("limit")))


def _walk_statement(query: _Query) -> Statement:
    """The matches among the first WALKED_MAX records, and the last of these whether or not it is
    one. They are numbered in their order, so that the walk ends with the page.
    """
    last: ColumnElement[int] = literal_column(str(WALKED_MAX))
    plain, frequent = query.filter.parts()
    number = func.row_number().over(order_by=query.order.expressions()).label(_NUMBER)
    matches = and_(*frequent).label("walk_matches")
    walked = _page(query, plain, number, matches).limit(last).subquery()
    order = [
        replace(term, field=replace(term.field, column=walked.c[_label(at)])).expression
        for at, term in enumerate(query.order.terms)
    ]
    return statement(
        select(walked)
        .where(or_(walked.c.walk_matches, walked.c[_NUMBER] == last))
        .order_by(*order)
        .limit(bindparam("limit"))
    )


def _fitting(query: _Query, rows: Sequence[Record]) -> tuple[Sequence[Record], list[Message]]:
    """As many rows as fit into a page of 2 MiB, at least one, with their messages."""
    to_message, own, size = query.plan.to_message(query.names), query.view.own, 0
    records: list[Message] = []
    for row in rows:
        record = to_message(row, own)
        size += record.ByteSize()
        if records and size > PAGE_BYTES_MAX:
            break
        records.append(record)
    return rows[: len(records)], records


def _key(value: object) -> KeyValue:
    if isinstance(value, str | int | bool | Decimal | datetime | date) or value is None:
        return value
    return UUID(str(value))


async def _total(call: Call, tx: Tx, query: _Query) -> int | None:
    """The number of matches: exact, or counted up to ESTIMATE_MAX, or not at all."""
    how = query.request.count
    if not how:
        return None
    key = ("count", how, query.filter.shape, query.reach_shapes)
    deleted = query.request.show_deleted
    run = query.plan.cached((*key, deleted), lambda: _count_statement(query, how))
    row = await tx.fetch_row(run, {**query.values, "tenant_id": call.tenant_id})
    return int(row["total"]) if row else 0


def _count_statement(query: _Query, how: str) -> Statement:
    table = query.plan.resource.table
    condition = query.filter.expression(walked=how == "estimate")
    found: Select[tuple[object]] = (
        select(literal_column("1")).select_from(table).where(*_conditions(query, [condition]))
    )
    if how == "estimate":
        found = found.limit(literal_column(str(ESTIMATE_MAX)))
    return statement(select(func.count().label("total")).select_from(found.subquery()))


def page_values(page: Page, plural: str) -> Mapping[str, object]:
    """The fields of the list response."""
    return {
        plural: page.records,
        "next_page_token": page.next_page_token,
        "total_size": page.total_size,
    }
