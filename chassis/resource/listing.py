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

from chassis.access.scope import reach_size
from chassis.call import Call
from chassis.db.indexes import held_with
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.filter.fields import FilterField
from chassis.filter.order_by import KeyValue, OrderField
from chassis.filter.page_token import (
    PageToken,
    encode_page_token,
)
from chassis.resource.plan import Plan, reach_shape
from chassis.resource.query import (
    Query,
    key_label,
    list_conditions,
    make_query,
    page_arguments,
    tied,
    within,
)
from crm.type.v1.requests_pb2 import ListRequest

PAGE_SIZE = 50
PAGE_BYTES_MAX = 2 * 1024 * 1024
ESTIMATE_MAX = 10_000
WALKED_MAX = 10_000
GATHERED_MAX = 8_000
_NUMBER = "walk_number"
# A plan for any values would take every reach for half of the table; and a table that is joined to
# itself, so that its index is walked and only few of its rows are read, would be joined no more. To
# scan a table is to read the rows of all tenants.
_AS_IT_IS = statement(
    text(
        "SELECT set_config('plan_cache_mode', 'force_custom_plan', true),"
        " set_config('enable_self_join_elimination', 'off', true),"
        " set_config('enable_seqscan', 'off', true)"
    )
)
# PostgreSQL takes a walk through an order for ten times cheaper than it is: its cost is that of the
# whole walk, in which every page is read once, by the share of it that is expected.
_GATHERED = statement(
    text(
        "SELECT set_config('enable_indexscan', 'off', true),"
        " set_config('enable_indexonlyscan', 'off', true)"
    )
)


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
    plan, frequent = query.plan, query.filter.frequent
    if query.skewed:
        await tx.execute(_AS_IT_IS, {})
    walked = query.narrow and not query.sided
    gathered = query.sided or (query.request.filter and not frequent)
    if query.narrow and gathered and await _is_small(tx, query, values):
        query, walked = query.inside, False
        if not frequent:
            await tx.execute(_GATHERED, {})
    if frequent:
        walk = plan.cached(("walk", query.shape, walked), lambda: _walk_statement(query, walked))
        rows = await tx.fetch(walk, values)
        if not any(row[_NUMBER] == WALKED_MAX for row in rows):
            return rows
    run = plan.cached(("list", query.shape, walked), lambda: _page_statement(query, walked))
    return await tx.fetch(run, values)


async def _is_small(tx: Tx, query: Query, values: Mapping[str, object]) -> bool:
    """Whether the caller reaches so few rows that all of them may be looked at."""
    plan, shape = query.plan, reach_shape(query.plan, query.reach)
    if plan.scope.link is not None or not any(shape[:2]):
        return False
    table, scope = plan.resource.table, plan.scope
    run = plan.cached(
        ("size", shape), lambda: statement(reach_size(table, scope, shape, GATHERED_MAX))
    )
    row = await tx.fetch_row(run, values)
    return row is not None and int(row["size"]) < GATHERED_MAX


def _page_statement(query: Query, walked: bool) -> Statement:
    """A page; `walked` decides a narrow reach within the index of the order, and looks only at the
    rows in reach.
    """
    table, limit = query.plan.resource.table, bindparam("limit", type_=Integer)
    columns, after = query.plan.columns_of(query.names), _after(query)
    ordered = [term.field for term in query.order.terms]
    if not walked:
        conditions = list_conditions(query, [query.filter.expression(), *after], ordered)
        page = select(*columns, *_keys(query)).where(*conditions)
        return statement(page.order_by(*query.order.expressions()).limit(limit))
    held = query.filter.about(held_with(table, ordered[0].column))
    conditions = [*after, *held, *within(query, walked=True)]
    reached = select(*_keys(query)).where(*conditions)
    if not query.request.filter:
        reached = reached.order_by(*query.order.expressions()).limit(limit)
    found = reached.subquery()
    rows = _records(query, found, columns, query.filter.expression())
    return statement(rows.order_by(*_ordered(query, found)).limit(limit))


def _records(
    query: Query,
    found: Subquery,
    columns: Sequence[ColumnElement[Any]],  # Any: several types
    *filters: ColumnElement[bool],
) -> Select[*tuple[Any, ...]]:  # Any: as above
    """The records with the ids of a subquery, and the keys of the order that it has."""
    table = query.plan.resource.table
    keys = [found.c[key_label(at)] for at in range(len(query.order.terms))]
    # The key that breaks ties: given twice, the planner would not see that it is in order.
    of_order = [term.field.name for term in query.order.terms]
    found_id = keys[of_order.index(query.plan.identifier.name)]
    same = (table.c.tenant_id == bindparam("tenant_id"), table.c.id == found_id)
    return select(*columns, *keys).where(*same, *tied([*query.filter.columns.values()]), *filters)


def _keys(query: Query) -> list[ColumnElement[Any]]:  # Any: several types
    return [term.field.column.label(key_label(at)) for at, term in enumerate(query.order.terms)]


def _after(query: Query) -> list[ColumnElement[bool]]:
    return [query.position.expression()] if query.position else []


def _ordered(query: Query, found: Subquery) -> list[ColumnElement[object]]:
    """The order of the list, by the keys that a subquery has given."""
    terms = enumerate(query.order.terms)
    return [
        replace(term, field=replace(term.field, column=found.c[key_label(at)])).expression
        for at, term in terms
    ]


def _walk_statement(query: Query, walked: bool) -> Statement:
    """The matches among the first WALKED_MAX records, and the last of these whether or not it is
    one. They are numbered in their order, so that the walk ends with the page.
    """
    last: ColumnElement[int] = literal_column(str(WALKED_MAX))
    plain, frequent = query.filter.parts()
    number = func.row_number().over(order_by=query.order.expressions()).label(_NUMBER)
    ordered = [term.field for term in query.order.terms]
    used: list[FilterField | OrderField] = [*query.filter.columns.values(), *ordered]
    first = (
        select(number, *_keys(query))
        .where(*plain, *_after(query), *tied(used), *within(query, walked=walked))
        .order_by(*query.order.expressions())
        .limit(last)
        .subquery()
    )
    columns = [*query.plan.columns_of(query.names), first.c[_NUMBER]]
    rows = _records(query, first, columns, or_(and_(*frequent), first.c[_NUMBER] == last))
    return statement(rows.order_by(*_ordered(query, first)).limit(bindparam("limit")))


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
