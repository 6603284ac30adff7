"""Update masks: whatever a caller sends names fields that he may set, or is refused by name."""

from datetime import UTC, datetime
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.errors import InvalidArgument
from chassis.resource.checks import masked_fields
from chassis.resource.plan import make_plan
from services.customer.methods.customer import CUSTOMER
from services.gateway.mask import paths
from tests.contract.resources import all_resources

PLAN: Final = make_plan(CUSTOMER)
RESOURCES: Final = all_resources()
USER: Final = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
NAMES: Final = [*PLAN.fields, "etag", "id", "*", "", "wingspan", "annual_revenue.amount", "name."]
ACCESS: Final = Access(
    members={USER: Member(role_ids=("r",))},
    roles={"r": (Grant("*", frozenset(VERBS), "ALL"),)},
)
CALL: Final = Call(
    Principal("user", USER, USER, role_ids=("r",)),
    ACCESS,
    "",
    datetime(2026, 1, 1, tzinfo=UTC),
    0.0,
)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(NAMES) | st.text(max_size=8), max_size=5))
def test_a_mask_names_what_may_be_set_or_is_refused(mask: list[str]) -> None:
    message = CUSTOMER.message(name="Ada", description="x")
    try:
        names = masked_fields(CALL, PLAN, message, FieldMask(paths=mask))
    except InvalidArgument as error:
        told = {path.split(".")[0] or "$" for path in mask}
        assert {name for name, _ in error.fields} <= told  # noqa: PT017  # most masks are refused
        return
    settable = {one.name for one in PLAN.writable if not one.immutable}
    assert set(names) <= settable
    assert len(set(names)) == len(names)
    if mask and set(mask) != {"*"}:
        assert set(names) == {path.split(".")[0] for path in mask}
    if not mask:
        assert names == ["name", "description"]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_keys_sent_are_the_mask(data: st.DataObject) -> None:
    facts = data.draw(st.sampled_from(RESOURCES))
    known = st.sampled_from(sorted(facts.fields))
    body = data.draw(st.dictionaries(known | st.text(max_size=5), JSON, max_size=5))
    found = paths(facts.declared.message)(body)
    assert {path.split(".")[0] for path in found} == {key.split(".")[0] for key in body}
    assert len(found) >= len(body)


@given(JSON.filter(lambda value: not isinstance(value, dict)))
def test_what_is_no_object_has_no_mask(body: object) -> None:
    assert paths(CUSTOMER.message)(body) == []
