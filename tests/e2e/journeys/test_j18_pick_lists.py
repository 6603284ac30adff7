"""J18, its lists: a new tenant has sources and classes; when one is retired, old records still show
it and new ones cannot use it.
"""

from tests.integration.custom_fields.own import good, refused
from tests.live import Tenant, eventually


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
    strange = "018f0000-0000-7000-8000-000000000000"
    refused(tenant.post("customers", {"name": "x", "source_id": strange}), 400, "source_id")
    sources = choices(tenant, "source_id")
    wrong = {"name": "x", "class_id": sources["网站"]["id"]}
    refused(tenant.post("customers", wrong), 400, "class_id")
