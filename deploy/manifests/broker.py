"""NATS JetStream: its files, three nodes for production, one for development."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from chassis.events.streams import (
    EDGE,
    EDGE_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    STREAM_BYTES_MAX,
    stream_name,
)
from deploy.manifests.services import BACKUP, NATS, NATS_PORT, OWNERS, SERVICES, TOOLBOX
from deploy.manifests.shape import (
    RELEASE,
    Manifest,
    account,
    claim_volume,
    container,
    disruption_budget,
    labels,
    manifest,
    mount,
    pod,
    resources,
    secret_volume,
    selector,
)

IMAGE: Final = f"crm-{NATS}:{RELEASE}"
NODES: Final = 3
ROUTES_PORT: Final = 6222
MONITOR_PORT: Final = 8222
STORE: Final = "/var/lib/nats"
PID: Final = f"{STORE}/nats.pid"
CONFIGURATION: Final = "/etc/nats/config"
USERS: Final = "/etc/nats/users"
TLS: Final = "/etc/nats/tls"
# All streams of all services full, and as much again for what is being compacted.
STORE_BYTES_MAX: Final = 2 * (len(OWNERS) * STREAM_BYTES_MAX + EDGE_BYTES_MAX)
STORE_GIB: Final = -(-STORE_BYTES_MAX * 10 // 8 // 1024**3)
# After a restore the streams tell of what never was: who restores deletes them. A deleted tenant
# takes its messages along. `crm doctor` looks at streams and consumers, and can read no message.
OTHERS: Final = {
    TOOLBOX: ["$JS.API.STREAM.LIST", "$JS.API.CONSUMER.LIST.*"],
    BACKUP: [
        "$JS.API.INFO",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.CONSUMER.LIST.*",
        f"$JS.API.STREAM.PURGE.{EDGE}",
        *(f"$JS.API.STREAM.DELETE.{one}" for one in (EDGE, *(stream_name(o.name) for o in OWNERS))),
        *(
            subject.format(stream_name(one.name))
            for one in OWNERS
            for subject in (
                "$JS.API.STREAM.MSG.DELETE.{}",
                "$JS.API.CONSUMER.CREATE.{}.>",
                "$JS.API.CONSUMER.MSG.NEXT.{}.*",
            )
        ),
    ],
}


def configuration(nodes: int) -> str:
    """The server's file; with several nodes they form a cluster."""
    names = [f"{NATS}-{number}" for number in range(nodes)]
    return SERVER.format(
        name="$POD_NAME" if nodes > 1 else NATS,
        port=NATS_PORT,
        monitor=MONITOR_PORT,
        payload=MESSAGE_BYTES_MAX,
        pid=PID,
        store=STORE,
        store_max=STORE_BYTES_MAX,
        tls=TLS,
        cluster=_cluster(names) if nodes > 1 else "",
    )


def users_file() -> str:
    """The accounts: one for the platform with a user per service, one for operators."""
    writers = {service.name: _written(service.name) for service in SERVICES}
    users = "\n".join(_user(name, publish) for name, publish in (writers | OTHERS).items())
    return ACCOUNTS.format(users=users)


def cluster() -> Iterator[Manifest]:
    """The three nodes of production."""
    yield account(NATS)
    peers: Manifest = {"clusterIP": "None", "publishNotReadyAddresses": True}
    yield _service("nats-routes", [("routes", ROUTES_PORT)], peers)
    yield _service(NATS, [("client", NATS_PORT)], {"clusterIP": "None"})
    yield disruption_budget(NATS, maxUnavailable=1)
    own = labels(NATS, "broker")
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": strict,
            "labelSelector": selector(NATS),
        }
        for key, strict in (
            ("topology.kubernetes.io/zone", "ScheduleAnyway"),
            ("kubernetes.io/hostname", "DoNotSchedule"),
        )
    ]
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{STORE_GIB}Gi"}},
    }
    yield manifest(
        "StatefulSet",
        NATS,
        "apps/v1",
        own,
        spec={
            "replicas": NODES,
            "serviceName": "nats-routes",
            "selector": selector(NATS),
            "template": {
                "metadata": {"labels": own},
                "spec": node(NODES, topologySpreadConstraints=spread),
            },
            "volumeClaimTemplates": [{"metadata": {"name": "store"}, "spec": claim}],
        },
    )


def single() -> Iterator[Manifest]:
    """One node for development."""
    yield account(NATS)
    yield _service(NATS, [("client", NATS_PORT)], {"clusterIP": "None"})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    yield manifest("PersistentVolumeClaim", NATS, spec=claim)
    own = labels(NATS, "broker")
    spec = node(1)
    volumes = spec["volumes"]
    assert isinstance(volumes, list)
    volumes.append(claim_volume("store", NATS))
    yield manifest(
        "Deployment",
        NATS,
        "apps/v1",
        own,
        spec={
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": selector(NATS),
            "template": {"metadata": {"labels": own}, "spec": spec},
        },
    )


def node(nodes: int, **rest: object) -> Manifest:
    """The pod of a node; its file comes from the ConfigMap, its users from the Secret."""
    name = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    ports = {"client": NATS_PORT, "monitor": MONITOR_PORT}
    ports |= {"routes": ROUTES_PORT} if nodes > 1 else {}
    server = container(
        NATS,
        IMAGE,
        resources(cpu=500, memory_mib=512, memory_max_mib=1024),
        args=["--config", f"{CONFIGURATION}/nats.conf"],
        env=[name] if nodes > 1 else [],
        ports=[{"name": one, "containerPort": port} for one, port in ports.items()],
        startupProbe={**_asks("/healthz"), "periodSeconds": 5, "failureThreshold": 90},
        readinessProbe={**_asks("/healthz?js-server-only=true"), "periodSeconds": 5},
        livenessProbe={
            **_asks("/healthz?js-enabled-only=true"),
            "periodSeconds": 30,
            "timeoutSeconds": 5,
        },
        lifecycle={"preStop": {"exec": {"command": ["nats-server", "-sl", f"ldm={PID}"]}}},
        volumeMounts=[
            mount("config", CONFIGURATION),
            mount("users", USERS),
            mount("tls", TLS),
            mount("store", STORE, read_only=False),
        ],
    )
    volumes = [
        _configured("nats-config"),
        secret_volume("users", "nats-users"),
        secret_volume("tls", "nats-tls"),
    ]
    return pod([server], volumes, NATS, grace_s=60, **rest)


def _configured(name: str) -> Mapping[str, object]:
    return {"name": "config", "configMap": {"name": name}}


def _service(name: str, ports: Sequence[tuple[str, int]], how: Manifest) -> Manifest:
    listed = [{"name": one, "port": port, "targetPort": one} for one, port in ports]
    spec = {**how, "selector": selector(NATS)["matchLabels"], "ports": listed}
    return manifest("Service", name, spec=spec)


def _asks(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": "monitor"}}


def _cluster(names: Sequence[str]) -> str:
    routes = "\n".join(f"    nats://{name}.nats-routes:{ROUTES_PORT}" for name in names)
    return CLUSTER.format(port=ROUTES_PORT, routes=routes, tls=TLS)


def _user(name: str, publish: Sequence[str]) -> str:
    listed = ", ".join(f'"{subject}"' for subject in publish)
    return USER.format(name=name, publish=listed)


def _written(service: str) -> list[str]:
    """A service writes to its own stream alone; it may declare that one and consumers of any."""
    own = stream_name(service)
    declared = [] if service == "gateway" else [own, EDGE]
    publish = [
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.NAMES",
        *(f"$JS.API.STREAM.{verb}.{one}" for one in declared for verb in ("CREATE", "UPDATE")),
        "$JS.API.CONSUMER.>",
        "$JS.ACK.>",
        "$JS.FC.>",
    ]
    return publish + ([] if service == "gateway" else [f"crm.*.{service}.>"])


SERVER: Final = """\
server_name: {name}
port: {port}
http: {monitor}
pid_file: "{pid}"
max_payload: {payload}
write_deadline: "10s"
ping_interval: "20s"
ping_max: 2
lame_duck_duration: "30s"
lame_duck_grace_period: "5s"
max_connections: 2000
jetstream {{
  store_dir: "{store}"
  sync_interval: always
  max_memory_store: 256MB
  max_file_store: {store_max}
}}
tls {{
  cert_file: "{tls}/tls.crt"
  key_file: "{tls}/tls.key"
  ca_file: "{tls}/ca.crt"
}}
{cluster}include "../users/users.conf"
"""
CLUSTER: Final = """\
cluster {{
  name: crm
  port: {port}
  routes: [
{routes}
  ]
  tls {{
    cert_file: "{tls}/tls.crt"
    key_file: "{tls}/tls.key"
    ca_file: "{tls}/ca.crt"
    verify: true
  }}
}}
"""
ACCOUNTS: Final = """\
accounts {{
  CRM {{
    jetstream: enabled
    users: [
{users}
    ]
  }}
  SYS {{
    users: [{{ user: operator, password: "{{{{ .operator_nats_password }}}}" }}]
  }}
}}
system_account: SYS
"""
USER: Final = """\
      {{ user: {name}, password: "{{{{ .{name}_nats_password }}}}", permissions: {{
        publish: [{publish}]
        subscribe: ["_INBOX.>"]
      }} }}"""
