"""The outbox: changes not published yet, taken fairly by tenant, marked when they are."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    SmallInteger,
    any_,
    bindparam,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.place import GRANTEES
from chassis.db.pool import Record, Tx
from chassis.db.schema import LANE_BULK, LANE_INTERACTIVE
from chassis.db.sql import statement
from chassis.events.audit import RELAY
from chassis.events.envelope import Change, Message
from chassis.events.ledger import PARK, parked_row
from chassis.events.tables import CHANGE
from chassis.shares.reach import grantees_of

BATCH_MAX = 500
# However busy people are, imports go on.
BULK_SHARE_MIN = 100
TENANTS_MAX = 64
NO_TENANT = "00000000-0000-0000-0000-000000000000"
_IDS = ARRAY(UUID(as_uuid=False))
# The dataclass is the list of what is read.
COLUMNS: tuple[ColumnElement[object], ...] = (
    *(CHANGE.c[name] for name in Change.__slots__ if name != GRANTEES),
    grantees_of(CHANGE, CHANGE.c.resource, CHANGE.c.record_id),
)


def _pending(lane: ColumnElement[int]) -> ColumnElement[bool]:
    return CHANGE.c.publish_time.is_(None) & (CHANGE.c.lane == lane)


def _tenants() -> Select[tuple[str]]:
    """Tenants with something pending: one step of the index per tenant, however much each has."""
    lane: ColumnElement[int] = bindparam("lane", type_=SmallInteger)

    def following(after: ColumnElement[str]) -> ColumnElement[str]:
        return (
            select(CHANGE.c.tenant_id)
            .where(_pending(lane), CHANGE.c.tenant_id > after)
            .order_by(CHANGE.c.tenant_id)
            .limit(1)
            .scalar_subquery()
        )

    start = bindparam("after", type_=UUID(as_uuid=False))
    walk = select(following(start).label("tenant_id")).cte("tenant", recursive=True)
    step = select(following(walk.c.tenant_id)).where(walk.c.tenant_id.is_not(None))
    found = walk.union_all(step)
    return select(found.c.tenant_id).where(found.c.tenant_id.is_not(None)).limit(TENANTS_MAX)


def _take() -> Select[tuple[object, ...]]:
    tenant = (
        func.unnest(bindparam("tenants", type_=_IDS))
        .table_valued("id")
        .render_derived(name="tenant")
    )
    rows = (
        select(*COLUMNS)
        .where(_pending(bindparam("lane", type_=SmallInteger)), CHANGE.c.tenant_id == tenant.c.id)
        .order_by(CHANGE.c.seq)
        .limit(bindparam("share"))
        .lateral("pending")
    )
    return select(*rows.c).select_from(tenant.join(rows, true()))


TENANTS = statement(_tenants())
TAKE = statement(_take())
# Older changes of the same records that wait in the bulk lane: they go first.
TAKE_OLDER = statement(
    select(*COLUMNS)
    .where(
        CHANGE.c.publish_time.is_(None),
        CHANGE.c.lane == LANE_BULK,
        CHANGE.c.tenant_id == bindparam("tenant"),
        CHANGE.c.record_id == any_(bindparam("records", type_=_IDS)),
    )
    .order_by(CHANGE.c.seq)
    .limit(BATCH_MAX)
)
MARK = statement(
    update(CHANGE)
    .values(publish_time=bindparam("now"))
    .where(
        _pending(bindparam("of_lane", type_=SmallInteger)),
        CHANGE.c.tenant_id == bindparam("of_tenant"),
        CHANGE.c.seq == any_(bindparam("seqs", type_=ARRAY(BigInteger))),
    )
)
OLDEST = statement(
    select(CHANGE.c.create_time)
    .where(
        _pending(bindparam("lane", type_=SmallInteger)), CHANGE.c.tenant_id == bindparam("tenant")
    )
    .order_by(CHANGE.c.seq)
    .limit(1)
)


class Outbox:
    """Reads and marks on the leader's connection, remembering which tenants had their turn."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._after = {LANE_INTERACTIVE: NO_TENANT, LANE_BULK: NO_TENANT}

    async def take(self) -> list[Change]:
        """The next changes, each record's versions in order; empty when nothing is pending."""
        urgent = await self._tenants(LANE_INTERACTIVE)
        bulk = await self._tenants(LANE_BULK)
        room = BATCH_MAX - (BULK_SHARE_MIN if bulk else 0)
        first = await self._rows(LANE_INTERACTIVE, urgent, room) if urgent else []
        older = await self._older(first, set(bulk)) if first and bulk else []
        rest = BATCH_MAX - len(first)
        second = await self._rows(LANE_BULK, bulk, rest) if bulk else []
        return _merge(first, older, second)

    async def mark(self, changes: Iterable[Change], now: datetime) -> None:
        """Remember that these are published."""
        groups: dict[tuple[int, str], list[int]] = {}
        for change in changes:
            groups.setdefault((change.lane, change.tenant_id), []).append(change.seq)
        values = [
            {"of_lane": lane, "of_tenant": tenant, "seqs": seqs, "now": now}
            for (lane, tenant), seqs in groups.items()
        ]
        await self._tx.execute_many(MARK, values)

    async def park(self, refused: Sequence[tuple[Message, str]], now: datetime) -> None:
        """Keep what the broker refuses for itself where a person finds it, and go on without it."""
        async with self._tx.connection.transaction():
            rows = [
                parked_row(RELAY, message.change, message.headers, message.data, reason)
                for message, reason in refused
            ]
            await self._tx.execute_many(PARK, rows)
            await self.mark([message.change for message, _reason in refused], now)

    async def oldest(self) -> datetime | None:
        """When the oldest pending change was made, of the tenants that are served next."""
        times = []
        for lane in (LANE_INTERACTIVE, LANE_BULK):
            for tenant in await self._tx.fetch(TENANTS, {"lane": lane, "after": NO_TENANT}):
                values = {"lane": lane, "tenant": tenant["tenant_id"]}
                row = await self._tx.fetch_row(OLDEST, values)
                times += [row["create_time"]] if row else []
        return min(times, default=None)

    async def _tenants(self, lane: int) -> list[str]:
        found = await self._tx.fetch(TENANTS, {"lane": lane, "after": self._after[lane]})
        if not found and self._after[lane] != NO_TENANT:
            found = await self._tx.fetch(TENANTS, {"lane": lane, "after": NO_TENANT})
        tenants = [str(row["tenant_id"]) for row in found]
        # Only when there are more than fit does the walk go on behind them next time.
        self._after[lane] = tenants[-1] if len(tenants) == TENANTS_MAX else NO_TENANT
        return tenants

    async def _rows(self, lane: int, tenants: list[str], room: int) -> list[Change]:
        share = max(1, room // len(tenants))
        rows = await self._tx.fetch(TAKE, {"lane": lane, "tenants": tenants, "share": share})
        return [change_of(row) for row in rows]

    async def _older(self, first: list[Change], bulk: set[str]) -> list[Change]:
        records: dict[str, set[str]] = {}
        for change in first:
            if change.tenant_id in bulk:
                records.setdefault(change.tenant_id, set()).add(change.record_id)
        older: list[Change] = []
        for tenant, ids in records.items():
            rows = await self._tx.fetch(TAKE_OLDER, {"tenant": tenant, "records": sorted(ids)})
            older += [change_of(row) for row in rows]
        return older


def _merge(first: list[Change], older: list[Change], second: list[Change]) -> list[Change]:
    """Interactive changes and what they wait for, in the order they were made, then the rest."""
    urgent = sorted([*first, *older], key=lambda change: change.seq)
    taken = {change.id for change in urgent}
    return [*urgent, *(change for change in second if change.id not in taken)]


def change_of(row: Record) -> Change:
    """The change in a row that has its columns."""
    values = dict(row.items())
    for name in ("tenant_id", "id", "record_id"):
        values[name] = str(values[name])
    values[GRANTEES] = tuple(map(str, values[GRANTEES]))
    return Change(**values)
