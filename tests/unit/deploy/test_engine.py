"""Who builds images and who plays pods, by what is on the path."""

from pathlib import Path

import pytest

from deploy.images import engine as engines
from deploy.images.engine import Engine, engine
from deploy.local.errors import RunnerError

PODMAN = '{"version": {"Version": "%s"}}'
# What a program tells for `info`; docker's fails while its server is away.
PROGRAMS = {
    "podman 5": ("podman", f"echo '{PODMAN % '5.4.2'}'"),
    "podman 4": ("podman", f"echo '{PODMAN % '4.3.1'}'"),
    "docker": ("docker", "echo ready"),
    "docker without server": ("docker", "exit 1"),
    "buildah": ("buildah", "echo '{}'"),
}
PODMAN_5, PODMAN_4 = Engine(("podman",), plays=True), Engine(("podman",), plays=False)
DOCKER, BUILDAH = Engine(("docker",), plays=False), Engine(("buildah",), plays=False)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A path without programs, for a user who cannot make a root of his own."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(engines, "BUILD", tmp_path)
    return tmp_path


def put(folder: Path, name: str, script: str) -> None:
    """A program of this name."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o700)


@pytest.mark.parametrize(
    ("installed", "builds", "plays"),
    [
        (["podman 5", "docker", "buildah"], PODMAN_5, PODMAN_5),
        (["podman 4", "docker"], PODMAN_4, None),
        (["docker", "buildah"], DOCKER, None),
        (["docker without server", "buildah"], BUILDAH, None),
        (["docker without server"], None, None),
    ],
)
def test_an_engine_is_the_first_that_can(
    here: Path, installed: list[str], builds: Engine | None, plays: Engine | None
) -> None:
    for name in installed:
        put(here, *PROGRAMS[name])
    for wanted, asked in ((builds, False), (plays, True)):
        if wanted is None:
            with (
                pytest.raises(RunnerError, match="nothing was built or played"),
                engine(plays=asked),
            ):
                pass
        else:
            with engine(plays=asked) as found:
                assert found == wanted


def test_buildah_is_asked_in_its_own_words(here: Path) -> None:
    script = """case "$1" in
        images) echo sha256:abc ;;
        push) archive=${4#docker-archive:}; echo "$3 12345" > "${archive%%:*}" ;;
        *) exit 1 ;;
    esac"""
    put(here, "buildah", script)
    assert BUILDAH.identity("crm-nats:1") == "sha256:abc"
    assert BUILDAH.size("crm-nats:1") == len("crm-nats:1 12345\n")
