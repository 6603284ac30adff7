"""The worker of a process: takes operations up, a few at a time, and ends them."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg
import grpc
import structlog
from google.protobuf.json_format import MessageToJson

from chassis.db.errors import translate
from chassis.errors import (
    Aborted,
    CrmError,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    to_status,
)
from chassis.ids import new_id
from chassis.meanwhile import meanwhile, up_to
from chassis.operations import store
from chassis.operations.blob import BlobStore
from chassis.operations.deputy import Deputies
from chassis.operations.start import Starter
from chassis.operations.store import Operation, read_operation
from chassis.operations.task import LeaseLost, OperationStopped, Task, Waiting
from chassis.telemetry.metrics import OPERATION_SECONDS, OPERATIONS, OPERATIONS_RUNNING
from chassis.telemetry.tracing import trace_id

AT_ONCE_MAX = 2
IDLE_WAIT_S = 2.0
RETRY_WAIT_S = 3.0
RENEW_S = 10.0
LEASE_S = 30.0
ATTEMPTS_MAX = 20
SWEEP_INTERVAL_S = 3600.0
FILE_AGE_MAX = timedelta(days=7)
OPERATION_AGE_MAX = timedelta(days=30)
RELEASED, WAITS = "RELEASED", "WAITS"

Work = Callable[[Task], Awaitable[None]]

log = structlog.get_logger()


class Runner:
    """Runs the operations of one service."""

    def __init__(
        self,
        starter: Starter,
        deputies: Deputies,
        blobs: BlobStore,
        kinds: Mapping[str, Work],
        on_change: Callable[[], None],
    ) -> None:
        self._service = starter.service
        self._database = starter.database
        self._wake = starter.woken
        self._deputies = deputies
        self._blobs = blobs
        self._kinds = kinds
        self._on_change = on_change
        self._worker = f"{self._service}-{os.getpid()}-{new_id()}"

    async def run(self) -> None:
        """Work for ever; cancelled, it gives back what it holds."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE_MAX):
                group.create_task(self._work())
            group.create_task(self._sweep())

    async def _work(self) -> None:
        while True:
            operation = await self._claim()
            if operation is not None:
                await self._execute(operation)
                continue
            self._wake.clear()
            await up_to(IDLE_WAIT_S, self._wake)

    async def _claim(self) -> Operation | None:
        try:
            async with self._database.worker() as tx:
                row = await tx.fetch_row(store.NEXT, {})
                if row is None:
                    return None
                operation = read_operation(row)
                keys = {"tenant_id": operation.tenant_id, "id": operation.id}
                await tx.execute(store.CLAIM, {**keys, "worker": self._worker})
        except (Unavailable, asyncpg.PostgresError) as error:
            log.warning("cannot look for operations", error=error)
            return None
        return operation

    async def _execute(self, operation: Operation) -> None:
        started = time.monotonic()
        task = Task(operation, self._worker, self._database, self._deputies, self._on_change)
        with OPERATIONS_RUNNING.track_inprogress():
            end, error = await self._outcome(task)
        if end == WAITS:
            return
        took_s = time.monotonic() - started
        OPERATIONS.labels(operation.kind, end or RELEASED).inc()
        OPERATION_SECONDS.labels(operation.kind).inc(took_s)
        if end:
            with suppress(Unavailable, LeaseLost):
                await self._finish(operation, end, error)
        log.info(
            "operation worked on",
            **_about(operation),
            end=end or RELEASED,
            reason=error.reason if error else "",
            processed=task.progress.processed,
            duration_s=round(took_s, 3),
        )

    async def _outcome(self, task: Task) -> tuple[str, CrmError | None]:
        """The state to end in, with the error; WAITS for what it has begun elsewhere, "" when it
        goes on later or with somebody else.
        """
        if task.operation.attempts >= ATTEMPTS_MAX:
            text = "The operation made no progress in many attempts."
            return "FAILED", FailedPrecondition("OPERATION_STUCK", text)
        try:
            # However long a step of the work takes, nobody else takes it up.
            async with meanwhile(partial(self._release, task.operation, LEASE_S), RENEW_S):
                await self._kinds[task.operation.kind](task)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(task.operation, 0.0))
            raise
        except Waiting as signal:
            await self._release(task.operation, signal.wait_s)
            return WAITS, None
        except LeaseLost:
            return "", None
        except OperationStopped:
            return "CANCELLED", None
        except Exception as error:
            shown = shown_error(error)
            if shown is None:
                log.exception("operation failed", **_about(task.operation))
                return "FAILED", CrmError("INTERNAL", "Something went wrong on our side.")
            if not isinstance(shown, Unavailable | Aborted):
                return "FAILED", shown
            log.warning("operation waits", **_about(task.operation), error=error)
            await self._release(task.operation, RETRY_WAIT_S)
            return "", shown
        return "SUCCEEDED", None

    async def _finish(self, operation: Operation, end: str, error: CrmError | None) -> None:
        told = MessageToJson(to_status(error, self._service)) if error else None
        async with self._database.worker() as tx:
            await tx.execute(store.FINISH, {**self._keys(operation), "end": end, "error": told})

    async def _release(self, operation: Operation, wait_s: float) -> None:
        """Let others have it after a time in which nobody renews the lease."""
        with suppress(Unavailable, asyncpg.PostgresError):
            async with self._database.worker() as tx:
                await tx.execute(store.RELEASE, {**self._keys(operation), "wait_s": wait_s})

    def _keys(self, operation: Operation) -> dict[str, object]:
        return {"tenant_id": operation.tenant_id, "id": operation.id, "worker": self._worker}

    async def _sweep(self) -> None:
        """Forget old files and operations once an hour."""
        while True:
            with suppress(Unavailable, asyncpg.PostgresError, OSError):
                files = await self._blobs.sweep(FILE_AGE_MAX.total_seconds())
                forgotten = await self._forget(datetime.now(UTC) - OPERATION_AGE_MAX)
                log.info("old operations forgotten", operations=forgotten, files=files)
            await asyncio.sleep(SWEEP_INTERVAL_S)

    async def _forget(self, before: datetime) -> int:
        """Remove the operations that ended before; their rows first, a bounded number at a time."""
        for run in store.FORGET_ROWS:
            removed = store.FORGET_MAX
            while removed == store.FORGET_MAX:
                async with self._database.worker() as tx:
                    removed = await tx.execute(run, {"before": before})
        async with self._database.worker() as tx:
            return await tx.execute(store.FORGET, {"before": before})


def _about(operation: Operation) -> dict[str, str]:
    """What log lines say of it."""
    return {
        "operation": operation.id,
        "kind": operation.kind,
        "tenant_id": operation.tenant_id,
        "trace_id": trace_id(str(operation.request.get("traceparent", ""))),
    }


def shown_error(error: Exception) -> CrmError | None:
    """What the user is told about the error; Unavailable and Aborted: it may go on later."""
    if isinstance(error, CrmError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return translate(error)
    if isinstance(error, grpc.aio.AioRpcError):
        return _remote_error(error)
    if isinstance(error, TimeoutError | OSError):
        return Unavailable("TIMEOUT", "Something took too long.")
    return None


def _remote_error(error: grpc.aio.AioRpcError) -> CrmError:
    """A refusal of another service as it was told; everything else may be better later."""
    told = str(error.details())
    match error.code():
        case grpc.StatusCode.UNAUTHENTICATED:
            return Unauthenticated("USER_INACTIVE", told)
        case grpc.StatusCode.PERMISSION_DENIED:
            return PermissionDenied("PERMISSION_DENIED", told)
        case grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidArgument("REFERENCE_INVALID", told)
    return Unavailable("SERVICE_AWAY", f"Another service is away ({error.code().name}).")
