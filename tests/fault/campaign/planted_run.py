"""`python -m tests.fault.campaign.planted_run [name...]`: who finds the planted bugs."""

import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from deploy.local.platform import Platform
from tests.fault.campaign.__main__ import RESULTS
from tests.fault.campaign.campaign import PLANTED as FOUND
from tests.fault.campaign.campaign import RECORD, Size, run
from tests.fault.campaign.fleet import Fleet
from tests.fault.campaign.planted import PLANTED

SIZE = Size(operations=600, kills=0, seed=1, tenants=2, clients=8, calm_s=8.0)
console = Console(soft_wrap=True)


def find(fleet: Fleet, folder: Path, name: str) -> dict[str, int]:
    """The invariants that a bug breaks, with how often."""
    bug = PLANTED[name]

    def plant() -> None:
        fleet.restart(bug.service, name)

    try:
        with Progress(disable=True) as progress:
            result = run(fleet, folder / name, SIZE, progress, bug.faults, plant)
    finally:
        fleet.restart(bug.service)
    return {one: len(lines) for one, lines in result.violations.items() if lines}


def main(names: list[str]) -> int:
    """0 when every bug is found by the invariant that is named for it."""
    bugs: dict[str, object] = {}
    caught = 0
    with tempfile.TemporaryDirectory(prefix="crm-planted-") as scratch:
        folder = Path(scratch)
        fleet = Fleet(Platform.for_tests(folder / "platform"), folder)
        try:
            fleet.up()
            for name in names:
                found, wanted = find(fleet, folder, name), PLANTED[name].invariant
                bugs[name] = {"by": wanted, "violations": found}
                caught += wanted in found
                told = "caught" if wanted in found else "MISSED"
                console.print(f"{name:<24} {PLANTED[name].service:<10} {wanted:<4} {told} {found}")
        finally:
            fleet.down()
    RESULTS.mkdir(parents=True, exist_ok=True)
    summary = {"planted": len(names), "planted_caught": caught, "bugs": bugs}
    (RESULTS / FOUND).write_text(json.dumps(summary, indent=1) + "\n")
    whole = RESULTS / RECORD
    if whole.exists():
        figures = {**json.loads(whole.read_text()), "planted_caught": caught}
        whole.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if caught == len(names) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(PLANTED)))
