"""python -m deploy.play: play the development overlay with podman, sign in through it, follow a
record to its report over mTLS, back up and restore; 1 with the reason when something fails.
"""

import json
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from deploy.images.engine import Engine, engine
from deploy.local.errors import RunnerError
from deploy.local.progress import Progress
from deploy.manifests.services import (
    BACKUP,
    GRPC_PORT,
    HTTP_PORT,
    METRICS_PORT,
    NATS,
    SERVICES,
    TOOLBOX,
)
from deploy.manifests.shape import USER, Manifest
from deploy.play.pods import PROBES, Pods, eventually, name_of

# A client without a certificate of ours.
STRANGER: Final = f"""
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
authority = open("/etc/crm/tls/ca.crt", "rb").read()
for channel in (
    grpc.insecure_channel("identity:{GRPC_PORT}"),
    grpc.secure_channel("identity:{GRPC_PORT}", grpc.ssl_channel_credentials(authority)),
):
    try:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
    except grpc.RpcError as error:
        print("refused", error.code().name)
"""


SERVED: Final = [service.name for service in SERVICES]
ADMIN: Final = ("--email", "admin@example.com", "--password")
LOOK: Final = f"""
import time, urllib.request
told = urllib.request.urlopen("http://{BACKUP}:{METRICS_PORT}/metrics").read().decode()
made = told.partition("\\ncrm_backup_good_timestamp_seconds ")[2]
print("age", int(time.time() - float(made.split()[0])))
"""
YOUNG_S: Final = 600


def main() -> int:
    """Play, check and clean up."""
    try:
        with engine(plays=True) as found:
            play(found, Progress(Console(highlight=False)))
    except RunnerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def play(found: Engine, progress: Progress) -> None:
    """The pods, what Kubernetes would ask them, what a user would do, and a restore."""
    pods = Pods(found)
    user = ("--tenant", "smoke", *ADMIN, secrets.token_urlsafe(16))
    steps: dict[str, Callable[[], None]] = {
        "pods play": pods.up,
        "probes succeed": lambda: _probe(pods),
        "users, read-only roots, no compilers": lambda: _guarded(pods),
        "sign-in, records, events, report": lambda: _smoke(pods, user),
        "backup": lambda: _back_up(pods),
        "restore": lambda: _restore(pods, user),
    }
    try:
        for name, work in steps.items():
            with progress.step(name):
                work()
    except RunnerError:
        progress.say(escape(pods.logs()))
        raise
    finally:
        with progress.step("clean up"):
            pods.down()


def _probe(pods: Pods) -> None:
    """Every probe of every manifest, asked from inside the pods' network."""
    asked = [probe for one in pods.deployments() for probe in _probes(one)]
    script = Path(__file__).with_name("probes.py").read_text("utf-8")
    pods.inside(TOOLBOX, "python", "-c", script, given=json.dumps(asked))


def _probes(deployment: Manifest) -> list[dict[str, object]]:
    spec = deployment["spec"]
    assert isinstance(spec, dict)
    host, (main, *_) = spec["selector"]["matchLabels"], spec["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in main.get("ports", [])}
    found: list[dict[str, object]] = []
    for name in PROBES:
        probe = main.get(name, {})
        where = {"host": host["app.kubernetes.io/name"]}
        if "grpc" in probe:
            ask = {"how": "grpc", "what": probe["grpc"].get("service", "")}
            found.append({**where, **ask, "port": probe["grpc"]["port"]})
        if "httpGet" in probe:
            ask = {"how": "http", "what": probe["httpGet"]["path"]}
            found.append({**where, **ask, "port": ports[probe["httpGet"]["port"]]})
    return found


def _guarded(pods: Pods) -> None:
    """Nobody is root, nothing can be written or compiled."""
    script = Path(__file__).with_name("inside.py").read_text("utf-8")
    for one in pods.deployments():
        name = name_of(one)
        found = pods.guard(name)
        if found != f"{USER}:{USER} true":
            raise RunnerError(f"{name}: user and read-only root are {found}")
        if name == NATS:  # there is nothing else in its image
            continue
        problems = pods.inside(name, "python3", "-c", script)
        if problems:
            raise RunnerError(f"{name}: {problems}")


def _smoke(pods: Pods, user: Sequence[str]) -> None:
    """A tenant, a sign-in, a record, and the report that events have built from it."""

    def crm(*arguments: str) -> str:
        return pods.inside(TOOLBOX, "crm", *arguments)

    def crm_until(what: str, wanted: str, *arguments: str) -> str:
        return eventually(what, pods, TOOLBOX, ("crm", *arguments), wanted)

    crm("tenant", "create", *user[1:])
    _sign_in(pods, user)
    customer = json.loads(crm("create", "customers", "name=武当山茶业", "kind=COMPANY"))["id"]
    listed = crm_until("first pipeline", "id", "list", "stages", "--output", "json")
    stage = next(one["id"] for one in json.loads(listed) if one.get("outcome", "OPEN") == "OPEN")
    money = ("amount.amount=88000", "amount.currency_code=USD")
    deal = (f"customer_id={customer}", f"stage_id={stage}", *money)
    crm_until("opportunity", '"id"', "create", "opportunities", "name=春茶", *deal)
    crm_until("report", "88", "report", "pipeline", "--group-by", "customer")
    refused = pods.inside(TOOLBOX, "python", "-c", STRANGER)
    if refused.count("refused") != 2:
        raise RunnerError(f"identity answers strangers: {refused}")


def _sign_in(pods: Pods, user: Sequence[str]) -> None:
    url = ("--url", f"http://gateway:{HTTP_PORT}")
    eventually("sign-in", pods, TOOLBOX, ("crm", "login", *url, *user), "Signed in")


def _back_up(pods: Pods) -> None:
    """What the CronJob runs, and what is told of it."""
    (job,) = [one for one in pods.manifests if one["kind"] == "CronJob"]
    spec = job["spec"]
    assert isinstance(spec, dict)
    (made,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    pods.inside(BACKUP, "python", *made["args"])
    age = pods.inside(TOOLBOX, "python", "-c", LOOK).split()[1]
    if int(age) > YOUNG_S:
        raise RunnerError(f"the newest good backup is said to be {age} s old")
    told = pods.inside(TOOLBOX, "crm", "doctor")
    if "NATS answers" not in told or "1 not checked" not in told:  # health, which probes ask
        raise RunnerError(f"crm doctor cannot look at everything:\n{told}")


def _restore(pods: Pods, user: Sequence[str]) -> None:
    """As docs/operations/backup.md says: what came after the backup is gone, the rest is there."""
    pods.inside(TOOLBOX, "crm", "create", "customers", "name=later", "kind=COMPANY")
    pods.stop(*SERVED)
    pods.inside(BACKUP, "python", "-m", "deploy.backup", "restore", "latest", "--yes")
    pods.start(*SERVED)
    _sign_in(pods, user)
    named = ("crm", "list", "customers", "--fields", "name")
    listed = eventually("records are back", pods, TOOLBOX, named, "武当山茶业")
    if "later" in listed:
        raise RunnerError(f"what came after the backup is still there: {listed}")
    report = ("crm", "report", "pipeline", "--group-by", "customer")
    eventually("report is back", pods, TOOLBOX, report, "88")


if __name__ == "__main__":
    sys.exit(main())
