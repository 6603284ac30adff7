"""What was taken away does not come back by the recycle bin, and nobody throws away who may do
more than he does.
"""

import grpc
import pytest

from crm.identity.v1 import api_client_pb2 as clients
from crm.identity.v1 import role_pb2 as roles
from crm.identity.v1 import user_pb2 as users
from crm.type.v1.requests_pb2 import DeleteRequest, ListRequest, UndeleteRequest
from tests.integration.drive import Drive, Person
from tests.integration.security.partners import grant, new_person, new_role, role_id

DENIED = grpc.StatusCode.PERMISSION_DENIED
BEYOND = (DENIED, "GRANT_BEYOND_OWN")
BIN = ("READ", "DELETE")


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


@pytest.fixture(scope="module")
async def caretaker(drive: Drive, admin: Person) -> Person:
    """Empties and searches recycle bins, and configures nothing."""
    mine = await new_role(
        admin, "caretaker", [grant(one, *BIN) for one in ("roles", "users", "api_clients")]
    )
    finance = await new_role(admin, "auditor", [grant("customers", "READ", "EXPORT")])
    return await new_person(drive, admin, "caretaker", [mine, finance])


async def refused(who: Person, method: str, record_id: str) -> tuple[grpc.StatusCode, str]:
    request = (UndeleteRequest if "Undelete" in method else DeleteRequest)(id=record_id)
    found = await who.refused(f"identity.{method}", request)
    return found.code, found.reason


async def test_a_role_comes_back_by_those_only_who_have_its_rights(
    admin: Person, caretaker: Person
) -> None:
    finance = await _named(admin, "auditor")
    await admin.call("identity.RoleService/DeleteRole", DeleteRequest(id=finance))
    assert await refused(caretaker, "RoleService/UndeleteRole", finance) == BEYOND
    administrator = await role_id(admin, "administrator")
    assert await refused(caretaker, "RoleService/DeleteRole", administrator) == BEYOND
    nothing = await new_role(admin, "nothing", [])
    await caretaker.call("identity.RoleService/DeleteRole", DeleteRequest(id=nothing))
    await caretaker.call("identity.RoleService/UndeleteRole", UndeleteRequest(id=nothing))
    await admin.call("identity.RoleService/UndeleteRole", UndeleteRequest(id=finance))


async def test_an_account_comes_back_by_those_only_who_configure_it(
    drive: Drive, admin: Person, caretaker: Person
) -> None:
    service = "UserService"
    assert await refused(caretaker, f"{service}/DeleteUser", admin.id) == BEYOND
    made = await admin.call(
        f"identity.{service}/CreateUser", users.CreateUserRequest(user=users.User(name="Idle"))
    )
    assert isinstance(made, users.User)
    await caretaker.call(f"identity.{service}/DeleteUser", DeleteRequest(id=made.id))
    back = await refused(caretaker, f"{service}/UndeleteUser", made.id)
    assert back == (DENIED, "PERMISSION_DENIED"), "as if he set its state"
    await admin.call(f"identity.{service}/UndeleteUser", UndeleteRequest(id=made.id))


async def test_an_api_client_comes_back_by_those_only_who_configure_it(
    admin: Person, caretaker: Person
) -> None:
    service, administrator = "ApiClientService", await role_id(admin, "administrator")
    made = []
    for held in ([administrator], []):
        new = clients.ApiClient(name="Program", role_ids=held)
        answer = await admin.call(
            f"identity.{service}/CreateApiClient", clients.CreateApiClientRequest(api_client=new)
        )
        assert isinstance(answer, clients.ApiClient)
        made.append(answer.id)
    assert await refused(caretaker, f"{service}/DeleteApiClient", made[0]) == BEYOND
    await caretaker.call(f"identity.{service}/DeleteApiClient", DeleteRequest(id=made[1]))
    back = await refused(caretaker, f"{service}/UndeleteApiClient", made[1])
    assert back == (DENIED, "PERMISSION_DENIED")
    await admin.call(f"identity.{service}/UndeleteApiClient", UndeleteRequest(id=made[1]))


async def _named(admin: Person, name: str) -> str:
    page = await admin.call(
        "identity.RoleService/ListRoles", ListRequest(filter=f'name = "{name}"')
    )
    assert isinstance(page, roles.ListRolesResponse)
    return page.roles[0].id
