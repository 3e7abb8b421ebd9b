"""What Discord takes as a message and what it refuses; shared by channels, webhooks and interactions."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from adapters.discord.testing import payloads
from adapters.discord.testing.components import check_components
from adapters.discord.testing.server import ApiError, Upload
from adapters.discord.testing.world import (
    EPHEMERAL,
    LOADING,
    Account,
    Channel,
    Json,
    Message,
    State,
    World,
    pings,
)

MAX_CHARS, MAX_FILES, MAX_FILE_BYTES = 2000, 10, 10 * 1024 * 1024
MAX_NONCE = 25


@dataclass(frozen=True, slots=True)
class Posting:
    """Who posts and as what; the rest is in the body. What people write `by_person` is not checked."""

    author: Account
    by_person: bool = False
    shown_as: str | None = None
    webhook: int | None = None
    avatar: str | None = None
    interaction: Json | None = None
    seen_by: Account | None = None
    flags: int = 0
    kind: int = 0
    id: int | None = None


@dataclass(slots=True)
class Messages:
    """Creates, edits and deletes messages, and tells the gateway with `tell(event, message)`."""

    world: World
    tell: Callable[[str, Message], Awaitable[None]]
    file_url: Callable[[Channel, int, str], str]
    edits_without_allowed_mentions: list[Message] = field(default_factory=list)
    sends_without_allowed_mentions: list[Message] = field(default_factory=list)
    _nonces: dict[tuple[int, int, str], Message] = field(default_factory=dict)

    async def create(self, channel: Channel, body: Json, uploads: Sequence[Upload], by: Posting) -> Message:
        nonce = _nonce(body)
        if nonce is not None and body.get("enforce_nonce"):
            before = self._nonces.get((channel.id, by.author.id, nonce))
            if before is not None:
                return before
        loading = bool(by.flags & LOADING)
        text = str(body.get("content", "")) if by.by_person else _text(body)
        check_components(body.get("components") or [])
        if not (loading or by.by_person) and not (text or uploads or body.get("embeds") or body.get("components")):
            raise ApiError(400, 50006, "Cannot send an empty message")
        message = Message(
            by.id or self.world.new_id(),
            channel,
            by.author,
            [State(text, time.monotonic(), body.get("allowed_mentions"))],
            shown_as=by.shown_as,
            webhook=by.webhook,
            avatar=by.avatar,
            interaction=by.interaction,
            seen_by=by.seen_by,
            flags=by.flags,
            nonce=nonce,
            kind=by.kind,
            reply_to=self._reply_to(channel, body),
            components=body.get("components") or [],
            embeds=body.get("embeds") or [],
        )
        message.attachments = self._store(channel, uploads)
        if nonce is not None:
            self._nonces[(channel.id, by.author.id, nonce)] = message
        await self._show(message, "allowed_mentions" in body)
        return message

    async def edit(self, message: Message, body: Json, uploads: Sequence[Upload] = ()) -> Message:
        text = _text(body) if "content" in body else message.text
        check_components(body.get("components") or [])
        kept = message.attachments
        if "attachments" in body:
            ids = {str(each.get("id")) for each in body["attachments"] or []}
            kept = [each for each in kept if each["id"] in ids]
        if not (text or kept or uploads or body.get("embeds", message.embeds)):
            raise ApiError(400, 50006, "Cannot send an empty message")
        was_loading = message.loading
        message.flags &= ~LOADING
        message.attachments = kept + self._store(message.channel, uploads)
        message.components = body.get("components", message.components) or []
        message.embeds = body.get("embeds", message.embeds) or []
        if not was_loading:
            message.edited = payloads.now()
        message.states.append(State(text, time.monotonic(), body.get("allowed_mentions")))
        message.pinged += pings(message, self.world)
        if "allowed_mentions" not in body and "content" in body and message.author is self.world.bot:
            self.edits_without_allowed_mentions.append(message)
        if message.seen_by is None:
            await self.tell("MESSAGE_UPDATE", message)
        return message

    async def delete(self, message: Message) -> None:
        message.deleted_at = time.monotonic()
        if message.seen_by is None:
            await self.tell("MESSAGE_DELETE", message)

    def find(self, channel: Channel, id: int) -> Message:
        message = channel.messages.get(id)
        if message is None or message.deleted:
            raise ApiError(404, 10008, "Unknown Message")
        return message

    async def _show(self, message: Message, told_mentions: bool) -> None:
        channel = message.channel
        channel.messages[message.id] = message
        message.pinged = pings(message, self.world)
        if message.seen_by is not None:
            message.flags |= EPHEMERAL
            return
        if not told_mentions and message.text and message.author is self.world.bot:
            self.sends_without_allowed_mentions.append(message)
        channel.last_message_id = message.id
        await self.tell("MESSAGE_CREATE", message)

    def _reply_to(self, channel: Channel, body: Json) -> int | None:
        reference = body.get("message_reference")
        if not reference:
            return None
        quoted = channel.messages.get(int(reference["message_id"]))
        if quoted is not None and not quoted.deleted:
            return quoted.id
        if reference.get("fail_if_not_exists", True):
            raise ApiError(400, 50035, "Invalid Form Body", {"message_reference": "Unknown message"})
        return None

    def _store(self, channel: Channel, uploads: Sequence[Upload]) -> list[Json]:
        if len(uploads) > MAX_FILES:
            raise ApiError(400, 50035, "Invalid Form Body", {"attachments": "Must be 10 or fewer in length."})
        attachments: list[Json] = []
        for upload in uploads:
            if len(upload.content) > MAX_FILE_BYTES:
                raise ApiError(413, 40005, "Request entity too large")
            id, name = self.world.new_id(), re.sub(r"[^\w.\-]", "_", upload.name)
            url = self.file_url(channel, id, name)
            self.world.files[f"{channel.id}/{id}/{name}"] = upload.content
            attachments.append(
                {
                    "id": str(id),
                    "filename": name,
                    "size": len(upload.content),
                    "url": url,
                    "proxy_url": url,
                    "content_type": upload.media_type,
                }
            )
        return attachments


def _text(body: Json) -> str:
    """Discord cuts off white space at both ends, and counts before it does."""
    content = body.get("content")
    if content is None:
        return ""
    if not isinstance(content, str):
        raise ApiError(400, 50035, "Invalid Form Body", {"content": "Only a string is allowed."})
    if len(content) > MAX_CHARS:
        raise ApiError(400, 50035, "Invalid Form Body", {"content": "Must be 2000 or fewer in length."})
    return content.strip()


def _nonce(body: Json) -> str | None:
    nonce = body.get("nonce")
    if nonce is None:
        return None
    if len(str(nonce)) > MAX_NONCE:
        raise ApiError(400, 50035, "Invalid Form Body", {"nonce": "Must be 25 or fewer in length."})
    return str(nonce)
