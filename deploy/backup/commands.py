"""`crm backup` and `python -m deploy.backup`: the installation that the environment names, as in a
cluster, else the one of the local runner.
"""

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from deploy.backup import store
from deploy.backup.create import create
from deploy.backup.errors import BackupError, DamagedError
from deploy.backup.manifest import Manifest, Verified, note_verified, read_manifest, verified
from deploy.backup.parts import verify
from deploy.backup.restore import restore
from deploy.backup.settings import KEEP_MAX, Installation, is_told, read_installation
from deploy.backup.settle import settle
from deploy.backup.watch import tell
from deploy.local.platform import Platform
from deploy.local.progress import Progress

RETRY_S: Final = 900.0
LISTEN: Final = "METRICS_LISTEN"

Id = Annotated[str, typer.Argument(help="A backup's id, or latest.")]
app = typer.Typer(help="Back up a whole installation and get it back.", no_args_is_help=True)
console = Console(soft_wrap=True, highlight=False)


@app.command("create")
def create_backup(
    check: Annotated[bool, typer.Option("--verify", help="Read it through afterwards.")] = False,
    keep: Annotated[
        int, typer.Option(min=0, max=KEEP_MAX, help="Newest to keep; 0 for BACKUP_KEEP.")
    ] = 0,
) -> None:
    """Make a backup while everything goes on, and remove the oldest."""
    installation = found_installation()[0]
    manifest = make(installation, Progress(console), check=check, keep=keep)
    console.print(f"{manifest.id}  {_size(manifest.bytes)}  key {manifest.key_id}")


@app.command("list")
def list_backups() -> None:
    """Show the backups, the newest first: restore point, size, key, how reading it went, schema."""
    for folder in store.backups(found_installation()[0].store):
        try:
            told = _line(read_manifest(folder), verified(folder))
        except BackupError as error:
            told = str(error)
        console.print(f"{folder.name}  {told}", markup=False)


@app.command("verify")
def verify_backup(backup_id: Id = store.LATEST) -> None:
    """Read a backup through: nothing missing, changed or cut, and the key opens it."""
    installation = found_installation()[0]
    check_through(installation, store.find(installation.store, backup_id), Progress(console))


@app.command("restore")
def restore_backup(
    backup_id: Id = store.LATEST,
    yes: Annotated[bool, typer.Option("--yes", help="Replace what there is.")] = False,
) -> None:
    """Put everything back as it was: databases, files, streams; what came later is gone."""
    installation, platform = found_installation()
    progress = Progress(console)
    manifest = check_through(installation, store.find(installation.store, backup_id), progress)
    if platform is None:
        done = restore(installation, manifest, yes, progress)
    else:
        with platform.emptied(forced=yes):
            done = restore(installation, manifest, yes, progress)
    console.print(f"restored to {_moment(manifest.time)}; everybody has to sign in again")
    console.print(f"files of before lie in {done.aside} beside the new ones; remove them some day")


@app.command("settle")
def settle_databases() -> None:
    """After a recovery by other means: forget streams, let events go out again, end sessions."""
    settle(found_installation()[0])


@app.command("schedule")
def schedule(
    every: Annotated[float, typer.Option(min=0.001, help="Hours between two backups.")] = 24.0,
    first: Annotated[float, typer.Option(min=0, help="Minutes before the first look.")] = 10.0,
) -> None:
    """Make and verify backups for ever; what fails is tried again after a quarter of an hour."""
    wait = first * 60
    tell(found_installation()[0], os.environ.get(LISTEN, ""))
    while True:
        time.sleep(wait)
        try:
            installation = found_installation()[0]
            wait = _due_in_s(installation, every)
            if wait <= 0:
                make(installation, Progress(console), check=True)
        except BackupError as error:
            console.print(f"{_moment(datetime.now(UTC))} no backup: {error}")
            wait = RETRY_S


@app.command("watch")
def watch() -> None:
    """Tell Prometheus at METRICS_LISTEN when the newest good backup was made, until stopped."""
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    tell(found_installation()[0], os.environ.get(LISTEN, ""))
    signal.sigwait(stops)


def make(installation: Installation, progress: Progress, *, check: bool, keep: int = 0) -> Manifest:
    """Make a backup, read it through if asked for, and remove the oldest ones."""
    manifest = create(installation, progress)
    if check:
        check_through(installation, installation.store / manifest.id, progress)
    store.prune(installation.store, keep or installation.keep)
    return manifest


def check_through(installation: Installation, folder: Path, progress: Progress) -> Manifest:
    """Read a backup through and remember how that went."""
    try:
        manifest = verify(folder, installation.key, progress)
    except DamagedError as error:
        note_verified(folder, str(error))
        raise
    note_verified(folder)
    return manifest


def found_installation() -> tuple[Installation, Platform | None]:
    """The installation, and the runner of it if it is the local one."""
    if is_told(os.environ):
        return read_installation(os.environ), None
    platform = Platform.found(Path(os.environ.get("RUN_DIR", ".run")), Progress(console))
    return read_installation(os.environ | platform.backup_environment()), platform


def _due_in_s(installation: Installation, every_h: float) -> float:
    """Seconds until the next backup; none when it is due."""
    found = store.backups(installation.store)
    if not found:
        return 0.0
    due = read_manifest(found[0]).time + timedelta(hours=every_h)
    return max(0.0, (due - datetime.now(UTC)).total_seconds())


def _line(manifest: Manifest, known: Verified | None) -> str:
    revisions = ", ".join(f"{name} {at}" for name, at in manifest.revisions.items())
    size = _size(manifest.bytes)
    return (
        f"{_moment(manifest.time)}  {size:>11}  key {manifest.key_id}  {_checked(known)}"
        f"  ({revisions})"
    )


def _checked(known: Verified | None) -> str:
    if known is None:
        return "not verified"
    return known.problem or f"good at {_moment(known.time)}"


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:.1f} MiB"


def _moment(time_of: datetime) -> str:
    return f"{time_of.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
