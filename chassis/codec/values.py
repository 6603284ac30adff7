"""Converters from parsed JSON to single protobuf values, each refusing every other type."""

from collections.abc import Callable, Mapping
from math import isfinite

from google.protobuf import struct_pb2

from chassis.codec import wellknown
from chassis.codec.refused import Problem, Refused, below, refuse

Convert = Callable[[object], object]


def integer(low: int, high: int) -> Convert:
    """A converter for integers from low to high; 1.0 is one, as in JSON Schema, true is none."""

    def convert(value: object) -> int:
        if type(value) is float and value.is_integer() and abs(value) <= 2**53:
            value = int(value)
        if type(value) is not int:
            raise refuse("must be an integer")
        if not low <= value <= high:
            raise refuse(f"must lie between {low} and {high}")
        return value

    return convert


def named(numbers: Mapping[str, int]) -> Convert:
    """A converter for the names of an enum."""

    def convert(value: object) -> int:
        if type(value) is not str or value not in numbers:
            raise refuse(f"must be one of {', '.join(numbers)}")
        return numbers[value]

    return convert


def integer_key(low: int, high: int) -> Convert:
    """A converter for the integer keys of a map, which JSON has as strings."""
    check = integer(low, high)

    def convert(key: object) -> object:
        if type(key) is not str or len(key) > 20:
            raise refuse("must be an integer in decimal")
        if not key.lstrip("-").isdecimal() or str(int(key)) != key:
            raise refuse("must be an integer in decimal")
        return check(int(key))

    return convert


def text(value: object) -> str:
    """A string without NUL and lone surrogates, which PostgreSQL and protobuf do not take."""
    if type(value) is not str:
        raise refuse("must be a string")
    if "\0" in value:
        raise refuse("must not contain NUL")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise refuse("must be valid Unicode") from None
    return value


def boolean(value: object) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise refuse("must be true or false")
    return value


def number(value: object) -> float:
    """A finite number; integers up to 2**53, which a double holds exactly."""
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    if type(value) is not float or not isfinite(value):
        raise refuse("must be a number")
    return value


def from_text(parse: Callable[[str], object], message: str) -> Convert:
    """A converter for values that stand in a string of their own form."""

    def convert(value: object) -> object:
        try:
            return parse(text(value))
        except (ValueError, OverflowError):
            raise refuse(message) from None

    return convert


def struct(value: object) -> struct_pb2.Struct:
    """An object of any content."""
    if type(value) is not dict:
        raise refuse("must be an object")
    problems: list[Problem] = []
    result = struct_pb2.Struct()
    for key, item in value.items():
        try:
            result.fields[text(key)].CopyFrom(anything(item))
        except Refused as refused:
            problems += below(key, refused)
    if problems:
        raise Refused(*problems)
    return result


def array(value: object) -> struct_pb2.ListValue:
    """An array of any content."""
    if type(value) is not list:
        raise refuse("must be an array")
    return struct_pb2.ListValue(values=[anything(item) for item in value])


def anything(value: object) -> struct_pb2.Value:
    """Object JSON value whose numbers a double holds exactly."""
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if type(value) is bool:
        return struct_pb2.Value(bool_value=value)
    if type(value) is str:
        return struct_pb2.Value(string_value=text(value))
    if type(value) is dict:
        return struct_pb2.Value(struct_value=struct(value))
    if type(value) is list:
        return struct_pb2.Value(list_value=array(value))
    plain = number(value)
    if abs(plain) > 2**53:
        raise refuse("must be a number up to 2**53")
    return struct_pb2.Value(number_value=plain)


base64 = from_text(wellknown.base64_bytes, "must be base64 with padding")
timestamp = from_text(
    wellknown.timestamp, 'must be an RFC 3339 time such as "2026-01-31T08:00:00Z"'
)
duration = from_text(wellknown.duration, 'must be a duration such as "1.5s"')
mask = from_text(wellknown.mask, "must be field paths with commas between them")
