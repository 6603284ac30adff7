"""Query parameters to request fields, by the types that the request message declares."""

import re
from collections.abc import Callable, Collection
from typing import cast
from urllib.parse import parse_qsl

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.codec import fields, invalid_fields
from chassis.codec.fields import Kind
from chassis.errors import InvalidArgument

PARAMETERS_MAX = 50
_INTEGER = re.compile(r"-?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
QueryReader = Callable[[bytes], dict[str, object]]


def query_reader(request: type[Message], excluded: Collection[str]) -> QueryReader:
    """The function that turns a query string into data for the decoder of the request message.

    `excluded` are the fields that come from the path or the body. Unknown parameters are left for
    the decoder to refuse; a parameter that is no list may come once.
    """
    descriptor = fields.descriptor_of(request)
    known = {field.name: field for field in descriptor.fields}

    def read(query: bytes) -> dict[str, object]:
        data: dict[str, object] = {}
        for name, text in parameters(query):
            if name in excluded:
                raise invalid_fields([(name, "is given by the path")])
            field = known.get(name)
            if field is None:
                raise invalid_fields([(name, "is unknown")])
            value = _value(field, text)
            if field.is_repeated:
                items = data.setdefault(name, [])
                cast("list[object]", items).append(value)  # made by the line above
            elif name in data:
                raise invalid_fields([(name, "may come only once")])
            else:
                data[name] = value
        return data

    return read


def parameters(query: bytes) -> list[tuple[str, str]]:
    """The pairs of a query string; InvalidArgument when it is not UTF-8 or has too many."""
    if not query:
        return []
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except ValueError:
        raise InvalidArgument("INVALID_QUERY", "The query of the address is not right.") from None


def single(query: bytes, allowed: Collection[str]) -> dict[str, str]:
    """The parameters of a hand-written route, each at most once."""
    found: dict[str, str] = {}
    for name, text in parameters(query):
        if name not in allowed:
            raise invalid_fields([(name, "is unknown")])
        if name in found:
            raise invalid_fields([(name, "may come only once")])
        found[name] = text
    return found


def _value(field: FieldDescriptor, text: str) -> object:
    """The text as the JSON value that the field's decoder expects; it refuses what does not fit."""
    kind = fields.kind(field)
    if kind is Kind.INT and _INTEGER.fullmatch(text):
        return int(text)
    if kind is Kind.FLOAT and _NUMBER.fullmatch(text):
        return float(text)
    if kind is Kind.BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text
