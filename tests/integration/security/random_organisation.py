"""Random organisations: departments, one of them a partner company, people who report to each
other, roles of all scopes, customers and shares.
"""

from dataclasses import dataclass, field
from random import Random

from crm.chassis.v1 import access_pb2, share_pb2
from crm.customer.v1.customer_pb2 import CreateCustomerRequest, Customer, UpdateCustomerRequest
from crm.identity.v1 import user_pb2
from crm.type.v1.requests_pb2 import GetRequest, ListRequest
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.security.partners import grant, new_department, new_role

SHARES = "customer.crm.chassis.v1.ShareService"
EXPLAIN = "customer.crm.chassis.v1.AccessService/ExplainAccess"
SCOPES = ("OWN", "SUBORDINATES", "DEPARTMENT", "DEPARTMENT_TREE", "PARTNER_COMPANY", "ALL")
PEOPLE, CUSTOMERS, SHARED = 6, 8, 8
NOT_THERE = {"NOT_FOUND", "PERMISSION_DENIED"}


@dataclass
class Organisation:
    """One tenant: its administrator, its people, what there is."""

    admin: Person
    random: Random
    departments: list[str] = field(default_factory=list)
    user_ids: list[str] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    customers: list[str] = field(default_factory=list)
    shares: int = 0

    async def department(self, parent_id: str = "", *, partner: bool = False) -> str:
        """A new department below another, or a partner company."""
        name = f"部门 {len(self.departments)}"
        made = await new_department(self.admin, name, parent_id, partner=partner)
        self.departments.append(made)
        return made

    async def role(self, name: str) -> str:
        """A role that may read and perhaps change customers within a scope."""
        verbs = self.random.choice((["READ"], ["READ", "UPDATE"], ["UPDATE"]))
        scope = self.random.choice(SCOPES)
        return await new_role(self.admin, name, [grant("customers", *verbs, scope=scope)])

    async def user(self, login: str, role_ids: list[str]) -> str:
        """Somebody in a department, who reports to somebody or nobody."""
        user = user_pb2.User(
            name=login,
            login=login,
            password=PASSWORD,
            role_ids=role_ids,
            department_id=self.random.choice(self.departments),
            manager_id=self.random.choice(["", *self.user_ids]),
        )
        made = await self.admin.call(
            "identity.UserService/CreateUser", user_pb2.CreateUserRequest(user=user)
        )
        assert isinstance(made, user_pb2.User)
        self.user_ids.append(made.id)
        return made.id

    async def customer(self, name: str) -> None:
        """A customer of anybody."""
        record = Customer(name=name, owner_id=self.random.choice(self.user_ids))
        made = await self.admin.call(
            "customer.CustomerService/CreateCustomer", CreateCustomerRequest(customer=record)
        )
        assert isinstance(made, Customer)
        self.customers.append(made.id)

    async def share(self) -> None:
        """Any record with anybody at any level; across companies it is refused."""
        share = share_pb2.Share(level=self.random.choice(("READ", "WRITE")))
        if self.random.random() < 0.5:
            share.user_id = self.random.choice(self.user_ids)
        else:
            share.department_id = self.random.choice(self.departments)
        request = share_pb2.CreateShareRequest(
            resource="customers", record_id=self.random.choice(self.customers), share=share
        )
        refused = await self.admin.reason(f"{SHARES}/CreateShare", request)
        assert refused in {"", "INVALID_FIELDS"}
        self.shares += not refused


async def organisation(drive: Drive, seed: int) -> Organisation:
    """The organisation of that number, always the same but for its ids."""
    made = Organisation(await drive.tenant(), Random(seed))
    top = await made.department()
    await made.department(await made.department(top))
    company = await made.department(partner=True)
    await made.department(company)
    for at in range(PEOPLE):
        roles = [await made.role(f"role {at}.{each}") for each in range(made.random.choice((1, 2)))]
        await made.user(f"user.{at}", roles)
    # A token that is newer than they are, so that every service knows them.
    made.admin = await drive.sign_in(made.admin.slug, "admin")
    for at in range(CUSTOMERS):
        await made.customer(f"客户 {at}")
    for _ in range(SHARED):
        await made.share()
    made.people = [await drive.sign_in(made.admin.slug, f"user.{at}") for at in range(PEOPLE)]
    return made


async def explained(
    asker: Person, user_id: str, verb: str, record_id: str
) -> access_pb2.ExplainAccessResponse:
    """What is said of a user and a customer."""
    request = access_pb2.ExplainAccessRequest(
        user_id=user_id, resource="customers", verb=verb, record_id=record_id
    )
    answer = await asker.call(EXPLAIN, request)
    assert isinstance(answer, access_pb2.ExplainAccessResponse)
    return answer


async def really(person: Person, verb: str, record_id: str) -> bool:
    """Whether the person does it, changing nothing."""
    if verb == "READ":
        request = GetRequest(id=record_id)
        return not await person.reason("customer.CustomerService/GetCustomer", request, NOT_THERE)
    change = UpdateCustomerRequest(
        customer=Customer(id=record_id, description="tried"), validate_only=True
    )
    return not await person.reason("customer.CustomerService/UpdateCustomer", change, NOT_THERE)


async def listed(person: Person) -> set[str]:
    """The customers in the person's list."""
    method, request = "customer.CustomerService/ListCustomers", ListRequest(page_size=1000)
    if await person.reason(method, request, NOT_THERE):
        return set()
    page = await person.call(method, request)
    return {one.id for one in getattr(page, "customers")}  # noqa: B009  # clients answer with messages in general
