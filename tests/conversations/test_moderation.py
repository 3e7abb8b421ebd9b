"""Moderation: what is objected to is neither sent, nor shown, nor remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bot.errors import ModelError
from bot.events import Attachment, User
from bot.model.moderation import Verdict
from bot.model.scripted import Answer, Say, Scripted
from bot.plugin import Plugin
from bot.replies import Done, Text
from bot.testing.bot import ANN, BOB, TestBot
from bot.turn import LanguageModel, Turn
from plugins.commands import plugin as commands
from plugins.moderation import ModerationSettings, plugin

BAD = "grue"


class Moderating(Scripted):
    """Objects to one word. `checked` are the texts it was asked about."""

    def __init__(self, script: Sequence[Answer] = (), **more: Any) -> None:
        super().__init__(list(script), **more)
        self.checked: list[str] = []
        self.fails: Exception | None = None
        self.waits: Callable[[str], asyncio.Event | None] = lambda text: None

    async def moderate(self, text: str) -> Verdict:
        self.checked.append(text)
        if (event := self.waits(text)) is not None:
            await event.wait()
        if self.fails is not None:
            raise self.fails
        found = BAD in text
        return Verdict(found, ("violence/graphic",) if found else ())


def moderated(model: Scripted, *others: Plugin, **settings: Any) -> TestBot:
    plugins = [plugin, *others]
    return TestBot(model, plugins=plugins, settings={"plugins": {"moderation": ModerationSettings(**settings)}})


async def test_what_is_harmless_passes_whole_and_in_order() -> None:
    text = " ".join(f"word{number}" for number in range(500))
    async with moderated(Moderating([text]), chunk_characters=100) as bot:
        await bot.says("Tell me.")
        assert "".join(piece.text for piece in bot.adapter.pieces if isinstance(piece, Text)) == text
        assert (await bot.app.store.path(bot.place, max_tokens=9999)).messages[-1].text == text
        assert all(len(checked) <= 300 for checked in bot.model.checked)  # type: ignore[attr-defined] # it is ours


async def test_a_question_that_is_objected_to_reaches_nobody() -> None:
    model = Moderating(["Of course."])
    async with moderated(model) as bot:
        await bot.says("How do I feed a grue?")
        assert bot.last.text == "[I would rather not talk about that. Let us talk about something else.]"
        assert model.prompts == []
        await bot.says("Then how do I bake bread?")
        assert bot.last.text == "Of course."
        assert BAD not in "".join(message.text for message in model.prompts[0].messages)


async def test_what_was_merged_with_it_is_checked_too() -> None:
    """Talk before the question that is not the asker's own is not held against them."""
    model = Moderating(["Hello.", "Sure."])
    async with moderated(model) as bot:
        await bot.says("I met a grue", user=BOB, addressed=False)
        await bot.says("hi", user=ANN)
        assert bot.last.text == "Hello."
        await bot.says("feed the grue", user=ANN, addressed=False)
        await bot.says("as I said", user=ANN)
        assert "rather not" in bot.last.text
        await bot.says("something else", user=ANN)
        assert bot.last.text == "Sure."
        assert "feed the" not in "".join(message.text for message in model.prompts[-1].messages)


async def test_what_was_edited_is_checked_again() -> None:
    model = Moderating(["Fine.", "Sure.", "Never."])
    async with moderated(model) as bot:
        asked = await bot.says("How do I feed a cat?")
        await bot.edits(asked, "How do I feed a grue?")
        await bot.says("Answer what I asked first.")
        assert "rather not" in bot.last.text
        await bot.says("Then what do cats eat?")
        assert bot.last.text == "Sure."
        assert BAD not in "".join(message.text for prompt in model.prompts for message in prompt.messages)


@pytest.mark.parametrize("presser", [ANN, BOB])
async def test_what_was_edited_is_checked_before_an_answer_goes_on(presser: User) -> None:
    model = Moderating([Say("Fine and", reason="length"), "Never."])
    async with moderated(model) as bot:
        asked = await bot.says("How do I feed a cat?", user=BOB)
        await bot.edits(asked, "How do I feed a grue?")
        await bot.presses("+continue", user=presser)
        assert bot.shown_privately == ["⚠️ I would rather not talk about that. Let us talk about something else."]
        await bot.presses("+again", user=presser)
        assert len(model.prompts) == 1


async def test_a_summary_is_checked_too() -> None:
    model = Moderating(["They met a grue."])
    async with moderated(model, commands) as bot:
        await bot.says("What was it?", user=BOB, addressed=False)
        await bot.runs("/summarise")
        assert bot.shown_privately[0].startswith("I stop here: the rest of my answer did not pass")
        assert BAD not in bot.shown_privately[0]


async def test_each_text_is_checked_once() -> None:
    model = Moderating(["One.", "Two.", "Three."])
    async with moderated(model, answers=False) as bot:
        for text in ("Count.", "On.", "On and on."):
            await bot.says(text)
        assert model.checked == ["Count.", "On.", "On and on."]


async def test_files_are_part_of_the_question() -> None:
    model = Moderating([])
    async with moderated(model) as bot:
        bot.adapter.files["f"] = b"x " * 6000 + b" a grue"
        await bot.says("Read this.", attachments=(Attachment("a.txt", "text/plain", 12_007, "f"),))
        assert "rather not" in bot.last.text
        assert [len(checked) <= 10_000 for checked in model.checked] == [True, True]


@pytest.mark.parametrize("words", [0, 3, 60, 400])
async def test_an_answer_ends_before_what_is_objected_to(words: int) -> None:
    """Wherever it stands, it was never on the screen, not for a moment, and is not remembered."""
    text = "fine " * words + "then a grue appears and eats everybody " + "again " * 400
    model = Moderating([text])
    async with moderated(model, chunk_characters=60) as bot:
        await bot.says("Tell me a story.")
        states = [state for message in bot.adapter.messages for state in message.states]
        assert not [state for state in states if BAD in state]
        assert "did not pass the moderation of this place.]" in bot.last.text
        path = await bot.app.store.path(bot.place, max_tokens=9999)
        assert BAD not in "".join(message.text for message in path.messages)
        if words > 60:
            assert "fine fine" in bot.screen[1]
        assert model.closed == 1


async def test_nothing_hides_where_two_parts_meet() -> None:
    async with moderated(Moderating(["x" * 98 + "gr" + "ue" + "y" * 98]), chunk_characters=100) as bot:
        await bot.says("Tell me.")
        assert "did not pass" in bot.last.text
        assert BAD not in bot.last.text


async def test_the_first_parts_are_shown_while_later_ones_are_checked() -> None:
    model, gate = Moderating(["first " * 10 + "second " * 10]), asyncio.Event()
    model.waits = lambda text: gate if "second" in text else None
    async with moderated(model, chunk_characters=60) as bot:
        await bot.says("Tell me.", wait=False)
        await bot.until("first first")
        assert "second" not in bot.last.text
        gate.set()
        await bot.until("second")
        await bot.idle()


@pytest.mark.parametrize("error", [ModelError("down"), RuntimeError("a bug")])
async def test_while_nothing_can_be_checked_nothing_is_said(error: Exception) -> None:
    model = Moderating(["Secret."])
    model.fails = error
    async with moderated(model) as bot:
        await bot.says("hi")
        assert bot.last.text == "[I cannot check messages at the moment, so I do not answer. Please try again later.]"
        assert model.prompts == []


async def test_it_may_be_allowed_to_answer_unchecked() -> None:
    model = Moderating(["Hello."])
    model.fails = ModelError("down")
    async with moderated(model, when_unavailable="allow") as bot:
        await bot.says("hi")
        assert bot.last.text == "Hello."


async def test_when_checking_ends_in_the_middle_so_does_the_answer() -> None:
    model = Moderating(["fine " * 100 + "the end"])

    def fails_later(text: str) -> None:
        if len(model.checked) > 3:
            model.fails = ModelError("down")

    model.waits = fails_later  # type: ignore[assignment] # returns None as there is nothing to wait for
    async with moderated(model, chunk_characters=60) as bot:
        await bot.says("hi")
        assert bot.last.text.startswith("fine fine")
        assert "I stop here: I cannot check the rest of my answer at the moment." in bot.last.text
        assert "the end" not in bot.last.text


async def test_without_anybody_who_checks_people_are_told() -> None:
    async with moderated(Scripted(["Hello."])) as bot:
        await bot.says("hi")
        assert "I cannot check messages at the moment" in bot.last.text


@pytest.mark.parametrize(
    ("categories", "passes"), [(("hate",), True), (("violence",), False), (("violence/graphic",), False)]
)
async def test_only_some_categories_may_count(categories: tuple[str, ...], passes: bool) -> None:
    async with moderated(Moderating(["Yes, a grue."]), categories=categories) as bot:
        await bot.says("A grue?")
        assert (bot.last.text == "Yes, a grue.") == passes


async def test_an_error_of_the_model_comes_after_what_it_said() -> None:
    async with moderated(Moderating([Say("Half of ", fail=ModelError("broke")), ModelError("still")])) as bot:
        await bot.says("hi")
        assert bot.last.text.startswith("Half of")


async def test_it_stands_outside_of_all_other_filters() -> None:
    other = Plugin("worse", "Makes answers worse")

    @other.filter
    async def worse(turn: Turn, call_next: LanguageModel):  # type: ignore[no-untyped-def] # a generator of pieces
        async for piece in call_next(turn):
            if isinstance(piece, Done):
                yield Text(" And a grue.")
            yield piece

    assert worse is not None
    async with moderated(Moderating(["Fine."]), other) as bot:
        await bot.says("hi")
        assert BAD not in "".join(state for message in bot.adapter.messages for state in message.states)


async def test_a_stop_ends_everything_that_is_held() -> None:
    model, begun, never = Moderating(["fine " * 100]), asyncio.Event(), asyncio.Event()

    def waits(text: str) -> asyncio.Event | None:
        if "fine" not in text:
            return None
        begun.set()
        return never

    model.waits = waits
    async with moderated(model, chunk_characters=60) as bot:
        await bot.says("hi", wait=False)
        await begun.wait()
        async with asyncio.timeout(10):
            # The model is asked a moment before the answer can be stopped.
            while not await bot.app.runner.stop(bot.place):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await bot.idle()
        assert not [task for task in asyncio.all_tasks() if "objection" in repr(task.get_coro())]
