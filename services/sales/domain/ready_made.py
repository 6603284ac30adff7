"""The pipeline and the reasons of losses that every new tenant begins with; ids follow from his."""

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
# In Chinese, in English, colour.
LOST_REASONS = (
    ("价格过高", "Price too high", "#dc2626"),
    ("输给竞争对手", "Lost to a competitor", "#ea580c"),
    ("产品不满足需求", "Product does not fit", "#ca8a04"),
    ("预算不足或取消", "No budget", "#7c3aed"),
    ("项目取消或推迟", "Project cancelled or put off", "#2563eb"),
    ("交期或服务不满足", "Delivery or service does not fit", "#0891b2"),
    ("客户失去联系", "No contact any more", "#64748b"),
    ("其他", "Other", "#6b7280"),
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


def ready_made_reasons(tenant_id: str, language: str) -> list[Mapping[str, object]]:
    """Values of the choices of a tenant whose language is "en" or, with any other, Chinese."""
    return [
        {
            "id": str(uuid5(UUID(tenant_id), f"lost_reason_id {chinese}")),
            "resource": "opportunities",
            "field": "lost_reason_id",
            "label": english if language == "en" else chinese,
            "color": color,
            "position": (at + 1) * 10,
            "is_default": False,
            "retired": False,
        }
        for at, (chinese, english, color) in enumerate(LOST_REASONS)
    ]
