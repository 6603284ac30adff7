"""Filters compiled to SQL: text, values, shapes and what is refused."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import ColumnElement, Text, bindparam, column
from sqlalchemy.dialects.postgresql import ARRAY, dialect

from chassis.filter.condition import CompiledFilter, FilterSearch, Sought, compile_filter
from chassis.filter.fields import FieldKind, FilterField, filter_fields
from chassis.filter.parser import parse_filter
from chassis.filter.tree import FilterError
from chassis.filter.values import FilterContext, FilterValue

USER = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
SHANGHAI = ZoneInfo("Asia/Shanghai")
# Half past midnight on the 11th in Shanghai, still the 10th in UTC.
CONTEXT = FilterContext(datetime(2026, 3, 10, 16, 30, tzinfo=UTC), SHANGHAI, USER)
FIELDS = filter_fields(
    [
        FilterField("name", column("name"), FieldKind.TEXT),
        FilterField("count", column("count"), FieldKind.INTEGER),
        FilterField("rate", column("rate"), FieldKind.DECIMAL),
        FilterField("active", column("active"), FieldKind.BOOLEAN),
        FilterField("close_date", column("close_date"), FieldKind.DATE),
        FilterField("create_time", column("create_time"), FieldKind.TIMESTAMP),
        FilterField("owner_id", column("owner_id"), FieldKind.UUID),
        FilterField("state", column("state"), FieldKind.ENUM, choices=("OPEN", "LOST")),
        FilterField("amount", column("amount"), FieldKind.MONEY, currency=column("currency")),
        FilterField("tags", column("tags"), FieldKind.TEXT_LIST),
        FilterField("custom_fields.tier", column("x"), FieldKind.TEXT, identity="custom:17"),
    ]
)


def find(word: str, key: str) -> Sought | None:
    return Sought(([key + word], f"%{word}%"), word == "common") if word.isalnum() else None


def search_condition(names: tuple[str, ...], walked: bool) -> ColumnElement[bool]:
    tokens, pattern = names
    if walked:
        return column("walked").like(bindparam(tokens) + bindparam(pattern, type_=Text()))
    return column("tokens").bool_op("@>")(bindparam(tokens, type_=ARRAY(Text()))) & column(
        "name"
    ).like(bindparam(pattern, type_=Text()))


CAST = re.compile("::(VARCHAR|TEXT|BIGINT|NUMERIC|BOOLEAN|DATE|TIMESTAMP WITH TIME ZONE|UUID)")
SEARCH = FilterSearch(frozenset({"custom:17"}), find, search_condition)


def compiled(text: str, context: FilterContext = CONTEXT) -> CompiledFilter:
    return compile_filter(parse_filter(text), FIELDS, context, SEARCH)


def sql(found: CompiledFilter) -> str:
    make = dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    return CAST.sub("", str(found.expression().compile(dialect=make)))


CASES: list[tuple[str, str, list[FilterValue]]] = [
    ("", "true", []),
    ("name = Acme", "name = :f0", ["Acme"]),
    ('name = "null"', "name = :f0", ["null"]),
    ("name != Acme", "name IS DISTINCT FROM :f0", ["Acme"]),
    ("name >= 007", "name >= :f0", ["007"]),
    (r'name = "1_0%\\*"', "name LIKE :f0", [r"1\_0\%\\%"]),
    ("name != *x", "(name LIKE :f0) IS NOT true", ["%x"]),
    ("name:50%", "name ILIKE :f0", [r"%50\%%"]),
    ("name:a*b", "name ILIKE :f0", ["%a%b%"]),
    ("name:*", "name IS NOT NULL", []),
    ("name = me()", "name = :f0", [USER]),
    ("count < -9223372036854775808", "count < :f0", [-(2**63)]),
    ("count:5", "count = :f0", [5]),
    ("rate <= 2.5e-1", "rate <= :f0", [Decimal("0.25")]),
    ("rate = 0.0", "rate = :f0", [Decimal("0.0")]),
    ('amount > "12.50"', "amount > :f0", [Decimal("12.50")]),
    ("amount.amount > 1", "amount > :f0", [Decimal(1)]),
    ("amount.currency_code = CNY", "currency = :f0", ["CNY"]),
    ("active = true", "active = :f0", [True]),
    ("active != false", "active IS DISTINCT FROM :f0", [False]),
    ("close_date = null", "close_date IS NULL", []),
    ("close_date != null", "close_date IS NOT NULL", []),
    ("close_date < 2026-02-28", "close_date < :f0", [date(2026, 2, 28)]),
    ("close_date = today()", "close_date = :f0", [date(2026, 3, 11)]),
    ("close_date <= days_from_now(30)", "close_date <= :f0", [date(2026, 4, 10)]),
    ("create_time > now()", "create_time > :f0", [CONTEXT.now]),
    (
        "create_time >= 2026-01-01",
        "create_time >= :f0",
        [datetime(2025, 12, 31, 16, tzinfo=UTC)],
    ),
    (
        'create_time < "2026-01-01T00:00:00.5+08:00"',
        "create_time < :f0",
        [datetime(2025, 12, 31, 16, 0, 0, 500_000, tzinfo=UTC)],
    ),
    (
        "create_time >= days_ago(7)",
        "create_time >= :f0",
        [datetime(2026, 3, 3, 16, tzinfo=UTC)],
    ),
    ("owner_id = me()", "owner_id = :f0", [UUID(USER)]),
    ("owner_id != my_department()", "owner_id IS DISTINCT FROM :f0", [None]),
    (f"owner_id:{USER}", "owner_id = :f0", [UUID(USER)]),
    ('state = "LOST"', "state = :f0", ["LOST"]),
    ("tags:vip", "(tags @> :f0[]) AND cardinality(tags) > 0", [["vip"]]),
    ("tags:*", "cardinality(tags) > 0", []),
    ("tags = null", "tags IS NULL", []),
    ("custom_fields.tier = A", "x = :f0", ["A"]),
    ("华为*", "(tokens @> :f0[]) AND name LIKE :f1", [["华为"], "%华为%"]),
    (
        "NOT (name = a OR count > 1) state = OPEN b",
        (
            "(name = :f0 OR count > :f1) IS NOT true AND state = :f2 "
            "AND (tokens @> :f3[]) AND name LIKE :f4"
        ),
        ["a", 1, "OPEN", ["b"], "%b%"],
    ),
    (
        "NOT x OR name = b",
        "((tokens @> :f0[]) AND name LIKE :f1) IS NOT true OR name = :f2",
        [["x"], "%x%", "b"],
    ),
]


@pytest.mark.parametrize(("text", "expected", "values"), CASES)
def test_compile_filter_gives_sql_and_values(
    text: str, expected: str, values: list[FilterValue]
) -> None:
    found = compiled(text)
    assert sql(found).replace("%%", "%") == expected
    assert found.values == {f"f{index}": value for index, value in enumerate(values)}


ERRORS: list[tuple[str, int, str]] = [
    ("a AND nope = 1", 0, "search"),
    ("name = a AND nope = 1", 13, "unknown field 'nope'; allowed are active, amount,"),
    ("state < OPEN", 0, "state (enum) does not take <; allowed are = != :"),
    ("state = WON", 8, "'WON' is no value of state: allowed are OPEN, LOST"),
    ("state = O*", 8, "state (enum) takes no wildcard"),
    ("tags = vip", 0, "allowed are :"),
    ("tags:v*", 5, "takes no wildcard"),
    ("name < a*", 7, "a wildcard does not go with <"),
    ("active = yes", 9, "allowed are true, false"),
    ('active = "true"', 9, "no quoted value"),
    ("active > true", 0, "does not take >"),
    ("count = 1.5", 8, "whole number"),
    ("count = 9223372036854775808", 8, "64 bits"),
    ('count = "1"', 8, "no quoted value"),
    ("count = null7", 8, "whole number"),
    ("count < null", 8, "whole number"),
    ("rate = NaN", 7, "expected a number"),
    ("rate = 1e39", 7, "38 digits"),
    ("rate = 1e-50", 7, "38 digits"),
    ("amount = CNY", 9, "expected a number"),
    ("close_date = 2026-02-30", 13, "'2026-02-30' is no value of close_date"),
    ("close_date = 20260201", 13, "YYYY-MM-DD"),
    ("close_date = 2026-01-01T00:00:00Z", 13, "YYYY-MM-DD"),
    ("close_date = now()", 13, "now() is no value of close_date (date)"),
    ("create_time > 2026-01-01T00:00:00", 14, "RFC 3339"),
    ("create_time > 0001-01-01T00:00:00+08:00", 14, "no value of create_time"),
    ("create_time > 0001-01-01", 14, "no value of create_time"),
    ("create_time > 9999-12-31T23:59:59-08:00", 14, "no value of create_time"),
    ("create_time > days_ago()", 14, "takes 1 arguments"),
    ("create_time > days_ago(x)", 23, "number of days from 0 to 36525"),
    ("create_time > days_ago(36526)", 23, "number of days"),
    ('create_time > days_ago("7")', 23, "number of days"),
    ("create_time > days_ago(7*)", 23, "number of days"),
    ("create_time > yesterday()", 14, "unknown function 'yesterday'; allowed are today()"),
    ("owner_id = 123", 11, "expected a UUID"),
    ("owner_id = today()", 11, "today() is no value of owner_id (uuid)"),
    ("a*b", 0, "one word"),
    ("*", 0, "one word"),
]


@pytest.mark.parametrize(("text", "position", "message"), ERRORS)
def test_compile_filter_names_the_place(text: str, position: int, message: str) -> None:
    search = None if message == "search" else SEARCH
    with pytest.raises(FilterError) as caught:
        compile_filter(parse_filter(text), FIELDS, CONTEXT, search)
    assert caught.value.position == position
    assert message in str(caught.value)


def test_me_refuses_a_caller_without_user_id() -> None:
    service = FilterContext(CONTEXT.now, SHANGHAI, "sales")
    with pytest.raises(FilterError, match=r"me\(\) has no value for this caller"):
        compiled("owner_id = me()", service)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("name = a AND count > 5", 'name="b" count > -7'),
        ("create_time > today()", "create_time > 2026-01-01"),
        ("amount = 1", "amount.amount = 2"),
        ("a NOT b", '"c" AND -d'),
        ("name = a*", 'name = "**"'),
    ],
)
def test_same_shape_is_same_sql(one: str, other: str) -> None:
    left, right = compiled(one), compiled(other)
    assert (left.shape, hash(left.shape)) == (right.shape, hash(right.shape))
    assert sql(left) == sql(right)
    assert left.values != right.values


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("name = a", "name = a*"),
        ("name = a", 'name = null OR name = "null"'),
        ("a AND b", "a OR b"),
        ("name = a", "custom_fields.tier = a"),
    ],
)
def test_other_shape_is_other_sql(one: str, other: str) -> None:
    left, right = compiled(one), compiled(other)
    assert left.shape != right.shape
    assert sql(left) != sql(right)


def test_shape_tells_custom_fields_by_identity() -> None:
    assert "custom:17" in repr(compiled("custom_fields.tier = A").shape)


def test_no_value_reaches_the_sql_text() -> None:
    found = compiled("name = zz1 AND tags:zz2 OR zz3 OR name:zz4 AND rate > 987654")
    assert "zz" not in sql(found)
    assert "987654" not in sql(found)


def test_declarations_are_checked() -> None:
    with pytest.raises(ValueError, match="choices"):
        FilterField("s", column("s"), FieldKind.ENUM)
    with pytest.raises(ValueError, match="choices"):
        FilterField("s", column("s"), FieldKind.TEXT, choices=("A",))
    with pytest.raises(ValueError, match="currency"):
        FilterField("m", column("m"), FieldKind.MONEY)
    with pytest.raises(ValueError, match="twice"):
        filter_fields([FIELDS["name"], FIELDS["name"]])
