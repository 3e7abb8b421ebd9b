"""The emojis that an application brings along, shown in no server's list."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from adapters.discord.testing import payloads
from adapters.discord.testing.server import Answer, ApiError, Endpoint, Request
from adapters.discord.testing.world import Emoji, World

MAX_BYTES = 256 * 1024
IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,(?P<content>[A-Za-z0-9+/=]+)")


class Emojis:
    """`most` is how many there may be."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.most = 2000

    def endpoints(self) -> Sequence[Endpoint]:
        many, one = "/applications/{app}/emojis", "/applications/{app}/emojis/{emoji}"
        return (
            Endpoint("GET", many, self.list),
            Endpoint("POST", many, self.make),
            Endpoint("GET", one, self.read),
            Endpoint("DELETE", one, self.delete),
        )

    async def list(self, request: Request) -> Answer:
        return {"items": [payloads.emoji_json(self._world, each) for each in self._world.emojis.values()]}

    async def make(self, request: Request) -> Answer:
        name, image = str(request.body.get("name", "")), IMAGE.fullmatch(str(request.body.get("image", "")))
        if not re.fullmatch(r"\w{2,32}", name) or image is None:
            raise ApiError(400, 50035, "Invalid Form Body", {"name": "Must be between 2 and 32 in length."})
        content = base64.b64decode(image["content"])
        if len(content) > MAX_BYTES:
            raise ApiError(400, 50138, "Failed to resize asset below the maximum size: 262144")
        if any(each.name == name for each in self._world.emojis.values()):
            raise ApiError(400, 50035, "Invalid Form Body", {"name": "This emoji name has already been taken"})
        if len(self._world.emojis) >= self.most:
            raise ApiError(400, 30008, f"Maximum number of emojis reached ({self.most})")
        return payloads.emoji_json(self._world, self.add(name, content))

    def add(self, name: str, content: bytes) -> Emoji:
        emoji = Emoji(self._world.new_id(), name, content, content.startswith(b"GIF"))
        self._world.emojis[emoji.id] = emoji
        return emoji

    async def read(self, request: Request) -> Answer:
        return payloads.emoji_json(self._world, self._one(request))

    async def delete(self, request: Request) -> None:
        del self._world.emojis[self._one(request).id]

    def _one(self, request: Request) -> Emoji:
        emoji = self._world.emojis.get(request.id("emoji"))
        if emoji is None:
            raise ApiError(404, 10014, "Unknown Emoji")
        return emoji
