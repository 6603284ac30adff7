"""Files that cannot be imported, or only in part: refused in words, and nothing of it is a 5xx."""

import csv
import io
import json
from collections.abc import Mapping

import httpx
import pytest

from cli.importing import COUNTS, counts_of, metadata_of, operation_id
from tests.live import Tenant, as_dict, eventually

COLUMNS = [{"column": "id", "field": "external_id"}, {"column": "name", "field": "name"}]
SPEC: Mapping[str, object] = {
    "resource": "customers", "external_source": "files", "columns": COLUMNS,
}  # fmt: skip
BIG = 10 * 1024 * 1024


def send(tenant: Tenant, content: bytes, **spec: object) -> httpx.Response:
    """POST /v1/imports as a form."""
    text = json.dumps({**SPEC, **spec})
    files = {"file": ("file.csv", content, "text/csv")}
    return tenant.http.post("/v1/imports", data={"spec": text}, files=files, timeout=60)


def ended(tenant: Tenant, response: httpx.Response) -> Mapping[str, object]:
    """The operation when it is done."""
    assert response.status_code == 200, response.text
    name = operation_id(as_dict(response))

    def look() -> dict[str, object] | None:
        operation = as_dict(tenant.get(f"operations/{name}"))
        return operation if operation.get("done") else None

    found = eventually(look, timeout_s=60)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"id,title\n1,a\n",
        b"id,name,name\n1,a,b\n",
        b"\xff\xfei\x00d\x00",
        b"id,name\n1,\xe9\n",
        b'id,"name\n1,a\n',
        b"PK\x03\x04 not a csv \x00\x00",
    ],
    ids=lambda text: repr(text[:16]),
)
def test_files_that_are_no_such_csv(tenant: Tenant, content: bytes) -> None:
    before = tenant.count("customers")
    response = send(tenant, content)
    if response.status_code == 200:
        operation = ended(tenant, response)
        assert operation.get("error") or counts_of(operation)["created"] == 0
    else:
        assert 400 <= response.status_code < 500, response.text
        assert response.headers["content-type"] == "application/problem+json"
    assert tenant.count("customers") == before


@pytest.mark.parametrize(
    "bad",
    [b"2,b\x00b", b"2," + b"x" * 1000, b"2", b"2,b,c", b"2,"],
    ids=["NUL", "too long", "too few cells", "too many cells", "empty name"],
)
def test_bad_rows_fail_alone(tenant: Tenant, bad: bytes) -> None:
    source = f"rows {bad[:6].hex()} {len(bad)}"
    content = b"\xef\xbb\xbfid,name\r\n1,\xe4\xb8\x80\r\n" + bad + b"\r\n3,c\r\n"
    operation = ended(tenant, send(tenant, content, external_source=source))
    assert counts_of(operation) == dict(zip(COUNTS, (2, 0, 0, 1), strict=True))
    errors = tenant.get(f"operations/{operation_id(operation)}/errors")
    assert errors.status_code == 200, errors.text
    header, *lines = csv.reader(io.StringIO(errors.text.removeprefix("\ufeff")))
    assert header[:3] == ["row", "column", "reason"]
    assert [line[0] for line in lines] == ["3"]


def test_cells_of_ten_megabytes(tenant: Tenant) -> None:
    before = tenant.count("customers")
    content = b"id,name\n1," + b"x" * BIG + b"\n"
    response = send(tenant, content, external_source="big cells")
    if response.status_code == 200:
        operation = ended(tenant, response)
        assert operation.get("error") or counts_of(operation)["failed"] == 1
    else:
        assert 400 <= response.status_code < 500, response.text
    assert tenant.count("customers") == before


def test_broken_quoting_is_told(tenant: Tenant) -> None:
    content = b'id,name\n1,a\n2,"b" c\n3,d\n'
    operation = ended(tenant, send(tenant, content, external_source="quotes"))
    error = operation.get("error")
    told = error.get("message") if isinstance(error, dict) else ""
    assert told or counts_of(operation)["failed"] >= 1


@pytest.mark.parametrize(
    "spec",
    [
        {"resource": "unicorns"},
        {"resource": ""},
        {"columns": []},
        {"columns": [{"column": "id", "field": "wingspan"}]},
        {"columns": [{"column": "id", "field": "etag"}]},
        {"columns": [{"column": "missing", "field": "name"}]},
        {"columns": [{"column": "id"}]},
        {"columns": "id"},
        {"defaults": {"wingspan": "5"}},
        {"surprise": True},
        {"columns": [*COLUMNS, {"column": "name", "field": "name"}]},
    ],
    ids=str,
)
def test_specs_that_are_wrong(tenant: Tenant, spec: dict[str, object]) -> None:
    before = tenant.count("customers")
    response = send(tenant, b"id,name\n1,a\n", **spec)
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert tenant.count("customers") == before


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "multipart/form-data"}, b"x"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\n"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"no form at all"),
        ({"content-type": "text/csv"}, b"id,name\n1,a\n"),
    ],
    ids=str,
)
def test_forms_that_are_none(tenant: Tenant, headers: dict[str, str], content: bytes) -> None:
    response = tenant.http.post("/v1/imports", content=content, headers=headers)
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_validate_only_counts_and_changes_nothing(tenant: Tenant) -> None:
    before = tenant.count("customers")
    content = b"id,name\n1,a\n2,\n"
    response = send(tenant, content, external_source="dry", validate_only=True)
    counts = counts_of(ended(tenant, response))
    assert (counts["created"], counts["failed"]) == (1, 1)
    assert tenant.count("customers") == before


def test_import_updates_by_external_id(tenant: Tenant) -> None:
    first = counts_of(ended(tenant, send(tenant, b"id,name\n1,a\n2,b\n", external_source="upsert")))
    again = counts_of(ended(tenant, send(tenant, b"id,name\n1,a\n2,c\n", external_source="upsert")))
    assert (first["created"], first["updated"], first["skipped"]) == (2, 0, 0)
    assert (again["created"], again["updated"], again["skipped"]) == (0, 1, 1)
    found = tenant.list("customers", filter='external_source = "upsert" AND external_id = "2"')
    assert [one["name"] for one in found] == ["c"]


def test_operation_of_another_tenant_is_not_there(tenant: Tenant, other_tenant: Tenant) -> None:
    operation = ended(tenant, send(tenant, b"id,name\n1,a\n", external_source="mine"))
    name = operation_id(operation)
    assert metadata_of(operation)["state"] == "SUCCEEDED"
    assert other_tenant.get(f"operations/{name}").status_code == 404
    assert other_tenant.get(f"operations/{name}/errors").status_code == 404
    assert other_tenant.post(f"operations/{name}:cancel", {}).status_code == 404
