"""Secrets, tokens and scopes of API clients."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.access.model import Access, AccessRecord, Grant, Member, build_access, scopes_allow
from services.identity.domain.client import (
    SECRET_PREFIX,
    TOKEN_LIFETIME,
    TOKEN_PREFIX,
    ScopeInvalid,
    kept_of,
    new_secret,
    new_token,
    split_scope,
    token_end,
)
from services.identity.methods.client_token import _granted

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_secrets_and_tokens_are_long_and_kept_as_hashes() -> None:
    for made, prefix in ((new_secret(), SECRET_PREFIX), (new_token(), TOKEN_PREFIX)):
        assert made.text.startswith(prefix)
        assert len(made.text) == len(prefix) + 43
        assert made.kept == kept_of(made.text)
        assert made.text not in made.kept
    assert new_secret().text != new_secret().text


def test_token_ends_with_its_secret_at_the_latest() -> None:
    assert token_end(NOW, None) == NOW + TOKEN_LIFETIME
    assert token_end(NOW, NOW + timedelta(minutes=5)) == NOW + timedelta(minutes=5)
    assert token_end(NOW, NOW + timedelta(days=5)) == NOW + TOKEN_LIFETIME


@pytest.mark.parametrize("scope", ["customers", "customers:", ":read", "a b:read", "C:read", ""])
def test_odd_scopes_are_none(scope: str) -> None:
    assert split_scope(scope) is None


def test_scopes_narrow_and_none_narrow_nothing() -> None:
    scopes = ("customers:read", "opportunities:*", "*:export")
    assert scopes_allow(scopes, "customers", "READ")
    assert not scopes_allow(scopes, "customers", "UPDATE")
    assert scopes_allow(scopes, "opportunities", "DELETE")
    assert scopes_allow(scopes, "contacts", "EXPORT")
    assert not scopes_allow(scopes, "contacts", "READ")
    assert scopes_allow((), "contacts", "READ")
    assert scopes_allow(("*:*",), "contacts", "READ")


def test_a_token_has_the_scopes_asked_for_when_the_client_has_them() -> None:
    assert _granted([], ["customers:read"]) == ["customers:read"]
    assert _granted(["customers:read"], []) == ["customers:read"]
    assert _granted(["customers:read"], ["customers:*"]) == ["customers:read"]
    assert _granted(["*:*"], []) == []
    assert _granted([], ["*:*", "a:b"]) == []
    for asked, allowed in (
        ("customers:*", ["customers:read"]),
        ("*:read", ["customers:read"]),
        ("*:*", ["customers:*"]),
        ("nonsense", []),
    ):
        with pytest.raises(ScopeInvalid):
            _granted([asked], allowed)


def access(scope: str) -> Access:
    """A client of u1, to whom u2 reports."""
    return Access(
        members={
            "u1": Member(department_id="d1"),
            "u2": Member(manager_id="u1", department_id="d2"),
            "c": Member(owner_id="u1"),
        },
        parents={"d1": "", "d2": "d1"},
        roles={"r": (Grant("customers", frozenset({"READ"}), scope),)},
    )


@pytest.mark.parametrize("scope", ["OWN", "SUBORDINATES", "DEPARTMENT", "DEPARTMENT_TREE", "ALL"])
def test_a_client_reaches_what_its_owner_would(scope: str) -> None:
    model = access(scope)
    client = model.reach("c", ("r",), "", "customers", "READ")
    assert client == model.reach("u1", ("r",), "", "customers", "READ")


def test_a_disabled_client_is_no_active_member() -> None:
    data = {"owner_id": "u1", "role_ids": ["r"], "state": "DISABLED"}
    model = build_access([AccessRecord("api_client", "c", 1, data)], 1)
    assert model.members["c"] == Member(owner_id="u1", role_ids=("r",), active=False)
