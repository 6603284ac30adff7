"""Groups: labels, totals, win rate and order."""

from decimal import Decimal

import pytest

from services.reporting.domain.rollup import Sums
from services.reporting.domain.summary import Group, Name, by_quarter, in_order, win_rate


def group(key: str, name: Name | None = None, won: int = 0, currency: str = "USD") -> Group:
    sums = Sums(1, Decimal(won), 1, Decimal(won))
    return Group(key, name, {currency: sums})


def keys(groups: list[Group]) -> list[str]:
    return [one.key for one in groups]


@pytest.mark.parametrize(
    ("won", "lost", "rate"), [(0, 0, None), (1, 0, 1.0), (0, 3, 0.0), (4238, 2473, 4238 / 6711)]
)
def test_win_rate_is_won_of_closed(won: int, lost: int, rate: float | None) -> None:
    assert win_rate(won, lost) == rate


def test_label_falls_back() -> None:
    assert group("").label == "(none)"
    assert group("id-1").label == "id-1"
    assert group("id-1", Name("Anna")).label == "Anna"


def test_total_adds_counts_of_all_currencies() -> None:
    sums = {"USD": Sums(2, Decimal(5), 1), "": Sums(3, lost_count=1)}
    total = Group("x", None, sums).total
    assert (total.count, total.won_count, total.lost_count) == (5, 1, 1)


def test_in_order_stages_by_pipeline_and_position() -> None:
    groups = [
        group(""),
        group("unknown"),
        group("b2", Name("Won", ("B", 2))),
        group("a9", Name("Lost", ("A", 9))),
        group("b1", Name("New", ("B", 1))),
    ]
    assert keys(in_order("stage", groups, "USD")) == ["a9", "b1", "b2", "unknown", ""]


def test_in_order_times_ascend_with_none_last() -> None:
    groups = [group(key) for key in ("2017Q1", "", "2016Q4")]
    assert keys(in_order("close_quarter", groups, "USD")) == ["2016Q4", "2017Q1", ""]


def test_quarters_are_sums_of_months() -> None:
    months = {
        "2017-03": {"USD": Sums(1, Decimal(5))},
        "2017-04": {"USD": Sums(2, Decimal(7)), "": Sums(1)},
        "2017-06": {"USD": Sums(3, Decimal(9))},
        "": {"": Sums(4)},
    }
    assert by_quarter(months, 4) == {
        "FY2017Q4": {"USD": Sums(1, Decimal(5))},
        "FY2018Q1": {"USD": Sums(5, Decimal(16)), "": Sums(1)},
        "": {"": Sums(4)},
    }


def test_in_order_others_by_won_amount_then_label() -> None:
    groups = [
        group("1", Name("b"), 5),
        group("2", Name("a"), 5),
        group("3", Name("z"), 9),
        group("4", Name("c"), 99, "EUR"),
    ]
    assert keys(in_order("owner", groups, "USD")) == ["3", "2", "1", "4"]


def test_in_order_compares_in_the_currency_most_were_won_in_when_ours_was_not() -> None:
    groups = [
        group("1", Name("a"), 5, "EUR"),
        group("2", Name("b"), 7, "EUR"),
        group("3", Name("c"), 99, "GBP"),
    ]
    assert keys(in_order("owner", groups, "USD")) == ["2", "1", "3"]
