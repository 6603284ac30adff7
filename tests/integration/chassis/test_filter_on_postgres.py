"""Filters, orders and positions do on PostgreSQL what they promise, NULLs and all."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cmp_to_key
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import ClauseElement

from chassis.db.sql import statement
from chassis.filter.condition import compile_filter
from chassis.filter.fields import FieldKind, FilterField, filter_fields
from chassis.filter.order_by import KeyValue, OrderField, parse_order_by
from chassis.filter.parser import parse_filter
from chassis.filter.tree import OPERATORS, FilterError
from chassis.filter.values import FilterContext

USER = UUID("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
NOW = datetime(2026, 3, 10, 16, 30, tzinfo=UTC)
CONTEXT = FilterContext(NOW, ZoneInfo("Asia/Shanghai"), str(USER))

deal = Table(
    "filter_probe",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", Text),
    Column("amount", Numeric(18, 2)),
    Column("currency", Text),
    Column("active", Boolean),
    Column("close_date", Date),
    Column("create_time", DateTime(timezone=True)),
    Column("owner_id", Uuid),
    Column("state", Text),
    Column("tags", ARRAY(Text)),
)
c = deal.c
FIELDS = filter_fields(
    [
        FilterField("id", c.id, FieldKind.INTEGER),
        FilterField("name", c.name, FieldKind.TEXT),
        FilterField("amount", c.amount, FieldKind.MONEY, currency=c.currency),
        FilterField("active", c.active, FieldKind.BOOLEAN),
        FilterField("close_date", c.close_date, FieldKind.DATE),
        FilterField("create_time", c.create_time, FieldKind.TIMESTAMP),
        FilterField("owner_id", c.owner_id, FieldKind.UUID),
        FilterField("state", c.state, FieldKind.ENUM, choices=("OPEN", "LOST")),
        FilterField("tags", c.tags, FieldKind.TEXT_LIST),
    ]
)
MIDNIGHT = datetime(2026, 3, 10, 16, 0, tzinfo=UTC)
ROWS: list[tuple[object, ...]] = [
    (1, "Acme", Decimal("10.00"), "CNY", True, date(2026, 3, 11), MIDNIGHT, USER, "OPEN", ["vip"]),
    (2, "50%_a\\b", Decimal("9.99"), "USD", False, date(2026, 3, 10), NOW, None, "LOST", []),
    (3, "acme*", Decimal(-1), "CNY", None, date(2026, 3, 4), None, USER, None, ["a", "vip"]),
    (4, *[None] * 9),
]


class Session:
    """One connection, driven from synchronous tests."""

    def __init__(self, runner: asyncio.Runner, connection: "asyncpg.Connection[asyncpg.Record]"):
        self.runner = runner
        self.connection = connection

    def rows(
        self, element: ClauseElement, values: Mapping[str, object]
    ) -> Sequence[tuple[KeyValue, ...]]:
        compiled = statement(element)
        fetched = self.connection.fetch(compiled.sql, *compiled.arguments(values))
        return [tuple(row) for row in self.runner.run(fetched)]


@pytest.fixture(scope="module")
def session(postgres_url: str) -> Iterator[Session]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(postgres_url))
        create = """
            CREATE TEMP TABLE filter_probe (
                id int PRIMARY KEY, name text, amount numeric(18, 2), currency text,
                active boolean, close_date date, create_time timestamptz, owner_id uuid,
                state text, tags text[]);
            CREATE TEMP TABLE order_probe (
                a int, b text COLLATE "C", n int NOT NULL, id int PRIMARY KEY);
        """
        runner.run(connection.execute(create))
        runner.run(connection.copy_records_to_table("filter_probe", records=ROWS))
        yield Session(runner, connection)
        runner.run(connection.close())


CASES = [
    ("", {1, 2, 3, 4}),
    ("name = Acme", {1}),
    ("name != Acme", {2, 3, 4}),
    ("NOT name = Acme", {2, 3, 4}),
    ("name = A*", {1}),
    ("name != *c*", {2, 4}),
    (r'name = "acme\*"', {3}),
    (r'name = "5*%_a\\*"', {2}),
    ("name:ACME", {1, 3}),
    ('name:"%_"', {2}),
    ("name:*", {1, 2, 3}),
    ("name = null", {4}),
    ("amount > 9.994", {1}),
    ("amount <= 9.99 amount.currency_code = USD", {2}),
    ("-amount > 0", {3, 4}),
    ("active = true", {1}),
    ("active != true", {2, 3, 4}),
    ("close_date = today()", {1}),
    ("close_date >= days_ago(7) close_date < today()", {2, 3}),
    ("create_time >= today()", {1, 2}),
    ("create_time > 2026-03-11", {2}),
    ("create_time <= now() AND create_time >= 2026-03-11T00:30:00+08:00", {2}),
    ("owner_id = me()", {1, 3}),
    ("owner_id = my_department()", set()),
    ("owner_id != my_department()", {1, 3}),
    ('state != "LOST"', {1, 3, 4}),
    ("state = OPEN OR state = null", {1, 3, 4}),
    ("tags:vip", {1, 3}),
    ("-tags:vip", {2, 4}),
    ("tags:*", {1, 3}),
    ("tags != null", {1, 2, 3}),
    ("id > 9223372036854775807", set()),
]


@pytest.mark.parametrize(("text", "ids"), CASES)
def test_filter_finds_rows(session: Session, text: str, ids: set[int]) -> None:
    compiled = compile_filter(parse_filter(text), FIELDS, CONTEXT)
    query = select(c.id).where(compiled.expression())
    assert {row[0] for row in session.rows(query, compiled.values)} == ids


tests = st.sampled_from([f"({text})" for text, _ in CASES if text])
filters = st.recursive(
    tests,
    lambda inner: (
        st.builds("(NOT {})".format, inner)
        | st.builds("({} AND {})".format, inner, inner)
        | st.builds("({} OR {})".format, inner, inner)
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(filters)
def test_not_is_the_complement(session: Session, text: str) -> None:
    found: list[KeyValue] = []
    for filter_text in (text, f"NOT {text}"):
        compiled = compile_filter(parse_filter(filter_text), FIELDS, CONTEXT)
        rows = session.rows(select(c.id).where(compiled.expression()), compiled.values)
        found += [row[0] for row in rows]
    assert sorted(found, key=str) == [1, 2, 3, 4]


literals = st.one_of(
    st.sampled_from(["null", "*", "true", "me()", "now()", "today()", "days_ago(36525)", "OPEN"]),
    st.sampled_from(["0e99", "1e37", "-1e-37", "9" * 38 + "." + "9" * 38, "-9223372036854775808"]),
    st.sampled_from(["0001-01-01", "9999-12-31", "0001-01-02T00:00:00Z", f"{USER}"]),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.dates().map(str),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.text(max_size=8).map(lambda text: '"' + text.replace('"', "").replace("\\", "%_*") + '"'),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), st.sampled_from(OPERATORS), literals)
def test_what_compiles_runs(session: Session, name: str, operator: str, literal: str) -> None:
    """No overflow or encoding error is left for the database or the driver to find."""
    try:
        compiled = compile_filter(parse_filter(f"{name} {operator} {literal}"), FIELDS, CONTEXT)
    except FilterError:
        return
    session.rows(select(c.id).where(compiled.expression()), compiled.values)


ordered = Table("order_probe", MetaData(), *[Column(name, Integer) for name in ("a", "n", "id")])
ordered.append_column(Column("b", Text))
ID = OrderField("id", ordered.c.id, FieldKind.INTEGER, nullable=False)
ORDER_FIELDS = {
    "a": OrderField("a", ordered.c.a, FieldKind.INTEGER),
    "b": OrderField("b", ordered.c.b, FieldKind.TEXT),
    "n": OrderField("n", ordered.c.n, FieldKind.INTEGER, nullable=False),
    "id": ID,
}
OrderRow = tuple[int | None, str | None, int]
order_rows: st.SearchStrategy[list[OrderRow]] = st.lists(
    st.tuples(
        st.none() | st.integers(0, 2),
        st.none() | st.sampled_from(["x", "Y", "华"]),
        st.integers(0, 2),
    ),
    max_size=12,
)
order_texts = st.lists(
    st.tuples(st.sampled_from(list(ORDER_FIELDS)), st.sampled_from(["", " desc"])),
    max_size=4,
    unique_by=lambda term: term[0],
).map(lambda terms: ", ".join(name + direction for name, direction in terms))


def in_order(rows: list[dict[str, int | str | None]], terms: list[tuple[str, bool]]) -> list[int]:
    """The ids as the promise has them: sorted in Python, NULLs last both ways."""

    def compare(left: dict[str, int | str | None], right: dict[str, int | str | None]) -> int:
        for name, descending in terms:
            one, other = left[name], right[name]
            if one == other:
                continue
            if one is None or other is None:
                return 1 if one is None else -1
            smaller = str(one) < str(other)  # all numbers of a column have as many digits
            return -1 if smaller != descending else 1
        return 0

    return [int(str(row["id"])) for row in sorted(rows, key=cmp_to_key(compare))]


@settings(max_examples=150, deadline=None)
@given(order_rows, order_texts, st.integers(1, 4))
def test_paging_visits_each_row_once_in_order(
    session: Session, rows: list[OrderRow], text: str, size: int
) -> None:
    records = [(a, b, n, number) for number, (a, b, n) in enumerate(rows, 10)]
    session.runner.run(session.connection.execute("TRUNCATE order_probe"))
    session.runner.run(session.connection.copy_records_to_table("order_probe", records=records))
    order = parse_order_by(text, ORDER_FIELDS, ID)
    columns = [term.field.column for term in order.terms]
    query = (
        select(*columns, ordered.c.id.label("row_id")).order_by(*order.expressions()).limit(size)
    )
    found: list[KeyValue] = []
    page = session.rows(query, {})
    while page and len(found) <= len(rows):
        found += [row[-1] for row in page]
        position = order.after(page[-1][:-1])
        page = session.rows(query.where(position.expression()), position.values)
    named = [dict(zip(("a", "b", "n", "id"), record, strict=True)) for record in records]
    assert found == in_order(named, [(t.field.name, t.descending) for t in order.terms])
