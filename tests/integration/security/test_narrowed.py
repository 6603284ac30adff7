"""A token that is narrower than its client stays so: it widens neither the client nor itself."""

import asyncio

import grpc
import pytest
from google.longrunning.operations_pb2 import Operation
from google.protobuf.field_mask_pb2 import FieldMask

from crm.chassis.v1 import bulk_pb2, operation_pb2
from crm.customer.v1 import contact_pb2, customer_pb2
from crm.identity.v1 import api_client_pb2, api_client_secret_pb2
from tests.integration.drive import Drive, Person
from tests.integration.security.partners import grant, new_person, new_role

DENIED = grpc.StatusCode.PERMISSION_DENIED
UPDATE = "identity.ApiClientService/UpdateApiClient"
SECRET = "identity.ApiClientSecretService/AddSecret"  # a method
OPERATIONS = "customer.crm.chassis.v1.OperationService"


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def test_a_client_widens_neither_its_scopes_nor_its_token(
    drive: Drive, admin: Person
) -> None:
    role = await new_role(
        admin,
        "keeper of clients",
        [grant("api_clients", "READ", "UPDATE", "CONFIGURE"), grant("customers", "READ")],
    )
    narrow = await drive.client(admin, [role], ["api_clients:*"])
    for scopes in ([], ["*:*"], ["api_clients:*", "customers:read"]):
        wider = api_client_pb2.ApiClient(id=narrow.id, scopes=scopes)
        mask = FieldMask(paths=["scopes"])
        request = api_client_pb2.UpdateApiClientRequest(api_client=wider, update_mask=mask)
        refusal = await narrow.refused(UPDATE, request)
        assert (refusal.code, refusal.reason) == (DENIED, "GRANT_BEYOND_OWN"), scopes
    more = api_client_secret_pb2.AddSecretRequest(id=narrow.id)
    assert (await narrow.refused(SECRET, more)).reason == "GRANT_BEYOND_OWN"
    whole = await drive.client(admin, [role])
    await whole.call(SECRET, api_client_secret_pb2.AddSecretRequest(id=whole.id))


async def test_without_a_scope_a_client_refers_to_what_its_roles_reach(
    drive: Drive, admin: Person
) -> None:
    role = await new_role(
        admin, "writer", [grant("contacts", "CREATE"), grant("customers", "READ", scope="OWN")]
    )
    seller = await new_role(admin, "seller", [grant("customers", "CREATE", "READ", scope="OWN")])
    other = await new_person(drive, admin, "other", [seller])
    narrow = await drive.client(admin, [role], ["contacts:*"])
    for owner, expected in ((admin, ""), (other, "INVALID_FIELDS")):
        made = await owner.call(
            "customer.CustomerService/CreateCustomer",
            customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name="Acme")),
        )
        assert isinstance(made, customer_pb2.Customer)
        contact = contact_pb2.Contact(name="Li", customer_id=made.id)
        request = contact_pb2.CreateContactRequest(contact=contact)
        assert await narrow.reason("customer.ContactService/CreateContact", request) == expected


async def test_a_narrow_token_takes_back_nothing_that_it_could_not_do(
    drive: Drive, admin: Person
) -> None:
    role = await new_role(admin, "worker", [grant("customers", "READ", "CREATE", "UPDATE")])
    whole = await drive.client(admin, [role])
    await whole.call(
        "customer.CustomerService/CreateCustomer",
        customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name="Acme")),
    )
    action = bulk_pb2.BulkAction(tag=bulk_pb2.BulkAction.Tag(add=["hot"]))
    bulk = bulk_pb2.CreateBulkRequest(resource="customers", filter="name:*", action=action)
    started = await whole.call("customer.crm.chassis.v1.BulkService/CreateBulk", bulk)
    assert isinstance(started, Operation)
    await _ended(whole, started.name)
    secret = await drive.secret(admin, whole.id)
    token = await drive.client_token(whole.id, secret, "customers:read")
    inside = await drive.exchanged(token.access_token)
    narrow = Person(drive.clients, whole.id, admin.tenant_id, admin.slug, inside.token)
    undo = operation_pb2.UndoOperationRequest(id=started.name)
    refusal = await narrow.refused(f"{OPERATIONS}/UndoOperation", undo)
    assert (refusal.code, refusal.reason) == (DENIED, "PERMISSION_DENIED")
    undone = await whole.call(f"{OPERATIONS}/UndoOperation", undo)
    assert isinstance(undone, Operation)
    await _ended(whole, undone.name)


async def _ended(who: Person, name: str) -> None:
    async with asyncio.timeout(20):
        while True:
            request = operation_pb2.GetOperationRequest(id=name)
            found = await who.call(f"{OPERATIONS}/GetOperation", request)
            assert isinstance(found, Operation)
            if found.done:
                assert not found.HasField("error")
                return
            await asyncio.sleep(0.1)
