"""Civil dates have one spelling."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.dates import civil_date


@given(day=st.dates())
def test_dates_are_read_as_they_are_written(day: date) -> None:
    assert civil_date(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    ["", "20260131", "2026-W05-6", "2026-1-31", "2026-02-30", "2026-01-31T00:00", "２026-01-31"],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its text is for programmers
        civil_date(text)
