"""Civil dates in one spelling, YYYY-MM-DD; Python's reader takes all of ISO 8601."""

import re
from datetime import date

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def civil_date(text: str) -> date:
    """The date; ValueError when the text is none."""
    if not _DATE.fullmatch(text):
        raise ValueError("expected a date YYYY-MM-DD")
    return date.fromisoformat(text)
