"""Lists: filter, order and keyset page within the caller's reach, never counted unless
asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any  # the reason stands where it is used
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Subquery,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
)

from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.filter.order_by import KeyValue
from chassis.filter.page_token import (
    PageToken,
    encode_page_token,
)
from chassis.resource.plan import Plan
from chassis.resource.query import Query, key_label, list_conditions, make_query, page_arguments
from crm.type.v1.requests_pb2 import ListRequest

PAGE_SIZE = 50
PAGE_BYTES_MAX = 2 * 1024 * 1024
ESTIMATE_MAX = 10_000
WALKED_MAX = 10_000
_NUMBER, _ID = "walk_number", "page_id"
# A plan for any values would take every reach for half of the table.
_AS_IT_IS = statement(text("SET LOCAL plan_cache_mode = force_custom_plan"))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of records."""

    records: Sequence[Message]
    next_page_token: str
    total_size: int | None


async def list_records(  # what is listed, for whom and what for
    call: Call, tx: Tx, plan: Plan, request: ListRequest, key: bytes, verb: str = "READ"
) -> Page:
    """One page of what the caller may read and do the verb to; `key` signs page tokens. A wrong
    filter, order, field or token raises InvalidArgument.
    """
    arguments = page_arguments(call, plan, request)
    query = make_query(call, plan, request, arguments, key)
    also = plan.reach(call, verb)
    if also != query.reach:
        query = replace(query, also=also)
    size = request.page_size or PAGE_SIZE
    rows = await _rows(tx, query, {**query.values, "tenant_id": call.tenant_id, "limit": size + 1})
    page, records = _fitting(query, rows[:size])
    token = ""
    if len(rows) > len(page):
        keys = tuple(_key(page[-1][key_label(at)]) for at in range(len(query.order.terms)))
        token = encode_page_token(PageToken(keys, query.now), arguments, key)
    return Page(records, token, await _total(call, tx, query))


async def _rows(tx: Tx, query: Query, values: Mapping[str, object]) -> Sequence[Record]:
    """The rows of a page. A word that many records have is sought in the order of the list, until
    the page is full; only when WALKED_MAX records were not enough all that have it are gathered.
    """
    plan = query.plan
    if query.skewed:
        await tx.execute(_AS_IT_IS, {})
    if query.filter.frequent:
        walk = plan.cached(("walk", query.shape), lambda: _walk_statement(query))
        rows = await tx.fetch(walk, values)
        if not any(row[_NUMBER] == WALKED_MAX for row in rows):
            return rows
    run = plan.cached(("list", query.shape), lambda: _page_statement(query))
    return await tx.fetch(run, values)


def _page(
    query: Query,
    filters: Sequence[ColumnElement[bool]],
    columns: Sequence[ColumnElement[Any]],  # Any: several types
) -> Select[*tuple[Any, ...]]:  # Any: as above
    """Columns of a list from its position on, in order, and the keys of that order."""
    after = [query.position.expression()] if query.position else []
    ordered = [term.field for term in query.order.terms]
    keys = [term.field.column.label(key_label(at)) for at, term in enumerate(query.order.terms)]
    return (
        select(*columns, *keys)
        .where(*list_conditions(query, [*filters, *after], ordered, walked=query.walked))
        .order_by(*query.order.expressions())
    )


def _page_statement(query: Query) -> Statement:
    """Without a filter a narrow reach is decided within the index of the order, and only the rows
    of the page are read.
    """
    columns, limit = query.plan.columns_of(query.names), bindparam("limit", type_=Integer)
    if not query.walked:
        return statement(_page(query, [query.filter.expression()], columns).limit(limit))
    table = query.plan.resource.table
    page = _page(query, [], [table.c.id.label(_ID)]).limit(limit).subquery()
    keys = [page.c[key_label(at)] for at in range(len(query.order.terms))]
    rows = select(*columns, *keys).where(
        table.c.tenant_id == bindparam("tenant_id"), table.c.id == page.c[_ID]
    )
    return statement(rows.order_by(*_ordered(query, page)))


def _ordered(query: Query, found: Subquery) -> list[ColumnElement[object]]:
    """The order of the list, by the keys that a subquery has given."""
    terms = enumerate(query.order.terms)
    return [
        replace(term, field=replace(term.field, column=found.c[key_label(at)])).expression
        for at, term in terms
    ]


def _walk_statement(query: Query) -> Statement:
    """The matches among the first WALKED_MAX records, and the last of these whether or not it is
    one. They are numbered in their order, so that the walk ends with the page.
    """
    last: ColumnElement[int] = literal_column(str(WALKED_MAX))
    plain, frequent = query.filter.parts()
    number = func.row_number().over(order_by=query.order.expressions()).label(_NUMBER)
    matches = and_(*frequent).label("walk_matches")
    columns = [*query.plan.columns_of(query.names), number, matches]
    walked = _page(query, plain, columns).limit(last).subquery()
    return statement(
        select(walked)
        .where(or_(walked.c.walk_matches, walked.c[_NUMBER] == last))
        .order_by(*_ordered(query, walked))
        .limit(bindparam("limit"))
    )


def _fitting(query: Query, rows: Sequence[Record]) -> tuple[Sequence[Record], list[Message]]:
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


async def _total(call: Call, tx: Tx, query: Query) -> int | None:
    """The number of matches: exact, or counted up to ESTIMATE_MAX, or not at all."""
    how = query.request.count
    if not how:
        return None
    key = ("count", how, query.filter.shape, query.reach_shapes)
    deleted = query.request.show_deleted
    run = query.plan.cached((*key, deleted), lambda: _count_statement(query, how))
    row = await tx.fetch_row(run, {**query.values, "tenant_id": call.tenant_id})
    return int(row["total"]) if row else 0


def _count_statement(query: Query, how: str) -> Statement:
    table = query.plan.resource.table
    condition = query.filter.expression(walked=how == "estimate")
    found: Select[tuple[object]] = (
        select(literal_column("1")).select_from(table).where(*list_conditions(query, [condition]))
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
