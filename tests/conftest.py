"""Every test runs without a network, without the settings of this machine, and in a home of its own."""

from __future__ import annotations

import importlib
import ipaddress
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.store import opening

# Where Python is told to keep nothing compiled, each worker and each bot in a process of its own would compile it all.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parents[1]
FOREIGN_SETTINGS = ("DUOLOGUE_", "OPENAI_", "AZURE_OPENAI_", "DISCORD_", "SLACK_", "LLM_")
# Folders and files of tests that wait for other processes, for sockets and for the limits of platforms.
MOSTLY_WAITING = {"loopback", "browser", "test_adapter_contract_slack.py", "test_adapter_contract_discord.py"}


def pytest_collection(session: pytest.Session) -> None:
    """Each worker begins to import at another place, so that what is not compiled yet is compiled by one of them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    paths = [session.config.invocation_params.dir / argument.partition("::")[0] for argument in session.config.args]
    if not worker or not all(path.is_dir() for path in paths):
        return
    modules = sorted(
        ".".join(file.relative_to(ROOT).with_suffix("").parts) for path in paths for file in path.rglob("test_*.py")
    )
    for module in modules[int(worker) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
        with suppress(Exception):  # collecting it will tell what is wrong with it
            importlib.import_module(module)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers do in turns what mostly waits and what mostly computes, else they would all wait first and then all
    want the same cores. The last tests are short ones, so that no worker ends long after the others."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    waiting: list[list[pytest.Item]] = []
    computing: list[list[pytest.Item]] = []
    for _, tests in groupby(items, key=lambda item: item.path):
        file = [*tests]
        (waiting if MOSTLY_WAITING & {*file[0].path.parts} else computing).append(file)
    items[:] = [*in_turns(waiting, computing, until=0.85)]


def in_turns(some: list[list[pytest.Item]], others: list[list[pytest.Item]], until: float) -> Iterator[pytest.Item]:
    """Whole files, evenly mixed by their tests; the first kind ends when so much of the second is done."""
    rest = deque(some)
    total, left = sum(map(len, others)), sum(map(len, some))
    share = left / (total * until) if total else 0.0
    done = 0
    for file in others:
        while rest and (total * until - done) * share < left:
            left -= len(rest[0])
            yield from rest.popleft()
        done += len(file)
        yield from file
    for file in rest:
        yield from file


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def clean_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(FOREIGN_SETTINGS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for name, folder in (
        ("CONFIG", ".config"),
        ("DATA", ".local/share"),
        ("CACHE", ".cache"),
        ("STATE", ".local/state"),
    ):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / folder))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the migrations make of a file that is new."""
    file = tmp_path_factory.mktemp("database") / "empty.db"
    file.touch()
    opening._upgrade_file(file, opening.Steps())
    return file.read_bytes()


@pytest.fixture(autouse=True)
def new_databases(empty_database: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migrations run once for all tests of a worker: they cost more than all else of a bot that starts.

    Tests of the migrations themselves have a fixture of this name that does nothing.
    """
    upgrade = opening._upgrade_file

    def filled(file: Path, steps: opening.Steps) -> None:
        if file.stat().st_size or steps != opening.Steps():
            upgrade(file, steps)
        else:
            file.write_bytes(empty_database)

    monkeypatch.setattr(opening, "_upgrade_file", filled)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """For tests that start logging as the program does, which is for the whole process."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    levels = {
        name: logger.level for name, logger in root.manager.loggerDict.items() if isinstance(logger, logging.Logger)
    }
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in [*root.manager.loggerDict]:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class NetworkRefused(OSError):
    """A test reached for something beyond this machine."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Connections stay on this machine; one that would leave it fails, and so does its test."""
    reached: list[str] = []
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guard(address: Any) -> None:
        if isinstance(address, tuple) and not is_local(address[0]):
            reached.append(str(address[0]))
            raise NetworkRefused(f"tests do not connect to {address[0]}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        guard(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        guard(address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        guard((host, 0))
        return getaddrinfo(host, *rest, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
    yield reached
    assert not reached, f"the test reached for the network: {', '.join(reached)}"


def is_local(host: Any) -> bool:
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name in ("", "localhost")
    return address.is_loopback or address.is_unspecified
