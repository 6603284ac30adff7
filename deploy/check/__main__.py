"""python -m deploy.check: manifests, alert rules, images, and the development overlay as real pods;
1 with the reason at the first thing that is wrong. Without podman 5 it is not half done, but fails.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.images.__main__ import build_all
from deploy.images.engine import engine
from deploy.local.errors import RunnerError
from deploy.local.progress import Progress
from deploy.local.settings import ROOT
from deploy.observability.programs import MissingError, program
from deploy.play.__main__ import play

MAX_S: Final = 600.0
RULES: Final = ROOT / "deploy" / "observability"
# Rendering, schemas, security, flows; rules, dashboards and pages fit together.
TESTS: Final = ("-m", "pytest", "-q", "--no-header", "tests/unit/deploy")


def main() -> int:
    """Check everything, the quick things first."""
    console = Console(soft_wrap=True, highlight=False)
    progress = Progress(console)
    began = time.monotonic()
    try:
        with progress.step("manifests, policies, dashboards"):
            _run(ROOT, sys.executable, *TESTS)
        with progress.step("alert rules"):
            promtool = program("promtool")
            _run(RULES, promtool, "check", "rules", "recording.yaml", "alerts.yaml")
            _run(RULES, promtool, "test", "rules", "alerts_test.yaml")
        with engine(plays=True) as found:
            build_all(found, progress)
            play(found, progress)
    except (RunnerError, MissingError) as error:
        console.print(str(error), markup=False)
        return 1
    took = time.monotonic() - began
    if took > MAX_S:
        console.print(f"All is well, but it took {took:.0f} s of {MAX_S:.0f}: run it again, warm")
        return 1
    console.print(f"The deployment is as it should be ({took:.0f} s)")
    return 0


def _run(folder: Path, *command: str | Path) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RunnerError((done.stdout + done.stderr).strip())


if __name__ == "__main__":
    sys.exit(main())
