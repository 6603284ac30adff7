"""Verifies the operation log stretch by stretch, and proves single entries."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Select, bindparam, func, select
from sqlalchemy.dialects.postgresql import UUID

from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.errors import FailedPrecondition
from crm.identity.v1 import log_entry_pb2 as pb
from services.identity.domain.log_chain import (
    COVERED,
    PERSONAL,
    Anchor,
    Break,
    Problem,
    Root,
    Stretch,
    canonical,
    first_break,
    leaves,
)
from services.identity.domain.merkle import audit_path
from services.identity.methods.log_statement import RootFolder, RootKeys
from services.identity.models.log import log_entry, log_head, log_root

ENTRIES_MAX = 5000
ROOTS_MAX = 200
# More entries than this without a root mean that nobody signs.
UNSIGNED_MAX = 20_000
MONTH = timedelta(days=31)

_TENANT = bindparam("tenant", type_=UUID(as_uuid=False))
_AFTER = bindparam("after", type_=BigInteger)
_HEAD = statement(select(log_head).where(log_head.c.tenant_id == _TENANT))
_columns = (*COVERED, *PERSONAL, "hash")
_ENTRIES = statement(
    select(*[log_entry.c[name] for name in _columns])
    .where(
        log_entry.c.tenant_id == _TENANT,
        log_entry.c.sequence > _AFTER,
        log_entry.c.sequence <= bindparam("until", type_=BigInteger),
    )
    .order_by(log_entry.c.sequence)
    .limit(bindparam("limit"))
)
_FIRST = statement(
    select(log_entry.c.sequence, log_entry.c.create_time)
    .where(log_entry.c.tenant_id == _TENANT, log_entry.c.sequence > _AFTER)
    .order_by(log_entry.c.sequence)
    .limit(1)
)
_LAST = statement(
    select(func.max(log_entry.c.sequence).label("sequence")).where(log_entry.c.tenant_id == _TENANT)
)
_ENTRY = statement(
    select(*[log_entry.c[name] for name in _columns]).where(
        log_entry.c.tenant_id == _TENANT, log_entry.c.id == bindparam("id")
    )
)


def _roots() -> Select[tuple[int, int, str]]:
    return select(log_root.c.first_sequence, log_root.c.last_sequence, log_root.c.statement).where(
        log_root.c.tenant_id == _TENANT
    )


_ROOTS = statement(
    _roots()
    .where(log_root.c.last_sequence > _AFTER)
    .order_by(log_root.c.last_sequence)
    .limit(bindparam("limit"))
)
_ROOT_BEFORE = statement(
    _roots()
    .where(log_root.c.last_sequence <= _AFTER)
    .order_by(log_root.c.last_sequence.desc())
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The roots of one stretch and the entry they end at; `last` says that no others follow."""

    roots: tuple[Root, ...]
    statements: frozenset[str]
    end: Anchor
    last: bool


class LogVerifier:
    """Checks what the database says against what was signed and kept elsewhere.

    `kept` is how long entries are kept: only older ones may be missing, at the beginning.
    """

    def __init__(self, keys: RootKeys, folder: RootFolder, kept: timedelta) -> None:
        self._keys = keys
        self._folder = folder
        self._kept = kept

    async def verify(
        self, call: Call, tx: Tx, request: pb.VerifyLogEntriesRequest
    ) -> pb.VerifyLogEntriesResponse:
        """Check one stretch, at most 5,000 entries unless they have no root yet."""
        tenant = call.tenant_id
        # Head, roots, witnesses, head, entries: what is added meanwhile never looks like a cut.
        _, signed = await _head(tx, tenant)
        anchor = await self._anchor(call, tx, max(request.from_sequence, 1))
        chosen = await self._choose(tx, tenant, anchor, request.to_sequence)
        answer = pb.VerifyLogEntriesResponse(
            first_sequence=anchor.sequence + 1, root_count=len(chosen.roots)
        )
        if chosen.last and chosen.end.sequence < signed:
            problem = Break(chosen.end.sequence + 1, Problem.ROOT_MISSING)
            return _told(answer, problem)
        witnesses = await self._witnesses(tx, tenant, anchor, chosen)
        head, signed = await _head(tx, tenant)
        end = head if chosen.last else chosen.end
        if end.sequence - chosen.end.sequence > UNSIGNED_MAX:
            problem = Break(chosen.end.sequence + 1, Problem.ROOT_OVERDUE)
            return _told(answer, problem)
        entries = await _entries(tx, tenant, anchor.sequence, end.sequence)
        stretch = Stretch(tenant, anchor, entries, end, chosen.last, chosen.roots, witnesses)
        found = await asyncio.to_thread(first_break, stretch)
        if found is None and chosen.last:
            found = await _beyond(tx, tenant)
        done = chosen.last or 0 < request.to_sequence <= end.sequence
        answer.last_sequence, answer.signed_sequence = end.sequence, signed
        answer.next_sequence = 0 if done else end.sequence + 1
        return _told(answer, found)

    async def prove(
        self, call: Call, tx: Tx, request: pb.GetLogEntryProofRequest
    ) -> pb.LogEntryProof:
        """The way from an entry that exists to the signed root over it."""
        tenant = call.tenant_id
        entry = await tx.fetch_row(_ENTRY, {"tenant": tenant, "id": request.id})
        assert entry is not None
        rows = await tx.fetch(
            _ROOTS, {"tenant": tenant, "after": entry["sequence"] - 1, "limit": 1}
        )
        root = self._keys.read(str(rows[0]["statement"])) if rows else None
        if root is None:
            raise FailedPrecondition(
                "LOG_ROOT_PENDING", "No signed root covers the entry yet; try again in a minute."
            )
        index, size = entry["sequence"] - root.first_sequence, _size(root)
        rows_of = await _entries(tx, tenant, root.first_sequence - 1, root.last_sequence)
        hashes = [str(row["hash"]) for row in rows_of]
        if len(hashes) != size:
            raise FailedPrecondition("LOG_NOT_INTACT", "The log is not intact: verify it.")
        return pb.LogEntryProof(
            canonical=canonical(entry).decode(),
            previous_hash=hashes[index - 1] if index else root.previous_hash,
            hash=hashes[index],
            leaf_index=index,
            tree_size=size,
            path=[one.hex() for one in audit_path(leaves(hashes), index)],
            statement=str(rows[0]["statement"]),
            jwks=self._keys.public(),
        )

    async def _anchor(self, call: Call, tx: Tx, first: int) -> Anchor:
        """The signed place before `first` to begin from, behind what was dropped by age."""
        tenant = call.tenant_id
        lowest = await tx.fetch_row(_FIRST, {"tenant": tenant, "after": 0})
        head, _ = await _head(tx, tenant)
        dropped, anchor = (lowest["sequence"] - 1 if lowest else head.sequence), Anchor()
        if dropped:
            rows = await tx.fetch(_ROOTS, {"tenant": tenant, "after": dropped - 1, "limit": 1})
            root = self._read(tenant, rows[0]) if rows else None
            if root and root.first_sequence <= dropped and root.first_time < call.now - self._kept:
                anchor = Anchor(root.last_sequence, root.last_hash)
        rows = await tx.fetch(_ROOT_BEFORE, {"tenant": tenant, "after": first - 1, "limit": 1})
        before = self._read(tenant, rows[0]) if rows else None
        if before and before.last_sequence > anchor.sequence:
            return Anchor(before.last_sequence, before.last_hash)
        return anchor

    async def _choose(self, tx: Tx, tenant: str, anchor: Anchor, until: int) -> _Chosen:
        """The roots of the next stretch; one that cannot be read ends it, as if there were none."""
        values = {"tenant": tenant, "after": anchor.sequence, "limit": ROOTS_MAX}
        rows = await tx.fetch(_ROOTS, values)
        roots: list[Root] = []
        for row in rows:
            root = self._read(tenant, row)
            if root is None:
                break
            full = root.last_sequence - anchor.sequence > ENTRIES_MAX
            if roots and (full or 0 < until <= roots[-1].last_sequence):
                break
            roots.append(root)
        statements = frozenset(str(row["statement"]) for row in rows[: len(roots)])
        last = len(roots) == len(rows) < ROOTS_MAX or not roots
        end = Anchor(roots[-1].last_sequence, roots[-1].last_hash) if roots else anchor
        return _Chosen(tuple(roots), statements, end, last)

    async def _witnesses(
        self, tx: Tx, tenant: str, anchor: Anchor, chosen: _Chosen
    ) -> Sequence[Root]:
        """What was kept outside about this stretch, and about everything after the last one."""
        first = await tx.fetch_row(_FIRST, {"tenant": tenant, "after": anchor.sequence})
        start = _month(first["create_time"]) if first else ""
        stop = "9999" if chosen.last else _month(chosen.roots[-1].first_time + MONTH)
        said = await asyncio.to_thread(self._folder.read, tenant, (start, stop), anchor.sequence)
        roots = [self._keys.read(one) for one in set(said) - chosen.statements]
        return [root for root in roots if root is not None and root.tenant_id == tenant]

    def _read(self, tenant: str, row: Record) -> Root | None:
        """The root in a row; None when it is not what was signed for this tenant."""
        root = self._keys.read(str(row["statement"]))
        if root is None or root.tenant_id != tenant:
            return None
        places = (root.first_sequence, root.last_sequence)
        return root if places == (row["first_sequence"], row["last_sequence"]) else None


async def _head(tx: Tx, tenant: str) -> tuple[Anchor, int]:
    """The last entry as the head has it, and the last one that is signed."""
    row = await tx.fetch_row(_HEAD, {"tenant": tenant})
    if row is None:
        return Anchor(), 0
    return Anchor(row["sequence"], str(row["hash"])), row["root_sequence"]


async def _entries(tx: Tx, tenant: str, after: int, until: int) -> list[Record]:
    """The entries between; one more than there should be, so that a surplus shows."""
    values = {"tenant": tenant, "after": after, "until": until, "limit": until - after + 1}
    return await tx.fetch(_ENTRIES, values)


async def _beyond(tx: Tx, tenant: str) -> Break | None:
    """An entry that the head, read after it, does not know of."""
    last = await tx.fetch_row(_LAST, {"tenant": tenant})
    head, _ = await _head(tx, tenant)
    if last is None or (last["sequence"] or 0) <= head.sequence:
        return None
    return Break(head.sequence + 1, Problem.ENTRY_ADDED)


def _size(root: Root) -> int:
    return root.last_sequence - root.first_sequence + 1


def _month(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def _told(answer: pb.VerifyLogEntriesResponse, found: Break | None) -> pb.VerifyLogEntriesResponse:
    answer.intact = found is None
    if found is not None:
        answer.next_sequence = 0
        answer.MergeFrom(
            pb.VerifyLogEntriesResponse(bad_sequence=found.sequence, problem=found.problem.value)
        )
    return answer
