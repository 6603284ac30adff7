"""Who leads a team."""

import pytest

from services.identity.domain.leaver import DepartmentEmpty, head_of


@pytest.mark.parametrize(
    ("managers", "head"),
    [
        ({"a": ""}, "a"),
        ({"a": "elsewhere", "b": "a"}, "a"),
        ({"a": "b", "b": "c", "c": ""}, "c"),
        ({"a": "", "b": "", "c": "b"}, "b"),
        ({"b": "", "a": ""}, "a"),
        ({"a": "b", "b": "a", "c": "a"}, "a"),
    ],
)
def test_the_head_reports_to_nobody_in_the_team(managers: dict[str, str], head: str) -> None:
    assert head_of("d", managers) == head


def test_nobody_leads_an_empty_team() -> None:
    with pytest.raises(DepartmentEmpty):
        head_of("d", {})
