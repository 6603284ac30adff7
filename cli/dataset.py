"""The CRM Sales Opportunities export as imports in an order in which references resolve."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.client import Client
from cli.errors import CliError
from cli.importing import Outcome, run_import
from cli.records import items
from cli.spec import read_mapping

SOURCE: Final = "crm-sales-opportunities"
MAPPINGS: Final = Path(__file__).with_name("mappings")
STAGES: Final = ("Prospecting", "Engaging", "Won", "Lost")
STAGES_WAIT_S: Final = 10.0


@dataclass(frozen=True)
class Step:
    """One import: what is shown, the file, the mapping (without .json)."""

    title: str
    file: str
    mapping: str


STEPS: Final = (
    Step("departments", "sales_teams.csv", "departments"),
    Step("managers", "sales_teams.csv", "managers"),
    Step("sales agents", "sales_teams.csv", "agents"),
    Step("customers", "accounts.csv", "customers"),
    Step("products", "products.csv", "products"),
    Step("opportunities", "sales_pipeline.csv", "opportunities"),
)


def import_dataset(client: Client, folder: Path, say: Callable[[str], object]) -> bool:
    """Run every step, telling its counts; whether any row failed. CliError for a missing file."""
    missing = sorted({step.file for step in STEPS if not (folder / step.file).is_file()})
    if missing:
        raise CliError(f"{folder} has no {', '.join(missing)}.")
    require_stages(client)
    began = time.monotonic()
    failed = False
    for step in STEPS:
        outcome = run_step(client, folder, step)
        say(f"{step.title:<17} {outcome.text()}")
        failed = failed or outcome.counts["failed"] > 0
    say(f"{'all':<17} {time.monotonic() - began:.1f} s")
    return failed


def run_step(client: Client, folder: Path, step: Step) -> Outcome:
    """One import of the data set."""
    spec = read_mapping(MAPPINGS / f"{step.mapping}.json")
    return run_import(client, folder / step.file, spec)


def require_stages(client: Client) -> None:
    """Wait for the stages of the tenant's default pipeline; CliError naming those it lacks."""
    deadline = time.monotonic() + STAGES_WAIT_S
    while True:
        page = client.read("/v1/stages", {"page_size": 1000, "fields": "name"})
        missing = set(STAGES) - {str(one.get("name")) for one in items(page)}
        if not missing:
            return
        if time.monotonic() > deadline:
            names = ", ".join(sorted(missing))
            raise CliError(f"The pipeline lacks the stages {names}: create them first.")
        time.sleep(0.5)
