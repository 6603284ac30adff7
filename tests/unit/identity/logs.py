"""Operation logs made by the rules, to be tampered with."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.identity.domain.log_chain import (
    GENESIS,
    Anchor,
    Root,
    Stretch,
    chain_hash,
    personal_hash,
    stretch_root,
)

TENANT = "0190c0f0-0000-7000-8000-000000000001"
START = datetime(2025, 3, 1, 12, tzinfo=UTC)
Row = dict[str, object]


def entry(sequence: int) -> Row:
    """An entry without its hash."""
    salt, label, ip = f"{sequence:032x}", f"客户 {sequence}", "192.0.2.7"
    return {
        "tenant_id": TENANT,
        "sequence": sequence,
        "id": f"0190c0f0-0000-7000-8000-{sequence:012x}",
        "time": START + timedelta(seconds=sequence),
        "create_time": START + timedelta(seconds=sequence, microseconds=7),
        "actor_id": "0190c0f0-0000-7000-8000-0000000000aa",
        "actor_kind": "USER",
        "action": "crm.customer.v1.customer.updated",
        "service": "customer",
        "resource": "customer",
        "record_id": f"0190c0f0-0000-7000-9000-{sequence:012x}",
        "record_version": 1 + sequence % 5,
        "changed_fields": ["name", "phone"],
        "through": "user",
        "cause_id": "",
        "request_id": f"request-{sequence}",
        "detail": "",
        "salt": salt,
        "label": label,
        "ip": ip,
        "personal_hash": personal_hash(salt, label, ip),
    }


def chained(rows: Sequence[Row], previous: str = GENESIS) -> list[Row]:
    """The rows with hashes that follow from `previous`."""
    result: list[Row] = []
    for row in rows:
        previous = chain_hash(previous, row)
        result.append({**row, "hash": previous})
    return result


def roots_over(rows: Sequence[Row], size: int) -> list[Root]:
    """A root over every full `size` rows."""
    hashes = [GENESIS, *(str(row["hash"]) for row in rows)]
    return [
        Root(
            tenant_id=TENANT,
            first_sequence=start + 1,
            last_sequence=start + size,
            previous_hash=hashes[start],
            last_hash=hashes[start + size],
            merkle_root=stretch_root(hashes[start + 1 : start + size + 1]),
            first_time=START,
        )
        for start in range(0, len(rows) - size + 1, size)
    ]


def end_of(rows: Sequence[Row]) -> Anchor:
    """The head that goes with the rows."""
    return Anchor(len(rows), str(rows[-1]["hash"])) if rows else Anchor()


def whole(
    rows: Sequence[Row], roots: Sequence[Root], witnesses: Sequence[Root], end: Anchor
) -> Stretch:
    """The whole log, from its beginning."""
    ordered = sorted(rows, key=lambda row: int(str(row["sequence"])))
    return Stretch(TENANT, Anchor(), ordered, end, True, roots, witnesses)
