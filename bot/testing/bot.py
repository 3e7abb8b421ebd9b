"""A whole bot in memory, to be talked to in tests: only the platform and the model are made up."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import JsonValue

from bot.app import App
from bot.buttons import button_id, parse_button_id
from bot.clock import Clock, SystemClock
from bot.events import (
    AnyEvent,
    Attachment,
    ButtonPressed,
    CommandCall,
    FormSubmitted,
    Message,
    MessageDeleted,
    MessageEdited,
    Online,
    Place,
    Route,
    Target,
    User,
)
from bot.model.scripted import Answer, Scripted
from bot.platform import Capabilities
from bot.plugin import Plugin
from bot.replies import Button
from bot.settings import Settings
from bot.testing.adapter import FakeAdapter, ScreenMessage
from bot.tokens import Tokens

ANN = User("u-ann", "Ann", permissions=frozenset({"admin"}))
BOB = User("u-bob", "Bob")


class TestBot:
    """`async with TestBot(["Hello!"]) as bot: await bot.says("hi")`, then look at `bot.screen`.

    `answers` is what the model says, in order, or a Scripted of your own. `plugins` run as if they were listed in the
    settings. `folder` keeps the database between two bots; without it everything is gone at the end.
    """

    __test__ = False  # pytest would take it for a test class

    def __init__(
        self,
        answers: Iterable[Answer] | Scripted = (),
        *,
        plugins: Sequence[Plugin] = (),
        settings: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        capabilities: Capabilities | None = None,
        adapter: FakeAdapter | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.model = answers if isinstance(answers, Scripted) else Scripted(list(answers))
        self.clock = clock or SystemClock()
        self.adapter = adapter or FakeAdapter(capabilities=capabilities, clock=self.clock)
        self.place = Place(self.adapter.name, "workspace", "channel")
        self._plugins = plugins
        self._changes = settings or {}
        self._folder = folder
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> TestBot:
        async with AsyncExitStack() as stack:
            folder = self._folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            given: dict[str, Any] = {
                "model": {"provider": "scripted", "name": "scripted"},
                # A summary would take an answer that the model was told to say to people.
                "memory": {"database": str(folder / "test.db"), "summaries": False},
                "answers": {"shutdown_grace": 0},
            }
            for section, values in self._changes.items():
                given[section] = {**given.get(section, {}), **values}
            sections = {f"plugins.{each.name}": each.settings for each in self._plugins if each.settings is not None}
            self.app = App(
                Settings.with_sections(sections)(**given),
                adapters=[self.adapter],
                plugins=self._plugins,
                providers=[self.model],
                tokens=Tokens(folder / "no-vocabulary"),
                clock=self.clock,
            )
            await stack.enter_async_context(self.app)
            running = asyncio.create_task(self.app.run())

            async def stop() -> None:
                running.cancel()
                await asyncio.wait({running})
                if not running.cancelled():
                    running.result()

            stack.push_async_callback(stop)
            await self.adapter.online.wait()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.adapter.online.clear()
        await self._stack.__aexit__(kind, error, trace)

    # What people do.

    async def says(
        self,
        text: str,
        *,
        user: User = ANN,
        addressed: bool = True,
        place: Place | None = None,
        attachments: tuple[Attachment, ...] = (),
        in_reply_to: str | None = None,
        locale: str = "",
        wait: bool = True,
    ) -> Message:
        """Somebody writes; returns when the bot has done everything about it, unless told not to `wait`."""
        id = self.adapter.next_id()
        message = Message(
            id=id,
            user=user,
            route=self._route(user, place, message=id),
            at=self.clock.now(),
            locale=locale,
            text=text,
            addressed=addressed,
            attachments=attachments,
            in_reply_to=in_reply_to,
        )
        await self.hears(message, wait=wait)
        return message

    async def edits(self, message: Message, text: str, *, addressed: bool = False, wait: bool = True) -> None:
        """Somebody changes what they wrote; it may be `addressed` to the bot only then."""
        shown = self.adapter.find(message.id)
        shown.text, shown.event = text, replace(message, text=text)
        event = MessageEdited(
            id=f"e-{uuid.uuid4().hex}",
            user=message.user,
            route=message.route,
            at=self.clock.now(),
            message=message.id,
            text=text,
            question=replace(message, text=text, addressed=True) if addressed else None,
        )
        await self.hears(event, wait=wait)

    async def deletes(self, *messages: Message | ScreenMessage, user: User = ANN, wait: bool = True) -> None:
        """Messages are taken back, by whoever wrote them or by a moderator."""
        for message in messages:
            self.adapter.messages.remove(self.adapter.find(message.id))
        event = MessageDeleted(
            id=f"d-{uuid.uuid4().hex}",
            user=user,
            route=self._route(user, messages[0].place),
            at=self.clock.now(),
            messages=tuple(message.id for message in messages),
        )
        await self.hears(event, wait=wait)

    async def runs(
        self,
        line: str,
        *,
        user: User = ANN,
        place: Place | None = None,
        target: Target | None = None,
        locale: str = "",
        wait: bool = True,
    ) -> None:
        """Somebody types a command, such as `/roll 6`, or picks it in the menu of a message, the `target`."""
        name, _, text = line.removeprefix("/").partition(" ")
        await self.hears(
            CommandCall(
                id=f"c-{uuid.uuid4().hex}",
                user=user,
                route=self._route(user, place),
                at=self.clock.now(),
                locale=locale,
                command=name,
                text=text,
                target=target,
            ),
            wait=wait,
        )

    async def fills(
        self,
        command: str,
        *,
        user: User = ANN,
        place: Place | None = None,
        target: Target | None = None,
        wait: bool = True,
        **values: JsonValue,
    ) -> None:
        """Somebody sends off the form of a command."""
        event = FormSubmitted(
            id=f"f-{uuid.uuid4().hex}",
            user=user,
            route=self._route(user, place),
            at=self.clock.now(),
            command=command,
            values=values,
            target=target,
        )
        await self.hears(event, wait=wait)

    async def presses(
        self, button: str | Button, *args: str, message: str = "", user: User = ANN, wait: bool = True
    ) -> None:
        """Somebody presses the newest button with this label or action that is on the screen.

        With arguments or a `message` it is an action that need not stand there, as after its message was deleted.
        """
        if args or message:
            action, args = (button, args) if isinstance(button, str) else (button.action, button.args)
            await self._press(Button(action, "", args, who="anyone"), message, "", user, None, wait)
            return
        for shown in reversed(self.adapter.messages):
            for each in shown.buttons:
                if each.enabled and (button in (each, each.label) or button == each.action):
                    await self._press(each, shown.id, shown.asker, user, shown.place, wait)
                    return
        raise AssertionError(f"{button!r} cannot be pressed; there is {self.buttons}")

    async def _press(
        self, button: Button, message: str, asker: str, user: User, place: Place | None, wait: bool
    ) -> None:
        carried = parse_button_id(button_id(button, asker))
        assert carried is not None, f"{button!r} does not survive the way through its id"
        event = ButtonPressed(
            id=f"b-{uuid.uuid4().hex}",
            user=user,
            route=self._route(user, place),
            at=self.clock.now(),
            action=carried.action,
            args=carried.args,
            message=message,
            who=carried.who,
            asker=carried.asker,
        )
        await self.hears(event, wait=wait)

    async def comes_online(self, latest: Mapping[str, str] | None = None) -> None:
        """The platform connects anew: what was left or missed is made good."""
        me = User("bot", "bot", is_bot=True)
        place = Place(self.adapter.name, "", "")
        await self.hears(
            Online(id=uuid.uuid4().hex, user=me, route=Route(place), at=self.clock.now(), latest=latest or {})
        )

    async def hears(self, event: AnyEvent, *, wait: bool = True) -> None:
        await self.adapter.hear(event)
        if wait:
            await self.idle()

    async def idle(self) -> None:
        """Wait until the bot has nothing left to do."""
        await self.app.runner.idle()
        await self.app.summaries.idle()

    def _route(self, user: User, place: Place | None, *, message: str | None = None) -> Route:
        data: dict[str, JsonValue] = {"asker": user.id, "name": user.name}
        return Route(place or self.place, data if message is None else {**data, "message": message})

    # What people see.

    @property
    def screen(self) -> list[str]:
        """All that stands in the channel, as `name: text`, private messages left out."""
        return [f"{message.author}: {message.text}" for message in self.adapter.messages if not message.private]

    @property
    def shown_privately(self) -> list[str]:
        return [message.text for message in self.adapter.messages if message.private]

    @property
    def last(self) -> ScreenMessage:
        """The newest message of the bot."""
        return next(message for message in reversed(self.adapter.messages) if message.own)

    @property
    def buttons(self) -> list[str]:
        """The labels under the newest message of the bot that has any."""
        labels = ([each.label for each in message.buttons] for message in reversed(self.adapter.messages))
        return next(filter(None, labels), [])

    async def until(self, part: str, times: int = 1) -> None:
        """Wait until the bot shows this text, in so many messages."""

        def is_shown() -> bool:
            return sum(part in message.text for message in self.adapter.messages if message.own) >= times

        async with self.adapter.grew:
            await self.adapter.grew.wait_for(is_shown)
