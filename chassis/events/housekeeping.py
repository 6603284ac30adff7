"""Clears what has had its time: idempotency keys, inbox entries, old representations."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Table, bindparam, delete, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from chassis.db.pool import Database
from chassis.db.sql import Statement, statement
from chassis.events.tables import CHANGE, IDEMPOTENCY, INBOX

BATCH = 1000
BATCHES_MAX = 200
IDEMPOTENCY_KEPT = timedelta(hours=24)
INBOX_KEPT = timedelta(days=30)
REPLAY_WINDOW = timedelta(days=30)
# Representations are dropped in slices of time, so that the index by time bounds each statement.
SLICE = timedelta(hours=1)
LOOK_BACK = timedelta(days=3)


def _purge(table: Table) -> Statement:
    key = tuple_(*table.primary_key.columns)
    old = (
        select(*table.primary_key.columns)
        .where(table.c.create_time < bindparam("before"))
        .order_by(table.c.create_time)
        .limit(BATCH)
    )
    return statement(delete(table).where(key.in_(old)))


def _slice() -> ColumnElement[bool]:
    return (
        (CHANGE.c.create_time >= bindparam("since"))
        & (CHANGE.c.create_time < bindparam("before"))
        & CHANGE.c.representation.is_not(None)
        & CHANGE.c.publish_time.is_not(None)
    )


_PURGE_IDEMPOTENCY = _purge(IDEMPOTENCY)
_PURGE_INBOX = _purge(INBOX)
_key = (CHANGE.c.tenant_id, CHANGE.c.id, CHANGE.c.create_time)
_DROP = statement(
    update(CHANGE)
    .values(representation=None)
    .where(_slice(), tuple_(*_key).in_(select(*_key).where(_slice()).limit(BATCH)))
)


async def purge_idempotency(database: Database, now: datetime) -> int:
    """Forget idempotency keys older than 24 hours; how many, at most 200,000 a run."""
    return await _repeat(database, _PURGE_IDEMPOTENCY, {"before": now - IDEMPOTENCY_KEPT})


async def purge_inbox(database: Database, now: datetime) -> int:
    """Forget seen events older than 30 days; how many, at most 200,000 a run."""
    return await _repeat(database, _PURGE_INBOX, {"before": now - INBOX_KEPT})


async def drop_representations(
    database: Database, now: datetime, look_back: timedelta = LOOK_BACK
) -> int:
    """Drop the representations that left the replay window within `look_back`; how many changes.

    From and to stay. Run it more often than `look_back`, or with a longer one after a pause.
    """
    end = now - REPLAY_WINDOW
    since, count = end - look_back, 0
    while since < end:
        before = min(since + SLICE, end)
        count += await _repeat(database, _DROP, {"since": since, "before": before})
        since = before
    return count


async def _repeat(database: Database, run: Statement, values: Mapping[str, object]) -> int:
    count = 0
    for _ in range(BATCHES_MAX):
        async with database.worker() as tx:
            done = await tx.execute(run, values)
        count += done
        if done < BATCH:
            break
    return count
