"""What a restore drill needs: writers that note when, and what the databases say to each other."""

import asyncio
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

import asyncpg
import httpx

from chassis.db.pool import Database
from deploy.backup.tools import CONTENT, program
from deploy.local.databases import client
from deploy.local.platform import Platform
from deploy.local.settings import ROOT, SERVICES
from services.reporting.methods.recompute import recompute_all
from tests.live import Tenant, as_dict

Json: TypeAlias = dict[str, object]
# event id -> (resource, record id, version)
Changes: TypeAlias = dict[str, tuple[str, str, int]]
INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH")


@dataclass(frozen=True)
class Write:
    """A record that was acknowledged, and when that was begun and done."""

    collection: str
    id: str
    began: datetime
    ended: datetime


@dataclass
class Writers:
    """Threads that create customers with an opportunity each, win some and rename some."""

    tenant: Tenant
    stages: list[str]
    writes: list[Write] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(3)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the writes under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, number: int) -> None:
        headers = self.tenant.http.headers
        with httpx.Client(base_url=self.tenant.url, headers=headers, timeout=20) as http:
            at = 0
            while not self._stop.is_set():
                at += 1
                self._deal(http, f"{number}-{at}", at)

    def _deal(self, http: httpx.Client, name: str, at: int) -> None:
        customer = self._send(http, "customers", {"name": f"客户 {name}"})
        deal = self._send(
            http, "opportunities",
            {
                "name": f"商机 {name}", "customer_id": customer,
                "stage_id": self.stages[at % len(self.stages)],
                "amount": {"currency_code": "USD", "amount": f"{at}.50"},
            },
        )  # fmt: skip
        if at % 3 == 0:
            self._send(http, f"opportunities/{deal}:win", {})
        if at % 4 == 0:
            http.patch(f"/v1/customers/{customer}", json={"industry": name}).raise_for_status()

    def _send(self, http: httpx.Client, path: str, body: Json) -> str:
        began = datetime.now(UTC)
        response = http.post(f"/v1/{path}", json=body)
        if response.status_code != 200:
            self.problems.append(response.text)
            return ""
        made = str(as_dict(response)["id"])
        if ":" not in path:
            self.writes.append(Write(path, made, began, datetime.now(UTC)))
        return made


@dataclass(frozen=True)
class Site:
    """The databases of a platform as their owners see them."""

    platform: Platform

    def rows(self, service: str, query: str, *values: object) -> list[asyncpg.Record]:
        """Rows of one database."""

        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.platform.database_url(service, "owner"))
            try:
                return await connection.fetch(query, *values)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def changes(self) -> Changes:
        """Everything that ever happened, of all services."""
        return {
            str(row["id"]): (f"{service}.{row['resource']}", str(row["record_id"]), row["version"])
            for service in SERVICES
            for row in self.rows(service, "SELECT id, resource, record_id, version FROM change")
        }

    def heard(self) -> set[str]:
        """Ids of all events that any consumer has applied."""
        return {
            str(row["event_id"])
            for service in SERVICES
            for row in self.rows(service, "SELECT event_id FROM inbox")
        }

    def versions(self, service: str, query: str) -> dict[str, int]:
        """Version by id."""
        return {str(row["id"]): row["version"] for row in self.rows(service, query)}

    def differences(self) -> list[str]:
        """Where replicas and read models differ from their owners, or the log from what happened.

        An event that no resource has, such as a sign-in, is in the log only.
        """
        owners = {
            "facts": self.versions("sales", "SELECT id, version FROM opportunity"),
            "customers": self.versions("customer", "SELECT id, version FROM customer"),
            "users": self.versions("identity", 'SELECT id, version FROM "user"'),
        }
        known = "SELECT id, version FROM reference WHERE resource = '{}'"
        replicas = {
            "facts": self.versions("reporting", "SELECT id, version FROM opportunity_fact"),
            "customers": self.versions("reporting", known.format("customers")),
            "users": self.versions("reporting", known.format("users")),
        }
        found = [
            f"{name} {record}: {owned.get(record)} is {replicas[name].get(record)}"
            for name, owned in owners.items()
            for record in owned.keys() | replicas[name].keys()
            if owned.get(record) != replicas[name].get(record)
        ]
        logged = {str(row["id"]) for row in self.rows("identity", "SELECT id FROM log_entry")}
        found += [f"{one} is not logged" for one in self.changes().keys() - logged]
        return found + self.recomputed()

    def recomputed(self) -> list[str]:
        """Cells of the read model that differ from a recomputation."""

        async def compare() -> list[str]:
            url = self.platform.database_url
            database = Database(
                "reporting", url("reporting", "runtime"), url("reporting", "worker")
            )
            try:
                return await recompute_all(database, check=True)
            finally:
                await database.close()

        return asyncio.run(compare())

    def schema(self, service: str) -> str:
        """Tables, views, functions and rights of a database as statements."""
        bare, environment = client(self.platform.database_url(service, "owner"))
        done = subprocess.run(
            [program("pg_dump"), "--schema-only", "--restrict-key=same", *CONTENT, "-d", bare],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout


def backup_command(platform: Platform, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """`python -m deploy.backup` as a job runs it: everything it needs is in the environment."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    command = [sys.executable, "-m", "deploy.backup", *arguments]
    return command, environment | platform.backup_environment()


def backup(platform: Platform, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command, environment = backup_command(platform, *arguments)
    return subprocess.run(
        command, env=environment | extra, cwd=ROOT, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
