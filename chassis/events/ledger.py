"""What a consumer remembers in its database: seen events, last versions, parked messages."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import orjson
from sqlalchemy import BigInteger, Text, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.events.delivery import Unreadable
from chassis.events.envelope import Event, from_message, headers_of
from chassis.events.ordering import Record
from chassis.events.tables import INBOX, PARKED, POSITION
from chassis.ids import is_id

NO_RECORD = "00000000-0000-0000-0000-000000000000"

_IDS = ARRAY(UUID(as_uuid=False))
_TENANT = bindparam("tenant", type_=UUID(as_uuid=False))
_CONSUMER = bindparam("consumer", type_=Text())

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
_SEEN = statement(
    select(INBOX.c.event_id).where(
        INBOX.c.tenant_id == _TENANT,
        INBOX.c.consumer == _CONSUMER,
        INBOX.c.event_id == any_(bindparam("events", type_=_IDS)),
    )
)
_POSITIONS = statement(
    select(POSITION.c.resource, POSITION.c.record_id, POSITION.c.version).where(
        POSITION.c.tenant_id == _TENANT,
        POSITION.c.consumer == _CONSUMER,
        POSITION.c.resource == any_(bindparam("resources", type_=ARRAY(Text))),
        POSITION.c.record_id == any_(bindparam("records", type_=_IDS)),
    )
)
_advance = upsert(POSITION).from_select(
    ["tenant_id", "consumer", "resource", "record_id", "version"],
    select(
        _TENANT,
        _CONSUMER,
        func.unnest(bindparam("resources", type_=ARRAY(Text))),
        func.unnest(bindparam("records", type_=_IDS)),
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
    select(PARKED.c.resource, PARKED.c.record_id)
    .distinct()
    .where(
        PARKED.c.tenant_id == _TENANT,
        PARKED.c.consumer == _CONSUMER,
        PARKED.c.resource == any_(bindparam("resources", type_=ARRAY(Text))),
        PARKED.c.record_id == any_(bindparam("records", type_=_IDS)),
    )
)
_PARK = statement(
    upsert(PARKED)
    .values({column.name: bindparam(f"p_{column.name}") for column in PARKED.c})
    .on_conflict_do_nothing()
)
_PARKED_OF_RECORD = statement(
    select(PARKED.c.event_id, PARKED.c.headers, PARKED.c.data)
    .where(
        PARKED.c.tenant_id == _TENANT,
        PARKED.c.consumer == _CONSUMER,
        PARKED.c.resource == bindparam("resource"),
        PARKED.c.record_id == bindparam("record", type_=UUID(as_uuid=False)),
    )
    .order_by(PARKED.c.version, PARKED.c.event_id)
    .with_for_update()
)
_RELEASE = statement(
    delete(PARKED).where(
        PARKED.c.tenant_id == _TENANT,
        PARKED.c.consumer == _CONSUMER,
        PARKED.c.event_id == any_(bindparam("events", type_=_IDS)),
    )
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
        once: list[Event] = []
        for event in events:
            if event.id in fresh:
                fresh.discard(event.id)
                once.append(event)
        return once

    async def seen(self, ids: Iterable[str]) -> set[str]:
        """Those of the event ids that were applied before."""
        rows = await self._tx.fetch(_SEEN, {**self._of, "events": list(ids)})
        return {str(row["event_id"]) for row in rows}

    async def positions(self, events: Iterable[Event]) -> dict[Record, int]:
        """The last version applied of each record that has one."""
        rows = await self._tx.fetch(_POSITIONS, {**self._of, **_records(events)})
        tenant = self._of["tenant"]
        return {(tenant, row["resource"], str(row["record_id"])): row["version"] for row in rows}

    async def advance(self, events: Sequence[Event]) -> None:
        """Remember the versions applied; never backwards."""
        newest = {event.record: event.version for event in sorted(events, key=_place)}
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
        now = datetime.now(UTC)
        rows = [
            self._parked(event, reasons.get(event.id, "record frozen"), now) for event in events
        ]
        await self._tx.execute_many(_PARK, rows)

    async def park_unreadable(self, message: Unreadable) -> None:
        """Keep a message that is no event, as well as it can be told."""
        headers = message.message.headers or {}
        tokens = message.message.subject.split(".")
        try:
            data = orjson.loads(message.message.data)
        except orjson.JSONDecodeError:
            data = {"base64": b64encode(message.message.data).decode()}
        stated = headers.get("ce-id", "")
        place = f"{message.message.metadata.stream}/{message.message.metadata.sequence.stream}"
        row = {
            "p_tenant_id": message.tenant_id,
            "p_consumer": self._of["consumer"],
            "p_event_id": stated if is_id(stated) else str(uuid5(NAMESPACE_URL, place)),
            "p_resource": tokens[4] if len(tokens) > 4 else "",
            "p_record_id": NO_RECORD,
            "p_version": 0,
            "p_headers": orjson.dumps(headers).decode(),
            "p_data": orjson.dumps(data).decode(),
            "p_reason": f"unreadable: {message.reason}",
            "p_create_time": datetime.now(UTC),
        }
        await self._tx.execute_many(_PARK, [row])

    async def parked(self, resource: str, record_id: str) -> list[Event]:
        """The parked events of a record in order, locked."""
        values = {**self._of, "resource": resource, "record": record_id}
        rows = await self._tx.fetch(_PARKED_OF_RECORD, values)
        return [from_message(orjson.loads(r["headers"]), r["data"].encode()) for r in rows]

    async def release(self, events: Iterable[Event]) -> None:
        """Forget that these were parked."""
        ids = [event.id for event in events]
        await self._tx.execute(_RELEASE, {**self._of, "events": ids})

    def _parked(self, event: Event, reason: str, now: datetime) -> dict[str, object]:
        return {
            "p_tenant_id": event.tenant_id,
            "p_consumer": self._of["consumer"],
            "p_event_id": event.id,
            "p_resource": event.resource,
            "p_record_id": event.record_id,
            "p_version": event.version,
            "p_headers": orjson.dumps(headers_of(event)).decode(),
            "p_data": orjson.dumps(event.data).decode(),
            "p_reason": reason,
            "p_create_time": now,
        }


def _records(events: Iterable[Event]) -> dict[str, object]:
    records = {event.record for event in events}
    return {
        "resources": sorted({resource for _tenant, resource, _record in records}),
        "records": sorted({record for _tenant, _resource, record in records}),
    }


def _place(event: Event) -> tuple[Record, int]:
    """Sorted by record, so that two processes lock rows in the same order."""
    return event.record, event.version
