"""The roles that every new tenant begins with."""

from collections.abc import Mapping

ADMINISTRATOR = "Administrator"
_ALL_VERBS = (
    "READ", "CREATE", "UPDATE", "DELETE", "ASSIGN",
    "SHARE", "EXPORT", "IMPORT", "APPROVE", "CONFIGURE",
)  # fmt: skip
_WORK = ("READ", "CREATE", "UPDATE", "DELETE")
_MANAGE = (*_WORK, "ASSIGN", "SHARE", "EXPORT", "IMPORT")
_COLLEAGUES = ("users", "departments", "roles", "tenant")
_CATALOGUE = ("products", "pipelines", "stages")

Grant = Mapping[str, object]


def ready_made_roles() -> Mapping[str, list[Grant]]:
    """Grants by role name."""
    return {
        ADMINISTRATOR: [_grant("*", _ALL_VERBS, "ALL")],
        "Manager": [
            *_each(("customers", "contacts", "opportunities"), _MANAGE, "DEPARTMENT_TREE"),
            *_each(("customers", "contacts", "opportunities"), _MANAGE, "SUBORDINATES"),
            *_each(("campaigns", "campaign_members"), ("READ",), "ALL"),
            *_each((*_COLLEAGUES, *_CATALOGUE), ("READ",), "ALL"),
        ],
        "Salesperson": [
            *_each(("customers", "contacts", "opportunities"), _WORK, "OWN"),
            *_each(("campaigns", "campaign_members"), ("READ",), "ALL"),
            *_each((*_COLLEAGUES, *_CATALOGUE), ("READ",), "ALL"),
        ],
        "Marketing": [
            *_each(("campaigns", "campaign_members"), _MANAGE, "ALL"),
            *_each(("customers", "contacts"), ("READ", "CREATE", "UPDATE"), "ALL"),
            *_each((*_COLLEAGUES, *_CATALOGUE, "opportunities"), ("READ",), "ALL"),
        ],
        "Service": [
            *_each(("customers", "contacts"), ("READ", "CREATE", "UPDATE"), "ALL"),
            *_each((*_COLLEAGUES, *_CATALOGUE), ("READ",), "ALL"),
        ],
        "Finance": [
            *_each(("customers", "contacts", "opportunities"), ("READ", "EXPORT"), "ALL"),
            *_each((*_COLLEAGUES, *_CATALOGUE), ("READ",), "ALL"),
        ],
        "Read-only": [_grant("*", ("READ",), "ALL")],
    }


def _each(resources: tuple[str, ...], verbs: tuple[str, ...], scope: str) -> list[Grant]:
    return [_grant(resource, verbs, scope) for resource in resources]


def _grant(resource: str, verbs: tuple[str, ...], scope: str) -> Grant:
    return {"resource": resource, "verbs": list(verbs), "scope": scope}
