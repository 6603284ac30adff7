"""Who is online: sessions seen within five minutes, within the caller's reach."""

from datetime import timedelta

import asyncpg
import pytest

from crm.identity.v1 import presence_pb2 as pb
from crm.identity.v1 import role_pb2, session_pb2
from deploy.local.platform import Platform
from services.identity.methods.presence import ONLINE_FOR
from tests.integration.drive import Drive, Person

LIST = "identity.PresenceService/ListOnlineUsers"
TOUCH = "crm.identity.v1.PresenceService/TouchSessions"


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def online(who: Person) -> dict[str, str]:
    answer = await who.call(LIST, pb.ListOnlineUsersRequest())
    assert isinstance(answer, pb.ListOnlineUsersResponse)
    assert answer.count == len(answer.users)
    return {one.user_id: one.name for one in answer.users}


async def sessions_of(platform: Platform, person: Person) -> list[str]:
    connection = await asyncpg.connect(platform.database_url("identity", "worker"))
    rows = await connection.fetch("SELECT id FROM session WHERE user_id = $1", person.id)
    await connection.close()
    return [str(row["id"]) for row in rows]


async def away(platform: Platform, person: Person, ago: timedelta) -> None:
    connection = await asyncpg.connect(platform.database_url("identity", "runtime"))
    async with connection.transaction():
        await connection.execute(f"SET LOCAL crm.tenant = '{person.tenant_id}'")
        await connection.execute(
            "UPDATE session SET last_seen_time = now() - $1::interval WHERE user_id = $2",
            ago,
            person.id,
        )
    await connection.close()


async def test_online_from_sign_in_until_five_minutes_after_the_last_request(
    drive: Drive, admin: Person, domain_platform: Platform
) -> None:
    user = await drive.user(admin, "ada", [])
    assert set(await online(admin)) == {admin.id, user.id}
    await away(domain_platform, user, ONLINE_FOR + timedelta(seconds=1))
    assert set(await online(admin)) == {admin.id}
    ids = await sessions_of(domain_platform, user)
    seen = [pb.TouchSessionsRequest.Seen(tenant_id=user.tenant_id, session_ids=ids)]
    await drive.clients.call("identity", TOUCH, pb.TouchSessionsRequest(seen=seen))
    assert (await online(admin))[user.id] == "ada"
    await user.call("identity.SessionService/DeleteSession", session_pb2.DeleteSessionRequest())
    assert set(await online(admin)) == {admin.id}


async def test_sessions_are_touched_in_their_own_tenant_only(
    drive: Drive, admin: Person, domain_platform: Platform
) -> None:
    stranger = await drive.tenant()
    await away(domain_platform, admin, 2 * ONLINE_FOR)
    ids = await sessions_of(domain_platform, admin)
    seen = [pb.TouchSessionsRequest.Seen(tenant_id=stranger.tenant_id, session_ids=ids)]
    await drive.clients.call("identity", TOUCH, pb.TouchSessionsRequest(seen=seen))
    assert await online(admin) == {}
    assert set(await online(stranger)) == {stranger.id}


async def test_it_takes_the_right_to_see_users(drive: Drive, admin: Person) -> None:
    user = await drive.user(admin, "nobody", [])
    assert (await user.refused(LIST, pb.ListOnlineUsersRequest())).reason == "PERMISSION_DENIED"
    grant = role_pb2.Grant(resource="users", verbs=[role_pb2.Grant.READ], scope=role_pb2.Grant.ALL)
    reader = await drive.user(admin, "reader", [grant])
    assert set(await online(reader)) == {admin.id, user.id, reader.id}
