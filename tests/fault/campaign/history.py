"""What clients did and were told: one JSON line per event, on disk before the call goes out."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal["invoke", "ok", "fail", "info", "replay", "leak"]
# Functions that change records; the others read.
CHANGES = frozenset({"create", "cas", "append", "transfer", "delete", "restore", "import"})
# Steps of other operations, which are not counted.
ASIDE = frozenset({"look", "operation", "file"})


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of an operation; `op` is the same in all its attempts and is its idempotency key.

    `keys` are ids of records, `versions` theirs (expected in an invoke, reached in an ok), `seen`
    what was read; `t` is the machine's monotonic clock in seconds.
    """

    op: str
    kind: Kind
    f: str
    t: float
    tenant: str
    process: int
    service: str = ""
    keys: list[str] = []
    versions: list[int] = []
    value: str = ""
    seen: list[str] = []
    status: int = 0
    note: str = ""


@dataclass
class History:
    """Appends to one file."""

    path: Path

    def __post_init__(self) -> None:
        self._file = self.path.open("ab", buffering=0)
        self._encode = msgspec.json.Encoder().encode

    def add(self, event: Event) -> None:
        """Write at once: the process may be killed in the next moment."""
        self._file.write(self._encode(event) + b"\n")

    def close(self) -> None:
        """No more comes."""
        self._file.close()


def read(paths: Iterable[Path]) -> list[Event]:
    """All events of several files in the order of time; a line cut off by a kill is left out."""
    decode = msgspec.json.Decoder(Event).decode
    lines = (line for path in paths for line in path.read_bytes().split(b"\n")[:-1])
    return sorted((decode(line) for line in lines), key=lambda event: event.t)


def now() -> float:
    """The clock of histories, the same in all processes of the machine."""
    return time.monotonic()


def canary(tenant_slug: str) -> str:
    """A word that stands in every record of a tenant and nowhere else."""
    return f"canary{tenant_slug.rpartition('-')[2]}"


def other_canaries(own: str) -> re.Pattern[str]:
    """Finds canaries of other tenants."""
    return re.compile(rf"(?!{own})canary[0-9a-f]{{8}}")
