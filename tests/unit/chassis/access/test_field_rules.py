"""Field rules: over several roles the widest wins, a rule on a field holds for its parts."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.access.field_rules import (
    EVERY_FIELD,
    HIDDEN,
    READ,
    WRITE,
    FieldAccess,
    read_rules,
    wider,
    widest,
)
from chassis.access.model import Access, AccessRecord, Grant, build_access

NAMES = ("phone", "email", "custom_fields", "custom_fields.tier", "custom_fields.area")
PATHS = (*NAMES, "amount", "custom_fields.other")
ROLE = st.dictionaries(st.sampled_from(NAMES), st.sampled_from((HIDDEN, READ, WRITE)))


def alone(rules: Mapping[str, int], path: str) -> int:
    """What one role says of a field or a part of one."""
    return min(rules.get(path, WRITE), rules.get(path.split(".", maxsplit=1)[0], WRITE))


@given(st.lists(ROLE, min_size=1, max_size=4))
def test_the_widest_of_several_roles_wins(roles: list[dict[str, int]]) -> None:
    together = widest(roles)
    for path in PATHS:
        assert together.level(path) == max(alone(rules, path) for rules in roles)


@given(ROLE, ROLE)
def test_a_role_is_wider_where_it_opens_more(own: dict[str, int], given_: dict[str, int]) -> None:
    access = widest([own])
    opens = any(alone(given_, path) > access.level(path) for path in NAMES if path in own)
    assert wider(given_, access) == opens


def test_levels_of_parts_and_of_places_in_lists() -> None:
    access = FieldAccess(frozenset({"amount"}), frozenset({"grants"}))
    assert access.level("amount.currency_code") == HIDDEN
    assert access.level("grants[0].scope") == READ
    assert access.level("amounts") == WRITE


def test_rules_are_read_as_roles_hold_them() -> None:
    rules = read_rules(
        [
            {"resource": "customers", "field": "phone", "access": "HIDDEN"},
            {"resource": "customers", "field": "phone", "access": "READ"},
            {"resource": "customers", "field": "id", "access": "HIDDEN"},
            {"resource": "contacts", "field": "email", "access": "ACCESS_UNSPECIFIED"},
        ]
    )
    assert rules == {"customers": {"phone": READ}, "contacts": {"email": WRITE}}
    assert read_rules(None) == {}


def role(name: str, *rules: tuple[str, str], resource: str = "customers") -> AccessRecord:
    """A role that reads a resource, with rules on fields of customers."""
    data = {
        "grants": [{"resource": resource, "verbs": ["READ"], "scope": "ALL"}],
        "field_rules": [
            {"resource": "customers", "field": field, "access": access} for field, access in rules
        ],
    }
    return AccessRecord("role", name, 1, data)


@pytest.mark.parametrize(
    ("roles", "hidden", "read_only"),
    [
        (("strict",), {"phone"}, {"email"}),
        (("strict", "milder"), set(), {"phone"}),
        (("strict", "open"), set(), set()),
        (("strict", "elsewhere"), {"phone"}, {"email"}),
        (("everything",), {"email"}, set()),
        (("gone",), set(), set()),
        ((), set(), set()),
    ],
)
def test_only_roles_count_that_grant_something_there(
    roles: tuple[str, ...], hidden: set[str], read_only: set[str]
) -> None:
    access = build_access(
        [
            role("strict", ("phone", "HIDDEN"), ("email", "READ")),
            role("milder", ("phone", "READ")),
            role("open"),
            role("elsewhere", resource="contacts"),
            role("everything", ("email", "HIDDEN"), resource="*"),
        ],
        1,
    )
    found = access.field_access(roles, "customers")
    assert found == FieldAccess(frozenset(hidden), frozenset(read_only))
    assert access.field_access(roles, "customers") is found


def test_tenants_without_rules_pay_nothing() -> None:
    access = Access(roles={"r": (Grant("*", frozenset({"READ"}), "ALL"),)})
    assert access.field_access(("r",), "customers") is EVERY_FIELD
    assert replace(access, version=2).field_access(("r",), "users") is EVERY_FIELD
