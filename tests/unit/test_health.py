"""What monitors are told."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from bot import health
from bot.errors import ConfigError
from bot.health import Health, HealthServer


async def ask(port: int, path: str = "/health") -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.json() if response.content_type == "application/json" else None


async def test_a_bot_that_can_answer_is_ready() -> None:
    async def probe() -> Health:
        return Health(database=True, adapters={"discord": True}, running=3)

    async with HealthServer("127.0.0.1", 0, probe) as server:
        assert await ask(server.port) == (
            200,
            {"status": "ready", "database": "ok", "adapters": {"discord": "connected"}, "running_turns": 3},
        )
        assert (await ask(server.port, "/"))[0] == 404


async def test_what_a_platform_tells_about_itself_is_passed_on() -> None:
    shards = {"shards": {"0": {"connected": True, "latency_ms": 42, "guilds": 3}}}

    async def probe() -> Health:
        return Health(database=True, adapters={"discord": True}, details={"discord": shards, "terminal": {}})

    async with HealthServer("127.0.0.1", 0, probe) as server:
        _, told = await ask(server.port)
    assert isinstance(told, dict)
    assert told["details"] == {"discord": shards}


@pytest.mark.parametrize(
    ("state", "database", "discord"),
    [
        (Health(database=False, adapters={"discord": True}), "unreachable", "connected"),
        (Health(database=True, adapters={"discord": False}), "ok", "not connected"),
    ],
)
async def test_what_is_missing_is_named(state: Health, database: str, discord: str) -> None:
    async def probe() -> Health:
        return state

    async with HealthServer("127.0.0.1", 0, probe) as server:
        assert await ask(server.port) == (
            503,
            {"status": "not ready", "database": database, "adapters": {"discord": discord}, "running_turns": 0},
        )


async def test_a_probe_that_fails_is_not_ready() -> None:
    async def probe() -> Health:
        raise RuntimeError("the pool is gone")

    async with HealthServer("127.0.0.1", 0, probe) as server:
        status, told = await ask(server.port)
    assert status == 503
    assert "pool" not in str(told)


async def test_a_probe_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe() -> Health:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(health, "PROBE_SECONDS", 0.01)
    async with HealthServer("127.0.0.1", 0, probe) as server:
        assert (await ask(server.port))[0] == 503


async def test_a_port_in_use_is_a_sentence() -> None:
    async def probe() -> Health:
        return Health(database=True)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            await HealthServer("127.0.0.1", port, probe).__aenter__()
    assert f"cannot listen on 127.0.0.1:{port}" in caught.value.public
