"""order_by: what is parsed, what is refused, and the SQL of the order and of its positions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import column
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.sql import ClauseElement

from chassis.filter.fields import FieldKind
from chassis.filter.order_by import KeyValue, OrderError, OrderField, parse_order_by

ID = OrderField("id", column("id"), FieldKind.UUID, nullable=False)
FIELDS = {
    field.name: field
    for field in (
        OrderField("name", column("name"), FieldKind.TEXT, nullable=False),
        OrderField("amount", column("amount"), FieldKind.MONEY),
        OrderField("custom_fields.tier", column("x"), FieldKind.TEXT, identity="custom:17"),
        *(OrderField(name, column(name), FieldKind.INTEGER) for name in "abcd"),
    )
}


def sql(element: ClauseElement) -> str:
    make = dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    return re.sub("::[A-Z]+", "", str(element.compile(dialect=make)))


ORDERS = [
    ("", "id ASC"),
    ("  ", "id ASC"),
    ("name", "name ASC, id ASC"),
    ("name asc", "name ASC, id ASC"),
    ("amount desc, name", "amount DESC NULLS LAST, name ASC, id ASC"),
    ("amount,name  desc", "amount ASC, name DESC, id DESC"),
    ("id desc", "id DESC"),
    ("id, name", "id ASC, name ASC"),
    ("a,b,c,d,name", "a ASC, b ASC, c ASC, d ASC, name ASC, id ASC"),
]


@pytest.mark.parametrize(("text", "expected"), ORDERS)
def test_parse_order_by_gives_terms(text: str, expected: str) -> None:
    order = parse_order_by(text, FIELDS, ID)
    assert ", ".join(sql(term) for term in order.expressions()) == expected


ERRORS = [
    ("nope", 0, "'nope' cannot be ordered by; allowed are a, amount, b,"),
    ("name,", 5, "a field is missing"),
    (", name", 0, "a field is missing"),
    ("name down", 4, "expected 'asc' or 'desc' after name"),
    ("name desc desc", 4, "expected 'asc'"),
    ("name DESC", 4, "expected 'asc'"),
    ("name, amount, name desc", 14, "name stands twice"),
    ("a,b,c,d,name,amount", 13, "more than 5 fields"),
    ("a" * 1025, 1024, "longer than 1024"),
]


@pytest.mark.parametrize(("text", "position", "message"), ERRORS)
def test_parse_order_by_names_the_place(text: str, position: int, message: str) -> None:
    with pytest.raises(OrderError) as caught:
        parse_order_by(text, FIELDS, ID)
    assert caught.value.position == position
    assert message in str(caught.value)
    assert caught.value.reason == "ORDER_INVALID"
    assert caught.value.fields[0][0] == "order_by"


@given(st.text(max_size=40) | st.text("an, des\t", max_size=30))
def test_any_text_parses_or_raises_order_error(text: str) -> None:
    try:
        parse_order_by(text, FIELDS, ID)
    except OrderError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017  # most texts raise nothing


POSITIONS: list[tuple[str, list[KeyValue], str]] = [
    ("", [1], "id > :k0"),
    ("id desc", [1], "id < :k0"),
    ("name", ["x", 1], "(name, id) > (:k0, :k1)"),
    ("name desc", ["x", 1], "(name, id) < (:k0, :k1)"),
    ("name, id desc", ["x", 1], "name >= :k0 AND (name > :k0 OR id < :k1)"),
    (
        "amount desc",
        [5, 1],
        "amount < :k0 OR amount IS NULL OR amount = :k0 AND id < :k1",
    ),
    ("id, amount", [1, None], "id >= :k0 AND id > :k0"),
    ("id, amount", [1, 5], "id >= :k0 AND (id > :k0 OR amount > :k1 OR amount IS NULL)"),
    ("amount", [None, 1], "amount IS NULL AND id > :k1"),
]


@pytest.mark.parametrize(("text", "keys", "expected"), POSITIONS)
def test_position_gives_condition(text: str, keys: list[KeyValue], expected: str) -> None:
    position = parse_order_by(text, FIELDS, ID).after(keys)
    assert sql(position.expression()) == expected
    assert position.values == {f"k{i}": key for i, key in enumerate(keys) if key is not None}


def test_position_shape_tells_nulls_and_order_apart() -> None:
    order = parse_order_by("amount", FIELDS, ID)
    other = parse_order_by("amount desc", FIELDS, ID)
    assert order.after([5, 1]).shape == order.after([6, 2]).shape
    assert order.after([5, 1]).shape != order.after([None, 1]).shape
    assert order.after([5, 1]).shape != other.after([5, 1]).shape


def test_order_text_is_one_spelling() -> None:
    order = parse_order_by(" custom_fields.tier   desc", FIELDS, ID)
    assert order.text == "custom:17:text:null desc, id:uuid desc"


def test_after_refuses_the_keys_of_another_order() -> None:
    with pytest.raises(ValueError, match="2 keys expected, got 1"):
        parse_order_by("name", FIELDS, ID).after([1])
