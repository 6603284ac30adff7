"""api.md on every resource: the same checks on each, through the gateway."""

import secrets

from cli.records import items
from services.gateway.contracts import load_contracts
from tests.contract.resources import Facts, all_resources
from tests.contract.rules import bad, found_ids, good, keyed, literal, make
from tests.live import Tenant, as_dict

RESOURCES = all_resources()
WRITTEN_BY_EVENTS = {"log_entries"}
UNTOLD = {"etag", "update_time", "updater_id"}


def test_every_message_that_is_a_resource_is_declared() -> None:
    assert {one.plural for one in RESOURCES} | WRITTEN_BY_EVENTS == set(load_contracts().resources)
    assert len({one.plural for one in RESOURCES}) == len(RESOURCES)


def test_create_and_get(tenant: Tenant, facts: Facts) -> None:
    body = facts.body(tenant)
    response = tenant.post(facts.path, body)
    record = good(response)
    for name, value in body.items():
        assert record[name] == value, name
    assert record["create_time"] == record["update_time"]
    assert str(record["create_time"]).endswith("Z")
    assert set(record) == {name for name in facts.fields if name in record}, (
        "keys are the names of the proto"
    )
    got = tenant.get(f"{facts.path}/{record['id']}")
    assert good(got) == record
    assert got.headers["etag"] == response.headers["etag"]
    assert got.headers["etag"].strip('"') == str(record["etag"]).strip('"')


def test_update_changes_only_what_is_sent(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    path = f"{facts.path}/{record['id']}"
    change = facts.change()
    changed = good(tenant.patch(path, change, if_match=f'"{record["etag"]}"'.replace('""', '"')))
    told = {name for name, value in changed.items() if record[name] != value} - UNTOLD
    assert told == set(change)
    assert changed["etag"] != record["etag"]
    assert good(tenant.patch(path, change))["etag"] == changed["etag"]  # no difference, no version


def test_stale_if_match_is_412(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    path = f"{facts.path}/{record['id']}"
    stale = tenant.get(path).headers["etag"]
    changed = good(tenant.patch(path, facts.change(), if_match=stale))
    bad(tenant.patch(path, facts.change(), if_match=stale), 412)
    bad(tenant.delete(path, if_match=stale), 412)
    assert good(tenant.get(path)) == changed


def test_idempotency_key_replays(tenant: Tenant, facts: Facts) -> None:
    body, key = facts.body(tenant), secrets.token_hex(8)
    first = good(tenant.post(facts.path, body, idempotency_key=key))
    again = good(tenant.post(facts.path, body, idempotency_key=key))
    assert again == first
    other = {**body, **facts.change()}
    bad(tenant.post(facts.path, other, idempotency_key=key), 422)
    path, change = f"{facts.path}/{first['id']}", facts.change()
    changed = good(tenant.patch(path, change, idempotency_key=f"{key}-p"))
    assert good(tenant.patch(path, change, idempotency_key=f"{key}-p")) == changed
    assert found_ids(tenant, facts, filter=keyed(facts, body)) == [first["id"]]


def test_output_only_fields_are_refused(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    path = f"{facts.path}/{record['id']}"
    for name in facts.output_only():
        value = record.get(name) or "2026-01-01T00:00:00Z"
        bad(tenant.post(facts.path, {**facts.body(tenant), name: value}), 400, name)
        bad(tenant.patch(path, {name: value}), 400, name)
    assert good(tenant.get(path)) == record


def test_unknown_fields_are_refused(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    bad(tenant.post(facts.path, {**facts.body(tenant), "wingspan": 3}), 400, "wingspan")
    bad(tenant.patch(f"{facts.path}/{record['id']}", {"wingspan": 3}), 400, "wingspan")
    bad(tenant.get(facts.path, filter="wingspan = 3"), 400)
    bad(tenant.get(facts.path, order_by="wingspan"), 400)
    bad(tenant.get(facts.path, fields="wingspan"), 400)


def test_pages_visit_every_record_once(tenant: Tenant, facts: Facts) -> None:
    made = {str(make(tenant, facts)["id"]) for _ in range(5)}
    for order in ("", "create_time desc", *facts.declared.orderable[:2]):
        params: dict[str, str | int] = {"page_size": 2} | ({"order_by": order} if order else {})
        visited = found_ids(tenant, facts, **params)
        assert len(visited) == len(set(visited))
        assert made <= set(visited)
        assert set(visited) == set(found_ids(tenant, facts, page_size=1000))


def test_page_token_is_bound_to_its_list(tenant: Tenant, facts: Facts) -> None:
    make(tenant, facts)
    make(tenant, facts)
    page = good(tenant.get(facts.path, page_size=1))
    token = str(page["next_page_token"])
    bad(tenant.get(facts.path, page_size=1, page_token=token, order_by="create_time desc"), 400)
    bad(tenant.get(facts.path, page_size=1, page_token=token[:-2] + "zz"), 400)


def test_every_orderable_field_orders(tenant: Tenant, facts: Facts) -> None:
    make(tenant, facts)
    for name in facts.declared.orderable:
        up = found_ids(tenant, facts, order_by=name, page_size=1000)
        down = found_ids(tenant, facts, order_by=f"{name} desc", page_size=1000)
        assert sorted(up) == sorted(down)


def test_every_filterable_field_filters(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    for name in facts.declared.filterable:
        value = record.get(name)
        condition = f"{name}.amount >= 0" if isinstance(value, dict) else literal(name, value)
        ids = found_ids(tenant, facts, filter=condition, page_size=1000)
        if value not in (None, ""):
            assert record["id"] in ids, condition
            nothing = found_ids(tenant, facts, filter=f'({condition}) AND id != "{record["id"]}"')
            assert record["id"] not in nothing


def test_fields_choose_what_is_returned(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    path = f"{facts.path}/{record['id']}"
    assert good(tenant.get(path, fields=f"{facts.key},create_time")) == {
        name: record[name] for name in ("id", facts.key, "create_time")
    }
    page = good(tenant.get(facts.path, fields=facts.key, filter=keyed(facts, record)))
    chosen = [{name: record[name] for name in ("id", facts.key)}]
    assert items(page) == chosen
    asked = {"ids": [record["id"]], "fields": facts.key}
    assert items(good(tenant.post(f"{facts.path}:batchGet", asked))) == chosen


def test_validate_only_changes_nothing(tenant: Tenant, facts: Facts) -> None:
    body = facts.body(tenant)
    response = tenant.http.post(f"/v1/{facts.path}", json=body, params={"validate_only": "true"})
    good(response)
    assert found_ids(tenant, facts, filter=keyed(facts, body)) == []
    record = make(tenant, facts)
    path = f"/v1/{facts.path}/{record['id']}"
    good(tenant.http.patch(path, json=facts.change(), params={"validate_only": "true"}))
    assert good(tenant.http.get(path)) == record


def test_delete_and_undelete(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    path, only = f"{facts.path}/{record['id']}", keyed(facts, record)
    good(tenant.delete(path))
    deleted = good(tenant.get(path))
    assert deleted["delete_time"]
    assert found_ids(tenant, facts, filter=only) == []
    assert found_ids(tenant, facts, filter=only, show_deleted="true") == [record["id"]]
    bad(tenant.patch(path, facts.change()), 400)
    assert good(tenant.delete(path))["etag"] == deleted["etag"]
    restored = good(tenant.post(f"{path}:undelete", {}))
    assert not restored.get("delete_time")
    assert found_ids(tenant, facts, filter=only) == [record["id"]]


def test_keys_are_unique(tenant: Tenant, facts: Facts) -> None:
    body = facts.body(tenant)
    good(tenant.post(facts.path, body))
    bad(tenant.post(facts.path, {**body, **facts.change()}), 409, facts.key)


def test_exact_count(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    assert "total_size" not in good(tenant.get(facts.path)) or (
        good(tenant.get(facts.path))["total_size"] is None
    )
    filtered = good(tenant.get(facts.path, filter=keyed(facts, record), count="exact"))
    assert filtered["total_size"] == 1


def test_other_tenants_see_nothing(tenant: Tenant, other_tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    path = f"{facts.path}/{record['id']}"
    absent = other_tenant.get(f"{facts.path}/0190c0f0-0000-7000-8000-000000000000")
    for response in (
        other_tenant.get(path),
        other_tenant.patch(path, facts.change()),
        other_tenant.delete(path),
        other_tenant.post(f"{path}:undelete", {}),
    ):
        bad(response, 404)
        assert as_dict(response)["detail"] == as_dict(absent)["detail"]
    assert record["id"] not in found_ids(other_tenant, facts, show_deleted="true", page_size=1000)
    assert good(tenant.get(path)) == record
