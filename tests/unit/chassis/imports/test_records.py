"""CSV as it is cut and read: any chunks, any offset, the same records; broken files by row."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgument
from chassis.imports.cells import BadRow, read_cells, read_header, split
from chassis.imports.records import RECORD_BYTES_MAX, BrokenFile, Record, Splitter

CELLS = st.text(
    st.sampled_from('ab,;\t"\n\r é张=') | st.characters(codec="utf-8", exclude_characters="\0"),
    max_size=8,
)
ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8)
)
ENDS = st.sampled_from(["\n", "\r\n"])


def written(rows: list[list[str]], delimiter: str, end: str) -> bytes:
    """The rows as the csv module writes them, every cell quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def records_of(data: bytes, chunk: int, offset: int = 0, row: int = 1) -> list[Record]:
    """The records from `offset`, fed in chunks of this size."""
    splitter = Splitter(offset, row)
    found: list[Record] = []
    for at in range(offset, len(data), chunk):
        found += splitter.feed(data[at : at + chunk])
    return found + splitter.finish()


@given(ROWS, st.sampled_from(",;\t"), ENDS, st.integers(1, 20))
def test_rows_come_back_whatever_the_chunks(
    rows: list[list[str]], delimiter: str, end: str, chunk: int
) -> None:
    found = records_of(written(rows, delimiter, end), chunk)
    cells = [read_cells(one, delimiter, len(rows[0])) for one in found]
    assert cells == rows
    assert [one.row for one in found] == list(range(1, len(rows) + 1))


@given(ROWS, ENDS, st.integers(1, 20), st.data())
def test_reading_goes_on_from_any_record(
    rows: list[list[str]], end: str, chunk: int, data: st.DataObject
) -> None:
    text = written(rows, ",", end)
    found = records_of(text, 7)
    assert [one.end for one in found[:-1]] == [one.start for one in found[1:]]
    if found:
        at = data.draw(st.integers(0, len(found) - 1))
        assert records_of(text, chunk, found[at].start, found[at].row) == found[at:]


@given(st.binary(max_size=200), st.integers(1, 50))
def test_no_bytes_break_the_reader(data: bytes, chunk: int) -> None:
    try:
        for record in records_of(data, chunk):
            read_cells(record, ",", 2)
    except (BadRow, BrokenFile):
        pass


@given(st.text(st.sampled_from('a,"'), min_size=1, max_size=12))
def test_what_is_taken_is_read_as_the_strict_csv_module_does(text: str) -> None:
    try:
        cells = split(text, ",", 1)
    except BrokenFile:
        return
    assert cells == next(csv.reader([text], strict=True))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'a,b\n1,"2\n', "Row 2: a quote is opened and never closed"),
        (b"x" * (RECORD_BYTES_MAX + 1), "Row 1: a row may have at most 1 MiB"),
        (b"a\n" + b"x" * (RECORD_BYTES_MAX + 1) + b"\n", "Row 2: a row may have at most 1 MiB"),
        (b'a\n"' + b"x\n" * RECORD_BYTES_MAX, "Row 2: a quote is opened and not closed within"),
    ],
)
@pytest.mark.parametrize("chunk", [4096, 1 << 24])
def test_a_broken_file_names_its_row(data: bytes, why: str, chunk: int) -> None:
    with pytest.raises(BrokenFile, match=why):
        records_of(data, chunk)


@pytest.mark.parametrize("text", ['a"b', '"a"b', '"a" ,b', 'a,"b', '"a""', "a\rb", 'a"",b'])
def test_quotes_and_breaks_stand_where_they_may(text: str) -> None:
    with pytest.raises(BrokenFile):
        split(text, ",", 3)


@pytest.mark.parametrize(
    ("header", "delimiter", "names"),
    [
        (b"a,b;c,d", ",", ["a", "b;c", "d"]),
        (b'"a,x,y";b;c', ";", ["a,x,y", "b", "c"]),
        (b"a\tb", "\t", ["a", "b"]),
        (b" name ", ",", ["name"]),
        (b"a,,", ",", ["a", "", ""]),
    ],
)
def test_the_delimiter_is_seen_in_the_header(
    header: bytes, delimiter: str, names: list[str]
) -> None:
    assert read_header(Record(1, 0, len(header), header)) == (names, delimiter)


@pytest.mark.parametrize("header", [b"a,b,a", b",,", b"\xff", b"a\0", b",".join([b"c"] * 201)])
def test_a_header_that_names_no_columns_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidArgument):
        read_header(Record(1, 0, len(header), header))
