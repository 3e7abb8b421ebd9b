"""Interactions and webhooks: calls whose address is the key, outside the bot's global limit."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from adapters.discord.testing import payloads
from adapters.discord.testing.components import check_form
from adapters.discord.testing.limits import Limit
from adapters.discord.testing.messages import Messages, Posting
from adapters.discord.testing.server import Answer, ApiError, Endpoint, Request
from adapters.discord.testing.world import EPHEMERAL, FORUM, LOADING, Account, Channel, Json, Message, Webhook, World

BY_TOKEN = Limit("webhook-messages", 5, 5.0)
PING, COMMAND, COMPONENT, AUTOCOMPLETE, FORM = 1, 2, 3, 4, 5
SEND, DEFER, DEFER_UPDATE, UPDATE, CHOICES, OPEN_FORM = 4, 5, 6, 7, 8, 9
ACKNOWLEDGE_WITHIN, TOKEN_LIVES = 3.0, 15 * 60.0
MAX_WEBHOOKS, MAX_NAME, MAX_CHOICES, MAX_ADDRESS = 15, 80, 25, 2048
# Messages after the first response where the bot is a guest.
GUEST_FOLLOW_UPS = 5

Kind: TypeAlias = Literal[2, 3, 4, 5]


@dataclass(slots=True, eq=False)
class Interaction:
    """One use of a command, button or form, and how the bot answered it.

    `acknowledged` is how many seconds the first response took, None before it came.
    """

    id: int
    token: str
    kind: Kind
    name: str
    user: Account
    channel: Channel
    at: float = field(default_factory=time.monotonic)
    acknowledged: float | None = None
    deferred: bool = False
    private: bool = False
    choices: list[str] | None = None
    form: Json | None = None
    source: Message | None = None
    messages: list[Message] = field(default_factory=list)
    expired: bool = False
    follow_ups: int = 0

    @property
    def original(self) -> Message | None:
        """The first response, also while it only says that the bot is thinking."""
        return self.messages[0] if self.messages else None

    @property
    def texts(self) -> list[str]:
        """What its user sees of the answer."""
        answers = [message for message in self.messages if message is not self.source]
        return [message.text for message in answers if not message.deleted and not message.loading]


class ByToken:
    """`lives` is how many seconds an interaction's token is good for."""

    def __init__(self, world: World, messages: Messages) -> None:
        self._world = world
        self._messages = messages
        self.lives = TOKEN_LIVES
        self.acknowledge_within = ACKNOWLEDGE_WITHIN
        self.interactions: dict[str, Interaction] = {}

    def endpoints(self) -> Sequence[Endpoint]:
        hook, one = "/webhooks/{webhook}/{token}", "/webhooks/{webhook}/{token}/messages/{message}"
        key = ("webhook", "token")
        return (
            Endpoint("POST", "/interactions/{interaction}/{token}/callback", self.respond, needs_bot=False),
            Endpoint("POST", hook, self.post, BY_TOKEN, key, needs_bot=False),
            Endpoint("GET", one, self.read, BY_TOKEN, key, needs_bot=False),
            Endpoint("PATCH", one, self.edit, BY_TOKEN, key, needs_bot=False),
            Endpoint("DELETE", one, self.delete, BY_TOKEN, key, needs_bot=False),
            Endpoint("POST", "/channels/{channel}/webhooks", self.make_webhook, None, ("channel",)),
            Endpoint("GET", "/channels/{channel}/webhooks", self.list_webhooks, None, ("channel",)),
            Endpoint("DELETE", "/webhooks/{webhook}", self.drop_webhook),
        )

    async def respond(self, request: Request) -> Answer:
        interaction = self.interactions.get(request.ids["token"])
        late = interaction is not None and time.monotonic() - interaction.at > self.acknowledge_within
        if interaction is None or interaction.expired or (late and interaction.acknowledged is None):
            raise ApiError(404, 10062, "Unknown interaction")
        if interaction.acknowledged is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        kind, data = request.body.get("type"), request.body.get("data") or {}
        message = await self._first(interaction, kind, data, request)
        interaction.acknowledged = time.monotonic() - interaction.at
        answer: Json = {"interaction": {"id": str(interaction.id), "type": interaction.kind}}
        if message is not None:
            answer["interaction"] |= {
                "response_message_id": str(message.id),
                "response_message_loading": message.loading,
                "response_message_ephemeral": bool(message.flags & EPHEMERAL),
            }
            answer["resource"] = {"type": kind, "message": payloads.message_json(self._world, message)}
        return answer if request.query.get("with_response") in ("1", "true", "True") else None

    async def _first(self, interaction: Interaction, kind: object, data: Json, request: Request) -> Message | None:
        if kind in (SEND, DEFER):
            interaction.private = bool(int(data.get("flags", 0)) & EPHEMERAL)
            interaction.deferred = kind == DEFER
            extra = LOADING if kind == DEFER else 0
            return await self._create(interaction, data, request, extra)
        if kind == CHOICES and interaction.kind == AUTOCOMPLETE:
            choices = data.get("choices", [])
            if len(choices) > MAX_CHOICES or any(not 1 <= len(str(each["name"])) <= 100 for each in choices):
                raise ApiError(400, 50035, "Invalid Form Body", {"choices": "Must be 25 or fewer in length."})
            interaction.choices = [str(each["value"]) for each in choices]
            return None
        if kind == OPEN_FORM and interaction.kind in (COMMAND, COMPONENT):
            check_form(data)
            interaction.form = data
            return None
        if kind == DEFER_UPDATE and interaction.source is not None:
            interaction.messages.append(interaction.source)
            return None
        if kind == UPDATE and interaction.source is not None:
            interaction.messages.append(interaction.source)
            return await self._messages.edit(interaction.source, data, request.uploads)
        raise ApiError(400, 50035, "Invalid Form Body", {"type": "This callback type does not fit the interaction."})

    async def _create(self, interaction: Interaction, body: Json, request: Request, extra: int = 0) -> Message:
        private = interaction.private if extra or not interaction.messages else bool(body.get("flags", 0) & EPHEMERAL)
        metadata = {
            "id": str(interaction.id),
            "type": interaction.kind,
            "user": payloads.user_json(interaction.user),
            "authorizing_integration_owners": {},
            "name": interaction.name,
        }
        by = Posting(
            self._world.bot,
            interaction=metadata,
            seen_by=interaction.user if private else None,
            flags=extra | (EPHEMERAL if private else 0),
        )
        message = await self._messages.create(interaction.channel, body, request.uploads, by)
        interaction.messages.append(message)
        return message

    async def post(self, request: Request) -> Answer:
        interaction = self._interaction(request)
        if interaction is None:
            return await self._speak(request)
        original = interaction.original
        if original is not None and original.loading and not original.deleted:
            # The first follow-up to a deferred answer takes its place.
            message = await self._messages.edit(original, request.body, request.uploads)
        else:
            if self._world.is_guest_in(interaction.channel) and interaction.follow_ups >= GUEST_FOLLOW_UPS:
                raise ApiError(400, 40094, "This interaction has reached the maximum number of follow up messages")
            interaction.follow_ups += 1
            message = await self._create(interaction, request.body, request)
        return payloads.message_json(self._world, message)

    async def read(self, request: Request) -> Answer:
        return payloads.message_json(self._world, self._one(request))

    async def edit(self, request: Request) -> Answer:
        found = self._one(request)
        if found.channel.archived and found.interaction is None:
            raise ApiError(400, 50083, "Thread is archived")
        message = await self._messages.edit(found, request.body, request.uploads)
        return payloads.message_json(self._world, message)

    async def delete(self, request: Request) -> None:
        await self._messages.delete(self._one(request))

    def _interaction(self, request: Request) -> Interaction | None:
        if request.id("webhook") != self._world.bot.id:
            return None
        interaction = self.interactions.get(request.ids["token"])
        if interaction is None or interaction.expired or time.monotonic() - interaction.at > self.lives:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if interaction.acknowledged is None:
            raise ApiError(404, 10015, "Unknown Webhook")
        return interaction

    def _one(self, request: Request) -> Message:
        interaction, wanted = self._interaction(request), request.ids["message"]
        if interaction is not None:
            found = interaction.original if wanted == "@original" else None
            for message in interaction.messages:
                if str(message.id) == wanted:
                    found = message
        else:
            webhook = self._webhook(request)
            thread = request.query.get("thread_id")
            channel = self._thread_of(webhook, thread) if thread else webhook.channel
            found = channel.messages.get(request.id("message"))
            if found is not None and found.webhook != webhook.id:
                found = None
        if found is None or found.deleted:
            raise ApiError(404, 10008, "Unknown Message")
        return found

    def _webhook(self, request: Request) -> Webhook:
        webhook = self._world.webhooks.get(request.id("webhook"))
        if webhook is None or webhook.channel.gone:
            raise ApiError(404, 10015, "Unknown Webhook")
        if webhook.token != request.ids["token"]:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return webhook

    def _thread_of(self, webhook: Webhook, thread: str) -> Channel:
        channel = self._world.channels.get(int(thread))
        if channel is None or channel.parent is not webhook.channel or channel.gone:
            raise ApiError(400, 10003, "Unknown Channel")
        return channel

    async def _speak(self, request: Request) -> Answer:
        webhook = self._webhook(request)
        thread = request.query.get("thread_id")
        channel = self._thread_of(webhook, thread) if thread else webhook.channel
        name = request.body.get("username") or webhook.name
        check_name(name)
        avatar = request.body.get("avatar_url")
        if avatar is not None and not (re.match(r"https?://\S+$", avatar) and len(avatar) <= MAX_ADDRESS):
            raise ApiError(400, 50035, "Invalid Form Body", {"avatar_url": "Not a well formed URL."})
        if channel.kind == FORUM:
            raise ApiError(400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id")
        if channel.locked:
            raise ApiError(400, 50083, "Thread is archived")
        channel.archived = False
        by = Posting(self._world.bot, shown_as=name, webhook=webhook.id, avatar=avatar)
        message = await self._messages.create(channel, request.body, request.uploads, by)
        waits = request.query.get("wait") in ("1", "true", "True")
        return payloads.message_json(self._world, message) if waits else None

    async def make_webhook(self, request: Request) -> Answer:
        channel = self._managed(request)
        name = request.body.get("name", "")
        check_name(name)
        if sum(webhook.channel is channel for webhook in self._world.webhooks.values()) >= MAX_WEBHOOKS:
            raise ApiError(400, 30007, "Maximum number of webhooks reached (15)")
        webhook = Webhook(self._world.new_id(), secrets.token_urlsafe(50), name, channel)
        self._world.webhooks[webhook.id] = webhook
        return payloads.webhook_json(self._world, webhook)

    async def list_webhooks(self, request: Request) -> Answer:
        channel = self._managed(request)
        hooks = [webhook for webhook in self._world.webhooks.values() if webhook.channel is channel]
        return [payloads.webhook_json(self._world, webhook) for webhook in hooks]

    async def drop_webhook(self, request: Request) -> None:
        if self._world.webhooks.pop(request.id("webhook"), None) is None:
            raise ApiError(404, 10015, "Unknown Webhook")

    def _managed(self, request: Request) -> Channel:
        channel = self._world.channels.get(request.id("channel"))
        if channel is None or channel.gone:
            raise ApiError(404, 10003, "Unknown Channel")
        if not self._world.may(self._world.bot, "manage_webhooks", channel):
            raise ApiError(403, 50013, "Missing Permissions")
        return channel


def check_name(name: str) -> None:
    name = re.sub("[\u200b-\u200f\u2060\ufeff]", "", name).strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise ApiError(400, 50035, "Invalid Form Body", {"username": "Must be between 1 and 80 in length."})
    if name.lower() in ("everyone", "here"):
        raise ApiError(400, 50035, "Invalid Form Body", {"username": f'Username cannot be "{name.lower()}"'})
    banned = re.search(r"clyde|discord", name, re.IGNORECASE)
    if banned:
        says = f'Username cannot contain "{banned[0].lower()}"'
        raise ApiError(400, 50035, "Invalid Form Body", {"username": says})
