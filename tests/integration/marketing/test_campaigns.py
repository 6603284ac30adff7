"""Campaigns and their members over gRPC."""

from dataclasses import dataclass

import grpc
import pytest

from chassis.ids import new_id
from crm.customer.v1 import contact_pb2, customer_pb2
from crm.marketing.v1 import campaign_member_pb2, campaign_pb2
from crm.type.v1 import requests_pb2
from crm.type.v1.money_pb2 import Money
from tests.integration.drive import Drive, Person

CAMPAIGNS = "marketing.CampaignService"
MEMBERS = "marketing.CampaignMemberService"


@dataclass(frozen=True)
class Fair:
    """A tenant with a campaign, a customer and a contact."""

    admin: Person
    campaign_id: str
    customer_id: str
    contact_id: str

    def member(self, **values: str) -> campaign_member_pb2.CreateCampaignMemberRequest:
        """A request for a member of the campaign."""
        member = campaign_member_pb2.CampaignMember(
            campaign_id=values.pop("campaign_id", self.campaign_id)
        )
        for name, value in values.items():
            setattr(member, name, value)
        return campaign_member_pb2.CreateCampaignMemberRequest(campaign_member=member)


@pytest.fixture
async def fair(drive: Drive) -> Fair:
    admin = await drive.tenant()
    campaign = await admin.call(
        f"{CAMPAIGNS}/CreateCampaign",
        campaign_pb2.CreateCampaignRequest(
            campaign=campaign_pb2.Campaign(
                name="Spring fair",
                goal="100 leads",
                budget=Money(currency_code="CNY", amount="5000"),
                start_date="2026-03-01",
                end_date="2026-03-31",
            )
        ),
    )
    assert isinstance(campaign, campaign_pb2.Campaign)
    assert campaign.owner_id == admin.id
    customer = await admin.call(
        "customer.CustomerService/CreateCustomer",
        customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name="Acme")),
    )
    assert isinstance(customer, customer_pb2.Customer)
    contact = await admin.call(
        "customer.ContactService/CreateContact",
        contact_pb2.CreateContactRequest(
            contact=contact_pb2.Contact(name="Ann", customer_id=customer.id)
        ),
    )
    assert isinstance(contact, contact_pb2.Contact)
    return Fair(admin, campaign.id, customer.id, contact.id)


async def test_a_campaign_ends_after_it_starts(fair: Fair) -> None:
    request = campaign_pb2.UpdateCampaignRequest(
        campaign=campaign_pb2.Campaign(id=fair.campaign_id, end_date="2026-02-01")
    )
    refusal = await fair.admin.refused(f"{CAMPAIGNS}/UpdateCampaign", request)
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "CAMPAIGN_DATES_WRONG",
    )


async def test_a_member_is_there_once_and_keeps_the_campaign(fair: Fair) -> None:
    who = fair.admin
    member = await who.call(
        f"{MEMBERS}/CreateCampaignMember", fair.member(customer_id=fair.customer_id)
    )
    assert isinstance(member, campaign_member_pb2.CampaignMember)
    assert member.response == campaign_member_pb2.CampaignMember.Response.TARGETED
    await who.call(f"{MEMBERS}/CreateCampaignMember", fair.member(contact_id=fair.contact_id))
    for values in ({"customer_id": fair.customer_id}, {"contact_id": fair.contact_id}):
        refusal = await who.refused(f"{MEMBERS}/CreateCampaignMember", fair.member(**values))
        assert refusal.code == grpc.StatusCode.ALREADY_EXISTS
    delete = requests_pb2.DeleteRequest(id=fair.campaign_id)
    refusal = await who.refused(f"{CAMPAIGNS}/DeleteCampaign", delete)
    assert (refusal.reason, refusal.metadata["resource"]) == (
        "RECORD_HAS_CHILDREN",
        "campaign_member",
    )
    page = await who.call(f"{MEMBERS}/ListCampaignMembers", requests_pb2.ListRequest())
    assert isinstance(page, campaign_member_pb2.ListCampaignMembersResponse)
    for one in page.campaign_members:
        await who.call(f"{MEMBERS}/DeleteCampaignMember", requests_pb2.DeleteRequest(id=one.id))
    await who.call(f"{CAMPAIGNS}/DeleteCampaign", delete)
    late = fair.member(customer_id=fair.customer_id)
    refusal = await who.refused(f"{MEMBERS}/CreateCampaignMember", late)
    assert refusal.reason == "INVALID_FIELDS"


async def test_a_member_is_somebody_who_exists(fair: Fair) -> None:
    create = f"{MEMBERS}/CreateCampaignMember"
    refusal = await fair.admin.refused(create, fair.member())
    assert refusal.reason == "MEMBER_MISSING"
    for values in (
        {"customer_id": new_id()},
        {"contact_id": new_id()},
        {"customer_id": fair.customer_id, "campaign_id": new_id()},
    ):
        refusal = await fair.admin.refused(create, fair.member(**values))
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_FIELDS",
        )
