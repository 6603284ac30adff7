"""OperationService: how the caller's own long-running work goes on."""

from collections.abc import AsyncIterator

from google.longrunning.operations_pb2 import Operation as OperationMessage
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from chassis.call import Call
from chassis.db.pool import Database, Record, Tx
from chassis.errors import NotFound
from chassis.operations import store
from chassis.operations.progress import Progress, read_progress
from chassis.rpc.methods import Methods, ServerStream, Unary
from crm.chassis.v1 import operation_pb2 as pb

ERRORS_PAGE = 1000
# What a spreadsheet would take for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Operations:
    """Handlers over the operations of one service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {
            "GetOperation": Unary(self.get),
            "ListOperations": Unary(self.list),
            "CancelOperation": Unary(self.cancel),
            "DownloadErrors": ServerStream(self.download_errors),
        }

    async def get(self, call: Call, tx: Tx, request: pb.GetOperationRequest) -> OperationMessage:
        """One operation of the caller; NotFound for everybody else's."""
        return operation_message(await _own(call, tx, request.id))

    async def list(
        self, call: Call, tx: Tx, _request: pb.ListOperationsRequest
    ) -> pb.ListOperationsResponse:
        """The caller's latest operations."""
        values = {"tenant_id": call.tenant_id, "principal_id": call.principal.id}
        rows = await tx.fetch(store.LIST, values)
        return pb.ListOperationsResponse(operations=[operation_message(row) for row in rows])

    async def cancel(
        self, call: Call, tx: Tx, request: pb.CancelOperationRequest
    ) -> OperationMessage:
        """Have it stop at the next batch; one that has ended stays as it is."""
        await _own(call, tx, request.id)
        values = _keys(call, request.id)
        if not await tx.execute(store.CANCEL_WAITING, values):
            await tx.execute(store.CANCEL_RUNNING, values)
        return operation_message(await _own(call, tx, request.id))

    async def download_errors(
        self, call: Call, request: pb.DownloadErrorsRequest
    ) -> AsyncIterator[pb.FileChunk]:
        """The rows that were refused, as CSV with the columns row, column and reason."""
        async with self._database.transaction(call.tenant_id) as tx:
            progress = read_progress((await _own(call, tx, request.id))["progress"])
        yield pb.FileChunk(data=_line("row", "column", "reason"))
        at = {"tenant_id": call.tenant_id, "id": request.id, "row": 0, "position": -1}
        while True:
            async with self._database.transaction(call.tenant_id) as tx:
                rows = await tx.fetch(store.ERRORS, {**at, "limit": ERRORS_PAGE})
            for first in range(0, len(rows), 50):
                lines = [_error_line(row) for row in rows[first : first + 50]]
                yield pb.FileChunk(data=b"".join(lines))
            if len(rows) < ERRORS_PAGE:
                break
            at |= {"row": rows[-1]["row_number"], "position": rows[-1]["position"]}
        if progress.unlisted:
            text = f"{progress.unlisted} more problems are not listed here."
            yield pb.FileChunk(data=_line("", "", text))


async def _own(call: Call, tx: Tx, operation_id: str) -> Record:
    row = await tx.fetch_row(store.GET, _keys(call, operation_id))
    if row is None:
        raise NotFound(
            "NOT_FOUND", f"There is no operation {operation_id}.", metadata={"id": operation_id}
        )
    return row


def _keys(call: Call, operation_id: str) -> dict[str, object]:
    return {
        "tenant_id": call.tenant_id,
        "id": operation_id,
        "principal_id": call.principal.id,
    }


def operation_message(row: Record) -> OperationMessage:
    """The operation as callers see it; how far a failed one came stands in its metadata."""
    progress, state = read_progress(row["progress"]), row["state"]
    operation = OperationMessage(name=row["id"], done=state not in {"PENDING", "RUNNING"})
    operation.metadata.Pack(_metadata(row, progress))
    if state == "SUCCEEDED":
        operation.response.Pack(progress.result())
    elif state == "CANCELLED":
        code = StatusCode.CANCELLED.value[0]
        operation.error.CopyFrom(Status(code=code, message="The operation was cancelled."))
    elif state == "FAILED":
        operation.error.CopyFrom(Parse(row["error"], Status()))
    return operation


def _metadata(row: Record, progress: Progress) -> pb.OperationMetadata:
    done = row["state"] == "SUCCEEDED"
    metadata = pb.OperationMetadata(
        id=row["id"],
        kind=row["kind"],
        state=row["state"],
        processed=progress.processed,
        total=progress.total,
        progress_percent=100 if done else progress.percent,
        counts=progress.result(),
        error_file=f"/v1/operations/{row['id']}/errors" if progress.listed else "",
    )
    metadata.create_time.FromDatetime(row["create_time"])
    metadata.update_time.FromDatetime(row["update_time"])
    return metadata


def _error_line(row: Record) -> bytes:
    return _line(str(row["row_number"]), row["column_name"], row["reason"])


def _line(*cells: str) -> bytes:
    """One line of CSV (RFC 4180); what a spreadsheet would run is preceded by an apostrophe."""
    safe = [f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells]
    return (",".join('"' + cell.replace('"', '""') + '"' for cell in safe) + "\r\n").encode()
