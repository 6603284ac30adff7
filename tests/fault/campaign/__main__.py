"""`python -m tests.fault.campaign [--operations N] [--kills N] [--seed N]`: a fault campaign."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.settings import ROOT
from tests.fault.campaign.campaign import Size, campaign

RESULTS = ROOT / ".run" / "fault"


def main(
    operations: Annotated[int, typer.Option(help="at least so many")] = 20_000,
    kills: Annotated[int, typer.Option(help="SIGKILLs among the faults")] = 30,
    seed: Annotated[int, typer.Option(help="the plan of faults follows from it")] = 1,
    results: Annotated[Path, typer.Option(help="where results.json goes")] = RESULTS,
) -> None:
    """Load, break, heal, judge; the exit code is 1 when anything was violated."""
    with tempfile.TemporaryDirectory(prefix="crm-fault-") as scratch:
        result = campaign(Size(operations, kills, seed), Path(scratch), results)
    Console(soft_wrap=True).print_json(data=result.summary())
    raise typer.Exit(1 if any(result.violations.values()) else 0)


if __name__ == "__main__":
    typer.run(main)
