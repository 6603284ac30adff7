"""Nobody gives rights that he does not have himself."""

from collections.abc import Iterable

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


def require_own(own: Iterable[Grant], wanted: Iterable[Grant], *, in_company: bool = False) -> None:
    """GrantBeyondOwn when some wanted grant is not within the caller's own.

    `in_company`: the caller is a partner user, whose rights end where his company does.
    """
    missing = beyond(own, wanted, in_company=in_company)
    if missing is not None:
        raise GrantBeyondOwn(*missing)
