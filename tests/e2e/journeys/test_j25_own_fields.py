"""J25, its fields: an administrator adds fields to customers; validation, rights, search by filter,
history, import, the API description and live pick-lists work as for the product's own.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping

import httpx
import pytest

from tests.e2e.test_rights_spread import person
from tests.integration.custom_fields.own import (
    choice,
    customer,
    good,
    own_field,
    own_values,
    refused,
)
from tests.live import Tenant, as_dict, eventually

CSV = """ref,name,tier,budget,currency,since,vip,wishes
1,Alpha,金,1200.5,CNY,2026-01-31,yes,快;省
2,Beta,银,,CNY,,no,
3,Gamma,铁,1,CNY,2026-01-31,no,
4,Delta,金,1,CNY,31.1.2026,no,慢
"""
COLUMNS = {
    "ref": "external_id", "name": "name", "tier": "custom_fields.tier",
    "budget": "custom_fields.budget.amount", "currency": "custom_fields.budget.currency_code",
    "since": "custom_fields.since", "vip": "custom_fields.vip", "wishes": "custom_fields.wishes",
}  # fmt: skip


@pytest.fixture(scope="module")
def ids(tenant: Tenant) -> dict[str, str]:
    """The fields that the administrator adds, and their choices."""
    found = {
        "tier": own_field(tenant, "tier", "CHOICE", label="等级", position=1),
        "budget": own_field(tenant, "budget", "MONEY", label="预算", position=2),
        "since": own_field(tenant, "since", "DATE", position=3),
        "vip": own_field(tenant, "vip", "BOOLEAN", position=4),
        "wishes": own_field(tenant, "wishes", "MULTI_CHOICE", position=5),
        "secret": own_field(
            tenant, "secret", "TEXT", position=6, unique_values=True, searchable=True
        ),
    }
    for at, label in enumerate(("金", "银")):
        found[label] = choice(tenant, found["tier"], label, position=at, color="#ffd700")
    for label in ("快", "省"):
        found[label] = choice(tenant, found["wishes"], label)
    return found


@pytest.fixture(scope="module")
def seller(tenant: Tenant, ids: dict[str, str]) -> Iterator[Tenant]:
    """Somebody who sells, from whom one of the fields is hidden and who may only read another."""
    assert ids
    rules = [
        {"resource": "customers", "field": "custom_fields.secret", "access": "HIDDEN"},
        {"resource": "customers", "field": "custom_fields.budget", "access": "READ"},
    ]
    grants = [{"resource": "customers", "verbs": ["READ", "CREATE", "UPDATE"], "scope": "ALL"}]
    role = tenant.create("roles", name="seller", grants=grants, field_rules=rules)
    made = person(tenant, "seller", role_ids=[role["id"]])
    yield made
    made.http.close()


def described(tenant: Tenant) -> Mapping[str, Mapping[str, object]]:
    """The fields of customers as somebody sees them, by name."""
    fields = good(tenant.get("customers:describe"))["fields"]
    assert isinstance(fields, list)
    return {one["name"]: one for one in fields}


def test_forms_learn_of_the_fields_at_once(tenant: Tenant, ids: dict[str, str]) -> None:
    told = good(tenant.get("customers:describe"))
    fields = described(tenant)
    assert {"READ", "CONFIGURE"} <= set(told["verbs"])  # type: ignore[call-overload]  # a list of objects
    assert list(fields)[-6:] == [
        f"custom_fields.{name}" for name in ("tier", "budget", "since", "vip", "wishes", "secret")
    ]
    tier = fields["custom_fields.tier"]
    assert (tier["label"], tier["kind"], tier["custom_field_id"]) == ("等级", "CHOICE", ids["tier"])
    assert [(one["label"], one["color"]) for one in tier["choices"]] == [  # type: ignore[attr-defined]  # a list of objects
        ("金", "#ffd700"), ("银", "#ffd700"),
    ]  # fmt: skip
    name, made = fields["name"], fields["create_time"]
    assert (name["required"], name["max_length"], name["writable"]) == (True, 200, True)
    assert (made["output_only"], made["writable"], made["orderable"]) == (True, False, True)
    assert fields["kind"]["values"] == [
        {"name": "COMPANY", "label": "A company or another organisation."},
        {"name": "PERSON", "label": "A natural person."},
    ]
    assert fields["parent_id"]["reference_resource"] == "customers"
    assert fields["source_id"]["kind"] == "CHOICE"


def test_records_are_checked_searched_and_told_like_native_ones(
    tenant: Tenant, ids: dict[str, str]
) -> None:
    refused(customer(tenant, tier="金"), 400, "custom_fields.tier")
    made = good(customer(tenant, tier=ids["金"], secret="s-1"))
    path = f"customers/{made['id']}"
    good(tenant.patch(path, {"custom_fields": {"tier": ids["银"], "since": "2026-02-01"}}))
    by_label = {"filter": 'custom_fields.tier = 银 AND custom_fields.secret = "s-1"'}
    assert [one["id"] for one in tenant.list("customers", **by_label)] == [made["id"]]
    good(tenant.patch(path, {"custom_fields": {"secret": "红旗渠 Zebra-77"}}))
    for word in ("旗渠", "hqq", "zebra"):
        assert [one["id"] for one in tenant.list("customers", filter=word)] == [made["id"]], word
    good(tenant.patch(path, {"custom_fields": {"tier": ids["金"]}}))
    good(tenant.patch(path, {"custom_fields": {"tier": ids["银"], "since": "2026-03-01"}}))
    history = good(tenant.get(f"{path}/history"))["entries"]
    assert isinstance(history, list)
    told = {one["field"]: (one["from"], one["to"]) for one in history[0]["changes"]}
    assert told == {
        "custom_fields.tier": (ids["金"], ids["银"]),
        "custom_fields.since": ("2026-02-01", "2026-03-01"),
    }


def test_rights_count_for_own_fields(tenant: Tenant, seller: Tenant, ids: dict[str, str]) -> None:
    budget = {"currency_code": "CNY", "amount": "10.00"}
    made = good(customer(tenant, budget=budget, secret="s-2", tier=ids["金"]))
    path = f"customers/{made['id']}"
    seen = eventually(lambda: as_dict(seller.get(path)))
    assert own_values(seen) == {"budget": budget, "tier": ids["金"]}
    assert "custom_fields.secret" not in described(seller)
    assert described(seller)["custom_fields.budget"]["writable"] is False
    refused(seller.get("customers", filter='custom_fields.secret = "s-2"'), 400, "filter")
    refused(seller.get("customers", order_by="custom_fields.secret"), 400, "order_by")
    assert seller.list("customers", filter="zebra") == []
    own = {"custom_fields": {"secret": "x"}}
    refused(seller.patch(path, own), 400, "custom_fields.secret")
    refused(seller.patch(path, {"custom_fields": {"budget": budget}}), 400, "custom_fields.budget")
    changed = good(seller.patch(path, {"custom_fields": {"tier": ids["银"]}}))
    assert own_values(changed) == {"budget": budget, "tier": ids["银"]}
    assert own_values(good(tenant.get(path)))["secret"] == "s-2"
    assert seller.get("customers/custom_fields").status_code == 200
    assert seller.post("customers/custom_fields", {"name": "x", "label": "x"}).status_code == 403
    assert seller.post("customers/choices", {"field": "source_id", "label": "x"}).status_code == 403


def test_the_api_description_knows_them(
    tenant: Tenant, seller: Tenant, other_tenant: Tenant, ids: dict[str, str]
) -> None:
    def own(who: Tenant, schema: str) -> Mapping[str, Mapping[str, object]]:
        document = good(who.get("openapi.json"))
        found = document["components"]["schemas"][schema]["properties"]["custom_fields"]  # type: ignore[index]  # the document's own shape
        properties = found.get("properties", {})
        assert isinstance(properties, dict)
        return properties

    assert list(own(tenant, "Customer")) == list(own(tenant, "CustomerChanges"))
    assert own(tenant, "Customer")["tier"]["enum"] == [ids["金"], ids["银"], None]
    assert own(tenant, "Customer")["tier"]["title"] == "等级"
    assert "secret" not in own(seller, "Customer")
    assert own(other_tenant, "Customer") == {}
    assert own(tenant, "Contact") == {}


def test_dictionary_changes_show_at_once(tenant: Tenant, ids: dict[str, str]) -> None:
    path = f"customers/choices/{ids['银']}"
    good(tenant.patch(path, {"label": "白银", "retired": True}))
    choices = described(tenant)["custom_fields.tier"]["choices"]
    assert isinstance(choices, list)
    assert [(one["label"], one["retired"]) for one in choices] == [("金", False), ("白银", True)]
    refused(customer(tenant, tier=ids["银"]), 400, "custom_fields.tier")
    found = tenant.list("customers", filter="custom_fields.tier = 白银")
    assert {own_values(dict(one))["tier"] for one in found} == {ids["银"]}
    good(tenant.patch(path, {"label": "银", "retired": False}))


def test_a_file_fills_them(tenant: Tenant, ids: dict[str, str]) -> None:
    spec = {
        "resource": "customers",
        "external_source": "erp",
        "columns": [{"column": column, "field": field} for column, field in COLUMNS.items()],
    }
    started = good(imported(tenant, spec))
    done = eventually(lambda: ended(tenant, str(started["name"])), timeout_s=30)
    counts = done["metadata"]["counts"]  # type: ignore[index]  # an object of JSON
    assert (counts["created"], counts["failed"]) == (2, 2)
    errors = tenant.get(f"operations/{started['name']}/errors").text
    assert '"4","tier"' in errors
    assert '"5","since"' in errors
    (alpha,) = tenant.list("customers", filter='external_id = "1"')
    assert own_values(dict(alpha)) == {
        "tier": ids["金"], "budget": {"currency_code": "CNY", "amount": "1200.50"},
        "since": "2026-01-31", "vip": True, "wishes": [ids["快"], ids["省"]],
    }  # fmt: skip
    (beta,) = tenant.list("customers", filter='external_id = "2"')
    assert own_values(dict(beta)) == {"tier": ids["银"], "vip": False}
    asked = {"filter": 'external_source = "erp"', "order_by": "name", "format": "CSV"}
    file = eventually(lambda: ended(tenant, exported(tenant, asked)), timeout_s=30)
    lines = tenant.get(str(file["metadata"]["result_file"]).removeprefix("/v1/")).text  # type: ignore[index]  # an object of JSON
    rows = list(csv.DictReader(io.StringIO(lines)))
    own = {name: rows[0][name] for name in rows[0] if name.startswith("custom_fields.")}
    assert own == {
        "custom_fields.tier": "金", "custom_fields.budget.amount": "1200.50",
        "custom_fields.budget.currency_code": "CNY", "custom_fields.since": "2026-01-31",
        "custom_fields.vip": "true", "custom_fields.wishes": "快;省", "custom_fields.secret": "",
    }  # fmt: skip
    wrong = {**spec, "columns": [{"column": "ref", "field": "custom_fields.nothing"}]}
    refused(imported(tenant, wrong), 400, "spec.columns[0].field")


def imported(tenant: Tenant, spec: Mapping[str, object], text: str = CSV) -> httpx.Response:
    """Send the file to be imported."""
    file = ("customers.csv", text.encode(), "text/csv")
    parts = {"spec": (None, json.dumps(spec).encode(), "application/json"), "file": file}
    return tenant.http.post("/v1/imports", files=parts)


def exported(tenant: Tenant, asked: Mapping[str, object]) -> str:
    """The name of the operation that writes an export."""
    return str(good(tenant.post("customers:export", asked, idempotency_key="j25"))["name"])


def ended(tenant: Tenant, name: str) -> dict[str, object]:
    """The operation once it is done, else nothing."""
    operation = good(tenant.get(f"operations/{name}"))
    return operation if operation["done"] else {}
