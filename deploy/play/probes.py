"""Runs inside the toolbox pod: asks what Kubernetes would ask, given as JSON on standard input."""

import json
import sys
import time
import urllib.request
from urllib.error import URLError

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

PATIENCE_S = 90.0


def answers(host: str, probe: dict[str, object]) -> bool:
    """Whether one probe succeeds now."""
    port = probe["port"]
    if probe["how"] == "grpc":
        with grpc.insecure_channel(f"{host}:{port}") as channel:
            request = health_pb2.HealthCheckRequest(service=str(probe["what"]))
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    url = f"http://{host}:{port}{probe['what']}"
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def main() -> int:
    """Ask every probe until it succeeds; 1 names those that never did."""
    probes = json.load(sys.stdin)
    deadline = time.monotonic() + PATIENCE_S
    while probes and time.monotonic() < deadline:
        probes = [one for one in probes if not answers(str(one["host"]), one)]
        time.sleep(0.5 if probes else 0)
    sys.stdout.write("\n".join(str(one) for one in probes) or "all probes succeed")
    return 1 if probes else 0


if __name__ == "__main__":
    sys.exit(main())
