"""J18, its lists: a new tenant has sources and classes; when one is retired, old records still show
it and new ones cannot use it. Losses have reasons from such a list.
"""

from tests.e2e.journeys.test_j25_own_fields import ended, imported
from tests.integration.custom_fields.own import good, refused
from tests.live import Tenant, eventually

STRANGE = "018f0000-0000-7000-8000-000000000000"


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
