"""The change row: the history of a record, and its event until it is published."""

from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy import Table, bindparam, insert
from sqlalchemy.sql.dml import Insert

from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.schema import LANE_BULK, LANE_INTERACTIVE
from chassis.db.sql import statement
from chassis.errors import InvalidArgument
from chassis.events.tables import CHANGE
from chassis.ids import new_id

RECORD_BYTES_MAX = 64 * 1024
BULK = frozenset({"import", "bulk"})
# Bookkeeping that every change touches says nothing about what was changed.
UNTOLD = frozenset({"etag", "update_time", "updater_id"})

_COLUMNS = tuple(c.name for c in CHANGE.c if c.name not in {"seq", "publish_time"})

Row = dict[str, object]


def insert_into(table: Table, columns: Sequence[str], prefix: str) -> Insert:
    """An insert whose parameters are named by the columns behind a prefix."""
    return insert(table).values({name: bindparam(prefix + name) for name in columns})


def change_part() -> Insert:
    """The insert of a change row, with the parameters that `change_values` gives."""
    return insert_into(CHANGE, _COLUMNS, "change_")


def change_values(  # the parts of a change row
    call: Call,
    resource: str,
    row: Row,
    event: str,
    changes: Mapping[str, object],
    representation: Mapping[str, object],
) -> Row:
    """Parameters of the change row; a representation over 64 KiB raises InvalidArgument."""
    data = orjson.dumps(representation)
    if len(data) > RECORD_BYTES_MAX:
        raise InvalidArgument("RECORD_TOO_LARGE", "A record may have at most 64 KiB.")
    return {
        "change_tenant_id": row["tenant_id"],
        "change_id": new_id(),
        "change_resource": resource,
        "change_record_id": row["id"],
        "change_version": row["version"],
        "change_event": event,
        "change_actor_id": call.principal.id,
        "change_through": call.through,
        "change_cause_id": call.cause_id,
        "change_request_id": call.request_id,
        "change_traceparent": call.traceparent,
        "change_changes": orjson.dumps(changes).decode(),
        "change_representation": data.decode(),
        "change_lane": LANE_BULK if call.through in BULK else LANE_INTERACTIVE,
        "change_create_time": call.now,
    }


_EVENT = statement(change_part())


async def record_event(  # the parts of an event
    call: Call, tx: Tx, resource: str, event: str, record_id: str, data: Mapping[str, object]
) -> None:
    """Write a change row for something that is no resource (a session); its only version is 1."""
    await record_events(call, tx, resource, event, {record_id: data})


async def record_events(  # the parts of events
    call: Call, tx: Tx, resource: str, event: str, told: Mapping[str, Mapping[str, object]]
) -> None:
    """The same for several; `told` is the data of each by its id."""
    rows = [
        change_values(call, resource, _only_version(call, one), event, {}, data)
        for one, data in told.items()
    ]
    await tx.execute_many(_EVENT, rows)


def _only_version(call: Call, record_id: str) -> Row:
    return {"tenant_id": call.tenant_id, "id": record_id, "version": 1}


async def record_update(  # the parts of a change
    call: Call, tx: Tx, what: str, before: Row, row: Row, data: Row
) -> None:
    """Write the change row of something that is no resource; `what` is "tenant.updated", `row`
    names its tenant, id and new version, `before` and `data` are its representations.
    """
    resource, event = what.split(".")
    values = change_values(call, resource, row, event, differences(before, data), data)
    await tx.execute(_EVENT, values)


def differences(before: Record, after: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """{field: {"from": ..., "to": ...}} of two representations."""
    return {
        name: {"from": before.get(name), "to": value}
        for name, value in after.items()
        if name not in UNTOLD and before.get(name) != value
    }
