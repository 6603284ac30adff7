"""`python -m tests.fault.campaign [--operations N] [--kills N] [--seed N] [--thorough]`."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.settings import ROOT
from tests.fault.campaign.campaign import RECORD, Size, campaign, percentile

RESULTS = ROOT / ".run" / "fault"
RECOVERY_S = 10.0


def main(
    operations: Annotated[int, typer.Option(help="at least so many")] = 20_000,
    kills: Annotated[int, typer.Option(help="SIGKILLs among the faults")] = 30,
    seed: Annotated[int, typer.Option(help="the plan of faults follows from it")] = 1,
    thorough: Annotated[
        bool, typer.Option(help="long faults, too; a recovery must not take longer than 10 s")
    ] = False,
    results: Annotated[Path, typer.Option(help="where results.json goes")] = RESULTS,
) -> None:
    """Load, break, heal, judge; the exit code is 1 when anything was violated or not seen."""
    with tempfile.TemporaryDirectory(prefix="crm-fault-") as scratch:
        result = campaign(Size(operations, kills, seed, thorough=thorough), Path(scratch), results)
    Console(soft_wrap=True).print_json((results / RECORD).read_text())
    late = thorough and percentile(result.recoveries_s, 0.99) > RECOVERY_S
    raise typer.Exit(any(result.violations.values()) or bool(result.unwitnessed) or late)


if __name__ == "__main__":
    typer.run(main)
