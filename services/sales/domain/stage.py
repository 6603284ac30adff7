"""Stages: what may not change about one that is in use."""

from chassis.errors import FailedPrecondition


class StageInUse(FailedPrecondition):
    """The state of the stage's opportunities follows from it, so it cannot change under them."""

    def __init__(self, stage_id: str, field: str) -> None:
        super().__init__(
            "STAGE_IN_USE",
            f"The stage {stage_id} has opportunities, so its {field} cannot change.",
            metadata={"stage_id": stage_id, "field": field},
        )
