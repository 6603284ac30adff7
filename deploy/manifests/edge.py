"""The way in from outside, and the operators' toolbox."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from deploy.manifests.services import (
    GATEWAY,
    GRPC_PORT,
    HTTP_PORT,
    METRICS_PORT,
    TELLING,
    TOOLBOX,
)
from deploy.manifests.shape import (
    RELEASE,
    TLS_DIR,
    Manifest,
    account,
    container,
    labels,
    manifest,
    mount,
    pod,
    resources,
    secret_volume,
    selector,
    variables,
)

API: Final = "gateway.networking.k8s.io/v1"
HOST: Final = "crm.example.com"
CERTIFICATE: Final = "public-tls"


def entrance() -> Iterator[Manifest]:
    """TLS ends here; live updates stay open, everything else has its time."""
    spec = {
        "secretName": CERTIFICATE,
        "dnsNames": [HOST],
        "issuerRef": {"name": "public", "kind": "ClusterIssuer", "group": "cert-manager.io"},
    }
    yield manifest("Certificate", CERTIFICATE, "cert-manager.io/v1", spec=spec)
    only_here = {"namespaces": {"from": "Same"}}
    secure = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": CERTIFICATE}]}
    listeners: list[Manifest] = [
        {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": only_here},
        {
            "name": "https",
            "port": 443,
            "protocol": "HTTPS",
            "hostname": HOST,
            "tls": secure,
            "allowedRoutes": only_here,
        },
    ]
    entrance = {"gatewayClassName": "crm", "listeners": listeners}
    yield manifest("Gateway", "crm", API, spec=entrance)
    backend = [{"name": GATEWAY, "port": HTTP_PORT}]
    live = {"path": {"type": "Exact", "value": "/v1/events"}}
    rest = {"path": {"type": "PathPrefix", "value": "/"}}
    rules = [
        {"matches": [live], "timeouts": {"request": "0s"}, "backendRefs": backend},
        {"matches": [rest], "timeouts": {"request": "600s"}, "backendRefs": backend},
    ]
    yield _route(GATEWAY, "https", rules)
    moved = {"scheme": "https", "statusCode": 301}
    to_https = {"type": "RequestRedirect", "requestRedirect": moved}
    yield _route("to-https", "http", [{"filters": [to_https]}])


def toolbox() -> Iterator[Manifest]:
    """A pod with the crm command: `kubectl exec deploy/toolbox -- crm tenant list`."""
    yield account(TOOLBOX)
    values = {
        # Where `crm doctor` looks; a name of a service leads to all its processes.
        "CRM_METRICS": ",".join(f"{name}={name}:{METRICS_PORT}" for name in TELLING),
        "CRM_URL": f"http://{GATEWAY}:{HTTP_PORT}",
        "HOME": "/tmp",  # noqa: S108  # the pod's own; sessions of operators end with it
        "IDENTITY_TARGET": f"identity:{GRPC_PORT}",
        "TLS_DIR": TLS_DIR,
    }
    tools = container(
        "main",
        f"crm-{TOOLBOX}:{RELEASE}",
        resources(cpu=10, memory_mib=32, memory_max_mib=256, cpu_max=1000),
        env=variables(values),
        envFrom=[{"secretRef": {"name": TOOLBOX}}],
        volumeMounts=[mount("tls", TLS_DIR)],
    )
    own = labels(TOOLBOX, "operators")
    spec = pod([tools], [secret_volume("tls", f"{TOOLBOX}-tls")], TOOLBOX, grace_s=5)
    yield manifest(
        "Deployment",
        TOOLBOX,
        "apps/v1",
        own,
        spec={
            "replicas": 1,
            "selector": selector(TOOLBOX),
            "template": {"metadata": {"labels": own}, "spec": spec},
        },
    )


def _route(name: str, listener: str, rules: Sequence[Mapping[str, object]]) -> Manifest:
    parent = {"name": "crm", "sectionName": listener}
    spec = {"parentRefs": [parent], "hostnames": [HOST], "rules": list(rules)}
    return manifest("HTTPRoute", name, API, spec=spec)
