"""Long-running work: its id begins with the name of the service that has it."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

import grpc
from google.longrunning.operations_pb2 import Operation
from google.protobuf.message import Message
from starlette.responses import Response, StreamingResponse

from chassis.codec import encoder
from chassis.errors import NotFound
from crm.chassis.v1.operation_pb2 import (
    CancelOperationRequest,
    DownloadErrorsRequest,
    DownloadResultRequest,
    FileChunk,
    GetOperationRequest,
    ListOperationsRequest,
    ListOperationsResponse,
    OperationMetadata,
    UndoOperationRequest,
)
from services.gateway.exchange import Exchange, Metadata, json_response
from services.gateway.query import single
from services.gateway.routing import Endpoint
from services.gateway.upstream import Rpc, Upstreams

SERVICE = "/crm.chassis.v1.OperationService"
OPERATIONS_MAX = 100
DOWNLOAD_TIMEOUT_S = 600.0
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
ID = re.compile(r"([a-z]{1,20})-[0-9A-Za-z-]{1,70}")


class Operations:
    """The routes under /v1/operations."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._encode = encoder(Operation)
        names = upstreams.names
        self._get = {n: upstreams.unary(n, f"{SERVICE}/GetOperation", Operation) for n in names}
        self._cancel = {
            n: upstreams.unary(n, f"{SERVICE}/CancelOperation", Operation) for n in names
        }
        self._undo = {n: upstreams.unary(n, f"{SERVICE}/UndoOperation", Operation) for n in names}
        self._list = {
            n: upstreams.unary(n, f"{SERVICE}/ListOperations", ListOperationsResponse)
            for n in names
        }
        self._errors = {
            n: upstreams.unary_stream(n, f"{SERVICE}/DownloadErrors", FileChunk) for n in names
        }
        self._result = {
            n: upstreams.unary_stream(n, f"{SERVICE}/DownloadResult", FileChunk) for n in names
        }

    def endpoints(self) -> list[Endpoint]:
        """What the router is told."""
        return [
            Endpoint("GET", "/v1/operations", self.list),
            Endpoint("GET", "/v1/operations/{id}", self.get),
            Endpoint("POST", "/v1/operations/{id}:cancel", self.cancel),
            Endpoint("POST", "/v1/operations/{id}:undo", self.undo),
            Endpoint("GET", "/v1/operations/{id}/result", self.result),
            Endpoint("GET", "/v1/operations/{id}/errors", self.errors),
        ]

    async def list(self, exchange: Exchange) -> Response:
        """The caller's latest operations in all services, newest first."""
        single(exchange.request.scope["query_string"], ())
        metadata = exchange.metadata()
        answers = await asyncio.gather(*(_listed(rpc, metadata) for rpc in self._list.values()))
        operations = [operation for answer in answers for operation in answer]
        operations.sort(key=_create_micros, reverse=True)
        return json_response(
            {"operations": [self._encode(item) for item in operations[:OPERATIONS_MAX]]}
        )

    async def get(self, exchange: Exchange) -> Response:
        """One operation."""
        operation_id = exchange.params["id"]
        rpc = self._get[self._owner(operation_id)]
        request = GetOperationRequest(id=operation_id)
        operation = await rpc(request, exchange.metadata(), repeatable=True)
        return json_response(self._encode(operation))

    async def cancel(self, exchange: Exchange) -> Response:
        """Ask an operation to stop at its next batch."""
        operation_id = exchange.params["id"]
        rpc = self._cancel[self._owner(operation_id)]
        request = CancelOperationRequest(id=operation_id)
        operation = await rpc(request, exchange.metadata(), repeatable=True)
        return json_response(self._encode(operation))

    async def undo(self, exchange: Exchange) -> Response:
        """Start the operation that takes a bulk change back."""
        operation_id = exchange.params["id"]
        rpc = self._undo[self._owner(operation_id)]
        request = UndoOperationRequest(id=operation_id)
        operation = await rpc(request, exchange.metadata(), repeatable=True)
        return json_response(self._encode(operation))

    async def errors(self, exchange: Exchange) -> Response:
        """The error file of an operation, streamed as it comes."""
        operation_id = exchange.params["id"]
        stub = self._errors[self._owner(operation_id)]()
        return await _file(exchange, stub, DownloadErrorsRequest(id=operation_id))

    async def result(self, exchange: Exchange) -> Response:
        """The result file of an operation, streamed as it comes."""
        operation_id = exchange.params["id"]
        stub = self._result[self._owner(operation_id)]()
        return await _file(exchange, stub, DownloadResultRequest(id=operation_id))

    def _owner(self, operation_id: str) -> str:
        match = ID.fullmatch(operation_id)
        if match is None or match[1] not in self._get:
            raise NotFound("OPERATION_NOT_FOUND", "There is no such operation.")
        return match[1]


async def _listed(rpc: Rpc[ListOperationsResponse], metadata: Metadata) -> Sequence[Operation]:
    try:
        return (await rpc(ListOperationsRequest(), metadata, repeatable=True)).operations
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return ()  # a service without long-running work
        raise


def _create_micros(operation: Operation) -> int:
    if operation.metadata.TypeName() != "crm.chassis.v1.OperationMetadata":
        return 0
    return OperationMetadata.FromString(operation.metadata.value).create_time.ToMicroseconds()


async def _file(
    exchange: Exchange,
    stub: "grpc.aio.UnaryStreamMultiCallable[Message, FileChunk]",
    request: Message,
) -> Response:
    """A file that a service streams, as an attachment."""
    call = stub(request, metadata=exchange.metadata(), timeout=DOWNLOAD_TIMEOUT_S)
    chunks = aiter(call)
    first = await anext(chunks, FileChunk())  # so that a refusal is still a problem
    name = re.sub(r"[^\w.-]", "_", first.file_name, flags=re.ASCII)
    return StreamingResponse(
        _bytes(first, chunks),
        media_type=MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream"),
        headers={
            "cache-control": "no-store",
            "content-disposition": f'attachment; filename="{name}"',
        },
    )


async def _bytes(first: FileChunk, rest: AsyncIterator[FileChunk]) -> AsyncIterator[bytes]:
    yield first.data
    async for chunk in rest:
        yield chunk.data
