"""What a backup says about itself; signed, so that parts cannot be exchanged between backups."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from deploy.backup.errors import BackupError, DamagedError
from deploy.backup.sealed import derived_key

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.mac"
VERIFIED: Final = "verified.json"


@dataclass(frozen=True)
class Part:
    """One sealed file: its size, its content's size, and the SHA-256 of the file."""

    name: str
    bytes: int
    plain_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The restore point (UTC, and PostgreSQL's snapshot), the schema's revision by service, the
    server that was dumped, the key's fingerprint, the parts.
    """

    format: int
    id: str
    time: datetime
    snapshot: str
    revisions: Mapping[str, str]
    server: str
    key_id: str
    parts: tuple[Part, ...]

    @property
    def bytes(self) -> int:
        """Size of all parts."""
        return sum(part.bytes for part in self.parts)


@dataclass(frozen=True)
class Verified:
    """When a backup was last read through, and what was wrong with it; nothing when it is good."""

    time: datetime
    problem: str = ""


def write_manifest(folder: Path, manifest: Manifest, key: bytes) -> None:
    """Write and sign it."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST).write_bytes(data)
    (folder / SIGNATURE).write_text(_signature(data, key) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """What the folder says it is, not yet proven; DamagedError when it cannot be read."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise DamagedError(f"{folder.name} has no readable manifest: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{folder.name} has format {manifest.format}: use a newer crm")
    return manifest


def proven_manifest(folder: Path, key: bytes) -> Manifest:
    """The manifest, made with this key, else BackupError, and unchanged since, else
    DamagedError.
    """
    manifest = read_manifest(folder)
    if manifest.key_id != key_id(key):
        raise BackupError(
            f"{folder.name} was sealed with key {manifest.key_id}, BACKUP_KEY is {key_id(key)}"
        )
    try:
        found = (folder / SIGNATURE).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{folder.name} has no signature: {error}") from error
    wanted = _signature((folder / MANIFEST).read_bytes(), key)
    if not hmac.compare_digest(found.encode(), wanted.encode()) or manifest.id != folder.name:
        raise DamagedError(f"The manifest of {folder.name} was changed")
    return manifest


def key_id(key: bytes) -> str:
    """By what people tell keys apart; says nothing about the key."""
    return derived_key(key, b"", "crm backup key id")[:4].hex()


def note_verified(folder: Path, problem: str = "") -> None:
    """Remember that the backup was read through, and the problem there was."""
    data = msgspec.json.encode(Verified(datetime.now(UTC), problem))
    (folder / VERIFIED).write_bytes(data)


def verified(folder: Path) -> Verified | None:
    """How the last reading went; None when there was none."""
    try:
        return msgspec.json.decode((folder / VERIFIED).read_bytes(), type=Verified)
    except (OSError, msgspec.MsgspecError):
        return None


def _signature(data: bytes, key: bytes) -> str:
    return hmac.new(derived_key(key, b"", "crm backup manifest"), data, sha256).hexdigest()
