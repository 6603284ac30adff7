"""The life cycle of a customer as a state machine."""

from collections.abc import Mapping

from chassis.errors import FailedPrecondition

POTENTIAL, FOLLOWING = "POTENTIAL", "FOLLOWING"
EXISTING, ELIMINATED = "EXISTING", "ELIMINATED"
EVENT = "life_cycle_changed"

# From a state to those that may follow it.
CHANGES: Mapping[str, tuple[str, ...]] = {
    POTENTIAL: (FOLLOWING, ELIMINATED),
    FOLLOWING: (POTENTIAL, EXISTING, ELIMINATED),
    EXISTING: (POTENTIAL, ELIMINATED),
    ELIMINATED: (POTENTIAL,),
}


class LifeCycleNotReachable(FailedPrecondition):
    """The life cycle cannot go there from where the customer is."""

    def __init__(self, before: str, wanted: str) -> None:
        reachable = ", ".join(CHANGES[before])
        super().__init__(
            "LIFE_CYCLE_NOT_REACHABLE",
            f"A customer cannot go from {before} to {wanted}, only to: {reachable}.",
            metadata={"from": before, "to": wanted, "reachable": reachable},
        )


def change(before: str, wanted: str, reason: str) -> Mapping[str, object]:
    """The values to set; none when the customer is there already."""
    if wanted == before:
        return {}
    if wanted not in CHANGES[before]:
        raise LifeCycleNotReachable(before, wanted)
    return {"life_cycle": wanted, "life_cycle_reason": reason.strip() or None}
