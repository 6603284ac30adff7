"""Two partner companies and the head office in one tenant: a company learns of nothing but its own,
over lists, counts, sums, look-ups, files of errors and the text of refusals.
"""

import asyncio
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message

from crm.chassis.v1 import history_pb2, import_pb2
from crm.customer.v1 import customer_pb2
from crm.reporting.v1 import report_pb2
from crm.sales.v1 import opportunity_pb2
from crm.type.v1.money_pb2 import Money
from crm.type.v1.requests_pb2 import BatchDeleteRequest, BatchGetRequest, ListRequest
from tests.integration.drive import Drive
from tests.integration.security.ground import Ground, resources
from tests.integration.security.partners import SHARED, Company, Partners, partners
from tests.integration.security.policy import COLLECTIONS, PLURALS
from tests.integration.security.wire import Wire

PRIVATE = [one for one in resources() if one[0] not in SHARED]


@pytest.fixture(scope="module")
async def world(drive: Drive) -> Partners:
    return await partners(drive)


def listed(name: str, page: Message) -> list[Message]:
    """The records of a page."""
    plural = page.DESCRIPTOR.fields[0].name
    return list(getattr(page, plural))


def lists() -> Iterator[tuple[str, str]]:
    """(resource, method) of every list with records of a company."""
    for name, process in PRIVATE:
        yield name, f"{process}.{name}Service/List{PLURALS.get(name, f'{name}s')}"


@pytest.mark.parametrize(("name", "method"), list(lists()))
async def test_lists_and_counts_end_where_the_company_does(
    world: Partners, name: str, method: str
) -> None:
    request = ListRequest(page_size=1000, show_deleted=True, count="exact")
    everything = listed(name, await world.office.person.call(method, request))
    pages = [await one.chief.call(method, request) for one in (world.one, world.two)]
    ids = [{getattr(one, "id") for one in listed(name, page)} for page in pages]  # noqa: B009  # a record of any resource
    assert all(ids), "each sees his own"
    for page in pages:
        assert getattr(page, "total_size") == len(listed(name, page))  # noqa: B009  # as above
    shared = ids[0] & ids[1]
    assert not shared or name == "Role", "none is in both"
    assert len(everything) > len(ids[0]), "the head office sees all"
    assert world.two.ground.ids[name] not in ids[0]
    if name != "Role":
        assert world.office.ids[name] not in ids[0] | ids[1]


async def test_look_ups_find_nothing_of_others(wire: Wire, world: Partners) -> None:
    for name, process in PRIVATE:
        values = [str(one.values(name).get("name", "")) for one in (world.two.ground, world.office)]
        for field in ("name", "login"):
            request = import_pb2.LookupRecordsRequest(
                resource=COLLECTIONS[process][name], field=field, values=[*values, "utwo"]
            )
            outcome = await wire.call(
                process, "crm.chassis.v1.LookupService/LookupRecords",
                request.SerializeToString(), authorization=f"Bearer {world.one.chief.token}",
            )  # fmt: skip
            assert outcome.code in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
            answer = import_pb2.LookupRecordsResponse.FromString(outcome.data)
            visible = {world.office.ids["Role"]} if name == "Role" else set()
            assert {match.id for match in answer.matches} <= visible


async def test_batches_end_where_the_company_does(world: Partners) -> None:
    own, other = (one.ground.ids["Customer"] for one in (world.one, world.two))
    for ids, wanted in (([own], ""), ([own, other], "NOT_FOUND")):
        changes = [
            customer_pb2.UpdateCustomerRequest(customer=customer_pb2.Customer(id=one, name="same"))
            for one in ids
        ]
        for method, request in (
            ("BatchGetCustomers", BatchGetRequest(ids=ids)),
            ("BatchUpdateCustomers", customer_pb2.BatchUpdateCustomersRequest(requests=changes)),
        ):
            path = f"customer.CustomerService/{method}"
            assert await world.one.chief.reason(path, request) == wanted, method
    gone = BatchDeleteRequest(ids=[other])
    method = "customer.CustomerService/BatchDeleteCustomers"
    assert await world.one.chief.reason(method, gone) == "NOT_FOUND"


async def test_histories_end_where_the_company_does(world: Partners) -> None:
    method = "customer.crm.chassis.v1.HistoryService/ListHistory"
    for company, wanted in ((world.one, ""), (world.two, "NOT_FOUND")):
        request = history_pb2.ListHistoryRequest(
            resource="customers", id=company.ground.ids["Customer"]
        )
        assert await world.one.chief.reason(method, request) == wanted


async def test_sums_end_where_the_company_does(world: Partners) -> None:
    async def amount(company: Company | Ground) -> dict[str, int]:
        person = company.person if isinstance(company, Ground) else company.chief
        request = report_pb2.GetPipelineSummaryRequest(group_by="owner")
        found = await person.call("reporting.ReportService/GetPipelineSummary", request)
        assert isinstance(found, report_pb2.PipelineSummary)
        return {group.key: group.count for group in found.groups}

    for number, company in enumerate((world.one, world.two), 1):
        for _ in range(number):
            made = opportunity_pb2.Opportunity(
                customer_id=company.ground.ids["Customer"],
                amount=Money(currency_code="CNY", amount="10"),
            )
            request = opportunity_pb2.CreateOpportunityRequest(opportunity=made)
            await company.chief.call("sales.OpportunityService/CreateOpportunity", request)
    one, two, office = world.one.chief.id, world.two.chief.id, world.office.person.id
    wanted = {one: 2, two: 3, office: 1}

    for _ in range(200):
        if await amount(world.office) == wanted:
            break
        await asyncio.sleep(0.05)
    assert await amount(world.office) == wanted
    assert await amount(world.one) == {one: 2}
    assert await amount(world.two) == {two: 3}


async def test_rows_belong_to_the_company_of_their_owner(world: Partners) -> None:
    """Given to another owner, a row goes along to his company; a partner gives to his own only."""
    office, chief = world.office.person, world.one.chief
    method = "customer.CustomerService/CreateCustomer"

    async def create(owner_id: str) -> customer_pb2.Customer:
        customer = customer_pb2.Customer(name="given", owner_id=owner_id)
        made = await office.call(method, customer_pb2.CreateCustomerRequest(customer=customer))
        assert isinstance(made, customer_pb2.Customer)
        return made

    async def give(record_id: str, owner_id: str) -> customer_pb2.Customer:
        customer = customer_pb2.Customer(id=record_id, owner_id=owner_id)
        made = await office.call(
            "customer.CustomerService/UpdateCustomer",
            customer_pb2.UpdateCustomerRequest(customer=customer),
        )
        assert isinstance(made, customer_pb2.Customer)
        return made

    made = await create(chief.id)
    places = (made.partner_company_id, made.department_id)
    assert places == (world.one.department_id, world.one.department_id)
    assert (await create("")).partner_company_id == ""
    moved = await give(made.id, world.two.chief.id)
    assert moved.partner_company_id == moved.department_id == world.two.department_id
    assert (await give(made.id, office.id)).partner_company_id == ""
    await give(made.id, chief.id)
    for owner_id in (world.two.chief.id, office.id):
        customer = customer_pb2.Customer(id=made.id, owner_id=owner_id)
        refusal = await chief.refused(
            "customer.CustomerService/UpdateCustomer",
            customer_pb2.UpdateCustomerRequest(customer=customer),
        )
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS",
        )  # fmt: skip
        new = customer_pb2.CreateCustomerRequest(
            customer=customer_pb2.Customer(name="x", owner_id=owner_id)
        )
        assert (await chief.refused(method, new)).reason == "OWNER_NOT_IN_SCOPE"
    colleague = world.one.ground.ids["User"]
    customer = customer_pb2.Customer(id=made.id, owner_id=colleague)
    await chief.call(
        "customer.CustomerService/UpdateCustomer",
        customer_pb2.UpdateCustomerRequest(customer=customer),
    )
