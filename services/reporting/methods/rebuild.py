"""Builds the facts anew from what sales has, beside those that reports read, and takes them over:
a tenant's facts and sums in one transaction. Events go on meanwhile, and a fact that one has made
newer stays. What a killed run leaves behind is cleared by the next one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import grpc
from sqlalchemy import and_, any_, bindparam, delete, func, literal_column, or_, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert

from chassis.db.pool import Database, Tx
from chassis.db.sql import statement
from chassis.errors import FailedPrecondition
from chassis.events.boot import state_event
from chassis.events.leader import leadership
from crm.event.v1.change_pb2 import RecordState
from services.reporting.methods.facts import fact_row, lock_rollup
from services.reporting.methods.recompute import recompute
from services.reporting.models.opportunity_fact import opportunity_fact as facts
from services.reporting.models.opportunity_fact import rebuilt_fact as rebuilt

LOCK_NAME = "crm-reporting-rebuild"
PAGE = 500
# How many facts one statement compares or clears, so that it ends within its 5 s.
PIECE = 20_000
TOLD_EVERY = 5_000
# What is younger than the run may be missing in the snapshot.
MARGIN = timedelta(minutes=1)
FIRST, LAST = str(UUID(int=0)), str(UUID(int=2**128 - 1))
# How often in a row sales may be away, and how long each time.
AWAY_MAX, AWAY_S = 60, 1.0
AWAY = frozenset({grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE})

# Rows of opportunities after "tenant/id", by tenant and id.
States = Callable[[str], AsyncIterator[RecordState]]
Tell = Callable[[str], None]

_id = postgresql.UUID(as_uuid=False)
_of_tenant = bindparam("tenant_id", type_=_id)
_after, _until = bindparam("after", type_=_id), bindparam("until", type_=_id)
_NAMES = tuple(column.name for column in facts.c)
_same = and_(rebuilt.c.tenant_id == facts.c.tenant_id, rebuilt.c.id == facts.c.id)
_ALIVE = statement(select(literal_column("1")))
_COUNT = statement(select(func.count().label("facts")).select_from(facts))
_TENANTS = statement(select(facts.c.tenant_id).distinct())
_LEFT = statement(select(rebuilt.c.tenant_id).distinct())
_ADD = statement(
    insert(rebuilt)
    .values({name: bindparam(name) for name in _NAMES})
    .on_conflict_do_nothing(index_elements=["tenant_id", "id"])
)
_piece = (
    select(rebuilt.c.id).where(rebuilt.c.tenant_id == _of_tenant).limit(literal_column(f"{PIECE}"))
)
_CLEAR = statement(
    delete(rebuilt).where(
        rebuilt.c.tenant_id == _of_tenant,
        rebuilt.c.id == any_(func.array(_piece.scalar_subquery())),
    )
)
# Consumers wait for the tenant's turn, so this may take longer than a request.
_PATIENCE = statement(
    text(
        "SELECT set_config('transaction_timeout', '5min', true),"
        " set_config('statement_timeout', '7s', true), set_config('lock_timeout', '7s', true)"
    )
)
_wanted = (
    select(*rebuilt.c)
    .select_from(rebuilt.outerjoin(facts, _same))
    .where(
        rebuilt.c.tenant_id == _of_tenant,
        rebuilt.c.id > _after,
        rebuilt.c.id <= _until,
        or_(
            facts.c.id.is_(None),
            # A fact of the same version may be wrong: that is what this is for.
            and_(
                facts.c.version <= rebuilt.c.version,
                or_(*(facts.c[name].is_distinct_from(rebuilt.c[name]) for name in _NAMES[2:])),
            ),
        ),
    )
)
_taken = insert(facts).from_select(_NAMES, _wanted)
_TAKE_OVER = statement(
    _taken.on_conflict_do_update(
        index_elements=["tenant_id", "id"],
        set_={name: _taken.excluded[name] for name in _NAMES[2:]},
    )
)
# Tombstones of purged opportunities have no create_time, and stay.
_REMOVE = statement(
    delete(facts).where(
        facts.c.tenant_id == _of_tenant,
        facts.c.id > _after,
        facts.c.id <= _until,
        facts.c.create_time < bindparam("began"),
        ~select(literal_column("1")).where(_same).correlate(facts).exists(),
    )
)


def _silent(_line: str) -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class Rebuilt:
    """How many opportunities were compared, facts put right, and facts of nothing removed."""

    compared: int = 0
    repaired: int = 0
    removed: int = 0


async def rebuild(database: Database, states: States, tell: Tell = _silent) -> Rebuilt:
    """Rebuild all tenants, telling how far it is; FailedPrecondition when another one is at it."""
    async with leadership(database, LOCK_NAME) as lead:
        if lead is None:
            raise FailedPrecondition("REBUILD_RUNNING", "Another rebuild is at work: wait for it.")
        run = _Run(database, lead, tell)
        await run.begin()
        tenants: set[str] = set()
        tenant_id = ""
        async for page_tenant, page in _pages(_all(states)):
            if tenant_id not in ("", page_tenant):
                await run.take_over(tenant_id)
            tenant_id = page_tenant
            tenants.add(tenant_id)
            await run.add(tenant_id, page)
        # Of tenants that sales does not know all facts are nobody's.
        known = {str(row["tenant_id"]) for row in await lead.fetch(_TENANTS, {})}
        for one in sorted({tenant_id} - {""} | (known - tenants)):
            await run.take_over(one)
        return run.done


@dataclass
class _Run:
    database: Database
    lead: Tx
    tell: Tell
    began: datetime = field(default_factory=lambda: datetime.now(UTC) - MARGIN)
    done: Rebuilt = field(default_factory=Rebuilt)
    # Where the pieces of the tenant end that is being built.
    ends: list[str] = field(default_factory=list)
    built: int = 0
    expected: int = 0

    async def begin(self) -> None:
        """Clear what a killed run has left, and see how much there will be."""
        for row in await self.lead.fetch(_LEFT, {}):
            await self._clear(str(row["tenant_id"]))
        counted = await self.lead.fetch_row(_COUNT, {})
        self.expected = counted["facts"] if counted else 0

    async def add(self, tenant_id: str, page: Sequence[RecordState]) -> None:
        """Build the facts of a page; nobody reads them yet."""
        rows = [fact_row(state_event("sales", "opportunity", state)) for state in page]
        async with self.database.transaction(tenant_id) as tx:
            await tx.execute_many(_ADD, rows)
        before, self.built = self.built, self.built + len(page)
        if before // PIECE != self.built // PIECE:
            self.ends.append(page[-1].id)
        told, self.done.compared = self.done.compared, self.done.compared + len(page)
        if told // TOLD_EVERY != self.done.compared // TOLD_EVERY:
            self.tell(f"{self.done.compared} of about {self.expected}")

    async def take_over(self, tenant_id: str) -> None:
        """Make the tenant's facts and sums those that were built, in one transaction."""
        await self.lead.fetch(_ALIVE, {})  # whoever has lost the lock fails here
        async with self.database.transaction(tenant_id) as tx:
            await tx.fetch(_PATIENCE, {})
            await lock_rollup(tx, tenant_id)
            after = FIRST
            for until in (*self.ends, LAST):
                piece = {"tenant_id": tenant_id, "after": after, "until": until}
                repaired = await tx.execute(_TAKE_OVER, piece)
                removed = await tx.execute(_REMOVE, {**piece, "began": self.began})
                self.done.repaired += repaired
                self.done.removed += removed
                after = until
            await recompute(tx, tenant_id, check=False)
        await self._clear(tenant_id)
        self.ends, self.built = [], 0

    async def _clear(self, tenant_id: str) -> None:
        left = PIECE
        while left:
            async with self.database.transaction(tenant_id) as tx:
                left = await tx.execute(_CLEAR, {"tenant_id": tenant_id})


async def _all(states: States) -> AsyncIterator[RecordState]:
    """All rows; when the deadline of a call or a restart of sales ends it, the next goes on."""
    after, away = "", 0
    while True:
        try:
            async for state in states(after):
                after, away = f"{state.tenant_id}/{state.id}", 0
                yield state
            return
        except grpc.aio.AioRpcError as error:
            away += 1
            if error.code() not in AWAY or away > AWAY_MAX:
                raise
        await asyncio.sleep(AWAY_S if away > 1 else 0)


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
