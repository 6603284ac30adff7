"""The plan of a campaign follows from its seed; it has the kills asked for and every fault."""

import pytest

from tests.fault.campaign.nemesis import DECK, KILLS, LINES, NUMBERS, THOROUGH, Nemesis, plan


@pytest.mark.parametrize("kills", [4, 30, 100])
def test_plan_has_the_kills_asked_for_and_all_faults(kills: int) -> None:
    deck = plan(7, kills)
    assert sum(KILLS.get(name, 0) for name, _ in deck) == kills
    assert {name for name, _ in deck} >= DECK.keys() - KILLS.keys()


def test_a_thorough_plan_has_what_takes_long() -> None:
    assert {name for name, _ in plan(7, 30, thorough=True)} >= THOROUGH.keys()
    assert not {name for name, _ in plan(7, 30)} & THOROUGH.keys()


def test_every_fault_has_a_number_and_can_be_done() -> None:
    assert NUMBERS.keys() == DECK.keys() | THOROUGH.keys()
    done = [one for one in NUMBERS if one not in LINES]
    assert [one for one in done if not hasattr(Nemesis, f"_{one.replace('-', '_')}")] == []
    assert LINES.keys() < NUMBERS.keys()


def test_plan_follows_from_the_seed() -> None:
    assert plan(1, 30) == plan(1, 30)
    assert plan(1, 30) != plan(2, 30)
