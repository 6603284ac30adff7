"""The file of an import, read from the blob store in pieces of bounded size."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from chassis.imports.cells import BOM, file_error, read_header
from chassis.imports.records import RECORD_BYTES_MAX, BrokenFile, Record, Splitter
from chassis.operations.blob import BlobStore

CHUNK_BYTES = 256 * 1024
SAMPLE_RECORDS = 100
ROWS_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class Header:
    """Column names, delimiter, and where the first row after it begins."""

    names: list[str]
    delimiter: str
    end: int
    next_row: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file in the blob store."""

    blobs: BlobStore
    tenant_id: str
    blob_id: str

    async def size(self) -> int:
        """Size in bytes; NotFound when the file is gone."""
        return await self.blobs.size(self.tenant_id, self.blob_id)

    async def header(self) -> Header:
        """The header; InvalidArgument when it or the first rows show that this is no CSV."""
        return await header_of(self.chunks(0))

    async def records(self, offset: int, row: int) -> AsyncGenerator[Record, None]:
        """The records from `offset`, where record `row` begins; BrokenFile where they end."""
        splitter = Splitter(offset, row)
        async for chunk in self.chunks(offset):
            for record in splitter.feed(chunk):
                if record.row > ROWS_MAX:
                    raise BrokenFile(record.row, f"a file may have at most {ROWS_MAX} rows.")
                yield record
        for record in splitter.finish():
            yield record

    async def record(self, row: int, start: int, length: int) -> Record:
        """One record that was read before."""
        data = await self.read(start, min(length, RECORD_BYTES_MAX))
        line = data.removesuffix(b"\n")
        ended = len(line) < len(data)
        return Record(row, start, start + length, line.removesuffix(b"\r") if ended else data)

    async def chunks(self, offset: int) -> AsyncIterator[bytes]:
        """The bytes from `offset` on."""
        while chunk := await self.read(offset, CHUNK_BYTES):
            yield chunk
            offset += len(chunk)

    async def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset`."""
        return await self.blobs.read(self.tenant_id, self.blob_id, offset, length)


async def header_of(chunks: AsyncIterator[bytes]) -> Header:
    """The header of CSV that begins so: its first row that is not empty, else its first one."""
    splitter: Splitter | None = None
    records: list[Record] = []
    async for chunk in chunks:
        skip = len(BOM) if splitter is None and chunk.startswith(BOM) else 0
        splitter = splitter or Splitter(skip, 1)
        records += splitter.feed(chunk[skip:])
        if any(record.data for record in records):
            break
    else:
        records += splitter.finish() if splitter else []
    if not records:
        raise file_error("The file is empty.")
    first = next((record for record in records if record.data), records[0])
    names, delimiter = read_header(first)
    _check_encoding(records[1:SAMPLE_RECORDS])
    return Header(names, delimiter, first.end, first.row + 1)


def _check_encoding(records: list[Record]) -> None:
    """Refuse a file of another encoding, whose header may well be plain ASCII."""
    for record in records:
        try:
            record.data.decode()
        except UnicodeDecodeError as error:
            text = (
                f"Row {record.row}, byte {error.start + 1}, is not UTF-8; save the file as UTF-8."
            )
            raise file_error(text) from None
