"""The files of a tenant: blobs in a folder per service, and the signed roots of its log."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.backup.folders import UNFINISHED
from deploy.backup.settings import ASIDE, BLOBS, LOG_ROOTS

ENDED: Final = "ended"


def blobs(folders: Mapping[str, Path], tenant_id: str) -> Iterator[tuple[str, Path]]:
    """The service and the path of each finished file."""
    for folder in sorted(folders[BLOBS].glob(f"*/{tenant_id}")):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix != UNFINISHED:
                yield folder.parent.name, path


def remove_blobs(folders: Mapping[str, Path], tenant_id: str) -> dict[str, int]:
    """Remove all files, those too that a restore has put aside; how many, by service."""
    counts: dict[str, int] = {}
    places = (f"*/{tenant_id}", f"{ASIDE}*/*/{tenant_id}")
    for folder in [one for place in places for one in sorted(folders[BLOBS].glob(place))]:
        service = folder.parent.name
        counts[service] = counts.get(service, 0) + sum(1 for _ in folder.iterdir())
        shutil.rmtree(folder)
    return counts


def end_chain(folders: Mapping[str, Path], tenant_id: str) -> None:
    """Say beside the signed roots, which stay, when the operation log of the tenant ended."""
    note = folders[LOG_ROOTS] / tenant_id / ENDED
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        told = {"tenant_id": tenant_id, "time": datetime.now(UTC).isoformat(timespec="seconds")}
        note.write_text(json.dumps(told) + "\n")
