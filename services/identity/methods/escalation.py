"""Nobody gives rights that he does not have himself."""

from collections.abc import Callable, Iterable, Sequence

from chassis.access.field_rules import FieldAccess, Rules, wider
from chassis.access.model import Grant, beyond
from chassis.errors import PermissionDenied


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


def require_own(own: Iterable[Grant], wanted: Iterable[Grant], *, in_company: bool = False) -> None:
    """GrantBeyondOwn when some wanted grant is not within the caller's own.

    `in_company`: the caller is a partner user, whose rights end where his company does.
    """
    missing = beyond(own, wanted, in_company=in_company)
    if missing is not None:
        raise GrantBeyondOwn(*missing)
