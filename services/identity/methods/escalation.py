"""Nobody gives rights that he does not have himself."""

from collections.abc import Callable, Iterable, Sequence

from chassis.access.field_rules import FieldAccess, Rules, wider
from chassis.access.model import ALL_RESOURCES, Grant
from chassis.errors import PermissionDenied

# Scopes that a wider one holds in itself; ALL holds every one, and everybody's own is the least.
_WITHIN = {"DEPARTMENT_TREE": frozenset({"DEPARTMENT"})}
_LEAST = frozenset({"", "SCOPE_UNSPECIFIED", "OWN"})


class GrantBeyondOwn(PermissionDenied):
    """The caller would give away, or lay hands on, a right that he does not have."""

    def __init__(self, resource: str, verb: str) -> None:
        super().__init__(
            "GRANT_BEYOND_OWN",
            f"You do not have the right to {verb.lower()} {resource} as widely yourself.",
            metadata={"resource": resource, "verb": verb.lower()},
        )


class FieldsBeyondOwn(PermissionDenied):
    """The caller would open fields that he may not see or set himself; which ones is not said."""

    def __init__(self, resource: str) -> None:
        super().__init__(
            "FIELDS_BEYOND_OWN",
            f"You may not see or set all fields of {resource} that this role opens.",
            metadata={"resource": resource},
        )


def require_own_fields(
    own: Callable[[str], FieldAccess],
    resources: Iterable[str],
    grants: Sequence[Grant],
    rules: Rules,
) -> None:
    """FieldsBeyondOwn when grants with these rules open what one's own access does not.

    `resources` are those on which something restricts oneself.
    """
    for resource in sorted(resources):
        granted = any(grant.covers(resource) for grant in grants)
        if granted and wider(rules.get(resource, {}), own(resource)):
            raise FieldsBeyondOwn(resource)


def require_own(own: Iterable[Grant], wanted: Iterable[Grant]) -> None:
    """GrantBeyondOwn when some wanted grant is not within the caller's own."""
    held = list(own)
    for grant in wanted:
        for verb in sorted(grant.verbs):
            if not any(_holds(one, grant, verb) for one in held):
                raise GrantBeyondOwn(grant.resource, verb)


def _holds(own: Grant, wanted: Grant, verb: str) -> bool:
    return (
        own.resource in {wanted.resource, ALL_RESOURCES}
        and verb in own.verbs
        and (
            own.scope in {"ALL", wanted.scope}
            or wanted.scope in _LEAST
            or wanted.scope in _WITHIN.get(own.scope, ())
        )
    )
