"""Own fields over REST: declared, checked on every write, shown under their names everywhere."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.custom_fields.own import (
    choice,
    customer,
    good,
    own_field,
    own_values,
    refused,
)
from tests.live import Tenant

MONEY = {"currency_code": "CNY", "amount": "12.5"}


@pytest.fixture(scope="module")
def declared(tenant: Tenant) -> dict[str, str]:
    """A field of every kind; ids by name, and of the choices by label."""
    kinds = {
        "nickname": "TEXT", "score": "NUMBER", "fee": "MONEY", "since": "DATE", "tier": "CHOICE",
        "needs": "MULTI_CHOICE",
    }  # fmt: skip
    ids = {name: own_field(tenant, name, kind) for name, kind in kinds.items()}
    ids["vip"] = own_field(tenant, "vip", "BOOLEAN", default_value="false")
    referred = {"guarantor": "customers", "planner": "users", "lead_product": "products"}
    for name, target in referred.items():
        ids[name] = own_field(tenant, name, "REFERENCE", reference_resource=target)
    for at, label in enumerate(("金", "银", "铜")):
        ids[label] = choice(tenant, ids["tier"], label, position=at, color="#ffaa00")
    ids["speed"], ids["price"] = (choice(tenant, ids["needs"], one) for one in ("speed", "price"))
    return ids


def test_every_kind_is_stored_and_shown(tenant: Tenant, declared: dict[str, str]) -> None:
    first = good(customer(tenant))
    product = tenant.create("products", name="Pump")
    own = {
        "nickname": "老客户", "score": "12.50", "fee": MONEY, "since": "2026-01-31",
        "tier": declared["金"], "needs": [declared["price"], declared["speed"]],
        "guarantor": first["id"], "planner": first["owner_id"], "lead_product": product["id"],
    }  # fmt: skip
    made = good(customer(tenant, **own))
    wanted = {**own, "score": "12.5", "fee": {**MONEY, "amount": "12.50"}, "vip": False}
    assert made["custom_fields"] == wanted
    path = f"customers/{made['id']}"
    assert good(tenant.get(path))["custom_fields"] == wanted
    assert good(tenant.get(path, fields="custom_fields.tier"))["custom_fields"] == wanted
    changed = good(tenant.patch(path, {"custom_fields": {"score": "13", "nickname": None}}))
    assert changed["custom_fields"] == {
        name: value for name, value in {**wanted, "score": "13"}.items() if name != "nickname"
    }
    assert good(tenant.patch(path, {"custom_fields": {"score": "13.0"}}))["etag"] == changed["etag"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nickname", 5), ("nickname", "x" * 4001), ("score", 5), ("score", "many"),
        ("score", "1e3"), ("fee", "12"), ("fee", {"currency_code": "ZZZ", "amount": "1"}),
        ("fee", {"currency_code": [], "amount": "1"}),
        ("since", "2026-02-30"), ("since", "31.1.2026"), ("vip", "yes"), ("tier", "金"),
        ("needs", "speed"), ("guarantor", "nobody"), ("nothing", "x"),
        ("guarantor", "018f0000-0000-7000-8000-000000000000"),
        ("lead_product", "018f0000-0000-7000-8000-000000000000"),
        ("planner", "018f0000-0000-7000-8000-000000000000"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_at_the_field(
    tenant: Tenant, declared: dict[str, str], name: str, value: object
) -> None:
    assert declared
    refused(customer(tenant, **{name: value}), 400, f"custom_fields.{name}")
    known = good(customer(tenant))
    path = f"customers/{known['id']}"
    body = {"custom_fields": {name: value}}
    refused(tenant.patch(path, body), 400, f"custom_fields.{name}")
    batch = {"requests": [{"customer": {"name": "one"}}, {"customer": {"name": "two", **body}}]}
    place = f"requests[1].customer.custom_fields.{name}"
    refused(tenant.post("customers:batchCreate", batch), 400, place)


def test_what_a_record_named_before_may_stay(tenant: Tenant, declared: dict[str, str]) -> None:
    assert declared
    friend = good(customer(tenant))
    record = good(customer(tenant, guarantor=friend["id"]))
    path = f"customers/{record['id']}"
    good(tenant.delete(f"customers/{friend['id']}"))
    own = {"guarantor": friend["id"], "score": "1"}
    assert own_values(good(tenant.patch(path, {"custom_fields": own})))["score"] == "1"
    assert own_values(good(tenant.patch(path, {"custom_fields": {"score": "2"}})))["score"] == "2"
    batch = {"requests": [{"customer": {"id": record["id"], "custom_fields": {"score": "3"}}}]}
    good(tenant.post("customers:batchUpdate", batch))
    refused(customer(tenant, guarantor=friend["id"]), 400, "custom_fields.guarantor")
    good(tenant.patch(path, {"custom_fields": {"guarantor": None}}))
    again = {"custom_fields": {"guarantor": friend["id"]}}
    refused(tenant.patch(path, again), 400, "custom_fields.guarantor")


def test_retired_choices_stay_and_never_come(tenant: Tenant, declared: dict[str, str]) -> None:
    old = good(customer(tenant, tier=declared["铜"], needs=[declared["speed"]]))
    for label in ("铜", "speed"):
        good(tenant.patch(f"customers/choices/{declared[label]}", {"retired": True}))
    path = f"customers/{old['id']}"
    assert own_values(good(tenant.get(path)))["tier"] == declared["铜"]
    good(tenant.patch(path, {"name": "Acme 2", "custom_fields": {"tier": declared["铜"]}}))
    good(tenant.patch(path, {"custom_fields": {"needs": [declared["speed"], declared["price"]]}}))
    refused(customer(tenant, tier=declared["铜"]), 400, "custom_fields.tier")
    refused(customer(tenant, needs=[declared["speed"]]), 400, "custom_fields.needs")
    good(tenant.delete(f"customers/choices/{declared['铜']}"))
    assert own_values(good(tenant.get(path)))["tier"] == declared["铜"]


def test_required_fields_and_defaults(other_tenant: Tenant) -> None:
    tenant = other_tenant
    region = own_field(tenant, "region", "TEXT", required=True)
    size = own_field(tenant, "size", "CHOICE")
    small = choice(tenant, size, "small", is_default=True)
    again = {"field": size, "label": "big", "is_default": True}
    refused(tenant.post("customers/choices", again), 409, "is_default")
    refused(customer(tenant), 400, "custom_fields.region")
    record = good(customer(tenant, region="north"))
    assert record["custom_fields"] == {"region": "north", "size": small}
    path = f"customers/{record['id']}"
    refused(tenant.patch(path, {"custom_fields": {"region": None}}), 400, "custom_fields.region")
    good(tenant.patch(path, {"name": "no own field is sent"}))
    place = f"customers/custom_fields/{region}"
    refused(tenant.delete(place), 400)
    good(tenant.patch(place, {"retired": True, "name": "area"}))
    assert good(tenant.get(path))["custom_fields"] == {"area": "north", "size": small}
    refused(tenant.patch(path, {"custom_fields": {"area": "south"}}), 400, "custom_fields.area")
    good(customer(tenant))
    good(tenant.delete(place))
    assert good(tenant.get(path))["custom_fields"] == {"size": small}
    good(tenant.post(f"{place}:undelete", {}))
    assert good(tenant.get(path))["custom_fields"] == {"area": "north", "size": small}


def test_unique_values_hold_among_the_living_and_under_races(tenant: Tenant) -> None:
    own_field(tenant, "card", "TEXT", unique_values=True)
    first = good(customer(tenant, card="A-1"))
    body = refused(customer(tenant, card="a-1"), 409, "custom_fields.card")
    assert body["reason"] == "ALREADY_EXISTS"
    good(customer(tenant, card="A-2"))
    other = good(customer(tenant))
    path = f"customers/{other['id']}"
    refused(tenant.patch(path, {"custom_fields": {"card": "A-1"}}), 409, "custom_fields.card")
    good(tenant.delete(f"customers/{first['id']}"))
    good(tenant.patch(path, {"custom_fields": {"card": "A-1"}}))
    refused(tenant.post(f"customers/{first['id']}:undelete", {}), 409, "custom_fields.card")
    good(tenant.patch(path, {"custom_fields": {"card": None}}))
    good(tenant.post(f"customers/{first['id']}:undelete", {}))
    with ThreadPoolExecutor(8) as many:
        codes = [
            one.status_code for one in many.map(lambda _: customer(tenant, card="race"), range(16))
        ]
    assert sorted(codes) == [200] + [409] * 15


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"name": "Tier", "label": "x"}, "name"),
        ({"name": "t", "label": ""}, "label"),
        ({"name": "t", "label": "x", "kind": "REFERENCE"}, "reference_resource"),
        (
            {"name": "t", "label": "x", "kind": "REFERENCE", "reference_resource": "things"},
            "reference_resource",
        ),
        ({"name": "t", "label": "x", "kind": "BOOLEAN", "unique_values": True}, "unique_values"),
        ({"name": "t", "label": "x", "kind": "DATE", "searchable": True}, "searchable"),
        ({"name": "t", "label": "x", "kind": "DATE", "default_value": "soon"}, "default_value"),
        ({"name": "t", "label": "x", "index_state": "READY"}, "index_state"),
        ({"name": "t", "label": "x", "resource": "contacts"}, "resource"),
    ],
)
def test_wrong_definitions_are_refused(tenant: Tenant, body: dict[str, object], name: str) -> None:
    refused(tenant.post("customers/custom_fields", body), 400, name)


def test_definitions_are_resources_like_all_others(tenant: Tenant) -> None:
    made = good(
        tenant.post(
            "customers/custom_fields", {"name": "hobby", "label": "爱好"}, idempotency_key="k-hobby"
        )
    )
    again = {"name": "hobby", "label": "爱好"}
    same = tenant.post("customers/custom_fields", again, idempotency_key="k-hobby")
    assert good(same) == made
    refused(tenant.post("customers/custom_fields", again), 409, "name")
    good(tenant.post("contacts/custom_fields", again))
    path = f"customers/custom_fields/{made['id']}"
    got = tenant.get(path)
    assert good(got) == made
    assert tenant.get(f"contacts/custom_fields/{made['id']}").status_code == 404
    changed = good(tenant.patch(path, {"label": "Hobby"}, if_match=got.headers["etag"]))
    assert changed["label"] == "Hobby"
    stale = tenant.patch(path, {"label": "x"}, if_match=got.headers["etag"])
    assert stale.status_code == 412
    refused(tenant.patch(path, {"kind": "DATE"}), 400, "kind")
    page = good(tenant.get("contacts/custom_fields", filter='label = "爱好" OR name = "x"'))
    assert [one["name"] for one in page["custom_fields"]] == ["hobby"]  # type: ignore[attr-defined]  # a list of objects
    assert not good(tenant.get("contacts/custom_fields", filter="name = nickname"))["custom_fields"]
    broken = tenant.get("contacts/custom_fields", filter='name = "x')
    refused(broken, 400, "filter")
    assert tenant.get("nothings/custom_fields").status_code == 404


def test_definitions_of_another_tenant_are_not_there(tenant: Tenant, other_tenant: Tenant) -> None:
    made = own_field(tenant, "private", "TEXT")
    path = f"customers/custom_fields/{made}"
    assert other_tenant.get(path).status_code == 404
    assert other_tenant.patch(path, {"label": "mine"}).status_code == 404
    assert other_tenant.delete(path).status_code == 404
    assert other_tenant.post(f"{path}:buildIndex", {}).status_code == 404
    refused(customer(other_tenant, private="x"), 400, "custom_fields.private")
    refused(other_tenant.get("customers", filter="custom_fields.private = x"), 400, "filter")
    stolen = {"field": made, "label": "x"}
    refused(other_tenant.post("customers/choices", stolen), 400, "field")
