"""The folder of the backups: which there are, and which may go."""

import re
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.backup.errors import BackupError
from deploy.backup.manifest import verified

ID: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")
NAME: Final = "%Y%m%dT%H%M%SZ"
UNFINISHED: Final = ".unfinished"
UNFINISHED_MAX_S: Final = 24 * 3600.0
LATEST: Final = "latest"


def new_id(now: datetime) -> str:
    """Backups are named by the second (UTC) in which they began."""
    return now.strftime(NAME)


def backups(store: Path) -> list[Path]:
    """The folders of all finished backups, the newest first."""
    found = store.iterdir() if store.is_dir() else ()
    return sorted((one for one in found if ID.match(one.name)), reverse=True)


def newest_good(store: Path) -> Path | None:
    """The newest backup that was read through and found good."""
    return next((one for one in backups(store) if _is_good(one)), None)


def moment_of(folder: Path) -> datetime:
    """When a backup began, as its name says."""
    return datetime.strptime(folder.name, NAME).replace(tzinfo=UTC)


def find(store: Path, backup_id: str) -> Path:
    """The folder of a backup, or of the latest one."""
    found = backups(store)
    for folder in found:
        if backup_id in {folder.name, LATEST}:
            return folder
    raise BackupError(f"{store} has no backup {backup_id}; it has {len(found)}: see backup list")


def prune(store: Path, keep: int) -> Sequence[str]:
    """Remove what is beyond the newest `keep`, and what was never finished; what was removed.

    The newest backup that was read through and found good always stays.
    """
    found, good = backups(store), newest_good(store)
    old = [one for one in found[keep:] if one != good]
    before = time.time() - UNFINISHED_MAX_S
    old += [one for one in store.glob(f"*{UNFINISHED}") if one.stat().st_mtime < before]
    for folder in old:
        shutil.rmtree(folder)
    return [folder.name for folder in old]


def _is_good(folder: Path) -> bool:
    known = verified(folder)
    return known is not None and not known.problem
