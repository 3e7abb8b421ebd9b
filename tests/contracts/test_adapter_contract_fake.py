"""The adapter contract on the platform that exists only in memory, on which all conversations are tested."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from bot.buttons import button_id, parse_button_id
from bot.events import AnyEvent, Attachment, ButtonPressed, CommandCall, Message, Place, Route, User
from bot.platform import Capabilities
from bot.testing.adapter import FakeAdapter
from bot.testing.adapter_contract import AdapterContract, Seen, Stage, contract_commands

Kind = TypeVar("Kind", bound=AnyEvent)
ANN = User("u-ann", "Ann")


class FakeStage:
    has_own_stop = False

    def __init__(self, adapter: FakeAdapter) -> None:
        self.adapter = adapter
        self._place = Place(adapter.name, "workspace", "channel")
        self._events: list[AnyEvent] = []

    async def handle(self, event: AnyEvent) -> None:
        self._events.append(event)

    async def heard(self, kind: type[Kind], count: int = 1) -> Kind:
        found = self._of(kind)
        assert len(found) >= count
        return found[-1]

    def count(self, kind: type[Kind]) -> int:
        return len(self._of(kind))

    def _of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self._events if isinstance(event, kind)]

    async def says(self, text: str) -> None:
        text = text.encode(errors="replace").decode()  # no wire carries half a character
        await self.adapter.hear(Message(text=text, addressed=True, **self._known()))

    async def repeats(self) -> None:
        await self.adapter.hear(self._events[-1])

    async def runs(self, command: str, arguments: Mapping[str, Any]) -> None:
        given: dict[str, Any] = dict(arguments)
        for name, value in arguments.items():
            if isinstance(value, User):
                given[name] = {"id": ANN.id, "name": ANN.name}
            elif isinstance(value, Attachment):
                given[name] = {"name": "notes.txt", "media_type": "text/plain", "size": 10, "url": "fake:notes"}
                self.adapter.files["fake:notes"] = b"tea is hot"
        await self.adapter.hear(CommandCall(command=command, arguments=given, **self._known()))

    async def presses(self, label: str) -> None:
        message = self.adapter.messages[-1]
        (button,) = [each for each in message.buttons if each.label == label]
        carried = parse_button_id(button_id(button, message.asker))
        assert carried is not None
        pressed = ButtonPressed(
            action=carried.action,
            args=carried.args,
            message=message.id,
            who=carried.who,
            asker=carried.asker,
            **self._known(),
        )
        await self.adapter.hear(pressed)

    def screen(self) -> Sequence[Seen]:
        return [
            Seen(
                message.author,
                tuple(message.states or [message.text]),
                public=not message.private,
                own=message.own,
                buttons=tuple(button.label for button in message.buttons),
            )
            for message in self.adapter.messages
        ]

    def _known(self) -> dict[str, Any]:
        id = self.adapter.next_id()
        route = Route(self._place, {"message": id, "asker": ANN.id, "name": ANN.name})
        return {"id": id, "user": ANN, "route": route, "at": datetime.now(UTC)}


class TestFake(AdapterContract):
    capabilities: Capabilities | None = None

    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        stage = FakeStage(FakeAdapter(capabilities=self.capabilities))
        running = asyncio.create_task(stage.adapter.run(stage.handle, contract_commands()))
        yield stage
        running.cancel()
        await asyncio.wait({running})


class TestFakeWithShortMessages(TestFake):
    capabilities = Capabilities(max_chars=150, edits=True, private=True, speakers=True, buttons=True, threads=True)


class TestFakeWithoutLimits(TestFake):
    capabilities = Capabilities(edits=True, private=True, speakers=True)
