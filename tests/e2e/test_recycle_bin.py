"""The recycle bin: what goes into it together, what comes out again, and what is gone for good."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from chassis.db.pool import Database
from chassis.purge import Purge
from chassis.resource.plan import Plan, make_plan
from chassis.rpc.client import Clients
from chassis.settings import TARGETS
from deploy.local.platform import Platform
from services.customer.methods.contact import CONTACT
from services.customer.methods.customer import CUSTOMER
from tests.live import Tenant, as_dict, eventually

AGE = "UPDATE base.customer SET purge_time = now() - interval '1 day' WHERE id = ANY($1)"


def test_forced_deletion_takes_dependents_along_and_brings_them_back(tenant: Tenant) -> None:
    owner = tenant.create("customers", name="北京华信科技有限公司")
    people = [
        tenant.create("contacts", name=name, customer_id=owner["id"]) for name in ("王伟", "李娜")
    ]
    refused = tenant.delete(f"customers/{owner['id']}")
    assert refused.status_code == 400
    assert as_dict(refused)["reason"] == "RECORD_HAS_CHILDREN"
    assert tenant.http.delete(f"/v1/customers/{owner['id']}?force=true").status_code == 200
    assert tenant.list("contacts", filter=f"customer_id = {owner['id']}") == []
    binned = tenant.list("contacts", show_deleted="true", filter="delete_time:*")
    assert {one["id"] for one in binned} == {one["id"] for one in people}
    assert all(one["purge_time"] for one in binned)
    tenant.post(f"contacts/{people[0]['id']}:undelete", {})
    again = tenant.post(f"customers/{owner['id']}:undelete", {})
    assert again.status_code == 200, again.text
    living = tenant.list("contacts", filter=f"customer_id = {owner['id']}")
    assert {one["id"] for one in living} == {one["id"] for one in people}
    assert all(one["purge_time"] is None for one in living)


def test_a_subsidiary_is_not_forced_along(tenant: Tenant) -> None:
    parent = tenant.create("customers", name="Parent")
    tenant.create("customers", name="Child", parent_id=parent["id"])
    refused = tenant.http.delete(f"/v1/customers/{parent['id']}?force=true")
    assert as_dict(refused)["reason"] == "RECORD_HAS_CHILDREN"


def test_purge_waits_for_whoever_refers(tenant: Tenant) -> None:
    eventually(lambda: tenant.count("stages") == 4)
    owner = tenant.create("customers", name="Acme", external_source="erp", external_id="C-1")
    deal = tenant.create("opportunities", name="Deal", customer_id=owner["id"])
    early = tenant.post(f"customers/{owner['id']}:purge", {})
    assert as_dict(early)["reason"] == "RECORD_NOT_DELETED"
    tenant.delete(f"customers/{owner['id']}")
    held = as_dict(tenant.post(f"customers/{owner['id']}:purge", {}))
    assert (held["reason"], held["status"]) == ("RECORD_REFERRED", 400)
    assert "opportunities" in str(held["detail"])
    tenant.delete(f"opportunities/{deal['id']}")
    assert tenant.post(f"opportunities/{deal['id']}:purge", {}).status_code == 200
    assert tenant.post(f"customers/{owner['id']}:purge", {}).status_code == 200
    assert tenant.get(f"customers/{owner['id']}").status_code == 404
    assert tenant.post(f"customers/{owner['id']}:purge", {}).status_code == 404
    tenant.create("customers", name="Acme", external_source="erp", external_id="C-1")


async def test_the_hourly_run_purges_what_is_due(whole_platform: Platform, tenant: Tenant) -> None:
    made = [tenant.create("customers", name=f"Due {number}") for number in range(3)]
    for one in made[:2]:
        tenant.delete(f"customers/{one['id']}")
    owner = await asyncpg.connect(whole_platform.database_url("customer", "owner"))
    try:
        ids = [one["id"] for one in made]
        await owner.execute(AGE, ids)
    finally:
        await owner.close()
    plans = [make_plan(CUSTOMER), make_plan(CONTACT)]
    async with _purge(whole_platform, plans) as purge:
        assert await purge.purge_due(plans[0]) >= 2
    left = tenant.list("customers", show_deleted="true", filter='name:"Due"')
    assert [one["id"] for one in left] == [made[2]["id"]]


@asynccontextmanager
async def _purge(platform: Platform, plans: list[Plan]) -> AsyncIterator[Purge]:
    environment = platform.service_environment("customer")
    urls = [platform.database_url("customer", role) for role in ("runtime", "worker")]
    targets = {name: environment[f"{name.upper()}_TARGET"] for name in TARGETS}
    clients = Clients("customer", environment["SERVICE_SECRET"], targets)
    database = Database("customer", urls[0], urls[1])
    yield Purge("customer", database, clients, plans)
    await clients.close()
    await database.close()
