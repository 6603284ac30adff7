"""The operation log on a real database: complete, once, in one chain, only ever added to."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from chassis.db.pool import Database
from chassis.errors import FailedPrecondition
from chassis.events.bus import Bus
from chassis.events.envelope import Event
from chassis.events.metrics import ConsumerMetrics, RelayMetrics
from chassis.events.relay import Relay
from chassis.events.worker import ConsumerWorker
from chassis.ids import new_id
from crm.identity.v1 import log_entry_pb2 as pb
from deploy.local.platform import Platform
from services.identity.consumers import NAME, consumers
from services.identity.domain.log_chain import Root, chain_hash, stretch_root
from services.identity.domain.merkle import leaf_hash, root_of_path
from services.identity.jobs import drop_old
from tests.integration.chassis.events.ground import WRITE, change, until
from tests.integration.identity.ground import AT_ONCE, KEPT, Ground, event, new_keys
from tests.unit.identity.logs import Row, chained, entry

IMPORTED = 8800


async def test_concurrent_batches_make_one_chain_without_a_gap(ground: Ground) -> None:
    other = new_id()
    await asyncio.gather(*(ground.append(30, who) for who in (ground.tenant, other) * 6))
    rows = await ground.owner.fetch(
        "SELECT sequence FROM base.log_entry WHERE tenant_id = $1 ORDER BY sequence", ground.tenant
    )
    assert [row["sequence"] for row in rows] == list(range(1, 181))
    answer = await ground.verify()
    assert answer.intact, answer
    assert (answer.last_sequence, answer.signed_sequence) == (180, 0)


async def test_repeated_event_is_logged_once_with_names_of_fields_only(ground: Ground) -> None:
    one = event(ground.tenant, 7)
    for _ in range(3):
        await ground.applier.apply(ground.tenant, [one])
    (row,) = await ground.owner.fetch(
        "SELECT to_jsonb(e) AS said FROM base.log_entry e WHERE tenant_id = $1", ground.tenant
    )
    said = json.loads(row["said"])
    assert said["id"] == one.id
    assert said["changed_fields"] == ["phone"]
    assert (said["action"], said["request_id"]) == ("crm.customer.v1.customer.updated", "request 7")
    assert (said["label"], said["actor_kind"]) == ("客户 7", "USER")
    assert "secret" not in row["said"]
    assert "5555" not in row["said"]


def test_every_service_is_heard_whole() -> None:
    heard = {consumer.sources[0].service: consumer.sources[0] for consumer in consumers()}
    assert set(heard) == {"identity", "customer", "sales", "marketing", "reporting"}
    assert all(source.subjects() == [f"crm.*.{name}.*.*.*"] for name, source in heard.items())


@pytest.mark.parametrize("table", ["log_entry", "log_root"])
async def test_neither_role_can_change_or_remove(
    identity_platform: Platform, ground: Ground, table: str
) -> None:
    await ground.fill(3)
    places: tuple[tuple[Literal["runtime", "worker"], str], ...] = (
        ("runtime", f"tenant.{table}"),
        ("worker", f"base.{table}"),
    )
    for role, place in places:
        connection = await asyncpg.connect(identity_platform.database_url("identity", role))
        await connection.execute(f"SET crm.tenant = '{ground.tenant}'")
        count = f"SELECT count(*) FROM {place}"  # noqa: S608  # a table of this test
        assert await connection.fetchval(count) > 0
        for work in (
            f"UPDATE {place} SET tenant_id = tenant_id",  # noqa: S608  # as above
            f"DELETE FROM {place}",  # noqa: S608  # as above
            f"TRUNCATE base.{table}",
            f"ALTER TABLE base.{table} ADD COLUMN x int",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(work)
        await connection.close()


async def test_roots_come_every_thousand_entries_or_when_it_is_time(ground: Ground) -> None:
    await ground.append(1500)
    assert await ground.signer.sign_due() == 1, "a thousand are due at once"
    assert await ground.signer.sign_due() == 0, "the rest waits for its minute"
    assert await ground.signer.sign_due(AT_ONCE) == 1
    rows = await ground.owner.fetch(
        "SELECT first_sequence, last_sequence FROM base.log_root WHERE tenant_id = $1 ORDER BY 1",
        ground.tenant,
    )
    assert [tuple(row) for row in rows] == [(1, 1000), (1001, 1500)]
    answer = await ground.verify()
    assert (answer.intact, answer.signed_sequence, answer.root_count) == (True, 1500, 2)


async def test_two_signers_make_one_root(ground: Ground) -> None:
    await ground.append(20)
    done = await asyncio.gather(*(ground.signer.sign_due(AT_ONCE) for _ in range(4)))
    assert sum(done) >= 1
    assert (await ground.verify()).intact
    count = "SELECT count(*) FROM base.log_root WHERE tenant_id = $1"
    assert await ground.owner.fetchval(count, ground.tenant) == 1


async def test_verification_goes_on_where_it_stopped(ground: Ground) -> None:
    for _ in range(7):
        await ground.fill(1000)
    await ground.append(5)
    first = await ground.verify()
    assert (first.intact, first.last_sequence, first.next_sequence) == (True, 5000, 5001)
    second = await ground.verify(first.next_sequence)
    assert (second.intact, second.first_sequence, second.last_sequence) == (True, 5001, 7005)
    assert second.next_sequence == 0
    middle = await ground.verify(2500, 2600)
    assert (middle.first_sequence, middle.last_sequence, middle.next_sequence) == (2001, 3000, 0)


async def test_statement_that_only_the_folder_has_is_no_break(ground: Ground) -> None:
    """The signer died between folder and database; its next root covers more."""
    await ground.append(10)
    rows = await ground.owner.fetch(
        "SELECT hash, create_time FROM base.log_entry WHERE tenant_id = $1 ORDER BY sequence",
        ground.tenant,
    )
    hashes = [row["hash"] for row in rows]
    root = Root(ground.tenant, 1, 10, "0" * 64, hashes[-1], stretch_root(hashes), rows[0][1])
    now = datetime.now(UTC)
    ground.folder.append(root, ground.keys.sign(root, now), now)
    await ground.fill(10)
    assert (await ground.verify()).intact
    foreign = new_keys().sign(Root(ground.tenant, 5, 99, "", "", "", now), now)
    ground.folder.append(Root(ground.tenant, 5, 99, "", "", "", now), foreign, now)
    assert (await ground.verify()).intact, "what another key signed says nothing"


async def test_proof_leads_from_the_entry_to_the_signed_root(ground: Ground) -> None:
    await ground.fill(9)
    one = event(ground.tenant)
    await ground.applier.apply(ground.tenant, [one])
    request = pb.GetLogEntryProofRequest(id=one.id)
    async with ground.database.transaction(ground.tenant) as tx:
        with pytest.raises(FailedPrecondition, match="root"):
            await ground.verifier.prove(ground.call(), tx, request)
    await ground.fill(4)
    async with ground.database.transaction(ground.tenant) as tx:
        proof = await ground.verifier.prove(ground.call(), tx, request)
    hashed = sha256(bytes.fromhex(proof.previous_hash) + proof.canonical.encode()).hexdigest()
    assert hashed == proof.hash
    path = [bytes.fromhex(one) for one in proof.path]
    leaf = leaf_hash(bytes.fromhex(proof.hash))
    root = root_of_path(leaf, proof.leaf_index, proof.tree_size, path)
    signed = ground.keys.read(proof.statement)
    assert signed is not None
    assert signed.merkle_root == root.hex()
    assert json.loads(proof.canonical)["id"] == one.id
    assert "d" not in json.loads(proof.jwks)["keys"][0], "the public part alone"


async def test_old_months_go_once_signed_and_verification_begins_behind_them(
    ground: Ground, database: Database
) -> None:
    start = datetime(2024, 1, 20, tzinfo=UTC)
    await ground.owner.execute(
        "CREATE TABLE IF NOT EXISTS base.log_entry_2024_01 PARTITION OF base.log_entry"
        " FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')"
    )
    await write_old(ground, start, 30)
    assert await drop_old(database, datetime.now(UTC), KEPT) == [], "no root covers it yet"
    await ground.signer.sign_due(AT_ONCE)
    await ground.fill(12, 8)
    assert await drop_old(database, start + KEPT, KEPT) == [], "it is not old enough"
    assert await drop_old(database, datetime.now(UTC), KEPT) == [start.date().replace(day=1)]
    answer = await ground.verify()
    assert (answer.intact, answer.first_sequence, answer.last_sequence) == (True, 31, 50)
    delete = "DELETE FROM base.log_entry WHERE tenant_id = $1 AND sequence < 43"
    await ground.owner.execute(delete, ground.tenant)
    answer = await ground.verify()
    assert not answer.intact, "what is young may not be missing"


async def write_old(ground: Ground, start: datetime, count: int) -> None:
    """Entries of long ago, as they would have been written then."""
    rows: list[Row] = []
    for number in range(1, count + 1):
        moment = start + timedelta(minutes=number)
        row = entry(number) | {"tenant_id": ground.tenant, "time": moment, "create_time": moment}
        rows.append(row)
    rows = chained(rows)
    assert rows[1]["hash"] == chain_hash(str(rows[0]["hash"]), rows[1])
    await ground.owner.execute(
        "INSERT INTO base.log_entry SELECT r.tenant_id, r.id, r.sequence, r.time, r.create_time,"
        " r.actor_id, r.actor_kind, r.action, r.service, r.resource, r.record_id,"
        " r.record_version, r.changed_fields, r.through, r.cause_id, r.request_id, r.detail,"
        " r.label, r.ip, r.salt, r.personal_hash, r.hash"
        " FROM jsonb_populate_recordset(null::base.log_entry, $1::jsonb) r",
        json.dumps(rows, default=datetime.isoformat),
    )
    await ground.owner.execute(
        "INSERT INTO base.log_head (tenant_id, sequence, hash, create_time, root_sequence,"
        " root_hash, root_time) VALUES ($1, $2, $3, $4, 0, repeat('0', 64), $4)",
        ground.tenant, count, str(rows[-1]["hash"]), rows[-1]["create_time"],
    )  # fmt: skip


async def test_database_keeps_half_a_year_whoever_asks(identity_platform: Platform) -> None:
    connection = await asyncpg.connect(identity_platform.database_url("identity", "worker"))
    month = datetime.now(UTC).date().replace(day=1)
    with pytest.raises(asyncpg.RaiseError, match="180 days"):
        await connection.execute("SELECT base.drop_partition('log_entry', $1)", month)
    await connection.close()


async def test_import_is_logged_within_seconds(
    identity_platform: Platform, ground: Ground, figures: list[str]
) -> None:
    """8,800 events of another service through the broker; its relay works on identity's table."""
    for start in range(0, IMPORTED, 1100):
        rows = [
            change(ground.tenant, new_id(), 1, lane=1, resource="customer", create_time=_now())
            for _ in range(start, start + 1100)
        ]
        async with ground.database.transaction(ground.tenant) as tx:
            await tx.execute_many(WRITE, rows)
    bus = Bus(lambda: None)
    await bus.open(identity_platform.nats_url(), "test")
    relay = Relay(ground.database, bus, "customer", RelayMetrics(CollectorRegistry()))
    relaying = asyncio.create_task(relay.run())
    pending = "SELECT count(*) FROM base.change WHERE publish_time IS NULL"

    async def published() -> bool:
        return bool(await ground.owner.fetchval(pending) == 0)

    await until(published, 30)
    relay.stop()
    await relaying
    consumer = next(one for one in consumers() if one.sources[0].service == "customer")
    worker = ConsumerWorker(
        ground.database, bus, consumer, ConsumerMetrics(CollectorRegistry()), _no_refill
    )
    await worker.declare()
    began = time.monotonic()
    consuming = asyncio.create_task(worker.run())
    count = "SELECT coalesce(max(sequence), 0) FROM base.log_head WHERE tenant_id = $1"

    async def logged() -> bool:
        return bool(await ground.owner.fetchval(count, ground.tenant) == IMPORTED)

    await until(logged, 30)
    seconds = time.monotonic() - began
    worker.stop()
    await consuming
    began = time.monotonic()
    while await ground.signer.sign_due(AT_ONCE):
        pass
    signed_s = time.monotonic() - began
    began = time.monotonic()
    assert (await ground.verify_all()).intact
    verified_s = time.monotonic() - began
    figures.append(
        f"operation log ({NAME}): {IMPORTED / seconds:,.0f} events/s consumed, "
        f"{IMPORTED / signed_s:,.0f}/s signed, {IMPORTED / verified_s:,.0f}/s verified"
    )
    await bus.close()
    assert IMPORTED / seconds > 1000


def _now() -> datetime:
    return datetime.now(UTC)


async def _no_refill(
    _service: str, _resource: str, _tenant_id: str, _record_id: str, _after: int
) -> list[Event]:
    return []
