"""The life cycle of customers: which changes there are, and that no others get through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.customer.v1.customer_pb2 import Customer
from services.customer.domain.life_cycle import (
    CHANGES,
    ELIMINATED,
    EXISTING,
    FOLLOWING,
    POTENTIAL,
    LifeCycleNotReachable,
    change,
)

STATES = (POTENTIAL, FOLLOWING, EXISTING, ELIMINATED)
ALLOWED = {
    (POTENTIAL, FOLLOWING), (FOLLOWING, POTENTIAL), (FOLLOWING, EXISTING), (EXISTING, POTENTIAL),
    (POTENTIAL, ELIMINATED), (FOLLOWING, ELIMINATED), (EXISTING, ELIMINATED),
    (ELIMINATED, POTENTIAL),
}  # fmt: skip


def test_the_states_are_those_of_the_contract() -> None:
    assert (*Customer.LifeCycle.keys()[1:],) == STATES == (*CHANGES,)


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("wanted", STATES)
def test_only_some_changes_are_allowed(before: str, wanted: str) -> None:
    if before == wanted:
        assert change(before, wanted, "x") == {}
    elif (before, wanted) in ALLOWED:
        assert change(before, wanted, " ")["life_cycle"] == wanted
    else:
        with pytest.raises(LifeCycleNotReachable) as refused:
            change(before, wanted, "")
        told = refused.value.metadata
        assert (told["from"], told["to"]) == (before, wanted)
        assert {(before, one) for one in told["reachable"].split(", ")} <= ALLOWED


@given(st.lists(st.tuples(st.sampled_from(STATES), st.text(max_size=5))))
def test_any_way_through_is_made_of_allowed_steps(wishes: list[tuple[str, str]]) -> None:
    now = {"life_cycle": POTENTIAL, "life_cycle_reason": None}
    for wanted, reason in wishes:
        before = str(now["life_cycle"])
        try:
            values = change(before, wanted, reason)
        except LifeCycleNotReachable:
            assert (before, wanted) not in ALLOWED
            continue
        now |= values  # type: ignore[arg-type]  # texts and nothing
        assert now["life_cycle"] == wanted
        assert not values or (before, wanted) in ALLOWED
        assert not values or now["life_cycle_reason"] == (reason.strip() or None)
