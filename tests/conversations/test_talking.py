"""Conversations with the whole bot: questions, answers, memory, and what happens when something breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import engine
from bot.api import (
    Attachment,
    Context,
    DeliveryRefused,
    Done,
    LanguageModel,
    Message,
    Piece,
    Plugin,
    Reply,
    Taken,
    Text,
    ToolStart,
    Turn,
)
from bot.errors import ContextTooLong, ModelUnavailable, NoQuota
from bot.model.scripted import Say, Scripted
from bot.testing.bot import ANN, BOB, TestBot


async def test_it_answers_and_remembers() -> None:
    async with TestBot(["Paris.", "About two million."]) as bot:
        await bot.says("What is the capital of France?")
        await bot.says("How many live there?")
        assert bot.screen == [
            "Ann: What is the capital of France?",
            "bot: Paris.",
            "Ann: How many live there?",
            "bot: About two million.",
        ]
        assert [message.text for message in bot.model.prompts[-1].messages][1:3] == [
            "What is the capital of France?",
            "Paris.",
        ]


async def test_it_remembers_after_a_restart(tmp_path: Path) -> None:
    async with TestBot(["Nice to meet you, Ann."], folder=tmp_path) as bot:
        await bot.says("I am Ann.")
    async with TestBot(["Ann."], folder=tmp_path) as bot:
        await bot.says("Who am I?")
        assert "I am Ann." in [message.text for message in bot.model.prompts[-1].messages]


async def test_what_is_not_addressed_is_remembered_and_not_answered() -> None:
    async with TestBot(["Bob said the cake is a lie."]) as bot:
        await bot.says("The cake is a lie.", user=BOB, addressed=False)
        assert bot.screen == ["Bob: The cake is a lie."]
        await bot.says("What did Bob say?")
        assert "Bob: The cake is a lie." in [message.text for message in bot.model.prompts[-1].messages]


async def test_an_event_delivered_twice_is_handled_once(tmp_path: Path) -> None:
    async with TestBot(["Once."], folder=tmp_path) as bot:
        message = await bot.says("hi")
        await bot.hears(message)
        assert bot.screen == ["Ann: hi", "bot: Once."]
        adapter = bot.adapter
    async with TestBot(["Twice!"], folder=tmp_path, adapter=adapter) as bot:
        await bot.hears(message)
        assert bot.screen == ["Ann: hi", "bot: Once."]


async def test_an_empty_message_gets_a_friendly_word_and_costs_nothing() -> None:
    async with TestBot() as bot:
        await bot.says("  \n ")
        assert bot.screen[-1] == "bot: I am listening. What would you like to talk about?"
        assert bot.model.turns == []


async def test_a_failed_question_leaves_no_trace_in_memory() -> None:
    async with TestBot([NoQuota("no money"), "Hello!"]) as bot:
        await bot.says("hi")
        assert "no credit left" in bot.screen[-1]
        await bot.says("still there?")
        texts = [message.text for message in bot.model.prompts[-1].messages]
        assert not any("credit" in text or text == "hi" for text in texts)


async def test_a_broken_answer_is_taken_up_once_without_repeating_itself() -> None:
    broken = Say("The quick brown fox jumps over", fail=ModelUnavailable("reset"))
    async with TestBot([broken, "fox jumps over the lazy dog."]) as bot:
        await bot.says("A pangram, please.")
        assert bot.screen[-1] == "bot: The quick brown fox jumps over the lazy dog."
        assert "The quick brown fox jumps over" in bot.last.states


async def test_an_answer_that_breaks_twice_stays_and_says_so() -> None:
    async with TestBot(
        [Say("One, two, ", fail=ModelUnavailable("reset")), Say("three, ", fail=ModelUnavailable("reset")), "four."]
    ) as bot:
        await bot.says("Count.")
        assert bot.last.text == "One, two, three, \n[truncated]"
        await bot.says("go on")
        assert "One, two, three, " in [message.text for message in bot.model.prompts[-1].messages]


async def test_an_answer_without_a_finish_reason_is_taken_up() -> None:
    async with TestBot([Say("Once upon a ", reason="truncated"), "time."]) as bot:
        await bot.says("Tell me a story.")
        assert bot.screen[-1] == "bot: Once upon a time."


async def test_a_cut_off_answer_is_marked_and_remembered() -> None:
    async with TestBot([Say("A very long", reason="length")]) as bot:
        await bot.says("Tell me everything.")
        assert bot.last.text == "A very long\n[length]"
        path = await bot.app.store.path(bot.place, max_tokens=1000)
        assert (path.messages[-1].text, path.messages[-1].status) == ("A very long", "partial")


async def test_stop_keeps_what_was_said_and_closes_the_stream() -> None:
    model = Scripted([Say("Let me think", hang=True), "Fine."])
    async with TestBot(model) as bot:
        await bot.says("Think hard.", wait=False)
        await bot.until("Let me think")
        assert await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert bot.last.text == "Let me think\n[stopped]"
        assert model.closed == 1
        await bot.says("And now?")
        assert "Let me think" in [message.text for message in model.prompts[-1].messages]


async def test_a_prompt_that_is_too_long_is_asked_again_with_less() -> None:
    async with TestBot([ContextTooLong("8193 > 8192"), "Made it."]) as bot:
        await bot.says("hi")
        assert bot.screen[-1] == "bot: Made it."


async def test_two_people_at_once_are_answered_in_turn() -> None:
    model = Scripted([Say("First", hang=True), "Second."])
    async with TestBot(model) as bot:
        await bot.says("me first", wait=False)
        await bot.until("First")
        await bot.says("then me", user=BOB, wait=False)
        assert len(model.turns) == 1
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert bot.screen[-1] == "bot: Second."


async def test_a_refused_delivery_is_not_forgotten() -> None:
    async with TestBot(["Secret words.", "Hello again."]) as bot:
        bot.adapter.refuse = DeliveryRefused("no permission")
        await bot.says("hi")
        assert bot.screen == ["Ann: hi"]
        bot.adapter.refuse = None
        await bot.says("what did you say?")
        assert "Secret words." in [message.text for message in bot.model.prompts[-1].messages]


async def test_a_listener_that_raises_breaks_nothing_and_one_may_take_the_message() -> None:
    plugin = Plugin("scene", "Takes lines.")
    heard = []

    @plugin.on(Message)
    async def breaks(ctx: Context) -> None:
        raise RuntimeError("broken on purpose")

    @plugin.on(Message)
    async def takes(ctx: Context) -> Taken | None:
        assert isinstance(ctx.event, Message)
        heard.append(ctx.event.text)
        return Taken() if ctx.event.text.startswith("*") else None

    async with TestBot(["Hello."], plugins=[plugin]) as bot:
        await bot.says("*bows*")
        await bot.says("hi")
        assert bot.screen == ["Ann: *bows*", "Ann: hi", "bot: Hello."]
        assert heard == ["*bows*", "hi"]


async def test_a_listener_that_hangs_is_ended_and_the_message_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin, ended = Plugin("stuck", "Waits for ever."), []

    @plugin.on(Message)
    async def hangs(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(ctx.event.id)

    monkeypatch.setattr(engine, "LISTENER_SECONDS", 0.01)
    async with TestBot(["Hello."], plugins=[plugin]) as bot:
        asked = await bot.says("hi")
        assert ended == [asked.id]
        assert bot.screen == ["Ann: hi", "bot: Hello."]


@pytest.mark.parametrize("when", ["before", "between", "after"])
async def test_a_filter_that_raises_does_not_cost_the_answer(when: str) -> None:
    plugin = Plugin("fragile", "Breaks.")

    @plugin.filter
    async def fragile(turn: Turn, call_next: LanguageModel) -> AsyncIterator[Piece]:
        if when == "before":
            raise RuntimeError("broken on purpose")
        async for piece in call_next(turn):
            if when == "after" and isinstance(piece, Done):
                yield piece
                raise RuntimeError("broken on purpose")
            yield piece
            if when == "between":
                raise RuntimeError("broken on purpose")

    async with TestBot(["All of this arrives."], plugins=[plugin]) as bot:
        await bot.says("hi")
        assert bot.screen[-1] == "bot: All of this arrives."


async def test_filters_change_what_is_said_first_plugin_outermost() -> None:
    one, two = Plugin("one", "Adds a."), Plugin("two", "Adds b.", order=1)

    def adding(plugin: Plugin, letter: str) -> None:
        @plugin.filter
        async def add(turn: Turn, call_next: LanguageModel) -> AsyncIterator[Piece]:
            async for piece in call_next(turn):
                yield Text(piece.text + letter) if isinstance(piece, Text) and piece.text else piece

    adding(two, "b")
    adding(one, "a")
    async with TestBot([Say("x")], plugins=[two, one]) as bot:
        await bot.says("hi")
        assert bot.screen[-1] == "bot: xba"


async def test_the_model_calls_a_tool_and_its_result_is_remembered() -> None:
    plugin = Plugin("dice", "Rolls.")

    @plugin.tool()
    async def roll(ctx: Context, sides: int = 6) -> str:
        """Roll a die."""
        return f"{sides} of {sides} for {ctx.user.name}"

    calls = Say("Let me roll.", calls=(ToolStart("t1", "roll", '{"sides": 20}'),), reason="tools")
    async with TestBot([calls, "You rolled 20.", "It was 20."], plugins=[plugin]) as bot:
        await bot.says("roll for me")
        assert bot.last.text == "Let me roll.\n\nYou rolled 20."
        await bot.says("what was it?")
        roles = [(message.role, message.text) for message in bot.model.prompts[-1].messages]
        assert ("tool", "20 of 20 for Ann") in roles
        assert ("assistant", "Let me roll.\n\nYou rolled 20.") in roles


async def test_commands_reply_stream_and_fail_in_private() -> None:
    plugin = Plugin("dice", "Rolls.")

    @plugin.command()
    async def roll(ctx: Context, sides: int = 6) -> str:
        """Roll a die."""
        return f"1 of {sides}"

    @plugin.command(private=True)
    async def secret(ctx: Context) -> Reply:
        """Tell a secret."""
        return Reply("psst")

    @plugin.command()
    async def count(ctx: Context) -> AsyncIterator[str]:
        """Count."""
        for number in "123":
            yield number

    @plugin.command()
    async def crash(ctx: Context) -> str:
        """Fail."""
        raise RuntimeError("the inside story")

    async with TestBot(plugins=[plugin]) as bot:
        await bot.runs("/roll 20")
        await bot.runs("/count")
        assert bot.screen == ["bot: 1 of 20", "bot: 123"]
        await bot.runs("/secret")
        assert bot.shown_privately == ["psst"]
        await bot.runs("/roll twenty")
        assert "Usage: `/roll" in bot.shown_privately[-1]
        await bot.runs("/rool")
        assert "Did you mean" in bot.shown_privately[-1]
        await bot.runs("/crash")
        assert "inside story" not in bot.screen[-1]
        assert "reference" in bot.screen[-1]
        assert bot.model.turns == []


async def test_moderators_only_means_moderators_only_unless_the_settings_say_otherwise() -> None:
    def tidy() -> Plugin:
        plugin = Plugin("tidy", "Tidies.")

        @plugin.command(who="moderators")
        async def sweep(ctx: Context) -> str:
            """Sweep the channel."""
            return "swept"

        return plugin

    async with TestBot(plugins=[tidy()]) as bot:
        await bot.runs("/sweep", user=BOB)
        assert "Only moderators" in bot.shown_privately[-1]
        await bot.runs("/sweep", user=ANN)
        assert bot.screen == ["bot: swept"]
    async with TestBot(plugins=[tidy()], settings={"commands": {"who": {"sweep": "anyone"}}}) as bot:
        await bot.runs("/sweep", user=BOB)
        assert bot.screen == ["bot: swept"]


async def test_a_message_that_is_too_long_is_read_in_part_and_the_asker_is_told() -> None:
    async with TestBot(["Quite a text."], settings={"memory": {"budget_tokens": 2000}}) as bot:
        await bot.says("word " * 20_000 + "THE END")
        assert "more than I can read at once" in bot.last.text
        sent = bot.model.prompts[-1].messages[-1].text
        assert sent.endswith("THE END")
        assert len(sent) < 20_000


async def test_reading_commands_do_not_wait_for_the_answer_that_is_written() -> None:
    from plugins.commands import plugin

    model = Scripted([Say("Thinking", hang=True)])
    async with TestBot(model, plugins=[plugin]) as bot:
        await bot.says("Think.", wait=False)
        await bot.until("Thinking")
        await bot.runs("/history", wait=False)
        await bot.until("Think.")
        await bot.runs("/stop")
        assert any("Stopped" in text for text in bot.screen)


async def test_a_flood_of_questions_is_answered_in_part_and_the_rest_is_told_to_wait() -> None:
    model = Scripted([Say("Thinking", hang=True), *["Fine."] * 40])
    async with TestBot(model) as bot:
        for number in range(30):
            await bot.says(f"question {number}", wait=False)
        await bot.until("Thinking")
        assert await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert 20 <= len(model.turns) < 30
        assert any("try again later" in text for text in bot.shown_privately)


async def test_text_files_are_read_and_others_are_named() -> None:
    async with TestBot(["A list."]) as bot:
        bot.adapter.files = {"u1": b"milk\n```\neggs", "u2": b"\x89PNG"}
        files = (Attachment("list.txt", "text/plain", 13, "u1"), Attachment("cat.png", "image/png", 4, "u2"))
        await bot.says("What is this?", attachments=files)
        sent = bot.model.prompts[-1].messages[-1].text
        assert "list.txt:\n````\nmilk\n```\neggs\n````" in sent
        assert "(attached file: cat.png; it is damaged and could not be read)" in sent
        assert bot.screen[-1].endswith("[This seems to be damaged, so I could not open it: cat.png.]")


async def test_a_command_that_returns_what_cannot_be_shown_is_told() -> None:
    plugin = Plugin("odd", "Odd.")

    @plugin.command()
    async def seven(ctx: Context) -> int:
        """Give a number."""
        return 7

    async with TestBot(plugins=[plugin]) as bot:
        await bot.runs("/seven")
        assert "`odd` answered with something that I cannot show (int)" in bot.screen[-1]
