"""Summaries name what the caller may read; of the rest they tell the id and the sums."""

from collections.abc import Mapping
from uuid import uuid4

import pytest

from chassis.db.pool import Database
from tests.integration.reporting.ground import call, event, feed, money, summary, tell_names

ME, BEN, DEPARTMENT, COMPANY = (str(uuid4()) for _ in range(4))
OWN, OTHERS, DEALERS, NEW = (str(uuid4()) for _ in range(4))


@pytest.fixture
async def filled(database: Database, tenant: str) -> str:
    """Three customers with an opportunity each: the caller's, another's, a partner company's."""
    created = {"create_time": "2017-01-01T00:00:00Z", "stage_id": NEW, "amount": money("5")}
    company = {"partner_company_id": COMPANY}
    await feed(
        database,
        tenant,
        *[
            event(tenant, "opportunity", str(uuid4()), 1, "created", **row, **created, **company)
            for row in (
                {"customer_id": OWN, "owner_id": ME},
                {"customer_id": OTHERS, "owner_id": BEN},
                {"customer_id": DEALERS, "owner_id": BEN},
            )
        ],
    )
    await tell_names(
        database,
        tenant,
        event(tenant, "user", ME, 1, "created", name="me", department_id=DEPARTMENT),
        event(tenant, "user", BEN, 1, "created", name="本"),
        event(tenant, "stage", NEW, 1, "created", name="New"),
        event(tenant, "customer", OWN, 1, "created", name="own", owner_id=ME),
        event(tenant, "customer", OTHERS, 1, "created", name="secret", owner_id=BEN),
        event(tenant, "customer", DEALERS, 1, "created", name="dealer", owner_id=BEN, **company),
    )
    return tenant


@pytest.mark.parametrize(
    ("scopes", "company_id", "told"),
    [
        ({"opportunities": "ALL", "customers": "OWN"}, "", {"own", OTHERS, DEALERS}),
        ({"opportunities": "ALL", "customers": "ALL"}, "", {"own", "secret", "dealer"}),
        ({"opportunities": "ALL"}, "", {OWN, OTHERS, DEALERS}),
        ({"*": "PARTNER_COMPANY"}, COMPANY, {OWN, OTHERS, "dealer"}),
        ({"opportunities": "ALL", "customers": "OWN"}, COMPANY, {OWN, OTHERS, DEALERS}),
    ],
)
async def test_customers_out_of_reach_are_not_named(
    database: Database, filled: str, scopes: Mapping[str, str], company_id: str, told: set[str]
) -> None:
    groups = await summary(database, call(filled, scopes, ME, company_id), "customer")
    assert set(groups) == told
    for group in groups.values():
        assert (group.count, [one.amount for one in group.amounts]) == (1, ["5.00"])


async def test_people_are_named_to_those_who_may_see_them(database: Database, filled: str) -> None:
    own = call(filled, {"opportunities": "ALL", "users": "OWN"}, ME)
    assert set(await summary(database, own, "owner")) == {"me", BEN}
    own = call(filled, {"opportunities": "ALL"}, ME)
    assert set(await summary(database, own, "owner")) == {ME, BEN}


async def test_stages_are_named_to_whoever_may_read_them(database: Database, filled: str) -> None:
    own = {"opportunities": "ALL", "stages": "OWN"}
    assert set(await summary(database, call(filled, own, ME), "stage")) == {"New"}
    assert set(await summary(database, call(filled, {"opportunities": "ALL"}), "stage")) == {NEW}


async def test_a_shared_customer_is_named_as_long_as_it_is_shared(
    database: Database, filled: str
) -> None:
    own = call(filled, {"opportunities": "ALL", "customers": "OWN"}, ME)
    told = {"name": "secret", "owner_id": BEN}
    shared = event(filled, "customer", OTHERS, 2, "shared", **told, grantee_ids=[ME])
    await tell_names(database, filled, shared)
    assert set(await summary(database, own, "customer")) == {"own", "secret", DEALERS}
    dealer = call(filled, {"opportunities": "ALL", "customers": "OWN"}, ME, COMPANY)
    assert "secret" not in await summary(database, dealer, "customer")
    await tell_names(database, filled, event(filled, "customer", OTHERS, 3, "unshared", **told))
    assert set(await summary(database, own, "customer")) == {"own", OTHERS, DEALERS}
