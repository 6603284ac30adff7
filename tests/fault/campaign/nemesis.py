"""Breaks things by a plan that follows from a seed; every fault has a witness of its effect."""

import random
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from deploy.local.settings import GATEWAY, NATS, POSTGRES
from tests.fault.campaign import disturb
from tests.fault.campaign.client import RENEW_S
from tests.fault.campaign.crashes import ARM, PLACES
from tests.fault.campaign.fleet import Fleet
from tests.fault.campaign.history import now
from tests.live import Tenant, as_dict, eventually, signed_in

DOWN_S = (0.0, 0.8)
QUIET_S = (0.5, 2.0)
QUIET_SHARE = 0.25
ROUTE_S = (1.5, 3.0)
PAUSE_S, PAUSE_LONG_S = 5.0, 30.0
PARKED_S = 150.0
CRASH_S = 20.0
RECOVERY_S = 60.0


class Fault(msgspec.Struct, frozen=True):
    """One fault as it was: F1 to F18, seconds of the monotonic clock, kills that belong to it.

    After each of its kills `restarts_s` pass until the process is back, `recoveries_s` until
    everything works. `event` is what must be parked in the end.
    """

    name: str
    target: str
    began: float
    ended: float
    kills: int
    witnessed: bool
    restarts_s: list[float] = []
    recoveries_s: list[float] = []
    event: str = ""


@dataclass
class Nemesis:
    """Runs the faults one after the other; `probe` is a tenant of its own."""

    fleet: Fleet
    folder: Path
    seed: int
    probe: Tenant
    tenants: list[Tenant]
    thorough: bool = False
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._file = (self.folder / "faults.jsonl").open("ab", buffering=0)
        self._number = 0
        self._event = ""
        self._restarts: list[float] = []
        self._recoveries: list[float] = []
        self._signed_in_at = now()

    def close(self) -> None:
        """No more faults."""
        self._file.close()
        for tenant in (self.probe, *self.tenants):
            tenant.http.close()

    def strike(self, name: str, target: str) -> Fault:
        """Do one fault and heal it."""
        began, self._event, self._restarts, self._recoveries = now(), "", [], []
        if name in LINES:
            witnessed = self._route(target, LINES[name])
        else:
            witnessed = getattr(self, f"_{name.replace('-', '_')}")(target)
        fault = Fault(
            NUMBERS[name], f"{name} {target}", began, now(), KILLS.get(name, 0), witnessed,
            self._restarts, self._recoveries, self._event,
        )  # fmt: skip
        self.faults.append(fault)
        self._file.write(msgspec.json.encode(fault) + b"\n")
        if self._random.random() < QUIET_SHARE:
            time.sleep(self._random.uniform(*QUIET_S))
        return fault

    @property
    def planted(self) -> frozenset[str]:
        """The events that nobody can apply."""
        return frozenset(one.event for one in self.faults if one.event)

    def judged(self, parked: Collection[str]) -> list[Fault]:
        """The faults; an event that was to be parked is witnessed by that."""
        return [
            msgspec.structs.replace(one, witnessed=one.witnessed and one.event in parked)
            if one.event else one
            for one in self.faults
        ]  # fmt: skip

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
        fell_at, gone = now(), self.fleet.kill(target)
        time.sleep(self._random.uniform(*DOWN_S))
        self._come_back(target, fell_at)
        return gone

    _kill_service = _kill_nats = _kill_postgres = _kill

    def _kill_at(self, point: str) -> bool:
        """F2: killed, started as one that dies at a point of its work, started as it should be."""
        name = PLACES[point]
        fell_at, gone = now(), self.fleet.kill(name)
        self._come_back(name, fell_at, point)
        self.fleet.signal(name, ARM)
        died = self.fleet.ended(name, CRASH_S) is not None
        fell_at, gone = now(), gone and (died or self.fleet.kill(name))
        self._come_back(name, fell_at)
        return gone and died

    def _come_back(self, name: str, fell_at: float, wrapping: str = "") -> None:
        """Start what died at a moment, and measure until it is back and until all works."""
        self.fleet.start([name], wrapping)
        self._restarts.append(now() - fell_at)
        self.recover()
        self._recoveries.append(now() - fell_at)

    def _end_backend(self, target: str) -> bool:
        """F4: one connection of a service ends in the midst of its work."""
        return disturb.end_backends(self.fleet.platform, f"{target}-runtime") > 0

    def _end_relay(self, target: str) -> bool:
        """F5: the relay's connection ends, and with it the lock by which it leads."""
        return disturb.end_backends(self.fleet.platform, f"{target}-worker") > 0

    def _pause(self, target: str) -> bool:
        """F6: a process stands still and wakes as if nothing had happened."""
        with self.fleet.paused(target) as still:
            time.sleep(self._random.uniform(1.0, PAUSE_LONG_S if self.thorough else PAUSE_S))
        return still

    def _route(self, target: str, what: str) -> bool:
        """F7, F8: a line between two processes obeys for a while; what it held back is witness."""
        before = self.fleet.moved(target)
        self.fleet.order(target, what)
        try:
            if what.startswith("close"):
                disturb.end_backends(self.fleet.platform, target.replace("-postgres", "-runtime"))
            time.sleep(self._random.uniform(*ROUTE_S))
        finally:
            self.fleet.order(target)
        return self.fleet.moved(target) > before

    def _slow(self, _target: str) -> bool:
        """F13: somebody who follows the live updates and does not read."""
        return disturb.slow_reader(self._random.choice(self.tenants), 3.0)

    def _poison(self, target: str) -> bool:
        """F14: a message in the stream that cannot be applied, or not even be read."""
        tenant = self._random.choice(self.tenants)
        self._event = disturb.poison(self.fleet.platform, tenant.id, target)
        return True

    def _poison_handler(self, target: str) -> bool:
        """F14: an event over which the handler hangs or the process dies, as often as it comes."""
        name, until, deaths = "reporting", now() + PARKED_S, 0
        self.fleet.restart(name, "handles-badly")
        self._poison(target)
        while not disturb.is_parked(self.fleet.platform, name, self._event) and now() < until:
            if self.fleet.pid(name) is None:
                deaths += 1
                with suppress(RuntimeError):  # it may be dead again before it serves
                    self.fleet.start([name], "handles-badly")
            time.sleep(0.2)
        self.fleet.restart(name)
        return now() < until and (target != "dies" or deaths > 1)

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


def plan(seed: int, kills: int, *, thorough: bool = False) -> list[tuple[str, str]]:
    """Faults by name and target: as many kills as asked for, everything else in proportion."""
    chance = random.Random(seed)
    kinds = {**DECK, **THOROUGH} if thorough else DECK
    every = [(name, target) for name, targets in kinds.items() for target in targets]
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
    "end-backend": "F4", "end-relay": "F5", "pause": "F6", "cut": "F7", "cut-there": "F7",
    "cut-back": "F7", "jitter": "F8", "delay": "F8", "narrow": "F8", "lose": "F8", "close": "F8",
    "slow": "F13", "poison": "F14", "poison-handler": "F14", "repeat": "F15/F16",
    "exhaust": "F17", "storm": "F18",
}  # fmt: skip
# What a line is ordered to do (proxy.py, cable.py); "close": the server ends its connections, too.
LINES = {
    "cut": "cut", "cut-there": "cut there", "cut-back": "cut back",
    "jitter": "jitter 0.1", "delay": "delay 2", "close": "close 2",
    "narrow": "narrow", "lose": "lose",
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
    "cut": ["sales-postgres", "sales-nats", "gateway-sales"],
    "cut-there": ["sales-postgres"],
    "cut-back": ["sales-nats", "gateway-sales"],
    "jitter": ["customer-postgres"],
    "delay": ["customer-postgres"],
    "narrow": ["sales-nats"],
    "lose": ["sales-postgres"],
    "close": ["customer-postgres"],
    "slow": ["events"],
    "poison": ["raises", "unreadable"],
    "repeat": ["sales", "customer"],
    "exhaust": [POSTGRES],
    "storm": [GATEWAY, GATEWAY],
}  # fmt: skip
# What takes longer than the quick size has.
THOROUGH = {"poison-handler": ["hangs", "dies"]}
