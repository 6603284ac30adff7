"""Nobody makes himself or others more than he is: rights are given by those who have them."""

from typing import TypeAlias

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from crm.identity.v1 import role_pb2 as roles
from crm.identity.v1 import user_pb2 as users
from crm.type.v1.requests_pb2 import ListRequest
from tests.integration.drive import PASSWORD, Drive, Person, Refusal

Grant: TypeAlias = roles.Grant
DENIED = grpc.StatusCode.PERMISSION_DENIED


def grant(resource: str, *verbs: str, scope: str = "ALL") -> Grant:
    """A grant by names."""
    return Grant(
        resource=resource,
        verbs=verbs,
        scope=scope,
    )


def changed(user: users.User, *names: str) -> users.UpdateUserRequest:
    """A change of these fields."""
    return users.UpdateUserRequest(user=user, update_mask=FieldMask(paths=names))


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


@pytest.fixture(scope="module")
async def clerk(drive: Drive, admin: Person) -> Person:
    """May change users and make roles, and configures nothing."""
    everything = ("READ", "CREATE", "UPDATE", "DELETE", "IMPORT")
    return await drive.user(
        admin, "clerk", [grant("users", *everything), grant("roles", *everything)]
    )


@pytest.fixture(scope="module")
async def keeper(drive: Drive, admin: Person) -> Person:
    """Keeps the accounts, and sees customers of his own only."""
    return await drive.user(
        admin,
        "keeper",
        [
            grant("users", "READ", "CREATE", "UPDATE", "CONFIGURE"),
            grant("roles", "READ", "CREATE", "UPDATE"),
            grant("customers", "READ", scope="OWN"),
            grant("contacts", "READ", scope="DEPARTMENT_TREE"),
        ],
    )


@pytest.fixture(scope="module")
async def administrator_role(admin: Person) -> str:
    page = await admin.call(
        "identity.RoleService/ListRoles", ListRequest(filter='name = "Administrator"')
    )
    assert isinstance(page, roles.ListRolesResponse)
    return page.roles[0].id


async def test_changing_what_a_user_may_do_takes_configure(
    admin: Person, clerk: Person, administrator_role: str
) -> None:
    own = clerk.id
    for name, user in {
        "role_ids": users.User(id=own, role_ids=[administrator_role]),
        "password": users.User(id=admin.id, password="another password 1"),
        "state": users.User(id=admin.id, state=users.User.DISABLED),
        "login": users.User(id=admin.id, login="clerk2"),
        "email": users.User(id=admin.id, email="clerk@evil.example"),
        "manager_id": users.User(id=admin.id, manager_id=own),
    }.items():
        for request in (changed(user, name), users.UpdateUserRequest(user=user)):
            refusal = await clerk.refused("identity.UserService/UpdateUser", request)
            assert (refusal.code, refusal.reason) == (DENIED, "PERMISSION_DENIED"), name
    for user in (
        users.User(name="x", role_ids=[administrator_role]),
        users.User(name="x", password="another password 1"),
    ):
        refusal = await clerk.refused(
            "identity.UserService/CreateUser", users.CreateUserRequest(user=user)
        )
        assert refusal.code is DENIED
    renamed = users.User(id=admin.id, name="Still the administrator")
    await clerk.call("identity.UserService/UpdateUser", users.UpdateUserRequest(user=renamed))


async def test_roles_hold_no_more_than_their_maker_has(
    clerk: Person, keeper: Person, administrator_role: str
) -> None:
    for who, wanted in (
        (clerk, grant("*", "READ")),
        (clerk, grant("customers", "READ", scope="OWN")),
        (clerk, grant("users", "CONFIGURE")),
        (keeper, grant("customers", "READ", scope="ALL")),
        (keeper, grant("customers", "READ", scope="DEPARTMENT")),
        (keeper, grant("customers", "UPDATE", scope="OWN")),
        (keeper, grant("contacts", "READ", scope="SUBORDINATES")),
    ):
        role = roles.Role(name="More", grants=[wanted])
        refusal = await who.refused(
            "identity.RoleService/CreateRole", roles.CreateRoleRequest(role=role)
        )
        assert (refusal.code, refusal.reason) == (DENIED, "GRANT_BEYOND_OWN"), wanted
    lesser = roles.Role(
        name="Lesser",
        grants=[
            grant("contacts", "READ", scope="DEPARTMENT"),
            grant("customers", "READ", scope="OWN"),
        ],
    )
    made = await keeper.call(
        "identity.RoleService/CreateRole", roles.CreateRoleRequest(role=lesser)
    )
    assert isinstance(made, roles.Role)
    for role_id, wanted in (
        (made.id, grant("*", "DELETE")),
        (administrator_role, grant("users", "READ")),
    ):
        role = roles.Role(id=role_id, grants=[wanted])
        refusal = await keeper.refused(
            "identity.RoleService/UpdateRole", roles.UpdateRoleRequest(role=role)
        )
        assert (refusal.code, refusal.reason) == (DENIED, "GRANT_BEYOND_OWN"), wanted


async def test_who_keeps_accounts_gives_no_role_above_his_own(
    drive: Drive, admin: Person, keeper: Person, administrator_role: str
) -> None:
    async def refused(user: users.User) -> Refusal:
        request = users.UpdateUserRequest(user=user)
        return await keeper.refused("identity.UserService/UpdateUser", request)

    for user in (
        users.User(id=keeper.id, role_ids=[administrator_role]),
        users.User(id=admin.id, password="another password 1"),
        users.User(id=admin.id, email="keeper@evil.example"),
        users.User(id=admin.id, state=users.User.DISABLED),
    ):
        refusal = await refused(user)
        assert (refusal.code, refusal.reason) == (DENIED, "GRANT_BEYOND_OWN"), user
    made: Message = await keeper.call(
        "identity.UserService/CreateUser",
        users.CreateUserRequest(user=users.User(name="New", login="new", password=PASSWORD)),
    )
    assert isinstance(made, users.User)
    refusal = await refused(users.User(id=made.id, role_ids=[administrator_role]))
    assert refusal.reason == "GRANT_BEYOND_OWN"
    assert (await drive.sign_in(admin.slug, "new")).id == made.id
    assert (await drive.sign_in(admin.slug, "admin")).id == admin.id, "nothing has changed"
