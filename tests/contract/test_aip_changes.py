"""Changes of every resource: masks, entity tags, idempotency keys, the recycle bin, errors."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import httpx

from chassis.filter.fields import FieldKind
from chassis.resource.fields import Form
from chassis.resource.plan import make_plan
from chassis.resource.resource import Child
from tests.contract.resources import Facts, all_resources
from tests.contract.rules import PROBLEM_KEYS, bad, found_ids, good, keyed, make
from tests.live import Tenant, as_dict

UNTOLD = {"etag", "update_time", "updater_id"}
BY_TABLE = {one.declared.table.name: one for one in all_resources()}
VERBS = ("PATCH", "DELETE", "POST")


def patch(tenant: Tenant, path: str, body: object, **params: str) -> httpx.Response:
    """PATCH with query parameters."""
    return tenant.http.patch(f"/v1/{path}", json=body, params=params)


def test_the_mask_wins_over_the_keys_sent(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    path = f"{facts.path}/{record['id']}"
    ((spare, given),) = facts.spare.items()
    changed = good(patch(tenant, path, {spare: given, **facts.change()}, update_mask=spare))
    assert {name for name, value in changed.items() if record[name] != value} - UNTOLD == {spare}
    assert changed[spare] == given
    for mask in ("wingspan", "create_time", "id.x", f"{spare},wingspan", "a..b"):
        bad(patch(tenant, path, facts.change(), update_mask=mask), 400)
    cleared = good(patch(tenant, path, {}, update_mask=spare))
    assert not cleared[spare]
    assert good(tenant.patch(path, {}))["etag"] == cleared["etag"]


def test_null_clears(tenant: Tenant, facts: Facts) -> None:
    body = facts.body(tenant)
    record = good(tenant.post(facts.path, {**body, **facts.spare}))
    path = f"{facts.path}/{record['id']}"
    plan = make_plan(facts.declared)
    table = facts.declared.table
    clearable = [
        one.name
        for one in plan.writable
        if one.name in body and one.form in {Form.MONEY, Form.TEXTS, Form.DATE, Form.TIMESTAMP}
        and not one.immutable and (one.form is Form.MONEY or table.c[one.name].nullable)
    ]  # fmt: skip
    for name in [*facts.spare, *clearable]:
        assert not good(tenant.patch(path, {name: None}))[name]


def test_an_owner_is_kept(tenant: Tenant, facts: Facts) -> None:
    if "owner_id" not in facts.fields:
        return
    record = make(tenant, facts)
    path = f"{facts.path}/{record['id']}"
    for nobody in (None, ""):
        refused = tenant.patch(path, {"owner_id": nobody})
        bad(refused, 400)
        assert [one["field"] for one in as_dict(refused)["errors"]] == ["owner_id"]  # type: ignore[attr-defined]  # a list of objects
    assert good(tenant.get(path))["owner_id"] == record["owner_id"]
    assert good(tenant.patch(path, {"owner_id": record["owner_id"]}))["etag"] == record["etag"]


def test_a_key_replays_every_method(tenant: Tenant, facts: Facts) -> None:
    path = f"{facts.path}/{make(tenant, facts)['id']}"
    key = secrets.token_hex(8)
    gone = good(tenant.delete(path, idempotency_key=key))
    assert good(tenant.delete(path, idempotency_key=key)) == gone
    back = good(tenant.post(f"{path}:undelete", {}, idempotency_key=key))
    assert good(tenant.post(f"{path}:undelete", {}, idempotency_key=key)) == back
    change = facts.change()
    changed = good(tenant.patch(path, change, idempotency_key=key))
    assert good(tenant.patch(path, change, idempotency_key=key)) == changed
    bad(tenant.patch(path, facts.spare, idempotency_key=key), 422)
    forced = tenant.http.delete(f"/v1/{path}?force=true", headers={"idempotency-key": key})
    bad(forced, 400 if facts.excused("force") else 422)


def test_a_key_at_the_same_time_makes_one_record(tenant: Tenant, facts: Facts) -> None:
    body, key = facts.body(tenant), secrets.token_hex(8)

    def post(_at: int) -> httpx.Response:
        return tenant.post(facts.path, body, idempotency_key=key)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(post, range(4)))
    assert {one.status_code for one in answers} <= {200, 409}
    refused = {as_dict(one)["reason"] for one in answers if one.status_code == 409}
    assert refused <= {"IDEMPOTENCY_IN_FLIGHT"}
    assert len(found_ids(tenant, facts, filter=keyed(facts, body))) == 1


def test_undelete_minds_the_etag(tenant: Tenant, facts: Facts) -> None:
    path = f"{facts.path}/{make(tenant, facts)['id']}"
    stale = tenant.get(path).headers["etag"]
    good(tenant.delete(path, if_match=stale))
    bad(tenant.post(f"{path}:undelete", {}, if_match=stale), 412)
    good(tenant.post(f"{path}:undelete", {}, if_match=tenant.get(path).headers["etag"]))


def test_purge_removes_for_good(tenant: Tenant, facts: Facts) -> None:
    body = facts.body(tenant)
    path = f"{facts.path}/{good(tenant.post(facts.path, body))['id']}"
    if facts.excused("purge"):
        bad(tenant.post(f"{path}:purge", {}), 404)
        return
    bad(tenant.post(f"{path}:purge", {}), 400)
    deleted = good(tenant.delete(path))
    assert str(deleted["purge_time"]) > str(deleted["delete_time"])
    good(tenant.post(f"{path}:purge", {}))
    bad(tenant.get(path), 404)
    assert found_ids(tenant, facts, filter=keyed(facts, body), show_deleted="true") == []
    good(tenant.post(facts.path, body))


def test_children_hold_their_parent_or_go_along(tenant: Tenant, facts: Facts) -> None:
    for child in facts.declared.children:
        record = make(tenant, facts)
        path = f"{facts.path}/{record['id']}"
        below = child_of(tenant, child, str(record["id"]))
        if below is None:
            continue
        refused = tenant.delete(path)
        bad(refused, 400)
        assert as_dict(refused)["reason"] == "RECORD_HAS_CHILDREN"
        forced = tenant.http.delete(f"/v1/{path}?force=true")
        if not child.dependent:
            bad(forced, 400)
            assert not good(tenant.get(below))["delete_time"]
            continue
        good(forced)
        assert good(tenant.get(below))["delete_time"]
        good(tenant.post(f"{path}:undelete", {}))
        assert not good(tenant.get(below))["delete_time"]


def child_of(tenant: Tenant, child: Child, parent_id: str) -> str | None:
    """The path of a new record that belongs to the parent; None where it takes more than that."""
    facts = BY_TABLE[child.table.name]
    response = tenant.post(facts.path, {**facts.body(tenant), child.field: parent_id})
    assert response.status_code == 200 or not child.dependent, response.text
    return f"{facts.path}/{as_dict(response)['id']}" if response.status_code == 200 else None


def test_errors_have_one_shape_in_both_languages(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    requests: list[tuple[str, str, object, int]] = [
        ("GET", f"{facts.path}/0190c0f0-0000-7000-8000-000000000000", None, 404),
        ("GET", f"{facts.path}/x", None, 400),
        ("GET", f"{facts.path}?filter=wingspan%20%3D%203", None, 400),
        ("GET", f"{facts.path}?filter={'(' * 30}", None, 400),
        ("GET", f"{facts.path}?filter={'x' * 4100}", None, 400),
        ("POST", facts.path, {"wingspan": 3}, 400),
        ("POST", facts.path, [], 400),
        ("PATCH", f"{facts.path}/{record['id']}", {"create_time": "x"}, 400),
        ("PUT", facts.path, {}, 405),
    ]
    for method, path, body, status in requests:
        texts = []
        for language in ("en", "zh-CN"):
            headers = {"accept-language": language}
            response = tenant.http.request(method, f"/v1/{path}", json=body, headers=headers)
            bad(response, status)
            problem = as_dict(response)
            assert set(problem) == PROBLEM_KEYS
            assert problem["status"] == status
            assert str(problem["reason"]).isupper()
            texts.append((problem["title"], problem["detail"]))
        assert texts[0][0] != texts[1][0]
        assert not str(texts[1][1]).isascii(), (path, texts)


def test_unknown_parameters_are_refused(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    path = f"{facts.path}/{record['id']}"
    for method, where in (
        ("GET", facts.path), ("POST", facts.path), ("GET", path), ("PATCH", path), ("DELETE", path),
    ):  # fmt: skip
        content = None if method in {"GET", "DELETE"} else b"{}"
        url, headers = f"/v1/{where}?wingspan=3", {"content-type": "application/json"}
        bad(tenant.http.request(method, url, content=content, headers=headers), 400)
    bad(tenant.get(facts.path, page_size="many"), 400)
    bad(tenant.http.get(f"/v1/{facts.path}?page_size=1&page_size=2"), 400)
    assert good(tenant.get(path)) == record


def test_kinds_of_filters_are_known() -> None:
    plans = [make_plan(one.declared) for one in all_resources()]
    assert {one.kind for plan in plans for one in plan.filters.values()} <= set(FieldKind)
