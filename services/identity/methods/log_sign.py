"""Signs Merkle roots over what was appended to the operation log, every 1,000 entries or minute."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import BigInteger, Text, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.types import DateTime

from chassis.db.pool import Database, Record, Tx
from chassis.db.sql import statement
from services.identity.domain.log_chain import Root, stretch_root
from services.identity.methods.log_statement import RootFolder, RootKeys
from services.identity.models.log import log_entry, log_head, log_root

ENTRIES_MAX = 1000
INTERVAL = timedelta(seconds=60)
TENANTS_MAX = 1000

log = structlog.get_logger()
_TENANT = bindparam("tenant", type_=UUID(as_uuid=False))
_NOW = bindparam("now", type_=DateTime(timezone=True))
_DUE = statement(
    select(log_head.c.tenant_id)
    .where(
        log_head.c.sequence > log_head.c.root_sequence,
        or_(
            log_head.c.sequence >= log_head.c.root_sequence + ENTRIES_MAX,
            log_head.c.root_time <= bindparam("before", type_=DateTime(timezone=True)),
        ),
    )
    .limit(TENANTS_MAX)
)
# Of two processes only one signs for a tenant; appending goes on meanwhile.
_TURN = statement(
    select(
        func.pg_try_advisory_xact_lock(func.hashtextextended(bindparam("name"), 0)).label("mine")
    )
)
_HEAD = statement(select(log_head).where(log_head.c.tenant_id == _TENANT))
_UNSIGNED = statement(
    select(log_entry.c.sequence, log_entry.c.hash, log_entry.c.create_time)
    .where(
        log_entry.c.tenant_id == _TENANT,
        log_entry.c.sequence > bindparam("after", type_=BigInteger),
    )
    .order_by(log_entry.c.sequence)
    .limit(ENTRIES_MAX)
)
_KEEP = statement(
    insert(log_root).values({column.name: bindparam(column.name) for column in log_root.c})
)
_SIGNED = statement(
    update(log_head)
    .values(
        root_sequence=bindparam("last", type_=BigInteger),
        root_hash=bindparam("last_hash", type_=Text),
        root_time=_NOW,
    )
    .where(log_head.c.tenant_id == _TENANT)
)


class RootSigner:
    """Signs what is due, of all tenants; a statement is outside before the database knows of it."""

    def __init__(self, database: Database, keys: RootKeys, folder: RootFolder) -> None:
        self._database = database
        self._keys = keys
        self._folder = folder

    async def sign_due(self, interval: timedelta = INTERVAL) -> int:
        """Sign one root for each tenant that has 1,000 new entries, or any and no root for the
        interval; how many were signed.
        """
        async with self._database.worker() as tx:
            due = await tx.fetch(_DUE, {"before": datetime.now(UTC) - interval})
        return sum([await self._sign(str(row["tenant_id"])) for row in due])

    async def _sign(self, tenant_id: str) -> bool:
        async with self._database.transaction(tenant_id) as tx:
            turn = await tx.fetch_row(_TURN, {"name": f"crm-log-root-{tenant_id}"})
            head = await tx.fetch_row(_HEAD, {"tenant": tenant_id})
            if turn is None or not turn["mine"] or head is None:
                return False
            values = {"tenant": tenant_id, "after": head["root_sequence"]}
            root = _root(tenant_id, head, await tx.fetch(_UNSIGNED, values))
            if root is None:
                log.error("the operation log has a gap", tenant_id=tenant_id,
                          after=head["root_sequence"])  # fmt: skip
                return False
            await self._keep(tx, root)
        return True

    async def _keep(self, tx: Tx, root: Root) -> None:
        now = datetime.now(UTC)
        signed = self._keys.sign(root, now)
        await asyncio.to_thread(self._folder.append, root, signed, now)
        values = {
            "tenant_id": root.tenant_id,
            "first_sequence": root.first_sequence,
            "last_sequence": root.last_sequence,
            "statement": signed,
        }
        await tx.execute(_KEEP, values)
        await tx.execute(
            _SIGNED,
            {
                "tenant": root.tenant_id,
                "last": root.last_sequence,
                "last_hash": root.last_hash,
                "now": now,
            },
        )


def _root(tenant_id: str, head: Record, rows: Sequence[Record]) -> Root | None:
    """The root over the rows after the last one; None when there are none or one is missing."""
    first = head["root_sequence"] + 1
    if not rows or [row["sequence"] for row in rows] != list(range(first, first + len(rows))):
        return None
    hashes = [str(row["hash"]) for row in rows]
    return Root(
        tenant_id=tenant_id,
        first_sequence=first,
        last_sequence=first + len(rows) - 1,
        previous_hash=str(head["root_hash"]),
        last_hash=hashes[-1],
        merkle_root=stretch_root(hashes),
        first_time=rows[0]["create_time"],
    )
