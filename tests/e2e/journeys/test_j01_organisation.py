"""J01: organisation, rights, scope, and a leaver whose records go to a colleague."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.live import PASSWORD, Tenant, as_dict, eventually

CUSTOMER_VERBS = ["READ", "CREATE", "UPDATE"]


@dataclass
class House:
    """The tenant with its people by name and their customers."""

    tenant: Tenant
    ids: dict[str, str]
    people: dict[str, Tenant]
    customers: dict[str, str]

    def seen(self, name: str) -> set[str]:
        """Names of the customers that a person lists."""
        return {str(one["name"]) for one in self.people[name].list("customers")}


def _sign_in(tenant: Tenant, login: str) -> Tenant:
    http = httpx.Client(base_url=tenant.url, timeout=30)
    body = {"login": login, "password": PASSWORD, "tenant": tenant.slug}
    session = as_dict(http.post("/v1/sessions", json=body))
    http.headers["authorization"] = f"Bearer {session['access_token']}"
    return Tenant(tenant.url, tenant.slug, tenant.id, "", session, http)


@pytest.fixture(scope="module")
def house(tenant: Tenant) -> Iterator[House]:
    """Manager M over the salespeople A and B; A owns c1 and c2, B owns c3."""
    grants = {
        name: [
            {"resource": one, "verbs": CUSTOMER_VERBS, "scope": scope}
            for one in ("customers", "contacts", "opportunities")
        ]
        for name, scope in (("own", "OWN"), ("team", "SUBORDINATES"))
    }
    roles = {
        name: str(tenant.create("roles", name=name, grants=rule)["id"])
        for name, rule in grants.items()
    }
    department = tenant.create("departments", name="销售部")["id"]
    ids: dict[str, str] = {}
    for login, role in (("m", "team"), ("a", "own"), ("b", "own")):
        manager = {} if login == "m" else {"manager_id": ids["m"]}
        made = tenant.create(
            "users", name=f"销售 {login}", login=login, password=PASSWORD, role_ids=[roles[role]],
            department_id=department, **manager,
        )  # fmt: skip
        ids[login] = str(made["id"])
    people = {"admin": tenant, **{login: _sign_in(tenant, login) for login in ids}}
    customers = {
        name: str(people[owner].create("customers", name=name)["id"])
        for name, owner in (("c1", "a"), ("c2", "a"), ("c3", "b"))
    }
    yield House(tenant, ids, people, customers)
    for login in ids:
        people[login].http.close()


def test_enterprise_and_own_style_are_there_at_the_next_sign_in(house: House) -> None:
    values = {"name": "华信贸易有限公司", "address": "北京市朝阳区建国路 1 号"}
    assert house.tenant.patch("tenant", values).status_code == 200
    saved = house.people["a"].patch(
        "users/me/preferences", {"theme": "DARK", "language": "zh", "font_size": "LARGE"}
    )
    assert saved.status_code == 200, saved.text
    again = _sign_in(house.tenant, "a")
    preferences = as_dict(again.get("users/me/preferences"))
    again.http.close()
    assert (preferences["theme"], preferences["language"]) == ("DARK", "zh")
    told = again.session["preferences"]
    assert isinstance(told, dict)
    assert told["language"] == "zh"
    kept = as_dict(house.tenant.get("tenant"))
    assert {name: kept[name] for name in values} == values


def test_everybody_sees_what_his_role_and_place_allow(house: House) -> None:
    assert house.seen("a") == {"c1", "c2"}
    assert house.seen("m") == {"c1", "c2", "c3"}
    assert house.seen("admin") == {"c1", "c2", "c3"}
    assert house.people["a"].get(f"customers/{house.customers['c3']}").status_code == 404
    refused = house.people["a"].delete(f"customers/{house.customers['c1']}")
    assert refused.status_code == 403


def test_a_leavers_records_go_to_a_colleague(house: House) -> None:
    eventually(lambda: house.tenant.count("stages") == 4)
    deal = house.people["a"].create("opportunities", name="商机", customer_id=house.customers["c1"])
    contact = house.people["a"].create("contacts", name="王芳", customer_id=house.customers["c2"])
    body = {"to_user_id": house.ids["b"], "disable": True}
    started = house.tenant.post(f"users/{house.ids['a']}:transfer", body)
    assert started.status_code == 200, started.text
    path = f"operations/{as_dict(started)['name']}"
    done = eventually(lambda: _ended(house.tenant, path), timeout_s=60, every_s=0.3)
    assert "error" not in done or not done["error"], done
    assert house.seen("b") == {"c1", "c2", "c3"}
    for collection, one in (("opportunities", deal), ("contacts", contact)):
        moved = as_dict(house.people["b"].get(f"{collection}/{one['id']}"))
        assert moved["owner_id"] == house.ids["b"]
    body = {"login": "a", "password": PASSWORD, "tenant": house.tenant.slug}
    assert httpx.post(f"{house.tenant.url}/v1/sessions", json=body).status_code == 401
    history = as_dict(house.tenant.get(f"customers/{house.customers['c1']}/history"))
    changes = history["changes"] if "changes" in history else history["entries"]
    assert isinstance(changes, list)
    newest = changes[0]
    assert newest["through"] == "bulk"
    logged = eventually(
        lambda: house.tenant.list(
            "logEntries", filter=f"record_id = {house.customers['c1']} AND through = bulk"
        )
    )
    assert logged[0]["actor_id"] == house.tenant.session["user_id"]


def _ended(tenant: Tenant, path: str) -> dict[str, object]:
    operation = as_dict(tenant.get(path))
    return operation if operation["done"] else {}
