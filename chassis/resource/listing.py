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
    true,
    union_all,
)

from chassis.access.scope import reach_parts
from chassis.call import Call
from chassis.db.indexes import held_with
from chassis.db.planning import AS_IT_IS, GATHERED, IN_INDEXES, IN_ORDER
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
    beside_reach,
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
_NUMBER = "walk_number"
_LIMIT = bindparam("limit", type_=Integer)


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
    walked, gathered = query.narrow and not query.sided, query.sided or query.request.filter
    small = query.narrow and await plan.reaches.are_small(tx, query.reach, values)
    if small and walked and query.held:
        await tx.execute(IN_INDEXES, {})
        run = plan.cached(("small", query.shape), lambda: _small_statement(query))
        return await tx.fetch(run, values)
    inside = small and (query.sided or (gathered and not frequent))
    if inside:
        query, walked = query.inside, False
    if query.skewed:
        custom = GATHERED if inside else AS_IT_IS
        await tx.execute(custom if gathered else IN_ORDER, {})
    if frequent:
        walk = plan.cached(("walk", query.shape, walked), lambda: _walk_statement(query, walked))
        rows = await tx.fetch(walk, values)
        if not any(row[_NUMBER] == WALKED_MAX for row in rows):
            return rows
    page = plan.cached(("list", query.shape, walked), lambda: _page_statement(query, walked))
    return await tx.fetch(page, values)


def _page_statement(query: Query, walked: bool) -> Statement:
    """A page; `walked` decides a narrow reach within the index of the order, and looks only at the
    rows in reach.
    """
    columns, after = query.plan.columns_of(query.names), _after(query)
    ordered = [term.field for term in query.order.terms]
    if not walked:
        conditions = list_conditions(query, [query.filter.expression(), *after], ordered)
        page = select(*columns, *_keys(query)).where(*conditions)
        return statement(page.order_by(*query.order.expressions()).limit(_LIMIT))
    held = query.filter.about(held_with(query.plan.resource.table, ordered[0].column))
    conditions = [*after, *held, *within(query, walked=True)]
    reached = select(*_keys(query)).where(*conditions)
    if not query.request.filter:
        reached = reached.order_by(*query.order.expressions()).limit(_LIMIT)
    found = reached.subquery()
    return _records(query, found, columns, query.filter.expression())


def _small_statement(query: Query) -> Statement:
    """A page of a small reach, which is gathered and put in order within the indexes of its ways;
    only records of the page are read, and those passed over for want of a frequent word.
    """
    plan = query.plan
    ways, limits = reach_parts(plan.scope, reach_shape(plan, query.reach))
    held = [*query.filter.about(plan.reaches.held), *_after(query), *limits, *beside_reach(query)]
    each = [
        select(*_keys(query)).where(*held, way, *(before.is_not(True) for before in ways[:at]))
        for at, way in enumerate(ways or [true()])
    ]
    every = union_all(*each).subquery()
    reached = select(*every.c).order_by(*_ordered(query, every))
    words = query.filter.parts()[1]
    found = (reached if words else reached.limit(_LIMIT)).subquery()
    return _records(query, found, plan.columns_of(query.names), *words)


def _records(
    query: Query,
    found: Subquery,
    columns: Sequence[ColumnElement[Any]],  # Any: several types
    *filters: ColumnElement[bool],
) -> Statement:
    """A page of the records with the ids of a subquery, in the order of the keys that it has."""
    table = query.plan.resource.table
    keys = [found.c[key_label(at)] for at in range(len(query.order.terms))]
    # The key that breaks ties: given twice, the planner would not see that it is in order.
    of_order = [term.field.name for term in query.order.terms]
    found_id = keys[of_order.index(query.plan.identifier.name)]
    same = (table.c.tenant_id == bindparam("tenant_id"), table.c.id == found_id)
    rows = select(*columns, *keys).where(*same, *tied([*query.filter.columns.values()]), *filters)
    return statement(rows.order_by(*_ordered(query, found)).limit(_LIMIT))


def _keys(query: Query) -> list[ColumnElement[Any]]:  # Any: several types
    return [term.field.column.label(key_label(at)) for at, term in enumerate(query.order.terms)]


def _after(query: Query) -> list[ColumnElement[bool]]:
    return [query.position.expression()] if query.position else []


def _ordered(query: Query, found: Subquery) -> list[ColumnElement[object]]:
    """The order of the list, by the keys that a subquery has given."""
    return [
        replace(one, field=replace(one.field, column=found.c[key_label(at)])).expression
        for at, one in enumerate(query.order.terms)
    ]


def _walk_statement(query: Query, walked: bool) -> Statement:
    """The matches among the first WALKED_MAX records, and the last of these whether or not it is
    one. They are numbered in their order, so that the walk ends with the page.
    """
    last: ColumnElement[int] = literal_column(str(WALKED_MAX))
    plain, frequent = query.filter.parts()
    number = func.row_number().over(order_by=query.order.expressions()).label(_NUMBER)
    used: list[FilterField | OrderField] = [*query.filter.columns.values()]
    used += [term.field for term in query.order.terms]
    first = (
        select(number, *_keys(query))
        .where(*plain, *_after(query), *tied(used), *within(query, walked=walked))
        .order_by(*query.order.expressions())
        .limit(last)
        .subquery()
    )
    columns = [*query.plan.columns_of(query.names), first.c[_NUMBER]]
    return _records(query, first, columns, or_(and_(*frequent), first.c[_NUMBER] == last))


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
    if query.skewed:
        await tx.execute(AS_IT_IS, {})
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
