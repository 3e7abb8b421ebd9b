"""Interactions that wait for their answer: acknowledged in time, answered through their own token while it lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar

import discord
from pydantic import JsonValue

from adapters.discord.buttons import Payload, Rows
from adapters.discord.errors import (
    ALREADY_ACKNOWLEDGED,
    CALL_ERRORS,
    INVALID_WEBHOOK_TOKEN,
    UNKNOWN_INTERACTION,
    UNKNOWN_WEBHOOK,
    translate,
)
from adapters.discord.forms import Forms, Kept
from adapters.discord.lanes import DiscordLanes
from adapters.discord.unsure import Unsure, find, newest
from bot.api import Clock, Reply

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Stage: TypeAlias = Literal["open", "deferred", "answered"]
DEAD = {INVALID_WEBHOOK_TOKEN, UNKNOWN_INTERACTION, UNKNOWN_WEBHOOK}
NOTHING_TO_SAY = "✓"
# So often a first sign is tried to be given.
MOST_TRIES = 3
# So many messages are reached again through the token that they were written with.
MOST_MESSAGES = 2000


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. Discord gives up on an unanswered command after 3, and forgets a token after 15 minutes."""

    defer_after: float = 1.5
    token_lives: float = 14 * 60.0
    typing_after: float = 0.5
    typing_again: float = 8.0
    ready_after: float = 2.0
    identify_again: float = 5.0
    reconnect_after: float = 45.0


class Pending:
    """One interaction. `data` is what a route carries of it, enough for another process to go on answering.

    `pressed` is the message whose button it was. A `guest` has no other way to this place than the token.
    """

    def __init__(
        self,
        client: discord.Client,
        lanes: DiscordLanes,
        clock: Clock,
        data: Mapping[str, JsonValue],
        forms: Forms,
        writers: Kept[Pending],
        *,
        interaction: discord.Interaction | None = None,
        private: bool = False,
    ) -> None:
        self.data = dict(data)
        self.token = str(data["token"])
        self.pressed = str(data["pressed"]) if "pressed" in data else None
        self.is_guest = data.get("guest") is True
        self._until = float(str(data["until"]))
        self._client = client
        self._clock = clock
        self._lanes = lanes
        self._forms = forms
        self._writers = writers
        self._interaction = interaction
        self._private = private
        self._stage: Stage = "answered" if interaction is None else "open"
        self._original: int | None = None
        self._webhook = discord.Webhook.partial(int(str(data["application"])), self.token, client=client)
        # Only an application's webhook may whisper; `partial` takes every webhook for an ordinary one.
        self._webhook.type = discord.WebhookType.application
        self._posting = asyncio.Lock()
        self._dead = False
        self._deferring: asyncio.Task[None] | None = None
        self._unsure = Unsure()

    def is_alive(self) -> bool:
        """Whether the token is still good."""
        return not self._dead and self._clock.now().timestamp() < self._until

    def carries(self, *, private: bool, direct: bool = False) -> bool:
        """Whether what is said now goes through the token, or nowhere once that has died.

        A command is answered through it while it lives. What is said in public after a press is a message of the bot's
        own, as if it had spoken up by itself. What is private must not become public; in a `direct` place it cannot.
        """
        if self.is_guest or (private and not direct):
            return True
        return self.is_alive() and (private or self.pressed is None)

    def can_whisper(self) -> bool:
        """Whether this person can be told something here that nobody else sees; a guest has no other way."""
        return self.is_guest or self.is_alive()

    def mended(self, reply: Reply) -> Reply:
        """An error: after a press it is the presser's own business, and nobody loses what they wrote into a form."""
        if self.pressed is not None:
            reply = replace(reply, private=True)
        return self._forms.given_back(reply, self.data)

    def defer_after(self, seconds: float) -> None:
        self._deferring = asyncio.create_task(self._defer(0.0 if self.pressed is not None else seconds))

    def close(self) -> None:
        if self._deferring is not None:
            self._deferring.cancel()

    async def post(
        self,
        text: str,
        *,
        private: bool,
        files: list[discord.File] | None = None,
        components: Sequence[Payload] = (),
        mentions: discord.AllowedMentions | None = None,
    ) -> dict[str, Any]:
        """The next message of the answer, as Discord keeps it. Raises DeliveryError."""
        saying = _Saying(text, private, files or [], list(components), mentions or discord.AllowedMentions.none())
        async with self._posting:
            message = await self._guarded(self._post(saying))
        self._writers.put(str(message["id"]), self)
        return message

    async def edit(
        self,
        message: int,
        text: str,
        components: Sequence[Payload] | None = None,
        files: list[discord.File] | None = None,
    ) -> dict[str, Any]:
        """An empty text leaves the one that is there, None as components or files those."""
        writer = self._writer_of(message)
        edit = writer._webhook.edit_message(
            message,
            content=text or discord.utils.MISSING,
            view=discord.utils.MISSING if components is None else Rows(list(components)),
            attachments=discord.utils.MISSING if files is None else files,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        return await writer._guarded(self._lanes.landed(edit))

    async def delete(self, message: int) -> None:
        writer = self._writer_of(message)
        await writer._guarded(writer._webhook.delete_message(message))

    def _writer_of(self, message: int) -> Pending:
        """A token reaches what was written with it and the message that was pressed, nothing else."""
        writer = None if str(message) == self.pressed else self._writers.get(str(message))
        return writer if writer is not None and writer.is_alive() else self

    async def say_nothing(self) -> None:
        """The command is done and has nothing to show: nobody is left with "thinking"."""
        async with self._posting:
            if self._stage == "open":
                await self._guarded(self._post(_Saying(NOTHING_TO_SAY, private=True)))
            elif self._stage == "deferred" and self._original is not None:
                await self._guarded(self._ending_wait(self._webhook.delete_message(self._original)))

    async def _post(self, saying: _Saying) -> dict[str, Any]:
        if self._stage == "open" and self._interaction is not None:
            self.close()
            try:
                answer = await self._lanes.landed(
                    self._interaction.response.send_message(
                        saying.text,
                        ephemeral=saying.private,
                        allowed_mentions=saying.mentions,
                        files=saying.files or discord.utils.MISSING,
                        view=saying.view,
                    )
                )
            except discord.HTTPException as error:
                if error.code != ALREADY_ACKNOWLEDGED:
                    raise
                said = await self._join(self._interaction)
                if said is not None and said["content"] == saying.text.strip():
                    return said
            else:
                self._stage = "answered"
                message: dict[str, Any] = answer["resource"]["message"]
                return message
        if self._stage == "deferred" and self._original is not None:
            if saying.private == self._private:
                edit = self._webhook.edit_message(
                    self._original,
                    content=saying.text,
                    allowed_mentions=saying.mentions,
                    attachments=saying.files or discord.utils.MISSING,
                    view=saying.view,
                )
                return await self._ending_wait(self._lanes.landed(edit))
            # What says "thinking" to everybody cannot become private, nor the other way round.
            await self._ending_wait(self._webhook.delete_message(self._original))
        return await self._follow(saying)

    async def _follow(self, saying: _Saying) -> dict[str, Any]:
        """Discord takes no nonce here: a message whose answer was lost is looked for before it is posted again."""
        where = self.data.get("channel")
        can_look = isinstance(where, str) and not (saying.private or self.is_guest)
        if can_look and self._unsure.texts:
            found = await find(self._client, int(str(where)), self._unsure.texts, self._unsure.after, self._is_mine)
            if found is not None:
                self._unsure = Unsure()
                return found
        if can_look:
            self._unsure.trying(saying.text, newest(self._client, int(str(where))))
        message = await self._lanes.landed(
            self._webhook.send(
                saying.text,
                ephemeral=saying.private,
                allowed_mentions=saying.mentions,
                wait=True,
                files=saying.files or discord.utils.MISSING,
                view=saying.view,
            ),
            once=can_look,
        )
        self._unsure = Unsure()
        return message

    def _is_mine(self, message: Mapping[str, Any]) -> bool:
        """Whether it answers this interaction, and this process does not know of it."""
        told = message.get("interaction_metadata") or {}
        return told.get("id") == self.data.get("interaction") and self._writers.get(message["id"]) is None

    async def _ending_wait(self, call: Awaitable[Result]) -> Result:
        """If this fails, it goes on to say "thinking", and is tried again with whatever is said next."""
        try:
            result = await call
        except discord.NotFound:
            self._stage = "answered"
            raise
        self._stage = "answered"
        return result

    async def _defer(self, seconds: float) -> None:
        """A command says that the bot thinks; a press is taken at once, and nothing is seen of it."""
        if seconds:
            await self._clock.sleep(seconds)
        async with self._posting:
            if self._stage != "open" or self._interaction is None:
                return
            try:
                response = await self._acknowledge(self._interaction)
            except CALL_ERRORS as error:
                if getattr(error, "code", None) == ALREADY_ACKNOWLEDGED:
                    await self._join(self._interaction)
                    return
                self._dead = True
                log.warning("a command could not be acknowledged: %s", error)
                return
            self._original = response.message_id if response is not None else None
            self._stage = "answered" if self._original is None or self.pressed is not None else "deferred"

    async def _acknowledge(self, interaction: discord.Interaction) -> discord.InteractionCallbackResponse[Any] | None:
        """Whoever hears nothing tries again: there is no other moment for this."""
        for left in reversed(range(MOST_TRIES)):
            try:
                return await interaction.response.defer(ephemeral=self._private, thinking=self.pressed is None)
            except CALL_ERRORS as error:
                if isinstance(error, discord.HTTPException) or not left:
                    raise
        raise AssertionError("unreachable")

    async def _join(self, interaction: discord.Interaction) -> dict[str, Any] | None:
        """Another process of this bot was faster, or Discord's answer was lost: "thinking" becomes the beginning of
        this answer. Returns what was said already instead."""
        if self.pressed is not None:
            self._stage = "answered"
            return None
        try:
            original = await interaction.original_response()
        except CALL_ERRORS:  # it is answered already, or gone: what is said now follows it
            self._stage = "answered"
            return None
        self._original = original.id
        self._stage = "deferred" if original.flags.loading else "answered"
        return None if original.flags.loading else {"id": str(original.id), "content": original.content}

    async def _guarded(self, call: Awaitable[Result]) -> Result:
        try:
            return await call
        except CALL_ERRORS as error:
            if isinstance(error, discord.HTTPException) and error.code in DEAD:
                self._dead = True
            raise translate(error) from error


@dataclass(frozen=True, slots=True)
class _Saying:
    """One message that is to be posted."""

    text: str
    private: bool
    files: list[discord.File] = field(default_factory=list)
    components: list[Payload] = field(default_factory=list)
    mentions: discord.AllowedMentions = field(default_factory=discord.AllowedMentions.none)

    @property
    def view(self) -> Any:
        return Rows(self.components) if self.components else discord.utils.MISSING


class Replies:
    """All interactions of this process that can still be answered, by token."""

    def __init__(self, lanes: DiscordLanes, clock: Clock, timing: Timing) -> None:
        self._lanes = lanes
        self._clock = clock
        self._timing = timing
        self._pending: dict[str, Pending] = {}
        self._writers: Kept[Pending] = Kept(clock, MOST_MESSAGES)
        self.forms = Forms(clock)

    def begin(
        self, interaction: discord.Interaction, *, private: bool = False, more: Mapping[str, JsonValue] | None = None
    ) -> Pending:
        """From here on it will be acknowledged in time, whatever happens. `more` goes into the route's data."""
        self._forget_old()
        until = self._clock.now().timestamp() + self._timing.token_lives
        data: dict[str, JsonValue] = {
            "interaction": str(interaction.id),
            "application": str(interaction.application_id),
            "channel": str(interaction.channel_id),
            "token": interaction.token,
            "until": until,
            **({"private": True} if private else {}),
            **(more or {}),
        }
        pending = self._make(interaction.client, data, interaction=interaction, private=private)
        self._pending[pending.token] = pending
        pending.defer_after(self._timing.defer_after)
        return pending

    def find(self, client: discord.Client, data: Mapping[str, JsonValue]) -> Pending | None:
        """The interaction that a route came from; one of an earlier process goes on where that one stopped."""
        token = data.get("token")
        if not isinstance(token, str):
            return None
        if token not in self._pending:
            self._pending[token] = self._make(client, data)
        return self._pending[token]

    def writer(self, message: str) -> Pending | None:
        """The interaction through which a message was written, as long as it can still be reached that way."""
        writer = self._writers.get(message)
        return writer if writer is not None and writer.is_alive() else None

    def _make(self, client: discord.Client, data: Mapping[str, JsonValue], **more: Any) -> Pending:
        return Pending(client, self._lanes, self._clock, data, self.forms, self._writers, **more)

    def close(self) -> None:
        for pending in self._pending.values():
            pending.close()

    def _forget_old(self) -> None:
        """They die in the order in which they came."""
        while self._pending and not (oldest := next(iter(self._pending.values()))).is_alive():
            self._pending.pop(oldest.token).close()
