"""What a database that went back in time needs before services start on it again.

After a restore, and after a recovery by other means (a base backup with its log) just as well.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import nats
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from chassis.events.housekeeping import INBOX_KEPT
from chassis.events.streams import EDGE, STREAM_AGE_MAX_S, stream_name
from chassis.rpc.tls import broker_context
from deploy.backup.errors import BackupError
from deploy.backup.settings import Installation
from deploy.local.settings import SERVICES

STREAM_AGE: Final = timedelta(seconds=STREAM_AGE_MAX_S)
BROKER_TIMEOUT_S: Final = 5.0
LEAVING_S: Final = 5.0
LOOK_EVERY_S: Final = 0.2
# Whatever the stream held at the moment goes out again: some consumer had perhaps not heard it.
REPUBLISH: Final = """
UPDATE base.change SET publish_time = NULL
WHERE publish_time IS NOT NULL AND create_time >= '{since}' AND NOT EXISTS (
  SELECT FROM base.parked WHERE parked.tenant_id = change.tenant_id
  AND parked.consumer = 'relay' AND parked.event_id = change.id);
"""
# Those who had heard it must not forget that before it has come again.
REMEMBER: Final = "UPDATE base.inbox SET create_time = now() WHERE create_time >= '{since}';\n"
# What was ended since then would be open again: everybody signs in anew.
SIGN_OUT: Final = """
UPDATE base.session SET revoke_time = now() WHERE revoke_time IS NULL;
DELETE FROM base.client_token;
DELETE FROM base.password_reset;
"""
NEWEST: Final = "SELECT coalesce(max(create_time), now()) FROM base.change"
BUSY: Final = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = ANY($1::text[])"
)


def settling(service: str, moment: datetime, now: datetime) -> str:
    """The statements for one database that is now as it was at the moment."""
    since = (moment - STREAM_AGE).isoformat()
    script = REPUBLISH.format(since=since)
    if now - moment > (INBOX_KEPT - STREAM_AGE) / 2:
        script += REMEMBER.format(since=since)
    return script + (SIGN_OUT if service == "identity" else "")


def settle(installation: Installation) -> None:
    """Forget the streams and settle every database where it is; no service may run."""
    asyncio.run(_settle(installation))


async def forget_streams(nats_url: str, tls_dir: str = "") -> list[str]:
    """Delete the streams: they tell of what never was. The relays make them anew; which there
    were.
    """
    ours = {EDGE, *map(stream_name, SERVICES)}
    try:
        client = await nats.connect(
            nats_url,
            tls=broker_context(tls_dir),
            connect_timeout=int(BROKER_TIMEOUT_S),
            allow_reconnect=False,
        )
        try:
            jetstream = client.jetstream(timeout=BROKER_TIMEOUT_S)
            found = {str(one.config.name) for one in await jetstream.streams_info()}
            for name in sorted(ours & found):
                await jetstream.delete_stream(name)
        finally:
            await client.close()
    except (NatsError, APIError, OSError, TimeoutError) as error:
        raise BackupError(f"The broker does not answer, start it: {error!r}") from error
    return sorted(ours & found)


async def require_quiet(service: str, connection: asyncpg.Connection) -> None:
    """BackupError while a service works on its database; one that is leaving gets some seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LEAVING_S
    while count := await connection.fetchval(BUSY, logins(service)):
        if loop.time() > deadline:
            raise BackupError(
                f"{service} runs ({count} connections): stop the gateway and all services first"
                " (make down, or scale their deployments to 0)"
            )
        await asyncio.sleep(LOOK_EVERY_S)


def logins(service: str) -> list[str]:
    """The roles that a service runs as."""
    return [f"crm_{service}", f"crm_{service}_worker"]


async def _settle(installation: Installation) -> None:
    sessions = {}
    try:
        for service, url in installation.databases.items():
            sessions[service] = await asyncpg.connect(url)
            await require_quiet(service, sessions[service])
        await forget_streams(installation.nats_url, installation.tls_dir)
        for service, session in sessions.items():
            moment = await session.fetchval(NEWEST)
            await session.execute(settling(service, moment, datetime.now(UTC)))
    except (OSError, asyncpg.PostgresError) as error:
        raise BackupError(f"A database cannot be settled: {error}") from error
    finally:
        for session in sessions.values():
            session.terminate()
