"""Waits until all is calm, then reads the world: databases as owners, streams, the gateway."""

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
from nats.aio.client import Client as Nats
from nats.js import api

from chassis.db.pool import CONNECTIONS_MAX, Database
from chassis.events.streams import stream_name
from deploy.local.platform import Platform
from deploy.local.settings import GATEWAY, SERVICES
from services.reporting.methods.recompute import recompute_all
from tests.fault.campaign.world import Change, Logged, Pair, Sent, World
from tests.live import Tenant, as_dict
from tests.under_way import under_way, with_nats

BATCH: Final = 1000
IDLE_S: Final = 10.0
COLLECTIONS: Final = {
    "customers": ("customer", "customer"),
    "opportunities": ("sales", "opportunity"),
    "campaigns": ("marketing", "campaign"),
}
REPLICAS: Final = {"sales": ("customers", "campaigns"), "marketing": ("customers",),
                   "reporting": ("customers", "campaigns")}  # fmt: skip
_CHANGES = (
    "SELECT tenant_id::text AS tenant, id::text AS id, resource, record_id::text AS record,"
    " version, changes::text AS changes, representation::text AS representation FROM change"
    " WHERE tenant_id = ANY($1::uuid[])"
)
_STATES = (
    "SELECT id::text AS id, version, name, delete_time IS NOT NULL AS gone FROM {}"
    " WHERE tenant_id = ANY($1::uuid[])"
)
_COLUMNS = (
    "SELECT column_name FROM information_schema.columns"
    " WHERE table_schema = 'base' AND table_name = $1"
)
_PARKED = (
    "SELECT event_id::text AS id, consumer, reason FROM parked WHERE tenant_id = ANY($1::uuid[])"
)
_BACKENDS = (
    "SELECT application_name AS name, state, count(*) AS number,"
    " max(extract(epoch FROM now() - xact_start)) AS age FROM pg_stat_activity"
    " WHERE application_name <> '' GROUP BY 1, 2"
)


class Gatherer:
    """Reads one platform's world, as far as it belongs to some tenants."""

    def __init__(self, platform: Platform, tenants: Sequence[Tenant], canaries: Mapping[str, str]):
        self._platform = platform
        self._tenants = tenants
        self._ids = [one.id for one in tenants]
        self.world = World(canaries)
        self._states: dict[str, dict[str, tuple[int, str, bool]]] = {}

    def calm(self, planted: frozenset[str], within_s: float) -> None:
        """Wait until nothing is late; what still is after that is a trouble."""
        self.world.planted = planted
        deadline = time.monotonic() + within_s
        while late := asyncio.run(under_way(self._platform, SERVICES)):
            if time.monotonic() > deadline:
                self.world.troubles += late
                return
            time.sleep(0.5)

    def read(self) -> World:
        """Everything."""
        for name in SERVICES:
            self.world.changes += asyncio.run(self._changes(name))
        for plural, (service, table) in COLLECTIONS.items():
            rows = self.rows(service, _STATES.format(f'"{table}"'), self._ids)
            states = {one["id"]: (one["version"], one["name"], one["gone"]) for one in rows}
            self._states[plural] = states
            self.world.rows |= {key: state[0] for key, state in states.items()}
        asyncio.run(with_nats(self._platform, self._streams))
        self._read_log()
        for tenant in self._tenants:
            for plural in COLLECTIONS:
                for one in tenant.list(plural, page_size=1000, show_deleted="true"):
                    self.world.finals[str(one["id"])] = one
        self._read_models()
        self._read_logs_of_processes()
        self._read_backends()
        return self.world

    def rows(self, service: str, query: str, *values: object) -> list[asyncpg.Record]:
        """Rows of one database."""

        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self._platform.database_url(service, "owner"))
            try:
                return await connection.fetch(query, *values)
            finally:
                await connection.close()

        return asyncio.run(ask())

    async def _changes(self, service: str) -> list[Change]:
        connection = await asyncpg.connect(self._platform.database_url(service, "owner"))
        try:
            return [
                Change(
                    service, row["tenant"], row["id"], row["resource"], row["record"],
                    row["version"], json.loads(row["changes"]),
                    json.loads(row["representation"] or "{}"),
                )
                for row in await connection.fetch(_CHANGES, self._ids)
            ]  # fmt: skip
        finally:
            await connection.close()

    async def _streams(self, client: Nats) -> None:
        """A fresh consumer reads each stream from its beginning."""
        jetstream = client.jetstream()
        for name in SERVICES:
            stream = stream_name(name)
            config = api.ConsumerConfig(ack_policy=api.AckPolicy.NONE, headers_only=True)
            messages = await jetstream.pull_subscribe("", stream=stream, config=config)
            left = (await jetstream.stream_info(stream)).state.messages
            sent: list[Sent | None] = []
            while left > 0:
                found = await messages.fetch(min(left, BATCH), timeout=5)
                left = found[-1].metadata.num_pending
                sent += [_sent(one.headers or {}) for one in found]
            known = self.world.canaries
            self.world.streams[name] = [one for one in sent if one and one.tenant in known]
            await messages.unsubscribe()

    def _read_log(self) -> None:
        query = (
            "SELECT tenant_id::text AS tenant, id::text AS id, sequence FROM log_entry"
            " WHERE tenant_id = ANY($1::uuid[])"
        )
        self.world.log = [Logged(**row) for row in self.rows("identity", query, self._ids)]
        for tenant in self._tenants:
            start = 1
            while start:
                answer = as_dict(tenant.post("logEntries:verify", {"from_sequence": start}))
                if not answer["intact"]:
                    self.world.broken_logs.append(f"{tenant.slug}: {answer}")
                start = int(str(answer["next_sequence"]))

    def _read_models(self) -> None:
        pairs = self.world.pairs
        for service, collections in REPLICAS.items():
            for plural in collections:
                query = (
                    "SELECT id::text AS id, version, label, delete_time IS NOT NULL AS gone"
                    " FROM reference WHERE resource = $1 AND tenant_id = ANY($2::uuid[])"
                )
                known = {
                    one["id"]: str((one["version"], one["label"], one["gone"]))
                    for one in self.rows(service, query, plural, self._ids)
                }
                wanted = {key: str(state) for key, state in self._states[plural].items()}
                pairs.append(Pair(f"{service} {plural}", wanted, known))
        pairs.append(self._facts())
        query = "SELECT record_id::text AS id, version FROM consumer_position WHERE consumer = $1"
        rows = self.rows("reporting", f"{query} AND tenant_id = ANY($2::uuid[])",
                         "reporting-pipeline", self._ids)  # fmt: skip
        places = {one["id"]: str(one["version"]) for one in rows}
        versions = {key: str(one[0]) for key, one in self._states["opportunities"].items()}
        pairs.append(Pair("positions", versions, places))
        pairs.extend(self._reports())
        lines = asyncio.run(self._recomputed())
        self.world.recomputed = [line for line in lines if line.split()[0] in self._ids]

    def _facts(self) -> Pair:
        """Every column that opportunities and their facts have in common."""
        owned = {row[0] for row in self.rows("sales", _COLUMNS, "opportunity")}
        common = sorted(
            owned & {r[0] for r in self.rows("reporting", _COLUMNS, "opportunity_fact")}
        )

        def rows(service: str, table: str) -> dict[str, str]:
            query = f"SELECT {', '.join(common)} FROM {table} WHERE tenant_id = ANY($1::uuid[])"  # noqa: S608  # names from the catalogue
            found = self.rows(service, query, self._ids)
            return {str(row["id"]): str(tuple(map(str, row.values()))) for row in found}

        return Pair("facts", rows("sales", "opportunity"), rows("reporting", "opportunity_fact"))

    def _reports(self) -> list[Pair]:
        """What the report says through the gateway, and the same from the records themselves."""
        pairs = []
        for tenant in self._tenants:
            groups = as_dict(tenant.get("reports/pipelineSummary", group_by="stage"))["groups"]
            assert isinstance(groups, list)
            told = {str(one["key"]): str((one["count"], _sum(one["amounts"]))) for one in groups}
            cells: dict[str, list[object]] = defaultdict(list)
            for one in tenant.list("opportunities", page_size=1000):
                cells[str(one["stage_id"])].append(one["amount"])
            wanted = {key: str((len(one), _sum(one))) for key, one in cells.items()}
            pairs.append(Pair(f"report of {tenant.slug}", wanted, told))
        return pairs

    async def _recomputed(self) -> list[str]:
        url = self._platform.database_url
        database = Database("reporting", url("reporting", "runtime"), url("reporting", "worker"))
        try:
            return await recompute_all(database, check=True)
        finally:
            await database.close()

    def _read_logs_of_processes(self) -> None:
        """Logs hold no personal data, so no canary either; and who is parked must be planted."""
        for name in (*SERVICES, GATEWAY):
            text = self._platform.log_path(name).read_text(errors="replace")
            for found in sorted(set(re.findall("canary[0-9a-f]{8}", text))):
                self.world.strays.append(f"{found} in the log of {name}")
        for name in SERVICES:
            for row in self.rows(name, _PARKED, self._ids):
                self.world.parked.add(row["id"])
                if row["id"] not in self.world.planted:
                    self.world.troubles.append(
                        f"{row['consumer']} parked {row['id']}: {row['reason']}"
                    )

    def _read_backends(self) -> None:
        counts: dict[str, int] = defaultdict(int)
        for row in self.rows("identity", _BACKENDS):
            counts[row["name"]] += row["number"]
            if row["state"] == "idle in transaction" and (row["age"] or 0) > IDLE_S:
                self.world.leaks.append(f"{row['name']}: idle in transaction for {row['age']} s")
        self.world.leaks += [
            f"{name}: {count} connections" for name, count in counts.items()
            if count > CONNECTIONS_MAX
        ]  # fmt: skip


def _sum(amounts: Sequence[object]) -> float:
    return sum(float(one["amount"]) for one in amounts if isinstance(one, dict))


def _sent(head: Mapping[str, str]) -> Sent | None:
    """The event that a message is."""
    if not head.get("ce-id"):
        return None
    return Sent(
        head["ce-id"], head["ce-tenantid"], head["ce-resource"], head["ce-subject"],
        int(head["ce-recordversion"]),
    )  # fmt: skip
