"""Unit tests open no sockets."""

import socket

import pytest


def refuse(_socket: socket.socket, address: object) -> None:
    """Stands where bind and connect were."""
    raise AssertionError(f"a unit test opens a socket to {address!r}: move it to tests/integration")


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse bind and connect; the socket pair of asyncio needs neither."""
    for name in ("bind", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
