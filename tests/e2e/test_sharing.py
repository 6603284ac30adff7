"""Sharing one record, its history, why somebody sees it, and hidden fields, over REST."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.e2e.test_events_live import listening
from tests.e2e.test_rights_spread import LISTS, SUMMARY, person
from tests.live import Tenant, as_dict

WITHIN_S = 5.0


@dataclass
class Sales:
    """A tenant with a seller of north and one of south, each with a customer of his own."""

    tenant: Tenant
    north: Tenant
    south: Tenant
    customer_id: str
    role_id: str
    departments: Mapping[str, str]


@pytest.fixture(scope="module")
def sales(tenant: Tenant) -> Iterator[Sales]:
    verbs = ["READ", "CREATE", "UPDATE", "SHARE", "EXPORT"]
    grants = [{"resource": one, "verbs": verbs, "scope": "OWN"} for one in LISTS]
    grants.append({"resource": "users", "verbs": ["READ"], "scope": "ALL"})
    role_id = str(tenant.create("roles", name="seller", grants=grants)["id"])
    top = str(tenant.create("departments", name="区域")["id"])
    departments = {"top": top}
    people = {}
    for name in ("north", "south"):
        made = tenant.create("departments", name=name, parent_id=top)
        departments[name] = str(made["id"])
        people[name] = person(tenant, name, role_ids=[role_id], department_id=made["id"])
    customer = people["north"].create(
        "customers", name="北京华信", phone="+86 10 1234 5678", external_source="s", external_id="1"
    )
    yield Sales(tenant, people["north"], people["south"], str(customer["id"]), role_id, departments)
    for one in people.values():
        one.http.close()


def user_id(who: Tenant) -> str:
    return str(who.session["user_id"])


def explained(who: Tenant, about: Tenant, verb: str, record_id: str) -> dict[str, object]:
    """What is answered about somebody and a customer."""
    body = {
        "user_id": user_id(about), "resource": "customers", "verb": verb, "record_id": record_id
    }  # fmt: skip
    response = who.post("access:explain", body)
    assert response.status_code == 200, response.text
    return as_dict(response)


def test_a_shared_record_is_seen_by_whom_it_is_shared_with(sales: Sales) -> None:
    path, south = f"customers/{sales.customer_id}", sales.south
    assert south.get(path).status_code == 404
    assert explained(sales.tenant, south, "READ", sales.customer_id)["denied_because"] == (
        "OUT_OF_SCOPE"
    )
    body = {"user_id": user_id(south), "level": "READ"}
    made = sales.north.post(f"{path}/shares", body, idempotency_key="share-1")
    assert made.status_code == 200, made.text
    share = as_dict(made)
    assert (share["user_id"], share["level"]) == (user_id(south), "READ")
    again = sales.north.post(f"{path}/shares", body, idempotency_key="share-1")
    assert as_dict(again) == share
    assert as_dict(sales.north.post(f"{path}/shares", body)) == share, "the same again is nothing"
    assert as_dict(sales.north.get(f"{path}/shares"))["shares"] == [share]
    assert south.get(path).status_code == 200
    assert [one["id"] for one in south.list("customers")] == [sales.customer_id]
    assert south.count("customers") == 1
    assert south.patch(path, {"website": "https://x.example"}).status_code == 404
    told = explained(sales.tenant, south, "READ", sales.customer_id)
    reasons = told["reasons"]
    assert isinstance(reasons, list)
    assert [(one["matched_by"], one["share_id"]) for one in reasons] == [("SHARE", share["id"])]
    assert "shared with him" in str(told["text"])
    assert "共享" in str(told["text_zh"])
    for _ in range(2):
        taken = sales.north.delete(f"{path}/shares/{share['id']}", idempotency_key="share-2")
        assert taken.status_code == 200, taken.text
    assert sales.north.delete(f"{path}/shares/{share['id']}").status_code == 404
    assert south.get(path).status_code == 404


def test_a_share_with_a_department_counts_below_it_and_may_be_for_writing(sales: Sales) -> None:
    path, south = f"customers/{sales.customer_id}", sales.south
    body = {"department_id": sales.departments["top"], "level": "WRITE"}
    share = as_dict(sales.north.post(f"{path}/shares", body))
    assert south.patch(path, {"website": "https://south.example"}).status_code == 200
    opportunity = south.post("opportunities", {"customer_id": sales.customer_id})
    assert opportunity.status_code == 200, opportunity.text
    assert south.delete(path).status_code == 403
    less = as_dict(sales.north.post(f"{path}/shares", {**body, "level": "READ"}))
    assert less["id"] == share["id"]
    assert south.patch(path, {"website": "https://more.example"}).status_code == 404
    sales.north.delete(f"{path}/shares/{share['id']}")


def test_sums_and_live_updates_follow_shares(sales: Sales, figures: list[str]) -> None:
    """A list, a report and the live stream tell of the same records within five seconds."""
    north, south = sales.north, sales.south
    opportunity = north.create("opportunities", name="joint", customer_id=sales.customer_id)
    record_id, path = opportunity["id"], f"opportunities/{opportunity['id']}"
    assert within(lambda: "北京华信" in summed(north)) < WITHIN_S
    body = {"user_id": user_id(south), "level": "READ"}
    before = south.count("opportunities")
    with listening(south.url, south.session["access_token"]) as listener:
        share = as_dict(north.post(f"{path}/shares", body))
        assert listener.until(record_id).name == "opportunity.shared"
        took = within(lambda: sum(summed(south).values()) == before + 1)
        assert south.count("opportunities") == before + 1
        assert summed(south)[sales.customer_id] >= 1, "he may not read the customer"
        customer = as_dict(north.post(f"customers/{sales.customer_id}/shares", body))
        named = within(lambda: "北京华信" in summed(south))
        north.delete(f"customers/{sales.customer_id}/shares/{customer['id']}")
        within(lambda: "北京华信" not in summed(south))
        north.patch(path, {"name": "still joint"})
        assert listener.until(record_id).name == "opportunity.updated"
        north.delete(f"{path}/shares/{share['id']}")
        north.patch(path, {"name": "not joint"})
        own = south.create("opportunities", name="own")["id"]
        told = ""
        while told != own:
            told = json.loads(listener.next().data)["id"]
            assert told != record_id
    gone = within(lambda: sum(summed(south).values()) == south.count("opportunities") == before + 1)
    figures.append(f"shared: in sums after {took:.2f} s, named {named:.2f} s, gone {gone:.2f} s")


def summed(who: Tenant) -> dict[str, int]:
    """Numbers of opportunities by customer, as the summary names them."""
    groups = as_dict(who.get(SUMMARY, group_by="customer"))["groups"]
    assert isinstance(groups, list)
    return {group["label"]: group["count"] for group in groups}


def test_history_says_who_did_what(sales: Sales) -> None:
    path = f"customers/{sales.customer_id}"
    sales.north.patch(path, {"phone": "+86 10 8765 4321", "industry": "软件"})
    page = as_dict(sales.north.get(f"{path}/history", page_size=1))
    entries = page["entries"]
    assert isinstance(entries, list)
    (latest,) = entries
    assert (latest["event"], latest["through"], latest["actor_name"]) == (
        "updated",
        "user",
        "north",
    )
    changes = {one["field"]: (one["from"], one["to"]) for one in latest["changes"]}
    assert changes["phone"] == ("+86 10 1234 5678", "+86 10 8765 4321")
    assert changes["industry"][1] == "软件"
    events = [str(one["event"]) for one in history(sales.north, path)]
    assert events[-1] == "created"
    assert {"shared", "unshared"} <= set(events)
    versions = [one["version"] for one in history(sales.north, path)]
    assert versions == list(range(len(versions), 0, -1)), "none is missing"
    assert sales.south.get(f"{path}/history").status_code == 404
    foreign = str(page["next_page_token"])
    assert sales.north.get(f"{path}/history", page_token=foreign[:-2] + "zz").status_code == 400


def history(who: Tenant, path: str) -> list[Mapping[str, object]]:
    """All entries, over all pages."""
    found: list[Mapping[str, object]] = []
    token = ""
    while True:
        query: dict[str, str | int] = {"page_size": 2, **({"page_token": token} if token else {})}
        page = as_dict(who.get(f"{path}/history", **query))
        entries = page["entries"]
        assert isinstance(entries, list)
        found += entries
        token = str(page["next_page_token"])
        if not token:
            return found


def test_field_rules_are_in_force_everywhere(sales: Sales, figures: list[str]) -> None:
    """Within five seconds a hidden field is absent in every service, keys and all."""
    tenant, north = sales.tenant, sales.north
    north.create("campaigns", name="hidden campaign")
    north.create(
        "opportunities",
        name="hidden opportunity",
        customer_id=sales.customer_id,
        amount={"currency_code": "USD", "amount": "7.00"},
    )
    assert within(lambda: amounts(north) != []) < WITHIN_S
    fields = dict.fromkeys(LISTS, "name") | {"opportunities": "amount"}
    hidden = [{"resource": one, "field": name, "access": "HIDDEN"} for one, name in fields.items()]
    response = tenant.patch(f"roles/{sales.role_id}", {"field_rules": hidden})
    assert response.status_code == 200, response.text

    def gone() -> bool:
        shown = any(fields[one] in record for one in LISTS for record in north.list(one))
        return not shown and amounts(north) == []

    took = within(gone)
    path = f"customers/{sales.customer_id}"
    for answer in (as_dict(north.get(path)), as_dict(north.patch(path, {"industry": "金融"}))):
        assert "name" not in answer
        assert answer["industry"]
    for response in (
        north.get(path, fields="name"),
        north.get("customers", filter='name = "北京华信"'),
        north.get("customers", order_by="name"),
        north.patch(path, {"name": "x"}),
    ):
        assert response.status_code == 400, response.text
    assert "name" not in {one["field"] for entry in history(north, path) for one in changes(entry)}
    told = explained(tenant, north, "UPDATE", sales.customer_id)
    assert told["hidden_fields"] == ["name"]
    tenant.patch(f"roles/{sales.role_id}", {"field_rules": []})
    back = within(lambda: all("name" in one for one in north.list("customers")))
    figures.append(f"in every service: fields hidden after {took:.2f} s, back after {back:.2f} s")


def changes(entry: Mapping[str, object]) -> list[Mapping[str, object]]:
    found = entry["changes"]
    assert isinstance(found, list)
    return found


def amounts(who: Tenant) -> list[object]:
    """The sums that the summary shows."""
    groups = as_dict(who.get(SUMMARY, group_by="owner"))["groups"]
    assert isinstance(groups, list)
    return [one for group in groups for one in group["amounts"]]


def within(look: Callable[[], bool]) -> float:
    """Seconds until it is true."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < WITHIN_S
        time.sleep(0.05)
    return time.monotonic() - began
