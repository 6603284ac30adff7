"""The table of `make remove-checks` fits the code: every check is there once, so are its tests."""

from tests.removal.table import REMOVALS


def test_every_check_can_be_removed() -> None:
    problems = [text for one in REMOVALS for text in one.problems()]
    assert not problems, "\n".join(problems)


def test_checks_have_names_of_their_own_and_tests() -> None:
    names = [one.check for one in REMOVALS]
    assert len(set(names)) == len(names) >= 20
    assert all(one.tests for one in REMOVALS)
