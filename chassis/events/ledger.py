"""What a consumer remembers in its database: seen events, last versions, parked messages."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import orjson
from sqlalchemy import BigInteger, ColumnElement, Table, Text, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.events.envelope import Change, Event, Record, from_message
from chassis.events.tables import INBOX, PARKED, POSITION

_IDS = ARRAY(UUID(as_uuid=False))
_TENANT = bindparam("tenant", type_=UUID(as_uuid=False))
_CONSUMER = bindparam("consumer", type_=Text())
_RESOURCES = bindparam("resources", type_=ARRAY(Text))
_RECORDS = bindparam("records", type_=_IDS)


def _of_records(table: Table) -> ColumnElement[bool]:
    return (
        (table.c.tenant_id == _TENANT)
        & (table.c.consumer == _CONSUMER)
        & (table.c.resource == any_(_RESOURCES))
        & (table.c.record_id == any_(_RECORDS))
    )


_REMEMBER = statement(
    upsert(INBOX)
    .from_select(
        ["tenant_id", "consumer", "event_id", "create_time"],
        select(
            _TENANT, _CONSUMER, func.unnest(bindparam("events", type_=_IDS)),
            bindparam("now", type_=INBOX.c.create_time.type),
        ),
    )
    .on_conflict_do_nothing()
    .returning(INBOX.c.event_id)
)  # fmt: skip
_POSITIONS = statement(
    select(POSITION.c.resource, POSITION.c.record_id, POSITION.c.version).where(
        _of_records(POSITION)
    )
)
_advance = upsert(POSITION).from_select(
    ["tenant_id", "consumer", "resource", "record_id", "version"],
    select(
        _TENANT,
        _CONSUMER,
        func.unnest(_RESOURCES),
        func.unnest(_RECORDS),
        func.unnest(bindparam("versions", type_=ARRAY(BigInteger))),
    ),
)
_ADVANCE = statement(
    _advance.on_conflict_do_update(
        index_elements=["tenant_id", "consumer", "resource", "record_id"],
        set_={"version": _advance.excluded.version},
        where=POSITION.c.version < _advance.excluded.version,
    )
)
_FROZEN = statement(
    select(PARKED.c.resource, PARKED.c.record_id).distinct().where(_of_records(PARKED))
)
_RELEASE = statement(
    delete(PARKED)
    .where(_of_records(PARKED))
    .returning(PARKED.c.event_id, PARKED.c.version, PARKED.c.headers, PARKED.c.data)
)
PARK = statement(
    upsert(PARKED)
    .values({column.name: bindparam(f"p_{column.name}") for column in PARKED.c})
    .on_conflict_do_nothing()
)


class Ledger:
    """One consumer's memory inside one tenant's transaction."""

    def __init__(self, tx: Tx, tenant_id: str, consumer: str) -> None:
        self._tx = tx
        self._of = {"tenant": tenant_id, "consumer": consumer}

    async def remember(self, events: Sequence[Event]) -> list[Event]:
        """Those of the events that were never seen, each once; from now on they were."""
        values = {**self._of, "events": sorted({e.id for e in events}), "now": datetime.now(UTC)}
        fresh = {str(row["event_id"]) for row in await self._tx.fetch(_REMEMBER, values)}
        return list({event.id: event for event in events if event.id in fresh}.values())

    async def positions(self, events: Iterable[Event]) -> dict[Record, int]:
        """The last version applied of each record that has one."""
        rows = await self._tx.fetch(_POSITIONS, {**self._of, **_records(events)})
        tenant = self._of["tenant"]
        return {(tenant, row["resource"], str(row["record_id"])): row["version"] for row in rows}

    async def advance(self, events: Iterable[Event]) -> None:
        """Remember the versions applied; never backwards."""
        # Sorted by record, so that two processes lock rows in the same order.
        newest = dict(sorted((event.record, event.version) for event in events))
        values = {
            **self._of,
            "resources": [resource for _tenant, resource, _record in newest],
            "records": [record for _tenant, _resource, record in newest],
            "versions": list(newest.values()),
        }
        await self._tx.execute(_ADVANCE, values)

    async def frozen(self, events: Iterable[Event]) -> set[Record]:
        """The records that have parked messages: theirs are parked too, in order."""
        rows = await self._tx.fetch(_FROZEN, {**self._of, **_records(events)})
        return {(self._of["tenant"], row["resource"], str(row["record_id"])) for row in rows}

    async def park(self, events: Iterable[Event], reasons: Mapping[str, str]) -> None:
        """Keep events for a person, with a reason by event id."""
        consumer = self._of["consumer"]
        rows = [
            parked_row(
                consumer,
                event,
                event.headers,
                orjson.dumps(event.data),
                reasons.get(event.id, "record frozen"),
            )
            for event in events
        ]
        await self._tx.execute_many(PARK, rows)

    async def release(self, resource: str, record_id: str) -> list[Event]:
        """The parked events of a record in order, parked no more."""
        values = {**self._of, "resources": [resource], "records": [record_id]}
        rows = await self._tx.fetch(_RELEASE, values)
        rows.sort(key=lambda row: (row["version"], str(row["event_id"])))
        return [from_message(orjson.loads(r["headers"]), r["data"].encode()) for r in rows]


def parked_row(
    consumer: str, of: Event | Change, headers: Mapping[str, str], data: bytes, reason: str
) -> dict[str, object]:
    """The values of PARK for an event that is kept for a person."""
    return {
        "p_tenant_id": of.tenant_id,
        "p_consumer": consumer,
        "p_event_id": of.id,
        "p_resource": of.resource,
        "p_record_id": of.record_id,
        "p_version": of.version,
        "p_headers": orjson.dumps(dict(headers)).decode(),
        "p_data": data.decode(),
        "p_reason": reason,
        "p_create_time": datetime.now(UTC),
    }


def _records(events: Iterable[Event]) -> dict[str, object]:
    records = {event.record for event in events}
    return {
        "resources": sorted({resource for _tenant, resource, _record in records}),
        "records": sorted({record for _tenant, _resource, record in records}),
    }
