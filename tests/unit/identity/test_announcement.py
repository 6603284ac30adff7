"""Whom announcements are addressed to, and when they are shown."""

from datetime import UTC, datetime, timedelta

from chassis.access.model import Access
from services.identity.domain.announcement import Audience, Showing

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOBODY: frozenset[str] = frozenset()


def test_without_departments_and_roles_it_is_for_everyone() -> None:
    assert Audience(NOBODY, NOBODY).includes((), ())


def test_departments_reach_downward_and_roles_add_their_holders() -> None:
    audience = Audience(frozenset({"top"}), frozenset({"r"}))
    parents = {"leaf": "middle", "middle": "top", "top": "", "other": ""}
    lineage = Access(parents=parents).lineage
    assert audience.includes(lineage("leaf"), ())
    assert not audience.includes(lineage("other"), ("s",))
    assert audience.includes(lineage("other"), ("s", "r"))
    assert not audience.includes(lineage(""), ())


def test_it_is_shown_from_its_start_until_before_its_end() -> None:
    showing = Showing(NOW, NOW + HOUR)
    times = (NOW - HOUR, NOW, NOW + HOUR / 2, NOW + HOUR)
    assert [showing.is_shown(one) for one in times] == [False, True, True, False]
    assert Showing(NOW, None).is_shown(NOW + 1000 * HOUR)
    assert showing.is_possible
    assert not Showing(NOW, NOW).is_possible
