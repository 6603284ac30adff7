"""Lines of CSV: no spreadsheet runs them, and an import reads back what was written."""

import csv
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from chassis.operations.lines import csv_line, unguarded

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cells(line: bytes) -> list[str]:
    """The cells as any reader of CSV sees them."""
    text = line.decode()
    assert text.endswith("\r\n")
    (row,) = csv.reader([text.removesuffix("\r\n")], strict=True)
    return row


@given(
    st.lists(st.text(st.sampled_from("'=+-@\t\r\n＝a\",;中"), max_size=6), min_size=1, max_size=4)
)
def test_cells_come_back_and_none_is_a_formula(written: list[str]) -> None:
    read = cells(csv_line(*written))
    assert [unguarded(cell) for cell in read] == written
    assert not [cell for cell in read if cell.startswith(STARTS)]


def test_numbers_stay_numbers() -> None:
    assert csv_line(-5, Decimal("-1.50"), "-5") == b'"-5","-1.50","\'-5"\r\n'


def test_other_text_is_left_alone() -> None:
    assert cells(csv_line("'a", "a=b", "")) == ["'a", "a=b", ""]
    assert unguarded("'a") == "'a"
