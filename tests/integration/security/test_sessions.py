"""Signing in and what ends a session: S11, S12, S14, S15."""

import asyncio
import time

import asyncpg
import grpc
import pytest

from chassis.rpc.identity import LOOKUPS
from crm.chassis.v1.import_pb2 import LookupRecordsRequest
from crm.identity.v1 import session_pb2 as pb
from crm.identity.v1 import user_pb2 as users
from deploy.local.platform import Platform
from services.identity.domain.session import SESSIONS_MAX
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.security.leakage import T_MAX, Way, leaks, timed, told
from tests.integration.security.signing import (
    REFUSED,
    exchanged,
    forget_failures,
    identity_rows,
    new_user,
    open_session,
    refreshed,
    refusal,
)

REFRESH_RACE = 20
SAMPLES = 40


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def test_signing_in_by_name_and_by_mail(
    drive: Drive, admin: Person, stranger: Person
) -> None:
    mail = f"admin@{admin.slug}.example"
    for fields in (
        {"login": "admin", "tenant": admin.slug},
        {"login": "ADMIN", "tenant": admin.slug},
        {"email": mail, "tenant": admin.slug},
        {"email": mail.upper()},
    ):
        session = await open_session(drive, **fields)
        assert session.user_id == admin.id
    await new_user(admin, f"only.{admin.slug}")
    assert (await open_session(drive, login=f"only.{admin.slug}")).tenant_id == admin.tenant_id
    for fields in (
        {"email": mail, "tenant": stranger.slug},
        {"login": mail, "tenant": admin.slug},
        {"email": mail, "password": PASSWORD + " "},
        {"email": mail, "tenant": "no-such-tenant"},
        {"email": "%", "tenant": admin.slug},
        {"login": "adm_n", "tenant": admin.slug},
    ):
        assert (await refusal(open_session(drive, **fields))).code() is REFUSED, fields
    for fields in ({"login": ""}, {"login": "a\0b", "tenant": admin.slug}, {"email": "a\0"}):
        error = await refusal(open_session(drive, **fields))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, fields


async def test_a_refresh_token_is_good_for_one_use(drive: Drive, admin: Person) -> None:
    first = await open_session(drive, login="admin", tenant=admin.slug)
    second = await refreshed(drive, first.refresh_token)
    assert second.id == first.id
    assert second.refresh_token != first.refresh_token
    assert (await refusal(exchanged(drive, first.access_token))).code() is REFUSED
    await exchanged(drive, second.access_token)
    assert (await refusal(refreshed(drive, first.refresh_token))).code() is REFUSED
    error = await refusal(exchanged(drive, second.access_token))
    assert error.code() is REFUSED, "the replay ended the session"
    assert (await refusal(refreshed(drive, second.refresh_token))).code() is REFUSED


async def test_older_and_foreign_refresh_tokens_are_refused(drive: Drive, admin: Person) -> None:
    first = await open_session(drive, login="admin", tenant=admin.slug)
    third = await refreshed(drive, (await refreshed(drive, first.refresh_token)).refresh_token)
    for token in (first.refresh_token, third.access_token, "crm_rt_" + "x" * 43, "%", "a\0b"):
        assert (await refusal(refreshed(drive, token))).code() is REFUSED, token
    error = await refusal(exchanged(drive, third.refresh_token))
    assert error.code() is REFUSED, "a refresh token is no access token"


async def test_any_used_refresh_token_of_the_family_ends_the_session(
    drive: Drive, admin: Person
) -> None:
    first = await open_session(drive, login="admin", tenant=admin.slug)
    third = await refreshed(drive, (await refreshed(drive, first.refresh_token)).refresh_token)
    await exchanged(drive, third.access_token)
    assert (await refusal(refreshed(drive, first.refresh_token))).code() is REFUSED
    assert (await refusal(exchanged(drive, third.access_token))).code() is REFUSED
    assert (await refusal(refreshed(drive, third.refresh_token))).code() is REFUSED


async def test_a_race_with_one_refresh_token_has_at_most_one_winner(
    drive: Drive, admin: Person
) -> None:
    session = await open_session(drive, login="admin", tenant=admin.slug)
    runs = [refreshed(drive, session.refresh_token) for _ in range(REFRESH_RACE)]
    answers = await asyncio.gather(*runs, return_exceptions=True)
    children = [one for one in answers if isinstance(one, pb.Session)]
    errors = [one for one in answers if isinstance(one, grpc.aio.AioRpcError)]
    assert len(children) <= 1
    assert len(children) + len(errors) == REFRESH_RACE
    assert {one.code() for one in errors} == {REFUSED}
    for child in children:
        error = await refusal(exchanged(drive, child.access_token))
        assert error.code() is REFUSED, "whoever lost the race was a thief or was robbed"


async def test_disabling_a_user_ends_everything_within_five_seconds(
    drive: Drive, admin: Person, figures: list[str]
) -> None:
    user_id = await new_user(admin, "leaver")
    session = await open_session(drive, login="leaver", tenant=admin.slug)
    person = await drive.sign_in(admin.slug, "leaver")
    lookups = ("customer", "sales", "marketing", "reporting", "identity")
    for name in lookups:
        assert await _state(drive, person, name) is not REFUSED, name
    gone = users.User(id=user_id, state=users.User.DISABLED)
    await admin.call("identity.UserService/UpdateUser", users.UpdateUserRequest(user=gone))
    began = time.monotonic()
    assert (await refusal(exchanged(drive, session.access_token))).code() is REFUSED
    assert (await refusal(refreshed(drive, session.refresh_token))).code() is REFUSED
    for name in lookups:
        while await _state(drive, person, name) is not REFUSED:
            assert time.monotonic() - began < 5, f"{name} still works for him"
            await asyncio.sleep(0.05)
    figures.append(f"rights of a disabled user ended after {time.monotonic() - began:.2f} s")
    again = await refusal(open_session(drive, login="leaver", tenant=admin.slug))
    assert again.code() is REFUSED


async def _state(drive: Drive, person: Person, process: str) -> grpc.StatusCode:
    """How a process answers him; what he asks for makes no sense, so that it changes nothing."""
    method, request = f"{LOOKUPS}/LookupRecords", LookupRecordsRequest()
    asked = drive.clients.call(process, method, request, token=person.token)
    return (await refusal(asked)).code()


async def test_changing_the_password_ends_all_sessions(drive: Drive, admin: Person) -> None:
    await new_user(admin, "mover")
    sessions = [await open_session(drive, login="mover", tenant=admin.slug) for _ in range(2)]
    person = await drive.sign_in(admin.slug, "mover")
    change = "identity.SessionService/ChangePassword"
    wrong = pb.ChangePasswordRequest(old_password="wrong", new_password="another password 1")
    assert (await person.refused(change, wrong)).code is grpc.StatusCode.INVALID_ARGUMENT
    for one in sessions:
        await exchanged(drive, one.access_token)
    right = pb.ChangePasswordRequest(old_password=PASSWORD, new_password="another password 1")
    await person.call(change, right)
    for one in sessions:
        assert (await refusal(exchanged(drive, one.access_token))).code() is REFUSED
        assert (await refusal(refreshed(drive, one.refresh_token))).code() is REFUSED
    assert (await refusal(open_session(drive, login="mover", tenant=admin.slug))).code() is REFUSED
    await open_session(drive, login="mover", tenant=admin.slug, password="another password 1")


async def test_unknown_names_look_and_take_as_long_as_wrong_passwords(
    domain_platform: Platform, drive: Drive, admin: Person, figures: list[str]
) -> None:
    disabled = await new_user(admin, "disabled")
    gone = users.User(id=disabled, state=users.User.DISABLED)
    await admin.call("identity.UserService/UpdateUser", users.UpdateUserRequest(user=gone))
    ways: dict[str, Way] = {
        "wrong password": lambda: open_session(
            drive, login="admin", tenant=admin.slug, password="wrong"
        ),
        "unknown user": lambda: open_session(drive, login="nobody", tenant=admin.slug),
        "unknown tenant": lambda: open_session(drive, login="admin", tenant="nowhere"),
        "disabled": lambda: open_session(drive, login="disabled", tenant=admin.slug),
    }
    texts = set()

    def refused(way: Way) -> Way:
        async def run() -> None:
            error = await refusal(way())
            texts.add((error.code(), error.details(), str(error.trailing_metadata())))

        return run

    tried = {name: refused(way) for name, way in ways.items()}
    times = await timed(tried, SAMPLES, lambda: forget_failures(domain_platform))
    assert len(texts) == 1, "every way to fail looks the same"
    figures.append(f"sign-in refused: {told(times)}")
    assert all(abs(one) < T_MAX for one in leaks(times).values()), told(times)


def test_the_measure_tells_a_leak() -> None:
    noise = [10 + (at * 7 % 13) / 5 for at in range(SAMPLES)]
    same, slower = noise[1:] + noise[:1], [one + 2 for one in noise]
    found = leaks({"known": noise, "same": same, "slower": slower})
    assert abs(found["same"]) < T_MAX < abs(found["slower"])


async def test_only_strong_hashes_are_stored(domain_platform: Platform, admin: Person) -> None:
    assert admin.id
    connection = await asyncpg.connect(domain_platform.database_url("identity", "worker"))
    try:
        rows = await connection.fetch("select password_hash from base.credential")
        tokens = await connection.fetch("select access_hash, refresh_hash from base.session")
    finally:
        await connection.close()
    assert rows
    for row in rows:
        assert row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert all(len(one) == 64 for row in tokens for one in row.values()), "tokens stay out of it"


async def test_a_user_has_a_hundred_sessions_open(
    drive: Drive, admin: Person, domain_platform: Platform
) -> None:
    """More could not be ended in one transaction, nor the account be disabled then."""
    user_id = await new_user(admin, "many")
    who = {"login": "many", "tenant": admin.slug}
    await open_session(drive, **who)
    await identity_rows(
        domain_platform,
        "INSERT INTO base.session (tenant_id, id, user_id, access_hash, refresh_hash, family_hash,"
        " access_expire_time, expire_time, create_time, update_time)"
        " SELECT tenant_id, gen_random_uuid(), user_id, id || 'a' || n, id || 'r' || n,"
        " id || 'f' || n, access_expire_time, expire_time, create_time, update_time"
        " FROM base.session, generate_series(1, $2::int) AS n WHERE user_id = $1",
        user_id,
        2 * SESSIONS_MAX,
    )
    await open_session(drive, **who)
    query = "SELECT count(*) AS open FROM base.session WHERE user_id = $1 AND revoke_time IS NULL"
    assert (await identity_rows(domain_platform, query, user_id))[0]["open"] == SESSIONS_MAX
