"""multipart/form-data (RFC 7578) as a stream of events, so that no part is ever whole in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from chassis.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins; `name` is that of its form field."""

    name: str


@dataclass(frozen=True, slots=True)
class PartData:
    """A piece of the present part."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The present part is complete."""


# The headers of a part are kept in memory; the longest that we need has some hundred bytes.
HEADER_MAX_BYTES = 8 * 1024
Event = PartBegin | PartData | PartEnd


class FormReader:
    """Turns the bytes of a form into events."""

    def __init__(self, content_type: str) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise broken("there is no boundary")
        self._events: list[Event] = []
        self._header = bytearray()
        self._value = bytearray()
        self._name = ""
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise broken("the boundary is too long") from None

    async def events(self, stream: AsyncIterator[bytes]) -> AsyncIterator[Event]:
        """The events of a form; InvalidArgument INVALID_MULTIPART when it is broken or cut."""
        async for chunk in stream:
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise broken("a part or its headers are malformed") from None
            events, self._events = self._events, []
            for event in events:
                yield event
        if not self._complete:
            raise broken("the last boundary is missing")

    def _part_begin(self) -> None:
        self._name = ""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._bound()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound()

    def _bound(self) -> None:
        if len(self._header) + len(self._value) > HEADER_MAX_BYTES:
            raise broken("a header is too long")

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            options = parse_options_header(bytes(self._value))[1]
            self._name = options.get(b"name", b"").decode("ascii", "replace")
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        self._events.append(PartBegin(self._name))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _part_end(self) -> None:
        self._events.append(PartEnd())

    def _end(self) -> None:
        self._complete = True


def broken(problem: str) -> InvalidArgument:
    """The error for a form that cannot be read."""
    return InvalidArgument(
        "INVALID_MULTIPART", f"The form is broken: {problem}.", metadata={"problem": problem}
    )
