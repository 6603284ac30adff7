"""64 tenants whose calls interleave on two connections: nobody ever sees another one's row."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest

from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.db.pool import Database
from chassis.errors import NotFound
from chassis.ids import new_id
from chassis.resource.listing import list_records
from chassis.resource.plan import make_plan
from chassis.resource.read import get_record, lock_record
from chassis.resource.standard import Collection
from chassis.resource.write import insert_record, update_record
from crm.customer.v1.customer_pb2 import Customer
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.platform import Platform
from services.customer.methods.customer import CUSTOMER

TENANTS, CONNECTIONS, AT_ONCE = 64, 2, 32
CALLS = int(os.environ.get("INTERLEAVED_CALLS", "5000"))
ROLE = str(uuid4())


@dataclass
class House:
    """One tenant: what it has made, by id."""

    name: str
    call: Call
    names: dict[str, str] = field(default_factory=dict)


@dataclass
class Street:
    """All tenants over one small pool."""

    database: Database
    collection: Collection
    houses: list[House]
    foreign: int = 0

    async def create(self, house: House) -> None:
        """A new customer, named after its tenant."""
        name = f"{house.name} {len(house.names)}"
        values = {"name": name, "kind": "COMPANY", "life_cycle": "POTENTIAL", "is_supplier": False}
        row = self.collection.new_row(house.call, values)
        async with self.database.transaction(house.call.tenant_id) as tx:
            await insert_record(house.call, tx, self.collection.plan, row, "created")
        house.names[str(row["id"])] = name

    async def get(self, house: House) -> None:
        """One of its own."""
        record_id = random.choice(list(house.names))
        async with self.database.transaction(house.call.tenant_id) as tx:
            found = await get_record(house.call, tx, self.collection.plan, record_id)
        assert isinstance(found, Customer)
        assert found.name == house.names[record_id]

    async def list(self, house: House) -> None:
        """All of its own, and nothing else."""
        request = ListRequest(page_size=1000, order_by="name", count="exact")
        known = set(house.names)
        async with self.database.transaction(house.call.tenant_id) as tx:
            page = await list_records(house.call, tx, self.collection.plan, request, b"key")
        found = {one.id: one.name for one in page.records if isinstance(one, Customer)}
        assert all(name.startswith(f"{house.name} ") for name in found.values())
        assert known <= set(found)

    async def change(self, house: House) -> None:
        """A change of one of its own."""
        record_id = random.choice(list(house.names))
        async with self.database.transaction(house.call.tenant_id) as tx:
            plan = self.collection.plan
            before = await lock_record(house.call, tx, plan, record_id, "UPDATE")
            row: dict[str, object] = {"description": str(random.random())}
            await update_record(house.call, tx, plan, before, row, "updated")

    async def trespass(self, house: House) -> None:
        """Another one's record is not there, neither to read nor to change."""
        other = random.choice([one for one in self.houses if one is not house])
        record_id = random.choice(list(other.names))
        reads: list[Callable[..., Awaitable[object]]] = [get_record, partial(_lock)]
        for read in reads:
            async with self.database.transaction(house.call.tenant_id) as tx:
                with pytest.raises(NotFound):
                    await read(house.call, tx, self.collection.plan, record_id)
        self.foreign += 1


async def _lock(call: Call, tx: object, plan: object, record_id: str) -> None:
    await lock_record(call, tx, plan, record_id, "UPDATE")  # type: ignore[arg-type]  # as the engine gives them


def _house(number: int) -> House:
    user = str(uuid4())
    access = Access(
        members={user: Member(role_ids=(ROLE,))},
        roles={ROLE: (Grant("*", frozenset(VERBS), "ALL"),)},
    )
    principal = Principal("user", user, str(uuid4()), role_ids=(ROLE,))
    call = Call(principal, access, "test", datetime.now(UTC), 0.0, request_id=new_id())
    return House(f"house{number:02d}", call)


@pytest.fixture
async def street(domain_platform: Platform) -> AsyncIterator[Street]:
    urls = [domain_platform.database_url("customer", role) for role in ("runtime", "worker")]
    database = Database("customer", urls[0], urls[1], CONNECTIONS)
    collection = Collection(make_plan(CUSTOMER), b"key", _nobody)
    yield Street(database, collection, [_house(number) for number in range(TENANTS)])
    await database.close()


async def _nobody(*_asked: object) -> set[str]:
    return set()


async def test_interleaved_tenants_stay_apart(street: Street, figures: list[str]) -> None:
    for house in street.houses:
        await street.create(house)
    acts = (street.get, street.list, street.change, street.trespass, street.create)
    left = iter(range(CALLS))

    async def work() -> None:
        for number in left:
            act = acts[number % 5] if number % 25 else street.create
            await act(random.choice(street.houses))

    await asyncio.gather(*[work() for _ in range(AT_ONCE)])
    figures.append(
        f"{CALLS:,} interleaved calls of {TENANTS} tenants over {CONNECTIONS} connections, "
        f"{street.foreign:,} of them for others' records: none was answered"
    )
