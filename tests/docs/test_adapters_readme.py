"""The adapters in adapters/README.md run as they stand there."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Annotated, Any, TypeVar

import pytest
from pydantic import BaseModel, Field

import bot.api
from bot.api import (
    AnyEvent,
    Attachment,
    ButtonPressed,
    CommandCall,
    Commands,
    Context,
    FormSubmitted,
    Message,
    Notice,
    Online,
    Place,
    Plugin,
    Reply,
    Route,
    TargetGone,
    Text,
    User,
)
from bot.app import App
from bot.commands import command_from
from bot.model.scripted import Scripted
from bot.platform import HasConnection, HasStatus, OpensThreads, UsesShelf
from bot.settings import Settings
from bot.testing.adapter_contract import AdapterContract, Seen, contract_commands
from bot.tokens import Tokens

README = (Path(__file__).parents[2] / "adapters" / "README.md").read_text("utf-8")


@pytest.fixture
def line() -> Any:
    """The README's module."""
    return example("duologue_line", 0)


def example(name: str, number: int) -> ModuleType:
    """One of the README's modules, as if it had been saved."""
    code = re.findall(r"```python\n(.*?)```", README, re.S)[number]
    module = sys.modules[name] = ModuleType(name)  # where dataclasses look up what they belong to
    exec(compile(code, "adapters/README.md", "exec"), module.__dict__)
    return module


async def roll(ctx: Context, sides: int = 6) -> str:
    """Roll a die."""
    return "4"


async def test_the_adapter_of_the_readme_talks(line: Any) -> None:
    adapter = line.spec.create(line.LineSettings(port=0))
    heard: asyncio.Queue[AnyEvent] = asyncio.Queue()
    running = asyncio.create_task(adapter.run(heard.put, Commands([command_from(roll, plugin="test")])))
    while adapter.port == 0:  # noqa: ASYNC110 – the example has no event to wait for
        await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", adapter.port)

    writer.write(b"\nhello\n/roll 20\n")
    message, call = await heard.get(), await heard.get()
    assert message.kind == "message"
    assert message.text == "hello"
    assert isinstance(call, CommandCall)
    assert (call.command, call.text) == ("roll", "20")

    journal: list[str] = []

    async def write_down() -> None:
        journal.append("written")

    route = Route(message.place)
    async with adapter.stream(route, before_post=write_down) as stream:
        await stream.write(Text("well "))
        await stream.write(Text("met"))
        await stream.write(Notice("cut off"))
    assert await reader.readline() == b"well met\n"
    assert await reader.readline() == b"(cut off)\n"
    assert len(stream.sent) == 1
    assert journal == ["written"]
    assert await adapter.send(route, Reply("")) == ()
    await adapter.send(route, Reply("4"))
    assert [await reader.readline(), await reader.readline()] == [b"\n", b"4\n"]
    assert adapter.capabilities(route).appends

    running.cancel()
    await asyncio.wait([running])
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    while adapter.writers:  # noqa: ASYNC110 – as above
        await asyncio.sleep(0)
    with pytest.raises(TargetGone):
        await adapter.send(route, Reply("late"))


def test_what_the_readme_names_exists(line: Any) -> None:
    assert line.spec.configured(line.LineSettings(port=7007))
    assert not line.spec.configured(line.LineSettings())
    text = re.sub(r"```.*?```", "", README, flags=re.S)
    names = {name for name in re.findall(r"`(\w+)", text) if re.fullmatch(r"(?:[A-Z][a-z]+)+", name)}
    elsewhere = {"AdapterContract", "Board", "FakeDiscord", "FakeSlack", "Listener", "Stage"}
    assert {"EditedStream", "Surface", "Lane", "TargetGone", "Shelf", "Controls", "Target", "Online"} <= names
    assert [name for name in names - elsewhere if not hasattr(bot.api, name)] == []
    assert {"report", "refused"} <= {*dir(bot.api.ChannelLane)}


async def test_any_bot_can_be_pointed_at_the_fake_slack() -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.S)[2]
    assert "FakeSlack" in code
    run = FunctionType(compile(code, "adapters/README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), {})
    await run()


Kind = TypeVar("Kind", bound=AnyEvent)
ANN = User("ann", "Ann", permissions=frozenset({"admin"}))


class BoardStage:
    """People at the board of the README's second adapter."""

    has_own_stop = False

    def __init__(self, module: Any, adapter: Any) -> None:
        self.module = module
        self.adapter = adapter
        self.place = Place("board", "hall", "wall")
        self.events: list[AnyEvent] = []

    @property
    def notes(self) -> list[Any]:
        return [*self.adapter.board.notes.values()]

    async def handle(self, event: AnyEvent) -> None:
        self.events.append(event)

    async def heard(self, kind: type[Kind], count: int = 1) -> Kind:
        found = [event for event in self.events if isinstance(event, kind)]
        assert len(found) >= count
        return found[-1]

    def count(self, kind: type[Kind]) -> int:
        return len([event for event in self.events if isinstance(event, kind)])

    async def says(self, text: str) -> None:
        text = text.encode(errors="replace").decode()
        note = await self.adapter.board.pin(place=self.place, author=ANN, text=text)
        await self.adapter.somebody_pinned(note)

    async def repeats(self) -> None:
        await self.adapter.somebody_pinned(next(note for note in reversed(self.notes) if note.author == ANN))

    async def runs(self, command: str, arguments: Mapping[str, Any]) -> None:
        given: dict[str, Any] = dict(arguments)
        for name, value in arguments.items():
            if isinstance(value, User):
                given[name] = {"id": ANN.id, "name": ANN.name}
            elif isinstance(value, Attachment):
                self.adapter.board.uploads["board:tea"] = b"tea is hot"
                given[name] = {"name": "tea.txt", "media_type": "text/plain", "size": 10, "url": "board:tea"}
        known = self.module.known(ANN, self.place)
        await self.handle(CommandCall(command=command, arguments=given, **known))

    async def presses(self, label: str) -> None:
        note = next(note for note in reversed(self.notes) if note.buttons)
        (carried,) = [carried for shown, _, carried in note.buttons if shown == label]
        await self.adapter.somebody_pressed(ANN, note, carried)

    def screen(self) -> Sequence[Seen]:
        return [
            Seen(
                note.author.name,
                (note.text,),
                public=not note.only_for,
                own=note.author.is_bot,
                buttons=tuple(label for label, _, _ in note.buttons),
            )
            for note in self.notes
        ]


class Cake(BaseModel):
    kind: Annotated[str, Field(title="What is in it", max_length=10)]


def menus() -> Plugin:
    plugin = Plugin("menus", "Menus of notes")

    @plugin.command(target="message")
    async def praise_this(ctx: Context) -> str:
        """Praise this note."""
        return "Well said."

    @plugin.command(target="message", form=Cake)
    async def bake_for_this(ctx: Context, form: Cake) -> str:
        """Bake a cake for this note."""
        return form.kind

    return plugin


class MemoryShelf:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def load(self, key: str) -> Any:
        return self.kept.get(key)

    async def save(self, key: str, value: Any) -> None:
        self.kept[key] = value

    async def picture(self, blob: str) -> None:
        return None


class TestBoard(AdapterContract):
    """The second example keeps to the contract of all adapters, buttons and threads included."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[BoardStage]:
        module = example("duologue_board", 1)
        stage = BoardStage(module, module.spec.create(module.BoardSettings(open=True)))
        shelf = MemoryShelf()
        stage.adapter.use(shelf)
        running = asyncio.create_task(stage.adapter.run(stage.handle, [*contract_commands(), *menus().commands]))
        while not stage.adapter.connected:  # noqa: ASYNC110 – the example has no event to wait for
            await asyncio.sleep(0)
        assert shelf.kept["commands"] == stage.adapter.board.told
        yield stage
        running.cancel()
        await asyncio.wait({running})
        assert not stage.adapter.connected

    async def test_it_is_all_that_it_says(self, stage: BoardStage) -> None:
        for kind in (HasConnection, HasStatus, UsesShelf, OpensThreads):
            assert isinstance(stage.adapter, kind)
        assert (await stage.heard(Online)).latest == {}
        await stage.says("hello")
        assert stage.adapter.status == {"notes": 1}

    async def test_what_the_platform_knows_already_it_is_not_told_again(self, stage: BoardStage) -> None:
        again = stage.module.spec.create(stage.module.BoardSettings(open=True))
        again.use(stage.adapter.shelf)
        running = asyncio.create_task(again.run(stage.handle, [*contract_commands(), *menus().commands]))
        while not again.connected:  # noqa: ASYNC110 – as above
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
        assert again.board.told == ""

    async def test_a_menu_brings_the_note_along(self, stage: BoardStage) -> None:
        await stage.says("tea is hot")
        assert await stage.adapter.somebody_opened_a_menu(ANN, stage.notes[0], "praise_this") is None
        call = await stage.heard(CommandCall)
        assert call.target is not None
        assert (call.command, call.target.id, call.target.text) == ("praise_this", stage.notes[0].id, "tea is hot")

    async def test_a_form_is_asked_for_checked_and_handed_over(self, stage: BoardStage) -> None:
        await stage.says("tea is hot")
        note = stage.notes[0]
        fields = await stage.adapter.somebody_opened_a_menu(ANN, note, "bake_for_this")
        assert fields == [("kind", "What is in it")]
        wrong = await stage.adapter.somebody_filled_in(ANN, note, "bake_for_this", {"kind": "x" * 11})
        assert "`kind` has 11 characters" in wrong
        assert stage.count(FormSubmitted) == 0
        assert await stage.adapter.somebody_filled_in(ANN, note, "bake_for_this", {"kind": "plum"}) is None
        form = await stage.heard(FormSubmitted)
        assert (form.values, form.target is not None and form.target.id) == ({"kind": "plum"}, note.id)

    async def test_strange_buttons_and_private_words_without_a_person(self, stage: BoardStage) -> None:
        await stage.says("hello")
        await stage.adapter.somebody_pressed(ANN, stage.notes[0], "of/another/bot")
        assert stage.count(ButtonPressed) == 0
        await stage.adapter.send(Route(stage.place), Reply("the secret", private=True))
        assert [note.text for note in stage.notes[1:]] == ["🔒 This is for one person alone."]

    async def test_an_answer_that_is_too_long_ends_in_a_file(self, stage: BoardStage) -> None:
        await stage.says("tell me everything")
        async with stage.adapter.stream((await stage.heard(Message)).route) as stream:
            await stream.write(Text("word " * 2000))
            await stream.write(bot.api.Done("stop"))
        assert len(stream.sent) == 8
        (file,) = stage.notes[-1].files
        assert file.content.decode() == "word " * 2000

    def test_its_manifest_lists_menus(self) -> None:
        module = example("duologue_board", 1)
        assert module.spec.configured(module.BoardSettings(open=True))
        told = json.loads(module.spec.manifest(module.BoardSettings(), menus().commands))
        assert [each["menu"] for each in told] == [True, True]


async def test_the_whole_bot_talks_on_the_board(tmp_path: Path) -> None:
    """Each question gets a thread, and the button under its answer says it anew."""
    module = example("duologue_board", 1)
    stage = BoardStage(module, module.BoardAdapter(module.Board()))
    settings = Settings.with_sections({})(
        model={"provider": "scripted", "name": "scripted"},
        memory={"database": str(tmp_path / "board.db")},
        answers={"speak": "thread", "shutdown_grace": 0},
    )
    model = Scripted(["Tea.", "Or coffee."])
    app = App(settings, adapters=[stage.adapter], providers=[model], tokens=Tokens(tmp_path / "no-vocabulary"))
    async with app:
        running = asyncio.create_task(app.run())
        while not stage.adapter.connected:  # noqa: ASYNC110 – the example has no event to wait for
            await asyncio.sleep(0)
        await stage.says("What shall I drink?")
        await app.runner.idle()
        question, answer = stage.notes
        assert (answer.place.parent, answer.place.thread) == (stage.place, question.id)
        assert stage.adapter.board.threads == {answer.place: "What shall I drink?"}
        assert (answer.text, stage.screen()[-1].buttons) == ("Tea.", ("🔄 Again", "🗑 Forget"))
        await stage.presses("🔄 Again")
        await app.runner.idle()
        assert stage.notes[-1].text == "Or coffee."
        assert stage.screen()[-1].buttons == ("🔄 Again", "◀", "2/2", "▶", "🗑 Forget")
        running.cancel()
        await asyncio.wait({running})
