"""The administrator of a partner company: he manages his own people and nothing else."""

from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.message import Message

from crm.identity.v1 import department_pb2 as departments
from crm.identity.v1 import role_pb2 as roles
from crm.identity.v1 import user_pb2 as users
from crm.type.v1.requests_pb2 import DeleteRequest, GetRequest, ListRequest
from tests.integration.drive import PASSWORD, Drive, Person, Refusal
from tests.integration.security.partners import grant, new_department, new_person, new_role, role_id

DENIED = grpc.StatusCode.PERMISSION_DENIED
ABSENT = grpc.StatusCode.NOT_FOUND
WRONG = grpc.StatusCode.INVALID_ARGUMENT
MANAGED = {"administrator", "partner_administrator", "partner_user"}


@dataclass(frozen=True)
class Scene:
    """A head office, a company with its administrator, and a rival."""

    admin: Person
    company: str
    chief: Person
    rival: str
    rival_chief: Person
    roles: dict[str, str]


@pytest.fixture(scope="module")
async def scene(drive: Drive) -> Scene:
    admin = await drive.tenant()
    found = {key: await role_id(admin, key) for key in sorted(MANAGED)}
    company, rival = [await new_department(admin, name, partner=True) for name in ("one", "two")]
    chiefs = [
        await new_person(drive, admin, f"{at}.chief", [found["partner_administrator"]], at)
        for at in (company, rival)
    ]
    return Scene(admin, company, chiefs[0], rival, chiefs[1], found)


async def create(who: Person, **values: object) -> users.User:
    request = users.CreateUserRequest(user=users.User(**values))  # type: ignore[arg-type]  # whatever a test gives
    made = await who.call("identity.UserService/CreateUser", request)
    assert isinstance(made, users.User)
    return made


async def not_created(who: Person, **values: object) -> Refusal:
    request = users.CreateUserRequest(user=users.User(**values))  # type: ignore[arg-type]  # as above
    return await who.refused("identity.UserService/CreateUser", request)


def update(user: users.User) -> tuple[str, Message]:
    return "identity.UserService/UpdateUser", users.UpdateUserRequest(user=user)


async def test_he_adds_people_to_his_company_and_they_can_work(drive: Drive, scene: Scene) -> None:
    below = await new_department(scene.chief, "his sales")
    request = GetRequest(id=below)
    made = await scene.admin.call("identity.DepartmentService/GetDepartment", request)
    assert isinstance(made, departments.Department)
    assert made.parent_id == scene.company, "without a parent it lies in the company"
    worker = await new_person(drive, scene.chief, "worker", [scene.roles["partner_user"]], below)
    deputy = await create(
        scene.chief, name="Deputy", login="deputy", password=PASSWORD,
        role_ids=[scene.roles["partner_administrator"]], manager_id=scene.chief.id,
    )  # fmt: skip
    assert deputy.department_id == scene.company
    seen = await worker.call("identity.UserService/ListUsers", ListRequest(count="exact"))
    assert isinstance(seen, users.ListUsersResponse)
    assert {user.id for user in seen.users} == {scene.chief.id, worker.id, deputy.id}
    assert seen.total_size == 3
    await scene.chief.call(*update(users.User(id=deputy.id, department_id=below)))
    await scene.chief.call(*update(users.User(id=deputy.id, state=users.User.DISABLED)))
    await scene.chief.call("identity.UserService/DeleteUser", DeleteRequest(id=deputy.id))


async def test_nobody_else_exists_for_him(scene: Scene) -> None:
    for other in (scene.admin.id, scene.rival_chief.id):
        refusal = await scene.chief.refused("identity.UserService/GetUser", GetRequest(id=other))
        assert refusal.code is ABSENT
        for change in (users.User(id=other, name="x"), users.User(id=other, password="x" * 12)):
            assert (await scene.chief.refused(*update(change))).code is ABSENT
        gone = DeleteRequest(id=other)
        assert (await scene.chief.refused("identity.UserService/DeleteUser", gone)).code is ABSENT
    office = await new_department(scene.admin, "office")
    for other in (office, scene.rival):
        get = "identity.DepartmentService/GetDepartment"
        assert (await scene.chief.refused(get, GetRequest(id=other))).code is ABSENT
        refusal = await not_created(scene.chief, name="x", department_id=other)
        assert (refusal.code, refusal.reason) == (DENIED, "DEPARTMENT_NOT_IN_SCOPE")
        new = departments.CreateDepartmentRequest(
            department=departments.Department(name="x", parent_id=other)
        )
        method = "identity.DepartmentService/CreateDepartment"
        assert (await scene.chief.refused(method, new)).reason == "DEPARTMENT_NOT_IN_SCOPE"
        out = users.User(id=scene.chief.id, department_id=other)
        assert (await scene.chief.refused(*update(out))).reason == "DEPARTMENT_NOT_IN_SCOPE"
    for manager in (scene.rival_chief.id, scene.admin.id):
        refusal = await not_created(scene.chief, name="x", manager_id=manager)
        assert (refusal.code, refusal.reason) == (WRONG, "INVALID_FIELDS")


async def test_his_departments_stay_in_the_company(scene: Scene) -> None:
    one = await new_department(scene.chief, "one")

    async def moved(parent_id: str) -> Refusal:
        change = departments.Department(id=one, parent_id=parent_id)
        request = departments.UpdateDepartmentRequest(department=change)
        request.update_mask.paths.append("parent_id")
        return await scene.chief.refused("identity.DepartmentService/UpdateDepartment", request)

    for parent_id in ("", scene.rival):
        refusal = await moved(parent_id)
        assert (refusal.code, refusal.reason) == (DENIED, "DEPARTMENT_NOT_IN_SCOPE")


async def test_he_gives_no_more_than_he_has_and_makes_no_roles(scene: Scene) -> None:
    page = await scene.chief.call("identity.RoleService/ListRoles", ListRequest(count="exact"))
    assert isinstance(page, roles.ListRolesResponse)
    assert {role.key for role in page.roles} == {"partner_administrator", "partner_user"}
    assert page.total_size == 2
    hidden = scene.roles["administrator"]
    refusal = await scene.chief.refused("identity.RoleService/GetRole", GetRequest(id=hidden))
    assert refusal.code is ABSENT
    absent = await not_created(scene.chief, name="x", role_ids=[scene.chief.id])
    for role in (hidden, await new_role(scene.admin, "stronger", [grant("products", "UPDATE")])):
        refusal = await not_created(scene.chief, name="x", role_ids=[role])
        assert (refusal.code, refusal.reason) == (absent.code, absent.reason)
    request = roles.CreateRoleRequest(role=roles.Role(name="mine"))
    denied = await scene.chief.refused("identity.RoleService/CreateRole", request)
    assert (denied.code, denied.reason) == (DENIED, "PERMISSION_DENIED")


async def test_a_role_that_a_company_makes_is_its_own(drive: Drive, scene: Scene) -> None:
    verbs = ("READ", "CREATE", "UPDATE", "DELETE")
    maker = await new_role(
        scene.admin, "maker", [grant("roles", *verbs), grant("customers", "READ")]
    )
    people = [
        await new_person(drive, scene.admin, f"maker.{number}", [maker], department_id)
        for number, department_id in enumerate((scene.company, scene.rival))
    ]
    mine = await new_role(people[0], "of the company", [grant("customers", "READ", scope="OWN")])
    shown = await people[0].call("identity.RoleService/GetRole", GetRequest(id=mine))
    assert isinstance(shown, roles.Role)
    assert shown.partner_company_id == scene.company
    get, change = "identity.RoleService/GetRole", "identity.RoleService/UpdateRole"
    assert (await people[1].refused(get, GetRequest(id=mine))).code is ABSENT
    renamed = roles.UpdateRoleRequest(role=roles.Role(id=mine, name="renamed"))
    await people[0].call(change, renamed)
    assert (await people[1].refused(change, renamed)).code is ABSENT
    for key in ("partner_user", "partner_administrator"):
        request = roles.UpdateRoleRequest(role=roles.Role(id=scene.roles[key], name="x"))
        assert (await people[0].refused(change, request)).code is ABSENT, "the head office's"


async def test_configuring_ends_where_its_scope_does(drive: Drive, scene: Scene) -> None:
    """One who may change all users but configure those of his department only."""
    department_id = await new_department(scene.admin, "desk")
    role = await new_role(
        scene.admin, "desk",
        [grant("users", "READ", "UPDATE"), grant("users", "CONFIGURE", scope="DEPARTMENT")],
    )  # fmt: skip
    head = await new_person(drive, scene.admin, "desk.head", [role], department_id)
    clerk = await create(scene.admin, name="Clerk", department_id=department_id)
    other = await create(scene.admin, name="Other")
    await head.call(*update(users.User(id=clerk.id, email="clerk@example.com")))
    await head.call(*update(users.User(id=other.id, name="Somebody")))
    refusal = await head.refused(*update(users.User(id=other.id, email="other@example.com")))
    assert (refusal.code, refusal.reason) == (DENIED, "DEPARTMENT_NOT_IN_SCOPE")
    taken = users.User(id=other.id, department_id=department_id)
    assert (await head.refused(*update(taken))).code is DENIED, "he draws nobody in"
    away = users.User(id=clerk.id, department_id=scene.company)
    assert (await head.refused(*update(away))).code is DENIED, "and sends nobody away"
