"""Batches on every resource: in order, all or none, bounded, repeatable (AIP-231, 233 to 235)."""

import secrets

import httpx

from cli.records import items
from tests.contract.resources import Facts
from tests.contract.rules import bad, found_ids, good, keyed
from tests.live import Tenant

BATCH_MAX = 1000
BODY_BYTES_MAX = 4 * 1024 * 1024
NOBODY = "0190c0f0-0000-7000-8000-000000000000"


def batch(tenant: Tenant, facts: Facts, verb: str, body: object, **headers: str) -> httpx.Response:
    """POST /v1/customers:batchCreate and the like."""
    return tenant.post(f"{facts.path}:batch{verb}", body, **headers)


def creating(facts: Facts, *bodies: object) -> dict[str, object]:
    """The body of a batch that creates these."""
    return {"requests": [{facts.singular: body} for body in bodies]}


def made(tenant: Tenant, facts: Facts, count: int) -> list[dict[str, object]]:
    """New records, in the order of their bodies."""
    bodies = [facts.body(tenant) for _ in range(count)]
    records = [
        dict(one) for one in items(good(batch(tenant, facts, "Create", creating(facts, *bodies))))
    ]
    assert [one[facts.key] for one in records] == [one[facts.key] for one in bodies]
    return records


def test_batches_keep_the_order(tenant: Tenant, facts: Facts) -> None:
    records = made(tenant, facts, 3)
    ids = [str(one["id"]) for one in reversed(records)]
    answer = good(batch(tenant, facts, "Get", {"ids": ids}))
    assert items(answer) == records[::-1]
    changes = [{facts.singular: {"id": one, **facts.change()}} for one in ids]
    changed = items(good(batch(tenant, facts, "Update", {"requests": changes})))
    assert [one["id"] for one in changed] == ids
    for one, change in zip(changed, changes, strict=True):
        assert {**one, **change[facts.singular]} == one
    assert [one["id"] for one in items(good(batch(tenant, facts, "Delete", {"ids": ids})))] == ids
    assert not set(ids) & set(found_ids(tenant, facts, page_size=1000))


def test_batches_are_all_or_none(tenant: Tenant, facts: Facts) -> None:
    first, wrong = facts.body(tenant), {**facts.body(tenant), "create_time": "2026-01-01T00:00:00Z"}
    place = f"requests[1].{facts.singular}.create_time"
    bad(batch(tenant, facts, "Create", creating(facts, first, wrong)), 400, place)
    twice = {**facts.body(tenant), facts.key: first[facts.key]}
    bad(batch(tenant, facts, "Create", creating(facts, first, twice)), 409)
    assert found_ids(tenant, facts, filter=keyed(facts, first)) == []
    one = made(tenant, facts, 1)[0]
    path = f"{facts.path}/{one['id']}"
    pair = [{facts.singular: {"id": each, **facts.change()}} for each in (one["id"], NOBODY)]
    bad(batch(tenant, facts, "Update", {"requests": pair}), 404)
    for verb in ("Delete", "Get"):
        bad(batch(tenant, facts, verb, {"ids": [one["id"], NOBODY]}), 404)
        bad(batch(tenant, facts, verb, {"ids": [one["id"], "x"]}), 400, "ids[1]")
    assert good(tenant.get(path)) == one


def test_etags_hold_for_each_record(tenant: Tenant, facts: Facts) -> None:
    records = made(tenant, facts, 2)
    stale = [{facts.singular: {"id": one["id"], "etag": one["etag"], **facts.change()}}
             for one in records]  # fmt: skip
    good(tenant.patch(f"{facts.path}/{records[1]['id']}", facts.change()))
    bad(batch(tenant, facts, "Update", {"requests": stale}), 412)
    assert good(tenant.get(f"{facts.path}/{records[0]['id']}")) == records[0]
    good(batch(tenant, facts, "Update", {"requests": stale[:1]}))


def test_masks_hold_for_each_record(tenant: Tenant, facts: Facts) -> None:
    one = made(tenant, facts, 1)[0]
    ((name, value),) = facts.spare.items()
    request = {facts.singular: {"id": one["id"], name: value, **facts.change()},
               "update_mask": name}  # fmt: skip
    changed = items(good(batch(tenant, facts, "Update", {"requests": [request]})))[0]
    assert {name for name, value in changed.items() if one[name] != value} <= {
        name, "etag", "update_time", "updater_id",
    }  # fmt: skip
    assert changed[name] == value
    for mask in ("wingspan", "create_time"):
        bad(batch(tenant, facts, "Update", {"requests": [{**request, "update_mask": mask}]}), 400)


def test_batches_are_bounded(tenant: Tenant, facts: Facts) -> None:
    body = facts.body(tenant)
    many = [f"{NOBODY[:-4]}{at:04}" for at in range(BATCH_MAX + 1)]
    for verb in ("Get", "Delete"):
        for ids in ([], [NOBODY, NOBODY], many):
            bad(batch(tenant, facts, verb, {"ids": ids}), 400, "ids")
    bad(batch(tenant, facts, "Create", creating(facts)), 400)
    bad(batch(tenant, facts, "Create", creating(facts, *[body] * (BATCH_MAX + 1))), 400)
    bad(batch(tenant, facts, "Update", creating(facts, *[{"id": NOBODY}] * (BATCH_MAX + 1))), 400)
    large = creating(facts, {**body, facts.key: "x" * BODY_BYTES_MAX})
    bad(batch(tenant, facts, "Create", large), 413)


def test_a_key_replays_the_batch(tenant: Tenant, facts: Facts) -> None:
    key = secrets.token_hex(8)
    body = creating(facts, facts.body(tenant), facts.body(tenant))
    first = good(batch(tenant, facts, "Create", body, idempotency_key=key))
    assert good(batch(tenant, facts, "Create", body, idempotency_key=key)) == first
    other = creating(facts, facts.body(tenant))
    bad(batch(tenant, facts, "Create", other, idempotency_key=key), 422)
    ids = [str(one["id"]) for one in items(first)]
    change = {"requests": [{facts.singular: {"id": one, **facts.change()}} for one in ids]}
    changed = good(batch(tenant, facts, "Update", change, idempotency_key=f"{key}u"))
    assert good(batch(tenant, facts, "Update", change, idempotency_key=f"{key}u")) == changed
    gone = good(batch(tenant, facts, "Delete", {"ids": ids}, idempotency_key=f"{key}d"))
    assert good(batch(tenant, facts, "Delete", {"ids": ids}, idempotency_key=f"{key}d")) == gone
    bad(batch(tenant, facts, "Delete", {"ids": ids[:1]}, idempotency_key=f"{key}d"), 422)


def test_a_rehearsed_batch_changes_nothing(tenant: Tenant, facts: Facts) -> None:
    body = facts.body(tenant)
    request = {facts.singular: body, "validate_only": True}
    assert len(items(good(batch(tenant, facts, "Create", {"requests": [request]})))) == 1
    assert found_ids(tenant, facts, filter=keyed(facts, body)) == []
    one = made(tenant, facts, 1)[0]
    change = {facts.singular: {"id": one["id"], **facts.change()}, "validate_only": True}
    good(batch(tenant, facts, "Update", {"requests": [change]}))
    assert good(tenant.get(f"{facts.path}/{one['id']}")) == one
