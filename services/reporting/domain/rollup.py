"""The rollup's arithmetic: what a change of facts adds to and takes from the sums of each cell."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from services.reporting.domain.fact import DIMENSIONS, LOST, WON, Fact

# dimension, key, currency code ("" for opportunities without an amount)
Cell: TypeAlias = tuple[str, str, str]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Sums:
    """Numbers of opportunities and their amounts in one currency; differences may be negative."""

    count: int = 0
    amount: Decimal = ZERO
    won_count: int = 0
    won_amount: Decimal = ZERO
    lost_count: int = 0
    lost_amount: Decimal = ZERO

    def plus(self, other: "Sums", sign: int = 1) -> "Sums":
        """The sum with `other`, or the difference for sign -1."""
        return Sums(
            self.count + sign * other.count,
            self.amount + sign * other.amount,
            self.won_count + sign * other.won_count,
            self.won_amount + sign * other.won_amount,
            self.lost_count + sign * other.lost_count,
            self.lost_amount + sign * other.lost_amount,
        )


def differences(changes: Iterable[tuple[Fact | None, Fact | None]]) -> dict[Cell, Sums]:
    """What (before, after) pairs change in the rollup, in the order in which cells are written."""
    found: dict[Cell, Sums] = {}
    for before, after in changes:
        if before == after:
            continue
        for fact, sign in ((before, -1), (after, 1)):
            if fact is not None and fact.living:
                _add(found, fact, sign)
    return {cell: found[cell] for cell in sorted(found) if found[cell] != Sums()}


def _add(found: dict[Cell, Sums], fact: Fact, sign: int) -> None:
    sums = _of(fact)
    currency = fact.currency if fact.amount is not None else ""
    for dimension, key in zip(DIMENSIONS, fact.keys(), strict=True):
        cell = (dimension, key, currency)
        found[cell] = found.get(cell, Sums()).plus(sums, sign)


def _of(fact: Fact) -> Sums:
    amount = fact.amount if fact.amount is not None else ZERO
    won, lost = fact.state == WON, fact.state == LOST
    return Sums(
        count=1,
        amount=amount,
        won_count=int(won),
        won_amount=amount if won else ZERO,
        lost_count=int(lost),
        lost_amount=amount if lost else ZERO,
    )
