"""Bytes to records: cuts a CSV stream at the line breaks that stand outside quotes (RFC 4180)."""

from dataclasses import dataclass

from chassis.errors import InvalidArgument

RECORD_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One record without its line break: `row` counts from 1 (the header), `start` and `end` are
    offsets into the file, `end` that of the next record.
    """

    row: int
    start: int
    end: int
    data: bytes


class BrokenFile(InvalidArgument):
    """The file is no CSV from this row on; nothing after it can be read."""

    def __init__(self, row: int, why: str) -> None:
        values = {"row": str(row), "why": why}
        super().__init__("FILE_BROKEN", f"Row {row}: {why}", metadata=values)
        self.row = row


class Splitter:
    """Takes the file in chunks of any size from `offset` on, where record `row` begins."""

    def __init__(self, offset: int, row: int) -> None:
        self._start = offset
        self._row = row
        self._buffer = bytearray()
        self._searched = 0
        self._quoted = False

    def feed(self, chunk: bytes) -> list[Record]:
        """The records that the chunk completes; BrokenFile when one is too long."""
        self._buffer += chunk
        found: list[Record] = []
        begin = 0
        while (at := self._buffer.find(b"\n", self._searched)) >= 0:
            self._count_quotes(at)
            self._searched = at + 1
            if not self._quoted:
                found.append(self._cut(begin, at, at + 1))
                begin = at + 1
        self._count_quotes(len(self._buffer))
        self._searched = len(self._buffer) - begin
        del self._buffer[:begin]
        if len(self._buffer) > RECORD_BYTES_MAX:
            raise BrokenFile(self._row, self._endless())
        return found

    def finish(self) -> list[Record]:
        """The last record, when it has no line break; BrokenFile when its quote is not closed."""
        if self._quoted:
            raise BrokenFile(self._row, "a quote is opened and never closed.")
        end = len(self._buffer)
        return [self._cut(0, end, end)] if end else []

    def _count_quotes(self, end: int) -> None:
        if self._buffer.count(b'"', self._searched, end) % 2:
            self._quoted = not self._quoted

    def _cut(self, begin: int, end: int, following: int) -> Record:
        if end - begin > RECORD_BYTES_MAX:
            raise BrokenFile(self._row, self._endless())
        if following > end > begin and self._buffer[end - 1] == 0x0D:
            end -= 1
        length = following - begin
        record = Record(
            self._row, self._start, self._start + length, bytes(self._buffer[begin:end])
        )
        self._row += 1
        self._start += length
        return record

    def _endless(self) -> str:
        if self._quoted:
            return "a quote is opened and not closed within 1 MiB."
        return "a row may have at most 1 MiB."
