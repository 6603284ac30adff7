"""A tenant keeps an administrator, whoever is deleted, disabled or stripped at the same time."""

import asyncio

import grpc
import pytest

from crm.identity.v1 import role_pb2 as roles
from crm.identity.v1 import user_pb2 as users
from crm.type.v1.requests_pb2 import DeleteRequest, ListRequest
from tests.integration.drive import PASSWORD, Drive, Person

LAST = "LAST_ADMINISTRATOR"
USERS, ROLES = "identity.UserService", "identity.RoleService"


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def administrator_role(admin: Person) -> roles.Role:
    request = ListRequest(filter='name = "Administrator"')
    page = await admin.call(f"{ROLES}/ListRoles", request)
    assert isinstance(page, roles.ListRolesResponse)
    return page.roles[0]


async def second(drive: Drive, admin: Person) -> Person:
    """Another administrator."""
    role = await administrator_role(admin)
    user = users.User(name="Second", login="second", password=PASSWORD, role_ids=[role.id])
    await admin.call(f"{USERS}/CreateUser", users.CreateUserRequest(user=user))
    return await drive.sign_in(admin.slug, "second")


async def test_the_last_administrator_stays(admin: Person) -> None:
    role = await administrator_role(admin)
    disabled = users.User(id=admin.id, state=users.User.DISABLED)
    stripped = users.UpdateUserRequest(user=users.User(id=admin.id))
    stripped.update_mask.paths.append("role_ids")
    narrow = roles.Role(id=role.id, grants=[roles.Grant(resource="*", verbs=["READ"], scope="ALL")])
    for method, request in (
        (f"{USERS}/UpdateUser", users.UpdateUserRequest(user=disabled)),
        (f"{USERS}/UpdateUser", stripped),
        (f"{ROLES}/UpdateRole", roles.UpdateRoleRequest(role=narrow)),
        (f"{ROLES}/DeleteRole", DeleteRequest(id=role.id)),
    ):
        refused = await admin.refused(method, request)
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, LAST)


async def test_with_another_one_he_may_go(drive: Drive, admin: Person) -> None:
    other = await second(drive, admin)
    await other.call(f"{USERS}/DeleteUser", DeleteRequest(id=admin.id))
    gone = users.User(id=other.id, state=users.User.DISABLED)
    refused = await other.refused(f"{USERS}/UpdateUser", users.UpdateUserRequest(user=gone))
    assert refused.reason == LAST


async def test_two_administrators_cannot_delete_each_other(drive: Drive, admin: Person) -> None:
    other = await second(drive, admin)
    both = await asyncio.gather(
        admin.call(f"{USERS}/DeleteUser", DeleteRequest(id=other.id)),
        other.call(f"{USERS}/DeleteUser", DeleteRequest(id=admin.id)),
        return_exceptions=True,
    )
    assert len([one for one in both if isinstance(one, users.User)]) == 1, both
