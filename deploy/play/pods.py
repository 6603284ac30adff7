"""Plays rendered manifests with podman: in an order in which nobody waits for what comes later."""

import json
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from deploy.images.engine import BUILD, Engine
from deploy.local.errors import RunnerError
from deploy.local.settings import ROOT
from deploy.manifests.development import development_secrets
from deploy.manifests.render import as_yaml
from deploy.manifests.services import BLOBS, DATABASE, NATS, SERVICES, TOOLBOX, folder, volume
from deploy.manifests.shape import RELEASE, Manifest

FOLDER: Final = BUILD / "play"
KUBECTL: Final = Path(sysconfig.get_path("scripts")) / "kubectl"
NETWORK: Final = "crm"
SERVERS: Final = {NATS, f"{DATABASE}-rw"}
# What podman makes of the overlay; it knows no other kinds (docs/operations/kubernetes.md).
SHARED: Final = {"Secret", "ConfigMap", "PersistentVolumeClaim"}
PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
PATIENCE_S: Final = 120.0
STOP_S: Final = 45


class Pods:
    """The pods of the overlay `dev`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._played: list[Path] = []
        FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.manifests = [*development_secrets(FOLDER / "secrets.json"), *rendered("dev")]

    def up(self) -> None:
        """Servers first, then migrations, then the services, which wait for them."""
        self._engine.run("network", "create", "--ignore", NETWORK, isolated=True)
        parts = {
            "servers": [one for one in self.manifests if _is_server(one)],
            "migrations": [one for one in self.manifests if one["kind"] == "Job"],
            "services": [one for one in self.deployments() if not _is_server(one)],
        }
        for name, manifests in parts.items():
            path = FOLDER / f"{name}.yaml"
            path.touch(mode=0o600)
            path.write_text(as_yaml(_playable(one) for one in manifests))
            self._played.append(path)
            arguments = ("kube", "play", "--network", NETWORK, self._engine.path(path))
            self._engine.run(*arguments, isolated=True)
            if name == "servers":
                self._make_parts()

    def down(self) -> None:
        """Remove every pod, volume and Secret of ours."""
        for path in reversed(self._played):
            arguments = ("kube", "down", "--force", self._engine.path(path))
            self._engine.run(*arguments, check=False, isolated=True)
        self._engine.run("network", "rm", "--force", NETWORK, check=False, isolated=True)

    def _make_parts(self) -> None:
        """Kubernetes makes the folder that a `subPath` names, podman does not."""
        parts = [one.name for one in SERVICES if BLOBS in one.folders]
        script = f"import os; [os.makedirs(one, exist_ok=True) for one in {parts}]"
        held = ("--volume", f"{volume(BLOBS)}:{folder(BLOBS)}", "--workdir", folder(BLOBS))
        image = f"crm-{TOOLBOX}:{RELEASE}"
        self._engine.run("run", "--rm", *held, image, "-c", script, isolated=True)

    def deployments(self) -> list[Manifest]:
        """What runs until it is stopped."""
        return [one for one in self.manifests if one["kind"] == "Deployment"]

    def stop(self, *names: str) -> None:
        """Stop deployments, which keep what they have on volumes. Not their pods: those would lose
        their network first, and nobody could say good-bye.
        """
        grace = ("--time", str(STOP_S))
        self._engine.run("stop", *grace, *map(container_of, names), isolated=True)

    def start(self, *names: str) -> None:
        """Start them again."""
        self._engine.run("start", *map(container_of, names), isolated=True)

    def guard(self, deployment: str) -> str:
        """User and read-only root as the engine has them."""
        what = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}}"
        named = container_of(deployment)
        return self._engine.run("inspect", "--format", what, named, isolated=True).strip()

    def inside(self, deployment: str, *command: str, given: str | None = None) -> str:
        """What a command prints that runs in the main container of a deployment."""
        named = container_of(deployment)
        return self._engine.run("exec", "-i", named, *command, given=given, isolated=True)

    def logs(self) -> str:
        """The last lines of every container."""
        columns = "{{.Names}} {{.Status}}"
        listing = self._engine.run("ps", "--all", "--format", columns, isolated=True)
        names = [line.partition(" ")[0] for line in listing.splitlines()]
        tails = (
            (name, self._engine.run("logs", "--tail", "15", name, check=False, isolated=True))
            for name in names
            if not name.endswith("-infra")
        )
        return listing + "\n".join(f"-- {name}\n{tail}" for name, tail in tails)


def container_of(deployment: str) -> str:
    """The name that podman gives the main container of a deployment."""
    return f"{deployment}-pod-{deployment}"


def rendered(overlay: str) -> list[Manifest]:
    """The objects of an overlay."""
    folder = ROOT / "deploy" / "overlays" / overlay
    done = subprocess.run(
        [KUBECTL, "kustomize", folder], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RunnerError(f"kubectl kustomize {overlay}: {done.stderr.strip()}")
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def eventually(what: str, pods: Pods, deployment: str, command: Sequence[str], wanted: str) -> str:
    """The output of a command once it has a text in it; RunnerError when it never has."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            printed = pods.inside(deployment, *command)
        except RunnerError as error:
            printed = str(error)
        if wanted in printed:
            return printed
        if time.monotonic() > deadline:
            raise RunnerError(f"{what}: not within {PATIENCE_S:.0f} s; last:\n{printed}")
        time.sleep(1)


def _playable(one: Manifest) -> Manifest:
    """What podman would take otherwise than Kubernetes is put right.

    It would run probes as programs that the images do not have; its name server knows containers,
    not Services, so they have the Service's name; an emptyDir would be one for all pods of that
    name, while /tmp is there by itself where the root file system is read-only.
    """
    copy: Manifest = json.loads(json.dumps(one))
    if copy["kind"] not in {"Deployment", "Job"}:
        return copy
    spec = copy["spec"]
    assert isinstance(spec, dict)
    pod = spec["template"]["spec"]
    shared = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] not in shared]
    for container in (*pod["containers"], *pod.get("initContainers", [])):
        mounts = container["volumeMounts"]
        container["volumeMounts"] = [mount for mount in mounts if mount["name"] not in shared]
        for probe in PROBES:
            container.pop(probe, None)
    pod["containers"][0]["name"] = name_of(copy)
    return copy


def _is_server(one: Manifest) -> bool:
    if one["kind"] in SHARED:
        return True
    return one["kind"] == "Deployment" and name_of(one) in SERVERS


def name_of(one: Manifest) -> str:
    """The name of an object."""
    metadata = one["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["name"])
