"""What people see when the bot comes back after it was killed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.api import Capabilities, CommandCall, Context, MessageDeleted, MessageEdited, Plugin, Route, SystemClock
from bot.errors import ModelUnavailable
from bot.testing.adapter import FakeAdapter, ScreenMessage
from bot.testing.bot import TestBot
from tests.conversations.crashed import ANN, PLACE, Crash, die, question

STORY = "Once upon a time there was a fox"


class Later(SystemClock):
    """It is later than it is, and waits are over at once."""

    def __init__(self, late: timedelta) -> None:
        self._late = late

    def now(self) -> datetime:
        return super().now() + self._late

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 1000)


class Scene:
    """A channel in which a question was asked before the crash."""

    def __init__(self, folder: Path, *, age: timedelta = timedelta()) -> None:
        self.folder = folder
        self.adapter = FakeAdapter()
        self.question = question(self.adapter.next_id(), age=age)
        self.adapter.messages.append(
            ScreenMessage(self.question.id, "Ann", self.question.text, own=False, event=self.question)
        )

    def shows(self, text: str, *, in_reply: bool = True) -> str:
        """A message of the bot that the dead process had posted."""
        id = self.adapter.next_id()
        reply = self.question.id if in_reply else None
        self.adapter.messages.append(ScreenMessage(id, "bot", text, own=True, in_reply_to=reply))
        return id

    def dies(self, said: str | None = None, *sent: str, finished: bool = False) -> None:
        die(Crash(self.folder / "test.db", self.question, said, sent, finished))

    def bot(self, *answers: str | Exception, clock: Later | None = None) -> TestBot:
        return TestBot(list(answers), folder=self.folder, adapter=self.adapter, clock=clock)


async def test_a_half_written_answer_is_completed_in_its_own_message(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    sent = scene.shows(STORY)
    scene.dies(STORY, sent)
    async with scene.bot("there was a fox who could sing.") as bot:
        await bot.comes_online()
        assert bot.screen == ["Ann: Tell me a story.", f"bot: {STORY} who could sing."]
        path = await bot.app.store.path(PLACE, max_tokens=1000)
        assert [message.text for message in path.messages] == ["Tell me a story.", f"{STORY} who could sing."]
        await bot.comes_online()
        assert len(bot.screen) == 2


async def test_a_message_that_was_sent_but_not_journaled_is_found_and_not_posted_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.shows(STORY + " named Fib")
    scene.dies(STORY)
    async with scene.bot(" who could sing.") as bot:
        await bot.comes_online()
        assert bot.screen == ["Ann: Tell me a story.", f"bot: {STORY} named Fib who could sing."]


async def test_an_answer_does_not_go_on_in_the_message_of_another_that_says_the_same(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    again = question(scene.adapter.next_id())
    theirs, _ = scene.shows(STORY, in_reply=False), scene.shows(STORY, in_reply=False)
    scene.dies(STORY)
    die(Crash(tmp_path / "test.db", again, STORY, (theirs,), finished=False))
    async with scene.bot(" and a hen.", " and a hen.") as bot:
        await bot.comes_online()
        assert bot.screen[1:] == [f"bot: {STORY} and a hen."] * 2


async def test_nothing_was_sent_yet_so_the_answer_is_given_now(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.dies("")
    async with scene.bot("A fresh story.") as bot:
        await bot.comes_online()
        assert bot.screen == ["Ann: Tell me a story.", "bot: A fresh story."]


async def test_a_question_that_was_only_claimed_is_answered(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.dies()
    async with scene.bot("A story.") as bot:
        await bot.comes_online()
        await bot.comes_online()
        assert bot.screen == ["Ann: Tell me a story.", "bot: A story."]


async def test_a_finished_answer_is_shown_whole_and_the_model_is_not_asked(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    sent = scene.shows(STORY)
    scene.dies(STORY + " who sang.", sent, finished=True)
    async with scene.bot() as bot:
        await bot.comes_online()
        assert bot.screen[-1] == f"bot: {STORY} who sang."
        assert bot.model.turns == []


async def test_an_old_answer_is_marked_and_remembered(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    sent = scene.shows(STORY)
    scene.dies(STORY, sent)
    async with scene.bot(clock=Later(timedelta(hours=1))) as bot:
        await bot.comes_online()
        assert bot.last.text.startswith(STORY)
        assert "interrupted" in bot.last.text
        assert bot.model.turns == []
        path = await bot.app.store.path(PLACE, max_tokens=1000)
        assert (path.messages[-1].text, path.messages[-1].status) == (STORY, "partial")


async def test_the_model_is_tried_again_and_then_the_answer_is_marked(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    sent = scene.shows(STORY)
    scene.dies(STORY, sent)
    async with scene.bot(ModelUnavailable("down"), " who sang.", clock=Later(timedelta())) as bot:
        await bot.comes_online()
        assert bot.last.text == f"{STORY} who sang."


async def test_a_question_asked_while_the_bot_was_down_is_answered_once(tmp_path: Path) -> None:
    adapter = FakeAdapter()
    async with TestBot(["Hello."], folder=tmp_path, adapter=adapter) as bot:
        await bot.says("hi")
    late = question(adapter.next_id(), "Are you there?")
    adapter.messages.append(ScreenMessage(late.id, "Ann", late.text, own=False, event=late))
    async with TestBot(["I am back."], folder=tmp_path, adapter=adapter) as bot:
        await bot.comes_online({str(PLACE): late.id})
        await bot.comes_online({str(PLACE): late.id})
        assert bot.screen == ["Ann: hi", "bot: Hello.", "Ann: Are you there?", "bot: I am back."]


async def test_an_old_missed_question_is_remembered_but_not_answered(tmp_path: Path) -> None:
    adapter = FakeAdapter()
    async with TestBot(["Hello."], folder=tmp_path, adapter=adapter) as bot:
        await bot.says("hi")
    late = question(adapter.next_id(), "Are you there?", age=timedelta(hours=2))
    adapter.messages.append(ScreenMessage(late.id, "Ann", late.text, own=False, event=late))
    async with TestBot(folder=tmp_path, adapter=adapter) as bot:
        await bot.comes_online({str(PLACE): late.id})
        assert bot.screen[-1] == "Ann: Are you there?"
        path = await bot.app.store.path(PLACE, max_tokens=1000)
        assert path.messages[-1].text == "Are you there?"


@pytest.mark.parametrize("talked", [150, 800])
async def test_a_question_at_the_end_of_a_long_talk_that_was_missed_is_answered(tmp_path: Path, talked: int) -> None:
    adapter = FakeAdapter()
    async with TestBot(["Hello."], folder=tmp_path, adapter=adapter) as bot:
        await bot.says("hi")
    for number in range(talked):
        talk = replace(question(adapter.next_id(), f"talk {number}"), addressed=False)
        adapter.messages.append(ScreenMessage(talk.id, "Ann", talk.text, own=False, event=talk))
    late = question(adapter.next_id(), "Are you there?")
    adapter.messages.append(ScreenMessage(late.id, "Ann", late.text, own=False, event=late))
    async with TestBot(["I am back."], folder=tmp_path, adapter=adapter) as bot:
        await bot.comes_online({str(PLACE): late.id})
        assert bot.screen[-2:] == ["Ann: Are you there?", "bot: I am back."]
        first = await bot.app.store.message_of(PLACE, adapter.messages[2].id)
        assert first is not None
        assert first.text == "talk 0"


@pytest.mark.parametrize("begun", [True, False])
async def test_a_command_with_effects_is_reported_and_not_run_twice(tmp_path: Path, begun: bool) -> None:
    plugin, runs = Plugin("bank", "Pays."), []

    @plugin.command()
    async def pay(ctx: Context) -> str:
        """Pay."""
        runs.append(1)
        return "paid"

    call = CommandCall(id="c1", user=ANN, route=Route(PLACE), at=datetime.now(UTC), command="pay", text="")
    die(Crash(tmp_path / "test.db", call, begun=begun))
    async with TestBot(plugins=[plugin], folder=tmp_path) as bot:
        await bot.comes_online()
        assert runs == ([] if begun else [1])
        assert ("restarted" in bot.screen[-1]) is begun


async def test_what_was_edited_or_deleted_just_before_the_crash_is_followed(tmp_path: Path) -> None:
    async with TestBot(["One.", "Two."], folder=tmp_path) as bot:
        taken_back = await bot.says("The word is swordfish.")
        overheard = await bot.says("Hello there.", addressed=False)
    at, database = datetime.now(UTC), tmp_path / "test.db"
    asked = replace(overheard, text="@bot Hello!", addressed=True)
    deletion = MessageDeleted(id="d1", user=ANN, route=Route(PLACE), at=at, messages=(taken_back.id,))
    edit = MessageEdited(id="e1", user=ANN, route=asked.route, at=at, message=asked.id, text=asked.text, question=asked)
    die(Crash(database, deletion))
    die(Crash(database, edit))
    async with TestBot(["Hello Ann."], folder=tmp_path) as bot:
        await bot.comes_online()
        await bot.idle()
        assert bot.screen == ["bot: Hello Ann."]
        path = (await bot.app.store.path(PLACE, max_tokens=1000)).messages
        assert [message.text for message in path] == ["One.", "@bot Hello!", "Hello Ann."]


def changes(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "test.db")) as connection, connection:
        assert connection.execute(statement).rowcount == 1


async def test_a_draft_that_nobody_can_read_does_not_keep_others_from_being_helped(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.dies(STORY, scene.shows(STORY))
    changes(tmp_path, "UPDATE draft SET route = '{}'")
    late = question(scene.adapter.next_id(), "Are you there?")
    scene.adapter.messages.append(ScreenMessage(late.id, "Ann", late.text, own=False, event=late))
    async with scene.bot("I am back.") as bot:
        await bot.comes_online({str(PLACE): late.id})
        assert bot.screen[-1] == "bot: I am back."


async def test_a_step_of_catching_up_that_breaks_does_not_keep_the_others_from_being_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(platform: str) -> None:
        raise ValueError("not a place")

    scene = Scene(tmp_path)
    scene.dies()
    async with scene.bot("A story.") as bot:
        monkeypatch.setattr(bot.app.store, "orphans", broken)
        await bot.comes_online()
        assert bot.screen[-1] == "bot: A story."


@pytest.mark.parametrize(("attempts", "shown"), [(2, STORY + " who sang."), (3, f"{STORY}\n"), (6, STORY)])
async def test_an_answer_at_which_the_bot_dies_again_and_again_is_left_alone_in_the_end(
    tmp_path: Path, attempts: int, shown: str
) -> None:
    scene = Scene(tmp_path)
    scene.dies(STORY, scene.shows(STORY))
    changes(tmp_path, f"UPDATE draft SET attempts = {attempts}")
    async with scene.bot(" who sang.") as bot:
        await bot.comes_online()
        assert bot.last.text.startswith(shown)
        assert (bot.last.text == shown) is (attempts != 3)
        path = await bot.app.store.path(PLACE, max_tokens=1000)
        assert path.messages[-1].text == shown.strip()
    async with scene.bot() as bot:
        assert await bot.app.store.orphans("fake") == ()


async def test_an_event_at_which_the_bot_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.dies()
    changes(tmp_path, "UPDATE event SET epoch = 6")
    async with scene.bot() as bot:
        await bot.comes_online()
        assert bot.screen == ["Ann: Tell me a story."]
        assert bot.model.turns == []
    async with scene.bot() as bot:
        assert await bot.app.store.left_behind("fake") == ()


@pytest.mark.parametrize("said", [STORY, "", None])
async def test_where_nothing_can_be_shown_again_what_was_said_is_remembered_before_anybody_speaks(
    tmp_path: Path, said: str | None
) -> None:
    """A terminal that was closed is gone with all it showed."""
    scene = Scene(tmp_path)
    scene.adapter.offers = Capabilities(appends=True)
    scene.dies(said)
    async with scene.bot() as bot:
        path = await bot.app.store.path(PLACE, max_tokens=1000)
        assert [message.text for message in path.messages] == ["Tell me a story."] + ([said] if said else [])
        assert path.messages[-1].status == ("interrupted" if said else "complete")
        assert bot.screen == ["Ann: Tell me a story."]
        assert bot.model.turns == []
    async with scene.bot() as bot:
        assert await bot.app.store.orphans("fake") == ()
        assert await bot.app.store.left_behind("fake") == ()
