"""A worksheet as rows of texts, one at a time, whatever the sheet says about its size."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from xml.parsers import expat

from chassis.workbook.book import Attributes, Book
from chassis.workbook.limits import (
    COLUMNS_MAX,
    COLUMNS_READ_MAX,
    ROWS_MAX,
    TEXT_BYTES_MAX,
    UNPACKED_BYTES_MAX,
    beyond,
    damaged,
)
from chassis.workbook.package import Package, local
from chassis.workbook.values import UNCALCULATED, number_text, plain_text

_PLACE = re.compile(r"([A-Z]{1,3})[0-9]{1,7}")
Row = tuple[int, list[str]]


def rows(package: Package, book: Book) -> Iterator[Row]:
    """Row numbers, rising from 1, with the texts up to the last one; empty rows are left out."""
    reader = _Reader(book, package.count)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    for _ in package.parse(book.sheet, parser, UNPACKED_BYTES_MAX):
        yield from reader.ready
        reader.ready.clear()
        if reader.complete:
            return


class _Reader:
    """Collects the cells of the present row."""

    def __init__(self, book: Book, count: Callable[[], None]) -> None:
        self.ready: list[Row] = []
        self.complete = False
        self._book = book
        self._count = count
        self._row = self._column = self._size = 0
        self._cells: list[str] = []
        self._cell: Attributes | None = None
        self._texts: list[str] = []
        self._inside = self._skipped = self._formula = False

    def start(self, tag: str, attributes: Attributes) -> None:
        """An element begins."""
        self._count()
        match local(tag):
            case "c":
                self._column = self._place(attributes.get("r"))
                self._cell = attributes
                self._texts.clear()
                self._formula = False
            case "v" | "t":
                self._inside = self._cell is not None and not self._skipped
            case "f":
                self._formula = True
            case "rPh":
                self._skipped = True
            case "row":
                self._begin_row(attributes.get("r"))

    def end(self, tag: str) -> None:
        """An element ends."""
        match local(tag):
            case "v" | "t":
                self._inside = False
            case "rPh":
                self._skipped = False
            case "c":
                self._end_cell()
            case "row" if self._cells:
                self.ready.append((self._row, self._cells))
                self._cells = []
            case "sheetData":
                self.complete = True

    def characters(self, data: str) -> None:
        """Text, of which that of values counts."""
        if self._inside:
            self._texts.append(data)
            self._size += len(data)
            if self._size > TEXT_BYTES_MAX:
                raise beyond(f"{TEXT_BYTES_MAX} characters in one row")

    def _begin_row(self, number: str | None) -> None:
        row = int(number) if number else self._row + 1
        if row <= self._row:
            raise damaged()
        if row > ROWS_MAX:
            raise beyond(f"{ROWS_MAX} rows")
        self._row, self._column, self._size = row, 0, 0

    def _place(self, reference: str | None) -> int:
        column = _column(reference) if reference else self._column + 1
        if column <= self._column:
            raise damaged()
        if column > COLUMNS_MAX:
            raise beyond(f"{COLUMNS_MAX} columns")
        return column

    def _end_cell(self) -> None:
        cell, self._cell = self._cell, None
        if cell is None or not (self._texts or self._formula):
            return
        text = self._text(cell, "".join(self._texts))
        at = min(self._column, COLUMNS_READ_MAX)
        if text:
            self._cells += [""] * (at - len(self._cells))
            self._cells[at - 1] = text

    def _text(self, cell: Attributes, raw: str) -> str:
        kind = cell.get("t", "n")
        if not raw:
            return UNCALCULATED if self._formula and kind != "str" else ""
        match kind:
            case "s":
                return plain_text(self._book.strings.at(int(raw)))
            case "n":
                return number_text(raw, self._book.form(cell.get("s", "0")), self._book.epoch)
            case "b":
                return "true" if raw.strip() == "1" else "false"
            case "d":
                return raw.strip().removesuffix("T00:00:00")
        return plain_text(raw)  # str, inlineStr, e


@cache
def _letters(text: str) -> int:
    number = 0
    for letter in text:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _column(reference: str) -> int:
    match = _PLACE.fullmatch(reference)
    if match is None:
        raise damaged()
    return _letters(match[1])
