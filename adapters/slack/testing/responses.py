"""`response_url`: five answers within half an hour to whoever used a command, a button or a shortcut."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass

from aiohttp import web

from adapters.slack.testing.checking import check_blocks, check_text, shown_text
from adapters.slack.testing.messages import Messages
from adapters.slack.testing.server import Call, Server
from adapters.slack.testing.world import Account, ApiError, Channel, Json, Message, World

LIVES = 30 * 60.0
USES = 5


@dataclass(slots=True, eq=False)
class Return:
    """Where an answer goes. `source` is the message that was used."""

    user: Account
    channel: Channel
    since: float
    source: Message | None = None
    uses: int = 0
    last: Message | None = None


class Responses:
    def __init__(self, world: World, server: Server, messages: Messages) -> None:
        self.origin = ""
        self.returns: dict[str, Return] = {}
        self._world = world
        self._server = server
        self._messages = messages

    def url(self, user: Account, channel: Channel, source: Message | None = None) -> str:
        key = secrets.token_hex(12)
        self.returns[key] = Return(user, channel, self._world.clock.now(), source)
        return f"{self.origin}/response/{self._world.team}/{key}"

    def used(self, url: str) -> int:
        return self.returns[url.rpartition("/")[2]].uses

    async def handle(self, request: web.Request) -> web.StreamResponse:
        back = self.returns.get(request.match_info["key"])
        try:
            body = json.loads(await request.text())
        except ValueError:
            body = None
        call = Call("response_url", body if isinstance(body, dict) else {}, time.monotonic())

        async def work() -> web.StreamResponse:
            if not isinstance(body, dict):
                return web.Response(status=400, text="invalid_payload")
            if back is None or self._world.clock.now() - back.since > LIVES:
                call.error = "expired_url"
                return web.json_response({"ok": False, "error": "expired_url"}, status=404)
            if back.uses >= USES:
                call.error = "used_url"
                return web.json_response({"ok": False, "error": "used_url"}, status=404)
            try:
                self.apply(back, body)
            except ApiError as error:
                call.error = error.error
                return web.json_response(error.body, status=400)
            back.uses += 1
            return web.Response(text="ok")

        return await self._server.answer(call, request, work)

    def apply(self, back: Return, body: Json) -> None:
        """What comes through the address, and what comes with the acknowledgement of a command."""
        shown = back.source or back.last
        if body.get("delete_original") is True:
            if shown is not None:
                self._messages.remove(shown)
            return
        text, _ = check_text(body.get("text") or "")
        blocks = check_blocks(body["blocks"]) if body.get("blocks") else []
        if not text.strip() and not blocks:
            raise ApiError("no_text")
        if body.get("replace_original") is True and shown is not None:
            shown.show(shown_text(blocks) if blocks else text, blocks)
            shown.fallback = text
            return
        in_channel = body.get("response_type") == "in_channel"
        thread_ts = str(body.get("thread_ts") or "") or (back.source.thread_ts if back.source is not None else None)
        message = self._messages.add(
            back.channel,
            self._world.bot,
            text,
            blocks=blocks,
            thread_ts=thread_ts,
            shown=shown_text(blocks) if blocks else text,
        )
        back.last = message
        message.asked = body
        if in_channel:
            self._messages.announce(message)
        else:
            message.seen_by = back.user
