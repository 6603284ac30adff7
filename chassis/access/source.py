"""Access as a service knows it: from its replica of identity's records, asked at identity when that
is behind.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import grpc
import orjson
import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from chassis.access.model import Access, AccessRecord, build_access
from chassis.call import Principal
from chassis.db.pool import Database, Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import statement
from chassis.errors import Unavailable

SILENCE_MAX_S = 5.0
CATCH_UP_S = 2.0
RENEWALS_AT_ONCE = 4
RENEW_PAUSE_S = 0.05
TENANTS_MAX = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()
_TABLE = chassis_tables(new_metadata())["access_record"]
_ALL = statement(
    select(_TABLE.c.kind, _TABLE.c.id, _TABLE.c.version, _TABLE.c.data).where(
        _TABLE.c.tenant_id == bindparam("tenant_id")
    )
)
_INSERT = insert(_TABLE).values({column.name: bindparam(column.name) for column in _TABLE.c})
_KEEP = statement(
    _INSERT.on_conflict_do_update(
        index_elements=["tenant_id", "kind", "id"],
        set_={"version": _INSERT.excluded.version, "data": _INSERT.excluded.data},
        where=_TABLE.c.version < _INSERT.excluded.version,
    )
)

# tenant -> all records of access at identity
Fetch = Callable[[str], Awaitable[Sequence[AccessRecord]]]


@dataclass(frozen=True, slots=True)
class _Known:
    access: Access
    at: float


class AccessSource:
    """The access of each tenant, in memory; `forget` drops it when identity's feed tells of a
    change.

    Identity is not `replicated`: nobody writes a replica there, so that it asks its own tables.
    """

    def __init__(
        self,
        database: Database,
        fetch: Fetch,
        feed_silent_for_s: Callable[[], float],
        *,
        replicated: bool,
    ) -> None:
        self._database = database
        self._fetch = fetch
        self._silent_for_s = feed_silent_for_s
        self._replicated = replicated
        self._known: dict[str, _Known] = {}
        self._renewing = asyncio.Semaphore(RENEWALS_AT_ONCE)

    async def __call__(self, principal: Principal) -> Access:
        """The access of the principal's tenant, at least as new as his token says."""
        known = self._known.get(principal.tenant_id)
        if known is None or _behind(known.access, principal) or self._stale(known):
            known = await self._load(principal)
        return known.access

    async def renew(self, principal: Principal) -> Access:
        """The access that identity has by now; a few at a time and not at once, so that nobody who
        names people that do not exist keeps identity busy.
        """
        async with self._renewing:
            await asyncio.sleep(RENEW_PAUSE_S)
            known = _Known(_built(await self._fetch(principal.tenant_id)), time.monotonic())
        self._known[principal.tenant_id] = known
        return replace(known.access, renewed=True)

    def forget(self, tenant_id: str) -> None:
        """Read the tenant's access again at its next call, and once more when the
        replica has caught up.

        The feed may be ahead of the consumer that writes the replica.
        """
        self._known.pop(tenant_id, None)
        asyncio.get_running_loop().call_later(CATCH_UP_S, self._known.pop, tenant_id, None)

    def forget_all(self) -> None:
        """Read everything again: events may have been missed."""
        self._known.clear()

    def _stale(self, known: _Known) -> bool:
        """Whether the feed has been silent for so long that what is known may not be trusted."""
        silent = self._silent_for_s()
        return silent > SILENCE_MAX_S and time.monotonic() - known.at > SILENCE_MAX_S

    async def _load(self, principal: Principal) -> _Known:
        tenant_id = principal.tenant_id
        async with self._database.transaction(tenant_id) as tx:
            access = _built(await _stored(tx, tenant_id))
        trusted = self._replicated and self._silent_for_s() <= SILENCE_MAX_S
        if _behind(access, principal) or not trusted:
            access = await self._ask(principal, access)
        if len(self._known) >= TENANTS_MAX:
            self._known.clear()
        known = self._known[tenant_id] = _Known(access, time.monotonic())
        return known

    async def _ask(self, principal: Principal, known: Access) -> Access:
        """Access as identity has it, kept in the replica; what is known while identity is away."""
        tenant_id = principal.tenant_id
        try:
            records = await self._fetch(tenant_id)
        except (grpc.aio.AioRpcError, Unavailable) as error:
            if _behind(known, principal):
                raise Unavailable(
                    "ACCESS_UNKNOWN", "Your rights cannot be checked just now; try again."
                ) from error
            log.warning("identity is away; going on with the rights known", tenant_id=tenant_id)
            return known
        try:
            async with self._database.transaction(tenant_id) as tx:
                await keep_records(tx, tenant_id, records)
                return _built(await _stored(tx, tenant_id))
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            # The consumer writes the same records just now; no call must wait or fail for that.
            return _built(records)


def _behind(access: Access, principal: Principal) -> bool:
    """Whether the replica lacks what the token was issued by.

    Records of one transaction have the same time but come one by one: the version may be there
    before the user or his roles are.
    """
    missing = set(principal.role_ids) - set(access.roles)
    known = principal.id in access.members and not missing
    return access.version < principal.access_version or not known


async def keep_records(tx: Tx, tenant_id: str, records: Sequence[AccessRecord]) -> None:
    """Write records into the replica, each only when newer; in one order, whoever writes."""
    await tx.execute_many(
        _KEEP,
        [
            {
                "tenant_id": tenant_id,
                "kind": record.kind,
                "id": record.id,
                "version": record.version,
                "data": orjson.dumps(record.data).decode(),
            }
            for record in sorted(records, key=lambda one: (one.kind, one.id))
        ],
    )


async def _stored(tx: Tx, tenant_id: str) -> list[AccessRecord]:
    rows = await tx.fetch(_ALL, {"tenant_id": tenant_id})
    return [
        AccessRecord(row["kind"], str(row["id"]), row["version"], orjson.loads(row["data"]))
        for row in rows
    ]


def _built(records: Sequence[AccessRecord]) -> Access:
    return build_access(records, access_version(records))


def access_version(records: Sequence[AccessRecord]) -> int:
    """Microseconds of the latest change of any record."""
    times = (str(record.data.get("update_time") or "") for record in records)
    return max((micros(datetime.fromisoformat(time)) for time in times if time), default=0)


def micros(moment: datetime) -> int:
    """Unix microseconds, exactly."""
    return int((moment - EPOCH) / timedelta(microseconds=1))
