"""What is explained is what is enforced: random organisations, every person, every record."""

from itertools import product

import grpc
import pytest

from crm.chassis.v1 import access_pb2
from crm.identity.v1 import user_pb2
from tests.integration.drive import Drive
from tests.integration.security.random_organisation import (
    EXPLAIN,
    Organisation,
    explained,
    listed,
    organisation,
    really,
)

SEEDS = (1, 2, 3)
MATCHES = {"ALL", "PARTNER_COMPANY", "OWNER", "SUBORDINATE", "DEPARTMENT", "SHARE"}


@pytest.fixture(scope="module", params=SEEDS)
async def house(request: pytest.FixtureRequest, drive: Drive) -> Organisation:
    return await organisation(drive, request.param)


async def test_explained_is_what_really_happens(house: Organisation, figures: list[str]) -> None:
    matched: dict[str, int] = {}
    for person in house.people:
        seen = await listed(person)
        for record_id, verb in product(house.customers, ("READ", "UPDATE")):
            told = await explained(house.admin, person.id, verb, record_id)
            assert told.allowed == await really(person, verb, record_id), told
            assert told.allowed == bool(told.reasons) == (not told.denied_because)
            assert verb != "READ" or told.allowed == (record_id in seen)
            count_matches(told, matched)
            assert "user." in told.text
            assert "user." in told.text_zh
    figures.append(f"explained and done alike: {matched}, {house.shares} shares")


def count_matches(told: access_pb2.ExplainAccessResponse, matched: dict[str, int]) -> None:
    """What decided, counted; only a share names one."""
    for reason in told.reasons:
        assert reason.matched_by in MATCHES
        assert bool(reason.share_id) == (reason.matched_by == "SHARE")
        matched[reason.matched_by] = matched.get(reason.matched_by, 0) + 1


async def test_who_configures_no_accounts_asks_about_himself_only(house: Organisation) -> None:
    me, other = house.people[0], house.people[1]
    about_me = access_pb2.ExplainAccessRequest(user_id=me.id, resource="customers", verb="READ")
    assert not await me.reason(EXPLAIN, about_me)
    about_other = access_pb2.ExplainAccessRequest(
        user_id=other.id, resource="customers", verb="READ"
    )
    assert await me.reason(EXPLAIN, about_other) == "PERMISSION_DENIED"


async def test_records_out_of_the_askers_sight_are_not_found(house: Organisation) -> None:
    for person in house.people:
        seen = await listed(person)
        for record_id in house.customers:
            request = access_pb2.ExplainAccessRequest(
                user_id=person.id, resource="customers", verb="UPDATE", record_id=record_id
            )
            assert bool(await person.reason(EXPLAIN, request)) == (record_id not in seen)


async def test_a_disabled_user_may_nothing(drive: Drive) -> None:
    house = await organisation(drive, 4)
    user_id = house.people[0].id
    disabled = user_pb2.User(id=user_id, state=user_pb2.User.DISABLED)
    await house.admin.call(
        "identity.UserService/UpdateUser", user_pb2.UpdateUserRequest(user=disabled)
    )
    admin = await drive.sign_in(house.admin.slug, "admin")
    told = await explained(admin, user_id, "READ", house.customers[0])
    assert (told.allowed, told.denied_because) == (False, "USER_INACTIVE")
    assert "停用" in told.text_zh


async def test_unknown_people_and_collections_are_not_found(house: Organisation) -> None:
    nobody = "0190c0f0-0000-7000-8000-000000000000"
    request = access_pb2.ExplainAccessRequest(user_id=nobody, resource="customers", verb="READ")
    refusal = await house.admin.refused(EXPLAIN, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    request = access_pb2.ExplainAccessRequest(
        user_id=house.admin.id, resource="opportunities", verb="READ"
    )
    assert await house.admin.reason(EXPLAIN, request) == "COLLECTION_NOT_FOUND"
