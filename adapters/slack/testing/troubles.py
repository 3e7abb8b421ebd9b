"""What goes wrong on the fake Slack, when a test says so."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from adapters.slack.testing.deliveries import Attempt, Delivery, Outbox
from adapters.slack.testing.faults import Chance, Fault, Faults
from adapters.slack.testing.hooks import HookAnswer, Hooks, encode
from adapters.slack.testing.server import Server
from adapters.slack.testing.sockets import Sockets
from adapters.slack.testing.world import Channel, Json, World


class Troubles:
    """The part of `FakeSlack` that breaks."""

    world: World
    faults: Faults
    sockets: Sockets
    hooks: Hooks
    outbox: Outbox
    _server: Server
    _changed: Callable[[], None]
    tell: Callable[..., Delivery | None]

    def fails(self, pattern: str, *, do: Callable[[], Awaitable[None]] | None = None, **how: Any) -> Fault:
        """Script a fault: `pattern` is a method with `*`, or `response_url`, `files.upload`, `files.download`, or
        `link` for opening a socket; the rest as in `Fault`."""
        fault = Fault(pattern, do=do, **how)
        self.faults.script.append(fault)
        return fault

    def fails_by_chance(self, status: int, share: float, lot: random.Random, pattern: str = "*") -> Chance:
        """From now on such calls are answered with this error by lot: see `Chance`."""
        chance = Chance(status, share, lot, pattern)
        self.faults.chances.append(chance)
        return chance

    async def sends_again(self, delivery: Delivery) -> Attempt:
        """The same event once more, as when Slack has not seen the acknowledgement; returns when it is settled."""
        return await self.outbox.send_again(delivery)

    async def catches_up(self) -> None:
        """Send again at once what nobody has acknowledged yet, instead of minutes later."""
        for delivery in [each for each in self.outbox.deliveries if each.kind == "events_api" and not each.acked]:
            await self.outbox.send_again(delivery)

    async def disables_sockets(self) -> None:
        """Somebody switches Socket Mode off in the app's settings; `sockets.enabled` switches it on again."""
        self.sockets.enabled = False
        for link in self.sockets.open:
            await link.says_disconnect("link_disabled")
            await link.close()

    async def forges(self, payload: Json, *, age: float = 0.0, secret: str = "somebody else's") -> HookAnswer:
        """A request by HTTP that is not from Slack, or with the right `secret` one that is `age` seconds old."""
        text, content_type = encode("events_api", payload)
        return await self.hooks.post(self.hooks.url, text, content_type, age=age, secret=secret)

    async def archives(self, channel: Channel) -> None:
        channel.archived = True
        self._changed()

    async def revokes(self) -> None:
        """Somebody uninstalls the app: it hears of it, and its tokens are worth nothing any more."""
        self.tell({"type": "tokens_revoked", "tokens": {"bot": [self.world.bot.id]}, "event_ts": self.world.new_ts()})
        self.tell({"type": "app_uninstalled", "event_ts": self.world.new_ts()})
        self._server.revoked = True
