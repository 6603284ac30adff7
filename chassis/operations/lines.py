"""Lines of CSV (RFC 4180) that no spreadsheet runs (OWASP, CSV injection), and cells read back."""

import re
from datetime import date
from decimal import Decimal

Cell = str | int | Decimal | date

# What a spreadsheet takes for a formula, full-width forms too, behind any apostrophes of ours.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def csv_line(*cells: Cell) -> bytes:
    """One line; text that a spreadsheet would run is preceded by an apostrophe, numbers never."""
    return (",".join(_quoted(cell) for cell in cells) + "\r\n").encode()


def unguarded(cell: str) -> str:
    """The text of a cell without the apostrophe that csv_line has put before it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _quoted(cell: Cell) -> str:
    text = str(cell)
    if isinstance(cell, str) and _FORMULA.match(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'
