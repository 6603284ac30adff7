"""The plan of a campaign follows from its seed; it has the kills asked for and every fault."""

import pytest

from tests.fault.campaign.nemesis import DECK, KILLS, plan


@pytest.mark.parametrize("kills", [4, 30, 100])
def test_plan_has_the_kills_asked_for_and_all_faults(kills: int) -> None:
    deck = plan(7, kills)
    assert sum(KILLS.get(name, 0) for name, _ in deck) == kills
    assert {name for name, _ in deck} >= DECK.keys() - KILLS.keys()


def test_plan_follows_from_the_seed() -> None:
    assert plan(1, 30) == plan(1, 30)
    assert plan(1, 30) != plan(2, 30)
