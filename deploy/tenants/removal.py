"""Deletes everything of a suspended tenant, everywhere, its own row last: whoever kills it repeats
it, and it goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from nats.aio.client import Client

from deploy.backup.settings import Installation
from deploy.local.progress import Progress
from deploy.tenants import files, messages
from deploy.tenants.errors import TenantError
from deploy.tenants.rows import forget_boots, remove_rows
from deploy.tenants.sessions import Sessions, connected, find

SUSPENDED: Final = "SUSPENDED"
ROUNDS_MAX: Final = 5
OWN: Final = ("tenant",)
_LAST: Final = "DELETE FROM base.tenant WHERE tenant_id = $1"


@dataclass
class Removed:
    """What this run has deleted, by service."""

    tenant_id: str
    rows: dict[str, int] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)

    def total(self) -> int:
        """How much it was altogether."""
        return sum(sum(one.values()) for one in (self.rows, self.messages, self.files))


async def remove(installation: Installation, slug: str, progress: Progress) -> Removed:
    """Delete a tenant; TenantError when it is not suspended or somebody does not answer."""
    async with connected(installation.databases) as sessions, messages.broker(installation) as bus:
        tenant = await find(sessions, slug)
        if tenant.state != SUSPENDED:
            raise TenantError(
                f"{slug} is in use: export it if anybody wants its data, then"
                f" crm tenant suspend {slug}, and delete it after that"
            )
        removing = _Removing(installation, sessions, bus, Removed(tenant.id))
        await removing.rounds(progress)
        await sessions["identity"].execute(_LAST, tenant.id)
        _add(removing.removed.rows, "identity", 1)
        return removing.removed


@dataclass(frozen=True)
class _Removing:
    """One deletion on its way."""

    installation: Installation
    sessions: Sessions
    bus: Client
    removed: Removed

    async def rounds(self, progress: Progress) -> None:
        """Delete until a round finds nothing."""
        tenant_id = self.removed.tenant_id
        for number in range(1, ROUNDS_MAX + 1):
            before = self.removed.total()
            with progress.step(f"round {number}: wait for relays and consumers"):
                await messages.wait_until_heard(self.bus, self.sessions, tenant_id)
            for service in self.order():
                with progress.step(f"round {number}: {service}"):
                    await self.service(service)
            with progress.step(f"round {number}: live updates, files"):
                await self.rest()
            if self.removed.total() == before:
                return
        raise TenantError("Something of it is written again and again: see crm doctor")

    def order(self) -> Sequence[str]:
        """Identity last: it has the operation log, which hears of all others."""
        return sorted(self.sessions, key=lambda service: service == "identity")

    async def service(self, service: str) -> None:
        """Rows first: what has no row is not published anew when its message is gone."""
        session, tenant_id = self.sessions[service], self.removed.tenant_id
        kept = OWN if service == "identity" else ()
        _add(self.removed.rows, service, await remove_rows(session, tenant_id, kept))
        await forget_boots(session, tenant_id)
        gone = await messages.remove_messages(self.bus, service, tenant_id)
        _add(self.removed.messages, service, gone)

    async def rest(self) -> None:
        """The copies of messages, and what is in no database."""
        tenant_id, folders = self.removed.tenant_id, self.installation.folders
        _add(self.removed.messages, "edge", await messages.purge_edge(self.bus, tenant_id))
        for service, count in files.remove_blobs(folders, tenant_id).items():
            _add(self.removed.files, service, count)
        files.end_chain(folders, tenant_id)


def _add(counts: dict[str, int], name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count
