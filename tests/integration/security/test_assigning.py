"""Records are given away by those only whose right to assign reaches them, however they may change
them, and put under others only where a right reaches.
"""

import grpc
import pytest

from crm.customer.v1 import customer_pb2
from crm.marketing.v1 import campaign_member_pb2, campaign_pb2
from tests.integration.drive import Drive, Person
from tests.integration.security.partners import grant, new_department, new_person, new_role
from tests.integration.security.test_shares import shared

DENIED = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
CUSTOMERS = "customer.CustomerService"
MEMBERS = "marketing.CampaignMemberService"


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def customer(who: Person) -> str:
    request = customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name="华信"))
    made = await who.call(f"{CUSTOMERS}/CreateCustomer", request)
    assert isinstance(made, customer_pb2.Customer)
    return made.id


def change(record_id: str, **values: str) -> customer_pb2.UpdateCustomerRequest:
    record = customer_pb2.Customer(id=record_id, **values)  # type: ignore[arg-type]  # texts are given only
    return customer_pb2.UpdateCustomerRequest(customer=record)


async def test_a_share_to_write_gives_no_right_to_take_the_record(
    drive: Drive, admin: Person
) -> None:
    verbs = ("READ", "CREATE", "UPDATE", "SHARE", "ASSIGN")
    role = await new_role(
        admin, "seller", [grant("customers", *verbs, scope="OWN"), grant("users", "READ")]
    )
    owner, other = [await new_person(drive, admin, name, [role]) for name in ("owner", "other")]
    record = await customer(owner)
    await shared(owner, record, user_id=other.id, level="WRITE")
    await other.call(f"{CUSTOMERS}/UpdateCustomer", change(record, name="华信集团"))
    refusal = await other.refused(f"{CUSTOMERS}/UpdateCustomer", change(record, owner_id=other.id))
    assert (refusal.code, refusal.reason) == DENIED
    await owner.call(f"{CUSTOMERS}/UpdateCustomer", change(record, owner_id=other.id))


async def test_assigning_goes_by_its_own_scope(drive: Drive, admin: Person) -> None:
    place = await new_department(admin, "sales")
    role = await new_role(
        admin,
        "editor",
        [
            grant("customers", "READ", "UPDATE", scope="DEPARTMENT"),
            grant("customers", "CREATE", "ASSIGN", scope="OWN"),
            grant("users", "READ"),
        ],
    )
    one, two = [await new_person(drive, admin, name, [role], place) for name in ("one", "two")]
    record = await customer(two)
    await one.call(f"{CUSTOMERS}/UpdateCustomer", change(record, phone="1"))
    refusal = await one.refused(f"{CUSTOMERS}/UpdateCustomer", change(record, owner_id=one.id))
    assert (refusal.code, refusal.reason) == DENIED


async def test_members_come_only_into_campaigns_that_the_right_reaches(
    drive: Drive, admin: Person
) -> None:
    """Where a member is is where its campaign is, to create one and to move it there."""
    role = await new_role(
        admin,
        "marketer",
        [
            grant("campaigns", "READ"),
            grant("campaigns", "CREATE", scope="OWN"),
            grant("campaign_members", "READ", "CREATE", "UPDATE", scope="OWN"),
        ],
    )
    who = await new_person(drive, admin, "marketer", [role])
    made = []
    for person in (admin, who):
        request = campaign_pb2.CreateCampaignRequest(campaign=campaign_pb2.Campaign(name="展会"))
        answer = await person.call("marketing.CampaignService/CreateCampaign", request)
        assert isinstance(answer, campaign_pb2.Campaign)
        made.append(answer.id)
    theirs, own = made
    somebody = await customer(admin)

    def new(campaign_id: str) -> campaign_member_pb2.CreateCampaignMemberRequest:
        member = campaign_member_pb2.CampaignMember(campaign_id=campaign_id, customer_id=somebody)
        return campaign_member_pb2.CreateCampaignMemberRequest(campaign_member=member)

    refusal = await who.refused(f"{MEMBERS}/CreateCampaignMember", new(theirs))
    assert refusal.reason == "OWNER_NOT_IN_SCOPE"
    batch = campaign_member_pb2.BatchCreateCampaignMembersRequest(requests=[new(theirs)])
    refusal = await who.refused(f"{MEMBERS}/BatchCreateCampaignMembers", batch)
    assert refusal.reason == "OWNER_NOT_IN_SCOPE"
    member = await who.call(f"{MEMBERS}/CreateCampaignMember", new(own))
    assert isinstance(member, campaign_member_pb2.CampaignMember)
    moved = campaign_member_pb2.CampaignMember(id=member.id, campaign_id=theirs)
    move = campaign_member_pb2.UpdateCampaignMemberRequest(campaign_member=moved)
    refusal = await who.refused(f"{MEMBERS}/UpdateCampaignMember", move)
    assert refusal.reason in {"OWNER_NOT_IN_SCOPE", "INVALID_FIELDS"}
