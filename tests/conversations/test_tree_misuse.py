"""The tree of talk and its memory when everything happens at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.api import Piece
from bot.errors import ContextTooLong, WrongKey
from bot.model.healing import Learned
from bot.model.scripted import Answer, Say, Scripted
from bot.testing.bot import BOB, TestBot
from bot.turn import Prompt, Turn
from plugins.commands import plugin as commands
from plugins.conversation import plugin as conversation
from tests.conversations.test_branches import active, remembered, target, told
from tests.conversations.test_summaries import LONG, SMALL, is_summary, system_of, talk

ONE, TWO, THREE = "One.", "Two.", "Three."
NO_SUMMARY = "all of it is still read word by word"


class Slow(Scripted):
    """Says nothing, and does not even fail, before its gate is open."""

    def __init__(self, script: Callable[[Prompt], Answer]) -> None:
        super().__init__(script)
        self.gate, self.asked = asyncio.Event(), asyncio.Event()

    async def stream(self, turn: Turn, learned: Learned) -> AsyncGenerator[Piece, None]:
        if not self.gate.is_set():
            self.asked.set()
            await self.gate.wait()
        async for piece in super().stream(turn, learned):
            yield piece


class Thinking(Scripted):
    """Summaries, and nothing else, wait until the gate is open; each is numbered."""

    def __init__(self) -> None:
        super().__init__(self._said)
        self.gate, self.asked = asyncio.Event(), asyncio.Event()
        self.made, self.answer = 0, LONG

    def _said(self, prompt: Prompt) -> Answer:
        if not is_summary(prompt):
            return self.answer
        self.made += 1
        return Say(f"memory {self.made}")

    async def _pieces(self, say: Say) -> AsyncGenerator[Piece, None]:
        if say.text.startswith("memory"):
            self.asked.set()
            await self.gate.wait()
        async for piece in super()._pieces(say):
            yield piece


def bot_with(model: Scripted | list[Any], **more: Any) -> TestBot:
    return TestBot(model, plugins=(commands, conversation), **more)


async def talked(bot: TestBot, model: Thinking, count: int = 6) -> None:
    """A talk of which something has left the window, and is being told in short."""
    for number in range(count):
        await bot.says(f"Message {number}. {LONG}", wait=False)
        await bot.app.runner.idle()
    await model.asked.wait()


async def ran(bot: TestBot, line: str) -> str:
    """A command while a summary is being made, which nobody waits for."""
    before = len(bot.adapter.messages)
    await bot.runs(line, wait=False)
    await bot.app.runner.idle()
    return "\n".join(message.text for message in bot.adapter.messages[before:])


async def overhears(bot: TestBot, *texts: str) -> None:
    """What is not for the bot, while it is at something else."""
    for text in texts:
        at_work = set(bot.app.runner.tasks)
        await bot.says(text, user=BOB, addressed=False, wait=False)
        await asyncio.wait(set(bot.app.runner.tasks) - at_work)


async def opened(bot: TestBot, model: Thinking) -> None:
    model.gate.set()
    await bot.idle()


# Summaries that are ready too late.


async def test_a_summary_that_is_ready_after_a_clear_brings_nothing_back() -> None:
    model = Thinking()
    async with bot_with(model, settings=SMALL) as bot:
        await talked(bot, model)
        assert "forgotten" in await ran(bot, "/clear")
        await opened(bot, model)
        assert "memory 1" not in await told(bot, "/memory show")
        await bot.says("Hello.")
        assert "memory 1" not in system_of(model)


async def test_what_a_person_wrote_is_not_overwritten_by_a_summary_that_was_begun_before() -> None:
    model = Thinking()
    async with bot_with(model, settings=SMALL) as bot:
        await talked(bot, model)
        await opened(bot, model)
        await bot.runs("/memory edit They plan a trip.")
        model.gate.clear()
        model.asked.clear()
        await talked(bot, model)
        await ran(bot, "/memory edit They plan a trip to Rome.")
        await opened(bot, model)
        assert "trip to Rome" in await told(bot, "/memory show")
        await bot.says("Hm?")
        made = next(prompt for prompt in reversed(model.prompts) if is_summary(prompt))
        assert "trip to Rome" in made.messages[1].text


async def test_a_summary_of_a_branch_that_is_deleted_meanwhile_goes_with_it() -> None:
    model = Thinking()
    async with bot_with(model, settings=SMALL) as bot:
        await talked(bot, model)
        await ran(bot, "/branch new idea")
        await ran(bot, "/branch delete main")
        await opened(bot, model)
        assert NO_SUMMARY in await told(bot, "/memory show")
        await bot.says("Hello.")
        await bot.idle()
        assert "memory 2" in await told(bot, "/memory show")


async def test_a_summary_is_kept_for_its_branch_whichever_is_active_when_it_is_ready() -> None:
    model = Thinking()
    async with bot_with(model, settings=SMALL) as bot:
        await talked(bot, model)
        await ran(bot, "/branch new --empty elsewhere")
        await opened(bot, model)
        assert NO_SUMMARY in await told(bot, "/memory show")
        await bot.says("Hello.")
        assert "memory" not in system_of(model)
        await bot.runs("/branch switch main")
        assert "> memory 1" in await told(bot, "/memory show")


async def test_a_summary_made_of_a_message_that_is_edited_meanwhile_is_made_anew() -> None:
    model = Thinking()
    async with bot_with(model, settings=SMALL) as bot:
        first = await bot.says("The word is swordfish.")
        await talked(bot, model)
        await bot.edits(first, "The word is salmon.", wait=False)
        await bot.app.runner.idle()
        await opened(bot, model)
        assert NO_SUMMARY in await told(bot, "/memory show")
        await bot.says("Hm?")
        newest = next(prompt for prompt in reversed(model.prompts) if is_summary(prompt))
        assert "salmon" in newest.messages[1].text
        assert "swordfish" not in newest.messages[1].text


async def test_summaries_that_never_end_leave_room_for_answers() -> None:
    """As many at a time as the provider answers."""
    model = Thinking()
    model.concurrency = 2
    async with bot_with(model, settings=SMALL) as bot:
        for channel in ("one", "two", "three"):
            for number in range(6):
                await bot.says(f"{number}. {LONG}", place=replace(bot.place, channel=channel), wait=False)
                await bot.app.runner.idle()
        assert sum(line.startswith("bot") for line in bot.screen) == 18


class Narrow(Scripted):
    """Takes no more than its context of 2,500 tokens."""

    def __init__(self) -> None:
        super().__init__(self._said)
        self.read: list[str] = []

    def context_window(self, model: str) -> int | None:
        return 2500

    def _said(self, prompt: Prompt) -> Answer:
        if sum(len(message.text) for message in prompt.messages) / 4 > 2000:
            return ContextTooLong("too long")
        if is_summary(prompt):
            self.read.append(prompt.messages[1].text)
            return "memory " * 700
        return "Yes."


async def test_a_small_model_is_told_of_a_long_talk_in_small_portions(tmp_path: Path) -> None:
    async with bot_with(["Yes."] * 40, folder=tmp_path) as bot:
        await bot.says("The beginning. " + "A whole book. " * 2000 + "The end.")
        await talk(bot, 0, 20)
        for _ in range(19):
            await bot.says("ok", user=BOB)
        adapter = bot.adapter
    model = Narrow()
    async with bot_with(model, folder=tmp_path, adapter=adapter, settings=SMALL) as bot:
        await bot.says("And now?")
        assert "> memory memory" in await told(bot, "/memory show")
        assert "The beginning." in model.read[0]
        assert "The end." in model.read[0]
        assert all(any(f"Message {number}." in text for text in model.read) for number in range(20))


# Summaries and branches.


async def test_what_is_written_as_a_summary_takes_nothing_from_a_new_branch() -> None:
    async with bot_with([ONE, TWO, THREE]) as bot:
        await bot.says("Count.")
        await bot.says("On.")
        await bot.runs("/memory edit They count.")
        await bot.runs("/branch new")
        await bot.says("And?")
        assert remembered(bot) == ["Count.", "One.", "On.", "Two.", "And?"]
        assert "They count." in bot.model.prompts[-1].messages[0].text


async def test_a_message_edited_elsewhere_leaves_the_summaries_of_all_branches() -> None:
    model = Thinking()
    model.gate.set()
    async with bot_with(model, settings=SMALL) as bot:
        first = await bot.says("The word is swordfish.")
        await talk(bot, 0, 6)
        assert "> memory" in await told(bot, "/memory show")
        await bot.runs("/branch new --empty")
        await bot.edits(first, "The word is salmon.")
        await bot.runs("/branch switch main")
        assert NO_SUMMARY in await told(bot, "/memory show")


async def test_a_message_edited_in_a_channel_leaves_the_summary_of_its_thread() -> None:
    model = Thinking()
    model.gate.set()
    async with bot_with(model, settings=SMALL) as bot:
        first = await bot.says("The word is swordfish.")
        thread = replace(bot.place, thread=bot.last.id)
        for number in range(6):
            await bot.says(f"Message {number}. {LONG}", place=thread)
        assert "> memory" in await told(bot, "/memory show", place=thread)
        await bot.edits(first, "The word is salmon.")
        assert NO_SUMMARY in await told(bot, "/memory show", place=thread)


async def test_an_answer_said_anew_is_read_although_a_summary_told_of_the_old_one() -> None:
    model = Thinking()
    model.gate.set()
    async with bot_with(model, settings=SMALL) as bot:
        await talk(bot, 0, 6)
        known = await bot.app.store.branches.summary(bot.place)
        assert known is not None
        # Back to just where the summary ends, and nothing else goes on from there.
        await bot.app.store.branches.fork(bot.place, known.until)
        await bot.runs("/branch delete main")
        model.answer = "Something else."
        await bot.runs("/regenerate")
        model.answer = LONG
        await bot.says("And?")
        assert "Something else." in remembered(bot)


async def test_a_pinned_message_larger_than_the_window_leaves_room_for_the_talk() -> None:
    model = Thinking()
    model.gate.set()
    async with bot_with(model, settings=SMALL) as bot:
        await bot.says("The beginning. " + "Much of it. " * 2000 + "The end.", user=BOB)
        await bot.runs("/memory pin 2")
        await talk(bot, 0, 6)
        await bot.runs("/memory pin 1")
        await bot.says("And now?")
        system = system_of(model)
        assert "Keep in mind:\n- Bob: The beginning." in system
        assert len(system) < 900 * 4
        asked = next(prompt for prompt in reversed(model.prompts) if not is_summary(prompt))
        assert asked.messages[-1].text.endswith("And now?")
        assert len(asked.messages) > 3
        assert len(await told(bot, "/memory show")) < 2000


# Names.


async def test_what_looks_the_same_is_the_same_name() -> None:
    async with bot_with([ONE]) as bot:
        await bot.says("Count.")
        await bot.runs("/branch new Ölzweig")
        assert "already" in await told(bot, "/branch new O\u0308LZWEIG")
        assert "on **Ölzweig** already" in await told(bot, "/branch switch o\u0308lz")
        # Nothing that can be seen is no name at all.
        await bot.runs("/branch new \u3164\u2800")
        assert await active(bot) == "branch 3"
        assert "from 1 to 60 characters" in await told(bot, "/branch rename \u3164\u2800")
        for name in ("2", "p1", "#1", "@everyone", "<@123>", "https://chat.example/1/2/3", "Größe 🐉", "'"):
            await bot.runs(f"/branch new {name}")
            assert await active(bot) == name
            await bot.runs("/branch switch main")
            await bot.runs(f"/branch switch {name}")
            assert await active(bot) == name


# After everything was cleared.


async def test_no_command_brings_back_what_was_cleared() -> None:
    async with bot_with(["The word is swordfish.", TWO, THREE]) as bot:
        await bot.says("What is the word?")
        shown = bot.last
        await bot.runs("/clear")
        await bot.says("Hello.")
        for line in ("/branch from", "/regenerate", "/memory pin"):
            assert (await told(bot, f"{line} {shown.id}")).startswith("⚠️"), line
        await bot.runs("/branch_or_pin", target=target(shown))
        if "What shall I do?" in bot.last.text:
            await bot.presses("⑂ Branch from here")
        await bot.says("Which word?")
        assert "swordfish" not in str(bot.model.prompts[-1].messages)


# What others say meanwhile.


async def test_what_others_say_while_another_wording_fails_stays() -> None:
    model = Slow(lambda prompt: WrongKey("no") if "backwards" in str(prompt.messages) else Say("One."))
    model.gate.set()
    async with bot_with(model) as bot:
        await bot.says("Count.")
        model.gate.clear()
        await bot.runs("/edit Count backwards.", wait=False)
        await model.asked.wait()
        await overhears(bot, "By the way.", "And another thing.")
        model.gate.set()
        await bot.idle()
        assert await active(bot) == "main"
        await bot.says("And?")
        assert remembered(bot) == ["Count.", "One.", "By the way.", "And another thing.", "And?"]
        assert "backwards" not in str(await bot.app.store.tree(bot.place))


async def test_what_others_say_while_an_older_answer_fails_anew_stays() -> None:
    said: list[Answer] = [ONE, TWO, WrongKey("no"), THREE]
    model = Slow(lambda prompt: said.pop(0))
    model.gate.set()
    async with bot_with(model) as bot:
        await bot.says("Count.")
        await bot.says("On.")
        model.gate.clear()
        await bot.runs("/regenerate 3", wait=False)
        await model.asked.wait()
        await overhears(bot, "By the way.")
        model.gate.set()
        await bot.idle()
        await bot.says("And?")
        assert remembered(bot) == ["Count.", "One.", "On.", "Two.", "By the way.", "And?"]
        assert [each.name for each in await bot.app.store.branches.all(bot.place)] == ["main"]


async def test_a_question_that_failed_is_not_taken_for_the_one_before() -> None:
    async with bot_with([ONE, WrongKey("no"), TWO]) as bot:
        await bot.says("Count.", user=BOB)
        await bot.says("On?", user=BOB)
        assert "could not answer your last question" in await told(bot, "/regenerate", user=BOB)
        assert "not asked me anything" in await told(bot, "/edit And on?")
        await overhears(bot, "Oh.")
        await bot.runs("/edit And on?", user=BOB)
        assert remembered(bot) == ["Count.", "One.", "And on?"]
        await bot.runs("/branch switch main")
        assert "Oh." in await told(bot, "/history")


async def test_a_variant_of_another_branch_says_where_it_belongs() -> None:
    async with bot_with([ONE, TWO, THREE]) as bot:
        await bot.says("Count.")
        answer = bot.last
        await bot.runs("/regenerate")
        await bot.runs("/branch new --empty")
        # Somebody still saw it.
        await bot.presses("+variant", "1", message=answer.id)
        assert "This belongs to another branch. `/branch switch main` goes there." in bot.shown_privately[-1]


async def test_an_answer_that_another_branch_goes_on_from_is_not_made_longer_there() -> None:
    async with bot_with([Say("Once upon", hang=True), TWO, THREE]) as bot:
        await bot.says("A story!", wait=False)
        await bot.until("Once upon")
        await bot.presses("⏹ Stop")
        cut = bot.last
        (button,) = [each for each in cut.buttons if each.action == "+continue"]
        await bot.runs("/branch new idea")
        await bot.runs("/branch switch main")
        await bot.says("Enough.")
        await bot.runs("/branch switch idea")
        assert bot.buttons == ["🔄 Again", "🗑 Forget"]
        await bot.presses("+continue", *button.args, message=cut.id)
        assert "Other branches go on from this answer" in bot.shown_privately[-1]
        await bot.runs("/branch switch main")
        await bot.says("Right?")
        assert remembered(bot) == ["A story!", "Once upon", "Enough.", "Two.", "Right?"]


async def test_an_answer_that_a_thread_goes_on_from_stays_as_it_is_there() -> None:
    async with bot_with([ONE, "Because.", TWO, THREE, "x"]) as bot:
        await bot.says("Count.")
        thread = replace(bot.place, thread=bot.last.id)
        await bot.says("Why one?", place=thread)
        await bot.runs("/regenerate")
        await bot.says("Really?", place=thread)
        assert remembered(bot) == ["Count.", "One.", "Why one?", "Because.", "Really?"]
