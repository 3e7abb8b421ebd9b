"""The language model fails in every way it can: people read one clear sentence or the whole answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.discord.testing import Channel, FakeDiscord
from bot.testing.openai_server import (
    FakeAnswer,
    FakeError,
    FakeOpenAI,
    Seen,
    filtered,
    no_quota,
    rate_limited,
    server_error,
    unknown_model,
    wrong_key,
)
from tests.loopback.whole_bot import going_on, prompt_of, whole_bot

TEXT = " ".join(f"word{number:02d}" for number in range(40))

# What the model does when it is first asked in the channel of this name, and what people read then.
HOPELESS: dict[str, tuple[FakeError, str]] = {
    "key": (wrong_key(), "The language model does not accept my API key."),
    "quota": (no_quota(), "The account behind my language model has no credit left."),
    "unknown": (unknown_model(), "The language model I am set to use does not exist. Pick another with `/model`."),
    "filter": (filtered(), "The language model's provider filtered this."),
}
PASSING: dict[str, FakeAnswer | FakeError] = {
    "cut": FakeAnswer(TEXT, cut_after=13),
    "reset": FakeAnswer(TEXT, reset_after=13),
    "stall": FakeAnswer(TEXT, stall_after=13),
    "error": FakeAnswer(TEXT, error_after=13),
    "corrupt": FakeAnswer(TEXT, corrupt_after=13),
    "nothing": FakeAnswer(TEXT, reset_after=0),
    "broken": server_error(503),
    "busy": rate_limited(0.2),
}
LASTING: dict[str, tuple[FakeAnswer, str, str]] = {
    "twice": (FakeAnswer(TEXT, cut_after=13), " ".join(TEXT.split()[:26]), "the connection broke off"),
    "length": (FakeAnswer(TEXT, finish="length"), TEXT, "⚠️ cut off"),
    "content": (FakeAnswer(TEXT, finish="content_filter"), TEXT, "the provider's filter ended this answer"),
}


def channel_in(seen: Seen, names: list[str]) -> str:
    """Each channel is a conversation of its own, and its first question names it."""
    return next(name for name in names if any(f"in {name}" in text for text in prompt_of(seen)))


async def test_what_waiting_does_not_help_is_said_once_and_leaves_no_trace(tmp_path: Path) -> None:
    def answer(seen: Seen) -> FakeAnswer | FakeError:
        name = next((name for name in HOPELESS if f"in {name}" in seen.text), None)
        return HOPELESS[name][0] if name else FakeAnswer("I am well again.")

    async with FakeDiscord() as discord, FakeOpenAI(answer) as model:
        channels = {name: discord.channel(name) for name in HOPELESS}
        async with whole_bot(tmp_path, discord, model) as bot:

            async def play(name: str, channel: Channel) -> None:
                (shown,) = await bot.asked(f"@bot a question in {name}", channel=channel)
                assert HOPELESS[name][1] in shown
                assert await bot.memory(channel) == [("user", f"a question in {name}", "failed")]

            await asyncio.gather(*(play(*each) for each in channels.items()))
            assert len(model.seen) == len(HOPELESS), "no second try"
            for name, channel in channels.items():
                assert await bot.asked("@bot and now?", channel=channel) == ["I am well again."]
                sent = prompt_of(model.seen[-1])
                assert not any("question in" in text or HOPELESS[name][1] in text for text in sent)
                assert (await bot.memory(channel))[1:] == [
                    ("user", "and now?", "complete"),
                    ("assistant", "I am well again.", "complete"),
                ]
        assert discord.answers(discord.direct()) == []


async def test_what_passes_costs_no_word_and_shows_no_trace(tmp_path: Path) -> None:
    first: set[str] = set()

    def answer(seen: Seen) -> FakeAnswer | FakeError:
        name = channel_in(seen, [*PASSING])
        if name in first:
            return going_on(seen, TEXT)
        first.add(name)
        return PASSING[name]

    async with FakeDiscord() as discord, FakeOpenAI(answer) as model:
        channels = {name: discord.channel(name) for name in PASSING}
        async with whole_bot(tmp_path, discord, model, settings={"model": {"silence_timeout": 2.0}}) as bot:

            async def play(name: str, channel: Channel) -> None:
                assert await bot.asked(f"@bot go on in {name}", channel=channel) == [TEXT], name
                assert await bot.memory(channel) == [
                    ("user", f"go on in {name}", "complete"),
                    ("assistant", TEXT, "complete"),
                ], name

            await asyncio.gather(*(play(*each) for each in channels.items()))
            spent = sum(call.usage.output for call in await bot.app.store.usage())
            assert spent > 0


@pytest.mark.parametrize("name", LASTING)
async def test_what_ends_too_early_stays_and_says_so(tmp_path: Path, name: str) -> None:
    broken, said, mark = LASTING[name]
    then = broken if name == "twice" else None

    def answer(seen: Seen) -> FakeAnswer:
        return going_on(seen, TEXT, cut_after=13) if then else broken

    async with FakeDiscord() as discord, FakeOpenAI(answer) as model, whole_bot(tmp_path, discord, model) as bot:
        (shown,) = await bot.asked("@bot tell me")
        words, _, note = shown.partition("\n")
        assert words.strip() == said
        assert mark in note
        assert await bot.memory() == [("user", "tell me", "complete"), ("assistant", said, "partial")]
        model.answer = FakeAnswer("The rest.")
        assert await bot.asked("@bot go on") == ["The rest."]
        assert said in prompt_of(model.seen[-1])
