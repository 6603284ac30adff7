"""What the doctor has seen of an installation, before anything is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One value that a process tells at its metrics port."""

    service: str
    address: str
    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Probe:
    """Somebody was asked: `problem` says what went wrong, `clock_off_s` by how much his clock is
    ahead of ours, None when he does not tell.
    """

    name: str
    problem: str = ""
    clock_off_s: float | None = None


@dataclass(frozen=True)
class Stream:
    """A stream of the broker; `bytes_max` is 0 without a limit."""

    name: str
    bytes: int
    bytes_max: int


@dataclass(frozen=True)
class Durable:
    """A consumer as the broker knows it, with the events that it was not given yet."""

    stream: str
    name: str
    pending: int


@dataclass(frozen=True)
class Broker:
    """The broker; empty when there is a problem with it."""

    problem: str = ""
    streams: Sequence[Stream] = ()
    durables: Sequence[Durable] = ()


@dataclass(frozen=True)
class Schema:
    """A database: its revision and the newest one that this program knows."""

    probe: Probe
    found: str = ""
    head: str = ""


@dataclass(frozen=True)
class Disk:
    """Where a folder lies: bytes free and in all."""

    folder: Path
    free: int
    total: int


@dataclass(frozen=True)
class Backups:
    """A folder of backups, when the newest one was made, None when it has none, and what is wrong
    with that one.
    """

    folder: Path
    newest: datetime | None
    problem: str = ""


@dataclass(frozen=True)
class Facts:
    """All of it; what is None or empty could not be looked at. `before` and `samples` are two looks
    at the metrics, a little apart.
    """

    now: datetime
    gateway: Probe | None
    processes: Sequence[Probe]
    before: Sequence[Sample]
    samples: Sequence[Sample]
    health: Sequence[Probe]
    broker: Broker | None
    schemas: Mapping[str, Schema]
    disks: Sequence[Disk]
    backups: Backups | None
    # Of make up, on this machine; elsewhere commands have the form of a cluster.
    local: bool = True

    def of(self, metric: str) -> list[Sample]:
        """The newest values of one metric, of all processes."""
        return [one for one in self.samples if one.name == metric]

    def rise(self, metric: str) -> dict[tuple[str, ...], float]:
        """By how much counters rose between the looks, by service and values of their labels."""
        risen: dict[tuple[str, ...], float] = {}
        for sign, samples in ((-1, self.before), (1, self.samples)):
            for one in samples:
                if one.name == metric:
                    key = (one.service, *one.labels.values())
                    risen[key] = risen.get(key, 0.0) + sign * one.value
        return risen

    def most(self, metric: str) -> dict[tuple[str, ...], float]:
        """The highest value of any process, by service and values of the labels."""
        found: dict[tuple[str, ...], float] = {}
        for one in self.of(metric):
            key = (one.service, *one.labels.values())
            found[key] = max(one.value, found.get(key, one.value))
        return found
