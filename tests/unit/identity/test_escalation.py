"""Which grants lie within which."""

import pytest

from chassis.access.model import Grant
from services.identity.methods.escalation import GrantBeyondOwn, require_own
from services.identity.methods.power import read_grants


def one(resource: str, scope: str, *verbs: str) -> list[Grant]:
    return [Grant(resource, frozenset(verbs or ("READ",)), scope)]


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        (one("*", "ALL"), one("customers", "SUBORDINATES")),
        (one("customers", "ALL"), one("customers", "DEPARTMENT_TREE")),
        (one("customers", "DEPARTMENT_TREE"), one("customers", "DEPARTMENT")),
        (one("customers", "SUBORDINATES"), one("customers", "SCOPE_UNSPECIFIED")),
        (one("customers", "OWN"), one("customers", "OWN")),
        ([], [Grant("*", frozenset(), "ALL")]),
    ],
)
def test_what_lies_within_may_be_given(own: list[Grant], wanted: list[Grant]) -> None:
    require_own(own, wanted)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ([], one("customers", "OWN")),
        (one("customers", "ALL"), one("*", "OWN")),
        (one("customers", "ALL"), one("customers", "ALL", "READ", "UPDATE")),
        (one("customers", "DEPARTMENT"), one("customers", "DEPARTMENT_TREE")),
        (one("customers", "SUBORDINATES"), one("customers", "DEPARTMENT")),
        (one("customers", "OWN"), one("customers", "ALL")),
    ],
)
def test_what_goes_beyond_may_not(own: list[Grant], wanted: list[Grant]) -> None:
    with pytest.raises(GrantBeyondOwn):
        require_own(own, wanted)


def test_a_partner_gives_any_scope_within_his_company() -> None:
    own, wanted = one("customers", "PARTNER_COMPANY"), one("customers", "DEPARTMENT_TREE")
    require_own(own, wanted, in_company=True)
    with pytest.raises(GrantBeyondOwn):
        require_own(own, wanted)


def test_grants_are_read_from_text_and_values() -> None:
    text = '[{"resource": "customers", "verbs": ["READ"], "scope": "OWN"}]'
    assert read_grants(text) == one("customers", "OWN")
    assert read_grants([{"resource": "a"}]) == [Grant("a", frozenset(), "")]
    assert read_grants(None) == []
