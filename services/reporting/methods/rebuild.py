"""Compares every fact with the opportunity that sales has, and puts right what differs.

It works beside the consumer, page by page, each page with its sums in one transaction: reports
never see a half, and an empty read model is filled in the same way.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import grpc
from sqlalchemy import any_, bindparam, delete, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.db.pool import Database, Tx
from chassis.db.sql import statement
from chassis.events.boot import state_event
from crm.event.v1.change_pb2 import RecordState
from services.reporting.domain.fact import Fact, make_fact
from services.reporting.domain.rollup import differences
from services.reporting.methods.facts import Row, add_sums, fact_row, lock_rollup
from services.reporting.methods.recompute import recompute
from services.reporting.models.opportunity_fact import opportunity_fact as facts

PAGE = 500
# What is younger than the run may be missing in the snapshot.
MARGIN = timedelta(minutes=1)
FIRST, LAST = str(UUID(int=0)), str(UUID(int=2**128 - 1))

# Rows of opportunities after "tenant/id", by tenant and id.
States = Callable[[str], AsyncIterator[RecordState]]

_id = postgresql.UUID(as_uuid=False)
_BETWEEN = statement(
    select(*facts.c).where(
        facts.c.tenant_id == bindparam("tenant_id", type_=_id),
        facts.c.id > bindparam("after", type_=_id),
        facts.c.id <= bindparam("until", type_=_id),
    )
)
_TENANTS = statement(select(facts.c.tenant_id).distinct())
_REMOVE = statement(
    delete(facts).where(
        facts.c.tenant_id == bindparam("tenant_id", type_=_id),
        facts.c.id == any_(bindparam("ids", type_=ARRAY(_id))),
    )
)
_fact = insert(facts).values({column.name: bindparam(column.name) for column in facts.c})
# A fact of the same version may be wrong: that is what this is for.
_WRITE = statement(
    _fact.on_conflict_do_update(
        index_elements=["tenant_id", "id"],
        set_={column.name: _fact.excluded[column.name] for column in facts.c},
        where=facts.c.version <= _fact.excluded.version,
    )
)


@dataclass(slots=True)
class Rebuilt:
    """How many opportunities were compared, facts put right, and facts of nothing removed."""

    compared: int = 0
    repaired: int = 0
    removed: int = 0


async def rebuild(database: Database, states: States) -> Rebuilt:
    """Go through all tenants; what is interrupted is simply run again."""
    run = _Run(database, datetime.now(UTC) - MARGIN, Rebuilt())
    reached: dict[str, str] = {}
    async for tenant_id, page in _pages(_all(states)):
        for one in [one for one in reached if one != tenant_id]:
            await run.finish(one, reached.pop(one))
        await run.compare(tenant_id, page, reached.get(tenant_id, FIRST), page[-1].id)
        reached[tenant_id] = page[-1].id
        run.tenants.add(tenant_id)
    for tenant_id, after in reached.items():
        await run.finish(tenant_id, after)
    async with database.worker() as tx:
        known = {str(row["tenant_id"]) for row in await tx.fetch(_TENANTS, {})}
    for tenant_id in sorted(known - run.tenants):
        await run.finish(tenant_id, FIRST)
    return run.done


@dataclass
class _Run:
    database: Database
    began: datetime
    done: Rebuilt

    def __post_init__(self) -> None:
        self.tenants: set[str] = set()

    async def compare(
        self, tenant_id: str, page: Sequence[RecordState], after: str, until: str
    ) -> None:
        """Make the facts between two ids those of the page."""
        values: Row = {"tenant_id": tenant_id, "after": after, "until": until}
        async with self.database.transaction(tenant_id) as tx:
            await lock_rollup(tx, tenant_id)
            stored = {str(row["id"]): dict(row.items()) for row in await tx.fetch(_BETWEEN, values)}
            changes = await self._write(tx, page, stored)
            changes += await self._remove(tx, tenant_id, stored)
            await add_sums(tx, tenant_id, differences(changes))
        self.done.compared += len(page)

    async def finish(self, tenant_id: str, after: str) -> None:
        """Remove what comes after the last opportunity, and put the sums right as a whole."""
        await self.compare(tenant_id, (), after, LAST)
        async with self.database.transaction(tenant_id) as tx:
            await recompute(tx, tenant_id, check=False)

    async def _write(
        self, tx: Tx, page: Sequence[RecordState], stored: dict[str, Row]
    ) -> list[tuple[Fact | None, Fact | None]]:
        """Write the facts that are missing, old or wrong; what remains in `stored` is nobody's."""
        rows: list[Row] = []
        changes: list[tuple[Fact | None, Fact | None]] = []
        for state in page:
            row = fact_row(state_event("sales", "opportunity", state))
            before = stored.pop(state.id, None)
            newer = before is not None and int(str(before["version"])) > state.version
            if not newer and (before is None or _plain(before) != _plain(row)):
                rows.append(row)
                changes.append((make_fact(before) if before else None, make_fact(row)))
        await tx.execute_many(_WRITE, rows)
        self.done.repaired += len(rows)
        return changes

    async def _remove(
        self, tx: Tx, tenant_id: str, stored: dict[str, Row]
    ) -> list[tuple[Fact | None, Fact | None]]:
        """Remove facts of opportunities that sales has not; tombstones of purged ones stay."""
        old = {
            name: row
            for name, row in stored.items()
            if isinstance(row["create_time"], datetime) and row["create_time"] < self.began
        }
        await tx.execute(_REMOVE, {"tenant_id": tenant_id, "ids": sorted(old)})
        self.done.removed += len(old)
        return [(make_fact(row), None) for row in old.values()]


async def _all(states: States) -> AsyncIterator[RecordState]:
    """All rows; when the deadline of a call ends it, the next goes on from there."""
    after, over = "", False
    while not over:
        try:
            async for state in states(after):
                after = f"{state.tenant_id}/{state.id}"
                yield state
            over = True
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise


async def _pages(
    states: AsyncIterator[RecordState],
) -> AsyncIterator[tuple[str, list[RecordState]]]:
    """At most PAGE rows of one tenant at a time."""
    page: list[RecordState] = []
    async for state in states:
        if page and (len(page) == PAGE or page[0].tenant_id != state.tenant_id):
            yield page[0].tenant_id, page
            page = []
        page.append(state)
    if page:
        yield page[0].tenant_id, page


def _plain(row: Row) -> Row:
    """The row with ids as text, as it is compared."""
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}
