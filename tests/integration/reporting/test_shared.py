"""Sums hold the opportunities that are shared with the caller, as lists do."""

from collections.abc import AsyncIterator
from uuid import uuid4

import orjson

from chassis.access.model import Access, Grant, Member
from chassis.call import Call, Principal
from chassis.db.pool import Database
from crm.event.v1.change_pb2 import RecordState
from services.reporting.methods.rebuild import rebuild
from services.reporting.methods.recompute import recompute
from tests.integration.reporting.ground import NOW, call, event, feed, money, summary

ME, BEN, MINE, TOP, COMPANY, DEAL = (str(uuid4()) for _ in range(6))
DATA = {
    "name": "deal", "stage_id": str(uuid4()), "state": "OPEN", "owner_id": BEN,
    "amount": money("7.00"), "create_time": "2017-01-01T00:00:00Z",
}  # fmt: skip


async def count(database: Database, who: Call) -> int:
    """How many opportunities he is told of, each once."""
    return sum(one.count for one in (await summary(database, who, "stage")).values())


async def test_a_share_with_a_person_counts_until_it_is_taken_back(
    database: Database, tenant: str
) -> None:
    deal, me = str(uuid4()), call(tenant, "OWN", ME)
    await feed(database, tenant, event(tenant, "opportunity", deal, 1, "created", **DATA))
    own = event(tenant, "opportunity", str(uuid4()), 1, "created", **DATA | {"owner_id": ME})
    await feed(database, tenant, own)
    assert await count(database, me) == 1
    shared = event(tenant, "opportunity", deal, 2, "shared", **DATA, grantee_ids=[BEN, ME])
    await feed(database, tenant, shared)
    assert await count(database, me) == await count(database, call(tenant)) == 2
    assert await count(database, call(tenant, "OWN")) == 0
    updated = event(tenant, "opportunity", deal, 3, "updated", **DATA, grantee_ids=[ME])
    await feed(database, tenant, updated)
    assert await count(database, me) == 2
    await feed(database, tenant, event(tenant, "opportunity", deal, 4, "unshared", **DATA))
    assert await count(database, me) == 1
    async with database.transaction(tenant) as tx:
        assert not await recompute(tx, tenant, check=True)


async def test_a_share_with_a_department_counts_below_it(database: Database, tenant: str) -> None:
    shared = event(tenant, "opportunity", DEAL, 2, "shared", **DATA, grantee_ids=[TOP])
    await feed(database, tenant, shared)
    assert await count(database, within(tenant, MINE)) == 1
    assert await count(database, within(tenant, "")) == 0


async def test_no_share_reaches_across_partner_companies(database: Database, tenant: str) -> None:
    shared = event(tenant, "opportunity", DEAL, 2, "shared", **DATA, grantee_ids=[ME])
    await feed(database, tenant, shared)
    assert await count(database, call(tenant, "OWN", ME, COMPANY)) == 0
    inside = event(
        tenant, "opportunity", DEAL, 3, "shared",
        **DATA, grantee_ids=[ME], partner_company_id=COMPANY,
    )  # fmt: skip
    await feed(database, tenant, inside)
    assert await count(database, call(tenant, "OWN", ME, COMPANY)) == 1


async def test_a_rebuild_brings_who_shares(database: Database, tenant: str) -> None:
    await feed(database, tenant, event(tenant, "opportunity", DEAL, 2, "shared", **DATA))
    data = orjson.dumps({**DATA, "grantee_ids": [ME]})

    async def states(_after: str) -> AsyncIterator[RecordState]:
        yield RecordState(tenant_id=tenant, id=DEAL, version=2, data=data)

    await rebuild(database, states)
    assert await count(database, call(tenant, "OWN", ME)) == 1


def within(tenant: str, department_id: str) -> Call:
    """A call of somebody who reads his own, in a department below the top one."""
    access = Access(
        currency_code="USD",
        members={ME: Member(department_id=department_id, role_ids=("r",))},
        parents={MINE: TOP, TOP: ""},
        roles={"r": (Grant("*", frozenset({"READ"}), "OWN"),)},
    )
    return Call(Principal("user", ME, tenant, role_ids=("r",)), access, "", NOW, deadline=0.0)
