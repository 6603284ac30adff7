"""A record's bytes to its cells: strict UTF-8, strict quotes, limits said out loud."""

import re
from functools import cache

from chassis.errors import InvalidArgument
from chassis.imports.records import BrokenFile, Record

DELIMITERS = (",", ";", "\t")
COLUMNS_MAX = 200
CELL_CHARACTERS_MAX = 64 * 1024
BOM = b"\xef\xbb\xbf"
_QUOTED = re.compile(r'"[^"]*"')


class BadRow(Exception):  # the reason for one row of the error file
    """One row cannot be read, the rows after it can."""


def read_cells(record: Record, delimiter: str, count: int) -> list[str]:
    """The `count` cells of a record; BadRow when it is wrong, BrokenFile when the file is."""
    text = decode(record)
    cells = split(text, delimiter, record.row)
    if len(cells) != count:
        raise BadRow(f"The row has {len(cells)} cells, the header has {count}.")
    if len(text) > CELL_CHARACTERS_MAX and max(map(len, cells)) > CELL_CHARACTERS_MAX:
        raise BadRow(f"A cell may have at most {CELL_CHARACTERS_MAX} characters.")
    return cells


def decode(record: Record) -> str:
    """The text of a record; BadRow unless it is UTF-8 without NUL."""
    if b"\0" in record.data:
        raise BadRow("The row holds a NUL byte.")
    try:
        return record.data.decode()
    except UnicodeDecodeError as error:
        raise BadRow(f"Byte {error.start + 1} of the row is not UTF-8.") from None


def split(text: str, delimiter: str, row: int) -> list[str]:
    """The cells of a record's text; BrokenFile when quotes stand where they may not."""
    if '"' not in text:
        if "\r" in text:
            raise BrokenFile(row, "lines must end with LF or CRLF.")
        return text.split(delimiter)
    cells: list[str] = []
    at, end = 0, len(text)
    pattern = _cell_pattern(delimiter)
    while True:
        match = pattern.match(text, at)
        if match is None:
            raise BrokenFile(row, f"cell {len(cells) + 1} has a quote where none may be.")
        quoted, plain = match[1], match[2]
        cells.append(quoted.replace('""', '"') if quoted is not None else plain)
        if match.end() == end and not match[3]:
            return cells
        at = match.end()


@cache
def _cell_pattern(delimiter: str) -> re.Pattern[str]:
    mark = re.escape(delimiter)
    return re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{mark}\r\n]*))({mark}|\Z)')


def read_header(record: Record) -> tuple[list[str], str]:
    """Column names and delimiter of a header; InvalidArgument naming what is wrong with it."""
    try:
        text = decode(record)
    except BadRow as error:
        raise file_error(f"The file must be text in UTF-8: {error}") from None
    bare = _QUOTED.sub("", text)
    delimiter = max(DELIMITERS, key=bare.count)
    names = [name.strip() for name in split(text, delimiter, record.row)]
    if not any(names):
        raise file_error("The first row must name the columns.")
    if len(names) > COLUMNS_MAX:
        raise file_error(f"A file may have at most {COLUMNS_MAX} columns.")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise file_error(f"The header names columns twice: {', '.join(twice)[:500]}.")
    return names, delimiter


def file_error(text: str) -> InvalidArgument:
    """The error for a file that cannot be imported at all."""
    return InvalidArgument("FILE_INVALID", text, fields=[("file", text)])
