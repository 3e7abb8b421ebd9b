"""What somebody says as it is remembered: with what it replies to, and with what its files hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.attachments import Attached, Attachments, unread_in
from bot.composing import Composer
from bot.events import Message
from bot.platform import Adapter
from bot.replies import SentId
from bot.store import NewMessage, Store
from bot.store.variants import GOES_ON


class Ears:
    def __init__(self, store: Store, adapters: Mapping[str, Adapter], composer: Composer) -> None:
        self._store = store
        self._adapters = adapters
        self._composer = composer
        self._attachments = Attachments(store.put_picture)

    async def heard(self, event: Message) -> tuple[NewMessage, Attached]:
        event = await self._with_files(await self._with_quotes(event))
        attached = await self._attachments.read(event, self._adapters[event.place.platform])
        text, sent = attached.text, (SentId(event.id),)
        tokens, user = await self._composer.count(text), event.user
        return NewMessage("user", text, user.id, user.name, parts=attached.parts, tokens=tokens, sent=sent), attached

    async def known(self, event: Message) -> bool:
        """Whether a thread begins with this message anyway, because it was opened on it."""
        parent = event.place.parent
        if parent is None or event.id != event.place.thread:
            return False
        opened_on = await self._store.message_of(parent, event.id)
        if opened_on is None:
            return False
        await self._store.conversation(event.place)
        return await self._store.reaches(event.place, opened_on.id)

    async def _with_quotes(self, event: Message) -> Message:
        """What it replies to goes in front, unless memory has that anyway."""
        if not event.quoted:
            return event
        known = event.text.strip() and event.in_reply_to is not None
        if known and await self._store.message_of(event.place, str(event.in_reply_to)) is not None:
            return event
        return replace(event, text=f"{event.quoted}\n\n{event.text}".strip())

    async def _with_files(self, event: Message) -> Message:
        """Whoever replies to a message asks about its files too, should they not have been read then."""
        if not event.addressed or event.in_reply_to is None:
            return event
        known = await self._store.message_of(event.place, event.in_reply_to)
        if known is None and event.place.parent is not None:
            # What a thread was opened on was said in the channel.
            known = await self._store.message_of(event.place.parent, event.in_reply_to)
        files = unread_in(known.parts) if known is not None else ()
        return replace(event, attachments=(*event.attachments, *files))


def goes_on(heard: NewMessage) -> NewMessage:
    """One of several messages that are answered together, but the last: who forgets the last forgets it too."""
    return replace(heard, parts={**heard.parts, GOES_ON: True})
