"""The chain of the operation log: what each entry's hash covers, and where a log was tampered with.

Entries are rows by column name, as they are stored; hashes are hexadecimal.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

from services.identity.domain.merkle import leaf_hash, merkle_root

Entry = Mapping[str, object]
GENESIS = "0" * 64
# All that an entry says. What may be a person's data is covered by `personal_hash` alone, so that
# it can be erased and the chain stays whole.
COVERED = (
    "action", "actor_id", "actor_kind", "cause_id", "changed_fields", "create_time", "detail", "id",
    "personal_hash", "record_id", "record_version", "request_id", "resource", "sequence", "service",
    "tenant_id", "through", "time",
)  # fmt: skip
# Empty once erased.
PERSONAL = ("salt", "label", "ip")


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in the chain: the last entry before what is looked at."""

    sequence: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Root:
    """What is signed about a stretch of entries: its place in the chain and its Merkle root."""

    tenant_id: str
    first_sequence: int
    last_sequence: int
    previous_hash: str
    last_hash: str
    merkle_root: str
    first_time: datetime


class Problem(StrEnum):
    """What can be wrong with a log; the contract says what each means."""

    ENTRY_MISSING = "ENTRY_MISSING"
    ENTRY_CHANGED = "ENTRY_CHANGED"
    ENTRY_ADDED = "ENTRY_ADDED"
    END_MOVED = "END_MOVED"
    TAIL_CUT = "TAIL_CUT"
    ROOT_MISSING = "ROOT_MISSING"
    ROOT_MISMATCH = "ROOT_MISMATCH"
    ROOT_OVERDUE = "ROOT_OVERDUE"


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry at which a log is not what it was, and what is wrong there."""

    sequence: int
    problem: Problem


@dataclass(frozen=True)
class Stretch:
    """Entries after an anchor up to `end`, with what says how they should be.

    `roots` are the ledger's, without a gap from the anchor on; `witnesses` were kept elsewhere.
    Signatures of both have been checked. `whole` says that nothing comes after `end`.
    """

    tenant_id: str
    anchor: Anchor
    entries: Sequence[Entry]
    end: Anchor
    whole: bool = True
    roots: Sequence[Root] = ()
    witnesses: Sequence[Root] = ()


def canonical(entry: Entry) -> bytes:
    """The bytes that stand for an entry: JSON, keys in order, no spaces (RFC 8785)."""
    values = {name: _plain(entry[name]) for name in COVERED}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def chain_hash(previous: str, entry: Entry) -> str:
    """The hash of an entry that follows the one with hash `previous`."""
    return sha256(bytes.fromhex(previous) + canonical(entry)).hexdigest()


def personal_hash(salt: str, label: str, ip: str) -> str:
    """What an entry says of its erasable values; without the salt nobody can guess them from it."""
    return sha256(json.dumps([salt, label, ip], ensure_ascii=False).encode()).hexdigest()


def stretch_root(hashes: Sequence[str]) -> str:
    """The Merkle root over the chain hashes of a stretch."""
    return merkle_root(leaves(hashes)).hex()


def leaves(hashes: Sequence[str]) -> list[bytes]:
    """The leaves of a stretch: its chain hashes."""
    return [leaf_hash(bytes.fromhex(one)) for one in hashes]


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as precise as it is stored."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def first_break(stretch: Stretch) -> Break | None:
    """Where the stretch differs from what was written and signed; None when it is intact."""
    hashes = [stretch.anchor.hash]
    for expected, entry in enumerate(stretch.entries, stretch.anchor.sequence + 1):
        problem = _problem(stretch.tenant_id, hashes[-1], expected, entry)
        if problem:
            return Break(expected, problem)
        hashes.append(str(entry["hash"]))
    end = Anchor(stretch.anchor.sequence + len(stretch.entries), hashes[-1])
    if end != stretch.end:
        return Break(min(end.sequence, stretch.end.sequence) + 1, Problem.END_MOVED)
    return _root_break(stretch, hashes)


def _problem(tenant_id: str, previous: str, expected: int, entry: Entry) -> Problem | None:
    if entry["sequence"] != expected or str(entry["tenant_id"]) != tenant_id:
        return Problem.ENTRY_MISSING
    if entry["hash"] != chain_hash(previous, entry):
        return Problem.ENTRY_CHANGED
    salt, label, ip = (str(entry[name]) for name in PERSONAL)
    if not salt + label + ip or entry["personal_hash"] == personal_hash(salt, label, ip):
        return None
    return Problem.ENTRY_CHANGED


def _root_break(stretch: Stretch, hashes: Sequence[str]) -> Break | None:
    """Where a root does not fit; `hashes` begins with the anchor's."""
    at = stretch.anchor.sequence
    for root in stretch.roots:
        if root.first_sequence != at + 1:
            return Break(at + 1, Problem.ROOT_MISSING)
        at = root.last_sequence
    for root in (*stretch.roots, *stretch.witnesses):
        if root.last_sequence > stretch.end.sequence and stretch.whole:
            return Break(stretch.end.sequence + 1, Problem.TAIL_CUT)
        if not _fits(root, stretch, hashes):
            return Break(root.first_sequence, Problem.ROOT_MISMATCH)
    return None


def _fits(root: Root, stretch: Stretch, hashes: Sequence[str]) -> bool:
    """Whether a root says what the hashes say, as far as it lies within the stretch."""
    start = root.first_sequence - stretch.anchor.sequence
    stop = root.last_sequence - stretch.anchor.sequence
    if start < 1 or stop >= len(hashes):
        return True
    return (
        root.tenant_id == stretch.tenant_id
        and root.previous_hash == hashes[start - 1]
        and root.last_hash == hashes[stop]
        and root.merkle_root == stretch_root(hashes[start : stop + 1])
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return stamp(value)
    return value if isinstance(value, str | int | list) else str(value)
