"""Values of own fields: each kind takes its JSON form, stores one form only, refuses the rest."""

from datetime import date
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.custom_fields.fields import side_row
from chassis.custom_fields.model import Choice, CustomFields, Definition, Kind, OwnFields
from chassis.custom_fields.values import (
    TEXT_MAX,
    TRACKED_TEXT_MAX,
    BadValue,
    stored_value,
    unique_key,
    value_of_text,
)

CHOICES = {
    "1": Choice("1", "金"),
    "2": Choice("2", "银", retired=True),
    "3": Choice("3", "铜", retired=True, deleted=True),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**14)).filter(
    lambda number: abs(number) < 10**14
)


def field(kind: Kind, *, unique: bool = False, index_state: str = "NOT_INDEXED") -> Definition:
    """A field of this kind."""
    return Definition(
        "f", "name", "Name", kind, unique=unique, index_state=index_state, choices=CHOICES
    )


@pytest.mark.parametrize("kind", list(Kind))
@given(value=JSON)
def test_whatever_is_taken_stays_as_it_is(kind: Kind, value: object) -> None:
    one = field(kind)
    try:
        stored = stored_value(one, value)
    except BadValue as error:
        assert str(error)  # noqa: PT017  # either way it must say something
        return
    assert orjson.loads(orjson.dumps(stored)) == stored
    if stored is not None:
        assert stored_value(one, stored) == stored
        assert side_row(one, stored)["form"] in {"text", "number", "date"} or kind in {
            Kind.BOOLEAN, Kind.MULTI_CHOICE,
        }  # fmt: skip


@given(number=DECIMALS)
def test_numbers_keep_their_value_and_are_written_one_way(number: Decimal) -> None:
    stored = stored_value(field(Kind.NUMBER), format(number, "f"))
    assert Decimal(str(stored)) == number
    assert stored == stored_value(field(Kind.NUMBER), format(number + 0, "f"))
    assert side_row(field(Kind.NUMBER), stored)["number_value"] == number


@given(day=st.dates())
def test_dates_are_iso(day: date) -> None:
    stored = stored_value(field(Kind.DATE), day.isoformat())
    assert stored == day.isoformat()
    assert side_row(field(Kind.DATE), stored)["date_value"] == day


@pytest.mark.parametrize(
    ("code", "amount", "stored"),
    [
        ("CNY", "1.005", "1.00"), ("CNY", "1.015", "1.02"), ("JPY", "10.5", "10"),
        ("KWD", "1", "1.000"),
    ],
)  # fmt: skip
def test_money_is_rounded_half_even_at_the_currency(code: str, amount: str, stored: str) -> None:
    money = {"currency_code": code, "amount": amount}
    assert stored_value(field(Kind.MONEY), money) == {**money, "amount": stored}


def test_no_money_is_less_than_nothing() -> None:
    money = {"currency_code": "CNY", "amount": "-0.001"}
    assert stored_value(field(Kind.MONEY), money) == {**money, "amount": "0.00"}


@pytest.mark.parametrize("code", [[], {}, ["CNY"], None, 1, "QQQQ"])
def test_a_currency_is_one_of_those_there_are(code: object) -> None:
    with pytest.raises(BadValue):
        stored_value(field(Kind.MONEY), {"currency_code": code, "amount": "1"})


def test_retired_choices_may_stay_and_deleted_ones_too() -> None:
    one, many = field(Kind.CHOICE), field(Kind.MULTI_CHOICE)
    assert stored_value(one, "1") == "1"
    assert stored_value(one, "2", "2") == "2"
    assert stored_value(one, "3", "3") == "3"
    for value in ("2", "3", "4", "金", 1):
        with pytest.raises(BadValue):
            stored_value(one, value, "1")
    assert stored_value(many, ["1", "2", "1"], ["2"]) == ["1", "2"]
    assert stored_value(many, []) is None
    with pytest.raises(BadValue):
        stored_value(many, ["1", "2"], ["3"])


def test_texts_of_fields_with_an_index_are_short() -> None:
    long = "字" * TRACKED_TEXT_MAX + "字"
    assert stored_value(field(Kind.TEXT), long) == long
    assert stored_value(field(Kind.TEXT), "") is None
    for one in (field(Kind.TEXT, unique=True), field(Kind.TEXT, index_state="BUILDING")):
        with pytest.raises(BadValue):
            stored_value(one, long)
    with pytest.raises(BadValue):
        stored_value(field(Kind.TEXT), "x" * (TEXT_MAX + 1))


def test_unique_texts_are_compared_without_case() -> None:
    one = field(Kind.TEXT, unique=True)
    assert unique_key(one, "Straße") == unique_key(one, "STRASSE")
    assert unique_key(one, None) is None
    assert unique_key(field(Kind.TEXT), "x") is None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.TEXT, " a ", " a "), (Kind.NUMBER, "1.50", "1.50"), (Kind.BOOLEAN, "Yes", True),
        (Kind.MONEY, "12.5 cny", {"currency_code": "CNY", "amount": "12.5"}),
        (Kind.CHOICE, "金", "1"), (Kind.CHOICE, "2", "2"), (Kind.CHOICE, "铜", "铜"),
        (Kind.MULTI_CHOICE, "金; 银;", ["1", "2"]),
    ],
)  # fmt: skip
def test_cells_mean_values(kind: Kind, text: str, value: object) -> None:
    assert value_of_text(field(kind), text) == value


def test_values_are_shown_under_names_and_deleted_fields_are_not() -> None:
    own = OwnFields(
        (
            Definition("a", "first", "First", Kind.TEXT, searchable=True),
            Definition("b", "second", "Second", Kind.TEXT, deleted=True, searchable=True),
        )
    )
    stored = orjson.dumps({"a": "x", "b": "y", "gone": "z"}).decode()
    assert own.shown(stored) == {"first": "x"}
    assert own.shown("{}") == {}
    assert own.searched_texts(stored) == {"a": "x", "b": "y"}
    assert CustomFields({"customers": own}).of("contacts").by_name == {}
