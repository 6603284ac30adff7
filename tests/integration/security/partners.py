"""A tenant with a head office and two partner companies, each with people and records."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.access.model import VERBS
from crm.identity.v1 import department_pb2 as departments
from crm.identity.v1 import role_pb2 as roles
from crm.identity.v1 import user_pb2 as users
from crm.type.v1.requests_pb2 import ListRequest
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.sales.conftest import stages_of
from tests.integration.security.ground import Ground

# What everybody of a tenant shares: the catalogue; and from the head office roles that allow
# nothing, and what it tells everyone.
SHARED = frozenset({"Product", "Pipeline", "Stage"})
TOLD = frozenset({"Role", "Announcement"})


@dataclass(frozen=True)
class Company:
    """One partner company; its chief may do everything within it."""

    department_id: str
    chief: Person
    ground: Ground

    @property
    def own_ids(self) -> list[str]:
        """Ids that nobody else may learn of."""
        ids = [one for name, one in self.ground.ids.items() if name not in SHARED]
        return [*ids, self.department_id, self.chief.id]


@dataclass(frozen=True)
class Partners:
    """The head office and two companies."""

    office: Ground
    one: Company
    two: Company

    @property
    def office_ids(self) -> list[str]:
        """Ids of the head office that no partner may learn of."""
        ids = self.office.ids.items()
        return [*(one for name, one in ids if name not in {*SHARED, *TOLD}), self.office.person.id]


async def partners(drive: Drive) -> Partners:
    """A fresh tenant with all of them."""
    admin = await drive.tenant()
    await stages_of(admin)  # so that opportunities find a stage
    role = await new_role(admin, "chief", [grant("*", *VERBS, scope="PARTNER_COMPANY")])
    companies = []
    for tag in ("one", "two"):
        department_id = await new_department(admin, tag, partner=True)
        chief = await new_person(drive, admin, f"chief.{tag}", [role], department_id)
        companies.append(
            Company(department_id, chief, await Ground(chief, tag, login=f"chief.{tag}").fill())
        )
    return Partners(await Ground(admin, "office").fill(), *companies)


def grant(resource: str, *verbs: str, scope: str = "ALL") -> roles.Grant:
    """A grant by names."""
    return roles.Grant(resource=resource, verbs=verbs, scope=scope)


async def new_role(who: Person, name: str, grants: Sequence[roles.Grant]) -> str:
    """A new role's id."""
    request = roles.CreateRoleRequest(role=roles.Role(name=name, grants=grants))
    made = await who.call("identity.RoleService/CreateRole", request)
    assert isinstance(made, roles.Role)
    return made.id


async def role_id(who: Person, key: str) -> str:
    """Id of a ready-made role."""
    page = await who.call("identity.RoleService/ListRoles", ListRequest(filter=f'key = "{key}"'))
    assert isinstance(page, roles.ListRolesResponse)
    return page.roles[0].id


async def new_department(
    who: Person, name: str, parent_id: str = "", *, partner: bool = False
) -> str:
    """A new department's id; `partner`: a dealer."""
    made = departments.Department(name=name, parent_id=parent_id)
    if partner:
        made.kind = departments.Department.PARTNER_COMPANY
        made.partner_kind = departments.Department.DEALER
    request = departments.CreateDepartmentRequest(department=made)
    answer = await who.call("identity.DepartmentService/CreateDepartment", request)
    assert isinstance(answer, departments.Department)
    return answer.id


async def new_person(
    drive: Drive, who: Person, login: str, role_ids: Sequence[str], department_id: str = ""
) -> Person:
    """A new user, signed in."""
    user = users.User(
        name=login, login=login, password=PASSWORD, role_ids=role_ids, department_id=department_id
    )
    await who.call("identity.UserService/CreateUser", users.CreateUserRequest(user=user))
    return await drive.sign_in(who.slug, login)
