"""Moderators tell the bot how to behave in a place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.api import Capabilities
from bot.testing.bot import ANN, BOB, TestBot
from plugins.commands import plugin


@pytest.fixture
async def bot() -> AsyncIterator[TestBot]:
    async with TestBot(["One.", "Two.", "Three."], plugins=[plugin]) as bot:
        yield bot


async def test_speaking_always_and_never(bot: TestBot) -> None:
    await bot.runs("/speak")
    assert bot.last.text.startswith(
        "I answer when I am mentioned or replied to. That is how I begin; nothing else is set here."
    )
    await bot.runs("/speak always")
    assert bot.last.text == "From now on: I answer every message."
    await bot.says("Hello?", user=BOB, addressed=False)
    assert bot.screen[-1] == "bot: One."
    await bot.runs("/speak")
    assert bot.last.text.startswith("I answer every message. That is set for this conversation.")
    await bot.runs("/speak never")
    await bot.says("Hello again?", user=BOB)
    assert "bot: Two." not in bot.screen
    await bot.runs("/speak default")
    assert bot.last.text == "From now on: I answer when I am mentioned or replied to."
    await bot.says("And now?", user=BOB)
    assert bot.screen[-1] == "bot: Two."


async def test_a_thread_is_as_its_channel_until_it_is_set_there(bot: TestBot) -> None:
    await bot.runs("/speak always")
    thread = replace(bot.place, thread="thread")
    await bot.runs("/speak", place=thread)
    assert bot.last.text.startswith(
        "I answer every message. Nothing else is set for this thread, so it is as in its channel."
    )


async def test_nobody_is_advised_to_change_what_they_may_not(bot: TestBot) -> None:
    for line, advice in {"/model": "Choose another", "/mode": "switches", "/params show": "Change one"}.items():
        await bot.runs(line)
        assert advice in bot.last.text
        await bot.runs(line, user=BOB)
        assert advice not in bot.last.text


async def test_threads_need_a_platform_that_has_them(bot: TestBot) -> None:
    await bot.runs("/speak thread")
    assert "I cannot open threads here." in bot.shown_privately[-1]
    await bot.runs("/speak")
    assert bot.last.text.startswith("I answer when I am mentioned")
    async with TestBot(plugins=[plugin], capabilities=Capabilities(threads=True, private=True)) as threaded:
        await threaded.runs("/speak thread")
        assert threaded.last.text.startswith("From now on: I open a thread for every question")


async def test_what_the_bot_cannot_see_it_does_not_promise_to_answer() -> None:
    deaf = Capabilities(threads=True, private=True, hears_all=False)
    async with TestBot(plugins=[plugin], capabilities=deaf) as bot:
        for when in ("always", "thread"):
            await bot.runs(f"/speak {when}")
            assert "I cannot see messages that do not mention me here." in bot.shown_privately[-1]
        assert "speak" not in (await bot.app.store.conversation(bot.place)).settings
        await bot.runs("/speak never")
        assert bot.last.text.startswith("From now on: I answer nobody here")
    set_for_all = {"answers": {"speak": "always"}}
    async with TestBot(["One."], plugins=[plugin], capabilities=deaf, settings=set_for_all) as bot:
        await bot.runs("/speak")
        assert "I cannot see messages that do not mention me here." in bot.last.text


async def test_in_a_direct_message_everything_is_answered() -> None:
    async with TestBot(plugins=[plugin], capabilities=Capabilities(direct=True)) as bot:
        await bot.runs("/speak never")
        assert bot.last.text == "Between the two of us I answer everything; that cannot be changed."
        assert "speak" not in (await bot.app.store.conversation(bot.place)).settings


async def test_what_happens_while_the_bot_is_busy(bot: TestBot) -> None:
    await bot.runs("/busy")
    assert bot.last.text.startswith("While I am answering, the next questions wait for their turn.")
    await bot.runs("/busy interrupt")
    assert bot.last.text.startswith("From now on: Whoever writes again")
    assert (await bot.app.store.conversation(bot.place)).settings["busy"] == "interrupt"
    await bot.runs("/busy nonsense")
    assert "It must be `queue`, `merge`, `interrupt` or `default`." in bot.shown_privately[-1]


async def test_the_ping_answers_and_tells_when_people_are_pinged(bot: TestBot) -> None:
    await bot.runs("/ping", user=BOB)
    assert bot.last.text.startswith("Pong! ")
    assert "Nobody is pinged when an answer is done. That is how I begin" in bot.last.text
    assert "`/ping 30`" not in bot.last.text  # Bob may not do it
    await bot.runs("/ping")
    assert bot.last.text.endswith("\nChange it with `/ping 30` or `/ping off`.")
    await bot.runs("/ping 1")
    assert bot.last.text == "Whoever asked is pinged when an answer took longer than a second."
    await bot.runs("/ping 30")
    assert bot.last.text == "Whoever asked is pinged when an answer took longer than 30 seconds."
    await bot.runs("/ping off")
    assert bot.last.text.startswith("Nobody is pinged")
    await bot.says("Hi")
    assert bot.screen[-1] == "bot: One."


@pytest.mark.parametrize("typed", ["0.5", "-3", "soon", "999999", "٣"])
async def test_a_ping_after_nonsense_is_explained(bot: TestBot, typed: str) -> None:
    await bot.runs(f"/ping {typed}")
    assert "Say after how many seconds, from 1 to 3,600" in bot.shown_privately[-1]


async def test_everybody_may_look(bot: TestBot) -> None:
    for line, told in {"/speak": "mentioned", "/busy": "wait for their turn", "/language": "I know `en`"}.items():
        await bot.runs(line, user=BOB)
        assert told in bot.last.text
        assert "Change it" not in bot.last.text
        await bot.runs(f"/help {line}", user=BOB)
        assert bot.last.text.endswith(f"Only moderators may change that here. `{line}` alone shows how it is.")
    await bot.runs("/help", user=BOB)
    assert "- `/speak " in bot.last.text


async def test_only_moderators_change_any_of_it(bot: TestBot) -> None:
    for line in ("/speak always", "/busy merge", "/ping 30", "/language de"):
        await bot.runs(line, user=BOB)
        assert "Only moderators may" in bot.shown_privately[-1]
    assert (
        not {"speak", "busy", "ping_after", "language"} & (await bot.app.store.conversation(bot.place)).settings.keys()
    )


async def test_whoever_runs_the_bot_may_let_everybody_do_it() -> None:
    async with TestBot(plugins=[plugin], settings={"commands": {"who": {"speak": "anyone"}}}) as bot:
        await bot.runs("/speak always", user=BOB)
        assert bot.last.text == "From now on: I answer every message."
        await bot.runs("/speak", user=ANN)
        assert "That is set for this conversation." in bot.last.text
