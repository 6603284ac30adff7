"""Failed sign-ins make the next one wait: per name, known or not, and per address."""

import asyncio
from hashlib import sha256

import grpc
import pytest

from crm.identity.v1 import credential_pb2 as credentials
from crm.identity.v1 import session_pb2 as pb
from deploy.local.platform import Platform
from services.identity.domain.attempt import FREE_FAILURES, NO_TENANT
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.security.signing import (
    CREDENTIALS,
    identity_rows,
    new_user,
    open_session,
    reason,
    refusal,
    retry_after_s,
)

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
AGE = "UPDATE base.attempt SET last_time = last_time - $1::float8 * interval '1 second'"


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def waits(platform: Platform, drive: Drive, fields: dict[str, str]) -> list[int]:
    """Seconds to wait after each of several failures, each awaited by turning the clock."""
    found = []
    for _ in range(FREE_FAILURES + 4):
        await refusal(open_session(drive, **fields, password="wrong"))
        error = await refusal(open_session(drive, **fields, password="wrong"))
        wait = retry_after_s(error) if error.code() is EXHAUSTED else 0
        found.append(wait)
        await identity_rows(platform, AGE, float(wait))
    return found


async def test_known_and_unknown_names_wait_alike(
    domain_platform: Platform, drive: Drive, admin: Person, figures: list[str]
) -> None:
    await new_user(admin, "known")
    known = await waits(domain_platform, drive, {"login": "known", "tenant": admin.slug})
    unknown = await waits(domain_platform, drive, {"login": "unknown", "tenant": admin.slug})
    assert known == unknown
    assert max(known) >= 4
    figures.append(f"seconds to wait after failed sign-ins: {known}")


async def test_the_right_password_waits_too_and_then_makes_all_forgotten(
    domain_platform: Platform, drive: Drive, admin: Person
) -> None:
    await new_user(admin, "owner")
    who = {"login": "owner", "tenant": admin.slug}
    for _ in range(FREE_FAILURES):
        assert await reason(open_session(drive, **who, password="no")) == "CREDENTIALS_INVALID"
    assert await reason(open_session(drive, **who)) == "ATTEMPTS_EXHAUSTED"
    assert await reason(open_session(drive, login="OWNER", tenant=admin.slug))
    await asyncio.sleep(1.1)
    await open_session(drive, **who)
    for _ in range(FREE_FAILURES):
        assert await reason(open_session(drive, **who, password="no")) == "CREDENTIALS_INVALID"


async def test_many_guesses_at_once_are_no_way_around(drive: Drive, admin: Person) -> None:
    await new_user(admin, "flooded")
    who = {"login": "flooded", "tenant": admin.slug, "password": "guess"}
    errors = await asyncio.gather(*(refusal(open_session(drive, **who)) for _ in range(20)))
    tried = [one for one in errors if one.code() is grpc.StatusCode.UNAUTHENTICATED]
    assert len(tried) <= FREE_FAILURES


async def test_an_address_waits_whatever_names_it_tries(
    domain_platform: Platform, drive: Drive, admin: Person
) -> None:
    here, there = "203.0.113.7", "203.0.113.8"
    await refusal(open_session(drive, login="x", tenant=admin.slug, address=here))
    key = sha256(f"sign-in from {here}".encode()).hexdigest()
    many = "UPDATE base.attempt SET failures = 100010 WHERE key_hash = $1 RETURNING failures"
    assert await identity_rows(domain_platform, many, key)
    blocked = open_session(drive, login="admin", tenant=admin.slug, address=here)
    assert await reason(blocked) == "ATTEMPTS_EXHAUSTED"
    await open_session(drive, login="admin", tenant=admin.slug, address=there)


async def test_whoever_guesses_elsewhere_does_not_keep_the_owner_out(
    drive: Drive, admin: Person
) -> None:
    await new_user(admin, "besieged")
    who = {"login": "besieged", "tenant": admin.slug}
    home, elsewhere = "198.51.100.1", "198.51.100.2"
    await open_session(drive, **who, address=home)
    for _ in range(FREE_FAILURES):
        await refusal(open_session(drive, **who, address=elsewhere, password="guess"))
    for address in (elsewhere, "198.51.100.3"):
        there = open_session(drive, **who, address=address)
        assert await reason(there) == "ATTEMPTS_EXHAUSTED"
    await open_session(drive, **who, address=home)
    for _ in range(FREE_FAILURES):
        await refusal(open_session(drive, **who, address=home, password="guess"))
    assert await reason(open_session(drive, **who, address=home)) == "ATTEMPTS_EXHAUSTED"


async def test_whoever_has_a_session_guesses_the_password_as_slowly(
    drive: Drive, admin: Person
) -> None:
    await new_user(admin, "hijacked")
    person = await drive.sign_in(admin.slug, "hijacked")
    wrong = pb.ChangePasswordRequest(old_password="guess", new_password="long enough to be it")
    change = "identity.SessionService/ChangePassword"
    refused = [await person.refused(change, wrong) for _ in range(FREE_FAILURES + 1)]
    assert refused[0].code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused[-1].reason == "ATTEMPTS_EXHAUSTED"
    # It is his session that guesses; signing in is counted apart.
    await open_session(drive, login="hijacked", tenant=admin.slug, password=PASSWORD)


async def test_names_are_not_kept_in_clear(domain_platform: Platform, drive: Drive) -> None:
    await refusal(open_session(drive, login="somebody.private", tenant="nowhere"))
    rows = await identity_rows(domain_platform, "SELECT tenant_id, key_hash FROM base.attempt")
    assert rows
    assert "somebody.private" not in str(rows)
    assert {str(row["tenant_id"]) for row in rows} == {NO_TENANT}


async def test_asking_for_links_is_slowed_down_for_any_name(drive: Drive, admin: Person) -> None:
    for name in ("admin", "nobody"):
        request = credentials.CreatePasswordResetRequest(login=name, tenant=admin.slug)
        ask = f"{CREDENTIALS}/CreatePasswordReset"
        for _ in range(FREE_FAILURES):
            await drive.clients.call("identity", ask, request)
        assert await reason(drive.clients.call("identity", ask, request)) == "ATTEMPTS_EXHAUSTED"
