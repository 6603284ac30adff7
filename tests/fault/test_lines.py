"""What carries the network faults of a campaign does as it is told, as a cable and as a proxy."""

import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.local.health import wait_for
from deploy.local.settings import HOST
from tests.fault.campaign.cable import Cable
from tests.fault.campaign.proxy import Proxies

ROUTE = "sales-echo"
# Says how long the answer took, or nothing when none came within a second.
ASK = """
import socket, sys, time
began = time.monotonic()
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1) as line:
    line.sendall(b"x" * 20)
    if line.recv(20):
        print(time.monotonic() - began)
"""


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets."""

    def handle(self) -> None:
        """One connection."""
        while data := self.request.recv(4096):
            self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server of this machine."""
    with socketserver.ThreadingTCPServer((HOST, 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def asked(command: Sequence[str], port: int) -> float | None:
    """Seconds until the answer came, or None."""
    done = subprocess.run(
        [*command, "-c", ASK, HOST, str(port)], capture_output=True, text=True, check=False
    )
    return float(done.stdout) if done.stdout else None


def obeys(line: Cable | Proxies, command: Sequence[str], port: int) -> None:
    """Cut in each way, and whole again afterwards; it counts what it has held."""
    for order in ("cut there", "cut back"):
        counted = line.moved(ROUTE)
        line.order(ROUTE, order)
        assert wait_for(lambda: asked(command, port) is None, lambda: True, 5), order
        line.order(ROUTE)
        assert wait_for(lambda: asked(command, port) is not None, lambda: True, 5), order
        assert line.moved(ROUTE) > counted, order


def test_a_proxy_obeys(echo: int, tmp_path: Path) -> None:
    proxies = Proxies({ROUTE: echo}, tmp_path)
    proxies.start()
    try:
        port, command = proxies.ports[ROUTE], [sys.executable]
        obeys(proxies, command, port)
        proxies.order(ROUTE, "delay 0.3")
        assert wait_for(lambda: (asked(command, port) or 0) > 0.6, lambda: True, 5)
    finally:
        proxies.stop()


def test_a_cable_obeys_or_says_why_it_is_none(echo: int, figures: list[str]) -> None:
    cable = Cable("sales", {ROUTE: echo})
    if not cable.lay():
        figures.append(f"network faults by a proxy: {cable.refused}")
        assert cable.refused
        return
    try:
        obeys(cable, cable.inside([sys.executable]), echo)
    finally:
        cable.remove()
