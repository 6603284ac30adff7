"""Campaigns: what their dates and members may be."""

from datetime import date

from chassis.errors import InvalidArgument


class CampaignDatesWrong(InvalidArgument):
    """A campaign cannot end before it starts."""

    def __init__(self, start_date: date, end_date: date) -> None:
        super().__init__(
            "CAMPAIGN_DATES_WRONG",
            f"The campaign would end on {end_date}, before it starts on {start_date}.",
            metadata={"start_date": str(start_date), "end_date": str(end_date)},
            fields=[("end_date", "It must not be before start_date.")],
        )


class MemberMissing(InvalidArgument):
    """A member is a customer, a contact, or both."""

    def __init__(self) -> None:
        super().__init__(
            "MEMBER_MISSING",
            "A member needs a customer or a contact.",
            fields=[("customer_id", "Give this or contact_id.")],
        )


def check_dates(start_date: object, end_date: object) -> None:
    """Refuse an end before the start; what is not a date is open."""
    if isinstance(start_date, date) and isinstance(end_date, date) and end_date < start_date:
        raise CampaignDatesWrong(start_date, end_date)


def check_member(customer_id: object, contact_id: object) -> None:
    """Refuse a member who is nobody."""
    if not customer_id and not contact_id:
        raise MemberMissing
