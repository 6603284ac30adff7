"""Breaks things by a plan that follows from a seed; every fault has a witness of its effect."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import msgspec

from deploy.local.settings import GATEWAY, NATS, POSTGRES
from tests.fault.campaign import disturb
from tests.fault.campaign.client import RENEW_S
from tests.fault.campaign.crashes import PLACES
from tests.fault.campaign.fleet import Fleet
from tests.fault.campaign.history import now
from tests.live import Tenant, as_dict, eventually, signed_in

DOWN_S = (0.0, 0.8)
QUIET_S = (0.5, 2.0)
QUIET_SHARE = 0.25
CRASH_S = 20.0
RECOVERY_S = 60.0
Act: TypeAlias = Callable[[], bool]


class Fault(msgspec.Struct, frozen=True):
    """One fault as it was: F1 to F18, seconds of the monotonic clock, kills that belong to it.

    After a kill `restart_s` pass until the process is back, `recovery_s` until everything works.
    """

    name: str
    target: str
    began: float
    ended: float
    kills: int
    witnessed: bool
    restart_s: float = 0.0
    recovery_s: float = 0.0


@dataclass
class Nemesis:
    """Runs the faults one after the other; `probe` is a tenant of its own."""

    fleet: Fleet
    folder: Path
    seed: int
    probe: Tenant
    tenants: list[Tenant]
    faults: list[Fault] = field(default_factory=list)
    planted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._file = (self.folder / "faults.jsonl").open("ab", buffering=0)
        self._number = 0
        self._fell_at = 0.0
        self._signed_in_at = now()

    def close(self) -> None:
        """No more faults."""
        self._file.close()
        for tenant in (self.probe, *self.tenants):
            tenant.http.close()

    def strike(self, name: str, target: str) -> Fault:
        """Do one fault and heal it."""
        began = self._fell_at = now()
        witnessed = getattr(self, f"_{name.replace('-', '_')}")(target)
        kills, restart, recovery = KILLS.get(name, 0), 0.0, 0.0
        if kills:
            restart = now() - self._fell_at
            self.recover()
            recovery = now() - self._fell_at
        fault = Fault(NUMBERS[name], target, began, now(), kills, witnessed, restart, recovery)
        self.faults.append(fault)
        self._file.write(msgspec.json.encode(fault) + b"\n")
        if self._random.random() < QUIET_SHARE:
            time.sleep(self._random.uniform(*QUIET_S))
        return fault

    def recover(self) -> None:
        """Wait until everything works again from end to end: a change through the gateway into
        the operation log, and an answer of every service.
        """
        if now() - self._signed_in_at > RENEW_S:
            self.probe, self.tenants = again(self.probe), [again(one) for one in self.tenants]
            self._signed_in_at = now()
        self._number += 1
        key = f"probe-{self.seed}-{self._number}"

        def made() -> dict[str, object]:
            answer = disturb.tried(
                lambda: self.probe.post("campaigns", {"name": key}, idempotency_key=key)
            )
            return as_dict(answer) if answer is not None and answer.status_code == 200 else {}

        record = eventually(made, RECOVERY_S, 0.1)
        for path in ("customers", "opportunities", "reports/pipelineSummary"):
            eventually(lambda path=path: self._answers(path), RECOVERY_S, 0.1)  # type: ignore[misc]  # a default binds the loop's variable
        eventually(lambda: self._logged(str(record["id"])), RECOVERY_S, 0.1)

    def _answers(self, path: str) -> bool:
        query: dict[str, str | int] = (
            {"group_by": "stage"} if path.startswith("reports") else {"page_size": 1}
        )
        answer = disturb.tried(lambda: self.probe.get(path, **query))
        return answer is not None and answer.status_code == 200

    def _logged(self, record: str) -> bool:
        query = f'record_id = "{record}"'
        answer = disturb.tried(lambda: self.probe.get("logEntries", filter=query))
        return answer is not None and record in answer.text

    def _kill(self, target: str) -> bool:
        """F1, F3, F4: SIGKILL, down for a moment, started again."""
        names = target.split("+")
        gone = [self.fleet.kill(name) for name in names]
        time.sleep(self._random.uniform(*DOWN_S))
        self.fleet.start(names)
        return all(gone)

    _kill_service = _kill_nats = _kill_postgres = _kill

    def _kill_at(self, point: str) -> bool:
        """F2: killed, started as one that dies at a point of its work, started as it should be."""
        name = PLACES[point]
        gone = self.fleet.kill(name)
        self.fleet.start([name], point)
        died = self.fleet.ended(name, CRASH_S) is not None
        if not died:
            self.fleet.kill(name)
        self._fell_at = now()
        self.fleet.start([name])
        return gone and died

    def _end_backend(self, target: str) -> bool:
        """F4: one connection of a service ends in the midst of its work."""
        return disturb.end_backends(self.fleet.platform, f"{target}-runtime") > 0

    def _end_relay(self, target: str) -> bool:
        """F5: the relay's connection ends, and with it the lock by which it leads."""
        return disturb.end_backends(self.fleet.platform, f"{target}-worker") > 0

    def _pause(self, target: str) -> bool:
        """F6: a process stands still and wakes as if nothing had happened."""
        with self.fleet.paused(target) as still:
            time.sleep(self._random.uniform(1.0, 5.0))
        return still

    @contextmanager
    def _ordered(self, route: str, what: str) -> Iterator[None]:
        self.fleet.proxies.order(route, what)
        try:
            yield
        finally:
            self.fleet.proxies.order(route)

    def _route(self, target: str, what: str) -> bool:
        before = self.fleet.proxies.moved(target)
        with self._ordered(target, what):
            time.sleep(self._random.uniform(2.0, 4.0))
        return self.fleet.proxies.moved(target) > before

    def _cut(self, target: str) -> bool:
        """F7: nothing gets through in either direction."""
        return self._route(target, "cut 0")

    def _delay(self, target: str) -> bool:
        """F8: a tenth of a second more, each way."""
        return self._route(target, "delay 0.1")

    def _narrow(self, target: str) -> bool:
        """F8: 64 kbit a second."""
        return self._route(target, "narrow 8000")

    def _slow(self, _target: str) -> bool:
        """F13: somebody who follows the live updates and does not read."""
        return disturb.slow_reader(self._random.choice(self.tenants), 3.0)

    def _poison(self, target: str) -> bool:
        """F14: a message in the stream that cannot be applied, or not even be read."""
        tenant = self._random.choice(self.tenants)
        self.planted.add(disturb.poison(self.fleet.platform, tenant.id, target))
        return True

    def _repeat(self, target: str) -> bool:
        """F15, F16: events of the stream come again, up to three times, in any order."""
        return disturb.repeat(self.fleet.platform, target, self._random) > 0

    def _exhaust(self, _target: str) -> bool:
        """F17: no connection to the database is left."""
        return disturb.exhaust(self.fleet.platform, 2.0)

    def _storm(self, _target: str) -> bool:
        """F18: clients that give up within milliseconds."""
        self._number += 1
        tenant = self._random.choice(self.tenants)
        return disturb.storm(tenant, self.folder, 10_000 + self._number) > 0


def again(tenant: Tenant) -> Tenant:
    """The tenant with a new session, for work that takes longer than a token lives."""
    tenant.http.close()
    return signed_in(tenant.url, tenant.slug, tenant.id, tenant.email)


def plan(seed: int, kills: int) -> list[tuple[str, str]]:
    """Faults by name and target: as many kills as asked for, everything else in proportion."""
    chance = random.Random(seed)
    every = [(name, target) for name, targets in DECK.items() for target in targets]
    deck: list[tuple[str, str]] = []
    left = kills
    while left > 0:
        chance.shuffle(every)
        for one in every:
            if KILLS.get(one[0], 0) <= left:
                deck.append(one)
                left -= KILLS.get(one[0], 0)
    return deck


NUMBERS = {
    "kill-service": "F1", "kill-at": "F2", "kill-nats": "F3", "kill-postgres": "F4",
    "end-backend": "F4", "end-relay": "F5", "pause": "F6", "cut": "F7", "delay": "F8",
    "narrow": "F8", "slow": "F13", "poison": "F14", "repeat": "F15/F16", "exhaust": "F17",
    "storm": "F18",
}  # fmt: skip
KILLS = {"kill-service": 1, "kill-at": 2, "kill-nats": 1, "kill-postgres": 1}
DECK: dict[str, list[str]] = {
    "kill-service": [
        GATEWAY, GATEWAY, "identity", "customer", "sales", "sales", "marketing", "reporting",
    ],
    "kill-at": list(PLACES),
    "kill-nats": [NATS] * 4,
    "kill-postgres": [POSTGRES] * 4,
    "end-backend": ["sales", "customer", "reporting", "identity"],
    "end-relay": ["sales", "customer"],
    "pause": ["sales", "reporting", "identity", NATS, POSTGRES],
    "cut": ["sales-postgres", "sales-nats", "gateway-customer"],
    "delay": ["sales-postgres"],
    "narrow": ["sales-nats"],
    "slow": ["events"],
    "poison": ["raises", "unreadable"],
    "repeat": ["sales", "customer"],
    "exhaust": [POSTGRES],
    "storm": [GATEWAY, GATEWAY],
}  # fmt: skip
