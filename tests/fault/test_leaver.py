"""What a leaver owns goes to a person or a team, also when identity dies in the midst of it."""

import time
from collections.abc import Mapping

import httpx

from deploy.local.platform import Platform
from tests.live import PASSWORD, Tenant, as_dict, eventually, signed_in

CUSTOMERS = 300
OPPORTUNITIES = 60


def hire(tenant: Tenant, login: str, roles: list[object], **more: object) -> dict[str, object]:
    """A user with these roles."""
    return tenant.create(
        "users", name=login, login=login, email=f"{login}@{tenant.slug}.example.com",
        password=PASSWORD, role_ids=roles, **more,
    )  # fmt: skip


def own(tenant: Tenant, owner: object) -> None:
    """Customers with contacts, opportunities and a campaign of one owner."""
    rows = [{"customer": {"name": f"客户 {at}", "owner_id": owner}} for at in range(CUSTOMERS)]
    made = as_dict(tenant.post("customers:batchCreate", {"requests": rows}))["customers"]
    assert isinstance(made, list)
    contacts = [
        {"contact": {"name": "Ann", "customer_id": one["id"], "owner_id": owner}}
        for one in made[:50]
    ]
    assert tenant.post("contacts:batchCreate", {"requests": contacts}).status_code == 200
    deals = [
        {"opportunity": {"name": f"商机 {at}", "owner_id": owner}} for at in range(OPPORTUNITIES)
    ]
    answer = tenant.post("opportunities:batchCreate", {"requests": deals})
    assert answer.status_code == 200, answer.text
    tenant.create("campaigns", name="Spring", owner_id=owner)


def owned(tenant: Tenant, owner: object) -> dict[str, int]:
    """How much of each collection somebody owns."""
    found = {}
    for name in ("customers", "contacts", "opportunities", "campaigns"):
        query: dict[str, str | int] = {
            "filter": f'owner_id = "{owner}"',
            "count": "exact",
            "page_size": 1,
        }
        found[name] = int(str(as_dict(tenant.get(name, **query))["total_size"]))
    return found


def look(tenant: Tenant, name: object) -> Mapping[str, object]:
    """The operation; nothing while identity is away."""
    try:
        response = tenant.get(f"operations/{name}")
    except httpx.HTTPError:
        return {}
    return as_dict(response) if response.status_code == 200 else {}


def ended(tenant: Tenant, name: object) -> Mapping[str, object]:
    """The metadata of the operation once it has succeeded."""
    done = eventually(lambda: _done(look(tenant, name)), timeout_s=100, every_s=0.3)
    assert done["response"], done
    metadata = done["metadata"]
    assert isinstance(metadata, dict)
    return metadata


def _done(operation: Mapping[str, object]) -> Mapping[str, object]:
    return operation if operation.get("done") else {}


def test_everything_moves_though_identity_dies(
    fragile: Platform, victim: Tenant, figures: list[str]
) -> None:
    roles = {str(one["name"]): one["id"] for one in victim.list("roles")}
    leaver = hire(victim, "leaver", [roles["Salesperson"]])["id"]
    heir = hire(victim, "heir", [roles["Salesperson"]])["id"]
    eventually(lambda: victim.get("customers", filter="name:x").status_code == 200)
    own(victim, leaver)
    before = owned(victim, leaver)
    assert before == {
        "customers": CUSTOMERS, "contacts": 50, "opportunities": OPPORTUNITIES, "campaigns": 1,
    }  # fmt: skip
    session = signed_in(victim.url, victim.slug, victim.id, f"leaver@{victim.slug}.example.com")
    began = time.monotonic()
    body = {"to_user_id": heir, "disable": True}
    started = victim.post(f"users/{leaver}:transfer", body, idempotency_key="leave")
    assert started.status_code == 200, started.text
    name = as_dict(started)["name"]
    fragile.kill("identity")
    time.sleep(0.5)
    fragile.start("identity")
    metadata = ended(victim, name)
    figures.append(
        f"{sum(before.values())} records of a leaver moved in {time.monotonic() - began:.1f} s,"
        " identity killed in between"
    )
    assert owned(victim, heir) == before
    assert sum(owned(victim, leaver).values()) == 0
    counts = metadata["counts"]
    assert isinstance(counts, dict)
    moved = {one["resource"]: one["updated"] for one in counts["collections"]}
    assert moved == {**dict.fromkeys(moved, 0), **before}
    assert (counts["updated"], counts["skipped"], counts["failed"]) == (sum(before.values()), 0, 0)
    assert as_dict(victim.get(f"users/{leaver}"))["state"] == "DISABLED"
    assert eventually(lambda: session.get("customers").status_code == 401)
    session.http.close()
    again = victim.post(f"users/{leaver}:transfer", body, idempotency_key="leave")
    assert as_dict(again)["name"] == name
    versions = {one["etag"] for one in victim.list("customers", page_size=1000)}
    assert versions == {'"2"'}


def test_a_team_takes_over_through_its_head(fragile: Platform, victim: Tenant) -> None:
    roles = {str(one["name"]): one["id"] for one in victim.list("roles")}
    team = victim.create("departments", name="Team")["id"]
    empty = victim.create("departments", name="Nobody")["id"]
    head = hire(victim, "head", [roles["Manager"]], department_id=team)["id"]
    hire(victim, "member", [roles["Salesperson"]], department_id=team, manager_id=head)
    leaver = hire(victim, "leaver", [roles["Salesperson"]])["id"]
    customer = victim.create("customers", name="One", owner_id=leaver)
    victim.create("campaigns", name="Spring", owner_id=leaver)
    path = f"users/{leaver}:transfer"
    refused = victim.post(path, {"to_department_id": empty})
    assert (refused.status_code, as_dict(refused)["reason"]) == (400, "DEPARTMENT_EMPTY")
    for wrong in ({}, {"to_user_id": leaver}, {"to_user_id": team}):
        assert victim.post(path, wrong).status_code == 400
    odd = {"to_department_id": team, "resources": ["products"]}
    assert victim.post(path, odd).status_code == 400
    started = victim.post(path, {"to_department_id": team, "resources": ["customers"]})
    ended(victim, as_dict(started)["name"])
    assert owned(victim, head) == {
        "customers": 1, "contacts": 0, "opportunities": 0, "campaigns": 0,
    }  # fmt: skip
    moved = as_dict(victim.get(f"customers/{customer['id']}"))
    assert (moved["owner_id"], moved["department_id"]) == (head, team)
    member = signed_in(victim.url, victim.slug, victim.id, f"member@{victim.slug}.example.com")
    assert member.post(path, {"to_user_id": head}).status_code == 403
    member.http.close()
