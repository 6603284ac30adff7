"""The rollup's differences add up to what the facts say, whatever happened in between."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reporting.domain.fact import DIMENSIONS, Fact, fiscal_quarter, month_key, quarter_key
from services.reporting.domain.rollup import Cell, Sums, differences

IDS = st.sampled_from(["", "a", "b"])
AMOUNTS = st.one_of(
    st.just((None, "")),
    st.tuples(
        st.decimals(min_value=-100, max_value=10_000, places=2), st.sampled_from(["CNY", "USD"])
    ),
)
DAYS = st.one_of(st.none(), st.dates(date(2016, 12, 1), date(2017, 4, 30)))


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    amount, currency = draw(AMOUNTS)
    return Fact(
        ids=tuple(draw(st.lists(IDS, min_size=5, max_size=5))),
        state=draw(st.sampled_from(["OPEN", "WON", "LOST"])),
        amount=amount,
        currency=currency,
        close=draw(DAYS),
        living=draw(st.booleans()),
    )


def add(rollup: dict[Cell, Sums], changes: dict[Cell, Sums]) -> None:
    for cell, sums in changes.items():
        rollup[cell] = rollup.get(cell, Sums()).plus(sums)


def told(rollup: dict[Cell, Sums]) -> dict[Cell, Sums]:
    return {cell: sums for cell, sums in rollup.items() if sums != Sums()}


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), facts()), max_size=6), max_size=5))
def test_differences_equal_recomputation(batches: list[list[tuple[int, Fact]]]) -> None:
    rollup: dict[Cell, Sums] = {}
    known: dict[int, Fact] = {}
    for batch in batches:
        pairs = []
        for number, fact in batch:
            pairs.append((known.get(number), fact))
            known[number] = fact
        add(rollup, differences(pairs))
    fresh = differences([(None, fact) for fact in known.values()])
    assert told(rollup) == fresh


@given(facts())
def test_differences_of_a_repeat_are_none(fact: Fact) -> None:
    assert differences([(fact, fact)]) == {}


@given(facts(), facts())
def test_differences_come_in_writing_order(before: Fact, after: Fact) -> None:
    cells = list(differences([(before, after)]))
    assert cells == sorted(cells)


def test_differences_count_every_dimension_once() -> None:
    day = date(2017, 3, 1)
    fact = Fact(("s", "o", "p", "c", ""), "WON", Decimal("5.50"), "USD", day, living=True)
    found = differences([(None, fact)])
    assert [cell[0] for cell in found] == sorted(DIMENSIONS)
    assert found["close_month", "2017-03", "USD"] == Sums(
        1, Decimal("5.50"), 1, Decimal("5.50"), 0, Decimal(0)
    )
    assert ("campaign", "", "USD") in found


def test_differences_without_amount_have_no_currency() -> None:
    fact = Fact(("s", "", "", "", ""), "LOST", None, "", None, living=True)
    assert differences([(None, fact)])["stage", "s", ""] == Sums(count=1, lost_count=1)


def test_keys_of_time() -> None:
    assert month_key(date(2017, 3, 31)) == "2017-03"
    assert [quarter_key(date(2017, month, 1)) for month in (1, 3, 4, 9, 12)] == [
        "2017Q1", "2017Q1", "2017Q2", "2017Q3", "2017Q4",
    ]  # fmt: skip
    assert month_key(None) == quarter_key(None) == fiscal_quarter("", 4) == ""


@pytest.mark.parametrize(
    ("start_month", "quarters"),
    [
        (1, ["2016Q4", "2017Q1", "2017Q1", "2017Q2", "2017Q3", "2017Q4"]),
        (4, ["FY2017Q3", "FY2017Q4", "FY2017Q4", "FY2018Q1", "FY2018Q2", "FY2018Q3"]),
        (12, ["FY2017Q1", "FY2017Q1", "FY2017Q2", "FY2017Q2", "FY2017Q4", "FY2018Q1"]),
    ],
)
def test_quarters_follow_the_fiscal_year(start_month: int, quarters: list[str]) -> None:
    months = ("2016-12", "2017-01", "2017-03", "2017-04", "2017-09", "2017-12")
    assert [fiscal_quarter(one, start_month) for one in months] == quarters
