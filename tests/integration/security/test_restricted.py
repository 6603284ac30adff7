"""A session that must do something first can do nothing else, in any service."""

from datetime import timedelta

import grpc
import pytest

from chassis.rpc.methods import method_facts
from crm.identity.v1 import credential_pb2 as credentials
from crm.identity.v1 import session_pb2 as pb
from crm.identity.v1 import tenant_pb2 as tenants
from crm.identity.v1 import user_pb2 as users
from deploy.local.platform import Platform
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.security.policy import policy, processes
from tests.integration.security.signing import (
    exchanged,
    identity_rows,
    new_user,
    one_time_password,
    open_session,
    person_of,
    reason,
)
from tests.integration.security.wire import Wire

CHANGE = "identity.SessionService/ChangePassword"
NEW_PASSWORD = "quite another passphrase"


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def refusals(wire: Wire, token: str, wanted: str) -> list[str]:
    """Every method, in every process, that is not refused for the reason it should be."""
    wrong = []
    for method, rule in policy().items():
        service, name = method.split("/")
        access = method_facts(service)[name].access
        if rule in {"open", "internal"}:
            continue
        for process in processes(method):
            outcome = await wire.call(process, method, authorization=f"Bearer {token}")
            if (outcome.reason == wanted) == access.restricted:
                wrong.append(f"{process} {method}: {outcome.code} {outcome.reason}")
    return wrong


async def test_a_one_time_password_opens_nothing_but_its_change(
    drive: Drive, wire: Wire, admin: Person, figures: list[str]
) -> None:
    user_id = await new_user(admin, "beginner", password="")
    early = open_session(drive, login="beginner", tenant=admin.slug)
    assert await reason(early) == "CREDENTIALS_INVALID"
    password = await one_time_password(admin, user_id)
    session = await open_session(drive, login="beginner", tenant=admin.slug, password=password)
    assert session.password_change_required
    assert (await exchanged(drive, session.access_token)).restriction == "PASSWORD_CHANGE_REQUIRED"
    person = await person_of(drive, admin.slug, session)
    assert not await refusals(wire, person.token, "PASSWORD_CHANGE_REQUIRED")
    figures.append(f"restricted session: {len(policy())} RPCs tried in every service")
    change = pb.ChangePasswordRequest(old_password=password, new_password=NEW_PASSWORD)
    await person.call(CHANGE, change)
    session = await open_session(drive, login="beginner", tenant=admin.slug, password=NEW_PASSWORD)
    assert not session.password_change_required
    me = await (await person_of(drive, admin.slug, session)).call(
        "identity.UserService/GetOwnUser", users.GetOwnUserRequest()
    )
    assert isinstance(me, users.User)
    assert not me.password_change_required
    assert me.HasField("password_update_time")


async def test_a_one_time_password_ends_sessions_and_expires(
    domain_platform: Platform, drive: Drive, admin: Person
) -> None:
    user_id = await new_user(admin, "forgetful")
    before = await open_session(drive, login="forgetful", tenant=admin.slug)
    password = await one_time_password(admin, user_id)
    assert await reason(exchanged(drive, before.access_token)) == "SESSION_INVALID"
    who = {"login": "forgetful", "tenant": admin.slug}
    assert await reason(open_session(drive, **who)) == "CREDENTIALS_INVALID"
    (row,) = await identity_rows(
        domain_platform,
        "SELECT expire_time - update_time AS life FROM base.credential WHERE user_id = $1",
        user_id,
    )
    assert row["life"] == timedelta(days=7)
    expire = "UPDATE base.credential SET expire_time = now() WHERE user_id = $1"
    await identity_rows(domain_platform, expire, user_id)
    late = open_session(drive, **who, password=password)
    assert await reason(late) == "PASSWORD_EXPIRED"
    assert await reason(open_session(drive, **who, password="no")) == "CREDENTIALS_INVALID"


async def test_an_administrator_forces_a_change_of_password(drive: Drive, admin: Person) -> None:
    user_id = await new_user(admin, "stale")
    user = users.User(id=user_id, password_change_required=True)
    await admin.call("identity.UserService/UpdateUser", users.UpdateUserRequest(user=user))
    session = await open_session(drive, login="stale", tenant=admin.slug)
    assert session.password_change_required
    person = await person_of(drive, admin.slug, session)
    same = pb.ChangePasswordRequest(old_password=PASSWORD, new_password=PASSWORD)
    assert (await person.refused(CHANGE, same)).code is grpc.StatusCode.INVALID_ARGUMENT


async def test_only_those_who_may_configure_users_reset_passwords(
    drive: Drive, admin: Person, stranger: Person
) -> None:
    user_id = await new_user(admin, "target")
    plain = await drive.user(admin, "plain", [])
    for method, request in (
        ("ResetPassword", credentials.ResetPasswordRequest(id=user_id)),
        ("InviteUser", credentials.InviteUserRequest(id=user_id)),
        ("ResetSecondFactor", credentials.ResetSecondFactorRequest(id=user_id)),
    ):
        path = f"identity.CredentialService/{method}"
        assert (await plain.refused(path, request)).reason == "PERMISSION_DENIED"
        assert (await stranger.refused(path, request)).reason == "NOT_FOUND"


async def test_a_tenant_that_asks_for_second_factors_restricts_who_has_none(
    drive: Drive, wire: Wire
) -> None:
    boss = await drive.tenant()
    tenant = tenants.Tenant(second_factor_required=True)
    await boss.call(
        "identity.TenantService/UpdateTenant", tenants.UpdateTenantRequest(tenant=tenant)
    )
    session = await open_session(drive, login="admin", tenant=boss.slug)
    assert session.second_factor_required
    person = await person_of(drive, boss.slug, session)
    assert not await refusals(wire, person.token, "SECOND_FACTOR_ENROLMENT_REQUIRED")
