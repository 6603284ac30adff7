"""Whose a record is: the caller's own user unless he names another; nobody's it is never."""

from datetime import UTC, datetime

import pytest

from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.errors import InvalidArgument
from chassis.resource.plan import make_plan
from chassis.resource.resource import Row
from chassis.resource.standard import owned_by, set_owner
from services.customer.methods.customer import CUSTOMER

PLAN = make_plan(CUSTOMER)
ACCESS = Access(
    members={
        "ada": Member(role_ids=("all",), department_id="north"),
        "program": Member(role_ids=("all",), owner_id="ada"),
        "orphan": Member(role_ids=("all",)),
    },
    roles={"all": (Grant("*", frozenset(VERBS), "ALL"),)},
)


def call(kind: str, name: str) -> Call:
    who = Principal(kind, name, "t", role_ids=("all",))
    return Call(who, ACCESS, "", datetime(2026, 1, 1, tzinfo=UTC), 0.0)


@pytest.mark.parametrize(("kind", "name"), [("user", "ada"), ("client", "program")])
def test_a_record_is_its_creators_users(kind: str, name: str) -> None:
    row = owned_by(call(kind, name), None)
    assert (row["owner_id"], row["department_id"]) == ("ada", "north")


def test_a_client_without_a_user_names_the_owner() -> None:
    with pytest.raises(InvalidArgument) as refused:
        owned_by(call("client", "orphan"), None)
    assert [name for name, _ in refused.value.fields] == ["owner_id"]
    assert owned_by(call("client", "orphan"), "ada")["department_id"] == "north"


def test_nobody_is_no_owner() -> None:
    with pytest.raises(InvalidArgument) as refused:
        set_owner(call("user", "ada"), PLAN, {"owner_id": "ada"}, {"owner_id": None})
    assert [name for name, _ in refused.value.fields] == ["owner_id"]
    untouched: Row = {"name": "x"}
    set_owner(call("user", "ada"), PLAN, {"owner_id": "ada"}, untouched)
    assert untouched == {"name": "x"}
    given: Row = {"owner_id": "ada"}
    nobodys = dict.fromkeys(("owner_id", "department_id", "partner_company_id"))
    set_owner(call("user", "ada"), PLAN, nobodys, given)
    assert given["department_id"] == "north"
