"""JSON forms of the well-known types (protobuf.dev/programming-guides/json)."""

import binascii
import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

DAY_S = 86_400
_MINUTES = tuple(f"T{number // 60:02}:{number % 60:02}:" for number in range(DAY_S // 60))
_SECONDS = tuple(f"{number:02}" for number in range(60))
_EPOCH = date(1970, 1, 1)
_EPOCH_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)*")


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


def timestamp_text(value: Timestamp) -> str:
    """RFC 3339 in UTC with "Z"; six digits of fraction, or none when the microseconds are zero."""
    day, rest = divmod(value.seconds, DAY_S)
    text = f"{_day(day)}{_MINUTES[rest // 60]}{_SECONDS[rest % 60]}"
    micros = value.nanos // 1000
    return f"{text}.{micros:06}Z" if micros else f"{text}Z"


def timestamp(text: str) -> Timestamp:
    """The moment that an RFC 3339 text names, years 1 to 9999; ValueError for any other text."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time")
    stamp, fraction, zone = match.groups()
    moment = datetime.fromisoformat(stamp.upper() + ("+00:00" if zone in "Zz" else zone))
    elapsed = moment - _EPOCH_TIME
    seconds = elapsed.days * DAY_S + elapsed.seconds
    if not -62_135_596_800 <= seconds <= 253_402_300_799:
        raise ValueError("outside the years 1 to 9999 in UTC")
    return Timestamp(seconds=seconds, nanos=int((fraction or "0").ljust(9, "0")))


def duration_text(value: Duration) -> str:
    """Seconds with "s", for example "1.5s"."""
    sign = "-" if value.seconds < 0 or value.nanos < 0 else ""
    text = f"{sign}{abs(value.seconds)}"
    fraction = f"{abs(value.nanos):09}".rstrip("0")
    return f"{text}.{fraction}s" if fraction else f"{text}s"


def duration(text: str) -> Duration:
    """The duration that such a text names, at most 10,000 years; ValueError for any other text."""
    match = _DURATION.fullmatch(text)
    if match is None or int(match[2]) > 315_576_000_000:
        raise ValueError("not a duration")
    sign = -1 if match[1] else 1
    nanos = int((match[3] or "0").ljust(9, "0"))
    return Duration(seconds=sign * int(match[2]), nanos=sign * nanos)


def mask_text(value: FieldMask) -> str:
    """Paths separated by commas, in proto names."""
    return ",".join(value.paths)


def mask(text: str) -> FieldMask:
    """The mask that such a text names; ValueError when a part is no field path."""
    paths = text.split(",") if text else []
    for path in paths:
        if _PATH.fullmatch(path) is None:
            raise ValueError(f"not a field path: {path[:100]!r}")
    return FieldMask(paths=paths)


def base64_text(value: bytes) -> str:
    """Standard base64 with padding."""
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def base64_bytes(text: str) -> bytes:
    """The bytes of standard base64 with padding; ValueError for anything else."""
    return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
