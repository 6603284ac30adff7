"""Many who leave at once: each transfer has a part in identity itself, whose workers are few."""

from chassis.operations.start import OPEN_MAX
from tests.live import PASSWORD, Tenant, as_dict, eventually

LEAVERS = 8


def test_transfers_at_once_all_end(tenant: Tenant) -> None:
    assert LEAVERS < OPEN_MAX
    role = tenant.create(
        "roles",
        name="own",
        grants=[{"resource": "customers", "verbs": ["READ", "UPDATE"], "scope": "OWN"}],
    )
    users = [
        tenant.create(
            "users", name=f"销售 {at}", login=f"s{at}", password=PASSWORD, role_ids=[role["id"]]
        )["id"]
        for at in range(LEAVERS + 1)
    ]
    heir, leavers = users[0], users[1:]
    for at, leaver in enumerate(leavers):
        tenant.create("customers", name=f"客户 {at}", owner_id=leaver)
    body = {"to_user_id": heir, "disable": True}
    begun = [as_dict(tenant.post(f"users/{one}:transfer", body))["name"] for one in leavers]
    # Others of the same service are not kept waiting either.
    export = as_dict(tenant.post("users:export", {"format": "CSV"}))["name"]
    for name in (export, *begun):
        done = _ended(tenant, str(name))
        assert not done.get("error"), done
    customers = tenant.list("customers")
    assert len(customers) == LEAVERS
    assert {one["owner_id"] for one in customers} == {heir}
    states = {one["id"]: one["state"] for one in tenant.list("users", fields="id,state")}
    assert {states[one] for one in leavers} == {"DISABLED"}


def _ended(tenant: Tenant, name: str) -> dict[str, object]:
    """The operation, once it is done."""

    def look() -> dict[str, object]:
        operation = as_dict(tenant.get(f"operations/{name}"))
        return operation if operation["done"] else {}

    return eventually(look, timeout_s=30)
