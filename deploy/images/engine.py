"""Where images are built: podman, docker or buildah of this machine, or podman of our own; and
where pods are played: podman 5 or later.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.errors import RunnerError
from deploy.local.health import wait_for
from deploy.local.settings import ROOT

BUILD: Final = ROOT / ".build"
SCRIPTS: Final = Path(__file__).parent
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
# Where the repository is inside a root of our own.
SOURCE: Final = Path("/src")
PODMAN_MIN: Final = 5
READY_S: Final = 30.0
# What a build of an image or the start of all pods may take.
PATIENCE_S: Final = 600.0


@dataclass(frozen=True)
class Engine:
    """A program that builds as podman does; `own` is the process that holds our own root."""

    program: tuple[str, ...]
    plays: bool
    own: int | None = None

    def path(self, path: Path) -> str:
        """A path of the repository as the engine sees it."""
        return str(path if self.own is None else SOURCE / path.relative_to(ROOT))

    def run(
        self, *arguments: str, given: str | None = None, check: bool = True, isolated: bool = False
    ) -> str:
        """What a command prints; RunnerError when it fails. `isolated`: without this machine's
        network, where pods have theirs.
        """
        program = self.program
        if self.own is not None:
            network = ("-n",) if isolated else ()
            program = ("nsenter", "-t", str(self.own), "-m", *network, "-r", "-w", *program)
        try:
            done = subprocess.run(
                [*program, *arguments],
                input=given,
                check=False,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
        except subprocess.TimeoutExpired as error:
            raise RunnerError(f"{error.cmd[-1]}: not within {PATIENCE_S:.0f} s") from error
        if check and done.returncode != 0:
            output = (done.stdout + done.stderr).strip()
            raise RunnerError(f"{program[-1]} {' '.join(arguments[:3])} failed:\n{output}")
        return done.stdout + ("" if check else done.stderr)

    @property
    def _is_buildah(self) -> bool:
        """Buildah, which knows images as a builder does: nothing is inspected or saved."""
        return self.program == ("buildah",)

    def identity(self, image: str) -> str:
        """What changes whenever an image does."""
        if self._is_buildah:
            return self.run("images", "--quiet", "--no-trunc", image).strip()
        return self.run("image", "inspect", "--format", "{{.Id}}", image).strip()

    def size(self, image: str) -> int:
        """Bytes of an image, not compressed."""
        if not self._is_buildah:
            return int(self.run("image", "inspect", "--format", "{{.Size}}", image))
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            archive = Path(folder) / "image.tar"
            self.save(image, archive)
            return archive.stat().st_size

    def save(self, image: str, archive: Path) -> None:
        """Write an image to a file that is not there yet, as docker's archive."""
        if self._is_buildah:
            self.run("push", "--quiet", image, f"docker-archive:{self.path(archive)}:{image}")
        else:
            self.run("save", "--output", self.path(archive), image)


@contextmanager
def engine(*, plays: bool) -> Iterator[Engine]:
    """An engine, one that plays pods if asked for; RunnerError says why there is none."""
    found = _installed(plays=plays)
    if found is not None:
        yield found
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RunnerError(
            f"Neither podman {PODMAN_MIN} nor (for images only) an older one, docker or buildah is"
            " here, and podman of our own needs root and Debian's packages: nothing was built or"
            " played."
        )
    with _own_root() as made:
        yield made


def _installed(*, plays: bool) -> Engine | None:
    """The first that works; pods want a podman that is new enough."""
    told = _told("podman", "info", "--format", "json")
    if told is not None:
        major = int(str(json.loads(told)["version"]["Version"]).partition(".")[0])
        if major >= PODMAN_MIN or not plays:
            return Engine(("podman",), plays=major >= PODMAN_MIN)
    for program in () if plays else ("docker", "buildah"):
        if _told(program, "info") is not None:
            return Engine((program,), plays=False)
    return None


def _told(program: str, *arguments: str) -> str | None:
    """What a program of this machine prints; None when it is not here or does not work."""
    if shutil.which(program) is None:
        return None
    done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


@contextmanager
def _own_root() -> Iterator[Engine]:
    """Podman from Debian in a folder of its own, held in namespaces while it is used."""
    root = BUILD / "engine"
    if not (root / "usr/bin/podman").exists():
        _script("make-root.sh", root)
    if not (BUILD / "base.tar").exists():
        _script("make-base.sh", BUILD / "base.tar")
    command = ["unshare", "--mount", "--net", "--propagation", "private"]
    ready = BUILD / "engine.ready"
    ready.unlink(missing_ok=True)
    with subprocess.Popen([*command, SCRIPTS / "hold-root.sh", root, ROOT, ready]) as holder:
        try:
            if not wait_for(ready.exists, lambda: holder.poll() is None, READY_S):
                raise RunnerError("The root of podman cannot be entered: see above.")
            yield Engine(("podman",), plays=True, own=holder.pid)
        finally:
            holder.kill()


def _script(name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    arguments: Sequence[str | Path] = [SCRIPTS / name, target]
    done = subprocess.run(arguments, check=False)
    if done.returncode != 0:
        raise RunnerError(f"{name} failed: podman {PODMAN_MIN} cannot be had here")
