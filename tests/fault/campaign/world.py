"""What is there in the end, as plain values: databases, streams, final reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a change table."""

    service: str
    tenant: str
    id: str
    resource: str
    record: str
    version: int
    changes: Json
    representation: Json


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of a stream, in its order."""

    id: str
    tenant: str
    resource: str
    record: str
    version: int


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry of the operation log."""

    tenant: str
    id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Pair:
    """The same thing at its owner and in a replica or read model, by key."""

    name: str
    wanted: Mapping[str, str]
    found: Mapping[str, str]

    def differences(self) -> list[str]:
        """One line for each key that differs."""
        return [
            f"{self.name} {key}: {self.wanted.get(key)} is {self.found.get(key)}"
            for key in sorted(self.wanted.keys() | self.found.keys())
            if self.wanted.get(key) != self.found.get(key)
        ]


@dataclass
class World:
    """Everything at the end; `planted` are ids of events that were put into streams from outside,
    `parked` of those that somebody put aside, `troubles` what was still not right when the time to
    recover was over.
    """

    canaries: Mapping[str, str]
    changes: list[Change] = field(default_factory=list)
    # Versions of rows, and final reads through the gateway, by id.
    rows: dict[str, int] = field(default_factory=dict)
    finals: dict[str, Json] = field(default_factory=dict)
    streams: dict[str, list[Sent]] = field(default_factory=dict)
    log: list[Logged] = field(default_factory=list)
    broken_logs: list[str] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    recomputed: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    planted: frozenset[str] = frozenset()
    parked: set[str] = field(default_factory=set)
    accounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bank_total: int = 0
