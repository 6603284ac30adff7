"""What a backup is made of and where it goes, read from environment variables alone."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.backup.errors import BackupError
from deploy.local.settings import SERVICES, owner_variable

KEY_BYTES: Final = 32
KEEP_DEFAULT: Final = 14
KEEP_MAX: Final = 10_000
# Folders that belong to an installation, by the name of their part; what the restore of a folder
# has put aside begins with this prefix.
BLOBS: Final = "blobs"
LOG_ROOTS: Final = "log-roots"
ASIDE: Final = "before-"


@dataclass(frozen=True)
class Installation:
    """The databases by service (their owners' URLs), the broker, the folders by name, and `store`,
    the folder of the backups, sealed with `key`, of which the newest `keep` stay. `tls_dir` holds
    the certificate for the broker; without one the connection is in clear.
    """

    databases: Mapping[str, str]
    nats_url: str
    folders: Mapping[str, Path]
    store: Path
    key: bytes
    keep: int = KEEP_DEFAULT
    tls_dir: str = ""


def is_told(environment: Mapping[str, str]) -> bool:
    """Whether the environment itself names an installation, as in a cluster."""
    return {*map(owner_variable, SERVICES), "NATS_URL", "BACKUP_DIR"} <= environment.keys()


def read_installation(environment: Mapping[str, str]) -> Installation:
    """Read and check the environment; BackupError names what is missing or wrong."""
    return Installation(
        databases={name: _required(environment, owner_variable(name)) for name in SERVICES},
        nats_url=_required(environment, "NATS_URL"),
        folders={
            BLOBS: Path(_required(environment, "BLOB_DIR")),
            LOG_ROOTS: Path(_required(environment, "LOG_ROOT_DIR")),
        },
        store=Path(_required(environment, "BACKUP_DIR")),
        key=_key(environment),
        keep=_keep(environment.get("BACKUP_KEEP", str(KEEP_DEFAULT))),
        tls_dir=environment.get("TLS_DIR", ""),
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise BackupError(f"{name} is not set")
    return environment[name]


def _key(environment: Mapping[str, str]) -> bytes:
    file = environment.get("BACKUP_KEY_FILE")
    try:
        text = Path(file).read_text().strip() if file else _required(environment, "BACKUP_KEY")
        key = b64decode(text, validate=True)
    except (OSError, NotBase64, UnicodeDecodeError) as error:
        raise BackupError(f"The key of the backups cannot be read: {error}") from error
    if len(key) != KEY_BYTES:
        raise BackupError(f"BACKUP_KEY must be {KEY_BYTES} random bytes in Base64")
    return key


def _keep(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= KEEP_MAX:
        raise BackupError(f"BACKUP_KEEP must be 1 to {KEEP_MAX}")
    return int(text)
