"""What people see when the bot comes back after it was killed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.api import CommandCall, Context, Plugin, Route, SystemClock
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
