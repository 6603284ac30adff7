"""The organisation stays a tree, and moving it changes no record but itself."""

import asyncio
import time

import asyncpg
import grpc
import pytest

from crm.customer.v1 import customer_pb2
from crm.identity.v1 import department_pb2 as departments
from crm.identity.v1 import user_pb2 as users
from crm.type.v1.requests_pb2 import DeleteRequest, ListRequest
from deploy.local.platform import Platform
from services.identity.domain.organisation import LEVELS_MAX
from tests.integration.drive import Drive, Person, Refusal
from tests.integration.security.partners import grant, new_department, new_person, new_role

FAILED = grpc.StatusCode.FAILED_PRECONDITION
CUSTOMERS = 10_000
WITHIN_S = 5.0
MORE = """
    insert into base.customer select (jsonb_populate_record(c, jsonb_build_object(
        'id', gen_random_uuid(), 'number', null, 'name', 'customer ' || n))).*
    from base.customer c, generate_series(2, $2) n where c.id = $1
"""
MARKS = "select count(*), sum(version), max(update_time) from base.customer where tenant_id = $1"


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


def moving(department_id: str, parent_id: str) -> tuple[str, departments.UpdateDepartmentRequest]:
    change = departments.Department(id=department_id, parent_id=parent_id)
    request = departments.UpdateDepartmentRequest(department=change)
    request.update_mask.paths.append("parent_id")
    return "identity.DepartmentService/UpdateDepartment", request


def reporting(user_id: str, manager_id: str) -> tuple[str, users.UpdateUserRequest]:
    user = users.User(id=user_id, manager_id=manager_id)
    return "identity.UserService/UpdateUser", users.UpdateUserRequest(user=user)


async def new_user(admin: Person, name: str, manager_id: str = "", department_id: str = "") -> str:
    user = users.User(name=name, manager_id=manager_id, department_id=department_id)
    request = users.CreateUserRequest(user=user)
    made = await admin.call("identity.UserService/CreateUser", request)
    assert isinstance(made, users.User)
    return made.id


async def outcome(admin: Person, move: tuple[str, departments.UpdateDepartmentRequest]) -> str:
    """How a move ended."""
    try:
        await admin.call(*move)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def test_departments_and_managers_form_no_circles(admin: Person) -> None:
    top = await new_department(admin, "top")
    middle = await new_department(admin, "middle", top)
    bottom = await new_department(admin, "bottom", middle)
    for below in (top, middle, bottom):
        refusal = await admin.refused(*moving(top, below))
        assert (refusal.code, refusal.reason) == (FAILED, "ORGANISATION_CYCLE"), below
    first = await new_user(admin, "First")
    second = await new_user(admin, "Second", first)
    third = await new_user(admin, "Third", second)
    for below in (first, second, third):
        refusal = await admin.refused(*reporting(first, below))
        assert (refusal.code, refusal.reason) == (FAILED, "ORGANISATION_CYCLE"), below
    await admin.call(*moving(bottom, top))
    await admin.call(*reporting(third, first))


async def test_two_moves_at_once_form_no_circle(admin: Person) -> None:
    for _ in range(5):
        one, two = [await new_department(admin, name) for name in ("one", "two")]
        ends = await asyncio.gather(
            outcome(admin, moving(one, two)), outcome(admin, moving(two, one))
        )
        assert sorted(ends) == ["FAILED_PRECONDITION", "OK"]


async def test_depth_is_bounded(admin: Person) -> None:
    chain = [await new_department(admin, "level")]
    for _ in range(LEVELS_MAX - 1):
        chain.append(await new_department(admin, "level", chain[-1]))
    too_deep = departments.CreateDepartmentRequest(
        department=departments.Department(name="x", parent_id=chain[-1])
    )
    refusal = await admin.refused("identity.DepartmentService/CreateDepartment", too_deep)
    assert (refusal.code, refusal.reason) == (FAILED, "ORGANISATION_TOO_DEEP")
    above = await new_department(admin, "above")
    assert (await admin.refused(*moving(chain[0], above))).reason == "ORGANISATION_TOO_DEEP"
    manager = await new_user(admin, "Manager 0")
    for number in range(1, LEVELS_MAX):
        manager = await new_user(admin, f"Manager {number}", manager)
    request = users.CreateUserRequest(user=users.User(name="x", manager_id=manager))
    refusal = await admin.refused("identity.UserService/CreateUser", request)
    assert refusal.reason == "ORGANISATION_TOO_DEEP"


async def test_partner_companies_do_not_nest(admin: Person) -> None:
    company = await new_department(admin, "company", partner=True)
    inner = await new_department(admin, "inner", company)
    other = await new_department(admin, "other", partner=True)
    region = await new_department(admin, "region")
    kind = departments.Department.PARTNER_COMPANY

    async def refused(**values: object) -> Refusal:
        made = departments.Department(name="x", **values)  # type: ignore[arg-type]  # whatever is tried
        request = departments.CreateDepartmentRequest(department=made)
        return await admin.refused("identity.DepartmentService/CreateDepartment", request)

    dealer = departments.Department.DEALER
    for parent_id in (company, inner):
        refusal = await refused(kind=kind, partner_kind=dealer, parent_id=parent_id)
        assert (refusal.code, refusal.reason) == (FAILED, "PARTNER_COMPANY_NESTED")
        assert (await admin.refused(*moving(other, parent_id))).reason == "PARTNER_COMPANY_NESTED"
    await admin.call(*moving(other, region))
    refusal = await admin.refused(*moving(region, inner))
    assert refusal.reason == "PARTNER_COMPANY_NESTED", "also with what is below"
    for wrong in ({"kind": kind}, {"partner_kind": dealer}):
        assert (await refused(**wrong)).code is grpc.StatusCode.INVALID_ARGUMENT
    unflagged = departments.Department(id=company, kind=departments.Department.DEPARTMENT)
    request = departments.UpdateDepartmentRequest(department=unflagged)
    refusal = await admin.refused("identity.DepartmentService/UpdateDepartment", request)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT, "the kind stays"


async def test_nothing_is_put_into_a_deleted_department(admin: Person) -> None:
    gone = await new_department(admin, "gone")
    await admin.call("identity.DepartmentService/DeleteDepartment", DeleteRequest(id=gone))
    for method, request in (
        moving(await new_department(admin, "left"), gone),
        (
            "identity.UserService/CreateUser",
            users.CreateUserRequest(user=users.User(name="x", department_id=gone)),
        ),
    ):
        refusal = await admin.refused(method, request)
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_moving_a_department_of_ten_thousand_customers_writes_none(
    drive: Drive, domain_platform: Platform, admin: Person, figures: list[str]
) -> None:
    """The scopes of those above follow; the rows and their versions stay."""
    north, south = [await new_department(admin, name) for name in ("north", "south")]
    moved = await new_department(admin, "moved", north)
    role = await new_role(admin, "head", [grant("customers", "READ", scope="DEPARTMENT_TREE")])
    heads = [
        await new_person(drive, admin, f"head.{place}", [role], place) for place in (north, south)
    ]
    owner = await new_user(admin, "Owner", department_id=moved)
    connection = await asyncpg.connect(domain_platform.database_url("customer", "owner"))
    try:
        await _fill(connection, admin, owner)
        before = await connection.fetchrow(MARKS, admin.tenant_id)
        assert [await _count(head) for head in heads] == [CUSTOMERS, 0]
        began = time.monotonic()
        await admin.call(*moving(moved, south))
        done = time.monotonic()
        while [await _count(head) for head in heads] != [0, CUSTOMERS]:
            assert time.monotonic() - began < WITHIN_S
            await asyncio.sleep(0.02)
        seen = time.monotonic()
        assert await connection.fetchrow(MARKS, admin.tenant_id) == before, "no row was written"
    finally:
        await connection.close()
    figures.append(
        f"a department of {CUSTOMERS} customers moved in {1000 * (done - began):.0f} ms, 0 rows"
        f" written, scopes followed after {seen - began:.2f} s"
    )


async def _fill(connection: asyncpg.Connection, admin: Person, owner: str) -> None:
    """One customer of the owner, and copies of it."""
    customer = customer_pb2.Customer(name="customer 1", owner_id=owner)
    request = customer_pb2.CreateCustomerRequest(customer=customer)
    made = await admin.call("customer.CustomerService/CreateCustomer", request)
    assert isinstance(made, customer_pb2.Customer)
    await connection.execute(MORE, made.id, CUSTOMERS)


async def _count(who: Person) -> int:
    request = ListRequest(page_size=1, count="exact")
    page = await who.call("customer.CustomerService/ListCustomers", request)
    assert isinstance(page, customer_pb2.ListCustomersResponse)
    return page.total_size
