"""What docs/operations.md tells operators to write and run does what it says."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.images.__main__ import TARGETS
from deploy.local.settings import ROOT
from deploy.manifests.services import DATABASE
from tests.unit.deploy.manifests.rendered import KUBECTL, at

PAGE: Final = (ROOT / "docs" / "operations.md").read_text("utf-8")
MARK: Final = f"# tested by {Path(__file__).relative_to(ROOT)}\n"
PYTHON: Final = '#!/bin/sh\nexec "{python}" "$@"\n'


def test_the_commands_before_an_installation_run(tmp_path: Path) -> None:
    """As they stand, in a copy whose environment is where `make` puts it and not on the path."""
    for name in ("base", "overlays", "observability"):
        shutil.copytree(ROOT / "deploy" / name, tmp_path / "deploy" / name)
    binaries, build = tmp_path / ".venv" / "bin", tmp_path / ".build"
    binaries.mkdir(parents=True)
    build.mkdir()
    (binaries / "python").write_text(PYTHON.format(python=sys.executable))
    (binaries / "python").chmod(0o700)
    (binaries / "kubectl").symlink_to(KUBECTL)
    blocks = re.findall(rf"^```sh\n{re.escape(MARK)}(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    script = "command -v python && exit 1\n" + "\n".join(blocks)
    assert script.count("\nexport PATH") == 1
    # Debian has no `python`: what the page does not put on the path is not found.
    system = tmp_path / "system"
    system.mkdir()
    for name in ("cp", "sh"):
        (system / name).symlink_to(Path(shutil.which(name) or name))
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-eu", "-c", script], cwd=tmp_path,
        env={"PATH": str(system), "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rendered = (build / "rendered.yaml").read_text("utf-8")
    assert "\n          value: https://crm.company.example\n" in rendered
    values = json.loads((build / "values.json").read_text("utf-8"))
    assert (build / "values.json").stat().st_mode & 0o077 == 0
    assert {"crm/identity", "crm/sales", "crm/gateway", "crm/operator"} <= set(values)
    assert at(values, "crm/sales", "owner_password") != at(values, "crm/sales", "runtime_password")


def test_every_image_of_a_cluster_is_pushed() -> None:
    (named,) = re.findall(r"^for name in (.*); do$", PAGE, re.MULTILINE)
    assert set(named.split()) == set(TARGETS) - {DATABASE}
