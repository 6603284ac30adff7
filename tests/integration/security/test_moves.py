"""Nobody widens what he sees by moving himself or a department, and no move takes a tenant's last
administrator out of the head office.
"""

import grpc
import pytest
from google.protobuf.message import Message

from crm.identity.v1 import department_pb2 as departments
from crm.identity.v1 import user_pb2 as users
from tests.integration.drive import Drive, Person
from tests.integration.security.partners import grant, new_department, new_person, new_role

DENIED = grpc.StatusCode.PERMISSION_DENIED
CHANGE = ("READ", "UPDATE")


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


def moving(department_id: str, parent_id: str) -> tuple[str, Message]:
    department = departments.Department(id=department_id, parent_id=parent_id)
    request = departments.UpdateDepartmentRequest(department=department)
    return "identity.DepartmentService/UpdateDepartment", request


def joining(user_id: str, department_id: str) -> tuple[str, Message]:
    user = users.User(id=user_id, department_id=department_id)
    return "identity.UserService/UpdateUser", users.UpdateUserRequest(user=user)


async def test_a_department_is_moved_by_those_only_who_configure_it(
    drive: Drive, admin: Person
) -> None:
    own, other, below = [await new_department(admin, one) for one in ("own", "other", "below")]
    seeing = grant("customers", "READ", scope="DEPARTMENT_TREE")
    editor = await new_role(admin, "editor", [seeing, grant("departments", *CHANGE)])
    narrow = grant("departments", *CHANGE, "CONFIGURE", scope="DEPARTMENT_TREE")
    leader = await new_role(admin, "leader", [seeing, narrow, grant("departments", *CHANGE)])
    for name, role in (("leader", leader), ("editor", editor)):
        who = await new_person(drive, admin, name, [role], own)
        refusal = await who.refused(*moving(other, own))
        assert refusal.code is DENIED, f"{name} would see the customers of the other one"
        renamed = departments.Department(id=other, name="still the other one")
        request = departments.UpdateDepartmentRequest(department=renamed)
        await who.call("identity.DepartmentService/UpdateDepartment", request)
    await admin.call(*moving(below, own))
    inner = await new_department(admin, "inner", own)
    await (await drive.sign_in(admin.slug, "leader")).call(*moving(below, inner))


async def test_who_reaches_himself_does_not_move_himself(drive: Drive, admin: Person) -> None:
    own, other = [await new_department(admin, name) for name in ("own", "other")]
    for scope in ("OWN", "SUBORDINATES"):
        role = await new_role(
            admin,
            f"configures {scope}",
            [
                grant("users", *CHANGE, "CONFIGURE", scope=scope),
                grant("departments", "READ"),
                grant("customers", "READ", scope="DEPARTMENT_TREE"),
            ],
        )
        who = await new_person(drive, admin, f"mover.{scope.lower()}", [role], own)
        refusal = await who.refused(*joining(who.id, other))
        assert (refusal.code, refusal.reason) == (DENIED, "DEPARTMENT_NOT_IN_SCOPE"), scope


async def test_the_last_administrator_stays_in_the_head_office(admin: Person) -> None:
    company = await new_department(admin, "company", partner=True)
    office = await new_department(admin, "office")
    assert (await admin.refused(*joining(admin.id, company))).reason == "LAST_ADMINISTRATOR"
    await admin.call(*joining(admin.id, office))
    assert (await admin.refused(*moving(office, company))).reason == "LAST_ADMINISTRATOR"
