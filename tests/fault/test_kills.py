"""Every process is killed (-9) in turn during an import; nothing acknowledged is lost or doubled.

The short form kills three on part of the data, the long one (make fault) each of them on all of it.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from cli.client import Client
from cli.dataset import MAPPINGS, STEPS, require_stages, run_step
from cli.errors import CliError
from cli.importing import Outcome, bar, finish, follow, metadata_of, number, start_import
from cli.records import items
from cli.spec import read_mapping
from deploy.local.platform import Platform
from tests.live import DATA, Tenant, as_dict, eventually

FEW = ("sales", "nats", "postgres")
ALL = ("sales", "nats", "postgres", "reporting", "gateway", "identity", "customer", "marketing")
ROWS = {"few": 2000, "quick": 2000, "all": 8800}
DOWN_S = 1.0
RECOVERY_S = 60.0
SETTLED_S = 60.0


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> str:
    """How much is killed."""
    return str(pytestconfig.getoption("--fault-rounds"))


class Writer:
    """Creates customers one after the other, each under a key, until told to stop.

    What was not answered is sent again with the same key: a time-out is not a failure.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.acknowledged: dict[str, str] = {}
        self.errors: Counter[str] = Counter()
        self._tenant = tenant
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Finish the present write."""
        self._stop.set()
        self._thread.join(RECOVERY_S)
        assert not self._thread.is_alive(), f"a write is stuck: {self.errors}"

    def _run(self) -> None:
        number = 0
        headers = self._tenant.http.headers
        with httpx.Client(base_url=self._tenant.url, headers=headers, timeout=10) as http:
            while not self._stop.is_set():
                number += 1
                self._write(http, f"writer {number}")
                time.sleep(0.02)

    def _write(self, http: httpx.Client, name: str) -> None:
        deadline = time.monotonic() + RECOVERY_S
        while time.monotonic() < deadline:
            try:
                response = http.post(
                    "/v1/customers", json={"name": name}, headers={"idempotency-key": name}
                )
            except httpx.HTTPError as error:
                self.errors[type(error).__name__] += 1
                time.sleep(0.1)
                continue
            if response.status_code == 200:
                self.acknowledged[name] = str(as_dict(response)["id"])
                return
            self.errors[f"{response.status_code}"] += 1
            time.sleep(0.1)


def part_of_the_data(folder: Path, rows: int) -> Path:
    """The first rows of the opportunities."""
    lines = (DATA / "sales_pipeline.csv").read_bytes().splitlines(keepends=True)
    path = folder / "sales_pipeline.csv"
    path.write_bytes(b"".join(lines[: rows + 1]))
    return path


def in_background(run: Callable[[], Outcome]) -> tuple[threading.Thread, list[Outcome | Exception]]:
    """Run in a thread; the list gets the outcome."""
    ended: list[Outcome | Exception] = []

    def work() -> None:
        try:
            ended.append(run())
        except Exception as error:  # noqa: BLE001  # whatever it was, the test shows it
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, ended


def follow_to_the_end(client: Client, name: str, path: Path) -> Outcome:
    """What `crm import` does after the start."""
    began = time.monotonic()
    with bar() as progress:
        operation = follow(client, name, progress, "import")
    return finish(client, operation, time.monotonic() - began, path)


def processed(client: Client, name: str) -> int:
    """Rows that the import has behind it, 0 while nobody answers."""
    try:
        operation = client.read(f"/v1/operations/{name}")
    except CliError:
        return 0
    return number(metadata_of(operation).get("processed"))


@pytest.mark.timeout(900)
def test_kill_each_process_during_an_import(
    fragile: Platform, victim: Tenant, tmp_path: Path, rounds: str, figures: list[str]
) -> None:
    rows, targets = ROWS[rounds], ALL if rounds == "all" else FEW
    with victim.client(tmp_path / "session.json") as client:
        require_stages(client)
        for step in STEPS[:-1]:
            run_step(client, DATA, step)
        path = part_of_the_data(tmp_path, rows)
        spec = read_mapping(MAPPINGS / "opportunities.json")
        writer = Writer(victim)
        with bar() as progress:
            name = start_import(client, path, spec, False, progress)
        thread, ended = in_background(lambda: follow_to_the_end(client, name, path))
        kill_in_turn(fragile, lambda: processed(client, name), targets, rows)
        thread.join(300)
        writer.stop()
        (outcome,) = ended
        assert isinstance(outcome, Outcome), outcome
        assert sum(outcome.counts.values()) == rows
        assert outcome.counts["failed"] == 0
        written_once(victim, writer)
        figures.append(
            f"{rows} rows and {len(writer.acknowledged)} writes in {outcome.seconds:.0f} s "
            f"with {len(targets)} kills -9; refused and repeated {dict(writer.errors)}"
        )
        assert len({one["external_id"] for one in opportunities(victim)}) == rows
        assert len(opportunities(victim)) == rows
        eventually(lambda: report(victim) == recomputed(victim), timeout_s=SETTLED_S, every_s=0.5)


def kill_in_turn(
    platform: Platform, progress: Callable[[], int], targets: tuple[str, ...], rows: int
) -> None:
    """Kill and restart each target while the import moves on between the kills."""
    for place, name in enumerate(targets):
        wanted = rows * place // (len(targets) + 1)
        deadline = time.monotonic() + RECOVERY_S
        while progress() < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        assert platform.kill(name) is not None, f"{name} did not run"
        time.sleep(DOWN_S)
        platform.start(name)


def written_once(tenant: Tenant, writer: Writer) -> None:
    """Every acknowledged write is there under its id, and only once."""
    found = tenant.list("customers", filter='name = "writer*"', page_size=1000, fields="name")
    names = Counter(str(one["name"]) for one in found)
    assert [name for name, count in names.items() if count > 1] == []
    ids = {str(one["name"]): str(one["id"]) for one in found}
    assert {name: ids.get(name) for name in writer.acknowledged} == writer.acknowledged
    assert writer.acknowledged


def opportunities(tenant: Tenant) -> list[Mapping[str, object]]:
    """All opportunities as their owner has them."""
    return tenant.list("opportunities", page_size=1000)


def report(tenant: Tenant) -> dict[str, tuple[int, Decimal, Decimal]]:
    """Count, amount and won amount by stage, from the read model."""
    answer = tenant.get("reports/pipelineSummary", group_by="stage")
    groups = items({"groups": as_dict(answer)["groups"]})
    return {
        str(one["key"]): (
            int(str(one["count"])), dollars(one["amounts"]), dollars(one["won_amounts"]),
        )
        for one in groups
    }  # fmt: skip


def recomputed(tenant: Tenant) -> dict[str, tuple[int, Decimal, Decimal]]:
    """The same from the opportunities themselves."""
    found: dict[str, tuple[int, Decimal, Decimal]] = {}
    for one in opportunities(tenant):
        stage = str(one["stage_id"])
        amount = dollars([one["amount"]] if one.get("amount") else [])
        count, whole, won = found.get(stage, (0, Decimal(0), Decimal(0)))
        won += amount if one["state"] == "WON" else 0
        found[stage] = (count + 1, whole + amount, won)
    return found


def dollars(amounts: object) -> Decimal:
    """The sum of amounts that are all in US dollars."""
    assert isinstance(amounts, list)
    assert {one["currency_code"] for one in amounts} <= {"USD"}
    return sum((Decimal(one["amount"]) for one in amounts), Decimal(0))
