"""python -m deploy.play: play the development overlay with podman, sign in through it and follow a
record to its report over mTLS; 1 with the reason when it cannot be played or does not work.
"""

import json
import secrets
import sys
import time
from pathlib import Path
from typing import Final

from deploy.images.engine import engine
from deploy.local.errors import RunnerError
from deploy.manifests.services import GRPC_PORT, HTTP_PORT, TOOLBOX
from deploy.manifests.shape import Manifest
from deploy.play.pods import PROBES, Pods, eventually

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


def main() -> int:
    """Play, check and clean up."""
    try:
        with engine(plays=True) as found:
            pods = Pods(found)
            try:
                _timed("pods play", pods.up)
                _timed("probes succeed", lambda: _probe(pods))
                _timed("smoke test", lambda: _smoke(pods))
            except RunnerError:
                print(pods.logs(), file=sys.stderr)
                raise
            finally:
                pods.down()
    except RunnerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _timed(what: str, work: object) -> None:
    assert callable(work)
    start = time.monotonic()
    work()
    print(f"{what}: {time.monotonic() - start:.1f} s", flush=True)


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


def _smoke(pods: Pods) -> None:
    """A tenant, a sign-in, a record, and the report that events have built from it."""
    password = secrets.token_urlsafe(16)
    admin = ("--email", "admin@example.com", "--password", password)

    def crm(*arguments: str) -> str:
        return pods.inside(TOOLBOX, "crm", *arguments)

    def crm_until(what: str, wanted: str, *arguments: str) -> str:
        return eventually(what, pods, TOOLBOX, ("crm", *arguments), wanted)

    crm("tenant", "create", "smoke", *admin)
    url = ("--url", f"http://gateway:{HTTP_PORT}")
    crm_until("sign-in", "Signed in", "login", *url, "--tenant", "smoke", *admin)
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


if __name__ == "__main__":
    sys.exit(main())
