"""Which grants lie within which."""

import pytest

from chassis.access.field_rules import HIDDEN, READ, FieldAccess
from chassis.access.model import Grant
from services.identity.methods.escalation import (
    FieldsBeyondOwn,
    GrantBeyondOwn,
    require_own,
    require_own_fields,
)
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


def fields(*hidden: str) -> FieldAccess:
    return FieldAccess(frozenset(hidden), frozenset({"email"}))


@pytest.mark.parametrize(
    ("wanted", "rules", "fine"),
    [
        (one("customers", "OWN"), {"phone": HIDDEN, "email": READ}, True),
        (one("customers", "OWN"), {"phone": HIDDEN, "email": HIDDEN, "name": HIDDEN}, True),
        (one("customers", "OWN"), {"phone": HIDDEN}, False),
        (one("*", "OWN"), {"phone": READ, "email": READ}, False),
        (one("contacts", "ALL"), {}, True),
        ([], {}, True),
    ],
)
def test_nobody_opens_fields_that_are_closed_to_himself(
    wanted: list[Grant], rules: dict[str, int], fine: bool
) -> None:
    closed = {"customers": fields("phone")}
    given = {"customers": rules}
    if fine:
        require_own_fields(closed.__getitem__, closed, wanted, given)
        return
    with pytest.raises(FieldsBeyondOwn) as refused:
        require_own_fields(closed.__getitem__, closed, wanted, given)
    assert "phone" not in f"{refused.value.message} {refused.value.metadata}"
