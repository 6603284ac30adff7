"""Sound workbooks become the CSV that a careful person would have typed."""

import io
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.workbook.convert import convert
from chassis.workbook.limits import Refusal
from chassis.workbook.values import DATE, PLAIN, TIME, form_of, number_text
from tests.workbooks import packed, written

EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  # serial numbers have no zone


def csv_of(data: bytes, sheet: str = "") -> str:
    """The CSV of a workbook."""
    out = io.StringIO(newline="")
    convert(io.BytesIO(data), sheet, out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"), (1.0, "1"), (-2.50, "-2.5"), (0.1 + 0.2, "0.3"), (1e-7, "0.0000001"),
        (1e20, "100000000000000000000"), (1234.56, "1234.56"), (True, "true"), (False, "false"),
        ("文字", "文字"), ("1.0", "1.0"), ("007", "007"), ("#REF!", "#REF!"),
        ("=A1+1", "#UNCALCULATED!"), (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 5, 1, 10, 30, 15), "2024-05-01T10:30:15Z"),  # noqa: DTZ001  # as it is written
        (datetime(2024, 5, 1), "2024-05-01T00:00:00Z"),  # noqa: DTZ001  # as it is written
        (time(8, 5), "08:05:00"), ("a\nb", '"a\nb"'), ('say "x", y', '"say ""x"", y"'),
        ("a_x000D_\nb", '"a\nb"'), ("_x005F_x", "_x"), (None, ""),
    ],
)  # fmt: skip
def test_values(value: object, text: str) -> None:
    assert csv_of(written(a=[["key", "value"], ["k", value]])) == f'"key","value"\nk,{text}\n'


def test_lines_are_the_rows_of_the_sheet() -> None:
    rows: list[list[object]] = [[], ["a", "b"], [], [None, ""], [1], [None, 2], []]
    assert csv_of(written(s=rows)) == '\n"a","b"\n\n\n1,\n,2\n'


def test_the_first_visible_sheet_or_the_one_named() -> None:
    data = written(一月=[["a"]], 二月=[["b"]])
    assert (csv_of(data), csv_of(data, "二月")) == ('"a"\n', '"b"\n')
    with pytest.raises(Refusal, match="二月"):
        csv_of(data, "三月")


def test_shared_and_rich_strings_without_how_they_are_spoken() -> None:
    strings = (
        "<si><t>a</t></si><si><r><t>张</t></r><r><t>三</t></r><rPh><t>zhang san</t></rPh></si>"
    )
    row = '<row r="1"><c t="s"><v>1</v></c><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row>'
    assert csv_of(packed(row, strings=strings)) == '"张三","a","张三"\n'


def test_a_formula_counts_as_its_last_value() -> None:
    cells = "<c><f>1+1</f><v>2</v></c><c t='str'><f>x</f><v></v></c><c t='e'><v>#N/A</v></c>"
    assert csv_of(packed(f"<row>{cells}</row>")) == '"2","","#N/A"\n'


@pytest.mark.parametrize(
    ("number", "code", "form"),
    [
        (0, None, PLAIN), (14, None, DATE), (22, None, TIME), (31, None, DATE), (49, None, PLAIN),
        (164, "General", PLAIN), (164, "0.00E+00", PLAIN), (164, '#,##0.00"days"', PLAIN),
        (164, "[$-804]yyyy-mm-dd;@", DATE), (164, 'yyyy"年"m"月"d"日"', DATE),
        (164, "yyyy/m/d h:mm", TIME), (164, "[h]:mm:ss", TIME), (164, "[Red]0.0", PLAIN),
    ],
)  # fmt: skip
def test_number_formats(number: int, code: str | None, form: int) -> None:
    assert form_of(number, code) == form


@given(st.dates(date(1900, 3, 1), date(9999, 12, 31)))
def test_every_date_comes_back(day: date) -> None:
    serial = (datetime(day.year, day.month, day.day) - EPOCH) // timedelta(days=1)  # noqa: DTZ001  # as above
    assert number_text(str(serial), DATE, EPOCH) == day.isoformat()


@given(st.decimals(-(10**9), 10**9, places=4, allow_nan=False, allow_infinity=False))
def test_every_decimal_comes_back(number: object) -> None:
    text = number_text(repr(float(str(number))), PLAIN, EPOCH)
    assert float(text) == float(str(number))
    assert "E" not in text.upper()


@given(st.text(max_size=20))
def test_no_text_of_a_number_breaks(raw: str) -> None:
    for form in (PLAIN, DATE, TIME):
        assert number_text(raw, form, EPOCH)
