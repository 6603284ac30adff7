"""Free and taken TCP ports of this machine."""

import random
import socket
from collections.abc import Callable
from itertools import islice
from typing import Final

import psutil

from deploy.local.errors import RunnerError
from deploy.local.settings import HOST

TEST_PORTS: Final = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now; a connection in TIME_WAIT does not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def require_free(port: int, variable: str, free: Callable[[int], bool] = is_free) -> None:
    """RunnerError with one line naming the port, its variable and the way out when it is taken."""
    if free(port):
        return
    raise RunnerError(
        f"port {port} is taken{_holder(port)}: stop that program or set {variable} to a free port, "
        f"for example {variable}={suggest(port, free)} make up"
    )


def suggest(port: int, free: Callable[[int], bool] = is_free) -> int:
    """The first free port above `port`, at most a hundred further on."""
    last = min(port + 100, 65535)
    return next((candidate for candidate in range(port + 1, last) if free(candidate)), last)


def pick(count: int) -> list[int]:
    """`count` different free ports, for platforms that run side by side in tests.

    They lie below those that systems give to outgoing connections, which could take one meanwhile.
    """
    candidates = random.sample(TEST_PORTS, k=len(TEST_PORTS))
    return list(islice(filter(is_free, candidates), count))


def _holder(port: int) -> str:
    """Who listens there, as far as this user may know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            here = getattr(connection.laddr, "port", None) == port
            if here and connection.status == psutil.CONN_LISTEN and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f" by {name} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""
