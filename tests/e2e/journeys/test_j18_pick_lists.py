"""J18, its lists and sharing: a new tenant has sources and classes and adds lists of its own; what
is retired stays on old records only. A customer is shared, changes hands, is found; no page is too
far. Communication records, call-backs and the desktop come with activities, of a later issue.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.journeys.test_j25_own_fields import ended, imported
from tests.e2e.test_rights_spread import person
from tests.integration.custom_fields.own import choice, good, own_field, own_values, refused
from tests.live import Tenant, eventually

STRANGE = "018f0000-0000-7000-8000-000000000000"
# The lists that every tenant has its own way of, beside source and class.
OWN_LISTS = {
    "communication_type": ("沟通方式", ("电话", "上门拜访", "微信")),
    "hot_topic": ("热点", ("新品", "降价")),
    "intent": ("意向", ("高", "中", "低")),
    "contact_status": ("联系状态", ("待回访", "已回访")),
}
VERBS = ["READ", "CREATE", "UPDATE", "SHARE", "ASSIGN"]


def choices(tenant: Tenant, field: str) -> dict[str, dict[str, object]]:
    """The living choices of a list by label, in their order."""
    page = good(tenant.get("customers/choices", filter=f"field = {field}"))["choices"]
    assert isinstance(page, list)
    return {one["label"]: one for one in page}


def test_retired_types_stay_where_they_are(tenant: Tenant) -> None:
    sources = eventually(lambda: choices(tenant, "source_id"))
    assert list(sources)[:3] == ["网站", "电话来访", "展会"]
    assert list(choices(tenant, "class_id")) == ["重点客户", "普通客户", "潜在客户"]
    fair = sources["展会"]["id"]
    old = tenant.create("customers", name="Old", source_id=fair)
    good(tenant.patch(f"customers/choices/{fair}", {"retired": True}))
    path = f"customers/{old['id']}"
    assert good(tenant.get(path))["source_id"] == fair
    good(tenant.patch(path, {"name": "Still", "source_id": fair}))
    refused(tenant.post("customers", {"name": "New", "source_id": fair}), 400, "source_id")
    other = tenant.create("customers", name="Other", source_id=sources["网站"]["id"])
    refused(tenant.patch(f"customers/{other['id']}", {"source_id": fair}), 400, "source_id")
    found = tenant.list("customers", filter="source_id = 展会")
    assert [one["id"] for one in found] == [old["id"]]


def test_own_lists_go_by_the_same_rules(tenant: Tenant) -> None:
    """Communication type, hot topic, intent and status, and a piece of custom information."""
    fields = {
        name: own_field(tenant, name, "CHOICE", label=label)
        for name, (label, _) in OWN_LISTS.items()
    }
    own_field(tenant, "custom_information", "TEXT", label="自定义信息", searchable=True)
    ids = {
        (name, label): choice(tenant, fields[name], label, position=at)
        for name, (_, labels) in OWN_LISTS.items()
        for at, label in enumerate(labels)
    }
    first = {name: ids[name, labels[0]] for name, (_, labels) in OWN_LISTS.items()}
    own = {**first, "custom_information": "喜欢钓鱼"}
    old = tenant.create("customers", name="沟通客户", custom_fields=own)
    path = f"customers/{old['id']}"
    assert own_values(old) == own
    for name, field in fields.items():
        assert tuple(choices(tenant, field)) == OWN_LISTS[name][1]
    phone = first["communication_type"]
    good(tenant.patch(f"customers/choices/{phone}", {"retired": True}))
    assert own_values(good(tenant.get(path)))["communication_type"] == phone
    good(tenant.patch(path, {"custom_fields": {"intent": ids["intent", "低"]}}))
    fresh = {"name": "新记录", "custom_fields": {"communication_type": phone}}
    refused(tenant.post("customers", fresh), 400, "custom_fields.communication_type")
    fresh["custom_fields"] = {"communication_type": ids["communication_type", "微信"]}
    assert own_values(tenant.create("customers", **fresh)) == fresh["custom_fields"]
    by_label = "custom_fields.communication_type = 电话 AND custom_fields.intent = 低"
    for text in (by_label, "钓鱼", "diaoyu", "dy"):
        assert [one["id"] for one in tenant.list("customers", filter=text)] == [old["id"]], text


@pytest.fixture(scope="module")
def pair(tenant: Tenant) -> Iterator[tuple[Tenant, Tenant]]:
    """The salespeople A and B, each of whom sees what is his own."""
    grants = [{"resource": "customers", "verbs": VERBS, "scope": "OWN"}]
    grants.append({"resource": "users", "verbs": ["READ"], "scope": "ALL"})
    role = tenant.create("roles", name="seller", grants=grants)["id"]
    people = person(tenant, "a", role_ids=[role]), person(tenant, "b", role_ids=[role])
    yield people
    for one in people:
        one.http.close()


def test_a_customer_is_shared_and_changes_hands(pair: tuple[Tenant, Tenant]) -> None:
    a, b = pair
    made = a.create("customers", name="杭州蓝天贸易有限公司", phone="+86 571 8700 1234")
    path = f"customers/{made['id']}"
    assert b.get(path).status_code == 404
    share = good(a.post(f"{path}/shares", {"user_id": b.session["user_id"], "level": "READ"}))
    assert good(b.get(path))["name"] == made["name"]
    assert names(b) == [made["name"]]
    assert b.patch(path, {"website": "https://b.example"}).status_code == 404
    for text in ("蓝天", "lantian", "hzlt", "8700", "(0571) 8700 1234"):
        assert names(b, f'"{text}"') == [made["name"]], text
    assert names(b, "蓝地") == []
    good(a.delete(f"{path}/shares/{share['id']}"))
    assert names(b) == []
    good(a.patch(path, {"owner_id": b.session["user_id"]}))
    assert names(b) == [made["name"]]
    assert names(a) == []
    assert b.patch(path, {"website": "https://b.example"}).status_code == 200
    assert a.get(path).status_code == 404


def test_a_page_beyond_the_last_is_harmless(pair: tuple[Tenant, Tenant]) -> None:
    """Pages are found by where the one before ended, so beyond the last is where all is gone."""
    a, _ = pair
    made = [a.create("customers", name=f"第 {at} 家") for at in range(4)]
    page = good(a.get("customers", page_size=2, order_by="create_time"))
    token = str(page["next_page_token"])
    for one in made[2:]:
        good(a.patch(f"customers/{one['id']}", {"owner_id": pair[1].session["user_id"]}))
    asked: dict[str, str | int] = {
        "page_size": 2, "order_by": "create_time", "page_token": token,
    }  # fmt: skip
    beyond = good(a.get("customers", **asked))
    assert (beyond["customers"], beyond["next_page_token"]) == ([], "")
    assert good(a.get("customers", **asked)) == beyond
    assert names(a) == ["第 0 家", "第 1 家"]


def names(who: Tenant, text: str = "") -> list[object]:
    """The names of the customers that somebody lists."""
    query = {"filter": text} if text else {}
    return [one["name"] for one in who.list("customers", order_by="create_time", **query)]


def test_lists_have_order_colour_and_a_default(tenant: Tenant) -> None:
    made = good(
        tenant.post(
            "customers/choices",
            {"field": "class_id", "label": "战略客户", "position": 5, "is_default": True},
        )
    )
    assert next(iter(choices(tenant, "class_id"))) == "战略客户"
    assert tenant.create("customers", name="By default")["class_id"] == made["id"]
    again = {"field": "class_id", "label": "战略客户"}
    refused(tenant.post("customers/choices", again), 409, "label")
    unknown = {"field": "industry", "label": "x"}
    refused(tenant.post("customers/choices", unknown), 400, "field")
    refused(tenant.post("customers", {"name": "x", "source_id": STRANGE}), 400, "source_id")
    sources = choices(tenant, "source_id")
    wrong = {"name": "x", "class_id": sources["网站"]["id"]}
    refused(tenant.post("customers", wrong), 400, "class_id")


def test_losses_have_reasons_from_a_list(tenant: Tenant) -> None:
    def reasons() -> dict[str, object]:
        page = good(tenant.get("opportunities/choices", filter="field = lost_reason_id"))
        assert isinstance(page["choices"], list)
        return {one["label"]: one["id"] for one in page["choices"]}

    ids = eventually(reasons)
    assert list(ids)[:2] == ["价格过高", "输给竞争对手"]
    price, rival = ids["价格过高"], ids["输给竞争对手"]
    deals = [f"opportunities/{tenant.create('opportunities', name=one)['id']}" for one in "甲乙丙"]
    refused(tenant.post(f"{deals[0]}:lose", {}), 400, "reason")
    refused(tenant.patch(deals[0], {"lost_reason_id": price}), 400, "lost_reason_id")
    refused(tenant.post(f"{deals[0]}:lose", {"lost_reason_id": STRANGE}), 400)
    lost = good(tenant.post(f"{deals[0]}:lose", {"lost_reason_id": price}))
    assert (lost["state"], lost["lost_reason_id"], lost["lost_reason"]) == ("LOST", price, "")
    words = {"lost_reason_id": rival, "reason": "宏远低 8%"}
    assert good(tenant.post(f"{deals[1]}:lose", words))["lost_reason"] == "宏远低 8%"
    only = good(tenant.post(f"{deals[2]}:lose", {"reason": "无"}))
    assert (only["lost_reason_id"], only["lost_reason"]) == ("", "无")
    found = tenant.list("opportunities", filter="lost_reason_id = 价格过高")
    assert [one["name"] for one in found] == ["甲"]

    def counted() -> bool:
        asked = {"group_by": "stage", "filter": f'lost_reason_id = "{rival}"'}
        groups = good(tenant.get("reports/pipelineSummary", **asked))["groups"]
        assert isinstance(groups, list)
        return [one["lost_count"] for one in groups] == [1]

    assert eventually(counted)
    good(tenant.patch(f"opportunities/choices/{price}", {"retired": True}))
    opened = good(tenant.post(f"{deals[0]}:reopen", {}))
    assert (opened["lost_reason_id"], opened["close_date"]) == ("", "")
    refused(tenant.post(f"{deals[0]}:lose", {"lost_reason_id": price}), 400, "lost_reason_id")
    assert good(tenant.post(f"{deals[1]}:reopen", {}))["lost_reason_id"] == ""


def test_imports_bring_reasons_by_their_labels(tenant: Tenant) -> None:
    names = ("external_id", "name", "stage_id", "close_date", "lost_reason_id")
    columns = [{"column": one, "field": one} for one in names]
    columns[2] |= {"match": "name"}
    spec = {"resource": "opportunities", "external_source": "old", "columns": columns}
    text = ",".join(names) + "\n1,丁,Lost,2025-03-01,其他\n2,戊,Won,2025-03-01,其他\n3,己,Won,,\n"
    started = good(imported(tenant, spec, text))
    done = eventually(lambda: ended(tenant, str(started["name"])), timeout_s=30)
    counts = done["metadata"]["counts"]  # type: ignore[index]  # an object of JSON
    assert (counts["created"], counts["failed"]) == (2, 1), done
    assert [
        one["name"] for one in tenant.list("opportunities", filter="lost_reason_id = 其他")
    ] == ["丁"]
