"""The Dockerfile: an image for everything that the manifests name, and what its linter says."""

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Final

from deploy.images.__main__ import TARGETS
from deploy.local.settings import ROOT
from deploy.manifests.shape import RELEASE, USER
from tests.unit.deploy.manifests.rendered import OVERLAYS, containers, pods

DOCKERFILE: Final = ROOT / "deploy" / "docker" / "Dockerfile"
HADOLINT: Final = Path(sysconfig.get_path("scripts")) / "hadolint"


def test_every_image_of_the_manifests_is_built() -> None:
    named = {
        str(container["image"])
        for overlay in OVERLAYS
        for _, template in pods(overlay)
        for container in containers(template)
    }
    assert named == {f"crm-{target}:{RELEASE}" for target in TARGETS}


def test_every_target_runs_as_the_user_of_the_manifests() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    users: dict[str, str] = {}
    for stage in stages:
        heading = re.match(r"(\S+) AS (\S+)", stage)
        assert heading is not None, stage
        own = re.findall(r"^USER (\S+)$", stage, re.MULTILINE)
        users[heading[2]] = own[-1] if own else users.get(heading[1], "root")
    assert {users[target] for target in TARGETS} == {f"{USER}:{USER}"}


def test_images_hold_nothing_to_build_with() -> None:
    last = DOCKERFILE.read_text("utf-8").partition("AS runtime")[2]
    assert not re.search(r"\b(apt-get|pip|gcc|curl)\b", last)


def test_the_linter_is_content() -> None:
    done = subprocess.run(
        [HADOLINT, DOCKERFILE], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stdout
