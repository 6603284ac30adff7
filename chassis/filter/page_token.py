"""Opaque page tokens: where the last page ended, signed together with what was asked.

URL-safe base64 of a truncated HMAC-SHA256 and compact JSON; the caller may read, never change it.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from chassis.errors import InvalidArgument
from chassis.filter.order_by import KeyValue

TOKEN_LENGTH_MAX = 16_384
SIGNATURE_BYTES = 16
_PURPOSE = b"crm-page-token-1\n"


class PageTokenError(InvalidArgument):
    """A page token that was not given out for these arguments, or was changed since."""

    def __init__(self) -> None:
        text = "the page token does not belong to these arguments; start from the first page"
        super().__init__("PAGE_TOKEN_INVALID", text, fields=(("page_token", text),))


@dataclass(frozen=True, slots=True)
class PageArguments:
    """All that must stay the same from page to page; `order_by` is best Order.text."""

    tenant_id: str
    resource: str
    principal: str
    filter: str = ""
    order_by: str = ""
    fields: str = ""
    show_deleted: bool = False


@dataclass(frozen=True, slots=True)
class PageToken:
    """The keys of the last row, one per term of the order, and the instant the first page began."""

    keys: tuple[KeyValue, ...]
    now: datetime


# bool stands before int and datetime before date, being their subclasses.
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "b"),
    (str, "s"),
    (int, "i"),
    (Decimal, "n"),
    (datetime, "t"),
    (date, "d"),
    (UUID, "u"),
    (type(None), "0"),
)
_READERS: Mapping[str, Callable[[str], KeyValue]] = {
    "b": lambda text: text == "True",
    "s": str,
    "i": int,
    "n": Decimal,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "u": UUID,
    "0": lambda _text: None,
}


def encode_page_token(token: PageToken, arguments: PageArguments, key: bytes) -> str:
    """The token as text, signed with the key (at least 16 bytes) for these arguments."""
    keys = [_written(value) for value in token.keys]
    payload = json.dumps([token.now.isoformat(), keys], separators=(",", ":")).encode()
    return urlsafe_b64encode(_signature(payload, arguments, key) + payload).decode().rstrip("=")


def decode_page_token(text: str, arguments: PageArguments, key: bytes) -> PageToken:
    """Reads a token given out for the same arguments; raises PageTokenError and nothing else."""
    if len(text) > TOKEN_LENGTH_MAX:
        raise PageTokenError
    try:
        return _decoded(text, arguments, key)
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
        raise PageTokenError from None


def _decoded(text: str, arguments: PageArguments, key: bytes) -> PageToken:
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if urlsafe_b64encode(data).decode().rstrip("=") != text:
        raise ValueError("the decoder skips foreign characters and loose bits; we do not")
    signature, payload = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(payload, arguments, key)):
        raise ValueError("signed by another, or for other arguments")
    now, keys = json.loads(payload)
    return PageToken(
        tuple(_READERS[kind](written) for kind, written in keys), datetime.fromisoformat(now)
    )


def _written(value: KeyValue) -> tuple[str, str]:
    return next(kind for known, kind in _KINDS if isinstance(value, known)), str(value)


def _signature(payload: bytes, arguments: PageArguments, key: bytes) -> bytes:
    asked = json.dumps(astuple(arguments), separators=(",", ":")).encode()
    message = _PURPOSE + asked + b"\n" + payload
    return hmac.digest(key, message, "sha256")[:SIGNATURE_BYTES]
