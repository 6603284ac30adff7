"""Ids of another tenant in every path of the REST API: answered as ids that never were."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import orjson

from deploy.local.settings import ROOT
from tests.live import Tenant, as_dict

CALLS_MIN = 1000
# Collections that stand for the others in paths of what every collection has.
SAMPLES = ("customers", "users", "opportunities", "campaigns")
PLACE = re.compile(r"\{([a-z_.]+)\}")
VARYING = ("instance", "trace_id")


def routes() -> Iterator[tuple[str, str]]:
    """(method, path) of everything in the API that names a record."""
    document = orjson.loads((ROOT / "docs" / "openapi.json").read_bytes())
    for path, methods in document["paths"].items():
        kinds = SAMPLES if "{resource}" in path else ("",)
        for kind in kinds:
            named = path.replace("{resource}", kind)
            if PLACE.search(named):
                yield from ((method.upper(), named) for method in methods if method != "parameters")


def filled(tenant: Tenant) -> list[str]:
    """Ids of all kinds of records of a tenant."""
    made = [
        tenant.create(collection, **values)["id"]
        for collection, values in (
            ("customers", {"name": "theirs"}),
            ("products", {"name": "theirs", "code": "T1"}),
            ("pipelines", {"name": "theirs"}),
            ("campaigns", {"name": "theirs"}),
            ("departments", {"name": "theirs"}),
            ("roles", {"name": "theirs"}),
            ("users", {"name": "theirs", "login": "theirs"}),
            ("announcements", {"title": "theirs", "body": "theirs"}),
        )
    ]
    contact = tenant.create("contacts", name="theirs", customer_id=made[0])
    export = as_dict(tenant.post("customers:export", {}))
    ids = [*made, contact["id"], export["name"], tenant.id, *tenant.session.values()]
    return [one for one in map(str, ids) if re.search("[0-9a-f]{12}$", one) and "_" not in one]


def answer(tenant: Tenant, method: str, path: str, record_id: str) -> tuple[object, ...]:
    """What is told of an id in a path."""
    body: dict[str, object] | None = None if method in {"GET", "DELETE"} else {}
    url = PLACE.sub(record_id, path)
    response: httpx.Response = tenant.http.request(method, url, json=body)
    text = response.text
    for name in VARYING:
        text = re.sub(rf'"{name}":"[^"]*"', "", text)
    return response.status_code, text.replace(record_id, "ID")


def test_ids_of_another_tenant_in_every_path_look_absent(
    tenant: Tenant, other_tenant: Tenant, figures: list[str]
) -> None:
    calls, wrong = 0, []
    theirs, lists = filled(other_tenant), ("customers", "users", "roles", "campaigns", "contacts")
    before = [other_tenant.list(one, show_deleted="true") for one in lists]
    for method, path in routes():
        for one in theirs:
            never = one[:-36] + str(uuid4())
            found, wanted = (answer(tenant, method, path, name) for name in (one, never))
            if found != wanted or found[0] == 200 or int(str(found[0])) >= 500:
                wrong.append(f"{method} {path}: {found}, not {wanted}")
            calls += 1
    assert not wrong, "\n".join(wrong[:50])
    assert [other_tenant.list(one, show_deleted="true") for one in lists] == before
    figures.append(f"REST: {calls:,} calls with ids of another tenant in paths")
    assert calls >= CALLS_MIN
