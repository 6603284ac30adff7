"""`python -m deploy.local up|down|status|logs|migrate|seed|restart`, behind the Makefile."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.errors import RunnerError
from deploy.local.platform import SETTINGS_FILE, Platform, Seed
from deploy.local.progress import Progress
from deploy.local.settings import BACKUP, GATEWAY, POSTGRES, ROOT, SERVICES

Names = Annotated[list[str] | None, typer.Argument(help="components; all when none is named")]

app = typer.Typer(help="Run the platform on this machine.", no_args_is_help=True)
console = Console(soft_wrap=True)


@app.command()
def up() -> None:
    """Start what does not run, load demo data once, print the URL and the sign-in."""
    platform = _platform()
    platform.up(_seed())
    account = platform.credentials()
    if GATEWAY in platform.names():
        console.print(f"\n  [bold]{account['url']}[/bold]", highlight=False)
        console.print(f"  sign in as {account['email']}   {account['password']}", highlight=False)


@app.command()
def down() -> None:
    """Stop what was started here; data stays."""
    if not _started().down():
        console.print("nothing runs")


@app.command()
def status() -> None:
    """Show the components with their ports and processes."""
    platform = _started()
    running = platform.pids()
    for name in platform.names():
        state = f"process {running[name]}" if name in running else "down"
        port = f"port {platform.port(f'{BACKUP}_metrics' if name == BACKUP else name)}"
        console.print(f"  {name:<12} {port:<11} {state}", highlight=False)


@app.command()
def logs(names: Names = None) -> None:
    """Follow the logs; a service's are those of all its replicas."""
    platform = _started()
    wanted = [one for name in names or () for one in platform.instances(name)]
    paths = [platform.log_path(name) for name in wanted or platform.names()]
    files = [str(path) for path in paths if path.exists()]
    if not files:
        raise RunnerError("no log yet: run make up")
    os.execvp("tail", ["tail", "-n", "40", "-F", *files])  # noqa: S606  (tail is the program here)


@app.command()
def migrate(names: Names = None) -> None:
    """Bring databases to the newest version."""
    platform = _platform()
    for name in names or [name for name in platform.names() if name in SERVICES]:
        platform.migrate(name)


@app.command()
def revision(service: str, message: str) -> None:
    """Draft a migration of one service from its tables; read and correct it before committing."""
    platform = _platform()
    platform.start(POSTGRES)
    platform.draft_revision(service, message)


@app.command()
def seed() -> None:
    """Load the demo data again."""
    function = _seed()
    if function is None:
        raise RunnerError("deploy/local/seed.py does not exist")
    _platform().seed_once(function, again=True)


@app.command()
def restart(names: Names = None) -> None:
    """Restart components one after the other, for example after a change of code."""
    platform = _started()
    for name in names or platform.names():
        platform.restart(name)


def main() -> int:
    """Run the command line; a RunnerError is one clear message, not a traceback."""
    try:
        app()
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _platform() -> Platform:
    run_dir = Path(os.environ.get("RUN_DIR", ROOT / ".run"))
    return Platform(run_dir, os.environ, progress=Progress(console))


def _started() -> Platform:
    """The platform as it was started, if it was."""
    run_dir = Path(os.environ.get("RUN_DIR", ROOT / ".run"))
    if not (run_dir / SETTINGS_FILE).exists():
        return _platform()
    return Platform.found(run_dir, Progress(console))


def _seed() -> Seed | None:
    """The seed of this checkout, if it has one."""
    if importlib.util.find_spec("deploy.local.seed") is None:
        return None
    function: Seed = importlib.import_module("deploy.local.seed").seed
    return function


if __name__ == "__main__":
    sys.exit(main())
