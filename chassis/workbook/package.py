"""The zip package of a workbook: looked at as a whole before anything of it is unpacked."""

import io
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from chassis.workbook.limits import (
    DIRECTORY_BYTES_MAX,
    ENTRIES_MAX,
    OPENING_ELEMENTS_MAX,
    PART_BYTES_MAX,
    RATIO_FROM_BYTES,
    RATIO_MAX,
    TEXT_BYTES_MAX,
    UNPACKED_BYTES_MAX,
    beyond,
    damaged,
    locked,
    unsafe,
)

CHUNK_BYTES = 64 * 1024
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = 0x1


class _Cautious(io.RawIOBase):
    """The file while its directory is read, which ZipFile wants in one piece of any size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= DIRECTORY_BYTES_MAX:
            size = DIRECTORY_BYTES_MAX + 1
        data = self._file.read(size)
        if len(data) > DIRECTORY_BYTES_MAX:
            raise beyond(f"{ENTRIES_MAX} parts")
        return data


class Package:
    """The parts of a workbook by name; Refusal when the package is no sound one."""

    def __init__(self, file: BinaryIO) -> None:
        if file.read(len(OLE_MAGIC)) == OLE_MAGIC:
            raise locked()
        with ZipFile(_Cautious(file)) as archive:
            entries = archive.infolist()
        _check(entries)
        self._archive = ZipFile(file)
        self._sizes = {one.filename: one.file_size for one in entries}
        self._left = OPENING_ELEMENTS_MAX
        if len(self._sizes) < len(entries):
            raise unsafe()

    def count(self) -> None:
        """One more element; Refusal when there have been many and no row yet."""
        self._left -= 1
        if self._left == 0:
            raise beyond(f"{OPENING_ELEMENTS_MAX} elements before the first row")

    def opened(self) -> None:
        """The first row is known: from here on only bytes count."""
        self._left = 0

    def parse(
        self, name: str, parser: expat.XMLParserType, bytes_max: int = PART_BYTES_MAX
    ) -> Iterator[None]:
        """Feed a part to a parser, a piece at each step; memory is that of the longest token."""
        if name not in self._sizes:
            raise damaged()
        if self._sizes[name] > bytes_max:
            raise beyond(f"{name}: {bytes_max} bytes")
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.buffer_text = True
        fed = 0
        with self._archive.open(name) as stream:
            while data := stream.read(CHUNK_BYTES):
                parser.Parse(data, False)
                fed += len(data)
                if fed - parser.CurrentByteIndex > TEXT_BYTES_MAX:
                    raise beyond(f"{TEXT_BYTES_MAX} bytes in one tag")
                yield
        parser.Parse(b"", True)
        yield

    def visit(self, name: str, start: Callable[[str, Mapping[str, str]], None]) -> None:
        """Call `start` with local name and attributes of each element of a small part."""

        def each(tag: str, attributes: Mapping[str, str]) -> None:
            self.count()
            start(local(tag), attributes)

        parser = expat.ParserCreate()
        parser.StartElementHandler = each
        for _ in self.parse(name, parser):
            pass


def local(name: str) -> str:
    """A name without its prefix."""
    return name.rpartition(":")[2]


def _check(entries: list[ZipInfo]) -> None:
    if len(entries) > ENTRIES_MAX:
        raise beyond(f"{ENTRIES_MAX} parts")
    if sum(one.file_size for one in entries) > UNPACKED_BYTES_MAX:
        raise beyond(f"{UNPACKED_BYTES_MAX} bytes unpacked")
    for one in entries:
        if one.flag_bits & _ENCRYPTED:
            raise locked()
        path = one.orig_filename
        if path.startswith("/") or "\\" in path or "\0" in path or ".." in path.split("/"):
            raise unsafe()
        if one.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise unsafe()
        if one.file_size > max(RATIO_FROM_BYTES, one.compress_size * RATIO_MAX):
            raise beyond(f"packed {RATIO_MAX}:1")


def _refuse_doctype(*_declaration: object) -> None:
    raise unsafe()
