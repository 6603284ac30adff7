"""Strict JSON (RFC 8259, narrowed by RFC 7493): fast when nothing is suspicious, else exact."""

import json
from math import isfinite
from typing import NoReturn

import orjson

from chassis.errors import InvalidArgument

DEPTH_MAX = 32
_INT_DIGITS_MAX = 20
_INT_LOW, _INT_HIGH = -(2**63), 2**64 - 1
_EXACT = 2.0**63


class _Doubt(Exception):
    """The fast check cannot tell; the exact parser has to look."""


def parse_json(body: bytes) -> object:
    """The value of a JSON text; InvalidArgument INVALID_JSON for anything that is not exactly one.

    Refused are duplicate keys, NaN and Infinity, more than 32 levels, integers beyond 64 bits,
    lone surrogates, invalid UTF-8, a byte order mark and anything after the value.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Its message quotes nothing of the body.
        raise _invalid(str(error)) from None
    try:
        # Every pair has a colon, and so has every colon inside a string unless it is escaped: more
        # colons than the value accounts for means that a pair was overwritten.
        if _colons(value, 1) == body.count(b":") and b"\\u003" not in body:
            return value
    except _Doubt:
        pass
    _check(body)
    return value


def _colons(value: object, depth: int) -> int:
    """Pairs and colons inside strings of a value; raises when it is too deep or doubtful."""
    if isinstance(value, str):
        return value.count(":")
    if isinstance(value, dict):
        return _object_colons(value, depth)
    if isinstance(value, list):
        if depth > DEPTH_MAX:
            raise _too_deep()
        return sum([_colons(item, depth + 1) for item in value])
    if isinstance(value, float) and not -_EXACT < value < _EXACT:
        raise _Doubt  # orjson turns integers beyond 64 bits into floats
    return 0


def _object_colons(value: dict[str, object], depth: int) -> int:
    if depth > DEPTH_MAX:
        raise _too_deep()
    count = len(value)
    for key, item in value.items():
        if ":" in key:
            count += key.count(":")
        count += _colons(item, depth + 1)
    return count


def _check(body: bytes) -> None:
    """The exact and slower look at a text that orjson took."""
    json.loads(
        body.decode(),
        object_pairs_hook=_pairs,
        parse_int=_int,
        parse_float=_float,
        parse_constant=_constant,
    )


def _pairs(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _invalid(f"the key {key[:100]!a} occurs twice")
        seen.add(key)


def _int(text: str) -> int:
    if len(text) > _INT_DIGITS_MAX or not _INT_LOW <= int(text) <= _INT_HIGH:
        raise _invalid("an integer does not fit into 64 bits")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _invalid("a number is too large")
    return number


def _constant(text: str) -> NoReturn:
    raise _invalid(f"{text} is not JSON")


def _too_deep() -> InvalidArgument:
    return _invalid(f"more than {DEPTH_MAX} levels")


def _invalid(problem: str) -> InvalidArgument:
    return InvalidArgument(
        "INVALID_JSON", f"The body is not valid JSON: {problem}.", metadata={"problem": problem}
    )
