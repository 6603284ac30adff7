"""The chain of the operation log: whatever is done to it afterwards is found."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from services.identity.domain.log_chain import (
    COVERED,
    GENESIS,
    Anchor,
    Root,
    Stretch,
    canonical,
    chain_hash,
    first_break,
)
from tests.unit.identity.logs import TENANT, Row, chained, end_of, entry, roots_over, whole

ENTRIES, ROOT_SIZE, TAMPERINGS = 60, 8, 1000
ROWS = chained([entry(sequence) for sequence in range(1, ENTRIES + 1)])
ROOTS = roots_over(ROWS, ROOT_SIZE)
SIGNED = len(ROOTS) * ROOT_SIZE


@dataclass
class Ledger:
    """All that somebody with the database's password can write, and what he cannot reach."""

    rows: list[Row] = field(default_factory=lambda: [dict(row) for row in ROWS])
    roots: list[Root] = field(default_factory=lambda: list(ROOTS))
    end: Anchor = field(default_factory=lambda: end_of(ROWS))

    def rewrite(self) -> None:
        """Number and chain everything anew, so that it looks untouched."""
        rows = [{**row, "sequence": place} for place, row in enumerate(self.rows, 1)]
        self.rows = chained(rows)
        self.end = end_of(self.rows)

    def check(self) -> Stretch:
        """What the verifier gets to see."""
        return whole(self.rows, self.roots, ROOTS, self.end)


def edit(ledger: Ledger, at: int, dice: random.Random) -> None:
    row, name = ledger.rows[at], dice.choice([*COVERED, "label", "ip", "salt", "hash"])
    row[name] = {
        "sequence": dice.randint(100, 999),
        "record_version": 99,
        "changed_fields": ["name"],
        "time": entry(at + 2)["time"],
        "create_time": entry(at + 2)["create_time"],
        "hash": str(ROWS[at - 1]["hash"]),
    }.get(name, "0190c0f0-0000-7000-8000-ffffffffffff")


def delete(ledger: Ledger, at: int, _dice: random.Random) -> None:
    del ledger.rows[at]


def swap(ledger: Ledger, at: int, dice: random.Random) -> None:
    other = dice.choice([place for place in range(SIGNED) if place != at])
    one, two = ledger.rows[at], ledger.rows[other]
    ledger.rows[at] = {**two, "sequence": one["sequence"]}
    ledger.rows[other] = {**one, "sequence": two["sequence"]}


def insert(ledger: Ledger, at: int, dice: random.Random) -> None:
    ledger.rows.insert(at, {**entry(dice.randint(100, 999)), "sequence": at + 1, "hash": GENESIS})


def cut(ledger: Ledger, at: int, _dice: random.Random) -> None:
    del ledger.rows[at:]


KINDS: Sequence[Callable[[Ledger, int, random.Random], None]] = (edit, delete, swap, insert, cut)


def tampered(number: int) -> tuple[str, Ledger]:
    """One of the tamperings: what was done how thoroughly, and the log after it."""
    dice = random.Random(number)
    ledger, at = Ledger(), dice.randrange(SIGNED)
    kind = KINDS[number % len(KINDS)]
    kind(ledger, at, dice)
    thorough = dice.randrange(3) if kind is not edit else 0
    if thorough:
        ledger.rewrite()
    if thorough == 2:
        ledger.roots = [root for root in ROOTS if root.last_sequence <= at]
    return f"{kind.__name__} at {at + 1}, thorough {thorough}", ledger


def test_1000_random_tamperings_are_found(figures: list[str]) -> None:
    missed = [what for what, ledger in map(tampered, range(TAMPERINGS)) if not found(ledger)]
    assert not missed, missed
    figures.append(f"operation log: {TAMPERINGS} of {TAMPERINGS} tamperings found")


def found(ledger: Ledger) -> bool:
    """Whether the verifier says so."""
    return first_break(ledger.check()) is not None


@pytest.mark.parametrize("name", COVERED)
def test_every_field_is_covered(name: str) -> None:
    row = entry(1)
    changed = {**row, name: "else" if isinstance(row[name], str) else row["request_id"]}
    assert canonical(changed) != canonical(row)
    assert chain_hash(GENESIS, changed) != chain_hash(GENESIS, row)


def test_edit_with_its_hashes_recomputed_is_found_by_the_root() -> None:
    ledger = Ledger()
    ledger.rows[12]["actor_id"] = "0190c0f0-0000-7000-8000-ffffffffffff"
    ledger.rewrite()
    broken = first_break(ledger.check())
    assert broken is not None
    assert broken.sequence == 9, "the first entry of the signed stretch"


def test_untouched_log_is_intact_and_so_is_each_stretch() -> None:
    assert first_break(Ledger().check()) is None
    assert first_break(whole([], [], [], Anchor())) is None
    anchor, rows = Anchor(16, str(ROWS[15]["hash"])), ROWS[16:40]
    end = Anchor(40, str(ROWS[39]["hash"]))
    stretch = Stretch(TENANT, anchor, rows, end, False, ROOTS[2:5], ROOTS[2:])
    assert first_break(stretch) is None
    broken = first_break(replace(stretch, entries=rows[:-1]))
    assert broken is not None
    assert broken.sequence == 40


def test_erased_label_keeps_the_chain_whole_and_a_forged_one_does_not() -> None:
    ledger = Ledger()
    ledger.rows[3] |= {"salt": "", "label": "", "ip": ""}
    assert not found(ledger)
    ledger.rows[3]["label"] = "某公司"
    assert found(ledger)


def test_cut_tail_is_found_by_what_was_kept_outside_alone() -> None:
    ledger = Ledger(rows=ROWS[:SIGNED], roots=ROOTS, end=end_of(ROWS[:SIGNED]))
    assert not found(ledger), "what no root covers yet can be cut"
    ledger = Ledger(rows=ROWS[: SIGNED - 8], roots=ROOTS[:-1], end=end_of(ROWS[: SIGNED - 8]))
    broken = first_break(ledger.check())
    assert broken is not None
    assert broken.sequence == SIGNED - 7


def test_roots_of_another_tenant_or_with_a_gap_are_found() -> None:
    foreign = replace(ROOTS[1], tenant_id="0190c0f0-0000-7000-8000-000000000002")
    assert found(Ledger(roots=[ROOTS[0], foreign, *ROOTS[2:]]))
    assert found(Ledger(roots=[ROOTS[0], *ROOTS[2:]]))
