"""Groups of a summary: their totals, win rate and order."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.reporting.domain.fact import CLOSE_MONTH, CLOSE_QUARTER, fiscal_quarter
from services.reporting.domain.rollup import ZERO, Sums

NONE_LABEL = "(none)"
STAGE = "stage"


@dataclass(frozen=True, slots=True)
class Name:
    """What a key is called; `place` orders the stages of all pipelines: pipeline, position."""

    label: str
    place: tuple[str, int] = ("", 0)


@dataclass(frozen=True, slots=True)
class Group:
    """One key of a dimension with its sums by currency ("" for opportunities without an amount)."""

    key: str
    name: Name | None
    sums: Mapping[str, Sums]

    @property
    def label(self) -> str:
        """Its name; the id itself while nobody has told us the name."""
        if not self.key:
            return NONE_LABEL
        return self.name.label if self.name else self.key

    @property
    def total(self) -> Sums:
        """The counts over all currencies; its amounts mean nothing, for they mix them."""
        total = Sums()
        for sums in self.sums.values():
            total = total.plus(sums)
        return total


def without(sums: Mapping[str, Sums], hidden: Collection[str]) -> Mapping[str, Sums]:
    """The sums of a key without what hidden fields of opportunities would tell."""
    if "state" in hidden:
        sums = {code: Sums(one.count, one.amount) for code, one in sums.items()}
    if "amount" in hidden:
        total = Group("", None, sums).total
        sums = {"": Sums(total.count, ZERO, total.won_count, ZERO, total.lost_count, ZERO)}
    return sums


def by_quarter(
    months: Mapping[str, Mapping[str, Sums]], start_month: int
) -> Mapping[str, Mapping[str, Sums]]:
    """Sums by quarter of the fiscal year, made of those by month."""
    found: dict[str, dict[str, Sums]] = {}
    for month, sums in months.items():
        quarter = found.setdefault(fiscal_quarter(month, start_month), {})
        for code, one in sums.items():
            quarter[code] = quarter.get(code, Sums()).plus(one)
    return found


def win_rate(won_count: int, lost_count: int) -> float | None:
    """Won divided by closed, 0 to 1; None when nothing is closed."""
    closed = won_count + lost_count
    return won_count / closed if closed else None


def in_order(dimension: str, groups: Sequence[Group], currency: str) -> list[Group]:
    """Stages by pipeline and position, times by time, others by won amount, largest first.

    Amounts are compared in `currency`, the tenant's, or where nothing was won in it, in the one
    that most groups were won in; equal ones go by label. What has no key or no known place comes
    last among stages and times.
    """
    if dimension == STAGE:
        return sorted(groups, key=_stage_place)
    if dimension in {CLOSE_MONTH, CLOSE_QUARTER}:
        return sorted(groups, key=lambda group: (not group.key, group.key))
    code = _compared_in(groups, currency)
    return sorted(groups, key=lambda group: (-_won(group, code), group.label, group.key))


def _compared_in(groups: Sequence[Group], currency: str) -> str:
    if any(_won(group, currency) for group in groups):
        return currency
    codes = Counter(
        code for group in groups for code, sums in group.sums.items() if sums.won_amount
    )
    return max(sorted(codes), key=codes.__getitem__, default=currency)


def _stage_place(group: Group) -> tuple[bool, bool, tuple[str, int], str]:
    place = group.name.place if group.name else ("", 0)
    return (not group.key, group.name is None, place, group.label)


def _won(group: Group, currency: str) -> Decimal:
    sums = group.sums.get(currency)
    return sums.won_amount if sums else ZERO
