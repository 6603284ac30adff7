"""The files of exports, made row by row: CSV as bytes in pieces, XLSX through a file on disk."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.workbook.child import _WorkbookChild

from chassis.operations.blob import too_large
from chassis.operations.lines import Cell, csv_line

# Excel takes a file for UTF-8 only when it begins so; imports skip it.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Limits of a spreadsheet: characters in a cell, digits of a number that stays exact.
CELL_CHARACTERS_MAX = 32_767
DIGITS_MAX = 15
READ_BYTES = 256 * 1024
# What waits on disk until it is packed: tags around each cell, and its text.
CELL_BYTES = 50
SHEET_BYTES_MAX = 4 * 1024**3

Rows = AsyncIterator[Sequence[Sequence[Cell]]]


async def csv_file(header: Sequence[str], pages: Rows) -> AsyncIterator[bytes]:
    """The file in pieces."""
    yield BYTE_ORDER_MARK + csv_line(*header)
    async for rows in pages:
        yield await asyncio.to_thread(lambda page=rows: b"".join(csv_line(*row) for row in page))  # type: ignore[misc]  # a default binds the loop's variable


async def xlsx_file(header: Sequence[str], pages: Rows) -> AsyncIterator[bytes]:
    """The file in pieces, once it is complete."""
    with TemporaryDirectory(prefix="crm-export-") as folder:
        path = Path(folder) / "export.xlsx"
        await _write_workbook(path, header, pages)
        with path.open("rb") as file:
            while data := await asyncio.to_thread(file.read, READ_BYTES):
                yield data


async def _write_workbook(path: Path, header: Sequence[str], pages: Rows) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("export")

    written = 0

    def append(rows: Sequence[Sequence[Cell]]) -> None:
        nonlocal written
        for row in rows:
            sheet.append([_sheet_cell(sheet, cell) for cell in row])
            written += sum(len(str(cell)) + CELL_BYTES for cell in row)
        if written > SHEET_BYTES_MAX:
            raise too_large(SHEET_BYTES_MAX)

    try:
        append([header])
        async for rows in pages:
            await asyncio.to_thread(append, rows)
    finally:
        # Also when something fails: saving removes the file that openpyxl keeps its rows in.
        await asyncio.to_thread(book.save, path)


def _sheet_cell(sheet: _WorkbookChild, cell: Cell) -> object:
    """Numbers and dates as such; text is marked as text, so that none of it is a formula."""
    if isinstance(cell, Decimal) and len(cell.as_tuple().digits) > DIGITS_MAX:
        cell = format(cell, "f")
    if not isinstance(cell, str):
        return cell
    text = ILLEGAL_CHARACTERS_RE.sub("", cell)[:CELL_CHARACTERS_MAX]
    # All that openpyxl would not take for text: formulas, and errors such as #N/A.
    if not text.startswith(("=", "#")):
        return text or None
    made = WriteOnlyCell(sheet, text)
    made.data_type = "s"
    return made
