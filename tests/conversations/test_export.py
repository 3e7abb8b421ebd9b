"""Transcripts as people get them and bring them, through the whole bot."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from bot.api import Capabilities, CommandCall, File, Place, Plugin, Route
from bot.loading import load_plugin
from bot.testing.bot import ANN, BOB, TestBot
from plugins.export import commands, plugin

ELSEWHERE = Place("fake", "workspace", "elsewhere")
# A format that tells a socket that it has begun, and never ends.
SLOW = """
import os, socket
from bot.api import Plugin
from plugins.export import Entry, Format, Header

def write(header, entries, out):
    with socket.create_connection(("127.0.0.1", {port})) as there:
        out.write(os.urandom(10))
        there.sendall(b"begun")
        there.recv(1)

plugin = Plugin("slow", "Takes long")
plugin.provide(Format("slow", ".slow", "text/plain", "Takes long", write))
def die(header, entries, out):
    print("not for the bot")
    print("DISCORD_TOKEN" in os.environ, [name for name in os.environ if "KEY" in name])
    raise OSError("the disk is full")

plugin.provide(Format("dying", ".dying", "text/plain", "Dies", die))
def tell(header, entries, out):
    out.write(" ".join(os.environ).encode())

def break_off(header, entries, out):
    raise RuntimeError("a blue marble")

plugin.provide(Format("told", ".told", "text/plain", "Tells", tell))
plugin.provide(Format("broken", ".broken", "text/plain", "Breaks off " + "x" * 10, break_off))
plugin.provide(Format("short", ".short", "text/plain", "Few words", lambda header, entries, out: out.write(b"few")))
"""


def files_of(bot: TestBot) -> tuple[File, ...]:
    reply = bot.last.reply
    assert reply is not None
    assert reply.private
    return reply.files


async def brings(bot: TestBot, content: bytes, **event: Any) -> None:
    """Somebody calls `/import` with a file."""
    bot.adapter.files["there"] = content
    attached: JsonValue = {"name": "talk.json", "media_type": "application/json", "size": len(content), "url": "there"}
    given: dict[str, Any] = {"user": ANN, "place": ELSEWHERE, **event}
    route = Route(given["place"], {"asker": given["user"].id})
    at = bot.clock.now()
    id = bot.adapter.next_id()
    await bot.hears(
        CommandCall(id=id, user=given["user"], route=route, at=at, command="import", arguments={"file": attached})
    )


async def test_a_moderator_gets_a_page_that_nobody_else_sees() -> None:
    async with TestBot(["Hello, Ann!"], plugins=[plugin]) as bot:
        await bot.says("Hi there")
        await bot.runs("/export")
        assert bot.shown_privately[-1].startswith("Here are 2 messages.\n*Only you see this.")
        (page,) = files_of(bot)
        assert page.media_type == "text/html"
        assert b"Hi there" in page.content
        assert b"Hello, Ann!" in page.content
        assert bot.screen == ["Ann: Hi there", "bot: Hello, Ann!"]


async def test_others_are_told_what_they_may() -> None:
    async with TestBot(["Hello!"], plugins=[plugin]) as bot:
        await bot.says("Hi there")
        await bot.runs("/export", user=BOB)
        assert "Only moderators may export what was said here" in bot.shown_privately[-1]
        assert "`/privacy export`" in bot.shown_privately[-1]
        await bot.runs("/import", user=BOB)
        assert "Only moderators may use `/import` here." in bot.shown_privately[-1]
    everybody = {"commands": {"who": {"export": "anyone"}}}
    async with TestBot(["Hello!"], plugins=[plugin], settings=everybody) as bot:
        await bot.says("Hi there", user=BOB)
        await bot.runs("/export md", user=BOB)
        assert [file.name[-3:] for file in files_of(bot)] == [".md"]


async def test_people_choose_what_they_get() -> None:
    async with TestBot(["One.", "Two."], plugins=[plugin]) as bot:
        await bot.says("First")
        await bot.says("Second", user=BOB)
        await bot.app.store.branches.fork(bot.place, (await bot.app.store.tree(bot.place))[1].id, "aside")
        await bot.app.store.branches.rename(bot.place, 1, "main")
        for line, has, lacks in (
            ("/export txt", ["First", "One."], ["Second", "Two.", "warm, quick-witted"]),
            ("/export txt main", ["First", "Two.", "Ann", "Bob"], []),
            ("/export txt branch --which=main --pseudonymise=yes", ["Person 1", "Person 2"], ["Ann", "Bob"]),
            ("/export txt all", ["First", "Second"], []),
            ("/export txt all --since=1h --system=yes", ["First", "warm, quick-witted"], []),
        ):
            await bot.runs(line)
            (file,) = files_of(bot)
            text = file.content.decode()
            assert [word for word in has if word not in text] == [], line
            assert [word for word in lacks if word in text] == [], line


async def test_each_stretch_has_the_name_of_its_branch_and_each_link_leads_somewhere() -> None:
    async with TestBot(["One.", "Two.", "Three.", "Four."], plugins=[plugin]) as bot:
        await bot.says("First")
        await bot.says("Second")
        branches = bot.app.store.branches
        first, answer, second, _ = await bot.app.store.tree(bot.place)
        await branches.fork(bot.place, None, "nothing here")
        await branches.fork(bot.place, None, "apart")
        await bot.says("Elsewhere")
        await branches.fork(bot.place, answer.id, "what all share")
        await branches.fork(bot.place, second.id, "deeper")
        await bot.says("Third")
        # The way that they went on with is gone, and the one we are on is short.
        await branches.delete(bot.place, 1)
        await branches.fork(bot.place, first.id, "short")
        await bot.runs("/export html all")
        page = files_of(bot)[0].content.decode()
    headings = re.findall(r'class="fork" dir="auto">⑂ (.*?)</h2>(.*?)(?=<section class="way"|</main>)', page, re.DOTALL)
    assert [name for name, _ in headings] == ["short", "apart", "what all share", "deeper"]
    assert all(said in told for said, (_, told) in zip(("First", "Elsewhere", "One.", "Third"), headings, strict=True))
    known = re.findall(r'id="(.*?)"', page)
    assert [each for each in re.findall(r'href="#(.*?)"', page) if each not in known] == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/export htm", "There is no format `htm`. Did you mean `html`?"),
        ("/export html nowhere", "There is no branch `nowhere` here."),
        ("/export html scene", "No scene was performed here yet."),
        ("/export html --since=soon", "`soon` is no moment."),
        ("/export html --until=2020-01-01", "there is nothing to export"),
        ("/import", "Attach a transcript"),
    ],
)
async def test_what_cannot_be_is_said(line: str, says: str) -> None:
    async with TestBot(["Hello!"], plugins=[plugin]) as bot:
        await bot.says("Hi")
        await bot.runs(line)
        assert says in bot.shown_privately[-1]


async def test_it_is_told_in_ones_own_language() -> None:
    async with TestBot(["Hallo!"], plugins=[plugin]) as bot:
        await bot.says("Hi")
        await bot.runs("/export html", locale="de")
        assert bot.shown_privately[-1].startswith("Hier sind 2 Nachrichten.")
        assert b'lang="de"' in files_of(bot)[0].content
        await bot.runs("/export", user=BOB, locale="de")
        assert "darf nur die Moderation exportieren" in bot.shown_privately[-1]


async def test_where_no_files_may_be_sent_it_says_so() -> None:
    mute = Capabilities(max_chars=2000, edits=True, private=True)
    async with TestBot(["Hello!"], plugins=[plugin], capabilities=mute) as bot:
        await bot.says("Hi")
        await bot.runs("/export")
        assert "I may not send files here." in bot.shown_privately[-1]


async def test_what_is_too_large_comes_zipped() -> None:
    small = Capabilities(max_chars=2000, edits=True, private=True, max_file_bytes=5000)
    async with TestBot(["Hello! " * 100], plugins=[plugin], capabilities=small) as bot:
        await bot.says("Hi " * 1000)
        await bot.runs("/export html")
        (file,) = files_of(bot)
        assert file.name.endswith(".html.zip")
        assert len(file.content) <= 5000


# In a process of its own.


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where processes of exports keep their files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(commands, "FEW", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left_in(folder: Path) -> list[str]:
    """What exports left there; the bot of a test has its own folder beside theirs."""
    return [each.name for each in folder.glob("duologue-*")]


class Begun:
    """Hears when the slow format begins to write, and when its process ends."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == b"begun"
        self.begun.set()
        assert await reader.read() == b""
        self.ended.set()
        writer.close()


@asynccontextmanager
async def slow_bot(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **minutes: float
) -> AsyncIterator[tuple[TestBot, Begun]]:
    begun = Begun()
    server = await asyncio.start_server(begun.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        (folder / "slow.py").write_text(SLOW.format(port=port))
        monkeypatch.setenv("DUOLOGUE_PLUGINS", json.dumps([str(folder / "slow.py")]))
        slow: Plugin = load_plugin("slow.py", folder)
        settings = {"plugins": {"export": minutes}} if minutes else {}
        async with TestBot(["Hello!"], plugins=[plugin, slow], settings=settings) as bot:
            await bot.says("Hi")
            yield bot, begun


async def test_long_ones_are_made_beside_the_bot(own_process: Path) -> None:
    async with TestBot(["Hello!"], plugins=[plugin]) as bot:
        await bot.says("Hi")
        await bot.runs("/export json all", locale="de")
        (file,) = files_of(bot)
        assert [entry["text"] for entry in json.loads(file.content)["messages"]] == ["Hi", "Hello!"]
        progress, page = bot.adapter.messages[-2:]
        assert progress.states == ["2 Nachrichten werden geschrieben: 0% …", "Fertig."]
        assert page.text.startswith("Hier sind 2 Nachrichten.")
        assert progress.buttons == ()
        assert left_in(own_process) == []


async def test_a_format_of_another_plugin_is_known_there_too(
    own_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slow_bot(tmp_path, monkeypatch) as (bot, _):
        await bot.runs("/export short")
        assert [file.content for file in files_of(bot)] == [b"few"]


async def test_what_ends_it_stands_in_the_log_and_no_key_is_known_there(
    own_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    async with slow_bot(tmp_path, monkeypatch) as (bot, _):
        await bot.runs("/export dying")
        assert "I could not finish this. Please try again." in bot.shown_privately[-1]
        told = caplog.text
        assert "OSError: the disk is full" in told
        assert "False []" in told
        assert "not for the bot" in told
        assert left_in(own_process) == []


async def test_it_is_given_no_key_and_what_it_says_of_a_failure_is_for_the_log_alone(
    own_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("LC_TIME", "C")
    async with slow_bot(tmp_path, monkeypatch) as (bot, _):
        await bot.runs("/export told")
        (file,) = files_of(bot)
        given = file.content.decode().split()
        assert {"PATH", "PYTHONPATH", "DUOLOGUE_ARCHIVE", "LC_TIME"} <= {*given}
        assert [name for name in given if "KEY" in name or "TOKEN" in name or "DUOLOGUE_PLUGINS" in name] == []
        await bot.runs("/export broken")
        assert bot.shown_privately[-1].startswith("⚠️ I could not finish this. Please try again.")
        assert not any("a blue marble" in shown for shown in bot.shown_privately)
    (said,) = [record.getMessage() for record in caplog.records if "a process of an export failed" in record.msg]
    assert said.endswith("RuntimeError: a blue marble")
    assert len(said) < 5_000
    assert "sk-very-secret" not in said


async def test_stop_ends_it_and_nothing_stays(
    own_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slow_bot(tmp_path, monkeypatch) as (bot, begun):
        await bot.runs("/export slow", wait=False)
        await begun.begun.wait()
        await bot.runs("/export slow", wait=False)
        await bot.until("Your last one is still running.")
        await bot.presses("Stop")
        await begun.ended.wait()
        await bot.idle()
        assert "This was ended." in bot.shown_privately
        assert bot.shown_privately[-1] == "⚠️ Stopped."
        assert left_in(own_process) == []
        await bot.runs("/export short")
        assert [file.content for file in files_of(bot)] == [b"few"]


async def test_it_ends_with_the_bot(own_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with slow_bot(tmp_path, monkeypatch) as (bot, begun):
        await bot.runs("/export slow", wait=False)
        await begun.begun.wait()
    await begun.ended.wait()
    assert left_in(own_process) == []


async def test_it_may_not_take_for_ever(own_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with slow_bot(tmp_path, monkeypatch, minutes=0.001) as (bot, _):
        await bot.runs("/export slow")
        assert bot.shown_privately[-1].startswith("⚠️ That took too long, so I stopped.")
        assert left_in(own_process) == []


# Import.


async def test_a_talk_moves_to_another_place_and_goes_on_there() -> None:
    async with TestBot(["Hello!", "Yes."], plugins=[plugin]) as bot:
        await bot.says("Hi")
        await bot.runs("/export json all")
        (file,) = files_of(bot)
        await brings(bot, file.content)
        assert bot.last.text == "2 messages are in: `imported`. We go on from there."
        await bot.says("Do you remember?", place=ELSEWHERE)
        assert [message.text for message in bot.model.prompts[-1].messages[1:3]] == ["Hi", "Hello!"]
        await brings(bot, file.content)
        assert bot.last.text == "This file is here already, so nothing changed: `imported`."
        await brings(bot, file.content, place=bot.place)
        assert bot.last.text.startswith("2 messages are in: `imported`. `/branch switch` goes on from there")
        store = bot.app.store
        main, imported = await store.branches.all(bot.place)
        assert (main.name, main.active) == ("main", True)
        await store.branches.switch(bot.place, imported.id)
        assert [branch.name for branch in await store.branches.all(bot.place)] == ["main", "imported"]


async def test_what_is_no_transcript_is_refused_whole() -> None:
    async with TestBot(plugins=[plugin]) as bot:
        for content in (
            b"",
            b"hello",
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"format":"duologue","version":99}',
            b"PK\x03\x04",
        ):
            await brings(bot, content)
            assert bot.shown_privately[-1].startswith("⚠️ ")
            assert "reference" not in bot.shown_privately[-1], content[:20]
        await brings(bot, b"[]", user=BOB)
        assert "Only moderators may use `/import` here." in bot.shown_privately[-1]
        assert await bot.app.store.tree(ELSEWHERE) == ()


async def test_a_large_file_is_taken_in_beside_the_bot(
    own_process: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(commands, "SMALL_IMPORT", 0)
    async with TestBot(["Hello!"], plugins=[plugin]) as bot:
        await bot.says("Hi")
        await bot.runs("/export json all")
        (file,) = files_of(bot)
        await brings(bot, file.content)
        assert bot.last.text == "2 messages are in: `imported`. We go on from there."
        await brings(bot, b"nonsense")
        assert "This file is no JSON" in bot.shown_privately[-1]
        assert left_in(own_process) == []
