"""What a share opens, to whom, and what it never opens."""

from dataclasses import dataclass

import pytest
from google.protobuf.message import Message

from crm.chassis.v1 import history_pb2, import_pb2, share_pb2
from crm.customer.v1 import customer_pb2
from crm.identity.v1 import user_pb2
from crm.type.v1 import requests_pb2
from tests.integration.drive import Drive, Person
from tests.integration.security.partners import (
    Company,
    Partners,
    grant,
    new_department,
    new_person,
    new_role,
    partners,
)

SHARES = "customer.crm.chassis.v1.ShareService"
CUSTOMERS = "customer.CustomerService"
NOBODY = "0190c0f0-0000-7000-8000-000000000000"
VERBS = ("READ", "CREATE", "UPDATE", "DELETE", "SHARE", "EXPORT")


@dataclass
class House:
    """A tenant with two sellers in departments below one another, and one who reads nothing."""

    admin: Person
    owner: Person
    other: Person
    idle: Person
    above: str
    below: str

    async def customer(self, name: str = "华信") -> str:
        """A new customer of the owner."""
        request = customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name=name))
        made = await self.owner.call(f"{CUSTOMERS}/CreateCustomer", request)
        assert isinstance(made, customer_pb2.Customer)
        return made.id


@pytest.fixture(scope="module")
async def house(drive: Drive) -> House:
    admin = await drive.tenant()
    above = await new_department(admin, "above")
    below = await new_department(admin, "below", above)
    seller = await new_role(admin, "seller", [grant("customers", *VERBS, scope="OWN")])
    clerk = await new_role(admin, "clerk", [grant("campaigns", "READ")])
    return House(
        admin,
        await new_person(drive, admin, "owner", [seller], above),
        await new_person(drive, admin, "other", [seller], below),
        await new_person(drive, admin, "idle", [clerk], below),
        above,
        below,
    )


async def shared(who: Person, record_id: str, **share: str) -> share_pb2.Share:
    """A new share of a customer."""
    answer = await who.call(f"{SHARES}/CreateShare", sharing(record_id, **share))
    assert isinstance(answer, share_pb2.Share)
    return answer


def sharing(record_id: str, **share: str) -> share_pb2.CreateShareRequest:
    """The request for a share of a customer."""
    return share_pb2.CreateShareRequest(
        resource="customers",
        record_id=record_id,
        share=share_pb2.Share(
            level=share.get("level", "READ"),
            user_id=share.get("user_id"),
            department_id=share.get("department_id"),
        ),
    )


async def ways(who: Person, record_id: str, name: str) -> dict[str, bool]:
    """In which ways a customer can be seen."""
    exact = requests_pb2.ListRequest(filter=f'name = "{name}"', count="exact")
    page = await who.call(f"{CUSTOMERS}/ListCustomers", exact)
    assert isinstance(page, customer_pb2.ListCustomersResponse)
    matches = await who.call(
        "customer.crm.chassis.v1.LookupService/LookupRecords",
        import_pb2.LookupRecordsRequest(resource="customers", field="name", values=[name]),
    )
    assert isinstance(matches, import_pb2.LookupRecordsResponse)
    history = history_pb2.ListHistoryRequest(resource="customers", id=record_id)
    asked: dict[str, tuple[str, Message]] = {
        "get": (f"{CUSTOMERS}/GetCustomer", requests_pb2.GetRequest(id=record_id)),
        "batch": (
            f"{CUSTOMERS}/BatchGetCustomers", requests_pb2.BatchGetRequest(ids=[record_id])
        ),
        "history": ("customer.crm.chassis.v1.HistoryService/ListHistory", history),
    }  # fmt: skip
    seen = {way: not await who.reason(*one, {"NOT_FOUND"}) for way, one in asked.items()}
    return seen | {
        "list": record_id in {one.id for one in page.customers},
        "count": page.total_size == 1,
        "lookup": record_id in {one.id for one in matches.matches},
    }


async def changes(who: Person, record_id: str) -> str:
    """Why a change is refused; "" when it is not."""
    record = customer_pb2.Customer(id=record_id, description="by a share")
    request = customer_pb2.UpdateCustomerRequest(customer=record)
    return await who.reason(f"{CUSTOMERS}/UpdateCustomer", request)


async def test_every_way_of_reading_knows_shares(house: House) -> None:
    record_id = await house.customer("只此一家")
    assert not any((await ways(house.other, record_id, "只此一家")).values())
    share = await shared(house.owner, record_id, user_id=house.other.id)
    assert all((await ways(house.other, record_id, "只此一家")).values())
    assert await changes(house.other, record_id) == "NOT_FOUND"
    request = share_pb2.DeleteShareRequest(resource="customers", record_id=record_id, id=share.id)
    assert not await house.owner.reason(f"{SHARES}/DeleteShare", request)
    assert not any((await ways(house.other, record_id, "只此一家")).values())


async def test_a_share_for_writing_allows_changes_and_nothing_more(house: House) -> None:
    record_id = await house.customer()
    await shared(house.owner, record_id, user_id=house.other.id, level="WRITE")
    assert await changes(house.other, record_id) == ""
    for method, request in (
        (f"{CUSTOMERS}/DeleteCustomer", requests_pb2.DeleteRequest(id=record_id)),
        (f"{SHARES}/CreateShare", sharing(record_id, user_id=house.admin.id)),
    ):
        assert await house.other.reason(method, request) == "NOT_FOUND", method


async def test_a_department_shares_with_those_below_it(house: House) -> None:
    record_id = await house.customer()
    await shared(house.owner, record_id, department_id=house.above)
    get = requests_pb2.GetRequest(id=record_id)
    assert await house.other.reason(f"{CUSTOMERS}/GetCustomer", get) == ""
    own = await house.customer()
    request = customer_pb2.UpdateCustomerRequest(
        customer=customer_pb2.Customer(id=own, owner_id=house.other.id)
    )
    await house.admin.call(f"{CUSTOMERS}/UpdateCustomer", request)
    await shared(house.admin, own, department_id=house.below)
    get = requests_pb2.GetRequest(id=own)
    assert await house.owner.reason(f"{CUSTOMERS}/GetCustomer", get) == "NOT_FOUND", "not above"


async def test_a_share_without_a_role_for_the_verb_is_nothing(house: House) -> None:
    record_id = await house.customer()
    await shared(house.owner, record_id, user_id=house.idle.id, level="WRITE")
    get = requests_pb2.GetRequest(id=record_id)
    assert await house.idle.reason(f"{CUSTOMERS}/GetCustomer", get) == "PERMISSION_DENIED"


async def test_nobody_shares_more_than_he_may_do(drive: Drive, house: House) -> None:
    reader = await new_role(
        house.admin, "sharer", [grant("customers", "READ", "SHARE", scope="ALL")]
    )
    sharer = await new_person(drive, house.admin, "sharer", [reader])
    record_id = await house.customer()
    request = sharing(record_id, user_id=house.other.id, level="WRITE")
    assert await sharer.reason(f"{SHARES}/CreateShare", request) == "SHARE_BEYOND_OWN"
    assert await sharer.reason(
        f"{SHARES}/CreateShare", sharing(record_id, user_id=house.other.id)
    ) == ""  # fmt: skip


async def test_shares_name_somebody_who_is_there(drive: Drive, house: House) -> None:
    record_id = await house.customer()
    gone = await new_person(drive, house.admin, "gone", [])
    disabled = user_pb2.User(id=gone.id, state=user_pb2.User.DISABLED)
    request = user_pb2.UpdateUserRequest(user=disabled)
    await shared(house.owner, record_id, user_id=house.other.id)
    kept = await shared(house.owner, record_id, user_id=gone.id)
    await house.admin.call("identity.UserService/UpdateUser", request)
    admin = await drive.sign_in(house.admin.slug, "admin")
    for odd in ({"user_id": NOBODY}, {"department_id": NOBODY}, {"user_id": gone.id}, {}):
        refused = await admin.reason(f"{SHARES}/CreateShare", sharing(record_id, **odd))
        assert refused == "INVALID_FIELDS", odd
    shares = await admin.call(
        f"{SHARES}/ListShares",
        share_pb2.ListSharesRequest(resource="customers", record_id=record_id),
    )
    assert isinstance(shares, share_pb2.ListSharesResponse)
    assert kept.id not in {one.id for one in shares.shares}
    assert [one.user_id for one in shares.shares] == [house.other.id]


async def test_users_and_products_are_not_shared_one_by_one(house: House) -> None:
    request = share_pb2.CreateShareRequest(
        resource="users",
        record_id=house.other.id,
        share=share_pb2.Share(user_id=house.owner.id, level="READ"),
    )
    method = "identity.crm.chassis.v1.ShareService/CreateShare"
    assert await house.admin.reason(method, request) == "RESOURCE_NOT_SHARED"
    request.resource = "pipes"
    assert await house.admin.reason(method, request) == "COLLECTION_NOT_FOUND"


async def test_a_key_shares_once(house: House) -> None:
    record_id = await house.customer()
    request = sharing(record_id, user_id=house.other.id)
    first = await house.owner.call(f"{SHARES}/CreateShare", request, key="once")
    get = requests_pb2.GetRequest(id=record_id)
    etag = getattr(await house.owner.call(f"{CUSTOMERS}/GetCustomer", get), "etag")  # noqa: B009  # clients answer with messages in general
    assert await house.owner.call(f"{SHARES}/CreateShare", request, key="once") == first
    assert await house.owner.call(f"{SHARES}/CreateShare", request) == first
    again = await house.owner.call(f"{CUSTOMERS}/GetCustomer", get)
    assert getattr(again, "etag") == etag, "no new version"  # noqa: B009  # as above


@pytest.fixture(scope="module")
async def world(drive: Drive) -> Partners:
    return await partners(drive)


async def test_no_share_reaches_across_partner_companies(drive: Drive, world: Partners) -> None:
    """Whoever tries: the company's own chief, the other one's, the head office."""
    office, one, two = world.office.person, world.one, world.two
    own = one.ground.ids["Customer"]
    for who, grantees in (
        (one.chief, ({"user_id": two.chief.id}, {"department_id": two.department_id},
                     {"user_id": office.id})),
        (office, ({"user_id": two.chief.id}, {"department_id": two.department_id})),
    ):  # fmt: skip
        for grantee in grantees:
            refused = await who.reason(f"{SHARES}/CreateShare", sharing(own, **grantee))
            assert refused == "INVALID_FIELDS", grantee
    assert await two.chief.reason(
        f"{SHARES}/CreateShare", sharing(own, user_id=two.chief.id)
    ) == "NOT_FOUND"  # fmt: skip
    await _within_the_company(drive, world, one, own)


async def _within_the_company(drive: Drive, world: Partners, one: Company, record_id: str) -> None:
    seller = await new_role(world.office.person, "own", [grant("customers", "READ", scope="OWN")])
    colleague = await new_person(
        drive, world.office.person, "colleague", [seller], one.department_id
    )
    get = requests_pb2.GetRequest(id=record_id)
    assert await colleague.reason(f"{CUSTOMERS}/GetCustomer", get) == "NOT_FOUND"
    chief = await drive.sign_in(one.chief.slug, "chief.one")
    await shared(chief, record_id, user_id=colleague.id)
    assert await colleague.reason(f"{CUSTOMERS}/GetCustomer", get) == ""
