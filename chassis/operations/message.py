"""Operations as callers see them (AIP-151)."""

from datetime import datetime, timedelta
from typing import TypeAlias

import orjson
from google.longrunning.operations_pb2 import Operation as OperationMessage
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from chassis.db.pool import Record
from chassis.operations.progress import Progress, read_progress
from crm.chassis.v1 import operation_pb2 as pb
from crm.chassis.v1.bulk_pb2 import CreateBulkRequest, PreviewBulkRequest
from crm.chassis.v1.export_pb2 import CreateExportRequest
from crm.chassis.v1.import_pb2 import ImportSpec

OPEN_STATES = frozenset({"PENDING", "RUNNING"})
# Kinds whose records each have their outcome, and the one of them that can be undone.
BULK, UNDO, EXPORT = "bulk", "undo", "export"
UNDO_AGE_MAX = timedelta(days=7)

ManyRecords: TypeAlias = PreviewBulkRequest | CreateBulkRequest | CreateExportRequest | ImportSpec


def operation_message(row: Record) -> OperationMessage:
    """The operation as callers see it; how far a failed one came stands in its metadata."""
    progress, state = read_progress(row["progress"]), row["state"]
    operation = OperationMessage(name=row["id"], done=state not in OPEN_STATES)
    operation.metadata.Pack(_metadata(row, progress))
    if state == "SUCCEEDED":
        operation.response.Pack(progress.result())
    elif state == "CANCELLED":
        code = StatusCode.CANCELLED.value[0]
        operation.error.CopyFrom(Status(code=code, message="The operation was cancelled."))
    elif state == "FAILED":
        operation.error.CopyFrom(Parse(row["error"], Status()))
    return operation


def undo_expire_time(row: Record, progress: Progress) -> datetime | None:
    """Until when the operation can be undone; None when it cannot."""
    if row["kind"] != BULK or row["state"] in OPEN_STATES or not progress.updated:
        return None
    ended: datetime = row["update_time"]
    return ended + UNDO_AGE_MAX


def _metadata(row: Record, progress: Progress) -> pb.OperationMetadata:
    own = f"/v1/operations/{row['id']}"
    itemised = row["kind"] in {BULK, UNDO}
    metadata = pb.OperationMetadata(
        id=row["id"],
        kind=row["kind"],
        state=row["state"],
        processed=progress.processed,
        total=progress.total,
        progress_percent=100 if row["state"] == "SUCCEEDED" else progress.percent,
        counts=progress.result(),
        error_file=f"{own}/errors" if progress.listed or (itemised and progress.failed) else "",
        result_file=f"{own}/result" if progress.file or (itemised and progress.processed) else "",
        resource=str(orjson.loads(row["request"]).get("resource", "")),
    )
    metadata.create_time.FromDatetime(row["create_time"])
    metadata.update_time.FromDatetime(row["update_time"])
    until = undo_expire_time(row, progress)
    if until is not None:
        metadata.undo_expire_time.FromDatetime(until)
    return metadata


def worked_on(request: ManyRecords) -> str:
    """The name of what a request for many records is about: a collection, or settings of one."""
    return f"{request.resource}/{request.settings}" if request.settings else request.resource
