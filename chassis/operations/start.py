"""How operations begin: stored once per idempotency key, a bounded number at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import asyncpg
from google.longrunning.operations_pb2 import Operation as OperationMessage

from chassis.call import Call
from chassis.db.pool import Database, Record, Tx
from chassis.errors import ResourceExhausted
from chassis.ids import new_id
from chassis.operations import store
from chassis.operations.message import operation_message
from chassis.operations.progress import Progress
from chassis.operations.store import Operation

OPEN_MAX = 20
NOTHING = Progress()

# What is written in the transaction that stores a new operation.
Note = Callable[[Tx, Operation], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Once:
    """What keeps an operation from being made twice: its key ("" for none) and what was asked."""

    key: str = ""
    fingerprint: str = ""


ONCE = Once()


@dataclass(frozen=True)
class Starter:
    """Starts operations of one service; `woken` tells its worker."""

    service: str
    database: Database
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def operation(
        self, call: Call, kind: str, request: Mapping[str, object], progress: Progress = NOTHING
    ) -> Operation:
        """A new operation of the caller, to be started."""
        return Operation(
            tenant_id=call.tenant_id,
            id=f"{self.service}-{new_id()}",
            kind=kind,
            principal_id=call.principal.id,
            attempts=0,
            request={**request, "traceparent": call.traceparent},
            progress=progress,
        )

    async def start(
        self, call: Call, operation: Operation, once: Once | None = None, note: Note | None = None
    ) -> OperationMessage:
        """Store it and have the worker begin; a repeated call gets the one that its first made."""
        own = once or _once(call)
        try:
            async with self.database.transaction(call.tenant_id) as tx:
                row = await store.repeated_operation(tx, operation, own.key, own.fingerprint)
                row = row or await insert_operation(tx, operation, own, note)
        except asyncpg.UniqueViolationError:
            async with self.database.transaction(call.tenant_id) as tx:
                row = await store.repeated_operation(tx, operation, own.key, own.fingerprint)
            if row is None:
                raise
        self.woken.set()
        return operation_message(row)


def _once(call: Call) -> Once:
    key = call.idempotency
    return Once(key.key, key.fingerprint) if key else ONCE


async def insert_operation(
    tx: Tx, operation: Operation, once: Once = ONCE, note: Note | None = None
) -> Record:
    """Store it and what goes with it; ResourceExhausted when the tenant has OPEN_MAX that wait,
    unless it is part of one of them.
    """
    keys = {"tenant_id": operation.tenant_id, "id": operation.id}
    count = await tx.fetch_row(store.COUNT_OPEN, keys)
    part = bool(operation.request.get("cause_id"))
    if count is not None and count["count"] >= OPEN_MAX and not part:
        text = f"At most {OPEN_MAX} operations may wait at a time."
        raise ResourceExhausted("OPERATIONS_MAX", text)
    await store.add_operation(tx, operation, once.key, once.fingerprint)
    if note is not None:
        await note(tx, operation)
    row = await tx.fetch_row(store.GET, {**keys, "principal_id": operation.principal_id})
    assert row is not None
    return row
