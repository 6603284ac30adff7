"""What an import may set: any stage with its closing facts, as history had them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.db.pool import Database
from chassis.errors import InvalidArgument
from chassis.ids import new_id
from chassis.resource.read import lock_record
from chassis.resource.resource import Row
from chassis.resource.standard import Collection, collection
from chassis.resource.write import insert_record, update_record
from crm.sales.v1 import opportunity_pb2
from crm.type.v1 import requests_pb2
from deploy.local.platform import Platform
from services.sales.methods.opportunity import opportunity_resource
from tests.integration.drive import Person
from tests.integration.sales.conftest import Shop
from tests.integration.sales.test_transitions import moves_of


async def nobody(
    _service: str, _resource: str, _tenant: str, _ids: object, _reach: object
) -> set[str]:
    """No owner is asked here."""
    return set()


@dataclass(frozen=True)
class History:
    """Writes as the importer does: hooks, then the engine."""

    database: Database
    opportunities: Collection
    call: Call

    async def create(self, values: Row) -> str:
        """A new opportunity; its id."""
        row = self.opportunities.new_row(self.call, values)
        hook = self.opportunities.plan.resource.prepare_create
        assert hook is not None
        async with self.database.transaction(self.call.tenant_id) as tx:
            await hook(self.call, tx, row, opportunity_pb2.Opportunity())
            await insert_record(self.call, tx, self.opportunities.plan, row, "created")
        return str(row["id"])

    async def update(self, record_id: str, row: Row) -> None:
        """Change these columns."""
        plan = self.opportunities.plan
        assert plan.resource.prepare_update is not None
        async with self.database.transaction(self.call.tenant_id) as tx:
            before = dict(await lock_record(self.call, tx, plan, record_id, "UPDATE"))
            message = opportunity_pb2.Opportunity()
            await plan.resource.prepare_update(self.call, tx, before, row, message)
            await update_record(self.call, tx, plan, before, row, "updated")


@pytest.fixture
async def history(shop: Shop, domain_platform: Platform) -> AsyncIterator[History]:
    urls = [domain_platform.database_url("sales", role) for role in ("runtime", "worker")]
    database = Database("sales", urls[0], urls[1])
    opportunities = collection(opportunity_resource(), b"k" * 32, nobody, {}, "sales")
    yield History(database, opportunities, import_call(shop.admin))
    await database.close()


def import_call(who: Person) -> Call:
    everything = (Grant("*", frozenset(VERBS), "ALL"),)
    access = Access(members={who.id: Member()}, roles={"all": everything})
    principal = Principal("user", who.id, who.tenant_id, role_ids=("all",))
    return Call(principal, access, "", datetime.now(UTC), 0.0, new_id(), through="import")


async def get(shop: Shop, record_id: str) -> opportunity_pb2.Opportunity:
    request = requests_pb2.GetRequest(id=record_id)
    found = await shop.admin.call("sales.OpportunityService/GetOpportunity", request)
    assert isinstance(found, opportunity_pb2.Opportunity)
    return found


async def test_closed_ones_come_with_their_facts(shop: Shop, history: History) -> None:
    stages = {name: stage.id for name, stage in shop.stages.items()}
    record_id = await history.create(
        {"stage_id": stages["Lost"], "close_date": date(2017, 3, 1), "lost_reason": "price"}
    )
    found = await get(shop, record_id)
    assert (found.close_date, found.lost_reason) == ("2017-03-01", "price")
    assert found.state == opportunity_pb2.Opportunity.State.LOST
    await history.update(record_id, {"stage_id": stages["Won"], "close_date": date(2017, 4, 1)})
    found = await get(shop, record_id)
    assert (found.close_date, found.lost_reason) == ("2017-04-01", "")
    await history.update(record_id, {"stage_id": stages["Engaging"]})
    found = await get(shop, record_id)
    assert (found.close_date, found.state) == ("", opportunity_pb2.Opportunity.State.OPEN)
    path = ["", stages["Lost"], stages["Won"], stages["Engaging"]]
    assert await moves_of(shop.admin, record_id) == list(pairwise(path))


async def test_contradictions_are_refused(shop: Shop, history: History) -> None:
    first = shop.stages["Prospecting"].id
    with pytest.raises(InvalidArgument):
        await history.create({"stage_id": first, "close_date": date(2017, 3, 1)})
    record_id = await history.create({"stage_id": first})
    with pytest.raises(InvalidArgument):
        await history.update(record_id, {"lost_reason": "price"})
    await history.update(record_id, {"name": "renamed", "stage_id": first})
    assert (await get(shop, record_id)).name == "renamed"
