"""Tampering with the operation log in SQL, with the owner's rights: all of it is found."""

import random
from collections.abc import Awaitable, Callable, Sequence

from services.identity.domain.log_chain import GENESIS, chain_hash
from tests.integration.identity.ground import Ground, new_keys

TAMPERINGS = 75
SIZES = (9, 7, 12, 8, 10)
SIGNED, ENTRIES = sum(SIZES), sum(SIZES) + 4
TABLES = ("log_entry", "log_head", "log_root")
# (log, place, dice): change something in SQL.
Tamper = Callable[[Ground, int, random.Random], Awaitable[object]]


async def edit(log: Ground, at: int, dice: random.Random) -> None:
    """Another value in one column, which its type allows."""
    column, value = dice.choice([
        ("actor_id", "'0190c0f0-0000-7000-8000-ffffffffffff'"), ("label", "'某公司'"),
        ("action", "action || 'd'"), ("record_version", "record_version + 1"), ("salt", "''"),
        ("changed_fields", "array['name']"), ("time", "time - interval '1 microsecond'"),
        ("create_time", "create_time + interval '1 microsecond'"), ("hash", "reverse(hash)"),
        ("record_id", "gen_random_uuid()"), ("id", "gen_random_uuid()"), ("ip", "'192.0.2.1'"),
        ("through", "'import'"), ("detail", "'x'"), ("sequence", "sequence + 1000"),
    ])  # fmt: skip
    changed = f"{column} = {value}"
    await run(log, f"UPDATE base.log_entry SET {changed} WHERE {{of}}", at)  # noqa: S608  # of this test


async def delete(log: Ground, at: int, _dice: random.Random) -> None:
    await run(log, "DELETE FROM base.log_entry WHERE {of}", at)


async def swap(log: Ground, at: int, _dice: random.Random) -> None:
    other = at % SIGNED + 1
    for old, new in ((at, -1), (other, at), (-1, other)):
        await run(log, f"UPDATE base.log_entry SET sequence = {new} WHERE {{of}}", old)  # noqa: S608  # of this test


async def insert(log: Ground, at: int, _dice: random.Random) -> None:
    """A copy of an entry, with the same number."""
    await run(
        log,
        "INSERT INTO base.log_entry SELECT (jsonb_populate_record(e, jsonb_build_object('id',"
        " gen_random_uuid()))).* FROM base.log_entry e WHERE {of}",
        at,
    )


async def cut(log: Ground, at: int, _dice: random.Random) -> None:
    await run(log, "DELETE FROM base.log_entry WHERE {of}", at, ">=")


async def behead(log: Ground, at: int, _dice: random.Random) -> None:
    """The beginning gone, as if it were old."""
    await run(log, "DELETE FROM base.log_entry WHERE {of}", at, "<=")


async def lose_root(log: Ground, at: int, _dice: random.Random) -> None:
    await log.owner.execute(
        "DELETE FROM base.log_root WHERE tenant_id = $1 AND last_sequence >= $2"
        " AND first_sequence <= $2",
        log.tenant, at,
    )  # fmt: skip


async def sign_anew(log: Ground, at: int, _dice: random.Random) -> None:
    """The entries changed, and the root over them signed by another key."""
    await run(log, "UPDATE base.log_entry SET actor_id = 'x' WHERE {of}", at)
    await chain_anew(log)
    row = await log.owner.fetchrow(
        "SELECT last_sequence, statement FROM base.log_root WHERE tenant_id = $1"
        " AND last_sequence >= $2 AND first_sequence <= $2",
        log.tenant, at,
    )  # fmt: skip
    assert row is not None
    root = log.keys.read(row["statement"])
    assert root is not None
    await log.owner.execute(
        "UPDATE base.log_root SET statement = $3 WHERE tenant_id = $1 AND last_sequence = $2",
        log.tenant, row["last_sequence"], new_keys().sign(root, root.first_time),
    )  # fmt: skip


KINDS: Sequence[Tamper] = (edit, delete, swap, insert, cut, behead, lose_root, sign_anew)
CHANGE_ENTRIES = (delete, swap, insert, cut)


async def run(log: Ground, sql: str, at: int, how: str = "=") -> None:
    """A statement on the entries whose number is so."""
    where = f"tenant_id = '{log.tenant}' AND sequence {how} {at}"
    done = await log.owner.execute(sql.format(of=where))
    assert not done.endswith(" 0"), sql


async def chain_anew(log: Ground) -> None:
    """Number and chain what there is, and set the head, so that it looks untouched."""
    rows = await log.owner.fetch(
        "SELECT ctid, tableoid, e.* FROM base.log_entry e WHERE tenant_id = $1 ORDER BY sequence",
        log.tenant,
    )
    previous = GENESIS
    for place, row in enumerate(rows, 1):
        previous = chain_hash(previous, {**row, "sequence": place})
        await log.owner.execute(
            "UPDATE base.log_entry SET sequence = $3, hash = $4 WHERE tenant_id = $1 AND id = $2",
            log.tenant, row["id"], place, previous,
        )  # fmt: skip
    await log.owner.execute(
        "UPDATE base.log_head SET sequence = $2, hash = $3, root_sequence = least($2,"
        " root_sequence) WHERE tenant_id = $1",
        log.tenant, len(rows), previous,
    )  # fmt: skip


async def lose_roots_beyond(log: Ground) -> None:
    """Take away the roots that tell of more, from the head too."""
    await log.owner.execute(
        "DELETE FROM base.log_root r USING base.log_head h WHERE r.tenant_id = $1"
        " AND h.tenant_id = $1 AND r.last_sequence > h.sequence",
        log.tenant,
    )
    await log.owner.execute(
        "UPDATE base.log_head h SET root_sequence = (SELECT coalesce(max(last_sequence), 0) FROM"
        " base.log_root r WHERE r.tenant_id = $1) WHERE tenant_id = $1",
        log.tenant,
    )


async def tamper(log: Ground, number: int) -> str:
    """One tampering; what was done."""
    dice = random.Random(number)
    kind, at = KINDS[number % len(KINDS)], dice.randint(1, SIGNED)
    await kind(log, at, dice)
    thorough = dice.randrange(3) if kind in CHANGE_ENTRIES else 0
    if thorough:
        await chain_anew(log)
    if thorough == 2:
        await lose_roots_beyond(log)
    return f"{number}: {kind.__name__} at {at}, thorough {thorough}"


async def test_every_tampering_in_sql_is_found(ground: Ground, figures: list[str]) -> None:
    await ground.fill(*SIZES)
    await ground.append(ENTRIES - SIGNED)
    assert (await ground.verify_all()).intact
    for table in TABLES:
        await ground.owner.execute(
            f"CREATE TEMP TABLE kept_{table} AS TABLE base.{table}"  # tables of this test
        )
    missed, wrong_place = [], []
    for number in range(TAMPERINGS):
        what = await tamper(ground, number)
        answer = await ground.verify_all()
        if answer.intact:
            missed.append(what)
        if not 0 < answer.bad_sequence <= ENTRIES + 1 or not answer.problem:
            wrong_place.append(f"{what}: {answer}")
        for table in TABLES:
            await ground.owner.execute(f"DELETE FROM base.{table}")  # noqa: S608  # as above
            await ground.owner.execute(f"INSERT INTO base.{table} TABLE kept_{table}")  # as above
    assert not missed, missed
    assert not wrong_place, wrong_place
    assert (await ground.verify_all()).intact
    figures.append(f"operation log: {TAMPERINGS} of {TAMPERINGS} tamperings in SQL found")
