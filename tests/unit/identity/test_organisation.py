"""Lines of the organisation, kinds of departments and the roles of a new tenant."""

import pytest

from chassis.access.model import VERBS
from chassis.errors import InvalidArgument
from services.identity.domain.organisation import (
    LEVELS_MAX,
    CompanyNested,
    Line,
    OrganisationCycle,
    OrganisationTooDeep,
    check_line,
    check_partner_kind,
)
from services.identity.domain.ready_made import ready_made_roles


def test_a_line_that_ends_is_taken() -> None:
    check_line(Line(["a", "b", "c"], 3, 1), "parent_id")
    check_line(Line([str(number) for number in range(LEVELS_MAX)]), "parent_id")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (Line(["a", "b", "a"]), OrganisationCycle),
        (Line(["a", "a"]), OrganisationCycle),
        (Line([str(number) for number in range(LEVELS_MAX)], 1), OrganisationTooDeep),
        (Line(["a"], LEVELS_MAX), OrganisationTooDeep),
        (Line(["a", "b"], 0, 2), CompanyNested),
    ],
)
def test_circles_depth_and_nesting_are_refused(line: Line, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_line(line, "parent_id")


@pytest.mark.parametrize(
    ("kind", "partner_kind", "right"),
    [
        ("PARTNER_COMPANY", "AGENT", True),
        ("DEPARTMENT", None, True),
        ("PARTNER_COMPANY", None, False),
        ("DEPARTMENT", "DEALER", False),
    ],
)
def test_just_partner_companies_have_a_partner_kind(
    kind: str, partner_kind: str | None, right: bool
) -> None:
    if right:
        check_partner_kind(kind, partner_kind)
        return
    with pytest.raises(InvalidArgument) as error:
        check_partner_kind(kind, partner_kind)
    assert error.value.fields[0][0] == "partner_kind"


def test_ready_made_roles_are_those_that_everybody_expects() -> None:
    roles = {role.key: role for role in ready_made_roles()}
    assert list(roles) == [
        "administrator", "manager", "salesperson", "marketing", "service", "finance", "read_only",
        "partner_administrator", "partner_user",
    ]  # fmt: skip
    for key, role in roles.items():
        assert role.name
        assert any("一" <= letter <= "鿿" for letter in role.description), "in both languages"
        verbs = {
            (one["resource"], verb, one["scope"]) for one in role.grants for verb in verbs_of(one)
        }
        scope = "PARTNER_COMPANY" if key.startswith("partner") else "ALL"
        sees = {("users", "READ", scope), ("*", "READ", scope)}
        assert sees & verbs, f"{key} sees the names of colleagues"
        if scope != "ALL":
            everywhere = {one for one, verb, where in verbs if where == "ALL" and verb != "READ"}
            assert not everywhere, "a partner changes nothing beyond his company"


def verbs_of(grant: object) -> list[str]:
    assert isinstance(grant, dict)
    verbs = list(grant["verbs"])
    assert set(verbs) <= set(VERBS)
    return verbs
