"""python -m deploy.images: build every image, list what is in it (SPDX), and check its size."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.images.engine import BUILD, CERTIFICATES, Engine, engine
from deploy.local.errors import RunnerError
from deploy.local.progress import Progress
from deploy.local.settings import ROOT
from deploy.manifests.services import DATABASE, NATS, SERVICES, TOOLBOX
from deploy.manifests.shape import RELEASE

TARGETS: Final = (*(service.name for service in SERVICES), TOOLBOX, NATS, DATABASE)
BASE: Final = "localhost/crm-base:latest"
BYTES_MAX: Final = 250 * 1000 * 1000
SYFT: Final = Path(sysconfig.get_path("scripts")) / "syft"
SBOM: Final = BUILD / "sbom"


def main() -> int:
    """Build everything; 1 with one line when that cannot be."""
    try:
        with engine(plays=False) as found:
            build_all(found, Progress(Console(highlight=False)))
    except RunnerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def build_all(found: Engine, progress: Progress) -> None:
    """Build, measure and list every image."""
    arguments = _arguments(found)
    for target in TARGETS:
        image = f"crm-{target}:{RELEASE}"
        with progress.step(f"image {image}"):
            found.run("build", *arguments, "--target", target, "--tag", image, found.path(ROOT))
            size = found.size(image)
            if size > BYTES_MAX:
                raise RunnerError(f"{image} has {size} bytes, at most {BYTES_MAX} are allowed")
            count = _list_contents(found, target, image)
        progress.say(f"    {size / 1e6:.0f} MB, {count} packages")


def _arguments(found: Engine) -> list[str]:
    """Build arguments and secrets from the environment: BASE, PIP_INDEX_URL, PIP_CONF, CA_FILE."""
    made = ["--file", found.path(ROOT / "deploy/docker/Dockerfile")]
    base = os.environ.get("BASE")
    if base is None and found.own is not None:
        if not found.run("image", "ls", "--quiet", BASE):
            found.run("import", "--quiet", found.path(BUILD / "base.tar"), BASE)
        base = BASE
        made += ["--pull=never", "--network=host"]
    made += ["--build-arg", f"BASE={base}"] if base else []
    if "PIP_INDEX_URL" in os.environ:
        made += ["--build-arg", f"PIP_INDEX_URL={os.environ['PIP_INDEX_URL']}"]
    return made + _secrets(found)


def _secrets(found: Engine) -> list[str]:
    folder = BUILD / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = Path(os.environ.get("CA_FILE", CERTIFICATES))
    configuration = os.environ.get("PIP_CONF")
    if found.own is None and "CA_FILE" not in os.environ and configuration is None:
        return []
    (folder / "ca.pem").write_bytes(certificates.read_bytes())
    plain = "[global]\ncert = /run/secrets/ca.pem\n"
    (folder / "pip.conf").write_text(Path(configuration).read_text() if configuration else plain)
    return [
        f"--secret=id={name},src={found.path(folder / file)}"
        for name, file in (("pipconf", "pip.conf"), ("ca", "ca.pem"))
    ]


def _list_contents(found: Engine, target: str, image: str) -> int:
    """Write the SBOM of an image to .build/sbom, once for each state of it; how many packages."""
    SBOM.mkdir(parents=True, exist_ok=True)
    identity = found.identity(image)
    mark, listing = SBOM / f"{target}.id", SBOM / f"{target}.spdx.json"
    if not (listing.exists() and mark.exists() and mark.read_text() == identity):
        _scan(found, image, listing)
        mark.write_text(identity)
    return len(json.loads(listing.read_text("utf-8"))["packages"])


def _scan(found: Engine, image: str, listing: Path) -> None:
    archive = listing.with_suffix(".tar")
    archive.unlink(missing_ok=True)
    found.save(image, archive)
    what = (f"docker-archive:{archive}", "--quiet", "--output", f"spdx-json={listing}")
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run(
        [SYFT, "scan", *what], check=False, capture_output=True, text=True, env=environment
    )
    archive.unlink()
    if done.returncode != 0:
        raise RunnerError(f"syft {image}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
