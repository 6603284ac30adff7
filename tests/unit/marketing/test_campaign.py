"""What campaigns and their members may be."""

from datetime import date

import pytest

from services.marketing.domain.campaign import (
    CampaignDatesWrong,
    MemberMissing,
    check_dates,
    check_member,
)

EARLY, LATE = date(2026, 1, 1), date(2026, 1, 2)


@pytest.mark.parametrize(
    ("start", "end"), [(EARLY, LATE), (EARLY, EARLY), (None, EARLY), (LATE, None), (None, None)]
)
def test_dates_in_order_are_taken(start: date | None, end: date | None) -> None:
    check_dates(start, end)


def test_end_before_start_is_refused() -> None:
    with pytest.raises(CampaignDatesWrong) as caught:
        check_dates(LATE, EARLY)
    assert caught.value.metadata == {"start_date": "2026-01-02", "end_date": "2026-01-01"}


def test_a_member_is_somebody() -> None:
    check_member("customer", None)
    check_member(None, "contact")
    check_member("customer", "contact")
    with pytest.raises(MemberMissing):
        check_member(None, None)
