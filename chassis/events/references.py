"""Keeps the replica of other services' records: label and a few fields, the newest wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.access.model import Reach
from chassis.access.people import USERS
from chassis.access.place import COMPANY, GRANTEES, OWNED, grantees_in
from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.events.consumer import Handler
from chassis.events.envelope import EnvelopeError, Event, parse_time
from chassis.events.tables import REFERENCE

# Kept of every record that has them, so that references to it can be checked.
SCOPE_FIELDS = (OWNED.owner, OWNED.department, COMPANY)
DELETIONS = frozenset({"deleted", "purged"})

_write = upsert(REFERENCE).values(
    {column.name: bindparam(f"p_{column.name}") for column in REFERENCE.c}
)
_WRITE = statement(
    _write.on_conflict_do_update(
        index_elements=["tenant_id", "resource", "id"],
        set_={name: _write.excluded[name] for name in ("version", "label", "data", "delete_time")},
        where=REFERENCE.c.version < _write.excluded.version,
    )
)


@dataclass(frozen=True, slots=True)
class Projection:
    """What is kept of a resource: its collection, the field that names a record, others."""

    collection: str
    label: str = "name"
    fields: tuple[str, ...] = ()


def reference_handler(projections: Mapping[str, Projection]) -> Handler:
    """A handler of a NEWEST consumer for the resources declared, by name in the singular."""

    async def handle(tx: Tx, events: Sequence[Event]) -> None:
        rows = [
            reference_row(projections[event.resource], event)
            for event in events
            if event.resource in projections
        ]
        await tx.execute_many(_WRITE, rows)

    return handle


def reference_row(projection: Projection, event: Event) -> dict[str, object]:
    """The replica's row of a record as the event tells it."""
    names = (*projection.fields, *SCOPE_FIELDS, GRANTEES)
    kept = {name: event.data[name] for name in names if name in event.data}
    return {
        "p_tenant_id": event.tenant_id,
        "p_resource": projection.collection,
        "p_id": event.record_id,
        "p_version": event.version,
        "p_label": str(event.data.get(projection.label) or ""),
        "p_data": orjson.dumps(kept).decode(),
        "p_delete_time": delete_time(event),
    }


def scope_values(data: Mapping[str, object]) -> tuple[str, str, str, frozenset[str]]:
    """Owner, department and company of a record as the replica keeps it, and who shares in it."""
    owner, department, company = (str(data.get(name) or "") for name in SCOPE_FIELDS)
    return owner, department, company, grantees_in(data)


def in_reach(call: Call, reach: Reach, resource: str, row: Record) -> bool:
    """Whether a reach holds a record with an owner as the replica knows it."""
    owner_id, department_id, company_id, shared = scope_values(orjson.loads(row["data"]))
    if resource == USERS:
        owner_id, company_id = str(row["id"]), call.access.company_at(department_id)
    return reach.covers(owner_id, department_id, company_id, shared)


def delete_time(event: Event) -> datetime | None:
    """When the record was deleted; None while it lives."""
    stated = event.data.get("delete_time")
    if isinstance(stated, str) and stated:
        try:
            return parse_time(stated)
        except EnvelopeError:
            return event.time
    return event.time if event.name in DELETIONS else None
