"""The engine's own statements name their tenant: run by the owner of the tables, whom no wall keeps
from anything, they still reach nothing of another tenant.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.db.pool import Database
from chassis.errors import NotFound
from chassis.ids import new_id
from chassis.lookup import find_labels, find_records
from chassis.resource.listing import list_records
from chassis.resource.plan import Plan
from chassis.resource.read import (
    get_record,
    get_records,
    lock_found,
    lock_record,
    lock_records,
    read_found,
)
from chassis.resource.standard import collection
from chassis.resource.write import insert_record
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.platform import Platform
from services.customer.methods.customer import CUSTOMER

ROLE = str(uuid4())
NAME = "隔壁公司"


@dataclass(frozen=True)
class Open:
    """A database without its wall, somebody's record in it, and the call of somebody else."""

    database: Database
    plan: Plan
    own: Call
    foreign: Call
    record_id: str


def call_of(tenant_id: str) -> Call:
    """A call of somebody who may do everything in his tenant."""
    user = str(uuid4())
    access = Access(
        members={user: Member(role_ids=(ROLE,))},
        roles={ROLE: (Grant("*", frozenset(VERBS), "ALL"),)},
    )
    principal = Principal("user", user, tenant_id, role_ids=(ROLE,))
    return Call(principal, access, "test", datetime.now(UTC), 0.0, request_id=new_id())


async def nobody(*_asked: object) -> set[str]:
    """Owners of what is referred to, who are not asked."""
    return set()


@pytest.fixture(scope="module")
async def opened(domain_platform: Platform) -> AsyncIterator[Open]:
    owner = domain_platform.database_url("customer", "owner")
    database = Database("customer", owner, owner)
    customers = collection(CUSTOMER, b"key", nobody, {}, "customer")
    own, foreign = call_of(str(uuid4())), call_of(str(uuid4()))
    told = {"kind": "COMPANY", "life_cycle": "POTENTIAL", "is_supplier": False}
    row = customers.new_row(own, {"name": NAME, **told})
    async with database.transaction(own.tenant_id) as tx:
        schema = await tx.connection.fetchval("select current_schema()")
        assert schema == "base", "the owner sees the tables, not the views"
        await insert_record(own, tx, customers.plan, row, "created")
    yield Open(database, customers.plan, own, foreign, str(row["id"]))
    await database.close()


async def test_one_record_is_of_its_tenant(opened: Open) -> None:
    plan, record_id = opened.plan, opened.record_id
    async with opened.database.transaction(opened.own.tenant_id) as tx:
        await get_record(opened.own, tx, plan, record_id)
        await lock_record(opened.own, tx, plan, record_id, "UPDATE")
    async with opened.database.transaction(opened.foreign.tenant_id) as tx:
        with pytest.raises(NotFound):
            await get_record(opened.foreign, tx, plan, record_id)
        with pytest.raises(NotFound):
            await lock_record(opened.foreign, tx, plan, record_id, "UPDATE")


async def test_batches_are_of_their_tenant(opened: Open) -> None:
    plan, ids = opened.plan, [opened.record_id]
    for call, seen in ((opened.own, 1), (opened.foreign, 0)):
        async with opened.database.transaction(call.tenant_id) as tx:
            assert len(await read_found(call, tx, plan, ids, ("name",))) == seen
            assert len(await lock_found(call, tx, plan, ids, "UPDATE")) == seen
    async with opened.database.transaction(opened.foreign.tenant_id) as tx:
        with pytest.raises(NotFound):
            await get_records(opened.foreign, tx, plan, ids)
        with pytest.raises(NotFound):
            await lock_records(opened.foreign, tx, plan, ids, "DELETE")


async def test_lists_and_counts_are_of_their_tenant(opened: Open) -> None:
    filters = ("", f'id = "{opened.record_id}"', "隔壁", 'name:"隔壁"')
    for call, seen in ((opened.own, 1), (opened.foreign, 0)):
        for text in filters:
            request = ListRequest(filter=text, count="exact", show_deleted=True)
            async with opened.database.transaction(call.tenant_id) as tx:
                page = await list_records(call, tx, opened.plan, request, b"key")
            assert (len(page.records), page.total_size) == (seen, seen), text


async def test_look_ups_are_of_their_tenant(opened: Open) -> None:
    for call, seen in ((opened.own, 1), (opened.foreign, 0)):
        async with opened.database.transaction(call.tenant_id) as tx:
            assert len(await find_records(call, tx, opened.plan, "name", [NAME], "")) == seen
            assert len(await find_labels(call, tx, opened.plan, [opened.record_id])) == seen
