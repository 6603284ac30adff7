"""A record is one record however its id is written, a mask leaves out what it does not name, and a
refusal names no record that the caller does not see.
"""

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from crm.chassis.v1 import custom_field_pb2, history_pb2, purge_pb2
from crm.customer.v1 import contact_pb2, customer_pb2
from crm.identity.v1 import user_pb2
from crm.marketing.v1 import campaign_member_pb2, campaign_pb2
from crm.type.v1.requests_pb2 import BatchDeleteRequest, DeleteRequest
from tests.integration.drive import Drive, Person
from tests.integration.security.partners import grant, new_person, new_role
from tests.integration.security.signing import new_user

WRONG = grpc.StatusCode.INVALID_ARGUMENT
CUSTOMERS, CONTACTS = "customer.CustomerService", "customer.ContactService"


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def customer(who: Person) -> str:
    request = customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name="Acme"))
    made = await who.call(f"{CUSTOMERS}/CreateCustomer", request)
    assert isinstance(made, customer_pb2.Customer)
    return made.id


async def versions(who: Person, record_id: str) -> list[int]:
    request = history_pb2.ListHistoryRequest(resource="customers", id=record_id)
    page = await who.call("customer.crm.chassis.v1.HistoryService/ListHistory", request)
    assert isinstance(page, history_pb2.ListHistoryResponse)
    return [one.version for one in page.entries]


async def test_a_batch_names_a_record_once_in_either_case(admin: Person) -> None:
    one = await customer(admin)
    twice = BatchDeleteRequest(ids=[one, one.upper()])
    assert (await admin.refused(f"{CUSTOMERS}/BatchDeleteCustomers", twice)).code is WRONG
    changes = [
        customer_pb2.UpdateCustomerRequest(customer=customer_pb2.Customer(id=name, phone=phone))
        for name, phone in ((one, "1"), (one.upper(), "2"))
    ]
    batch = customer_pb2.BatchUpdateCustomersRequest(requests=changes)
    assert (await admin.refused(f"{CUSTOMERS}/BatchUpdateCustomers", batch)).code is WRONG
    assert await versions(admin, one) == [1]


async def test_a_purge_asks_for_referrers_in_either_case(admin: Person) -> None:
    one = await customer(admin)
    made = await admin.call(
        "marketing.CampaignService/CreateCampaign",
        campaign_pb2.CreateCampaignRequest(campaign=campaign_pb2.Campaign(name="Fair")),
    )
    assert isinstance(made, campaign_pb2.Campaign)
    member = campaign_member_pb2.CampaignMember(campaign_id=made.id, customer_id=one)
    await admin.call(
        "marketing.CampaignMemberService/CreateCampaignMember",
        campaign_member_pb2.CreateCampaignMemberRequest(campaign_member=member),
    )
    await admin.call(f"{CUSTOMERS}/DeleteCustomer", DeleteRequest(id=one))
    for name in (one, one.upper()):
        request = purge_pb2.PurgeRecordRequest(resource="customers", id=name)
        refusal = await admin.refused("customer.crm.chassis.v1.PurgeService/PurgeRecord", request)
        assert refusal.reason == "RECORD_REFERRED", name


async def test_what_a_mask_does_not_name_stays(drive: Drive, admin: Person) -> None:
    user = user_pb2.User(id=await new_user(admin, "masked"), name="Masked", password="x" * 12 + "y")
    request = user_pb2.UpdateUserRequest(user=user, update_mask=FieldMask(paths=["name"]))
    await admin.call("identity.UserService/UpdateUser", request)
    await drive.sign_in(admin.slug, "masked")


async def test_a_contact_has_a_living_customer(admin: Person) -> None:
    one = await customer(admin)
    await admin.call(f"{CUSTOMERS}/DeleteCustomer", DeleteRequest(id=one))
    contact = contact_pb2.Contact(name="Li", customer_id=one)
    request = contact_pb2.CreateContactRequest(contact=contact)
    assert (await admin.refused(f"{CONTACTS}/CreateContact", request)).code is WRONG
    request.contact.customer_id = await customer(admin)
    made = await admin.call(f"{CONTACTS}/CreateContact", request)
    assert isinstance(made, contact_pb2.Contact)
    alone = contact_pb2.UpdateContactRequest(
        contact=contact_pb2.Contact(id=made.id), update_mask=FieldMask(paths=["customer_id"])
    )
    refusal = await admin.refused(f"{CONTACTS}/UpdateContact", alone)
    assert refusal.code in {WRONG, grpc.StatusCode.FAILED_PRECONDITION}


async def test_children_out_of_reach_are_not_named(drive: Drive, admin: Person) -> None:
    verbs = ("READ", "CREATE", "DELETE")
    role = await new_role(
        admin, "seller", [grant(one, *verbs, scope="OWN") for one in ("customers", "contacts")]
    )
    seller = await new_person(drive, admin, "seller", [role])
    one = await customer(seller)
    made = await admin.call(
        f"{CONTACTS}/CreateContact",
        contact_pb2.CreateContactRequest(contact=contact_pb2.Contact(name="Li", customer_id=one)),
    )
    assert isinstance(made, contact_pb2.Contact)
    for who, named in ((admin, made.id), (seller, "")):
        refusal = await who.refused(f"{CUSTOMERS}/DeleteCustomer", DeleteRequest(id=one))
        assert refusal.reason == "RECORD_HAS_CHILDREN"
        assert refusal.metadata["id"] == named


async def test_a_reference_that_stays_is_not_asked_about(drive: Drive, admin: Person) -> None:
    for name, kind, target in (("partner", "REFERENCE", "customers"), ("note", "TEXT", "")):
        field = custom_field_pb2.CustomField(
            name=name, label=name, kind=kind, reference_resource=target
        )
        await admin.call(
            "customer.crm.chassis.v1.CustomFieldService/CreateCustomField",
            custom_field_pb2.CreateCustomFieldRequest(resource="customers", custom_field=field),
        )
    verbs = ("READ", "CREATE", "UPDATE")
    role = await new_role(admin, "seller", [grant("customers", *verbs, scope="OWN")])
    seller = await new_person(drive, admin, "seller", [role])
    one, hidden = await customer(seller), await customer(admin)

    def setting(**values: str) -> customer_pb2.UpdateCustomerRequest:
        own = Struct()
        own.update(values)
        record = customer_pb2.Customer(id=one, custom_fields=own)
        return customer_pb2.UpdateCustomerRequest(customer=record)

    assert (
        await seller.refused(f"{CUSTOMERS}/UpdateCustomer", setting(partner=hidden))
    ).code is WRONG
    await admin.call(f"{CUSTOMERS}/UpdateCustomer", setting(partner=hidden))
    await seller.call(f"{CUSTOMERS}/UpdateCustomer", setting(note="mine"))
