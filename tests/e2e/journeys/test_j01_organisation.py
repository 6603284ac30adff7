"""J01: organisation, rights, scope, and a leaver whose records go to a colleague."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.live import PASSWORD, Tenant, as_dict, eventually

LISTS = ("customers", "contacts", "opportunities")
ENTERPRISE = {
    "name": "华信贸易有限公司", "address": "北京市朝阳区建国路 1 号", "contact_name": "李经理",
    "contact_phone": "+86 10 6500 0001", "contact_email": "li@huaxin.example.com",
}  # fmt: skip
STYLES = {
    "a": {
        "theme": "DARK", "language": "zh", "font_size": "LARGE", "density": "COMPACT",
        "accent_colour": "#aa0011",
    },
    "b": {
        "theme": "LIGHT", "language": "en", "font_size": "SMALL", "density": "COMFORTABLE",
        "start_page": "/opportunities",
    },
}  # fmt: skip
# Name, scope and verbs of the roles; only a manager may delete.
WORK = ["READ", "CREATE", "UPDATE"]
ROLES = {
    "own": ("OWN", WORK), "team": ("SUBORDINATES", [*WORK, "DELETE"]), "viewer": ("ALL", ["READ"]),
}  # fmt: skip


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
    """Manager M over the salespeople A and B, in departments of their own; V may only look.
    A owns c1 and c2, B owns c3.
    """
    roles = {
        name: str(tenant.create("roles", name=name, grants=[
            {"resource": one, "verbs": verbs, "scope": scope} for one in LISTS
        ])["id"])
        for name, (scope, verbs) in ROLES.items()
    }  # fmt: skip
    top = tenant.create("departments", name="销售部")["id"]
    places = {"m": top, "v": top}
    for login, name in (("a", "华北"), ("b", "华南")):
        places[login] = tenant.create("departments", name=name, parent_id=top)["id"]
    ids: dict[str, str] = {}
    for login, role in (("m", "team"), ("a", "own"), ("b", "own"), ("v", "viewer")):
        manager = {"manager_id": ids["m"]} if login in "ab" else {}
        made = tenant.create(
            "users", name=f"销售 {login}", login=login, password=PASSWORD, role_ids=[roles[role]],
            department_id=places[login], **manager,
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


def test_the_enterprise_is_there_for_everybody(house: House) -> None:
    assert house.tenant.patch("tenant", ENTERPRISE).status_code == 200
    kept = as_dict(house.tenant.get("tenant"))
    assert {name: kept[name] for name in ENTERPRISE} == ENTERPRISE
    assert house.people["a"].patch("tenant", {"name": "别的公司"}).status_code == 403


def test_everybody_has_his_own_style_at_the_next_sign_in(house: House) -> None:
    for login, style in STYLES.items():
        saved = house.people[login].patch("users/me/preferences", style)
        assert saved.status_code == 200, saved.text
    for login, style in STYLES.items():
        again = _sign_in(house.tenant, login)
        for told in (again.session["preferences"], as_dict(again.get("users/me/preferences"))):
            assert isinstance(told, dict)
            assert {name: told[name] for name in style} == style, login
        again.http.close()


def test_everybody_sees_what_his_role_and_place_allow(house: House) -> None:
    assert house.seen("a") == {"c1", "c2"}
    assert house.seen("b") == {"c3"}
    assert house.seen("m") == house.seen("admin") == house.seen("v") == {"c1", "c2", "c3"}
    assert {name: house.people[name].count("customers") for name in ("a", "m")} == {"a": 2, "m": 3}
    assert house.people["a"].get(f"customers/{house.customers['c3']}").status_code == 404
    body = {"website": "https://x.example"}
    assert house.people["a"].patch(f"customers/{house.customers['c3']}", body).status_code == 404


def test_viewing_editing_and_deleting_are_rights_of_their_own(house: House) -> None:
    path, people = f"customers/{house.customers['c1']}", house.people
    assert people["v"].get(path).status_code == 200
    assert people["v"].patch(path, {"website": "https://v.example"}).status_code == 403
    assert people["v"].post("customers", {"name": "c4"}).status_code == 403
    assert people["a"].patch(path, {"website": "https://a.example"}).status_code == 200
    for login in ("a", "v"):
        assert people[login].delete(path).status_code == 403
    assert people["m"].delete(path).status_code == 200
    assert house.seen("a") == {"c2"}
    assert people["m"].post(f"{path}:undelete", {}).status_code == 200
    assert house.seen("a") == {"c1", "c2"}


def test_a_leavers_records_go_to_a_colleague(house: House) -> None:
    eventually(lambda: house.tenant.count("stages") == 4)
    leaver, heir = house.people["a"], house.people["b"]
    of = {name: str(record_id) for name, record_id in house.customers.items()}
    moved = [f"customers/{of[name]}" for name in ("c1", "c2")]
    for name in ("c1", "c2"):
        deal = leaver.create("opportunities", name=f"商机 {name}", customer_id=of[name])
        contact = leaver.create("contacts", name=f"王芳 {name}", customer_id=of[name])
        moved += [f"opportunities/{deal['id']}", f"contacts/{contact['id']}"]
    assert {heir.get(path).status_code for path in moved} == {404}
    body = {"to_user_id": house.ids["b"], "disable": True}
    started = house.tenant.post(f"users/{house.ids['a']}:transfer", body)
    assert started.status_code == 200, started.text
    path = f"operations/{as_dict(started)['name']}"
    done = eventually(lambda: _ended(house.tenant, path), timeout_s=60, every_s=0.3)
    assert "error" not in done or not done["error"], done
    assert house.seen("b") == house.seen("m") == {"c1", "c2", "c3"}
    assert {as_dict(heir.get(path))["owner_id"] for path in moved} == {house.ids["b"]}
    for name in ("c1", "c2"):
        below = heir.list("opportunities", filter=f'customer_id = "{of[name]}"')
        assert [one["name"] for one in below] == [f"商机 {name}"]
    _assert_out(house)
    for path in moved:
        _assert_told(house, path)


def _assert_out(house: House) -> None:
    """The leaver gets in no more, neither anew nor with what he still has."""
    assert as_dict(house.tenant.get(f"users/{house.ids['a']}"))["state"] == "DISABLED"
    body = {"login": "a", "password": PASSWORD, "tenant": house.tenant.slug}
    assert httpx.post(f"{house.tenant.url}/v1/sessions", json=body).status_code == 401
    eventually(lambda: house.people["a"].get("customers").status_code == 401, timeout_s=5)


def _assert_told(house: House, path: str) -> None:
    """History and operation log say that the administrator moved a record, from whom to whom."""
    admin = house.tenant.session["user_id"]
    entries = as_dict(house.tenant.get(f"{path}/history"))["entries"]
    assert isinstance(entries, list)
    assert (entries[0]["through"], entries[0]["actor_id"]) == ("bulk", admin)
    told = {one["field"]: (one.get("from"), one.get("to")) for one in entries[0]["changes"]}
    assert told["owner_id"] == (house.ids["a"], house.ids["b"])
    query = f'record_id = "{path.partition("/")[2]}" AND through = bulk'
    (logged,) = eventually(lambda: house.tenant.list("logEntries", filter=query))
    assert logged["actor_id"] == admin
    fields = logged["changed_fields"]
    assert isinstance(fields, list)
    assert {"owner_id", "department_id"} <= set(fields)


def _ended(tenant: Tenant, path: str) -> dict[str, object]:
    operation = as_dict(tenant.get(path))
    return operation if operation["done"] else {}
