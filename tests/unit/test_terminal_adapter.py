"""The terminal adapter on pipes: lines in, answers or JSON out, and a clean end."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from adapters.terminal import TerminalAdapter, TerminalSettings, spec
from adapters.terminal.keeping import keep_file
from bot.api import (
    AnyEvent,
    Attachment,
    BotError,
    Command,
    CommandCall,
    DeliveryRefused,
    Done,
    File,
    Message,
    Notice,
    Piece,
    Place,
    Reply,
    Resume,
    Route,
    SentId,
    Speaker,
    Text,
    ToolEnd,
    ToolStart,
    Usage,
)


async def nothing() -> None:
    return None


STOP = Command("stop", "Stop.", (), nothing, "test", immediate=True)


class Chat:
    """The adapter between two pipes, before an engine that answers by a script in tasks of its own."""

    def __init__(self, folder: Path, typed: bytes, *, answer: Sequence[Piece] = (), **settings: object) -> None:
        self.folder = folder
        self.typed = typed
        self.answer = answer
        self.settings = TerminalSettings.model_validate({"folder": folder, **settings})
        self.events: list[AnyEvent] = []
        self.out = io.StringIO()
        self.aside = io.StringIO()
        self.tasks: list[asyncio.Task[None]] = []

    async def run(self) -> str:
        source, sink = os.pipe()
        await asyncio.to_thread(_pour, sink, self.typed)
        with os.fdopen(source, encoding="utf-8") as stdin:
            self.adapter = TerminalAdapter(self.settings, stdin=stdin, stdout=self.out, stderr=self.aside)
            await asyncio.wait_for(self.adapter.run(self.handle, (STOP,)), 20)
        await asyncio.gather(*self.tasks)
        return self.out.getvalue()

    async def handle(self, event: AnyEvent) -> None:
        self.events.append(event)
        self.tasks.append(asyncio.create_task(self.reply(event)))

    async def reply(self, event: AnyEvent) -> None:
        if isinstance(event, CommandCall):
            empty = event.command == "nothing"
            await self.adapter.send(event.route, Reply("" if empty else f"{event.command}: {event.text}"))
        elif isinstance(event, Message):
            async with self.adapter.stream(event.route) as stream:
                for piece in self.answer or (Text("You said "), Text(event.text), Done("stop", Usage(1, 2))):
                    await stream.write(piece)


def _pour(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(content)


async def test_a_piped_question_gets_the_answer_alone(tmp_path: Path) -> None:
    assert await Chat(tmp_path, b"hi").run() == "You said hi\n"


async def test_each_line_is_answered_in_its_turn(tmp_path: Path) -> None:
    chat = Chat(tmp_path, b"one\r\n\n   \n/unknown a b\n/nothing\ntwo\n")
    assert await chat.run() == "You said one\nunknown: a b\nYou said two\n"
    assert len({event.id for event in chat.events}) == 4
    first = chat.events[0]
    assert isinstance(first, Message)
    assert first.addressed
    assert first.user.id == "local"
    assert first.user.is_moderator
    assert first.at.tzinfo is not None
    assert Place.parse(str(first.place)) == first.place


async def test_with_once_all_of_the_input_is_one_message(tmp_path: Path) -> None:
    assert await Chat(tmp_path, b"one\n\ntwo\n", once="-").run() == "You said one\n\ntwo\n"


async def test_a_question_on_the_command_line_needs_no_input(tmp_path: Path) -> None:
    assert await Chat(tmp_path, b"ignored\n", once="What now?").run() == "You said What now?\n"


@pytest.mark.parametrize(
    ("reason", "failed"), [("stop", False), ("length", False), ("stopped", True), ("failed", True)]
)
async def test_an_answer_that_was_stopped_counts_as_failed(
    tmp_path: Path, reason: Literal["stop", "length", "stopped", "failed"], failed: bool
) -> None:
    told: list[bool] = []
    await Chat(tmp_path, b"", once="Well?", answer=(Text("Four"), Done(reason)), ended=told.append).run()
    assert told == [failed]


async def test_nothing_to_read_ends_at_once(tmp_path: Path) -> None:
    chat = Chat(tmp_path, b"")
    assert await chat.run() == ""
    assert chat.events == []


@pytest.mark.parametrize("typed", ["/quit", "/exit", "  /Quit  "])
async def test_quit_leaves_what_follows_unread(tmp_path: Path, typed: str) -> None:
    assert await Chat(tmp_path, f"one\n{typed}\ntwo\n".encode()).run() == "You said one\n"


async def test_paths_that_come_through_a_pipe_are_just_words(tmp_path: Path) -> None:
    file = tmp_path / "secret.txt"
    file.write_text("hidden")
    chat = Chat(tmp_path, f"{file}\nlook at @{file}\n/stop @{file}\n".encode())
    assert await chat.run() == f"You said {file}\nYou said look at @{file}\nstop: @{file}\n"
    assert [event.attachments for event in chat.events if isinstance(event, Message)] == [(), ()]
    assert await chat.adapter.history(chat.events[0].route, None, 10) == ()


async def test_bytes_that_are_no_text_become_replacement_characters(tmp_path: Path) -> None:
    assert await Chat(tmp_path, b"caf\xe9 \xff\n").run() == "You said caf\ufffd \ufffd\n"


async def test_a_line_without_end_is_refused_and_the_next_one_heard(tmp_path: Path) -> None:
    source = tmp_path / "input"
    source.write_bytes(b"x" * 4_100_000 + b"\nshort\n")
    chat = Chat(tmp_path, b"")
    with source.open(encoding="utf-8") as stdin:
        chat.adapter = TerminalAdapter(chat.settings, stdin=stdin, stdout=chat.out, stderr=chat.aside)
        await chat.adapter.run(chat.handle, ())
    assert chat.out.getvalue() == "You said short\n"
    assert chat.aside.getvalue() == "A line longer than 4 MB was left out.\n"


async def test_notices_stand_beside_and_control_sequences_nowhere(tmp_path: Path) -> None:
    chat = Chat(tmp_path, b"hi", answer=[Text("\x1b[3"), Text("1mred"), Notice("cut \x1b]0;x\x07off"), Done("length")])
    assert await chat.run() == "red\n"
    assert chat.aside.getvalue() == "cut off\n"


async def test_json_gives_every_piece_a_line(tmp_path: Path) -> None:
    pieces: list[Piece] = [
        Text("é\x9b\u2028\ud800"),
        ToolStart("1", "roll", "{}"),
        ToolEnd("1", "roll", "6"),
        Notice("n"),
        Done("stop", Usage(1, 2), "m", 1.5, 0.5, Decimal("0.25")),
    ]
    written = await Chat(tmp_path, b"hi\n/help\n", answer=pieces, json_lines=True).run()
    assert written.isprintable() is False
    assert not set(written) & {"\x9b", "\u2028", "\ud800"}
    usage = {"input": 1, "output": 2, "cached": 0, "reasoning": 0, "cache_writes": 0, "estimated": False}
    assert [json.loads(line) for line in written.splitlines()] == [
        {"type": "text", "text": "é\x9b\u2028\ud800"},
        {"type": "tool_start", "id": "1", "name": "roll", "arguments": "{}"},
        {"type": "tool_end", "id": "1", "name": "roll", "result": "6", "failed": False},
        {"type": "notice", "text": "n"},
        {
            "type": "done",
            "reason": "stop",
            "usage": usage,
            "model": "m",
            "seconds": 1.5,
            "first_token": 0.5,
            "cost": 0.25,
        },
        {"type": "reply", "text": "help: "},
    ]


async def test_json_ends_a_broken_answer_too(tmp_path: Path) -> None:
    chat = Chat(tmp_path, b"")
    chat.settings = chat.settings.model_copy(update={"json_lines": True})
    await chat.run()

    async def break_off() -> None:
        async with chat.adapter.stream(route(), Speaker("1", "Ada")) as stream:
            await stream.write(Text("half"))
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await break_off()
    assert [json.loads(line)["type"] for line in chat.out.getvalue().splitlines()] == [
        "speaker",
        "text",
        "notice",
        "done",
    ]


def route() -> Route:
    return Route(Place("terminal", "local", "test"))


async def made(tmp_path: Path) -> Chat:
    chat = Chat(tmp_path, b"")
    await chat.run()
    return chat


async def test_an_error_of_the_engine_is_a_sentence_and_the_next_line_is_heard(tmp_path: Path) -> None:
    class Broken(Chat):
        async def handle(self, event: AnyEvent) -> None:
            if not self.events:
                self.events.append(event)
                raise BotError("secret detail", public="It is closed.")
            await super().handle(event)

    chat = Broken(tmp_path, b"one\ntwo\n")
    assert await chat.run() == "You said two\n"
    assert chat.aside.getvalue() == "It is closed.\n"


async def test_nothing_is_shown_before_the_journal_is_ready(tmp_path: Path) -> None:
    chat = await made(tmp_path)
    asked, written = asyncio.Event(), asyncio.Event()

    async def before_post() -> None:
        asked.set()
        await written.wait()

    async with chat.adapter.stream(route(), before_post=before_post) as stream:
        await stream.write(Text("text"))
        await asked.wait()
        assert chat.out.getvalue() == ""
        assert stream.sent == ()
        written.set()
    assert chat.out.getvalue() == "text\n"
    assert len(stream.sent) == 1


async def test_a_resumed_answer_is_shown_whole(tmp_path: Path) -> None:
    chat = await made(tmp_path)
    async with chat.adapter.stream(route(), resume=Resume((SentId("1"),), "Once upon ")) as stream:
        await stream.write(Text("a time."))
    assert chat.out.getvalue() == "Once upon a time.\n"
    assert stream.sent == (SentId("1"),)


async def test_a_second_answer_waits_for_the_first(tmp_path: Path) -> None:
    chat = await made(tmp_path)
    async with chat.adapter.stream(route()) as outer:
        await outer.write(Text("outer "))
        async with chat.adapter.stream(route(), Speaker("1", "Ada")) as inner:
            await inner.write(Text("in"))
            await inner.write(Text("ner"))
        await outer.write(Text("end"))
    words = chat.out.getvalue().split()
    assert "Ada: inner" in " ".join(words)
    assert words[-1] == "end"


async def test_a_reader_that_leaves_ends_the_run_quietly(tmp_path: Path) -> None:
    """As in `yes | duologue chat | head -c 20`."""
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.unit.test_terminal_adapter import piped\n"
        "asyncio.run(piped(Path(sys.argv[1])))\n"
    )
    command = f'yes | "{sys.executable}" -c "$CODE" "{tmp_path}" | head -c 20; echo " ${{PIPESTATUS[1]}}"'
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", command],
        env=os.environ | {"CODE": code, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "You said y\nYou said  0\n"
    assert done.stderr == ""


async def piped(folder: Path) -> None:
    chat = Chat(folder, b"")
    chat.adapter = TerminalAdapter(chat.settings)
    await chat.adapter.run(chat.handle, (STOP,))


async def test_received_files_stay_in_their_folder(tmp_path: Path) -> None:
    chat = await made(tmp_path)
    await chat.adapter.send(route(), Reply("Here.", files=(File("../../etc/pass wd.txt", b"1"),)))
    await chat.adapter.send(route(), Reply(files=(File("..\\pass wd.txt", b"2"), File("....", b"3"))))
    assert {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()} == {
        "pass wd.txt": b"1",
        "pass wd 2.txt": b"2",
        "file": b"3",
    }
    assert keep_file(tmp_path / "files", File("a/b\x00\n.txt", b"")).name == "b__.txt"


async def test_a_conversation_is_new_each_time_unless_it_is_gone_on_with(tmp_path: Path) -> None:
    earlier: list[Place] = []

    async def last() -> Place | None:
        return earlier[-1] if earlier else None

    async def talk(session: str = "", *, resume: bool = False) -> tuple[Place, str]:
        chat = Chat(tmp_path, b"hi", session=session, resume=resume, last=last)
        await chat.run()
        return chat.events[0].place, chat.aside.getvalue()

    first, told = await talk(resume=True)
    assert told == "There is no earlier conversation to go on with, so this is a new one.\n"
    earlier.append(first)
    assert await talk(resume=True) == (first, "")
    second, told = await talk()
    assert second != first
    assert told == ""
    assert await talk(resume=True) == (first, "")
    assert await talk(session="work", resume=True) == (Place("terminal", "local", "work"), "")


async def test_a_folder_that_cannot_be_used_is_no_hindrance(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert await Chat(blocked / "folder", b"hi").run() == "You said hi\n"


async def test_what_a_terminal_cannot_do_is_said(tmp_path: Path) -> None:
    chat = await made(tmp_path)
    with pytest.raises(DeliveryRefused):
        await chat.adapter.delete(route(), SentId("1"))
    with pytest.raises(DeliveryRefused):
        await chat.adapter.fetch(Attachment("a", "text/plain", 1, "file:///etc/passwd"), 10)
    assert await chat.adapter.history(route(), None, 10) == ()
    assert chat.adapter.capabilities(route()).appends


def test_importing_it_loads_no_screen() -> None:
    code = (
        "import sys, adapters.terminal as t; t.spec.create(t.TerminalSettings());"
        "print([n for n in sys.modules if n.startswith('prompt_toolkit') or n == 'adapters.terminal.screen'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert spec.name == "terminal"
    assert not spec.configured(TerminalSettings())
