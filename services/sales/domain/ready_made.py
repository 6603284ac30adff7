"""The pipeline that every new tenant begins with; its ids follow from the tenant's."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

PIPELINE = "Sales"
# Name, position, probability in percent, outcome.
STAGES = (
    ("Prospecting", 10, 10, "OPEN"),
    ("Engaging", 20, 40, "OPEN"),
    ("Won", 30, 100, "WON"),
    ("Lost", 40, 0, "LOST"),
)


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """Values of one pipeline and its stages."""

    pipeline: Mapping[str, object]
    stages: tuple[Mapping[str, object], ...]


def ready_made_pipeline(tenant_id: str) -> ReadyMade:
    """The standard pipeline of a tenant."""
    space = UUID(tenant_id)
    pipeline_id = str(uuid5(space, "pipeline"))
    stages = tuple(
        {
            "id": str(uuid5(space, f"stage {name}")),
            "pipeline_id": pipeline_id,
            "name": name,
            "position": position,
            "probability_percent": probability,
            "outcome": outcome,
        }
        for name, position, probability, outcome in STAGES
    )
    return ReadyMade({"id": pipeline_id, "name": PIPELINE, "is_default": True}, stages)
