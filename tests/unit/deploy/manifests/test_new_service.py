"""One more entry in the table gives a service everything that the others have."""

import json
import re
import subprocess
import sys
from collections import Counter

import yaml

from deploy.local.settings import ROOT
from tests.unit.deploy.manifests.schemas import MINORS, problems

# A process of its own, in which the tables have a seventh entry before anybody reads them.
SCRIPT = """
import json
from chassis import settings
settings.TARGETS = (*settings.TARGETS, "workflow")
from deploy.manifests import services
services.SERVICES = (*services.SERVICES, services.Service("workflow"))
services.TELLING = (*(one.name for one in services.SERVICES), services.BACKUP)
services.OWNERS = tuple(one for one in services.SERVICES if one.has_database)
from deploy.manifests.render import files
print(json.dumps({str(path): text for path, text in files().items() if path.suffix == ".yaml"}))
"""


def test_a_seventh_service_has_what_another_one_has() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, check=True, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    files = json.loads(done.stdout)
    documents = [one for text in files.values() for one in text.split("---\n")]
    named = re.compile(r"^  name: (?:[a-z]+-)?workflow\b", re.MULTILINE)
    new = [yaml.safe_load(one) for one in documents if named.search(one)]
    assert Counter(one["kind"] for one in new) == {
        "ServiceAccount": 1, "Deployment": 1, "Service": 1, "HorizontalPodAutoscaler": 1,
        "PodDisruptionBudget": 1, "Job": 1, "NetworkPolicy": 2, "Database": 1, "Certificate": 1,
        "ExternalSecret": 5,
    }  # fmt: skip
    assert [text for one in new for text in problems(one, MINORS[-1])] == []
    # Wherever a service is named: calls, roles, users of the broker, addresses, certificates.
    everything = "".join(
        text for name, text in files.items() if "observability" not in name
    ).lower()
    words = Counter(re.findall(r"(?<![a-z])(?:marketing|workflow)(?![a-z])", everything))
    assert words["workflow"] == words["marketing"] > 100
