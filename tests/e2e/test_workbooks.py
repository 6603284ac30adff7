"""XLSX files are imported as CSV is; what is made to do harm is refused at once."""

import csv
import io
import json
import time
from collections.abc import Mapping
from datetime import date
from statistics import median

import httpx

from cli.importing import counts_of, metadata_of, operation_id
from tests.bombs import BOMBS, NOISE
from tests.live import Tenant, as_dict, eventually
from tests.workbooks import packed, written

HEADER: list[object] = ["编号", "名称", "人数", "备注"]
FIELDS = ["external_id", "name", "employee_count"]
COLUMNS = [{"column": HEADER[at], "field": field} for at, field in enumerate(FIELDS)]
REFUSED_WITHIN_S = 1.0  # half of them; of each one the unit test holds the CPU to it


def send(tenant: Tenant, data: bytes, language: str = "en", **spec: object) -> httpx.Response:
    """POST /v1/imports as a form."""
    text = json.dumps({"resource": "customers", "columns": COLUMNS, **spec})
    return tenant.http.post(
        "/v1/imports", data={"spec": text}, files={"file": ("客户.xlsx", data)},
        headers={"accept-language": language}, timeout=60,
    )  # fmt: skip


def ended(tenant: Tenant, response: httpx.Response) -> Mapping[str, object]:
    """The operation when it is done."""
    assert response.status_code == 200, response.text
    path = f"operations/{operation_id(as_dict(response))}"
    found = eventually(
        lambda: one if (one := as_dict(tenant.get(path))).get("done") else None, timeout_s=60
    )
    assert found is not None
    return found


def names(tenant: Tenant, source: str) -> list[object]:
    """Names of what was imported from a source, by external id."""
    only = f'external_source = "{source}"'
    return [
        one["name"] for one in tenant.list("customers", filter=only, order_by="name", page_size=900)
    ]


def test_rows_are_created_updated_and_refused_by_their_number(tenant: Tenant) -> None:
    rows: list[list[object]] = [HEADER, [1.0, "甲", 20.0, date(2024, 5, 1)], [],
            [2, "乙", "many", None],
            [3, "=A1", 3, None], [4, "#REF!", 4, "#N/A"]]  # fmt: skip
    spec = {"external_source": "book"}
    operation = ended(tenant, send(tenant, written(a=[["x"]], 客户=rows), sheet="客户", **spec))
    counts = counts_of(operation)
    assert (counts["created"], counts["failed"]) == (1, 3)
    errors = tenant.get(f"operations/{operation_id(operation)}/errors").text
    assert list(csv.reader(io.StringIO(errors.removeprefix("\ufeff"))))[1:] == [
        ["4", "人数", '"many" is no whole number.'],
        ["5", "名称", "The cell holds the error #UNCALCULATED!."],
        ["6", "名称", "The cell holds the error #REF!."],
    ]
    rows = [HEADER, [1, "甲", 21, None], [2, "乙", 2, None]]
    counts = counts_of(ended(tenant, send(tenant, written(a=rows), **spec)))
    assert (counts["created"], counts["updated"], counts["failed"]) == (1, 1, 0)
    assert names(tenant, "book") == ["乙", "甲"]
    again = counts_of(ended(tenant, send(tenant, written(a=rows), **spec)))
    assert again["skipped"] == 2


def test_a_rehearsal_changes_nothing(tenant: Tenant) -> None:
    many: list[list[object]] = [[at, f"n{at}", at, ""] for at in range(1200)]
    data = written(a=[HEADER, *many])
    response = send(tenant, data, external_source="rehearsed", validate_only=True)
    operation = ended(tenant, response)
    assert counts_of(operation)["created"] == 1200
    assert metadata_of(operation)["progress_percent"] == 100
    assert names(tenant, "rehearsed") == []


def test_the_file_may_be_the_whole_body(tenant: Tenant) -> None:
    spec = json.dumps({"resource": "customers", "columns": COLUMNS, "external_source": "body"})
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    response = tenant.http.post(
        "/v1/imports", params={"spec": spec}, headers={"content-type": kind},
        content=written(a=[HEADER, [1, "body", 1, ""]]),
    )  # fmt: skip
    assert counts_of(ended(tenant, response))["created"] == 1


def test_bombs_are_refused_at_once(tenant: Tenant, figures: list[str]) -> None:
    before, waits = tenant.count("customers"), []
    for name, (make, reason) in BOMBS.items():
        data = make()
        began = time.monotonic()
        response = send(tenant, data, "zh")
        waits.append(time.monotonic() - began)
        assert response.status_code == 400, (name, response.text)
        problem = as_dict(response)
        assert problem["reason"] == reason, name
        assert "工作" in str(problem["detail"]) or "Excel" in str(problem["detail"]), problem
        assert "Traceback" not in response.text, name
    middle, slowest = median(waits), max(waits)
    figures.append(f"{len(waits)} bombs refused in {middle:.2f} s, the slowest in {slowest:.2f} s")
    assert middle < REFUSED_WITHIN_S
    assert tenant.count("customers") == before


def test_a_text_that_is_only_called_xlsx_is_no_table(tenant: Tenant) -> None:
    for data in (b"hello", NOISE.encode(), b"\x00\xff" * 500):
        response = send(tenant, data)
        assert response.status_code == 400, response.text
        assert as_dict(response)["reason"] in {"FILE_INVALID", "FILE_BROKEN", "INVALID_FIELDS"}


def test_a_header_that_lacks_columns_is_told(tenant: Tenant) -> None:
    response = send(tenant, written(a=[["编号"], [1]]))
    assert response.status_code == 400
    assert "名称" in response.text
    assert send(tenant, written(a=[])).status_code == 400
    assert send(tenant, packed("")).status_code == 400


def test_harm_behind_the_header_ends_the_operation(tenant: Tenant) -> None:
    head = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in HEADER)
    data = packed(f'<row r="1">{head}</row>{"<row/>" * 60_000}<row r="9"/>')
    operation = ended(tenant, send(tenant, data, external_source="late"))
    error = operation["error"]
    assert isinstance(error, dict)
    assert "damaged" in str(error["message"])
    assert names(tenant, "late") == []
