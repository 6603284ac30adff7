"""Counts failed attempts in the database, so that all replicas know; each counts before it is made,
so that many at a time are no way around.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import bindparam, delete, func, update
from sqlalchemy.dialects.postgresql import insert

from chassis.db.pool import Database, Tx
from chassis.db.sql import statement
from services.identity.domain.attempt import FREE_FAILURES, NO_TENANT, Failures, begin, line_of
from services.identity.models.attempt import attempt

_KEY = (attempt.c.tenant_id == NO_TENANT, attempt.c.key_hash == bindparam("key"))
_LOCK = statement(
    insert(attempt)
    .values(
        tenant_id=NO_TENANT,
        key_hash=bindparam("key"),
        failures=0,
        last_time=bindparam("now"),
    )
    .on_conflict_do_update(
        index_elements=["tenant_id", "key_hash"], set_={"failures": attempt.c.failures}
    )
    .returning(attempt.c.failures, attempt.c.last_time)
)
_COUNT = statement(
    update(attempt).values(failures=bindparam("count"), last_time=bindparam("now")).where(*_KEY)
)
_FORGIVE = statement(
    update(attempt).values(failures=func.greatest(attempt.c.failures - 1, 0)).where(*_KEY)
)
_FORGET = statement(delete(attempt).where(*_KEY))


@dataclass(frozen=True, slots=True)
class Key:
    """What failures are counted at; `free` of them cost nothing, success forgets all or one."""

    text: str
    free: int = FREE_FAILURES
    forgets: bool = True

    @property
    def values(self) -> dict[str, object]:
        """Parameters of the statements; names of strangers are not kept in clear."""
        return {"key": sha256(self.text.encode()).hexdigest()}


class Attempts:
    """Counts at names and, `per_address`, at addresses that many people may share."""

    def __init__(self, database: Database, per_address: int) -> None:
        self._database = database
        self._per_address = per_address

    def keys(self, purpose: str, name: str, address: str) -> list[Key]:
        """What an attempt of a stranger is counted at."""
        keys = [Key(f"{purpose} {name.casefold()}")]
        if address:
            keys.append(Key(f"{purpose} from {line_of(address)}", self._per_address, forgets=False))
        return keys

    async def begin(self, keys: Sequence[Key], now: datetime) -> None:
        """Count an attempt as failed for now; AttemptsExhausted when earlier ones are waited
        for.
        """
        async with self._database.transaction(NO_TENANT) as tx:
            for key in keys:
                await _count(tx, key, now)

    async def succeeded(self, keys: Sequence[Key]) -> None:
        """The attempt was right."""
        async with self._database.transaction(NO_TENANT) as tx:
            for key in keys:
                await tx.execute(_FORGET if key.forgets else _FORGIVE, key.values)

    async def undecided(self, keys: Sequence[Key]) -> None:
        """The attempt was right as far as it went: neither a failure nor a success."""
        async with self._database.transaction(NO_TENANT) as tx:
            for key in keys:
                await tx.execute(_FORGIVE, key.values)


async def _count(tx: Tx, key: Key, now: datetime) -> None:
    row = await tx.fetch_row(_LOCK, {**key.values, "now": now})
    assert row is not None
    count = begin(Failures(row["failures"], row["last_time"]), key.free, now)
    await tx.execute(_COUNT, {**key.values, "count": count, "now": now})
