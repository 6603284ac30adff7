"""A cell's stored value to the text that an import reads."""

import re
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

UNCALCULATED = "#UNCALCULATED!"
NO_NUMBER = "#NUM!"
DIGITS = 15  # as many as Excel shows: what lies behind them is the noise of binary fractions
_SERIAL_MAX = 2_958_466
_LEAP_BUG = 60
_INTEGER = re.compile(r"-?[0-9]{1,32}")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\[[^\]]*\]')
# Identifiers that stand for formats of their own, those of Chinese, Japanese and Korean included.
_DATES = {*range(14, 18), *range(27, 32), 36, *range(50, 55), 57, 58}
_TIMES = {*range(18, 23), *range(32, 36), *range(45, 48), 55, 56}
PLAIN, DATE, TIME = 0, 1, 2


def form_of(format_id: int, code: str | None) -> int:
    """Whether a number format shows a plain number, a date, or something with a time of day."""
    if code is None:
        return DATE if format_id in _DATES else TIME if format_id in _TIMES else PLAIN
    letters = set(_LITERAL.sub("", code.partition(";")[0]).lower())
    if letters & {"h", "s"}:
        return TIME
    return DATE if letters & {"d", "m", "y"} else PLAIN


def number_text(raw: str, form: int, epoch: datetime) -> str:
    """A number without noise ("1.0" is "1"), or the date or UTC time that it stands for."""
    raw = raw.strip()
    try:
        value = float(raw)
        if form != PLAIN and 0 <= value < _SERIAL_MAX:
            return _moment(value, form, epoch)
        if _INTEGER.fullmatch(raw):
            return raw
        number = Decimal(f"{value:.{DIGITS}g}")
    except (ValueError, InvalidOperation, OverflowError):
        return NO_NUMBER
    if not number.is_finite():
        return NO_NUMBER
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment(serial: float, form: int, epoch: datetime) -> str:
    """Serial days since the epoch; Excel believes in 29 February 1900."""
    seconds = round(serial % 1 * 86_400)
    days = int(serial) + (1 if epoch.year < 1900 and serial < _LEAP_BUG else 0)
    moment = epoch + timedelta(days=days, seconds=seconds)
    if serial < 1 and form == TIME:
        return moment.time().isoformat()
    if form == DATE and not seconds:
        return moment.date().isoformat()
    return f"{moment.isoformat()}Z"


def plain_text(text: str) -> str:
    """Text with the control characters that Excel writes as _x0009_, and lines that end in LF."""
    if "_x" in text:
        text = _ESCAPE.sub(_character, text)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code < 0x20 or code == ord("_") else match[0]
