"""`GET /health` for containers and monitors: is the bot able to answer?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from pydantic import JsonValue

from bot.errors import ConfigError

if TYPE_CHECKING:
    from aiohttp import web

PROBE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Health:
    """`adapters` maps each platform to whether it is connected, `details` to what else it tells about itself."""

    database: bool
    adapters: Mapping[str, bool] = field(default_factory=dict)
    running: int = 0
    details: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return self.database and all(self.adapters.values())


class HealthServer:
    """`async with HealthServer(...)` listens; a probe that fails or hangs means not ready."""

    def __init__(self, host: str, port: int, probe: Callable[[], Awaitable[Health]]) -> None:
        self._host = host
        self._port = port
        self._probe = probe
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port it listens on, also where 0 was asked for."""
        if self._runner is None or not self._runner.addresses:
            return self._port
        return int(self._runner.addresses[0][1])

    async def __aenter__(self) -> HealthServer:
        from aiohttp import web

        app = web.Application()
        app.router.add_get("/health", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                [f"health.port: cannot listen on {self._host}:{self._port} ({error.strerror}). Choose another port."]
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        from aiohttp import web

        try:
            health = await asyncio.wait_for(self._probe(), PROBE_SECONDS)
        except Exception:  # a probe that fails is the answer to the question
            health = Health(database=False)
        told = {
            "status": "ready" if health.ready else "not ready",
            "database": "ok" if health.database else "unreachable",
            "adapters": {name: "connected" if up else "not connected" for name, up in health.adapters.items()},
            "running_turns": health.running,
        }
        details = {name: dict(about) for name, about in health.details.items() if about}
        return web.json_response(told | ({"details": details} if details else {}), status=200 if health.ready else 503)
