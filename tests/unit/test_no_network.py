"""The guard that keeps tests on this machine."""

from __future__ import annotations

import os
import socket

import pytest

from tests.conftest import NetworkRefused, is_local


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", None, "", "0.0.0.0", b"localhost"])
def test_this_machine_may_be_reached(host: object) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["93.184.216.34", "example.com", "10.0.0.1", "localhost.example.com"])
def test_other_machines_may_not(host: str) -> None:
    assert not is_local(host)


def test_loopback_connections_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.sendall(b"hi")
            assert client.recv(2) == b"hi"


def test_reaching_out_is_refused_and_noted(no_network: list[str]) -> None:
    with pytest.raises(NetworkRefused):
        socket.create_connection(("192.0.2.1", 80))
    assert no_network == ["192.0.2.1"]
    no_network.clear()


def test_settings_of_this_machine_are_out_of_sight() -> None:
    assert not [name for name in os.environ if name.startswith(("DUOLOGUE_", "OPENAI_", "DISCORD_"))]
