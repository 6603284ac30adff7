"""Bulk changes: what they work on, as whom, and what becomes of each record."""

import asyncio

import grpc
import pytest

from crm.chassis.v1 import bulk_pb2
from crm.chassis.v1.operation_pb2 import OperationMetadata
from crm.customer.v1 import customer_pb2
from crm.identity.v1 import role_pb2
from tests.integration.chassis.bulk.bulker import Bulker, Done, delete, update
from tests.integration.chassis.imports.importer import metadata
from tests.integration.chassis.imports.test_operations import grant, wait_for_rows

NOBODY = "0190c0f0-0000-7000-8000-000000000001"


async def refusal(bulker: Bulker, request: bulk_pb2.CreateBulkRequest) -> tuple[str, str]:
    """Status and text of a request that must not start anything."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bulker.start(request)
    return caught.value.code().name, str(caught.value.details())


async def test_all_that_match_are_changed_and_nothing_else(bulker: Bulker) -> None:
    await bulker.customers(450)
    await bulker.customers(20, "b")
    request = update('industry = "a"', expected=450, industry="b", employee_count=7, phone=None)
    name, counts = await bulker.run(request)
    assert counts == Done(updated=450)
    customers = await bulker.importer.customers()
    assert {one.industry for one in customers} == {"b"}
    assert sum(one.employee_count == 7 for one in customers) == 450
    changes = await bulker.changes(name)
    assert len(changes) == 450
    assert {(one["event"], one["through"], one["lane"]) for one in changes} == {
        ("updated", "bulk", 1)
    }
    outcomes = await bulker.outcomes(name)
    assert len(outcomes) == 450
    assert {one["outcome"] for one in outcomes} == {"updated"}
    assert {one["label"] for one in outcomes} == {f"n{at}" for at in range(450)}
    assert (await bulker.run(update('industry = "b"', industry="b")))[1] == Done(skipped=470)


async def test_preview_counts_and_shows(bulker: Bulker) -> None:
    await bulker.customers(30)
    ask = bulk_pb2.PreviewBulkRequest(resource="customers", filter='industry = "a"')
    found = await bulker.preview(ask)
    assert (found.count, found.allowed_count, len(found.examples)) == (30, 30, 5)
    assert found.examples[0].label.startswith("n")
    ids = [one.id for one in await bulker.importer.customers()]
    by_id = bulk_pb2.PreviewBulkRequest(resource="customers", ids=[*ids[:7], NOBODY])
    found = await bulker.preview(by_id)
    assert (found.count, found.allowed_count, len(found.examples)) == (7, 7, 5)
    verbs = [grant("customers", "READ"), grant("customers", "UPDATE", scope="OWN")]
    colleague = Bulker(await bulker.importer.colleague("ann", verbs))
    ask.action.tag.add.append("vip")
    assert (await colleague.preview(ask)).allowed_count == 0
    assert (await colleague.preview(ask)).count == 30
    by_id.action.CopyFrom(ask.action)
    assert (await colleague.preview(by_id)).allowed_count == 0


async def test_each_record_is_reached_by_the_users_rights(bulker: Bulker) -> None:
    await bulker.customers(10)
    verbs = ("READ", "CREATE", "IMPORT")
    grants = [grant("customers", *verbs), grant("customers", "UPDATE", scope="OWN")]
    colleague = Bulker(await bulker.importer.colleague("bob", grants))
    await colleague.customers(5, "b")
    name, counts = await colleague.run(update("create_time > 2000-01-01", industry="c"))
    assert counts == Done(updated=5, failed=10)
    outcomes = await colleague.outcomes(name)
    failed = [one for one in outcomes if one["outcome"] == "failed"]
    assert {one["reason"] for one in failed} == {
        "There is no such record, or you may not update it."
    }
    assert {one["label"] for one in failed} == {""}
    assert (await colleague.importer.errors(name)).count("\r\n") == 11
    status, text = await refusal(colleague, delete('industry = "c"'))
    assert (status, text) == (
        "PERMISSION_DENIED",
        "Your roles do not allow you to delete customers.",
    )


async def test_tags_are_added_removed_and_found(bulker: Bulker) -> None:
    await bulker.customers(3)
    request = bulk_pb2.CreateBulkRequest(resource="customers", filter="name:n")
    request.action.tag.add.extend(["vip", "=1+1"])
    assert (await bulker.run(request))[1] == Done(updated=3)
    request.action.tag.Clear()
    request.action.tag.add.append("vip")
    request.action.tag.remove.append("=1+1")
    assert (await bulker.run(request))[1] == Done(updated=3)
    assert (await bulker.run(request))[1] == Done(skipped=3)
    assert [list(one.tags) for one in await bulker.importer.customers('tags:"vip"')] == [
        ["vip"]
    ] * 3
    request.action.tag.add.extend(f"t{at}" for at in range(50))
    del request.action.tag.add[0]
    name, counts = await bulker.run(request)
    assert counts == Done(failed=3)
    assert {one["reason"] for one in await bulker.outcomes(name)} == {
        "action.update.fields.tags: At most 50 entries."
    }


async def test_what_nobody_may_do_is_refused_at_once(bulker: Bulker) -> None:
    await bulker.customers(1)
    some = 'industry = "a"'
    both = update(some, ids=[NOBODY], industry="x")
    assert (await refusal(bulker, both))[0] == "INVALID_ARGUMENT"
    assert (await refusal(bulker, update("", industry="x")))[0] == "INVALID_ARGUMENT"
    for fields in ({}, {"nothing": 1}, {"create_time": "x"}, {"name": ""}, {"owner_id": NOBODY}):
        assert (await refusal(bulker, update(some, **fields)))[0] == "INVALID_ARGUMENT", fields
    assert (await refusal(bulker, update("industry ! a", industry="x")))[0] == "INVALID_ARGUMENT"
    without = bulk_pb2.CreateBulkRequest(resource="customers", filter=some)
    assert (await refusal(bulker, without))[0] == "INVALID_ARGUMENT"
    without.action.tag.SetInParent()
    assert (await refusal(bulker, without))[0] == "INVALID_ARGUMENT"
    elsewhere = update(some, industry="x")
    elsewhere.resource = "opportunities"
    assert (await refusal(bulker, elsewhere))[0] == "NOT_FOUND"


async def test_another_count_than_expected_changes_nothing(bulker: Bulker) -> None:
    await bulker.customers(4)
    name = (await bulker.start(update('industry = "a"', expected=3, industry="x"))).name
    ended = await bulker.importer.end(name)
    assert ended.error.message == "There are 4 records, not 3; nothing was changed."
    assert not await bulker.changes(name)


async def test_what_the_database_refuses_fails_alone(bulker: Bulker) -> None:
    await bulker.customers(120)
    request = update('industry = "a"', external_source="erp", external_id="one")
    name, counts = await bulker.run(request)
    assert counts == Done(updated=1, failed=119)
    reasons = {one["reason"] for one in await bulker.outcomes(name)}
    assert reasons == {"", "external_id: This value is taken."}


async def test_records_with_children_stay_unless_forced(bulker: Bulker) -> None:
    await bulker.customers(60)
    two = await bulker.importer.customers("name = n7 OR name = n8")
    parent, child = sorted(two, key=lambda one: one.id)
    await bulker.run(update(ids=[child.id], parent_id=parent.id))
    name, counts = await bulker.run(delete("industry = a"))
    # The child goes after its parent was tried, in the order of ids.
    assert counts == Done(updated=59, failed=1)
    assert [one["id"] for one in await bulker.outcomes(name) if one["outcome"] == "failed"] == [
        parent.id
    ]
    assert (await bulker.run(delete("industry = a")))[1] == Done(updated=1)


async def test_a_killed_change_goes_on_where_it_was(bulker: Bulker) -> None:
    await bulker.customers(4000)
    operation = await bulker.start(update("industry = a", industry="b"))
    seen = await wait_for_rows(bulker.importer, operation.name, 400)
    bulker.importer.platform.kill("customer")
    await asyncio.to_thread(bulker.importer.platform.start, "customer")
    before = metadata(await bulker.importer.get_again(operation.name))
    assert seen.processed <= before.processed < 4000
    assert (await bulker.end(operation.name, 90))[1] == Done(updated=4000)
    customers = await bulker.importer.customers()
    assert {(one.industry, one.etag) for one in customers} == {("b", '"2"')}


async def test_a_cancelled_change_stops_at_the_next_batch(bulker: Bulker) -> None:
    await bulker.customers(4000)
    operation = await bulker.start(update("industry = a", industry="b"))
    await wait_for_rows(bulker.importer, operation.name, 200)
    await bulker.importer.cancel(operation.name)
    ended = metadata(await bulker.importer.end(operation.name, 20))
    assert ended.state == OperationMetadata.CANCELLED
    assert 200 <= ended.processed < 4000
    assert len(await bulker.importer.customers("industry = b")) == ended.counts.updated
    undone = (await bulker.undo(operation.name)).name
    assert (await bulker.end(undone))[1] == Done(updated=ended.counts.updated)
    assert not await bulker.importer.customers("industry = b")


async def test_rights_taken_away_end_the_change(bulker: Bulker) -> None:
    await bulker.customers(20_000)
    colleague = Bulker(
        await bulker.importer.colleague("joe", [grant("customers", "READ", "UPDATE")])
    )
    operation = await colleague.start(update("industry = a", industry="b"))
    await wait_for_rows(colleague.importer, operation.name, 200)
    role = role_pb2.Role(id=colleague.importer.role_id, grants=[grant("customers", "READ")])
    await bulker.importer.call(
        "identity",
        "crm.identity.v1.RoleService/UpdateRole",
        role_pb2.UpdateRoleRequest(role=role, update_mask={"paths": ["grants"]}),
        role_pb2.Role,
    )
    ended = await colleague.importer.end(operation.name, 30)
    assert ended.error.message == "Your roles do not allow you to update customers."
    assert metadata(ended).counts.updated < 20_000


async def test_the_same_key_starts_one_change(bulker: Bulker) -> None:
    await bulker.customers(2)
    request = update("industry = a", industry="b")
    names = {(await bulker.start(request, key="k1")).name for _ in range(3)}
    assert len(names) == 1
    request.filter = "industry = b"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bulker.start(request, key="k1")
    assert caught.value.code() is grpc.StatusCode.ABORTED


async def test_records_that_come_to_match_later_are_left_alone(bulker: Bulker) -> None:
    await bulker.customers(3000)
    await bulker.customers(5, "late")
    late = [one.id for one in await bulker.importer.customers("industry = late")]
    operation = await bulker.start(update("industry = a", industry="b"))
    await wait_for_rows(bulker.importer, operation.name, 200)
    changed = customer_pb2.Customer(id=late[0], industry="a")
    await bulker.importer.call(
        "customer",
        "crm.customer.v1.CustomerService/UpdateCustomer",
        customer_pb2.UpdateCustomerRequest(customer=changed),
        customer_pb2.Customer,
    )
    assert (await bulker.end(operation.name))[1] == Done(updated=3000)
    assert [one.id for one in await bulker.importer.customers("industry = a")] == [late[0]]
