"""A hidden field is as good as not there, also where fields are declared and people are listed."""

import pytest

from crm.chassis.v1 import custom_field_pb2
from crm.chassis.v1.bulk_pb2 import PreviewBulkRequest, PreviewBulkResponse
from crm.chassis.v1.history_pb2 import ListHistoryRequest
from crm.chassis.v1.setting_pb2 import GetSettingRequest, ListSettingsRequest
from crm.identity.v1 import presence_pb2
from crm.identity.v1 import role_pb2 as roles
from crm.identity.v1.field_rule_pb2 import FieldRule
from tests.integration.drive import Drive, Person
from tests.integration.security.partners import grant, new_person

FIELDS = "customer.crm.chassis.v1.CustomFieldService"


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def new_field(admin: Person, name: str) -> str:
    field = custom_field_pb2.CustomField(name=name, label=name, kind="TEXT")
    request = custom_field_pb2.CreateCustomFieldRequest(resource="customers", custom_field=field)
    made = await admin.call(f"{FIELDS}/CreateCustomField", request)
    assert isinstance(made, custom_field_pb2.CustomField)
    return made.id


def renaming(field_id: str, name: str) -> custom_field_pb2.UpdateCustomFieldRequest:
    return custom_field_pb2.UpdateCustomFieldRequest(
        resource="customers", custom_field=custom_field_pb2.CustomField(id=field_id, name=name)
    )


async def restricted(drive: Drive, admin: Person, resource: str, field: str) -> Person:
    """Somebody who configures customers and reads users, without this field."""
    role = roles.Role(
        name="restricted",
        grants=[grant("customers", "READ", "CONFIGURE"), grant("users", "READ")],
        field_rules=[FieldRule(resource=resource, field=field, access=FieldRule.HIDDEN)],
    )
    made = await admin.call("identity.RoleService/CreateRole", roles.CreateRoleRequest(role=role))
    assert isinstance(made, roles.Role)
    return await new_person(drive, admin, "restricted", [made.id])


async def test_hidden_own_fields_are_not_declared_for_him(drive: Drive, admin: Person) -> None:
    salary, tier = await new_field(admin, "salary"), await new_field(admin, "tier")
    who = await restricted(drive, admin, "customers", "custom_fields.salary")
    page = await who.call(f"{FIELDS}/ListCustomFields", ListSettingsRequest(resource="customers"))
    assert isinstance(page, custom_field_pb2.ListCustomFieldsResponse)
    assert [one.id for one in page.custom_fields] == [tier]
    get = GetSettingRequest(resource="customers", id=salary)
    assert (await who.refused(f"{FIELDS}/GetCustomField", get)).reason == "NOT_FOUND"
    asked = ListHistoryRequest(resource="customers", id=salary)
    history = "customer.crm.chassis.v1.HistoryService/ListCustomFieldHistory"
    assert (await who.refused(history, asked)).reason == "NOT_FOUND"
    bulk = PreviewBulkRequest(resource="customers", settings="custom_fields", ids=[salary, tier])
    counted = await who.call("customer.crm.chassis.v1.BulkService/PreviewBulk", bulk)
    assert isinstance(counted, PreviewBulkResponse)
    assert counted.count == 1
    refusal = await who.refused(f"{FIELDS}/UpdateCustomField", renaming(salary, "pay"))
    assert refusal.reason == "NOT_FOUND", "renamed, it would be no hidden field any more"


async def test_settings_of_another_collection_are_not_among_them(admin: Person) -> None:
    field = custom_field_pb2.CustomField(name="salary", label="Salary", kind="TEXT")
    request = custom_field_pb2.CreateCustomFieldRequest(resource="contacts", custom_field=field)
    other = await admin.call(f"{FIELDS}/CreateCustomField", request)
    assert isinstance(other, custom_field_pb2.CustomField)
    get = GetSettingRequest(resource="customers", id=other.id)
    assert (await admin.refused(f"{FIELDS}/GetCustomField", get)).reason == "NOT_FOUND"
    mine = await new_field(admin, "salary")
    sides: dict[str, dict[str, object]] = {
        "ids": {"ids": [mine, other.id]}, "filter": {"filter": "position >= 0"},
    }  # fmt: skip
    for side, chosen in sides.items():
        bulk = PreviewBulkRequest(resource="customers", settings="custom_fields", **chosen)  # type: ignore[arg-type]  # fields by name
        counted = await admin.call("customer.crm.chassis.v1.BulkService/PreviewBulk", bulk)
        assert isinstance(counted, PreviewBulkResponse)
        assert counted.count == 1, side


async def test_a_field_that_roles_have_rules_on_keeps_its_name(drive: Drive, admin: Person) -> None:
    salary, tier = await new_field(admin, "salary"), await new_field(admin, "tier")
    who = await restricted(drive, admin, "customers", "custom_fields.salary")
    # The service knows the role once its user has called.
    await who.call(f"{FIELDS}/ListCustomFields", ListSettingsRequest(resource="customers"))
    refusal = await admin.refused(f"{FIELDS}/UpdateCustomField", renaming(salary, "pay"))
    assert refusal.reason == "FIELD_HAS_RULES"
    await admin.call(f"{FIELDS}/UpdateCustomField", renaming(tier, "level"))


async def test_rules_are_about_fields_that_there_are(admin: Person) -> None:
    for resource, field in (("customers", "phon"), ("customer", "phone")):
        rule = FieldRule(resource=resource, field=field, access=FieldRule.HIDDEN)
        request = roles.CreateRoleRequest(role=roles.Role(name="slip", field_rules=[rule]))
        refusal = await admin.refused("identity.RoleService/CreateRole", request)
        assert refusal.reason == "INVALID_FIELDS", field


async def test_grants_are_on_collections_that_there_are(admin: Person) -> None:
    for resource in ("customer", "custom_fields", "dragons"):
        role = roles.Role(name="slip", grants=[grant(resource, "READ")])
        request = roles.CreateRoleRequest(role=role)
        refusal = await admin.refused("identity.RoleService/CreateRole", request)
        assert refusal.reason == "INVALID_FIELDS", resource
    everything = roles.Role(name="all", grants=[grant("*", "READ"), grant("tenant", "READ")])
    request = roles.CreateRoleRequest(role=everything)
    await admin.call("identity.RoleService/CreateRole", request)


async def test_hidden_names_are_not_told_of_who_is_online(drive: Drive, admin: Person) -> None:
    who = await restricted(drive, admin, "users", "name")
    for person, told in ((admin, True), (who, False)):
        method = "identity.PresenceService/ListOnlineUsers"
        answer = await person.call(method, presence_pb2.ListOnlineUsersRequest())
        assert isinstance(answer, presence_pb2.ListOnlineUsersResponse)
        assert admin.id in {one.user_id for one in answer.users}
        assert any(one.name for one in answer.users) is told
