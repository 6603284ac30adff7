"""What reports count of an opportunity, and under which keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

OPEN, WON, LOST = "OPEN", "WON", "LOST"
# The dimensions that are ids of other records, and the fields that hold them.
REFERENCES: Mapping[str, str] = {
    "stage": "stage_id",
    "owner": "owner_id",
    "product": "product_id",
    "customer": "customer_id",
    "campaign": "campaign_id",
}
CLOSE_MONTH, CLOSE_QUARTER = "close_month", "close_quarter"
DIMENSIONS = (*REFERENCES, CLOSE_MONTH, CLOSE_QUARTER)


@dataclass(frozen=True, slots=True)
class Fact:
    """One opportunity; ids and currency are "" for none, `living` is False once deleted."""

    ids: tuple[str, ...]
    state: str
    amount: Decimal | None
    currency: str
    close: date | None
    living: bool

    def keys(self) -> tuple[str, ...]:
        """Its key in each of DIMENSIONS."""
        return (*self.ids, month_key(self.close), quarter_key(self.close))


def make_fact(row: Mapping[str, object]) -> Fact:
    """The fact in a row of `opportunity_fact`.

    Closed ones count at their real close date, open ones at the expected one.
    """
    state, amount = str(row["state"] or ""), row["amount"]
    close = row["close_date"] if state in {WON, LOST} else row["expected_close_date"]
    return Fact(
        ids=tuple(str(row[field] or "") for field in REFERENCES.values()),
        state=state,
        amount=amount if isinstance(amount, Decimal) else None,
        currency=str(row["amount_currency"] or ""),
        close=close if isinstance(close, date) else None,
        living=row["delete_time"] is None,
    )


def month_key(day: date | None) -> str:
    """For example "2017-03"; empty without a day."""
    return f"{day.year:04d}-{day.month:02d}" if day else ""


def fiscal_quarter(month: str, start_month: int) -> str:
    """The quarter of a key of months, "2017Q1"; "FY2018Q1" where the fiscal year begins in another
    month than January and is called after the year that it ends in.
    """
    if not month:
        return ""
    year, number = int(month[:4]), int(month[5:])
    quarter = (number - start_month) % 12 // 3 + 1
    if start_month == 1:
        return f"{year:04d}Q{quarter}"
    return f"FY{year + int(number >= start_month):04d}Q{quarter}"


def quarter_key(day: date | None) -> str:
    """The calendar quarter, which only the previous version reads; empty without a day."""
    return f"{day.year:04d}Q{(day.month + 2) // 3}" if day else ""
