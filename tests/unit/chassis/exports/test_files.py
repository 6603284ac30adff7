"""The files of exports: what waits on disk for a workbook is bounded."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import load_workbook

from chassis.errors import InvalidArgument
from chassis.exports import files
from chassis.operations.lines import Cell

HEADER = ["name", "amount"]


async def pages(count: int) -> AsyncIterator[Sequence[Sequence[Cell]]]:
    """So many pages of a hundred rows."""
    for page in range(count):
        yield [[f"=row {page} {at}", Decimal("-1.50")] for at in range(100)]


def left_in(folder: Path) -> list[Path]:
    """The files there."""
    return list(folder.iterdir())


async def test_a_workbook_has_texts_and_numbers() -> None:
    data = b"".join([piece async for piece in files.xlsx_file(HEADER, pages(2))])
    sheet = load_workbook(BytesIO(data)).worksheets[0]
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[:2] == [("name", "amount"), ("=row 0 0", -1.5)]
    assert len(rows) == 201
    assert {cell.data_type for cell in sheet["A"]} == {"s"}


async def test_a_workbook_beyond_the_limit_is_refused_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "SHEET_BYTES_MAX", 50_000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = 0

    async def counted() -> AsyncIterator[Sequence[Sequence[Cell]]]:
        nonlocal made
        async for page in pages(1000):
            made += 1
            yield page

    with pytest.raises(InvalidArgument) as refusal:
        _ = [piece async for piece in files.xlsx_file(HEADER, counted())]
    assert refusal.value.reason == "FILE_TOO_LARGE"
    assert made < 10
    assert not left_in(tmp_path)
