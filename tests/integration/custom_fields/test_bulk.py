"""Own fields in bulk changes, their undo, and exports that are imported again."""

import csv
import io
import json

from tests.e2e.test_bulk_export import counts, ended
from tests.integration.custom_fields.own import choice, customer, good, own_field, own_values
from tests.live import Tenant

MONEY = {"currency_code": "CNY", "amount": "12.50"}


def values(tenant: Tenant) -> list[dict[str, object]]:
    """The own values of all customers by name."""
    return [own_values(dict(one)) for one in tenant.list("customers", order_by="create_time")]


def test_own_fields_are_set_restored_and_exported(tenant: Tenant) -> None:
    tier = own_field(tenant, "tier", "CHOICE")
    gold, silver = choice(tenant, tier, "Gold"), choice(tenant, tier, "Silver")
    kinds = {"note": "TEXT", "score": "NUMBER", "budget": "MONEY", "since": "DATE"}
    for name, kind in kinds.items():
        own_field(tenant, name, kind)
    good(customer(tenant, tier=gold, note="=1", budget=MONEY))
    good(customer(tenant))
    before = values(tenant)
    own = {"tier": silver, "score": "-5", "note": None}
    body = {
        "filter": "name = Acme",
        "action": {"update": {"fields": {"custom_fields": own}}},
    }
    done = ended(tenant, tenant.post("customers:bulk", body))
    assert done["counts"] == counts(updated=2)
    assert [(one["tier"], one["score"]) for one in values(tenant)] == [(silver, "-5")] * 2
    assert "note" not in values(tenant)[0]
    undone = ended(tenant, tenant.post(f"operations/{done['id']}:undo", {}))
    assert undone["counts"] == counts(updated=2)
    assert values(tenant) == before
    good(customer(tenant, score="-5", since="2026-01-31"))
    before = values(tenant)
    done = ended(tenant, tenant.post("customers:export", {"fields": "custom_fields"}))
    path = str(done["result_file"]).removeprefix("/v1/")
    content = tenant.get(path).content
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    own_columns = [one for one in rows[0] if one.startswith("custom_fields.")]
    assert sorted(own_columns) == [
        "custom_fields.budget.amount", "custom_fields.budget.currency_code",
        "custom_fields.note", "custom_fields.score", "custom_fields.since", "custom_fields.tier",
    ]  # fmt: skip
    first = next(one for one in rows if one["custom_fields.tier"])
    assert (first["custom_fields.tier"], first["custom_fields.note"]) == ("Gold", "'=1")
    numbers = [one["custom_fields.score"] for one in rows if one["custom_fields.since"]]
    assert numbers == ["-5"], "a number is no text that a spreadsheet might run"
    columns = [{"column": one, "field": one} for one in own_columns]
    defaults = {"name": "Acme"}
    spec = json.dumps({"resource": "customers", "columns": columns, "defaults": defaults})
    answer = tenant.http.post(
        "/v1/imports", params={"spec": spec}, content=content, headers={"content-type": "text/csv"}
    )
    assert ended(tenant, answer)["counts"] == counts(created=3)
    assert sorted(map(str, values(tenant))) == sorted(map(str, before * 2))
