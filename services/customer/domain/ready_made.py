"""The pick-lists that every new tenant begins with; their ids follow from the tenant's."""

from collections.abc import Mapping
from uuid import UUID, uuid5

RESOURCE = "customers"
# Label and colour by field, in their order.
LISTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "source_id": (
        ("网站", "#2563eb"),
        ("电话来访", "#0891b2"),
        ("展会", "#7c3aed"),
        ("广告", "#db2777"),
        ("客户介绍", "#16a34a"),
        ("陌生拜访", "#ca8a04"),
        ("其他", "#6b7280"),
    ),
    "class_id": (
        ("重点客户", "#dc2626"),
        ("普通客户", "#2563eb"),
        ("潜在客户", "#6b7280"),
    ),
}


def ready_made_choices(tenant_id: str) -> list[Mapping[str, object]]:
    """Values of the choices of a tenant."""
    return [
        {
            "id": str(uuid5(UUID(tenant_id), f"{field} {label}")),
            "resource": RESOURCE,
            "field": field,
            "label": label,
            "color": color,
            "position": (at + 1) * 10,
            "is_default": False,
            "retired": False,
        }
        for field, choices in LISTS.items()
        for at, (label, color) in enumerate(choices)
    ]
