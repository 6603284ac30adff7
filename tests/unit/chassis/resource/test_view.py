"""What field rules leave of a resource: hidden fields, and fields that may only be read."""

from datetime import UTC, datetime
from typing import Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.access.field_rules import HIDDEN, READ, FieldAccess
from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.errors import InvalidArgument
from chassis.resource.checks import masked_fields, refuse_set
from chassis.resource.plan import Plan, make_plan
from chassis.resource.view import NO_FIELD, NOT_SETTABLE, View, view_of
from services.customer.methods.customer import CUSTOMER

PLAN: Final[Plan] = make_plan(CUSTOMER)
USER: Final = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"


def caller(level: int) -> Call:
    """Somebody who may do everything, but for one field."""
    access = Access(
        members={USER: Member(role_ids=("r",))},
        roles={"r": (Grant("*", frozenset(VERBS), "ALL"),)},
        field_rules={"r": {"customers": {"phone": level}}},
    )
    principal = Principal("user", USER, USER, role_ids=("r",))
    return Call(principal, access, "", datetime(2026, 1, 1, tzinfo=UTC), 0.0)


def refused(call: Call, *, new: bool) -> list[tuple[str, str]]:
    """Why the field cannot be set, in a record that is new or is there."""
    message = CUSTOMER.message(name="Ada", phone="+86 138 0013 8000")
    try:
        if new:
            refuse_set(call, PLAN, message)
        else:
            masked_fields(call, PLAN, message, FieldMask())
    except InvalidArgument as error:
        return list(error.fields)
    return []


def test_a_hidden_field_is_as_good_as_not_there() -> None:
    call = caller(HIDDEN)
    view = view_of(call, PLAN)
    assert view.access == FieldAccess(hidden=frozenset({"phone"}))
    for seen in (view.fields, view.filters, view.orders, view.all_names, view.searched):
        assert "phone" not in seen
    assert {"email", "phone"} <= set(View(PLAN, FieldAccess(), view.own).searched)
    for new in (True, False):
        assert refused(call, new=new) == [("phone", NO_FIELD)]
    with pytest.raises(InvalidArgument):
        view.names("phone")
    assert "phone" not in view.names("name,email")
    message = CUSTOMER.message(name="Ada", phone="1")
    assert view.shown(message) == CUSTOMER.message(name="Ada")


def test_a_field_that_may_only_be_read_is_never_set() -> None:
    call = caller(READ)
    assert "phone" in view_of(call, PLAN).fields
    for new in (True, False):
        assert refused(call, new=new) == [("phone", NOT_SETTABLE)]
    allowed = CUSTOMER.message(name="Ada")
    refuse_set(call, PLAN, allowed)
    assert masked_fields(call, PLAN, allowed, FieldMask()) == ["name"]
