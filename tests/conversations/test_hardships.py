"""Awkward moments: what is said, remembered and paid for is the same whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Annotated

import pytest

from bot import answering
from bot.api import (
    Arg,
    Attachment,
    CommandCall,
    Context,
    Message,
    MessageDeleted,
    MessageEdited,
    Plugin,
    Prompt,
    PromptMessage,
    Reply,
    Route,
    ToolStart,
    User,
)
from bot.errors import ContextTooLong, StoreUnavailable
from bot.model.scripted import Say, Scripted
from bot.replies import Done, ReplyStream, Speaker
from bot.testing.adapter import FakeAdapter, FakeStream
from bot.testing.bot import ANN, BOB, TestBot


async def remembered(bot: TestBot) -> list[str]:
    path = await bot.app.store.path(bot.place, max_tokens=100_000)
    return [message.text for message in path.messages]


async def test_an_answer_is_remembered_though_the_window_could_not_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"memory": {"budget_tokens": 2000}}
    async with TestBot(["One.", "Two.", "Three."], settings=small) as bot:
        await bot.says("word " * 400)
        await bot.says("word " * 400)
        moved = 0

        async def full(branch: int, start: int | None) -> None:
            nonlocal moved
            moved += 1
            raise StoreUnavailable("the disk is full")

        monkeypatch.setattr(bot.app.store, "set_window_start", full)
        await bot.says("word " * 400)
        assert moved
        assert (await remembered(bot))[-1] == "Three."
        assert bot.last.text == "Three."


async def test_what_was_edited_is_counted_once_and_not_for_every_question() -> None:
    async with TestBot(["One.", "Two."]) as bot:
        asked = await bot.says("Hello.")
        await bot.hears(edited(asked, "Hello, everybody."))
        await bot.says("And now?")
        path = await bot.app.store.path(bot.place, max_tokens=1000)
        assert (path.messages[0].text, path.messages[0].tokens) == ("Hello, everybody.", 5)
        assert None not in [row.tokens for row in path.messages]


async def test_an_edited_message_keeps_the_files_that_came_with_it() -> None:
    async with TestBot(["A list.", "Still."]) as bot:
        bot.adapter.files = {"u": b"milk and eggs"}
        file = Attachment("list.txt", "text/plain", 13, "u")
        for typed, corrected in (("What is tihs?", "What is this?"), ("", "And this?")):
            asked = await bot.says(typed, attachments=(file,))
            await bot.hears(edited(asked, corrected))
            await bot.hears(replace(edited(asked, f"{corrected}!"), id=f"{asked.id}:2"))
            assert f"{corrected}!\n\nlist.txt:\n```\nmilk and eggs\n```" in await remembered(bot)


class BrokenStream(FakeStream):
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise RuntimeError("a bug in an adapter")


class BrokenAdapter(FakeAdapter):
    def stream(self, route: Route, speaker: Speaker | None = None, *rest: object) -> ReplyStream:
        return BrokenStream(self, route, speaker, None)


async def test_a_bug_of_an_adapter_leaves_no_draft_behind_and_what_was_said_stays(tmp_path: Path) -> None:
    async with TestBot(["Here you are."], folder=tmp_path, adapter=BrokenAdapter()) as bot:
        await bot.says("Tell me.")
        assert await remembered(bot) == ["Tell me.", "Here you are."]
    async with TestBot(["Again?"], folder=tmp_path) as bot:
        await bot.comes_online()
        assert bot.screen == []


async def test_a_model_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "LONGEST_ANSWER", 1000)
    async with TestBot([Say("blah " * 300, hang=True)]) as bot:
        await bot.says("Go on for ever.")
        assert (await remembered(bot))[-1] == "blah " * 200
        assert bot.model.closed == 1
        assert any(isinstance(piece, Done) and piece.reason == "length" for piece in bot.adapter.pieces)


async def test_what_an_answer_cost_until_the_bot_was_stopped_is_in_the_ledger(tmp_path: Path) -> None:
    async with TestBot([Say("Once upon a time", hang=True)], folder=tmp_path) as bot:
        await bot.says("A story.", wait=False)
        await bot.until("Once upon")
    async with TestBot(folder=tmp_path) as bot:
        (call,) = await bot.app.store.usage(bot.place)
        assert call.usage.output > 0
        assert call.usage.estimated


async def test_two_answers_at_once_in_one_place_are_both_stopped() -> None:
    """A command that does not wait may let the bot speak while it answers somebody."""
    plugin = Plugin("aside", "Speaks beside the conversation.")
    said = asyncio.Event()

    @plugin.command("aside", immediate=True)
    async def aside(ctx: Context) -> None:
        """Say something beside."""
        await ctx.say(None, Prompt((PromptMessage("user", "aside"),)))
        said.set()

    async with TestBot([Say("The story", hang=True), "An aside.", "unused"], plugins=[plugin]) as bot:
        await bot.says("A story.", wait=False)
        await bot.until("The story")
        await bot.runs("/aside", wait=False)
        await said.wait()
        assert await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert bot.model.closed == 1
        assert not await bot.app.runner.stop(bot.place)


class Slow(FakeAdapter):
    """The platform takes its time over the end of each answer."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = asyncio.Event()
        self.over = asyncio.Event()

    def stream(self, route: Route, speaker: Speaker | None = None, *rest: object) -> ReplyStream:
        return SlowStream(self, route, speaker, None)


class SlowStream(FakeStream):
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert isinstance(self._adapter, Slow)
        self._adapter.waiting.set()
        await self._adapter.over.wait()
        await super().__aexit__(kind, error, trace)


async def test_nothing_is_called_stopped_when_the_model_has_ended_already() -> None:
    adapter = Slow()
    async with TestBot(["All of it."], adapter=adapter) as bot:
        await bot.says("Tell me.", wait=False)
        await adapter.waiting.wait()
        assert not await bot.app.runner.stop(bot.place)
        adapter.over.set()
        await bot.idle()
        assert (await remembered(bot))[-1] == "All of it."


async def test_tools_run_once_and_are_remembered_though_the_prompt_was_too_long_on_the_way() -> None:
    plugin, runs = Plugin("facts", "Knows things."), 0

    @plugin.tool()
    async def look_up(ctx: Context, what: str) -> str:
        """Look something up."""
        nonlocal runs
        runs += 1
        return "forty-two"

    call = Say(calls=(ToolStart("c1", "look_up", '{"what": "it"}'),), reason="tools")
    talk = ["word " * 400] * 8
    model = Scripted([*talk, call, ContextTooLong("too long"), "It is 42.", call, "Still 42."])
    async with TestBot(model, plugins=[plugin], settings={"memory": {"budget_tokens": 4000}}) as bot:
        for _ in talk:
            await bot.says("word " * 300)
        for question in ("What is it?", "And now?"):
            await bot.says(question)
            path = await bot.app.store.path(bot.place, max_tokens=100_000)
            assert [message.role for message in path.messages[-4:]] == ["user", "assistant", "tool", "assistant"]
            assert [message.role for message in model.prompts[-1].messages[-3:]] == ["user", "assistant", "tool"]
        too_long, shorter = model.prompts[len(talk) + 1 : len(talk) + 3]
        assert len(shorter.messages) < len(too_long.messages)
        assert runs == 2


async def test_what_a_plugin_has_said_is_asked_with_less_of_its_own_prompt_when_it_is_too_long() -> None:
    plugin = Plugin("reciting", "Recites.")

    @plugin.command()
    async def recite(ctx: Context) -> None:
        """Say something."""
        said = [PromptMessage("user", f"line {number} " * 20) for number in range(10)]
        await ctx.say(None, Prompt((PromptMessage("system", "You are a parrot. " * 20), *said)))

    model = Scripted(["Beside it.", ContextTooLong("too long"), "Polly."])
    async with TestBot(model, plugins=[plugin]) as bot:
        await bot.says("What I said before.")
        await bot.runs("recite")
        assert bot.last.text == "Polly."
        too_long, shorter = (prompt.messages for prompt in model.prompts[1:])
        assert shorter[0] == too_long[0]
        assert shorter[1:] == too_long[-len(shorter) + 1 :]
        assert 5 <= len(shorter) < len(too_long)


def edited(message: Message, text: str) -> MessageEdited:
    return MessageEdited(
        id=f"{message.id}:1", user=message.user, route=message.route, at=message.at, message=message.id, text=text
    )


def deleted(message: Message) -> MessageDeleted:
    return MessageDeleted(
        id=f"{message.id}:deleted", user=message.user, route=message.route, at=message.at, messages=(message.id,)
    )


async def test_what_is_deleted_while_it_waits_for_its_turn_is_not_kept() -> None:
    async with TestBot([Say("A long story", hang=True), "I see."]) as bot:
        await bot.says("A story.", wait=False)
        await bot.until("A long story")
        secret = await bot.says("My password is tulip.", user=BOB, wait=False)
        await bot.hears(deleted(secret), wait=False)
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert not any("tulip" in text for text in await remembered(bot))


async def test_what_is_edited_while_it_waits_for_its_turn_is_remembered_as_edited() -> None:
    async with TestBot([Say("A long story", hang=True), "Paris."]) as bot:
        await bot.says("A story.", wait=False)
        await bot.until("A long story")
        asked = await bot.says("The capital of Frnace?", user=BOB, wait=False)
        await bot.hears(edited(asked, "The capital of France?"), wait=False)
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert "The capital of France?" in await remembered(bot)
        assert "The capital of Frnace?" not in await remembered(bot)


async def test_in_a_flood_whoever_floods_is_told_once_to_come_back_and_others_find_room() -> None:
    async with TestBot([Say("Wait", hang=True), *["Answer."] * 40]) as bot:
        for number in range(60):
            await bot.says(f"Question {number}", user=BOB, wait=False)
        await bot.says("And I?", wait=False)
        await bot.until("Wait")
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert ["try again later" in text for text in bot.shown_privately] == [True]
        asked = [prompt.messages[-1].text for prompt in bot.model.prompts]
        assert asked[1].endswith("And I?")
        answered = sum("Answer." in line for line in bot.screen)
        await bot.says("Is there room now?")
        assert sum("Answer." in line for line in bot.screen) == answered + 1


async def test_in_a_flood_of_many_everybody_is_told_once_to_come_back() -> None:
    async with TestBot([Say("Wait", hang=True), *["Answer."] * 80]) as bot:
        crowd = [User(f"u-{number}", f"Person {number}") for number in range(70)]
        for person in (*crowd, *crowd):
            await bot.says("I want to know", user=person, wait=False)
        await bot.until("Wait")
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        told = sum("try again later" in text for text in bot.shown_privately)
        assert told == 70
        assert sum("Answer." in line for line in bot.screen) == 60


async def test_what_a_button_returns_is_shown() -> None:
    plugin = Plugin("dice", "A button.")

    @plugin.button("roll")
    async def roll(ctx: Context, sides: str) -> str | Reply | None:
        return f"You rolled a {sides}."

    async with TestBot(plugins=[plugin]) as bot:
        await bot.presses("roll", "6", message="1")
        assert bot.last.text == "You rolled a 6."


async def names(ctx: Context, typed: str) -> list[str]:
    return ["tulip"]


async def test_suggestions_of_a_command_are_for_those_who_may_run_it() -> None:
    plugin = Plugin("vault", "Secrets.")

    @plugin.command(who="moderators")
    async def tell(ctx: Context, name: Annotated[str, Arg(complete=names)]) -> str:
        """Tell a secret."""
        return name

    async with TestBot(plugins=[plugin]) as bot:
        complete = bot.adapter.commands[0].parameters[0].arg.complete
        assert complete is not None

        def typing(user: User) -> CommandCall:
            return CommandCall(id="1", user=user, route=Route(bot.place), at=bot.clock.now(), command="tell")

        assert await complete(typing(ANN), "") == ["tulip"]
        assert await complete(typing(BOB), "") == ()
