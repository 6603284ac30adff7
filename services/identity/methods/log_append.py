"""Writes events into the operation log, each tenant's in one chain."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import unquote

import orjson
from sqlalchemy import JSON, BigInteger, Text, bindparam, column, func, insert, select, update
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import DateTime

from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.disclosure import RESOURCE as SENSITIVE
from chassis.events.envelope import Event
from chassis.ids import is_id
from services.identity.domain.log_chain import GENESIS, chain_hash, personal_hash
from services.identity.models.log import log_entry, log_head

# The first entries of a log are signed at once.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT_MAX = 200
FIELDS_MAX = 200
_TENANT = bindparam("tenant", type_=UUID(as_uuid=False))
_NOW = bindparam("now", type_=DateTime(timezone=True))
_first = upsert(log_head).values(
    tenant_id=_TENANT, sequence=0, hash=GENESIS, create_time=_NOW,
    root_sequence=0, root_hash=GENESIS, root_time=EPOCH,
)  # fmt: skip
# Makes the head if there is none, and locks it either way.
_LOCK = statement(
    _first.on_conflict_do_update(
        index_elements=["tenant_id"], set_={"sequence": log_head.c.sequence}
    ).returning(log_head.c.sequence, log_head.c.hash, log_head.c.create_time)
)
_NAMES = [each.name for each in log_entry.c]
_rows = func.json_to_recordset(bindparam("rows", type_=JSON)).table_valued(
    *[column(each.name, each.type) for each in log_entry.c]
)
_INSERT = statement(
    insert(log_entry).from_select(_NAMES, select(_rows.render_derived("row", with_types=True)))
)
_ADVANCE = statement(
    update(log_head)
    .values(
        sequence=bindparam("last", type_=BigInteger),
        hash=bindparam("last_hash", type_=Text),
        create_time=_NOW,
    )
    .where(log_head.c.tenant_id == _TENANT)
)


async def append_events(tx: Tx, events: Sequence[Event]) -> None:
    """Append a tenant's events; whoever else appends to its log waits until this is committed."""
    tenant_id, now = events[0].tenant_id, datetime.now(UTC)
    head = await tx.fetch_row(_LOCK, {"tenant": tenant_id, "now": now})
    assert head is not None
    now, previous = max(now, head["create_time"]), str(head["hash"])
    rows = []
    for sequence, event in enumerate(events, head["sequence"] + 1):
        row = {**entry_of(event), "sequence": sequence, "create_time": now}
        previous = row["hash"] = chain_hash(previous, row)
        rows.append(row)
    await tx.execute(_INSERT, {"rows": orjson.dumps(rows).decode()})
    values = {"tenant": tenant_id, "last": rows[-1]["sequence"], "last_hash": previous, "now": now}
    await tx.execute(_ADVANCE, values)


def entry_of(event: Event) -> dict[str, object]:
    """What the log says of an event: who, what, where, the names of changed or
    read fields, no values.
    """
    told = event.data.get("fields" if event.resource == SENSITIVE else "changes")
    fields = map(str, told) if isinstance(told, dict | list) else ()
    salt, label, ip = secrets.token_hex(16), _text(event.data.get("name")), ""
    detail = ""
    if (event.service, event.resource) == ("identity", "session"):
        detail, ip = _text(event.data.get("detail")), _text(event.data.get("ip"))
    return {
        "tenant_id": event.tenant_id,
        "id": event.id,
        "time": event.time,
        "actor_id": event.actor_id,
        "actor_kind": _actor_kind(event),
        "action": f"crm.{event.service}.v1.{event.resource}.{event.name}",
        "service": event.service,
        "resource": event.resource,
        "record_id": event.record_id,
        "record_version": event.version,
        "changed_fields": sorted(fields)[:FIELDS_MAX],
        "through": event.through,
        "cause_id": event.cause_id,
        "request_id": unquote(event.headers.get("ce-correlationid", "")),
        "detail": detail,
        "label": label,
        "ip": ip,
        "salt": salt,
        "personal_hash": personal_hash(salt, label, ip),
    }


def _actor_kind(event: Event) -> str:
    if event.name == "refused" and event.resource == "session":
        return "ANONYMOUS"
    if event.through == "integration":
        return "CLIENT"
    return "USER" if is_id(event.actor_id) else "SERVICE"


def _text(value: object) -> str:
    return value[:TEXT_MAX].replace("\0", "") if isinstance(value, str) else ""
