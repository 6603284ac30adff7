"""The broker's files are such as its own program takes."""

import subprocess
from pathlib import Path

import pytest

from deploy.local.broker import BINARY
from deploy.manifests import broker
from deploy.manifests.certificates import Authority, hosts, names
from deploy.manifests.development import new_values
from deploy.manifests.secrets import filled, templates


@pytest.mark.parametrize("nodes", [1, broker.NODES])
def test_nats_takes_its_files(tmp_path: Path, nodes: int) -> None:
    folders = {name: tmp_path / name for name in ("config", "users", "tls", "store")}
    for folder in folders.values():
        folder.mkdir()
    text = broker.configuration(nodes)
    for inside, outside in (
        (broker.TLS, folders["tls"]),
        (broker.STORE, folders["store"]),
    ):
        text = text.replace(inside, str(outside))
    (folders["config"] / "nats.conf").write_text(text)
    users = filled(templates()["nats-users"], new_values())["users.conf"]
    (folders["users"] / "users.conf").write_text(users)
    for name, content in Authority().issue(names(hosts()["nats-tls"])).items():
        (folders["tls"] / name).write_text(content)
    done = subprocess.run(
        [BINARY, "-t", "--config", folders["config"] / "nats.conf"],
        env={"POD_NAME": "nats-0"},
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
