"""`crm tenant export` and `crm tenant delete`: they work as the databases' owners, as backups do,
on the installation that the environment names or on the one of the local runner.
"""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from deploy.backup import store
from deploy.backup.commands import found_installation
from deploy.local.progress import Progress
from deploy.tenants.errors import TenantError
from deploy.tenants.export import Exported
from deploy.tenants.export import export as write
from deploy.tenants.removal import Removed, remove

Slug = Annotated[str, typer.Argument(help="Short name of the tenant.")]
# What an export writes may be the standard output itself.
console = Console(stderr=True, soft_wrap=True, highlight=False)


def export(
    slug: Slug,
    to: Annotated[str, typer.Option(help="New file; - for the standard output.")],
) -> None:
    """Write everything of a tenant into one ZIP archive: rows as JSON lines, files, a manifest."""
    done = asyncio.run(write(found_installation()[0], slug, to, Progress(console)))
    for service, told in sorted(_exported(done).items()):
        console.print(f"  {service:<12} {told}")
    console.print(f"{slug}: {len(done.files)} files, secrets left out; the archive is in clear")


def delete(
    slug: Slug,
    confirm: Annotated[str, typer.Option(help="The short name once more.")] = "",
) -> None:
    """Delete everything of a suspended tenant, everywhere and for ever; repeat it if it fails."""
    if confirm != slug:
        raise TenantError(
            f"Everything of {slug} would be gone for ever: if it shall be, say --confirm {slug}"
        )
    installation = found_installation()[0]
    removed = asyncio.run(remove(installation, slug, Progress(console)))
    for service in sorted({*removed.rows, *removed.messages, *removed.files}):
        console.print(f"  {service:<12} {_removed(removed, service)}")
    console.print(f"{slug} ({removed.tenant_id}) is gone; its short name may be used again")
    left = store.backups(installation.store)
    if left:
        console.print(
            f"{len(left)} backups may hold it yet, the newest of {store.moment_of(left[0]):%F}:"
            f" they go as newer ones are made (the newest {installation.keep} stay)."
            " After a restore of one of them delete it again."
        )


def _exported(done: Exported) -> dict[str, str]:
    told = {}
    for service in done.schemas:
        own = [one for one in done.files if one.name.startswith(f"{service}/")]
        rows = sum(one.rows or 0 for one in own)
        blobs = sum(one.rows is None for one in own)
        told[service] = f"{rows} rows, {blobs} blobs"
    return told


def _removed(removed: Removed, service: str) -> str:
    counts = (removed.rows, removed.messages, removed.files)
    named = zip(("rows", "messages", "files"), counts, strict=True)
    return ", ".join(f"{one.get(service, 0)} {name}" for name, one in named)
