"""Links to set a password: sent to those who have an address, and nobody learns who has one."""

import asyncio
import json
from pathlib import Path

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from crm.chassis.v1 import custom_field_pb2
from crm.identity.v1 import credential_pb2 as pb
from crm.identity.v1 import session_pb2 as sessions
from crm.identity.v1 import tenant_pb2 as tenants
from crm.identity.v1 import user_pb2 as users
from deploy.local.platform import Platform
from services.identity.domain.mail import OPEN_MAX
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.security.leakage import T_MAX, Way, leaks, timed, told
from tests.integration.security.mailbox import mails_to
from tests.integration.security.signing import (
    CREDENTIALS,
    exchanged,
    forget_failures,
    identity_rows,
    new_user,
    one_time_password,
    open_session,
    person_of,
    reason,
    refusal,
)

NEW_PASSWORD = "quite another passphrase"
SAMPLES = 100


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


@pytest.fixture
def folder(domain_platform: Platform) -> Path:
    return domain_platform.run_dir / "mail"


async def ask(drive: Drive, login: str = "", tenant: str = "", email: str = "") -> None:
    request = pb.CreatePasswordResetRequest(login=login, tenant=tenant, email=email)
    await drive.clients.call("identity", f"{CREDENTIALS}/CreatePasswordReset", request)


async def confirm(drive: Drive, token: str, password: str = NEW_PASSWORD) -> None:
    request = pb.ConfirmPasswordResetRequest(token=token, new_password=password)
    await drive.clients.call("identity", f"{CREDENTIALS}/ConfirmPasswordReset", request)


async def test_a_link_sets_the_password_once_and_ends_sessions(
    domain_platform: Platform, drive: Drive, admin: Person, folder: Path
) -> None:
    await new_user(admin, "amnesiac")
    who = {"login": "amnesiac", "tenant": admin.slug}
    session = await open_session(drive, **who)
    await ask(drive, **who)
    (mail,) = await mails_to(folder, f"amnesiac@{admin.slug}.example")
    assert "30 分钟" in mail.text
    assert f"{domain_platform.url()}/set-password#token=" in mail.text
    rows = await identity_rows(domain_platform, "SELECT token_hash FROM base.password_reset")
    assert mail.token not in str(rows)
    weak = await refusal(confirm(drive, mail.token, "amnesiac is my name"))
    assert weak.code() is grpc.StatusCode.INVALID_ARGUMENT, "and the link is still good"
    await confirm(drive, mail.token)
    assert await reason(exchanged(drive, session.access_token)) == "SESSION_INVALID"
    assert await reason(open_session(drive, **who)) == "CREDENTIALS_INVALID"
    await open_session(drive, **who, password=NEW_PASSWORD)
    again = await refusal(confirm(drive, mail.token, "yet another passphrase"))
    assert again.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_link_expires_and_dies_with_the_address_or_the_account(
    domain_platform: Platform, drive: Drive, admin: Person, folder: Path
) -> None:
    ids = {one: await new_user(admin, one) for one in ("late", "moved", "gone")}
    tokens = {}
    for one in ids:
        await ask(drive, email=f"{one}@{admin.slug}.example")
        (mail,) = await mails_to(folder, f"{one}@{admin.slug}.example")
        tokens[one] = mail.token
    late = "UPDATE base.password_reset SET expire_time = now() WHERE user_id = $1"
    await identity_rows(domain_platform, late, ids["late"])
    for user in (
        users.User(id=ids["moved"], email=f"elsewhere@{admin.slug}.example"),
        users.User(id=ids["gone"], state=users.User.DISABLED),
    ):
        await admin.call("identity.UserService/UpdateUser", users.UpdateUserRequest(user=user))
    texts = set()
    for one in (*tokens.values(), "crm_pr_" + "x" * 43):
        error = await refusal(confirm(drive, one))
        texts.add((error.code(), error.details()))
    assert len(texts) == 1, texts


async def test_nobody_learns_whom_a_name_belongs_to(
    domain_platform: Platform, drive: Drive, admin: Person, figures: list[str]
) -> None:
    ways: dict[str, Way] = {
        "known": lambda: ask(drive, login="admin", tenant=admin.slug),
        "unknown": lambda: ask(drive, login="nobody.at.all", tenant=admin.slug),
    }
    times = await timed(ways, SAMPLES, lambda: forget_failures(domain_platform))
    figures.append(f"asking for a link: {told(times)}")
    assert abs(leaks(times)["unknown"]) < T_MAX, told(times)


async def test_a_user_gets_a_few_mails_at_most(
    domain_platform: Platform, drive: Drive, admin: Person, folder: Path
) -> None:
    await new_user(admin, "bombed")
    for _ in range(OPEN_MAX + 3):
        await forget_failures(domain_platform)
        await ask(drive, login="bombed", tenant=admin.slug)
    await mails_to(folder, f"bombed@{admin.slug}.example", OPEN_MAX)
    await asyncio.sleep(3)  # two rounds of the job
    assert not await identity_rows(domain_platform, "SELECT FROM base.reset_request")
    assert len(await mails_to(folder, f"bombed@{admin.slug}.example")) == OPEN_MAX


async def test_a_mail_that_cannot_be_sent_is_sent_later(
    domain_platform: Platform, drive: Drive, admin: Person, folder: Path
) -> None:
    user_id = await new_user(admin, "patient", password="")
    aside = await asyncio.to_thread(_replaced_by_a_file, folder)
    invite = pb.InviteUserRequest(id=user_id)
    await admin.call("identity.CredentialService/InviteUser", invite)
    tried = "SELECT attempts FROM base.mail WHERE user_id = $1 AND attempts > 0"
    await asyncio.sleep(3)  # two rounds of the job
    (row,) = await identity_rows(domain_platform, tried, user_id)
    assert row["attempts"] == 1, "not again at once"
    await asyncio.to_thread(_put_back, aside, folder)
    now = "UPDATE base.mail SET next_time = now() WHERE user_id = $1"
    await identity_rows(domain_platform, now, user_id)
    (mail,) = await mails_to(folder, f"patient@{admin.slug}.example")
    await confirm(drive, mail.token)
    left = "SELECT FROM base.mail WHERE kind = 'INVITE'"
    assert not await identity_rows(domain_platform, left)


async def test_who_has_a_new_password_is_told(drive: Drive, admin: Person, folder: Path) -> None:
    user_id = await new_user(admin, "told")
    address = f"told@{admin.slug}.example"
    session = await open_session(drive, login="told", tenant=admin.slug)
    person = await person_of(drive, admin.slug, session)
    change = sessions.ChangePasswordRequest(old_password=PASSWORD, new_password=NEW_PASSWORD)
    await person.call("identity.SessionService/ChangePassword", change)
    (mail,) = await mails_to(folder, address, linked=False)
    assert "密码已更改" in mail.subject
    await one_time_password(admin, user_id)
    await ask(drive, login="told", tenant=admin.slug)
    (link,) = await mails_to(folder, address)
    await confirm(drive, link.token, "a third passphrase")
    patched = users.User(id=user_id, password="a fourth passphrase")
    await admin.call("identity.UserService/UpdateUser", users.UpdateUserRequest(user=patched))
    assert len(await mails_to(folder, address, 4, linked=False)) == 4


def _replaced_by_a_file(folder: Path) -> Path:
    """Where the folder went, into which nothing can be written now."""
    folder.mkdir(exist_ok=True)
    aside = folder.rename(folder.with_name("mail-aside"))
    folder.touch()
    return aside


def _put_back(aside: Path, folder: Path) -> None:
    folder.unlink()
    aside.rename(folder)


async def test_an_invitation_lets_a_new_user_set_his_password(
    drive: Drive, admin: Person, folder: Path
) -> None:
    english = tenants.Tenant(language="en", name="Müller & Söhne")
    await admin.call(
        "identity.TenantService/UpdateTenant", tenants.UpdateTenantRequest(tenant=english)
    )
    user_id = await new_user(admin, "invited", password="")
    await admin.call("identity.CredentialService/InviteUser", pb.InviteUserRequest(id=user_id))
    (mail,) = await mails_to(folder, f"invited@{admin.slug}.example")
    assert mail.subject == "Your account at Müller & Söhne"
    assert "within 7 days" in mail.text
    await confirm(drive, mail.token)
    await open_session(drive, login="invited", tenant=admin.slug, password=NEW_PASSWORD)
    bare = users.User(name="No Address", login="bare")
    made = await admin.call("identity.UserService/CreateUser", users.CreateUserRequest(user=bare))
    assert isinstance(made, users.User)
    refused = await admin.refused(
        "identity.CredentialService/InviteUser", pb.InviteUserRequest(id=made.id)
    )
    assert refused.reason == "USER_WITHOUT_EMAIL"


async def test_the_event_of_a_new_password_tells_own_fields_as_well(
    domain_platform: Platform, drive: Drive, admin: Person, folder: Path
) -> None:
    field = custom_field_pb2.CustomField(name="desk", label="Desk", kind="TEXT")
    request = custom_field_pb2.CreateCustomFieldRequest(resource="users", custom_field=field)
    await admin.call("identity.crm.chassis.v1.CustomFieldService/CreateCustomField", request)
    user_id, own = await new_user(admin, "seated"), Struct()
    own.update({"desk": "4711"})
    user = users.User(id=user_id, custom_fields=own)
    await admin.call("identity.UserService/UpdateUser", users.UpdateUserRequest(user=user))
    await ask(drive, login="seated", tenant=admin.slug)
    (mail,) = await mails_to(folder, f"seated@{admin.slug}.example")
    await confirm(drive, mail.token)
    query = "SELECT representation FROM base.change WHERE record_id = $1 AND resource = 'user'"
    rows = await identity_rows(domain_platform, f"{query} ORDER BY version DESC", user_id)
    assert json.loads(rows[0]["representation"])["custom_fields"] == {"desk": "4711"}
