"""The parts of a backup as files, and reading them as what they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.backup import folders, tools
from deploy.backup.errors import BackupError, DamagedError
from deploy.backup.manifest import Manifest, Part, proven_manifest
from deploy.backup.sealed import file_digest, opened
from deploy.local.progress import Progress

DUMP: Final = "dump"
ARCHIVE: Final = "tar"


def part_path(folder: Path, name: str) -> Path:
    """Where a part lies."""
    return folder / f"{name}.sealed"


def sealed_name(backup_id: str, name: str) -> str:
    """What a part's key is bound to, so that it opens in its own backup and place only."""
    return f"crm backup {backup_id} {name}"


def content(folder: Path, key: bytes, name: str) -> Iterator[bytes]:
    """What a part holds."""
    return opened(part_path(folder, name), key, sealed_name(folder.name, name))


def verify(folder: Path, key: bytes, progress: Progress) -> Manifest:
    """Read every part to its end: there, unchanged, opened with the key, readable as what it is.

    DamagedError says what is not. Nothing is written.
    """
    manifest = proven_manifest(folder, key)
    for part in manifest.parts:
        with progress.step(f"read {part.name}"):
            _require_unchanged(folder, part)
            data = content(folder, key, part.name)
            if part.name.endswith(ARCHIVE):
                folders.unpack(data, None)
            else:
                _read_dump(data, part.name)
    return manifest


def _require_unchanged(folder: Path, part: Part) -> None:
    try:
        with part_path(folder, part.name).open("rb") as file:
            digest, size = file_digest(file), file.tell()
    except OSError as error:
        raise DamagedError(f"{part.name} of {folder.name} cannot be read: {error}") from error
    if size != part.bytes:
        raise DamagedError(f"{part.name} of {folder.name} has {size} bytes, not {part.bytes}")
    if digest != part.sha256:
        raise DamagedError(f"{part.name} of {folder.name} was changed")


def _read_dump(data: Iterator[bytes], name: str) -> None:
    try:
        tools.read_through(data)
    except DamagedError:
        raise
    except BackupError as error:
        raise DamagedError(f"{name} cannot be read: {error}") from error
