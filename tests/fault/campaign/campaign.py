"""One campaign from its beginning to its verdict."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.platform import Platform
from deploy.local.settings import ROOT
from tests.fault.campaign.checker import check
from tests.fault.campaign.client import Place
from tests.fault.campaign.fleet import Fleet
from tests.fault.campaign.gather import Gatherer
from tests.fault.campaign.history import ASIDE, Event, canary, read
from tests.fault.campaign.nemesis import Fault, Nemesis, again, plan
from tests.fault.campaign.plot import draw
from tests.fault.campaign.workload import Plan, money
from tests.fault.campaign.world import World
from tests.live import Tenant, as_dict, eventually, new_tenant

PROCESSES = 2
CLIENTS = 20
TENANTS = 5
CALM_S = 90.0
REGISTERS = LISTS = 10
ACCOUNTS = 8
BALANCE = 1000
END_S = 300.0
START_S = 30.0
EXAMPLES = 50
RECORD = "results.json"
PLANTED = "planted.json"
COMMITTED = ROOT / "docs" / "operations" / "faults-planted.json"


@dataclass(frozen=True)
class Size:
    """How large a campaign is, and how long it waits in the end for all to be calm; a thorough
    one also has the faults that take long.
    """

    operations: int
    kills: int
    seed: int
    tenants: int = TENANTS
    clients: int = CLIENTS
    calm_s: float = CALM_S
    thorough: bool = False


@dataclass
class Result:
    """What came out: `violations` by invariant, everything else in figures."""

    size: Size
    history: list[Event]
    faults: list[Fault]
    violations: dict[str, list[str]]
    network: str
    seconds: float

    @property
    def recoveries_s(self) -> list[float]:
        """Seconds from each kill until everything worked, sorted."""
        return sorted(seconds for one in self.faults for seconds in one.recoveries_s)

    @property
    def unwitnessed(self) -> list[str]:
        """Faults that nobody saw take effect."""
        return [one.target for one in self.faults if not one.witnessed]

    def summary(self) -> dict[str, object]:
        """The figures by the names that reports use."""
        wrong = {name: len(lines) for name, lines in self.violations.items()}
        last: dict[str, Event] = {}
        for event in self.history:
            if event.f not in ASIDE and event.kind in {"ok", "fail", "info", "invoke"}:
                last[event.op] = event
        outcomes = Counter(one.kind for one in last.values())
        recoveries = self.recoveries_s
        restarts = sorted(seconds for one in self.faults for seconds in one.restarts_s)
        retried = sum(one.kind == "info" for one in self.history)
        return {
            "seed": self.size.seed,
            "operations": len(last),
            "kills": sum(one.kills for one in self.faults),
            "network": self.network,
            "faults": dict(sorted(Counter(one.name for one in self.faults).items())),
            "lost": wrong["I1"] + wrong["I4"] + wrong["I13"],
            "duplicated": wrong["I2"] + wrong["I5"],
            "out_of_order": wrong["I3"] + wrong["I6"] + wrong["I9"] + wrong["I10"],
            "cross_tenant": wrong["I8"],
            "read_model_differences": wrong["I7"],
            "recovery_s_p99": round(percentile(recoveries, 0.99), 2),
            "recovery_s_p50": round(percentile(recoveries, 0.5), 2),
            "restart_s_p50": round(percentile(restarts, 0.5), 2),
            "restart_s_p99": round(percentile(restarts, 0.99), 2),
            "planted_caught": None,
            "violations": wrong,
            "outcomes": dict(sorted(outcomes.items())),
            "unanswered_attempts": retried,
            "replayed": sum(one.kind == "replay" for one in self.history),
            "unwitnessed": self.unwitnessed,
            "seconds": round(self.seconds),
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the sorted values lies."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


@dataclass
class Campaign:
    """Tenants, clients and faults on one fleet; a folder holds what they write."""

    fleet: Fleet
    folder: Path
    size: Size
    tenants: list[Tenant] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def prepare(self) -> None:
        """Tenants with the records that their clients share."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.size.tenants):
            tenant = founded(self.fleet.platform, f"fault{number}")
            self.tenants.append(tenant)
            self.places.append(place_of(tenant))

    @contextlib.contextmanager
    def load(self) -> Iterator[None]:
        """Clients at work; they end once they have done their share and the block is over."""
        plan = Plan(
            self.fleet.platform.url(), str(self.folder), self.places,
            PROCESSES, self.size.clients, self.size.operations, self.size.seed,
        )  # fmt: skip
        path = self.folder / "plan.json"
        path.write_bytes(msgspec.json.encode(plan))
        command = [sys.executable, "-m", "tests.fault.campaign.workload", str(path)]
        running = [subprocess.Popen([*command, str(one)], cwd=ROOT) for one in range(PROCESSES)]
        try:
            yield
            (self.folder / "calm").touch()
            for one in running:
                assert one.wait(END_S + self.size.operations / 10) == 0, "a client has failed"
        finally:
            for one in running:
                one.kill()

    def done(self) -> int:
        """Operations so far."""
        return sum(int(one.read_text() or 0) for one in self.folder.glob("done-*"))

    def gather(self, nemesis: Nemesis) -> tuple[list[Event], World]:
        """The history and the world at the end."""
        tenants = [again(one) for one in (*self.tenants, nemesis.probe)]
        canaries = {one.id: canary(one.slug) for one in tenants}
        gatherer = Gatherer(self.fleet.platform, tenants, canaries)
        gatherer.world.accounts = {one.id: tuple(one.accounts) for one in self.places}
        gatherer.world.bank_total = ACCOUNTS * BALANCE
        gatherer.calm(nemesis.planted, self.size.calm_s)
        world = gatherer.read()
        nemesis.close()
        for one in tenants:
            one.http.close()
        return read(sorted(self.folder.glob("history-*.jsonl"))), world


def founded(platform: Platform, slug: str) -> Tenant:
    """A new tenant, also while a service has only just been started."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            return new_tenant(platform, slug)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def place_of(tenant: Tenant) -> Place:
    """The records that the clients of a tenant share."""
    word = canary(tenant.slug)
    eventually(lambda: as_dict(tenant.get("pipelines")).get("pipelines"), END_S, 0.2)

    def made(kind: str, count: int, **more: object) -> list[str]:
        rows = [{"opportunity": {"name": f"{word} {kind} {at}", **more}} for at in range(count)]
        answer = as_dict(tenant.post("opportunities:batchCreate", {"requests": rows}))
        records = answer["opportunities"]
        assert isinstance(records, list)
        return [str(one["id"]) for one in records]

    return Place(
        tenant.id, word, str(tenant.session["access_token"]),
        made("register", REGISTERS), made("list", LISTS),
        made("account", ACCOUNTS, amount=money(BALANCE)), tenant.slug, tenant.email,
    )  # fmt: skip


def run(
    fleet: Fleet,
    folder: Path,
    size: Size,
    progress: Progress,
    only: Sequence[tuple[str, str]] | None = None,
    change: Callable[[], None] | None = None,
) -> Result:
    """Prepare, load, break, heal, judge; `only` are the faults if not the whole deck, `change` is
    done once everything is prepared.
    """
    began = time.monotonic()
    campaign = Campaign(fleet, folder, size)
    campaign.prepare()
    probe = founded(fleet.platform, "probe")
    if change is not None:
        change()
    nemesis = Nemesis(fleet, folder, size.seed, probe, campaign.tenants, size.thorough)
    deck = plan(size.seed, size.kills, thorough=size.thorough) if only is None else only
    operations = progress.add_task("operations", total=size.operations)
    faults = progress.add_task("faults", total=len(deck))
    with campaign.load():
        for number, (name, target) in enumerate(deck):
            wanted = size.operations * number // (len(deck) + 1)
            while campaign.done() < wanted:
                progress.update(operations, completed=campaign.done())
                time.sleep(0.05)
            progress.update(faults, description=f"{name} {target}", completed=number)
            nemesis.strike(name, target)
        progress.update(faults, description="faults", completed=len(deck))
        while campaign.done() < size.operations:
            progress.update(operations, completed=campaign.done())
            time.sleep(0.2)
    progress.update(operations, completed=campaign.done())
    judging = progress.add_task("checker", total=1)
    history, world = campaign.gather(nemesis)
    violations = check(history, world)
    progress.update(judging, completed=1)
    seconds, struck = time.monotonic() - began, nemesis.judged(world.parked)
    return Result(size, history, struck, violations, fleet.network, seconds)


def bars() -> Progress:
    """How far it is."""
    return Progress(
        TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )


def write(folder: Path, result: Result) -> None:
    """The figures, the faults, examples of what was wrong, and the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = result.summary()
    planted = folder / PLANTED if (folder / PLANTED).exists() else COMMITTED
    summary["planted_caught"] = json.loads(planted.read_text())["planted_caught"]
    (folder / RECORD).write_text(json.dumps(summary, indent=1) + "\n")
    (folder / "faults.json").write_bytes(msgspec.json.encode(result.faults))
    examples = {name: lines[:EXAMPLES] for name, lines in result.violations.items() if lines}
    (folder / "violations.json").write_text(json.dumps(examples, indent=1))
    title = f"{summary['operations']} operations, {summary['kills']} kills, seed {summary['seed']}"
    (folder / "plot.svg").write_text(draw(result.history, result.faults, title))


def campaign(size: Size, scratch: Path, results: Path) -> Result:
    """A whole campaign on a platform of its own; histories and logs stay when it went wrong."""
    fleet = Fleet(Platform.for_tests(scratch / "platform"), scratch)
    result = None
    try:
        fleet.up()
        with bars() as progress:
            result = run(fleet, scratch / "campaign", size, progress)
        write(results, result)
    finally:
        fleet.down()
        if result is None or any(result.violations.values()):
            shutil.copytree(scratch / "platform" / "log", results / "log", dirs_exist_ok=True)
            shutil.copytree(scratch / "campaign", results / "campaign", dirs_exist_ok=True)
    return result
