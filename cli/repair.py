"""Commands of operators on the services of the local platform: parked events, read models.

In a cluster the same runs inside a pod: `python -m services.<name> parked`, see docs/operations.
"""

import subprocess
import sys
from typing import Annotated

import typer

from cli.context import run_dir
from cli.errors import CliError
from deploy.local.platform import Platform
from deploy.local.settings import ROOT, SERVICES

COMMAND_TIMEOUT_S = 3600.0
Services = Annotated[list[str] | None, typer.Argument(help="Services; all when none is named.")]
reporting = typer.Typer(help="Read models: compare and repair.", no_args_is_help=True)


def parked(services: Services = None) -> None:
    """Show the events that consumers could not apply, with the reason."""
    for service in _named(services):
        sys.stdout.writelines(f"{service} {line}\n" for line in run(service, "parked")[1])


def replay(services: Services = None) -> None:
    """Apply parked events after all; exit code 1 when a record stays frozen."""
    failed = False
    for service in _named(services):
        code, lines = run(service, "parked", "replay")
        sys.stdout.writelines(f"{service} {line}\n" for line in lines)
        failed = failed or code != 0
    if failed:
        raise CliError("Some records stay frozen: repair what the lines say, then replay again.")


@reporting.command("check")
def check() -> None:
    """Compare the sums of the read models with the facts they are made of."""
    code, lines = run("reporting", "recompute", "--check")
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if code != 0:
        raise CliError("The sums differ from the facts: crm reporting recompute puts them right.")


@reporting.command("recompute")
def recompute() -> None:
    """Put the sums of the read models right, and say what was wrong."""
    sys.stdout.writelines(f"{line}\n" for line in run("reporting", "recompute")[1])


@reporting.command("rebuild")
def rebuild() -> None:
    """Build the read model anew beside the live one, then switch; reports go on meanwhile."""
    run("reporting", "rebuild", shown=True)


def run(service: str, *arguments: str, shown: bool = False) -> tuple[int, list[str]]:
    """Exit code and output of a service's own command; CliError when it could not work.

    One that is `shown` writes to the terminal itself while it works, and has to end well.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}", *arguments],
        env=Platform.found(run_dir()).service_environment(service),
        cwd=ROOT,
        check=False,
        stdout=None if shown else subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
    )
    if done.returncode not in {0, 1} or (done.returncode and not done.stdout):
        told = done.stderr.strip().splitlines() or ["it said nothing"]
        raise CliError(f"{service} could not do it: {told[-1]}")
    return done.returncode, (done.stdout or "").splitlines()


def _named(services: list[str] | None) -> list[str]:
    unknown = set(services or ()) - set(SERVICES)
    if unknown:
        raise CliError(
            f"Unknown: {', '.join(sorted(unknown))}; services are {', '.join(SERVICES)}."
        )
    return services or list(SERVICES)
