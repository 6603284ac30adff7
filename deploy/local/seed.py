"""Demo data: one tenant with people, customers and a pipeline, made through the REST API.

Every record carries an external id, so that an interrupted seed is simply run again.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cli.client import Client, ProblemError, session_from
from cli.errors import CliError
from cli.records import collection_path, items, record_path
from cli.store import Store
from cli.tenant import call
from crm.identity.v1 import tenant_pb2 as pb
from deploy.local.errors import RunnerError
from deploy.local.platform import Platform

SLUG: Final = "demo"
SOURCE: Final = "demo"
DATA: Final = Path(__file__).with_name("seed.json")
# What a new tenant gets by events is there soon after it.
PATIENCE_S: Final = 15.0
_DATE: Final = re.compile(r"\{(-?\d+)\}")
_NAMED: Final = frozenset({"roles", "stages"})


def seed(platform: Platform) -> None:
    """Make the demo tenant and its records; what is there already stays as it is."""
    account = platform.credentials()
    store = Store(platform.run_dir / "seed-session.json")
    try:
        make_tenant(platform, account)
        sign_in(store, account)
        client = Client(account["url"], store)
        try:
            Planter(client, account["password"]).plant(json.loads(DATA.read_text("utf-8")))
            client.change("DELETE", "/v1/sessions/current")
        finally:
            client.close()
    except CliError as error:
        raise RunnerError(f"demo data: {error}") from error
    finally:
        store.forget()


def make_tenant(platform: Platform, account: Mapping[str, str]) -> None:
    """Create the tenant with the administrator of credentials.json, unless it exists."""
    operator = platform.operator()
    reach = (operator["identity_target"], operator["secret"])
    known = asyncio.run(call(*reach, "ListTenants", pb.ListTenantsRequest()))
    if isinstance(known, pb.ListTenantsResponse) and SLUG in {one.slug for one in known.tenants}:
        return
    request = pb.CreateTenantRequest(
        slug=SLUG,
        name="演示公司 Demo Company",
        time_zone="Asia/Shanghai",
        currency_code="CNY",
        admin_login="admin",
        admin_email=account["email"],
        admin_password=account["password"],
    )
    asyncio.run(call(*reach, "CreateTenant", request))


def sign_in(store: Store, account: Mapping[str, str]) -> None:
    """Open a session for the seed."""
    client = Client(account["url"], None)
    try:
        body = {"email": account["email"], "password": account["password"], "tenant": SLUG}
        store.save(session_from(account["url"], client.change("POST", "/v1/sessions", body)))
    finally:
        client.close()


class Planter:
    """Creates records in order and remembers their ids by collection and key."""

    def __init__(self, client: Client, password: str) -> None:
        self._client = client
        self._password = password
        self._today = datetime.now(UTC).date()
        self._ids: dict[str, str] = {}

    def plant(self, records: list[dict[str, object]]) -> None:
        """Create what is missing; `in` is the collection, `then` a method to call after."""
        for record in records:
            collection, key = str(record.pop("in")), str(record.pop("key"))
            then = record.pop("then", None)
            name = f"{collection}/{key}"
            found = self._find(
                collection, f'external_source = "{SOURCE}" AND external_id = "{key}"'
            )
            if found is None:
                found = self._create(collection, key, record)
            self._ids[name] = str(found["id"])
            if isinstance(then, list) and found.get("state") == "OPEN":
                verb, body = str(then[0]), self._filled(then[1])
                path = f"{record_path(collection, self._ids[name])}:{verb}"
                self._client.change("POST", path, body, {"idempotency-key": f"seed-{name}-{verb}"})

    def _create(
        self, collection: str, key: str, record: Mapping[str, object]
    ) -> Mapping[str, object]:
        body = self._filled({**record, "external_source": SOURCE, "external_id": key})
        if collection == "users" and isinstance(body, dict):
            body["password"] = self._password
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._client.change("POST", collection_path(collection), body)
            except ProblemError as error:
                # A record just made in one service may not be known in the other yet.
                if error.status != 400 or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _filled(self, value: object) -> object:
        """The value with references ($users/lina) and days from today ({-5}) put in."""
        if isinstance(value, dict):
            return {name: self._filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner) for inner in value]
        if isinstance(value, str) and value.startswith("$"):
            return self._reference(value[1:])
        if isinstance(value, str) and (days := _DATE.fullmatch(value)):
            return (self._today + timedelta(days=int(days[1]))).isoformat()
        return value

    def _reference(self, name: str) -> str:
        collection, _, key = name.partition("/")
        deadline = time.monotonic() + PATIENCE_S
        while name not in self._ids and collection in _NAMED:
            found = self._find(collection, f'name = "{key}"')
            if found is not None:
                self._ids[name] = str(found["id"])
            elif time.monotonic() > deadline:
                raise CliError(f"there is no {name}")
            else:
                time.sleep(0.5)
        return self._ids[name]

    def _find(self, collection: str, condition: str) -> Mapping[str, object] | None:
        page = self._client.read(collection_path(collection), {"filter": condition, "page_size": 1})
        return next(iter(items(page)), None)
