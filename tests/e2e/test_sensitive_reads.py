"""Whoever is shown a sensitive own field is in the operation log, whatever way he took."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.e2e.test_rights_spread import person
from tests.integration.custom_fields.own import good, own_field, own_values
from tests.live import Tenant, eventually

READ = "crm.customer.v1.sensitive_value.read"
ACCOUNT = "6222021234567890123"


@dataclass
class Bank:
    """A customer with a bank account, and somebody who may work with customers."""

    tenant: Tenant
    reader: Tenant
    id: str

    def reads(self, person: Tenant) -> list[Mapping[str, object]]:
        """What the operation log has of the person's looking at the record's account."""
        query = f'record_id = "{self.id}" AND actor_id = "{person.session["user_id"]}"'
        found = self.tenant.list("logEntries", filter=f'{query} AND action = "{READ}"')
        return [one for one in found if one["changed_fields"] == ["custom_fields.account"]]

    def told(self, person: Tenant, count: int) -> bool:
        """Whether so many are logged by now, and no more."""
        return bool(eventually(lambda: len(self.reads(person)) >= count)) and (
            len(self.reads(person)) == count
        )


@pytest.fixture
def bank(tenant: Tenant) -> Iterator[Bank]:
    known = good(tenant.get("customers/customFields", filter='name = "account"'))
    if not known["custom_fields"]:
        own_field(tenant, "account", "TEXT", sensitive=True)
        own_field(tenant, "region", "TEXT")
    values = {"account": ACCOUNT, "region": "north"}
    made = tenant.create("customers", name="Bank of North", custom_fields=values)
    verbs = ["READ", "UPDATE", "EXPORT"]
    grants = [{"resource": "customers", "verbs": verbs, "scope": "ALL"}]
    login = f"reader{str(made['id'])[-12:]}"
    role = tenant.create("roles", name=login, grants=grants)
    reader = person(tenant, login, role_ids=[role["id"]])
    yield Bank(tenant, reader, str(made["id"]))
    reader.http.close()


def test_every_way_to_the_value_is_logged(bank: Bank) -> None:
    reader, path = bank.reader, f"customers/{bank.id}"
    mine = f'id = "{bank.id}"'
    shown = [
        good(reader.get(path)),
        reader.list("customers", filter=mine)[0],
        good(reader.post("customers:batchGet", {"ids": [bank.id]}))["customers"][0],  # type: ignore[index]  # a list of objects
        good(reader.patch(path, {"phone": "138"})),
        good(reader.post(f"{path}:changeLifeCycle", {"life_cycle": "FOLLOWING"})),
    ]
    for at, record in enumerate(shown):
        assert own_values(dict(record))["account"] == ACCOUNT, at
    assert bank.told(reader, len(shown))
    (one, *_) = bank.reads(reader)
    assert (one["label"], one["through"]) == ("Bank of North", "user")
    log = bank.tenant.get("logEntries", filter=f'record_id = "{bank.id}"').text
    assert ACCOUNT not in log
    assert good(bank.tenant.post("logEntries:verify", {}))["intact"] is True


def test_what_does_not_show_the_value_is_not_logged(bank: Bank) -> None:
    reader, path = bank.reader, f"customers/{bank.id}"
    assert "custom_fields" not in good(reader.get(path, fields="name"))
    tried = good(reader.patch(f"{path}?validate_only=true", {"phone": "139"}))
    assert own_values(tried) == {"region": "north"}, "what is only tried shows nothing"
    good(reader.get(f"{path}/history"))
    other = bank.tenant.create("customers", name="None", custom_fields={"region": "south"})
    good(reader.get(f"customers/{other['id']}"))
    good(reader.get(path))
    assert bank.told(reader, 1)
    query = f'record_id = "{other["id"]}" AND action = "{READ}"'
    assert bank.tenant.list("logEntries", filter=query) == []
