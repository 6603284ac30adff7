"""The statements on operations: made, claimed by one worker at a time, finished, forgotten."""

from dataclasses import dataclass

import orjson
from sqlalchemy import (
    BigInteger,
    Float,
    Table,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import Statement, statement
from chassis.errors import Aborted, NotFound
from chassis.operations.progress import Progress, read_progress

LEASE = text("now() + interval '30 seconds'")
LIST_MAX = 100
FORGET_MAX = 10_000

_TABLES = chassis_tables(new_metadata())
_OPERATION, _ERROR = _TABLES["operation"], _TABLES["operation_error"]
_LATER = _TABLES["operation_later"]
_OWN = (
    _OPERATION.c.tenant_id == bindparam("tenant_id"),
    _OPERATION.c.id == bindparam("id"),
)
_MINE = (*_OWN, _OPERATION.c.principal_id == bindparam("principal_id"))
_HELD = (*_OWN, _OPERATION.c.worker == bindparam("worker"), _OPERATION.c.state == "RUNNING")
_OPEN = or_(_OPERATION.c.state == "PENDING", _OPERATION.c.state == "RUNNING")

INSERT = statement(
    insert(_OPERATION).values(
        tenant_id=bindparam("tenant_id"),
        id=bindparam("id"),
        kind=bindparam("kind"),
        principal_id=bindparam("principal_id"),
        key=bindparam("key"),
        fingerprint=bindparam("fingerprint"),
        state="PENDING",
        request=bindparam("request"),
        progress=bindparam("progress"),
        create_time=func.now(),
        update_time=func.now(),
    )
)
GET = statement(select(*_OPERATION.c).where(*_MINE))
BY_KEY = statement(
    select(*_OPERATION.c).where(
        _OPERATION.c.tenant_id == bindparam("tenant_id"),
        _OPERATION.c.principal_id == bindparam("principal_id"),
        _OPERATION.c.key == bindparam("key"),
        _OPERATION.c.key != "",
    )
)
LIST = statement(
    select(*_OPERATION.c)
    .where(
        _OPERATION.c.tenant_id == bindparam("tenant_id"),
        _OPERATION.c.principal_id == bindparam("principal_id"),
    )
    .order_by(_OPERATION.c.create_time.desc(), _OPERATION.c.id.desc())
    .limit(LIST_MAX)
)
CANCEL_WAITING = statement(
    update(_OPERATION)
    .values(state="CANCELLED", cancel_requested=1, update_time=func.now())
    .where(*_MINE, _OPERATION.c.state == "PENDING")
)
CANCEL_RUNNING = statement(
    update(_OPERATION).values(cancel_requested=1).where(*_MINE, _OPERATION.c.state == "RUNNING")
)
COUNT_OPEN = statement(
    select(func.count().label("count")).where(
        _OPERATION.c.tenant_id == bindparam("tenant_id"), _OPEN
    )
)
COUNT_WAITING = statement(
    select(func.count().label("number")).where(_OPERATION.c.state == "PENDING")
)

_OTHERS = _OPERATION.alias("others")
_RUNNING_BESIDE = (
    select(func.count())
    .where(
        _OTHERS.c.tenant_id == _OPERATION.c.tenant_id,
        _OTHERS.c.state == "RUNNING",
        _OTHERS.c.lease_time >= func.now(),
    )
    .scalar_subquery()
)
# Tenants take turns: who has least at work comes first.
NEXT = statement(
    select(*_OPERATION.c)
    .where(
        or_(
            _OPERATION.c.state == "PENDING",
            (_OPERATION.c.state == "RUNNING") & (_OPERATION.c.lease_time < func.now()),
        )
    )
    .order_by(_RUNNING_BESIDE, _OPERATION.c.create_time)
    .limit(1)
    .with_for_update(skip_locked=True, of=_OPERATION)
)
CLAIM = statement(
    update(_OPERATION)
    .values(
        state="RUNNING",
        worker=bindparam("worker"),
        lease_time=LEASE,
        attempts=_OPERATION.c.attempts + 1,
    )
    .where(*_OWN)
)
# The row stays locked until the batch ends, so nobody takes an operation over in its midst; the
# weakest lock does, and lets a cancellation through.
FENCE = statement(
    select(_OPERATION.c.cancel_requested).where(*_HELD).with_for_update(read=True, key_share=True)
)
SAVE = statement(
    update(_OPERATION)
    .values(progress=bindparam("progress"), lease_time=LEASE, attempts=0, update_time=func.now())
    .where(*_HELD)
)
FINISH = statement(
    update(_OPERATION)
    .values(state=bindparam("end"), error=bindparam("error"), update_time=func.now())
    .where(*_HELD)
)
# Given back: somebody may take it after a moment.
RELEASE = statement(
    update(_OPERATION)
    .values(
        lease_time=func.now()
        + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("wait_s", type_=Float))
    )
    .where(*_HELD)
)
FORGET = statement(delete(_OPERATION).where(~_OPEN, _OPERATION.c.update_time < bindparam("before")))


def _forget_rows(table: Table) -> Statement:
    """Up to FORGET_MAX rows of operations that ended before a time."""
    key = tuple(table.primary_key.columns)
    of_operation = (table.c.tenant_id == _OPERATION.c.tenant_id) & (
        table.c.operation_id == _OPERATION.c.id
    )
    old = (
        select(*key)
        .join(_OPERATION, of_operation)
        .where(~_OPEN, _OPERATION.c.update_time < bindparam("before"))
        .limit(literal_column(str(FORGET_MAX)))
    )
    return statement(delete(table).where(tuple_(*key).in_(old)))


FORGET_ROWS = [_forget_rows(table) for table in (_ERROR, _LATER, _TABLES["operation_item"])]
ADD_LATER = statement(insert(_LATER).values({one.name: bindparam(one.name) for one in _LATER.c}))
DROP_LATER = statement(
    delete(_LATER).where(
        _LATER.c.tenant_id == bindparam("tenant_id"),
        _LATER.c.operation_id == bindparam("id"),
        _LATER.c.row_number == any_(bindparam("rows", type_=ARRAY(BigInteger))),
    )
)
CLEAR_LATER = statement(
    delete(_LATER).where(
        _LATER.c.tenant_id == bindparam("tenant_id"), _LATER.c.operation_id == bindparam("id")
    )
)
LATER = statement(
    select(_LATER.c.row_number, _LATER.c.start, _LATER.c.length)
    .where(
        _LATER.c.tenant_id == bindparam("tenant_id"),
        _LATER.c.operation_id == bindparam("id"),
        _LATER.c.row_number > bindparam("after"),
    )
    .order_by(_LATER.c.row_number)
    .limit(bindparam("limit"))
)
ADD_ERROR = statement(insert(_ERROR).values({one.name: bindparam(one.name) for one in _ERROR.c}))
CLEAR_ERRORS = statement(
    delete(_ERROR).where(
        _ERROR.c.tenant_id == bindparam("tenant_id"), _ERROR.c.operation_id == bindparam("id")
    )
)
ERRORS = statement(
    select(_ERROR.c.row_number, _ERROR.c.position, _ERROR.c.column_name, _ERROR.c.reason)
    .where(
        _ERROR.c.tenant_id == bindparam("tenant_id"),
        _ERROR.c.operation_id == bindparam("id"),
        func.row(_ERROR.c.row_number, _ERROR.c.position)
        > func.row(bindparam("row"), bindparam("position")),
    )
    .order_by(_ERROR.c.row_number, _ERROR.c.position)
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One stored operation; `request` and `error` are JSON."""

    tenant_id: str
    id: str
    kind: str
    principal_id: str
    attempts: int
    request: dict[str, object]
    progress: Progress


def read_operation(row: Record) -> Operation:
    """The operation of a row."""
    return Operation(
        tenant_id=str(row["tenant_id"]),
        id=row["id"],
        kind=row["kind"],
        principal_id=row["principal_id"],
        attempts=row["attempts"],
        request=orjson.loads(row["request"]),
        progress=read_progress(row["progress"]),
    )


async def add_operation(tx: Tx, operation: Operation, key: str, fingerprint: str) -> None:
    """Store a new operation, to be taken up by a worker; `key` is its idempotency key or ""."""
    await tx.execute(
        INSERT,
        {
            "tenant_id": operation.tenant_id,
            "id": operation.id,
            "kind": operation.kind,
            "principal_id": operation.principal_id,
            "key": key,
            "fingerprint": fingerprint,
            "request": orjson.dumps(operation.request).decode(),
            "progress": operation.progress.to_json(),
        },
    )


async def repeated_operation(
    tx: Tx, operation: Operation, key: str, fingerprint: str
) -> Record | None:
    """The row that a call with this key made before; Aborted when it asked for something else."""
    values = {
        "tenant_id": operation.tenant_id,
        "principal_id": operation.principal_id,
        "key": key,
    }
    row = await tx.fetch_row(BY_KEY, values) if key else None
    if row is not None and row["fingerprint"] != fingerprint:
        raise Aborted(
            "IDEMPOTENCY_KEY_REUSED", "This idempotency key was used with another request."
        )
    return row


async def own_operation(call: Call, tx: Tx, operation_id: str) -> Record:
    """The row of one of the caller's operations; NotFound for everybody else's."""
    row = await tx.fetch_row(GET, own_keys(call, operation_id))
    if row is None:
        raise NotFound(
            "NOT_FOUND", f"There is no operation {operation_id}.", metadata={"id": operation_id}
        )
    return row


def own_keys(call: Call, operation_id: str) -> dict[str, object]:
    """The parameters that name one of the caller's operations."""
    return {"tenant_id": call.tenant_id, "id": operation_id, "principal_id": call.principal.id}


def record_id(operation_id: str) -> str:
    """The id that events about an operation carry: its own without the service's name."""
    return operation_id.partition("-")[2]
