"""Signing in over gRPC as the gateway does it, and the refusals that come of it."""

from collections.abc import Awaitable

import asyncpg
import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from chassis.rpc.client import status_of
from crm.identity.v1 import credential_pb2 as credentials
from crm.identity.v1 import session_pb2 as pb
from crm.identity.v1 import user_pb2 as users
from deploy.local.platform import Platform
from tests.integration.drive import PASSWORD, SESSIONS, Drive, Person

CREDENTIALS = "crm.identity.v1.CredentialService"
REFUSED = grpc.StatusCode.UNAUTHENTICATED


async def open_session(drive: Drive, *, address: str = "", **fields: str) -> pb.Session:
    """Sign in with these fields and the usual password."""
    client = pb.Client(address=address, user_agent="tests") if address else None
    request = pb.CreateSessionRequest(**{"password": PASSWORD, **fields}, client=client)
    answer = await drive.clients.call("identity", f"{SESSIONS}/CreateSession", request)
    assert isinstance(answer, pb.Session)
    return answer


async def refreshed(drive: Drive, token: str) -> pb.Session:
    """The next pair of tokens."""
    answer = await drive.clients.call(
        "identity", f"{SESSIONS}/RefreshSession", pb.RefreshSessionRequest(refresh_token=token)
    )
    assert isinstance(answer, pb.Session)
    return answer


async def exchanged(drive: Drive, token: str) -> pb.InternalToken:
    """The internal token for an access token."""
    answer = await drive.clients.call(
        "identity", f"{SESSIONS}/ExchangeToken", pb.ExchangeTokenRequest(access_token=token)
    )
    assert isinstance(answer, pb.InternalToken)
    return answer


async def person_of(drive: Drive, slug: str, session: pb.Session) -> Person:
    """Whoever has the session."""
    token = await exchanged(drive, session.access_token)
    return Person(drive.clients, session.user_id, session.tenant_id, slug, token.token)


async def refusal(work: Awaitable[object]) -> grpc.aio.AioRpcError:
    """The error that the work ends with."""
    try:
        await work
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("it was not refused")


async def reason(work: Awaitable[object]) -> str:
    """The reason for which the work is refused."""
    status, info = status_of(await refusal(work)), ErrorInfo()
    assert status is not None
    status.details[0].Unpack(info)
    return info.reason


def retry_after_s(error: grpc.aio.AioRpcError) -> int:
    """Seconds that a refusal asks for."""
    status, retry = status_of(error), RetryInfo()
    assert status is not None
    assert status.details[-1].Unpack(retry)
    return retry.retry_delay.seconds


async def new_user(admin: Person, login: str, password: str = PASSWORD) -> str:
    """A user with a password and an e-mail address."""
    mail = f"{login}@{admin.slug}.example"
    user = users.User(name=login, login=login, email=mail, password=password)
    made = await admin.call("identity.UserService/CreateUser", users.CreateUserRequest(user=user))
    assert isinstance(made, users.User)
    return made.id


async def one_time_password(admin: Person, user_id: str) -> str:
    """A one-time password that the administrator gives a user."""
    request = credentials.ResetPasswordRequest(id=user_id)
    made = await admin.call("identity.CredentialService/ResetPassword", request)
    assert isinstance(made, credentials.ResetPasswordResponse)
    return made.password


async def identity_rows(
    platform: Platform, statement: str, *arguments: object
) -> list[asyncpg.Record]:
    """What identity's database answers its owner: a test changes what time would."""
    owner = await asyncpg.connect(platform.database_url("identity", "owner"))
    try:
        rows: list[asyncpg.Record] = await owner.fetch(statement, *arguments)
    finally:
        await owner.close()
    return rows


async def forget_failures(platform: Platform) -> None:
    """As if nobody had ever failed to sign in."""
    await identity_rows(platform, "DELETE FROM base.attempt")
