"""Files that are wrong: refused at once, failed at a row, or with rows that fail alone."""

import csv
import io
from collections.abc import Iterator

import grpc
import pytest

from chassis.rpc.client import status_of
from crm.chassis.v1 import import_pb2
from tests.integration.chassis.imports.importer import Counts, Importer, counts, metadata, spec_of

FIELDS = {"external_id": "id", "name": "name", "employee_count": "employees"}
SPEC = spec_of(FIELDS)
HEADER = b"id,name,employees\n"


async def refused(importer: Importer, spec: import_pb2.ImportSpec, data: bytes) -> str:
    """How the import is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await importer.start(spec, data)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert status_of(caught.value) is not None
    return str(caught.value.details())


async def ended(importer: Importer, data: bytes) -> tuple[str, Counts, list[list[str]]]:
    """Error message ("" for none), counts, and the lines of the error file."""
    operation = await importer.end((await importer.start(SPEC, data)).name)
    lines = list(csv.reader(io.StringIO(await importer.errors(operation.name))))
    assert lines[0] == ["row", "column", "reason"]
    done = metadata(operation)
    assert bool(done.error_file) == (len(lines) > 1)
    message = operation.error.message if operation.HasField("error") else ""
    return message, counts(done.counts), lines[1:]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf", "The file is empty"),
        (b"\n", "The first row must name the columns"),
        (b"id,name\n1,a\n", 'no column "employees"'),
        (b"id,name,name,employees\n", "names columns twice: name"),
        ("id,name,employees\n1,张三,2\n".encode("utf-16"), "UTF-8"),
        ("id,name,employees\n1,张三,2\n".encode("gbk"), "Row 2, byte 3, is not UTF-8"),
        (b"id,na\0me,employees\n", "NUL"),
        (b'id,"name,employees\n1,a,2\n', "never closed"),
        (b'id,"name"x,employees\n', "Row 1: cell 2 has a quote where none may be"),
        (",".join(f"c{at}" for at in range(201)).encode(), "at most 200 columns"),
    ],
)
async def test_a_file_that_cannot_be_imported_is_refused(
    importer: Importer, data: bytes, told: str
) -> None:
    assert told in await refused(importer, SPEC, data)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"nonsense": "name"}, "no field nonsense"),
        ({"name": "name", "create_time": "id"}, "This field cannot be set"),
        ({"annual_revenue": "name"}, "annual_revenue.amount"),
        ({"name.part": "name"}, "no parts"),
        ({"external_source": "name"}, "given once"),
    ],
)
async def test_a_mapping_that_does_not_fit_is_refused(
    importer: Importer, fields: dict[str, str], told: str
) -> None:
    assert told in await refused(importer, spec_of(fields), HEADER)


async def test_a_match_field_that_cannot_be_looked_up_is_refused(importer: Importer) -> None:
    for field, match in (("owner_id", "state"), ("parent_id", "description"), ("name", "name")):
        spec = spec_of({"name": "name", field: "id"}, match={field: match})
        assert "match" in await refused(importer, spec, HEADER)


async def test_bad_rows_fail_alone_with_row_column_and_reason(importer: Importer) -> None:
    data = (
        HEADER
        + b"1,one,11\n2,,12\n3,three,many\n\n4,four\n5,f\0ve,15\n"
        + b"7," + b"x" * 201 + b",17\n8,eight,99999999999\n9," + b"y" * 70_000 + b",19\n10,ten,-1\n"
    )  # fmt: skip
    message, done, lines = await ended(importer, data)
    assert (message, done) == ("", Counts(created=1, failed=8))
    assert lines == [
        ["3", "name", "This field is required."],
        ["4", "employees", '"many" is no whole number.'],
        ["6", "", "The row has 2 cells, the header has 3."],
        ["7", "", "The row holds a NUL byte."],
        ["8", "name", "At most 200 characters."],
        ["9", "employees", '"99999999999" is out of range.'],
        ["10", "", "A cell may have at most 65536 characters."],
        ["11", "employees", "It must be from 0 to 2000000000."],
    ]


async def test_a_row_that_is_not_utf8_fails_alone(importer: Importer) -> None:
    rows = b"".join(b"%d,n%d,1\n" % (at, at) for at in range(200))
    message, done, lines = await ended(importer, HEADER + rows + b"x,caf\xe9,1\ny,end,1\n")
    assert (message, done) == ("", Counts(created=201, failed=1))
    assert lines == [["202", "", "Byte 6 of the row is not UTF-8."]]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (b'3,"three"x,13\n4,four,14\n', "Row 4: cell 2 has a quote where none may be."),
        (b'3,"three,13\n4,four,14\n', "Row 4: a quote is opened and never closed."),
        (b'3,th"ree,13\n4,four,14\n', "Row 4: a quote is opened and never closed."),
        (b"3,a\rb,13\n", "Row 4: lines must end with LF or CRLF."),
        (b"3," + b"x" * 10_000_000 + b",13\n", "Row 4: a row may have at most 1 MiB."),
        (b'3,"' + b"x\n" * 5_000_000 + b'",13\n', "not closed within 1 MiB"),
    ],
)
async def test_a_broken_file_fails_and_what_was_imported_before_stays(
    importer: Importer, row: bytes, told: str
) -> None:
    message, done, lines = await ended(importer, HEADER + b"1,one,11\n2,two,12\n" + row)
    assert told in message
    assert (done, lines) == (Counts(created=2), [])
    assert len(await importer.customers()) == 2


async def test_quoted_cells_hold_delimiters_quotes_and_line_breaks(importer: Importer) -> None:
    data = HEADER + b'1,"a, ""b""\r\nc",1\r\n2,"=SUM(A1)",\r\n'
    assert await importer.run(SPEC, data) == Counts(created=2)
    assert [one.name for one in await importer.customers()] == ["=SUM(A1)", 'a, "b"\r\nc']


async def test_references_that_name_nothing_or_several_are_told(importer: Importer) -> None:
    await importer.run(SPEC, HEADER + b"1,Twin,\n2,Twin,\n3,Single,\n")
    spec = spec_of(
        {"external_id": "id", "name": "name", "parent_id": "parent", "owner_id": "owner"},
        match={"parent_id": "name", "owner_id": "login"},
    )
    data = (
        b"id,name,parent,owner\n4,a,Twin,\n5,b,Nobody,\n6,c,Single,admin\n"
        b"7,d,,nobody\n8,e,f,\n9,f,e,\n10,g,h,\n11,h,Single,\n"
    )
    operation = await importer.end((await importer.start(spec, data)).name)
    assert counts(metadata(operation).counts) == Counts(created=3, failed=5)
    lines = list(csv.reader(io.StringIO(await importer.errors(operation.name))))[1:]
    nobody = "There is no record with {} among the {}."
    assert lines == [
        ["2", "parent", '"Twin" names several records.'],
        ["3", "parent", nobody.format('name "Nobody"', "customers")],
        ["5", "owner", nobody.format('login "nobody"', "users")],
        ["6", "parent", nobody.format('name "f"', "customers")],
        ["7", "parent", nobody.format('name "e"', "customers")],
    ]


async def test_an_id_that_belongs_to_nothing_fails_its_row_only(importer: Importer) -> None:
    ghost = "0190c0f0-0000-7000-8000-000000000000"
    spec = spec_of({"external_id": "id", "name": "name", "parent_id": "parent", "owner_id": "o"})
    rows = [f"{at},n{at},," for at in range(120)]
    rows[60], rows[61], rows[62] = f"60,a,{ghost},", f"61,b,,{ghost}", "62,c,7,"
    data = ("id,name,parent,o\n" + "\n".join(rows)).encode()
    operation = await importer.end((await importer.start(spec, data)).name)
    assert counts(metadata(operation).counts) == Counts(created=117, failed=3)
    lines = list(csv.reader(io.StringIO(await importer.errors(operation.name))))[1:]
    assert lines == [
        ["62", "parent", "There is no such record."],
        ["63", "o", "There is no such record."],
        ["64", "parent", '"7" is no id.'],
    ]


async def test_an_upload_over_the_limit_is_refused(importer: Importer) -> None:
    def pieces() -> Iterator[bytes]:
        piece = b"x" * 2_000_000
        for _ in range(550):
            yield piece

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await importer.upload(pieces())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 1073741824 bytes" in str(caught.value.details())
    left = list((importer.platform.run_dir / "blobs" / "customer").rglob("*.part"))
    assert left == []


@pytest.mark.parametrize("file_id", ["", "../../etc/passwd", "x" * 43, "a" * 43 + "." + "0" * 32])
async def test_a_file_that_is_not_there_is_not_found(importer: Importer, file_id: str) -> None:
    request = import_pb2.CreateImportRequest(file_id=file_id, spec=SPEC)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await importer.create(request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
