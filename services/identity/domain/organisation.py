"""What keeps departments and reporting lines trees of a bounded depth, and companies apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.errors import FailedPrecondition, InvalidArgument

LEVELS_MAX = 50
PARTNER_COMPANY = "PARTNER_COMPANY"


class OrganisationCycle(FailedPrecondition):
    """Somebody or something would be above itself."""

    def __init__(self, field: str) -> None:
        super().__init__(
            "ORGANISATION_CYCLE",
            "Nothing in the organisation can be above itself.",
            fields=[(field, "This would close a circle.")],
        )


class OrganisationTooDeep(FailedPrecondition):
    """More levels than anybody can follow."""

    def __init__(self, field: str) -> None:
        super().__init__(
            "ORGANISATION_TOO_DEEP",
            f"The organisation has at most {LEVELS_MAX} levels.",
            metadata={"levels_max": str(LEVELS_MAX)},
            fields=[(field, "This would make too many levels.")],
        )


class CompanyNested(FailedPrecondition):
    """A partner company would lie in another one."""

    def __init__(self) -> None:
        super().__init__(
            "PARTNER_COMPANY_NESTED",
            "A partner company cannot lie in another one.",
            fields=[("parent_id", "There is a partner company above and another one below.")],
        )


@dataclass(frozen=True, slots=True)
class Line:
    """What is above something in the organisation, itself first, and how much is below it.

    `above` ends after LEVELS_MAX + 1 ids; companies are counted in both directions, itself once.
    """

    above: Sequence[str]
    levels_below: int = 0
    companies: int = 0


def check_line(line: Line, field: str) -> None:
    """OrganisationCycle or OrganisationTooDeep for what `field` has been set to; CompanyNested."""
    if len(set(line.above)) < len(line.above):
        raise OrganisationCycle(field)
    if len(line.above) + line.levels_below > LEVELS_MAX:
        raise OrganisationTooDeep(field)
    if line.companies > 1:
        raise CompanyNested


def check_partner_kind(kind: object, partner_kind: object) -> None:
    """InvalidArgument unless just partner companies have a partner kind."""
    if (kind == PARTNER_COMPANY) != bool(partner_kind):
        text = (
            "A partner company needs it."
            if kind == PARTNER_COMPANY
            else "Only for a partner company."
        )
        raise InvalidArgument(
            "INVALID_FIELDS", f"partner_kind: {text}", fields=[("partner_kind", text)]
        )
