"""A platform that exists only in memory: what people would see is its `screen`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

from bot.clock import Clock, SystemClock
from bot.commands import Command
from bot.errors import BotError, DeliveryError, DeliveryRefused, TargetGone
from bot.events import AnyEvent, Attachment, Message, Place, Route, User
from bot.platform import Capabilities, Handle, Posted
from bot.replies import Button, Controls, Done, Notice, Piece, Reply, ReplyStream, Resume, SentId, Speaker, Text
from bot.text import split


@dataclass(slots=True)
class ScreenMessage:
    """One message on the fake platform. `states` are all the texts it ever showed, `asker` is the id of the person
    whose buttons it carries; without a `place` it is seen everywhere."""

    id: str
    author: str
    text: str
    own: bool
    private: bool = False
    in_reply_to: str | None = None
    states: list[str] = field(default_factory=list)
    reply: Reply | None = None
    event: Message | None = None
    buttons: tuple[Button, ...] = ()
    asker: str = ""
    place: Place | None = None


class FakeAdapter:
    """Takes part in conversations like any adapter. Set `refuse` to an error to make every delivery fail with it.

    In a route's data, `message` is the id of the message that is answered, `asker` and `name` are the person's.
    `threads` are those that were opened, with their names; `names` are those of channels by their ids.
    """

    def __init__(
        self, name: str = "fake", *, capabilities: Capabilities | None = None, clock: Clock | None = None
    ) -> None:
        self.name = name
        self.clock = clock or SystemClock()
        self.offers = capabilities or Capabilities(
            max_chars=2000, edits=True, private=True, speakers=True, buttons=True, max_file_bytes=1_000_000
        )
        self.messages: list[ScreenMessage] = []
        self.files: dict[str, bytes] = {}
        self.commands: Sequence[Command] = ()
        self.refuse: DeliveryError | None = None
        self.pieces: list[Piece] = []
        self.threads: dict[Place, str] = {}
        self.names: dict[str, str] = {}
        self.grew = asyncio.Condition()
        self._newest = 0
        self._handle: Handle | None = None
        self.online = asyncio.Event()

    def next_id(self) -> str:
        """Rising, also from one adapter to the next, as platforms' ids do."""
        self._newest = max(time.time_ns(), self._newest + 1)
        return str(self._newest)

    async def run(self, handle: Handle, commands: Sequence[Command]) -> None:
        self._handle, self.commands = handle, commands
        self.online.set()
        await asyncio.Event().wait()

    @property
    def connected(self) -> bool:
        return self.online.is_set()

    async def hear(self, event: AnyEvent) -> None:
        """An event arrives from the platform."""
        await self.online.wait()
        if isinstance(event, Message) and all(message.id != event.id for message in self.messages):
            heard = ScreenMessage(event.id, event.user.name, event.text, own=False, event=event, place=event.place)
            self.messages.append(heard)
        assert self._handle is not None
        await self._handle(event)

    def capabilities(self, route: Route) -> Capabilities:
        return replace(self.offers, threads=self.offers.threads and route.place.thread is None)

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        if self.refuse:
            raise self.refuse
        if not reply.text and not reply.files:
            return ()
        *earlier, last = self.pages(reply.text) or ("",)
        plain = replace(reply, files=(), buttons=(), notify=False)
        sent = [await self.post(route, page, reply=replace(plain, text=page)) for page in earlier]
        return (*sent, await self.post(route, last, reply=replace(reply, text=last) if earlier else reply))

    def pages(self, text: str) -> tuple[str, ...]:
        limit = self.offers.max_chars
        return split(text, limit) if limit else ((text,) if text.strip() else ())

    async def post(self, route: Route, text: str, *, reply: Reply | None = None) -> SentId:
        reply = reply or Reply(text)
        answers, name = route.data.get("message"), route.data.get("name")
        shown = f"@{name} {text}" if reply.notify and name else text
        message = ScreenMessage(
            self.next_id(),
            reply.speaker.name if reply.speaker else "bot",
            shown,
            own=True,
            private=reply.private,
            in_reply_to=str(answers) if answers else None,
            states=[shown],
            reply=reply,
            buttons=reply.buttons if self.offers.buttons else (),
            asker=str(route.data.get("asker", "")),
            place=route.place,
        )
        self.messages.append(message)
        await self._notify()
        return SentId(message.id)

    def stream(
        self,
        route: Route,
        speaker: Speaker | None = None,
        resume: Resume | None = None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> ReplyStream:
        return FakeStream(self, route, speaker, resume, before_post)

    def find(self, id: str) -> ScreenMessage:
        for message in self.messages:
            if message.id == id:
                return message
        raise TargetGone(f"no message {id}")

    async def edit(self, route: Route, sent: SentId, reply: Reply) -> None:
        await self.change(sent, reply.text, reply.buttons)

    async def change(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> None:
        """An empty text leaves the one that is there, None the buttons."""
        if self.refuse:
            raise self.refuse
        message = self.find(sent.id)
        if text:
            message.text = text
            message.states.append(text)
        if buttons is not None and self.offers.buttons:
            message.buttons = tuple(buttons)
        await self._notify()

    async def delete(self, route: Route, sent: SentId) -> None:
        if self.refuse:
            raise self.refuse
        self.messages.remove(self.find(sent.id))
        await self._notify()

    async def open_thread(self, route: Route, name: str) -> Route:
        """The thread has the id of the message that it hangs on."""
        message = route.data.get("message")
        if self.refuse or not self.capabilities(route).threads or not message:
            raise DeliveryRefused("no thread can be opened here")
        place = replace(route.place, thread=str(message))
        self.threads.setdefault(place, name)
        return Route(place, route.data)

    async def place_name(self, place: Place) -> str:
        return self.names.get(place.channel, "")

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        content = self.files.get(attachment.url)
        if content is None or len(content) > max_bytes:
            raise DeliveryError(f"{attachment.name} is gone or too large")
        return content

    async def history(self, route: Route, after: str | None, limit: int) -> tuple[Posted, ...]:
        here = [message for message in self.messages if message.place in (None, route.place)]
        found = [message for message in here if after is None or message.id > after]
        return tuple(
            Posted(
                message.id,
                message.event.user if message.event else User("bot", "bot", is_bot=True),
                message.text,
                message.event.at if message.event else self.clock.now(),
                message.own,
                message.in_reply_to,
                event=message.event,
            )
            for message in (found[-limit:] if after is None else found[:limit])
        )

    async def _notify(self) -> None:
        async with self.grew:
            self.grew.notify_all()


class FakeStream:
    """Shows every state at once; marks and notices stand in brackets below the text."""

    def __init__(
        self,
        adapter: FakeAdapter,
        route: Route,
        speaker: Speaker | None,
        resume: Resume | None,
        before_post: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._before_post = before_post
        self._adapter = adapter
        self._route = route
        self._speaker = speaker
        self._sent: list[SentId] = list(resume.sent) if resume else []
        self._text = resume.text if resume else ""
        self._resumed = bool(self._sent)
        self._notices: list[str] = []
        self._mark = ""
        self._controls: tuple[Button, ...] | None = None
        # What the messages were told to show, with their buttons.
        self._shown: list[tuple[str, tuple[Button, ...] | None]] = []

    @property
    def sent(self) -> tuple[SentId, ...]:
        return tuple(self._sent)

    async def write(self, piece: Piece) -> None:
        self._adapter.pieces.append(piece)
        match piece:
            case Text(text):
                self._text += text
            case Notice(text):
                self._notices.append(text)
            case Controls(buttons):
                self._controls = buttons
            case Done(reason) if reason not in ("stop", "tools") and not self._notices:
                self._mark = reason
            case _:
                return
        await self._show()

    async def _show(self) -> None:
        if self._adapter.refuse:
            return
        pages = self._pages()
        for index, page in enumerate(pages):
            buttons = self._controls if index + 1 == len(pages) else ()
            if index == len(self._shown):
                await self._show_page(index, page, buttons)
                self._shown.append((page, buttons))
            elif (page, buttons) != self._shown[index]:
                await self._show_page(index, page, buttons)
                self._shown[index] = (page, buttons)
        if self._sent[len(pages) :]:
            await self._show_page(len(self._sent) - 1, "", () if pages else self._controls)

    def _pages(self) -> list[str]:
        pages = list(self._adapter.pages(self._text))
        marked = self._mark and (pages or not self._resumed)
        notes = "\n".join(f"[{notice}]" for notice in [*self._notices, *([self._mark] if marked else [])])
        limit = self._adapter.offers.max_chars
        if notes and pages and (not limit or len(pages[-1]) + 1 + len(notes) <= limit):
            pages[-1] += f"\n{notes}"
        elif notes:
            pages += self._adapter.pages(notes)
        return pages

    async def _show_page(self, index: int, page: str, buttons: tuple[Button, ...] | None) -> None:
        reply = Reply(page, speaker=self._speaker, buttons=buttons or ())
        if index < len(self._sent):
            try:
                await self._adapter.change(self._sent[index], page, buttons)
            except TargetGone:
                if page:
                    self._sent[index] = await self._adapter.post(self._route, page, reply=reply)
            return
        if self._before_post is not None:
            await self._before_post()
        self._sent.append(await self._adapter.post(self._route, page, reply=reply))

    async def __aenter__(self) -> FakeStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._mark = error.public if isinstance(error, BotError) else "interrupted"
        await self._show()
        if self._adapter.refuse:
            raise self._adapter.refuse
        pages = self._pages()
        while pages and len(self._sent) > len(pages):
            with contextlib.suppress(TargetGone):
                await self._adapter.delete(self._route, self._sent[-1])
            self._sent.pop()
