"""Posting and editing on Discord: surfaces for live answers, typing, and the lane that changes with the token."""

from __future__ import annotations

import asyncio
import contextlib
import io
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import discord
from discord.http import MultipartParameters, handle_message_parameters

from adapters.discord.buttons import Rows, components
from adapters.discord.errors import CALL_ERRORS, NO_REPLY_WITHOUT_HISTORY, TOO_LARGE, translated
from adapters.discord.lanes import DiscordLanes
from adapters.discord.markup import from_discord, to_discord
from adapters.discord.replying import Pending, Timing
from adapters.discord.threads import reopening
from bot.api import (
    Button,
    Call,
    Clock,
    DeliveryError,
    DeliveryRefused,
    EditedStream,
    File,
    Lane,
    Method,
    Outcome,
    Piece,
    SentId,
    Shown,
    TargetGone,
    Urgency,
)

Result = TypeVar("Result")
Turn: TypeAlias = Callable[[Method, Callable[[], Awaitable[Shown]]], Awaitable[Shown]]

MAX_CHARS = 2000
# How an answer's message is reached again.
BY_BOT, BY_TOKEN, PRIVATE, BY_GUEST = "", "interaction", "private", "guest"


def as_shown(given: str, answer: dict[str, Any]) -> str:
    """The text as it was given if Discord kept what was made of it, else what Discord shows."""
    content = str(answer.get("content", ""))
    return given if content == to_discord(given).strip() else from_discord(content)


def as_files(files: Sequence[File]) -> list[discord.File]:
    return [discord.File(io.BytesIO(file.content), filename=file.name) for file in files]


def only(person: str | None) -> discord.AllowedMentions:
    """Nobody hears a sound but this one."""
    users = [discord.Object(int(person))] if person is not None and person.isdecimal() else False
    return discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=users)


def as_view(buttons: Sequence[Button] | None, asker: str) -> Any:
    """None leaves the buttons that are there."""
    return discord.utils.MISSING if buttons is None else Rows(components(buttons, asker))


def edited(
    text: str, buttons: Sequence[Button] | None, asker: str, files: Sequence[File] | None
) -> MultipartParameters:
    """What an edit changes: an empty text leaves the one that is there, None the buttons or files."""
    return handle_message_parameters(
        content=to_discord(text) if text else discord.utils.MISSING,
        view=as_view(buttons, asker),
        attachments=discord.utils.MISSING if files is None else as_files(files),
        allowed_mentions=only(None),
    )


@contextlib.contextmanager
def refusing_files() -> Iterator[None]:
    """Files that are too large are refused, not tried again."""
    try:
        yield
    except DeliveryError as error:
        cause = error.__cause__
        if isinstance(cause, discord.HTTPException) and cause.code == TOO_LARGE:
            raise DeliveryRefused(str(error), public=error.public) from error
        raise


async def in_turn(lane: Lane, clock: Clock, method: Method, make: Callable[[], Awaitable[Result]]) -> Result:
    """One call that belongs to no stream."""
    wish = Call(method, Urgency.FINAL, clock.monotonic())
    await lane.admit(wish)
    landed = False
    try:
        made = await make()
        landed = True
    finally:
        lane.told(wish, "landed" if landed else "failed")
    return made


class ChannelSurface:
    """Messages of the bot itself. The first one replies to the question, carries the files and tells `notify`.

    `asker` is the id of the person whose buttons they are.
    """

    def __init__(
        self,
        client: discord.Client,
        lanes: DiscordLanes,
        channel: int,
        *,
        question: str | None = None,
        asker: str = "",
        notify: str | None = None,
        files: Sequence[File] = (),
    ) -> None:
        self._client = client
        self._lanes = lanes
        self._channel = channel
        self._question = question
        self._asker = asker
        self._notify = notify
        self._files = files
        self._nonce = _nonce()

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        with translated():
            try:
                answer = await self._send(text, buttons)
            except discord.Forbidden as error:
                if error.code != NO_REPLY_WITHOUT_HISTORY or self._question is None:
                    raise
                self._question = None
                answer = await self._send(text, buttons)
        # Until here a repeated post is the same message to Discord.
        self._nonce, self._question, self._notify, self._files = _nonce(), None, None, ()
        return Shown(SentId(str(answer["id"]), BY_BOT), as_shown(text, answer))

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        """An empty text leaves the one that is there."""
        return await self._edit(sent, text, buttons, None)

    async def attach(self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File]) -> Shown:
        with refusing_files():
            return await self._edit(sent, text, buttons, files)

    async def delete(self, sent: SentId) -> None:
        """Raises TargetGone for one that is gone already."""
        with translated():
            await self._client.http.delete_message(self._channel, int(sent.id))

    async def _edit(
        self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File] | None
    ) -> Shown:
        async def edit() -> dict[str, Any]:
            with edited(text, buttons, self._asker, files) as params:
                return await self._lanes.edit_message(self._client.http, self._channel, int(sent.id), params)

        with translated():
            answer = await reopening(self._client, self._channel, edit)
        return Shown(sent, as_shown(text, answer))

    async def _send(self, text: str, buttons: Sequence[Button]) -> dict[str, Any]:
        reference: Any = discord.utils.MISSING
        if self._question is not None:
            reference = {
                "message_id": self._question,
                "channel_id": str(self._channel),
                "fail_if_not_exists": False,
            }
        with handle_message_parameters(
            content=to_discord(text),
            allowed_mentions=only(self._notify),
            message_reference=reference,
            nonce=self._nonce,
            files=as_files(self._files) or discord.utils.MISSING,
            view=as_view(buttons or None, self._asker),
        ) as params:
            return await self._lanes.send_message(self._client.http, self._channel, params)


class NoSurface:
    """Where the bot has no way of its own to speak: in places that somebody only brought it along to."""

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        raise TargetGone("the interaction's token has died")

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        raise TargetGone("the interaction's token has died")

    async def attach(self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File]) -> Shown:
        raise TargetGone("the interaction's token has died")

    async def delete(self, sent: SentId) -> None:
        raise TargetGone("the interaction's token has died")


class InteractionSurface:
    """Answers to a command through its token; what is public goes on in the channel when the token has died. `turn` is
    awaited for a call of the channel that its own lane has not admitted."""

    def __init__(
        self,
        pending: Pending,
        channel: ChannelSurface | NoSurface,
        turn: Turn,
        *,
        private: bool,
        asker: str = "",
        notify: str | None = None,
        files: Sequence[File] = (),
    ) -> None:
        self._pending = pending
        self._channel = channel
        self._turn = turn
        self._private = private
        self._asker = asker
        self._notify = notify
        self._files = files

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        if not self._pending.is_alive():
            return await self._post_without_token(text, buttons)
        try:
            answer = await self._pending.post(
                to_discord(text),
                private=self._private,
                files=as_files(self._files),
                components=components(buttons, self._asker),
                mentions=only(self._notify),
            )
        except TargetGone:
            if self._pending.is_alive():
                raise
            return await self._turn("post", lambda: self._post_without_token(text, buttons))
        self._notify, self._files = None, ()
        kind = PRIVATE if self._private else BY_GUEST if self._pending.is_guest else BY_TOKEN
        return Shown(SentId(str(answer["id"]), kind), as_shown(text, answer))

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        return await self._edit(sent, text, buttons, None)

    async def attach(self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File]) -> Shown:
        with refusing_files():
            return await self._edit(sent, text, buttons, files)

    async def delete(self, sent: SentId) -> None:
        if self._pending.is_alive() and sent.kind != BY_BOT:
            await self._pending.delete(int(sent.id))
            return
        if sent.kind == PRIVATE:
            raise TargetGone("the interaction's token has died")
        await self._channel.delete(sent)

    async def _edit(
        self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File] | None
    ) -> Shown:
        if self._pending.is_alive() and sent.kind != BY_BOT:
            rows = None if buttons is None else components(buttons, self._asker)
            given = None if files is None else as_files(files)
            try:
                answer = await self._pending.edit(int(sent.id), to_discord(text), rows, given)
                return Shown(sent, as_shown(text, answer))
            except TargetGone:
                if self._pending.is_alive() or sent.kind == PRIVATE:
                    raise
                return await self._turn("edit", lambda: self._edit_without_token(sent, text, buttons, files))
        return await self._edit_without_token(sent, text, buttons, files)

    async def _edit_without_token(
        self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File] | None
    ) -> Shown:
        if sent.kind == PRIVATE:
            raise TargetGone("the interaction's token has died")
        if files is None:
            return await self._channel.edit(sent, text, buttons)
        return await self._channel.attach(sent, text, buttons, files)

    async def _post_without_token(self, text: str, buttons: Sequence[Button]) -> Shown:
        if self._private:
            raise TargetGone("the interaction's token has died")
        return await self._channel.post(text, buttons)


class HandoverLane:
    """The token's own budget while it lives, then the channel's. A call ends where it was admitted."""

    def __init__(self, pending: Pending, own: Lane, channel: Lane) -> None:
        self._pending = pending
        self._own = own
        self._channel = channel
        self._admitted_by_channel: set[Call] = set()

    def opened(self) -> None:
        self._own.opened()

    def closed(self) -> None:
        self._own.closed()

    async def admit(self, call: Call) -> None:
        if self._pending.is_alive():
            await self._own.admit(call)
        else:
            self._admitted_by_channel.add(call)
            try:
                await self._channel.admit(call)
            except asyncio.CancelledError:
                self._admitted_by_channel.discard(call)
                raise

    def told(self, call: Call, outcome: Outcome) -> None:
        lane = self._channel if call in self._admitted_by_channel else self._own
        self._admitted_by_channel.discard(call)
        lane.told(call, outcome)


class LiveAnswer:
    """An EditedStream that shows typing while there is nothing else to see. `type_here` is None where the platform
    shows "thinking" by itself."""

    def __init__(
        self,
        stream: EditedStream,
        clock: Clock,
        timing: Timing,
        *,
        type_here: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._timing = timing
        self._type_here = type_here
        self._typing: asyncio.Task[None] | None = None

    @property
    def sent(self) -> tuple[SentId, ...]:
        return self._stream.sent

    @property
    def changed(self) -> asyncio.Event:
        return self._stream.changed

    async def write(self, piece: Piece) -> None:
        await self._stream.write(piece)

    async def __aenter__(self) -> LiveAnswer:
        await self._stream.__aenter__()
        if self._type_here is not None:
            self._typing = asyncio.create_task(self._type(self._type_here))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._typing is not None:
            self._typing.cancel()
        await self._stream.__aexit__(kind, error, trace)

    async def _type(self, type_here: Callable[[], Coroutine[Any, Any, None]]) -> None:
        wait = self._timing.typing_after
        while not self._stream.first_shown.is_set():
            sleep = asyncio.ensure_future(self._clock.sleep(wait))
            shown = asyncio.ensure_future(self._stream.first_shown.wait())
            try:
                await asyncio.wait((sleep, shown), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleep.cancel()
                shown.cancel()
            if self._stream.first_shown.is_set():
                return
            try:
                await type_here()
            except CALL_ERRORS:
                return  # only a courtesy
            wait = self._timing.typing_again


def _nonce() -> str:
    return secrets.token_hex(12)
