"""Authenticators: enrolled, asked for at sign-in, each code good for once, taken off again."""

import time
from base64 import b32decode

import grpc
import pytest

from crm.identity.v1 import credential_pb2 as pb
from crm.identity.v1 import user_pb2 as users
from deploy.local.platform import Platform
from services.identity.domain.attempt import FREE_FAILURES
from services.identity.methods.totp import STEP_S, _totp
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.security.signing import (
    exchanged,
    forget_failures,
    identity_rows,
    new_user,
    open_session,
    reason,
    refusal,
)

SERVICE = "identity.CredentialService"
SECRETS = "SELECT sealed_secret, recovery_hashes FROM base.second_factor WHERE user_id = $1"


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


def code_of(secret: str, steps: int = 0) -> str:
    """The code that an authenticator shows now, or some steps away."""
    moment = int(time.time()) + steps * STEP_S
    return _totp(b32decode(secret)).generate(moment).decode()


async def enrolled(drive: Drive, admin: Person, login: str) -> tuple[Person, str, list[str]]:
    """A user with a second factor: he, its secret and the recovery codes."""
    await new_user(admin, login)
    person = await drive.sign_in(admin.slug, login)
    made = await person.call(
        f"{SERVICE}/EnrolSecondFactor", pb.EnrolSecondFactorRequest(password=PASSWORD)
    )
    assert isinstance(made, pb.EnrolSecondFactorResponse)
    assert made.uri.startswith("otpauth://totp/")
    assert made.secret in made.uri
    confirm = pb.ConfirmSecondFactorRequest(code=code_of(made.secret, -1))
    done = await person.call(f"{SERVICE}/ConfirmSecondFactor", confirm)
    assert isinstance(done, pb.ConfirmSecondFactorResponse)
    return person, made.secret, list(done.recovery_codes)


async def own_user(person: Person) -> users.User:
    me = await person.call("identity.UserService/GetOwnUser", users.GetOwnUserRequest())
    assert isinstance(me, users.User)
    return me


async def test_a_code_is_asked_for_after_the_right_password_and_good_once(
    domain_platform: Platform, drive: Drive, admin: Person
) -> None:
    person, secret, _ = await enrolled(drive, admin, "careful")
    assert (await own_user(person)).second_factor_enabled
    who = {"login": "careful", "tenant": admin.slug}
    assert await reason(open_session(drive, **who)) == "SECOND_FACTOR_REQUIRED"
    code = code_of(secret)
    wrong = open_session(drive, **who, password="wrong", code=code)
    assert await reason(wrong) == "CREDENTIALS_INVALID"
    await open_session(drive, **who, code=code)
    assert await reason(open_session(drive, **who, code=code)) == "SECOND_FACTOR_INVALID"
    earlier = code_of(secret, -1)
    assert await reason(open_session(drive, **who, code=earlier)) == "SECOND_FACTOR_INVALID"
    await open_session(drive, **who, code=code_of(secret, 1))
    await forget_failures(domain_platform)
    for far in (code_of(secret, 5), "", "000", "12345a", "１２３４５６"):
        asked = "SECOND_FACTOR_INVALID" if far else "SECOND_FACTOR_REQUIRED"
        assert await reason(open_session(drive, **who, code=far)) == asked
        await forget_failures(domain_platform)


async def test_a_recovery_code_is_good_once(drive: Drive, admin: Person) -> None:
    _, _, codes = await enrolled(drive, admin, "unlucky")
    assert len(set(codes)) == 10
    who = {"login": "unlucky", "tenant": admin.slug}
    await open_session(drive, **who, code=codes[3])
    assert await reason(open_session(drive, **who, code=codes[3])) == "SECOND_FACTOR_INVALID"
    await open_session(drive, **who, code=codes[0].upper())


async def test_guessing_codes_is_slowed_down_even_with_the_password(
    domain_platform: Platform, drive: Drive, admin: Person
) -> None:
    _, secret, _ = await enrolled(drive, admin, "guessed")
    who = {"login": "guessed", "tenant": admin.slug}
    seen = []
    for _ in range(6):
        await refusal(open_session(drive, **who))  # the right password must not undo failures
        seen.append(await reason(open_session(drive, **who, code="000000")))
    assert "ATTEMPTS_EXHAUSTED" in seen
    await forget_failures(domain_platform)
    await open_session(drive, **who, code=code_of(secret))


async def test_the_secret_is_sealed_for_its_owner(
    domain_platform: Platform, drive: Drive, admin: Person
) -> None:
    one, secret, codes = await enrolled(drive, admin, "sealed")
    other, _, _ = await enrolled(drive, admin, "swapped")
    (row,) = await identity_rows(domain_platform, SECRETS, one.id)
    assert b32decode(secret) not in row["sealed_secret"]
    assert not set(codes) & set(row["recovery_hashes"])
    swap = """UPDATE base.second_factor SET sealed_secret = $1 WHERE user_id = $2"""
    await identity_rows(domain_platform, swap, row["sealed_secret"], other.id)
    who = {"login": "swapped", "tenant": admin.slug}
    error = await refusal(open_session(drive, **who, code=code_of(secret)))
    assert error.code() is grpc.StatusCode.INTERNAL, "a secret opens for its owner only"


async def test_it_is_removed_with_password_and_code(drive: Drive, admin: Person) -> None:
    person, secret, codes = await enrolled(drive, admin, "tired")
    again = pb.EnrolSecondFactorRequest(password=PASSWORD)
    refused = await person.refused(f"{SERVICE}/EnrolSecondFactor", again)
    assert refused.reason == "SECOND_FACTOR_EXISTS"
    remove = f"{SERVICE}/RemoveSecondFactor"
    for password, code in (("wrong", codes[0]), (PASSWORD, "wrong"), (PASSWORD, codes[0][:-1])):
        request = pb.RemoveSecondFactorRequest(password=password, code=code)
        code_found = (await person.refused(remove, request)).code
        assert code_found is grpc.StatusCode.INVALID_ARGUMENT
        # Each failure counts; what is right makes them forgotten.
        if password == PASSWORD:
            continue
    await person.call(
        remove, pb.RemoveSecondFactorRequest(password=PASSWORD, code=code_of(secret, 1))
    )
    assert not (await own_user(person)).second_factor_enabled
    await open_session(drive, login="tired", tenant=admin.slug)


async def test_an_administrator_takes_it_off_and_sessions_end(drive: Drive, admin: Person) -> None:
    person, _, codes = await enrolled(drive, admin, "lost")
    who = {"login": "lost", "tenant": admin.slug}
    session = await open_session(drive, **who, code=codes[0])
    reset = pb.ResetSecondFactorRequest(id=person.id)
    await admin.call(f"{SERVICE}/ResetSecondFactor", reset)
    assert await reason(exchanged(drive, session.access_token)) == "SESSION_INVALID"
    await open_session(drive, **who)


async def test_nothing_counts_before_it_is_confirmed(drive: Drive, admin: Person) -> None:
    await new_user(admin, "hesitant")
    person = await drive.sign_in(admin.slug, "hesitant")
    confirm = pb.ConfirmSecondFactorRequest(code="123456")
    refused = await person.refused(f"{SERVICE}/ConfirmSecondFactor", confirm)
    assert refused.reason == "SECOND_FACTOR_NOT_ENROLLED"
    wrong = pb.EnrolSecondFactorRequest(password="wrong")
    refused = await person.refused(f"{SERVICE}/EnrolSecondFactor", wrong)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    await person.call(
        f"{SERVICE}/EnrolSecondFactor", pb.EnrolSecondFactorRequest(password=PASSWORD)
    )
    refused = await person.refused(f"{SERVICE}/ConfirmSecondFactor", confirm)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    await open_session(drive, login="hesitant", tenant=admin.slug)


async def test_guesses_at_the_first_code_are_slowed_down(
    domain_platform: Platform, drive: Drive, admin: Person
) -> None:
    """Whoever has a session alone shall not confirm what its owner has begun."""
    await new_user(admin, "pending")
    person = await drive.sign_in(admin.slug, "pending")
    begin = pb.EnrolSecondFactorRequest(password=PASSWORD)
    made = await person.call(f"{SERVICE}/EnrolSecondFactor", begin)
    assert isinstance(made, pb.EnrolSecondFactorResponse)
    for _ in range(FREE_FAILURES):
        guess = pb.ConfirmSecondFactorRequest(code=code_of(made.secret, 10))
        assert (await person.refused(f"{SERVICE}/ConfirmSecondFactor", guess)).reason
    right = pb.ConfirmSecondFactorRequest(code=code_of(made.secret))
    refusal = await person.refused(f"{SERVICE}/ConfirmSecondFactor", right)
    assert refusal.reason == "ATTEMPTS_EXHAUSTED"
    await forget_failures(domain_platform)
    await person.call(f"{SERVICE}/ConfirmSecondFactor", right)
