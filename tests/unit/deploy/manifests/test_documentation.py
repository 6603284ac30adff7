"""What docs/operations/kubernetes.md tells operators to write and run does what it says."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import yaml

from deploy.local.settings import ROOT
from tests.unit.deploy.manifests.rendered import KUBECTL, at, items, name_of

PAGE: Final = ROOT / "docs" / "operations" / "kubernetes.md"


def test_an_overlay_of_operators_sets_registry_and_address(tmp_path: Path) -> None:
    for name in ("base", "overlays", "observability"):
        shutil.copytree(ROOT / "deploy" / name, tmp_path / name)
    found = re.search(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found is not None
    yours = tmp_path / "overlays" / "yours"
    yours.mkdir()
    (yours / "kustomization.yaml").write_text(found[1].replace("sha256:...", "sha256:" + "0" * 64))
    command = [str(KUBECTL), "kustomize", str(yours)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    rendered = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "Deployment"]
    for one in rendered:
        (main,) = items(one, "spec", "template", "spec", "containers")
        variables = {str(each["name"]): each.get("value") for each in items(main, "env")}
        if name_of(one) in {"identity", "gateway"}:
            assert variables["PUBLIC_URL"] == "https://crm.company.example"
            assert len(variables) > 8, "the others stay"
        if name_of(one) == "identity":
            assert str(main["image"]).startswith("registry.example/crm-identity@sha256:")


def test_values_for_the_store_are_printed() -> None:
    command = [sys.executable, "-m", "deploy.manifests", "values"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    values = json.loads(done.stdout)
    assert {"crm/identity", "crm/sales", "crm/gateway", "crm/operator"} <= set(values)
    assert at(values, "crm/sales", "owner_password") != at(values, "crm/sales", "runtime_password")
