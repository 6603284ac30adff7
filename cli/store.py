"""The signed-in session on disk, in a file that only its owner reads."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.errors import CliError


@dataclass(frozen=True)
class Session:
    """Tokens and where they are good; `expire_time` of the access token in Unix seconds."""

    url: str
    access_token: str
    refresh_token: str
    expire_time: float
    user_id: str = ""
    tenant_id: str = ""


def config_path(environment: Mapping[str, str]) -> Path:
    """CRM_CONFIG, else crm/session.json in the XDG configuration folder."""
    if environment.get("CRM_CONFIG"):
        return Path(environment["CRM_CONFIG"])
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "crm" / "session.json"


class Store:
    """Reads and writes one session file; every problem with it is a CliError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Session | None:
        """The session, or None when there is none or it cannot be understood."""
        try:
            stored = json.loads(self._path.read_text())
            return Session(**stored)
        except (FileNotFoundError, ValueError, TypeError):
            return None
        except OSError as error:
            raise CliError(f"cannot read {self._path}: {error.strerror}") from error

    def save(self, session: Session) -> None:
        """Replace the file in one step; mode 0600 from its first byte."""
        scratch = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            scratch.unlink(missing_ok=True)
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(session), file, indent=2)
            scratch.replace(self._path)
        except OSError as error:
            raise CliError(f"cannot write {self._path}: {error.strerror}") from error

    def forget(self) -> None:
        """Remove the session."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise CliError(f"cannot remove {self._path}: {error.strerror}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One refresh at a time: a refresh token used twice would end the session."""
        path = self._path.with_name(f"{self._path.name}.lock")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = path.open("w")
        except OSError as error:
            raise CliError(f"cannot write {path}: {error.strerror}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
