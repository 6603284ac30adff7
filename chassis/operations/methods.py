"""OperationService: how the caller's own long-running work goes on."""

from google.longrunning.operations_pb2 import Operation as OperationMessage

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.errors import CrmError, FailedPrecondition
from chassis.operations import store
from chassis.operations.files import Files
from chassis.operations.message import UNDO, operation_message, undo_expire_time
from chassis.operations.progress import Progress, read_progress
from chassis.operations.start import Once, Starter
from chassis.operations.store import read_operation
from chassis.resource.read import plan_of
from chassis.rpc.methods import Free, Methods, ServerStream, Unary
from crm.chassis.v1 import operation_pb2 as pb


class Operations:
    """Handlers over the operations of one service."""

    def __init__(self, starter: Starter, files: Files) -> None:
        self._starter = starter
        self._files = files

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {
            "GetOperation": Unary(self.get),
            "ListOperations": Unary(self.list),
            "CancelOperation": Unary(self.cancel),
            "UndoOperation": Free(self.undo),
            "DownloadResult": ServerStream(self._files.result),
            "DownloadErrors": ServerStream(self._files.errors),
        }

    async def get(self, call: Call, tx: Tx, request: pb.GetOperationRequest) -> OperationMessage:
        """One operation of the caller; NotFound for everybody else's."""
        return operation_message(await store.own_operation(call, tx, request.id))

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
        await store.own_operation(call, tx, request.id)
        values = store.own_keys(call, request.id)
        if not await tx.execute(store.CANCEL_WAITING, values):
            await tx.execute(store.CANCEL_RUNNING, values)
        return operation_message(await store.own_operation(call, tx, request.id))

    async def undo(self, call: Call, request: pb.UndoOperationRequest) -> OperationMessage:
        """Start the operation that takes this one back; asked for again, it is the same one."""
        async with self._starter.database.transaction(call.tenant_id) as tx:
            row = await store.own_operation(call, tx, request.id)
        done = read_progress(row["progress"])
        until = undo_expire_time(row, done)
        if until is None:
            raise _not_undoable("Only a bulk change that has ended and changed something can be.")
        if until < call.now:
            raise _not_undoable("It has ended too long ago.")
        bulk = read_operation(row)
        plan = plan_of(self._files.plans, str(bulk.request["resource"]))
        plan.reach(call, str(bulk.request.get("verb", "UPDATE")))
        asked = {
            **bulk.request,
            "cause_id": "",
            "operation_id": bulk.id,
            "since": row["create_time"].isoformat(),
        }
        operation = self._starter.operation(call, UNDO, asked, Progress(total=done.updated))
        # No caller's key holds a tab, so this one keeps an operation from being undone twice.
        return await self._starter.start(call, operation, Once(f"{UNDO}\t{bulk.id}"))


def _not_undoable(why: str) -> CrmError:
    return FailedPrecondition(
        "OPERATION_NOT_UNDOABLE", f"The operation cannot be undone: {why}", metadata={"why": why}
    )
