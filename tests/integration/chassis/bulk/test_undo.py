"""Undo: each record that is still as the bulk change has left it, once, by its own user."""

import asyncio
import time

import grpc
import pytest

from crm.chassis.v1 import bulk_pb2
from crm.customer.v1 import contact_pb2, customer_pb2
from crm.type.v1.money_pb2 import Money
from crm.type.v1.requests_pb2 import ListRequest
from tests.integration.chassis.bulk.bulker import Bulker, Done, delete, update
from tests.integration.chassis.imports.importer import Importer, metadata
from tests.integration.chassis.imports.test_operations import grant, wait_for_rows

CUSTOMERS = "crm.customer.v1.CustomerService"


async def change(importer: Importer, customer: customer_pb2.Customer) -> None:
    """Change one customer as a person does."""
    request = customer_pb2.UpdateCustomerRequest(customer=customer)
    await importer.call("customer", f"{CUSTOMERS}/UpdateCustomer", request, customer_pb2.Customer)


async def facts(bulker: Bulker, filter_: str = "") -> dict[str, customer_pb2.Customer]:
    """The customers without what every change touches."""
    found = {one.id: one for one in await bulker.importer.customers(filter_)}
    for one in found.values():
        one.ClearField("etag")
        one.ClearField("update_time")
    return found


async def test_every_field_is_as_it_was(bulker: Bulker) -> None:
    await bulker.customers(250)
    first = (await bulker.importer.customers())[0]
    whole = customer_pb2.Customer(
        annual_revenue=Money(currency_code="CNY", amount="5.00"),
        founded_year=1999,
        tags=["old"],
        parent_id=first.id,
    )
    for one in (await bulker.importer.customers())[1:4]:
        whole.id = one.id
        await change(bulker.importer, whole)
    before = await facts(bulker)
    name, _ = await bulker.run(
        update(
            "industry = a",
            industry="",
            founded_year=None,
            employee_count=3,
            phone="1",
            annual_revenue={"currency_code": "USD", "amount": "7"},
            tags=["x", "y"],
            parent_id=None,
        )
    )
    assert await facts(bulker) != before
    undone = (await bulker.undo(name)).name
    assert (await bulker.end(undone))[1] == Done(updated=250)
    assert await facts(bulker) == before
    changes = await bulker.changes(undone)
    assert {(one["version"] >= 3, one["through"]) for one in changes} == {(True, "bulk")}
    assert (await bulker.undo(name)).name == undone


async def test_what_has_changed_since_is_left_alone(bulker: Bulker) -> None:
    await bulker.customers(30)
    name, _ = await bulker.run(update("industry = a", industry="b"))
    touched, deleted = (await bulker.importer.customers())[:2]
    await change(bulker.importer, customer_pb2.Customer(id=touched.id, phone="5"))
    await bulker.run(delete(f'id = "{deleted.id}"'))
    undone = (await bulker.undo(name)).name
    assert (await bulker.end(undone))[1] == Done(updated=28, skipped=2)
    skipped = {
        one["id"]: one["reason"]
        for one in await bulker.outcomes(undone)
        if one["outcome"] == "skipped"
    }
    assert skipped == dict.fromkeys((touched.id, deleted.id), "It has been changed since.")
    assert [one.id for one in await bulker.importer.customers("industry = b")] == [touched.id]


async def test_an_undone_deletion_brings_everything_back(bulker: Bulker) -> None:
    await bulker.customers(5)
    owner = (await bulker.importer.customers())[0]
    contact = contact_pb2.Contact(customer_id=owner.id, name="Ann")
    await bulker.importer.call(
        "customer",
        "crm.customer.v1.ContactService/CreateContact",
        contact_pb2.CreateContactRequest(contact=contact),
        contact_pb2.Contact,
    )
    assert (await bulker.run(delete("industry = a")))[1] == Done(updated=4, failed=1)
    name, counts = await bulker.run(delete("industry = a", force=True))
    assert counts == Done(updated=1)
    assert not await bulker.importer.customers()
    await bulker.end((await bulker.undo(name)).name)
    assert [one.id for one in await bulker.importer.customers()] == [owner.id]
    contacts = await bulker.importer.call(
        "customer",
        "crm.customer.v1.ContactService/ListContacts",
        ListRequest(),
        contact_pb2.ListContactsResponse,
    )
    assert [one.name for one in contacts.contacts] == ["Ann"]


async def test_changes_while_it_is_undone_win(bulker: Bulker) -> None:
    """People change records all the time: each keeps what was written last."""
    await bulker.customers(1500)
    name, _ = await bulker.run(update("industry = a", industry="b"))
    ids = [one.id for one in await bulker.importer.customers()]
    running = await bulker.undo(name)
    people = [
        change(bulker.importer, customer_pb2.Customer(id=one, phone="5")) for one in ids[::50]
    ]
    await asyncio.gather(*people)
    _, counts = await bulker.end(running.name)
    assert counts.updated + counts.skipped == 1500
    assert counts.failed == 0
    found = await bulker.importer.customers()
    assert sum(one.phone == "5" for one in found) == 30
    assert sum(one.industry == "b" for one in found) == counts.skipped


async def test_a_killed_undo_goes_on(bulker: Bulker) -> None:
    await bulker.customers(2000)
    name, _ = await bulker.run(update("industry = a", industry="b"))
    undone = (await bulker.undo(name)).name
    await wait_for_rows(bulker.importer, undone, 200)
    bulker.importer.platform.kill("customer")
    await asyncio.to_thread(bulker.importer.platform.start, "customer")
    await bulker.importer.get_again(undone)
    assert (await bulker.end(undone, 90))[1] == Done(updated=2000)
    found = await bulker.importer.customers()
    assert {(one.industry, one.etag) for one in found} == {("a", '"3"')}


async def test_who_may_undo_what(bulker: Bulker) -> None:
    await bulker.customers(3)
    nothing, _ = await bulker.run(update("industry = none", industry="b"))
    name, _ = await bulker.run(update("industry = a", industry="b"))
    assert metadata(await bulker.importer.get(name)).HasField("undo_expire_time")
    undone = (await bulker.undo(name)).name
    await bulker.end(undone)
    for odd in (nothing, undone):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bulker.undo(odd)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    everything = grant("customers", "READ", "UPDATE")
    colleague = Bulker(await bulker.importer.colleague("eve", [everything]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await colleague.undo(name)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_ten_thousand_records(bulker: Bulker, figures: list[str]) -> None:
    await bulker.customers(10_000)
    tags = bulk_pb2.CreateBulkRequest(resource="customers", filter="industry = a")
    tags.action.tag.add.append("vip")
    for what, request in {"update": update("industry = a", phone="1"), "tag": tags}.items():
        began = time.monotonic()
        name, counts = await bulker.run(request)
        taken = time.monotonic() - began
        assert counts == Done(updated=10_000)
        began = time.monotonic()
        assert (await bulker.end((await bulker.undo(name)).name))[1] == Done(updated=10_000)
        figures.append(
            f"bulk {what} of 10,000 customers in {taken:.1f} s,"
            f" undone in {time.monotonic() - began:.1f} s"
        )
