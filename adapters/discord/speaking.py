"""What a speaker says, shown under their name and face; the bot goes on where that fails."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import discord
from discord.http import handle_message_parameters

from adapters.discord.errors import GONE, UNKNOWN_MESSAGE, translated
from adapters.discord.faces import FACE, Face, hook_of, opening
from adapters.discord.markup import to_discord
from adapters.discord.sending import (
    ChannelSurface,
    InteractionSurface,
    NoSurface,
    as_files,
    as_shown,
    as_view,
    edited,
    only,
    refusing_files,
)
from adapters.discord.threads import reopening
from adapters.discord.unsure import Unsure, newest
from adapters.discord.webhooks import Hook, is_gone
from bot.api import Button, DeliveryError, DeliveryRefused, File, SentId, Shown, TargetGone

BotSurface: TypeAlias = ChannelSurface | InteractionSurface | NoSurface

log = logging.getLogger(__name__)

# So many posts of one message may fail on the way before the bot goes on by itself.
MOST_FAILURES = 2
# Once without its picture, once with another webhook.
MOST_TRIES = 3


class FaceSurface:
    """Messages of a speaker. `by_bot` makes the surface on which the bot goes on; it is told whether anything was
    posted before. `resumed` are the messages so far of an answer that is taken up. `after_first` is awaited when
    something was said through the webhook: a command that waits for its answer has got it then. With `renews` whoever
    calls says anew what can no longer be edited.
    """

    def __init__(
        self,
        face: Face,
        by_bot: Callable[[bool], BotSurface],
        *,
        notify: str | None = None,
        files: Sequence[File] = (),
        resumed: Sequence[SentId] = (),
        after_first: Callable[[], Awaitable[None]] | None = None,
        renews: bool = True,
    ) -> None:
        self._face = face
        self._make_by_bot = by_bot
        self._by_bot: BotSurface | None = None
        self._notify = notify
        self._files = files
        self._begun = bool(resumed)
        self._after_first = after_first
        self._renews = renews
        # The message of the bot itself that says who speaks.
        self._named = next((sent.id for sent in resumed if hook_of(sent) is None), None)
        self._picture: str | None = None
        self._picture_known = False
        self._unsure = Unsure()
        # What a message shows, and what stands above it in one that can no longer be edited.
        self._shown: dict[str, str] = {}
        self._above: dict[str, str] = {}

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        shown = await self._post_as_face(text, buttons)
        if shown is None:
            shown = await self._post_as_bot(text, buttons)
        self._begun, self._notify, self._files = True, None, ()
        self._shown[shown.sent.id] = shown.text
        return shown

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        """An empty text leaves the one that is there."""
        return await self._edit(sent, text, buttons, None)

    async def attach(self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File]) -> Shown:
        with refusing_files():
            return await self._edit(sent, text, buttons, files)

    async def _edit(
        self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File] | None
    ) -> Shown:
        above = self._above.get(sent.id, "")
        below = text[len(above) :] if text.startswith(above) else text
        id = hook_of(sent)
        if id is not None:
            shown = await self._edit_as_face(id, sent, below, buttons, files)
        else:
            shown = await self._edit_as_bot(sent, below, buttons, files)
        if shown.sent.id == sent.id:
            self._shown[sent.id] = shown.text
        return Shown(shown.sent, above + shown.text) if text else shown

    async def delete(self, sent: SentId) -> None:
        id = hook_of(sent)
        if id is None:
            await self._bot().delete(sent)
            return
        with translated():
            hook = await self._face.webhooks.reach(self._face.channel, id)
            try:
                if hook is not None:
                    await self._face.webhooks.delete(hook, self._face.thread, int(sent.id))
                    return
            except discord.NotFound as error:
                if not is_gone(error):
                    raise
            await self._face.client.http.delete_message(self._face.where, int(sent.id))

    # By the webhook

    async def _post_as_face(self, text: str, buttons: Sequence[Button]) -> Shown | None:
        """None when the bot has to do it."""
        face = self._face
        with translated():
            for _ in range(MOST_TRIES):
                hook = await face.hook()
                if hook is None:
                    return None
                if self._unsure.texts:
                    found = await face.webhooks.posted(
                        hook, face.where, face.name, self._unsure.texts, self._unsure.after
                    )
                    if found is not None:
                        return await self._landed(hook, text, found)
                    if self._unsure.failures >= MOST_FAILURES:
                        break
                try:
                    return await self._landed(hook, text, await self._send(hook, text, buttons))
                except discord.HTTPException as error:
                    if error.status >= 500:
                        raise
                    self._unsure = Unsure()
                    if is_gone(error):
                        face.webhooks.forget(hook)
                    elif error.code in GONE:
                        raise
                    elif self._picture is not None:
                        self._picture = None
                    else:
                        log.warning("a webhook does not take a message: %s", error)
                        break
        face.lost = True
        return None

    async def _send(self, hook: Hook, text: str, buttons: Sequence[Button]) -> dict[str, Any]:
        face = self._face
        if not self._picture_known:
            self._picture, self._picture_known = await face.picture(), True
        content = to_discord(text)
        self._unsure.trying(content, newest(face.client, face.where))
        with handle_message_parameters(
            content=content,
            username=face.name,
            avatar_url=self._picture or discord.utils.MISSING,
            allowed_mentions=only(self._notify),
            files=as_files(self._files) or discord.utils.MISSING,
            view=as_view(buttons or None, face.asker),
        ) as params:
            return await face.webhooks.post(hook, face.thread, params)

    async def _landed(self, hook: Hook, text: str, answer: Any) -> Shown:
        self._unsure = Unsure()
        if self._after_first is not None:
            done, self._after_first = self._after_first, None
            try:
                await done()
            except DeliveryError as error:
                log.info("a command goes on to say that it works: %s", error)
        return Shown(SentId(str(answer["id"]), f"{FACE}{hook.id}"), as_shown(text, answer))

    async def _edit_as_face(
        self, id: int, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File] | None
    ) -> Shown:
        face = self._face
        with translated():
            hook = await face.webhooks.reach(face.channel, id)
            if hook is not None:
                try:
                    answer = await reopening(
                        face.client, face.where, partial(self._edit_by, hook, sent, text, buttons, files)
                    )
                    return Shown(sent, as_shown(text, answer))
                except discord.HTTPException as error:
                    if not is_gone(error):
                        raise
                    face.webhooks.forget(hook)
        return await self._instead_of(sent, text, buttons)

    async def _edit_by(
        self, hook: Hook, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File] | None
    ) -> dict[str, Any]:
        with edited(text, buttons, self._face.asker, files) as params:
            return await self._face.webhooks.edit(hook, self._face.thread, int(sent.id), params)

    async def _instead_of(self, sent: SentId, text: str, buttons: Sequence[Button] | None) -> Shown:
        """Nobody can edit what came through a webhook that is gone. Either it is deleted and said anew, or the rest
        goes on below it."""
        shown = self._shown.get(sent.id)
        if not text:
            return Shown(sent, shown or "")
        if not self._renews:
            raise TargetGone("the webhook of this message is gone")
        try:
            await self._delete_by_bot(sent)
        except DeliveryRefused as error:
            if not shown or not text.startswith(shown):
                raise TargetGone("the webhook of this message is gone") from error
            rest = text[len(shown) :].lstrip()
            if not rest:
                return Shown(sent, text)
            above = text[: len(text) - len(rest)]
            below = await self.post(rest, buttons or ())
            self._above[below.sent.id] = self._above.get(sent.id, "") + above
            return Shown(below.sent, above + below.text)
        raise TargetGone("the webhook of this message is gone")

    async def _delete_by_bot(self, sent: SentId) -> None:
        with translated():
            try:
                await self._face.client.http.delete_message(self._face.where, int(sent.id))
            except discord.NotFound as error:
                if error.code != UNKNOWN_MESSAGE:
                    raise

    # By the bot itself

    async def _post_as_bot(self, text: str, buttons: Sequence[Button]) -> Shown:
        named = opening(self._face.speaker, text) if self._named is None else ""
        shown = _without(named, await self._bot().post(named + text, buttons))
        if named:
            self._named = shown.sent.id
        return shown

    async def _edit_as_bot(
        self, sent: SentId, text: str, buttons: Sequence[Button] | None, files: Sequence[File] | None
    ) -> Shown:
        named = opening(self._face.speaker, text) if sent.id == self._named else ""
        if files is None:
            return _without(named, await self._bot().edit(sent, named + text, buttons))
        return _without(named, await self._bot().attach(sent, named + text, buttons, files))

    def _bot(self) -> BotSurface:
        if self._by_bot is None:
            self._by_bot = self._make_by_bot(self._begun)
        return self._by_bot


def _without(named: str, shown: Shown) -> Shown:
    return Shown(shown.sent, shown.text.removeprefix(named)) if named else shown
