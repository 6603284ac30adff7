"""Field rules on a tenant's own fields: hidden and read-only ones, in every way they could show."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.test_rights_spread import person
from tests.integration.custom_fields.own import good, own_field, own_values, refused
from tests.live import Tenant, eventually

TIER = "custom_fields.tier"


@dataclass
class Shop:
    """A tenant with two own fields of customers, and a seller whose role has rules on one."""

    tenant: Tenant
    seller: Tenant
    role_id: str
    path: str

    def rule(self, access: str) -> None:
        """Put the rule on the field into force."""
        rules = [{"resource": "customers", "field": TIER, "access": access}]
        good(self.tenant.patch(f"roles/{self.role_id}", {"field_rules": rules}))
        eventually(lambda: self.described() == {"HIDDEN": None, "READ": False}.get(access, True))

    def described(self) -> object:
        """Whether forms offer the field for writing; None when they do not know it."""
        fields = good(self.seller.get("customers:describe"))["fields"]
        assert isinstance(fields, list)
        return next((one["writable"] for one in fields if one["name"] == TIER), None)

    def changed(self) -> set[str]:
        """The fields that the record's history tells of."""
        entries = good(self.seller.get(f"{self.path}/history"))["entries"]
        assert isinstance(entries, list)
        return {change["field"] for entry in entries for change in entry["changes"]}


@pytest.fixture(scope="module")
def shop(tenant: Tenant) -> Iterator[Shop]:
    own_field(tenant, "tier", "TEXT")
    own_field(tenant, "region", "TEXT")
    verbs = ["READ", "CREATE", "UPDATE"]
    grants = [{"resource": "customers", "verbs": verbs, "scope": "ALL"}]
    role_id = str(tenant.create("roles", name="seller", grants=grants)["id"])
    seller = person(tenant, "seller", role_ids=[role_id])
    made = tenant.create("customers", name="Acme", custom_fields={"tier": "gold", "region": "n"})
    yield Shop(tenant, seller, role_id, f"customers/{made['id']}")
    seller.http.close()


def test_a_hidden_own_field_is_not_there(shop: Shop) -> None:
    seller, path = shop.seller, shop.path
    good(seller.patch(path, {"custom_fields": {"tier": "silver"}}))
    assert TIER in shop.changed()
    shop.rule("HIDDEN")
    changed = good(seller.patch(path, {"custom_fields": {"region": "s"}}))
    for record in (changed, good(seller.get(path)), seller.list("customers")[0]):
        assert own_values(dict(record)) == {"region": "s"}
    refused(seller.patch(path, {"custom_fields": {"tier": "x"}}), 400, TIER)
    for query in ({"filter": f'{TIER} = "silver"'}, {"order_by": TIER}, {"fields": TIER}):
        assert seller.get("customers", **query).status_code == 400, query
    assert TIER not in shop.changed()
    assert "custom_fields.region" in shop.changed()
    kept = good(shop.tenant.get(path))
    assert own_values(kept) == {"tier": "silver", "region": "s"}, "nothing of it was lost"


def test_a_hidden_own_field_gets_its_default_and_keeps_its_name(shop: Shop) -> None:
    field = own_field(shop.tenant, "margin", "NUMBER", default_value="10")
    rules = [{"resource": "customers", "field": "custom_fields.margin", "access": "HIDDEN"}]
    good(shop.tenant.patch(f"roles/{shop.role_id}", {"field_rules": rules}))
    place, body = f"customers/customFields/{field}", {"name": "Blind"}

    def made() -> dict[str, object] | None:
        record = good(shop.seller.post("customers", body))
        return None if "margin" in own_values(record) else record

    seen = eventually(made)
    assert seen is not None
    assert own_values(good(shop.tenant.get(f"customers/{seen['id']}")))["margin"] == "10"
    renaming = shop.tenant.patch(place, {"name": "profit"})
    assert refused(renaming, 400)["reason"] == "FIELD_HAS_RULES"
    good(shop.tenant.patch(place, {"label": "Profit", "name": "margin"}))
    good(shop.tenant.patch(f"roles/{shop.role_id}", {"field_rules": []}))

    def renamed() -> bool:
        return shop.tenant.patch(place, {"name": "profit"}).status_code == 200

    assert eventually(renamed)


def test_a_read_only_own_field_is_seen_and_never_set(shop: Shop) -> None:
    shop.rule("READ")
    seller, path = shop.seller, shop.path
    assert own_values(good(seller.get(path)))["tier"] == "silver"
    refused(seller.patch(path, {"custom_fields": {"tier": "x"}}), 400, TIER)
    body = {"name": "New", "custom_fields": {"tier": "x"}}
    refused(seller.post("customers", body), 400, TIER)
    shop.rule("WRITE")
    assert own_values(good(seller.patch(path, {"custom_fields": {"tier": "x"}})))["tier"] == "x"


def test_values_of_a_sensitive_field_stand_in_no_history_and_no_log(shop: Shop) -> None:
    tenant, secret = shop.tenant, "6222021234567890123"
    field = own_field(tenant, "bank_account", "TEXT", sensitive=True)
    made = tenant.create("customers", name="Bank", custom_fields={"bank_account": "6222-OLD-1"})
    path = f"customers/{made['id']}"
    changed = good(tenant.patch(path, {"custom_fields": {"bank_account": secret}}))
    assert own_values(changed)["bank_account"] == secret
    history = tenant.get(f"{path}/history")
    assert {"field": "custom_fields.bank_account", "from": "***", "to": "***"} in [
        change for entry in good(history)["entries"] for change in entry["changes"]  # type: ignore[attr-defined]  # a list of objects
    ]  # fmt: skip
    query = {"filter": f'record_id = "{made["id"]}"'}
    log = eventually(lambda: found if "updated" in (found := entries(tenant, query)) else "")
    assert not [text for text in (history.text, log) if secret in text or "6222-OLD" in text]
    where = f"customers/customFields/{field}"
    for change in ({"name": "account"}, {"sensitive": False}):
        refused(tenant.patch(where, change), 400)
    good(tenant.patch(where, {"retired": True}))
    assert refused(tenant.delete(where), 400)["reason"] == "FIELD_SENSITIVE"


def entries(tenant: Tenant, query: dict[str, str]) -> str:
    """What the operation log says, as it comes."""
    return tenant.get("logEntries", **query).text
