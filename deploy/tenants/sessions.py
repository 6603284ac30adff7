"""Connections to every service's database as its owner, and the tenant that is meant."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from deploy.backup.moment import CONNECT_TIMEOUT_S, SETTINGS
from deploy.tenants.errors import TenantError

OURS: Final = {**SETTINGS, "application_name": "crm-tenant", "timezone": "UTC"}
_FIND: Final = "SELECT tenant_id::text AS id, slug, name, state FROM base.tenant WHERE slug = $1"

Sessions = Mapping[str, asyncpg.Connection]


@dataclass(frozen=True)
class Tenant:
    """A tenant as identity has it."""

    id: str
    slug: str
    name: str
    state: str


@asynccontextmanager
async def connected(urls: Mapping[str, str]) -> AsyncIterator[Sessions]:
    """A connection to each database; TenantError for whatever goes wrong with them."""
    async with AsyncExitStack() as stack:
        sessions: dict[str, asyncpg.Connection] = {}
        service = ""
        try:
            for service, url in urls.items():
                sessions[service] = await asyncpg.connect(
                    url, timeout=CONNECT_TIMEOUT_S, server_settings=OURS
                )
                stack.callback(sessions[service].terminate)
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            raise TenantError(f"The database of {service} cannot be reached: {error}") from error
        try:
            yield sessions
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise TenantError(f"A database failed, run it again: {error}") from error


async def find(sessions: Sessions, slug: str) -> Tenant:
    """The tenant of this short name."""
    row = await sessions["identity"].fetchrow(_FIND, slug)
    if row is None:
        raise TenantError(f"There is no tenant {slug}: see crm tenant list")
    return Tenant(**row)
