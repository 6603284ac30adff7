"""What crm.event.v1.ChangeService answers: snapshots for a boot, changes for a gap."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from sqlalchemy import BigInteger, Text, bindparam, select
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.pool import Database, Tx
from chassis.db.sql import statement
from chassis.errors import InvalidArgument, NotFound
from chassis.events.envelope import to_message
from chassis.events.outbox import COLUMNS, change_of
from chassis.events.tables import CHANGE
from chassis.ids import is_id
from chassis.rpc.methods import Free, Methods, ServerStream
from crm.event.v1 import change_pb2

SERVICE = "crm.event.v1.ChangeService"
PAGE = 500
CHANGES_MAX = 1000
CHANGES_BYTES_MAX = 3 * 1024 * 1024

_CHANGES = statement(
    select(*COLUMNS)
    .where(
        CHANGE.c.tenant_id == bindparam("tenant", type_=UUID(as_uuid=False)),
        CHANGE.c.record_id == bindparam("record", type_=UUID(as_uuid=False)),
        CHANGE.c.version > bindparam("after", type_=BigInteger()),
        CHANGE.c.resource == bindparam("resource", type_=Text()),
    )
    .order_by(CHANGE.c.version)
    .limit(CHANGES_MAX)
)


# (worker's transaction, (tenant id, id) to go on after or None, rows at most) -> rows in order.
SnapshotSource: TypeAlias = Callable[
    [Tx, tuple[str, str] | None, int], Awaitable[Sequence[change_pb2.RecordState]]
]
Sources: TypeAlias = Mapping[str, SnapshotSource]


def change_methods(database: Database, service: str, sources: Sources) -> Methods:
    """Handlers by rpc name; sources by resource in the singular."""
    return {
        "StreamSnapshot": ServerStream(
            lambda _, request: stream_snapshot(database, sources, request)
        ),
        "ListChanges": Free(lambda _, request: list_changes(database, service, request)),
    }


async def stream_snapshot(
    database: Database, sources: Sources, request: change_pb2.StreamSnapshotRequest
) -> AsyncIterator[change_pb2.RecordState]:
    """All rows of a resource by tenant and id, each page in a transaction of its own."""
    source = sources.get(request.resource)
    if source is None:
        raise NotFound("RESOURCE_NOT_FOUND", f"There is no resource {request.resource!r} here.")
    after = parse_after(request.after)
    while True:
        async with database.worker() as tx:
            page = await source(tx, after, PAGE)
        for state in page:
            yield state
        if len(page) < PAGE:
            return
        after = (page[-1].tenant_id, page[-1].id)


async def list_changes(
    database: Database, service: str, request: change_pb2.ListChangesRequest
) -> change_pb2.ListChangesResponse:
    """Changes of one record after a version, oldest first, as many as fit into one answer."""
    values = {
        "tenant": _id(request.tenant_id, "tenant_id"),
        "record": _id(request.id, "id"),
        "after": request.after_version,
        "resource": request.resource,
    }
    async with database.worker() as tx:
        rows = await tx.fetch(_CHANGES, values)
    answer, size = change_pb2.ListChangesResponse(), 0
    for row in rows:
        message = to_message(service, change_of(row))
        event = change_pb2.Event(headers=message.headers, data=message.data)
        size += event.ByteSize()
        if size > CHANGES_BYTES_MAX:
            break
        answer.events.append(event)
    return answer


def parse_after(text: str) -> tuple[str, str] | None:
    """Where a snapshot goes on, from "tenant/id"; None for the start."""
    if not text:
        return None
    tenant, _, record = text.partition("/")
    return _id(tenant, "after"), _id(record, "after")


def _id(text: str, field: str) -> str:
    if not is_id(text):
        raise InvalidArgument(
            "ID_INVALID", f"{field} is not an id.", fields=[(field, "Not an id.")]
        )
    return text
