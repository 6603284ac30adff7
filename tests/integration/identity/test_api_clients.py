"""API clients over gRPC: what they may, what nobody may give them, and how they end."""

import asyncio
import time

import asyncpg
import grpc
import pytest

from chassis.access.model import VERBS
from crm.customer.v1 import customer_pb2
from crm.identity.v1 import api_client_pb2, api_client_secret_pb2, role_pb2, session_pb2
from crm.identity.v1.client_token_pb2 import ClientCredentials, RevokeClientTokenRequest
from crm.identity.v1.preferences_pb2 import GetPreferencesRequest
from crm.sales.v1 import product_pb2  # noqa: F401  # its service is called by name
from crm.type.v1.requests_pb2 import DeleteRequest, GetRequest, ListRequest
from deploy.local.platform import Platform
from tests.integration.drive import CLIENT_TOKENS, Drive, Person
from tests.integration.security.leakage import T_MAX, Way, leaks, timed, told

CLIENTS = "identity.ApiClientService"
SECRETS = "identity.ApiClientSecretService"
CUSTOMERS = "customer.CustomerService"
Grant = role_pb2.Grant


def grant(resource: str, *verbs: str, scope: "Grant.Scope" = Grant.ALL) -> role_pb2.Grant:
    return Grant(resource=resource, verbs=verbs, scope=scope)


async def role(admin: Person, name: str, *grants: role_pb2.Grant) -> str:
    made = role_pb2.Role(name=name, grants=grants)
    answer = await admin.call(
        "identity.RoleService/CreateRole", role_pb2.CreateRoleRequest(role=made)
    )
    assert isinstance(answer, role_pb2.Role)
    return answer.id


async def create_customer(who: Person, name: str) -> customer_pb2.Customer:
    customer = customer_pb2.Customer(name=name)
    answer = await who.call(
        f"{CUSTOMERS}/CreateCustomer", customer_pb2.CreateCustomerRequest(customer=customer)
    )
    assert isinstance(answer, customer_pb2.Customer)
    return answer


async def update(who: Person, **values: object) -> api_client_pb2.ApiClient:
    answer = await who.call(f"{CLIENTS}/UpdateApiClient", changes(**values))
    assert isinstance(answer, api_client_pb2.ApiClient)
    return answer


def changes(**values: object) -> api_client_pb2.UpdateApiClientRequest:
    return api_client_pb2.UpdateApiClientRequest(
        api_client=api_client_pb2.ApiClient(**values)  # type: ignore[arg-type]  # fields of several types
    )


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def test_what_a_client_makes_is_its_owners_and_says_so(
    drive: Drive, admin: Person, domain_platform: Platform
) -> None:
    own = await role(admin, "own", grant("customers", "READ", "CREATE", scope=Grant.OWN))
    client = await drive.client(admin, [own])
    made = await create_customer(client, "By a program")
    assert (made.owner_id, made.creator_id) == (admin.id, client.id)
    listed = await client.call(f"{CUSTOMERS}/ListCustomers", ListRequest(filter="owner_id = me()"))
    assert isinstance(listed, customer_pb2.ListCustomersResponse)
    assert [one.id for one in listed.customers] == [made.id]
    connection = await asyncpg.connect(domain_platform.database_url("customer", "worker"))
    row = await connection.fetchrow(
        "SELECT actor_id, through FROM change WHERE tenant_id = $1 AND record_id = $2",
        admin.tenant_id,
        made.id,
    )
    await connection.close()
    assert row is not None
    assert (row["actor_id"], row["through"]) == (client.id, "integration")


async def test_scopes_narrow_what_roles_allow_in_every_service(drive: Drive, admin: Person) -> None:
    everything = await role(admin, "everything", grant("*", *VERBS))
    client = await drive.client(admin, [everything], ["customers:read", "api_clients:*"])
    await client.call(f"{CUSTOMERS}/ListCustomers", ListRequest())
    customer = customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name="x"))
    for method, request in (
        (f"{CUSTOMERS}/CreateCustomer", customer),
        ("sales.ProductService/ListProducts", ListRequest()),
        ("identity.UserService/ListUsers", ListRequest()),
    ):
        refusal = await client.refused(method, request)
        assert refusal.reason == "PERMISSION_DENIED", method
    # A narrowed client has nothing to give away: not the rest of its own roles either.
    made = api_client_pb2.ApiClient(name="Escape", role_ids=[everything])
    escape = await client.refused(
        f"{CLIENTS}/CreateApiClient", api_client_pb2.CreateApiClientRequest(api_client=made)
    )
    assert escape.reason == "GRANT_BEYOND_OWN"


async def test_clients_have_no_session_and_no_preferences(drive: Drive, admin: Person) -> None:
    client = await drive.client(admin, [await role(admin, "all", grant("*", *VERBS))])
    for method, request in (
        ("identity.SessionService/DeleteSession", session_pb2.DeleteSessionRequest()),
        ("identity.SessionService/ChangePassword", session_pb2.ChangePasswordRequest()),
        ("identity.PreferencesService/GetPreferences", GetPreferencesRequest()),
    ):
        assert (await client.refused(method, request)).reason == "METHOD_NOT_OPEN", method


async def test_nobody_gives_a_client_more_than_he_has(drive: Drive, admin: Person) -> None:
    manage = grant("api_clients", *VERBS)
    helper = await drive.user(
        admin, "helper", [manage, grant("customers", "READ", scope=Grant.OWN)]
    )
    own = await role(admin, "own", grant("customers", "READ", scope=Grant.OWN))
    wide = await role(admin, "wide", grant("customers", "READ"))

    def request(role_id: str, owner_id: str) -> api_client_pb2.CreateApiClientRequest:
        made = api_client_pb2.ApiClient(name="x", role_ids=[role_id], owner_id=owner_id)
        return api_client_pb2.CreateApiClientRequest(api_client=made)

    create = f"{CLIENTS}/CreateApiClient"
    made = await helper.call(create, request(own, helper.id))
    assert isinstance(made, api_client_pb2.ApiClient)
    assert (await helper.refused(create, request(wide, helper.id))).reason == "GRANT_BEYOND_OWN"
    # The administrator's own records would be the client's own.
    assert (await helper.refused(create, request(own, admin.id))).reason == "GRANT_BEYOND_OWN"
    refusal = await helper.refused(
        f"{CLIENTS}/UpdateApiClient", changes(id=made.id, owner_id=admin.id)
    )
    assert refusal.reason == "GRANT_BEYOND_OWN"
    strong = await drive.client(admin, [wide])
    for method, change in (
        (f"{SECRETS}/AddSecret", api_client_secret_pb2.AddSecretRequest(id=strong.id)),
        (f"{CLIENTS}/UpdateApiClient", changes(id=strong.id, scopes=["customers:*"])),
    ):
        assert (await helper.refused(method, change)).reason == "GRANT_BEYOND_OWN"


async def test_secrets_overlap_and_are_bounded(drive: Drive, admin: Person) -> None:
    client = await drive.client(admin, [])
    secrets = [await drive.secret(admin, client.id) for _ in range(4)]
    assert len({await token_of(drive, client.id, one) for one in secrets}) == 4
    full = api_client_secret_pb2.AddSecretRequest(id=client.id)
    assert (await admin.refused(f"{SECRETS}/AddSecret", full)).reason == "SECRETS_EXHAUSTED"
    found = await admin.call(f"{CLIENTS}/GetApiClient", GetRequest(id=client.id))
    assert isinstance(found, api_client_pb2.ApiClient)
    prefixes = [one.prefix for one in found.secrets]
    assert prefixes[1:] == [one[: len(prefixes[0])] for one in secrets]
    assert all(one.HasField("last_used_time") for one in found.secrets)
    remove = api_client_secret_pb2.RemoveSecretRequest(id=client.id, secret_id=found.secrets[1].id)
    await admin.call(f"{SECRETS}/RemoveSecret", remove)
    assert (await admin.refused(f"{SECRETS}/RemoveSecret", remove)).reason == "SECRET_NOT_FOUND"
    await refused_token(drive, client.id, secrets[0])
    await token_of(drive, client.id, secrets[1])


async def test_a_repeated_call_does_not_show_the_secret(drive: Drive, admin: Person) -> None:
    client = await drive.client(admin, [])
    request = api_client_secret_pb2.AddSecretRequest(id=client.id)
    first = await admin.call(f"{SECRETS}/AddSecret", request, key="k1")
    again = await admin.call(f"{SECRETS}/AddSecret", request, key="k1")
    assert isinstance(first, api_client_secret_pb2.AddSecretResponse)
    assert isinstance(again, api_client_secret_pb2.AddSecretResponse)
    assert first.secret
    assert not again.secret
    assert len(again.api_client.secrets) == 2


async def test_an_expired_secret_and_its_tokens_are_over(drive: Drive, admin: Person) -> None:
    client = await drive.client(admin, [])
    request = api_client_secret_pb2.AddSecretRequest(id=client.id)
    request.expire_time.FromSeconds(int(time.time()) + 2)
    added = await admin.call(f"{SECRETS}/AddSecret", request)
    assert isinstance(added, api_client_secret_pb2.AddSecretResponse)
    token = await drive.client_token(client.id, added.secret)
    assert 0 <= token.expires_in <= 2
    await asyncio.sleep(2.1)
    await refused_token(drive, client.id, added.secret)
    await refused_exchange(drive, token.access_token)
    past = api_client_secret_pb2.AddSecretRequest(id=client.id)
    past.expire_time.FromSeconds(1)
    assert (await admin.refused(f"{SECRETS}/AddSecret", past)).reason == "INVALID_FIELDS"


async def test_tokens_end_with_what_they_were_given_for(drive: Drive, admin: Person) -> None:
    client = await drive.client(admin, [])
    secret = await drive.secret(admin, client.id)
    first, second = [await token_of(drive, client.id, secret) for _ in range(2)]
    credentials = ClientCredentials(client_id=client.id, client_secret=secret)
    revoke = RevokeClientTokenRequest(credentials=credentials, token=first)
    for _ in range(2):
        await drive.clients.call("identity", f"{CLIENT_TOKENS}/RevokeClientToken", revoke)
    await refused_exchange(drive, first)
    await drive.exchanged(second)
    await update(admin, id=client.id, scopes=["customers:read"])
    await refused_exchange(drive, second)
    third = await token_of(drive, client.id, secret)
    await update(admin, id=client.id, state=api_client_pb2.ApiClient.DISABLED)
    await refused_exchange(drive, third)
    await refused_token(drive, client.id, secret)
    await update(admin, id=client.id, state=api_client_pb2.ApiClient.ACTIVE)
    await drive.exchanged(third)
    await admin.call(f"{CLIENTS}/DeleteApiClient", DeleteRequest(id=client.id))
    await refused_exchange(drive, third)


async def test_unknown_clients_and_wrong_secrets_are_one_thing(
    drive: Drive, admin: Person, figures: list[str]
) -> None:
    client, other = await drive.client(admin, []), await drive.client(admin, [])
    secret = await drive.secret(admin, client.id)
    wrong = (client.id, "crm_cs_" + "x" * 43)
    unknown = ("0190c0f0-0000-7000-8000-000000000000", "crm_cs_" + "y" * 43)
    for client_id, text in (wrong, unknown, (other.id, secret), ("客户", secret)):
        await refused_token(drive, client_id, text)
    ways: dict[str, Way] = {
        "wrong secret": lambda: refused_token(drive, *wrong),
        "unknown client": lambda: refused_token(drive, *unknown),
    }
    times = await timed(ways, 200)
    figures.append(f"no token: {told(times)}")
    assert abs(leaks(times)["unknown client"]) < T_MAX, told(times)


async def token_of(drive: Drive, client_id: str, secret: str) -> str:
    return (await drive.client_token(client_id, secret)).access_token


async def refused_token(drive: Drive, client_id: str, secret: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drive.client_token(client_id, secret)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert caught.value.details() == "The client or its secret is wrong."


async def refused_exchange(drive: Drive, access_token: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drive.exchanged(access_token)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
