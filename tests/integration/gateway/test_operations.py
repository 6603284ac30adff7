"""Operations are found by their prefix; imports stream to the service that owns the resource."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc
import httpx
import pytest
from google.longrunning.operations_pb2 import Operation

from chassis.errors import InvalidArgument, NotFound
from crm.chassis.v1 import import_pb2, operation_pb2
from services.gateway import uploads
from tests.integration.gateway.upstream import Context, Handler, Upstream, refuse

OPERATIONS = "/crm.chassis.v1.OperationService"
IMPORTS = "/crm.chassis.v1.ImportService"
SPEC = {"resource": "customers", "columns": [{"column": "名称", "field": "name"}]}
CSV = "名称\n".encode() + b"Ada\n" * 100_000


def operation(identity: str, seconds: int) -> Operation:
    made = Operation(name=f"operations/{identity}")
    metadata = operation_pb2.OperationMetadata(id=identity, state="RUNNING")
    metadata.create_time.seconds = seconds
    made.metadata.Pack(metadata)
    return made


async def test_operations_of_all_services_newest_first(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    both = [operation("sales-1", 5), operation("sales-2", 9)]
    answer = operation_pb2.ListOperationsResponse(operations=both)
    request = operation_pb2.ListOperationsRequest
    upstream.answer(f"{OPERATIONS}/ListOperations", request, answer)
    found = (await http.get("/v1/operations")).json()["operations"]
    assert [item["metadata"]["id"] for item in found] == ["sales-2"] * 5 + ["sales-1"] * 5
    del upstream.answers[f"{OPERATIONS}/ListOperations"]
    assert (await http.get("/v1/operations")).json() == {"operations": []}


async def test_get_and_cancel_go_to_the_owner(http: httpx.AsyncClient, upstream: Upstream) -> None:
    answer = operation("sales-1", 5)
    upstream.answer(f"{OPERATIONS}/GetOperation", operation_pb2.GetOperationRequest, answer)
    upstream.answer(f"{OPERATIONS}/CancelOperation", operation_pb2.CancelOperationRequest, answer)
    one = await http.get("/v1/operations/sales-1")
    assert one.json()["metadata"]["state"] == "RUNNING"
    assert one.json()["done"] is False
    assert (await http.post("/v1/operations/sales-1:cancel")).status_code == 200
    assert upstream.seen(f"{OPERATIONS}/CancelOperation")[0].request == (
        operation_pb2.CancelOperationRequest(id="sales-1")
    )


@pytest.mark.parametrize("identity", ["x-1", "sales", "sales-", "sales-a%22b", "gateway-1", "%E9"])
async def test_unknown_operations_are_404(http: httpx.AsyncClient, identity: str) -> None:
    answer = await http.get(f"/v1/operations/{identity}")
    assert answer.status_code in {400, 404}


async def test_error_file_is_streamed(http: httpx.AsyncClient, upstream: Upstream) -> None:
    async def errors(_: object, __: Context) -> AsyncIterator[operation_pb2.FileChunk]:
        for text in (b"row,column,reason\n", b"2,name,missing\n"):
            yield operation_pb2.FileChunk(data=text, file_name="sales-1-errors.csv")

    upstream.streams[f"{OPERATIONS}/DownloadErrors"] = server_stream(errors)
    answer = await http.get("/v1/operations/sales-1/errors")
    assert answer.text == "row,column,reason\n2,name,missing\n"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="sales-1-errors.csv"'


async def test_missing_error_file_is_a_problem(http: httpx.AsyncClient, upstream: Upstream) -> None:
    async def errors(_: object, context: Context) -> AsyncIterator[operation_pb2.FileChunk]:
        await refuse(context, NotFound("NOT_FOUND", "None."))
        yield operation_pb2.FileChunk()

    upstream.streams[f"{OPERATIONS}/DownloadErrors"] = server_stream(errors)
    assert (await http.get("/v1/operations/sales-1/errors")).status_code == 404


def server_stream(run: Callable[..., object]) -> Handler:
    return grpc.unary_stream_rpc_method_handler(
        run,
        request_deserializer=operation_pb2.DownloadErrorsRequest.FromString,
        response_serializer=operation_pb2.FileChunk.SerializeToString,
    )


@dataclass
class Received:
    """What the service got."""

    sizes: list[int] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)


@pytest.fixture
def received(upstream: Upstream, http: httpx.AsyncClient) -> Received:
    """A service that takes files."""
    got = Received()

    async def upload(
        chunks: AsyncIterator[operation_pb2.FileChunk], _: Context
    ) -> import_pb2.UploadFileResponse:
        async for chunk in chunks:
            got.sizes.append(len(chunk.data))
            got.content += chunk.data
        return import_pb2.UploadFileResponse(file_id="f1", size=len(got.content))

    upstream.streams[f"{IMPORTS}/UploadFile"] = client_stream(upload)
    answer = operation("customer-1", 1)
    upstream.answer(f"{IMPORTS}/CreateImport", import_pb2.CreateImportRequest, answer)
    return got


def client_stream(run: Callable[..., object]) -> Handler:
    return grpc.stream_unary_rpc_method_handler(
        run,
        request_deserializer=operation_pb2.FileChunk.FromString,
        response_serializer=import_pb2.UploadFileResponse.SerializeToString,
    )


def form(*parts: tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    content = b""
    for name, data in parts:
        head = f'--B0\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
        content += head.encode() + data + b"\r\n"
    return content + b"--B0--\r\n", {"content-type": "multipart/form-data; boundary=B0"}


SPEC_PART, FILE_PART = ("spec", json.dumps(SPEC).encode()), ("file", CSV)


@pytest.mark.parametrize("parts", [(SPEC_PART, FILE_PART), (FILE_PART, SPEC_PART)])
async def test_form_in_either_order(
    http: httpx.AsyncClient,
    upstream: Upstream,
    received: Received,
    parts: tuple[tuple[str, bytes], ...],
) -> None:
    content, headers = form(*parts)
    headers["idempotency-key"] = "k"
    answer = await http.post("/v1/imports", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["metadata"]["id"] == "customer-1"
    assert received.content == CSV
    assert max(received.sizes) == 64 * 1024
    (seen,) = upstream.seen(f"{IMPORTS}/CreateImport")
    assert isinstance(seen.request, import_pb2.CreateImportRequest)
    assert (seen.request.file_id, seen.request.spec.resource) == ("f1", "customers")
    assert seen.metadata["idempotency-key"] == "k"


async def test_bare_csv_with_the_spec_in_the_query(
    http: httpx.AsyncClient, received: Received
) -> None:
    answer = await http.post(
        "/v1/imports",
        params={"spec": json.dumps(SPEC)},
        content=CSV,
        headers={"content-type": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    assert received.content == CSV


BAD_SPEC = ("spec", b'{"resource": "dragons"}')
FORM_TYPE = {"content-type": "multipart/form-data; boundary=B0"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (form(SPEC_PART), 400),
        (form(FILE_PART), 400),
        (form(SPEC_PART, SPEC_PART), 400),
        (form(FILE_PART, FILE_PART, SPEC_PART), 400),
        (form(("other", b"x")), 400),
        (form(BAD_SPEC, FILE_PART), 400),
        (form(("spec", b"{"), FILE_PART), 400),
        (form(("spec", b""), FILE_PART), 400),
        (form(("spec", b" " * 300_000), FILE_PART), 413),
        ((b"--B0\r\nbroken", FORM_TYPE), 400),
        ((b"", FORM_TYPE), 400),
        ((b"no form at all", FORM_TYPE), 400),
        ((b"x", {"content-type": "multipart/form-data"}), 400),
        ((b"x", {"content-type": "multipart/form-data; boundary=" + "x" * 200}), 400),
        ((b"x", {"content-type": "application/json"}), 415),
        ((b"x", {"content-type": "text/csv"}), 400),
    ],
)
async def test_bad_imports_are_refused(
    http: httpx.AsyncClient, received: Received, sent: tuple[bytes, dict[str, str]], status: int
) -> None:
    content, headers = sent
    answer = await http.post("/v1/imports", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_too_long_files_are_413(
    http: httpx.AsyncClient, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "FILE_MAX_BYTES", 1000)
    monkeypatch.setattr(uploads, "SPEC_MAX_BYTES", 1000)
    content, headers = form(SPEC_PART, FILE_PART)
    assert (await http.post("/v1/imports", content=content, headers=headers)).status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    answer = await http.post("/v1/imports", content=pieces(), headers=headers)
    assert answer.status_code == 413


async def test_refusal_while_uploading_is_passed_on(
    http: httpx.AsyncClient, upstream: Upstream, received: Received
) -> None:
    async def upload(
        _: AsyncIterator[operation_pb2.FileChunk], context: Context
    ) -> import_pb2.UploadFileResponse:
        await refuse(context, InvalidArgument("FILE_REFUSED", "No."))
        raise AssertionError

    upstream.streams[f"{IMPORTS}/UploadFile"] = client_stream(upload)
    content, headers = form(SPEC_PART, ("file", CSV * 10))
    answer = await http.post("/v1/imports", content=content, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (400, "FILE_REFUSED")
