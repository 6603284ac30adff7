"""The settings of a tenant: who reads and changes them, what they are checked for, what follows."""

import grpc
import pytest

from crm.event.v1 import change_pb2
from crm.identity.v1 import role_pb2 as roles
from crm.identity.v1 import tenant_pb2 as pb
from crm.identity.v1 import user_pb2 as users
from tests.integration.drive import Drive, Person

SERVICE = "identity.TenantService"


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def settings(person: Person) -> pb.Tenant:
    tenant = await person.call(f"{SERVICE}/GetTenant", pb.GetTenantRequest())
    assert isinstance(tenant, pb.Tenant)
    return tenant


async def changed(person: Person, *, if_match: str = "", **fields: object) -> pb.Tenant:
    request = pb.UpdateTenantRequest(tenant=fields)
    request.update_mask.paths.extend(fields)
    tenant = await person.call(f"{SERVICE}/UpdateTenant", request, if_match=if_match)
    assert isinstance(tenant, pb.Tenant)
    return tenant


async def test_settings_are_changed_one_by_one_with_a_version(drive: Drive, admin: Person) -> None:
    before = await settings(admin)
    assert (before.password_length_min, before.retention_days, before.language) == (10, 30, "zh")
    after = await changed(
        admin, if_match=before.etag, address="北京市朝阳区 1 号", contact_name="王小明"
    )
    assert after.etag == '"2"'
    assert await settings(admin) == after
    assert (await changed(admin, address="北京市朝阳区 1 号")).etag == after.etag
    request = change_pb2.ListChangesRequest(
        tenant_id=admin.tenant_id, id=admin.tenant_id, resource="tenant"
    )
    answer = await drive.clients.call("identity", "crm.event.v1.ChangeService/ListChanges", request)
    assert isinstance(answer, change_pb2.ListChangesResponse)
    assert b'"contact_name":{"from":"","to":"\xe7\x8e\x8b' in answer.events[-1].data


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"}, {"currency_code": "XXZ"}, {"language": "fr"},
        {"password_length_min": 7}, {"retention_days": 0}, {"retention_days": 3651},
        {"fiscal_year_start_month": 0}, {"fiscal_year_start_month": 13}, {"state": "SUSPENDED"},
        {"name": ""}, {"slug": "other"}, {"id": "x"},
    ],
)  # fmt: skip
async def test_wrong_settings_are_refused(admin: Person, wrong: dict[str, object]) -> None:
    request = pb.UpdateTenantRequest(tenant=wrong)
    request.update_mask.paths.extend(wrong)
    refused = await admin.refused(f"{SERVICE}/UpdateTenant", request)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stale_version_is_refused_and_validating_changes_nothing(admin: Person) -> None:
    before = await settings(admin)
    request = pb.UpdateTenantRequest(tenant=pb.Tenant(name="Other"), validate_only=True)
    await admin.call(f"{SERVICE}/UpdateTenant", request)
    assert await settings(admin) == before
    stale = await admin.refused(f"{SERVICE}/UpdateTenant", request, if_match='"99"')
    assert stale.reason == "ETAG_MISMATCH"


async def test_reading_and_configuring_take_rights(drive: Drive, admin: Person) -> None:
    reads = roles.Grant(resource="tenant", verbs=["READ"], scope="ALL")
    reader = await drive.user(admin, "reader", [reads])
    nobody = await drive.user(admin, "nobody", [])
    assert await settings(reader) == await settings(admin)
    update = pb.UpdateTenantRequest(tenant=pb.Tenant(name="Mine"))
    assert (await reader.refused(f"{SERVICE}/UpdateTenant", update)).reason == "PERMISSION_DENIED"
    get = pb.GetTenantRequest()
    assert (await nobody.refused(f"{SERVICE}/GetTenant", get)).reason == "PERMISSION_DENIED"


async def test_the_policy_decides_which_passwords_are_good(admin: Person) -> None:
    await changed(admin, password_length_min=16)
    for password in ("only fifteen ch", f"{admin.slug} is our slug", "administrator123"):
        user = users.User(name="New", login=f"n{len(password)}", password=password)
        request = users.CreateUserRequest(user=user)
        refused = await admin.refused("identity.UserService/CreateUser", request)
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT, password
    await changed(admin, password_length_min=8)
    user = users.User(name="New", login="short", password="vwq7tkzh")
    await admin.call("identity.UserService/CreateUser", users.CreateUserRequest(user=user))
