"""What people and models write that nobody expects, through the real clients on loopback."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.testing import FakeDiscord, Interaction
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from tests.loopback.whole_bot import place_of, prompt_of, remembered, whole_bot

LISTENING = "I am listening. What would you like to talk about?"
RIGHT_TO_LEFT = "שלום עולם، مرحبا \u202bבדיקה\u202c \u2067\u05d0\u2069 100%"
ZERO_WIDTH = "a\u200bb\u200dc\ufeffd 👩\u200d👩\u200d👧 e\u0301"


@pytest.mark.parametrize("text", ["@bot", "@bot   \n\t ", "@bot \u200b\u200d\ufeff", "@bot \u2067\u2069"])
async def test_nothing_to_read_gets_a_friendly_word_and_costs_nothing(tmp_path: Path, text: str) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        assert await bot.asked(text) == [LISTENING]
        assert model.seen == []
        assert await bot.memory() == []


@pytest.mark.parametrize("text", [RIGHT_TO_LEFT, ZERO_WIDTH])
async def test_every_writing_arrives_as_it_was_written_both_ways(tmp_path: Path, text: str) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(text) as model, whole_bot(tmp_path, discord, model) as bot:
        assert await bot.asked(f"@bot {text}") == [text]
        assert await bot.memory() == [("user", text, "complete"), ("assistant", text, "complete")]
        assert prompt_of(model.seen[0])[-1].count(text) == 1


async def test_half_a_character_is_shown_as_one_that_is_broken(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("Yes.") as model, whole_bot(tmp_path, discord, model) as bot:
        assert await bot.asked("@bot what is \ud83d this \udc00?") == ["Yes."]
        assert (await bot.memory())[0] == ("user", "what is � this �?", "complete")
        assert await bot.asked("@bot and this?") == ["Yes."]
        assert "what is � this �?" in prompt_of(model.seen[-1])


@pytest.mark.parametrize("attached", [False, True])
async def test_a_hundred_thousand_characters_are_kept_whole_and_read_in_part(tmp_path: Path, attached: bool) -> None:
    text = "THE BEGINNING " + "lorem " * 16_665 + "THE END"
    assert len(text) >= 100_000
    async with FakeDiscord() as discord, FakeOpenAI("Long!") as model, whole_bot(tmp_path, discord, model) as bot:
        if attached:
            shown = await bot.asked("@bot read this", files=[("long.txt", text.encode())])
        else:
            shown = await bot.asked(f"@bot {text}")
        assert len(shown) == 1
        assert shown[0].startswith("Long!")
        assert "more than I can read at once" in shown[0]
        (_, kept, status), (_, said, _) = await bot.memory()
        assert text in kept
        assert (status, said) == ("complete", "Long!")
        sent = prompt_of(model.seen[0])[-1]
        assert "THE BEGINNING" in sent
        assert "THE END" in sent
        assert len(sent) < len(text)


async def test_an_unclosed_fence_of_the_model_ends_with_its_message(tmp_path: Path) -> None:
    text = "Look:\n```python\nprint(1)\n" + "\n".join(f"print('{number:04d}', 'x' * 30)" for number in range(90))
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        model.answer = FakeAnswer(text, rate=2000)
        await bot.asked("@bot code, please")
        messages = [message for message in discord.screen() if message.author is discord.bot]
        assert len(messages) > 1
        for message in messages:
            assert all(state.text.count("```") % 2 == 0 for state in message.states)
        assert all(message.text.startswith("```python\n") for message in messages[1:])
        shown = "\n".join(message.text for message in messages)
        assert [f"print('{number:04d}'" in shown for number in range(90)] == [True] * 90
        assert (await bot.memory())[-1] == ("assistant", text, "complete")
        model.answer = FakeAnswer("Plain again.")
        assert await bot.asked("@bot thanks") == ["Plain again."]


async def test_nobody_is_rung_whatever_the_model_or_a_command_says(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        role = next(iter(discord.guild.roles))
        bell = f"@everyone @here @EveryOne <@&{role}> <@{discord.ada.id}> <@!{discord.owner.id}>"
        model.answer = FakeAnswer(bell + " " + "and on " * 400 + bell, rate=3000)
        await discord.allows("mention_everyone")
        async with whole_bot(tmp_path, discord, model) as bot:
            shown = await bot.asked("@bot ring")
            assert len(shown) > 1
            used = await discord.runs("/system set", text=bell, author=discord.owner)
            await bot.until(lambda: texts(used))
            shows = await discord.runs("/system show", author=discord.owner)
            await bot.until(lambda: "everyone" in "".join(texts(shows)))
            model.answer = FakeAnswer("calm")
            await bot.asked(f"@bot /{bell}")
        states = [state for message in discord.screen(viewer=discord.owner) for state in message.states]
        own = [state for state in states if state.allowed_mentions is not None]
        assert len(own) > 4
        assert all(state.allowed_mentions == {"parse": []} for state in own)
        assert discord.pinged == []
        assert discord.messages.edits_without_allowed_mentions == []
        spoken = "".join(state.text for state in own)
        assert "@everyone" not in spoken
        assert "@here" not in spoken
        # Memory keeps what was said, not how it was made safe.
        assert bell in await said_first(tmp_path, discord)


async def said_first(folder: Path, discord: FakeDiscord) -> str:
    rows = await remembered(folder / "duologue.db", place_of(discord))
    return next(text for role, text, _ in rows if role == "assistant")


def texts(used: Interaction) -> list[str]:
    return [text for text in used.texts if text]


@pytest.mark.parametrize(
    ("command", "options", "says"),
    [
        ("/params set", {"name": "temperature", "value": "hot"}, "from 0 to 2"),
        ("/params set", {"name": "heat", "value": "1"}, "There is no parameter `heat`"),
        ("/model", {"name": "nobody:nothing"}, "There is no provider `nobody`"),
        ("/help", {"command": "histori"}, "Did you mean `/history`?"),
    ],
)
async def test_a_wrong_argument_is_told_to_the_asker_alone(
    tmp_path: Path, command: str, options: dict[str, Any], says: str
) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        used = await discord.runs(command, author=discord.owner, **options)
        await bot.until(lambda: texts(used))
        await bot.idle()
        (shown,) = texts(used)
        assert says in shown
        assert discord.answers() == []
        assert len(discord.answers(viewer=discord.owner)) == 1
        assert model.seen == []
        assert await bot.memory() == []


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("/hlep", "Did you mean `/help`?"),
        ("/clera now", "Did you mean `/clear`?"),
        ("/zzzzqqq", "Unknown command"),
        ("/history many", "`count`"),
        ("/params set", "`name` is missing"),
        ("/mode \u202esilly", "cannot be"),
        ("/system set " + "x" * 9000, "at most 8,000 characters"),
    ],
)
async def test_a_mistyped_command_is_explained_and_never_sent_to_the_model(
    tmp_path: Path, typed: str, says: str
) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        direct = discord.direct(discord.owner)
        await discord.says(f"@bot {typed}", author=discord.owner)
        await bot.until(lambda: discord.answers() + discord.answers(direct))
        await bot.idle()
        (shown,) = discord.answers() + discord.answers(direct)
        assert says in shown
        assert len(shown) < 1000
        assert discord.answers() == [], "it is the asker's own business"
        assert model.seen == []
        assert await bot.memory() == []


async def test_arguments_that_the_client_would_refuse_are_refused_here_too(tmp_path: Path) -> None:
    """An interaction is only as trustworthy as whoever made it."""
    async with FakeDiscord() as discord, FakeOpenAI() as model, whole_bot(tmp_path, discord, model) as bot:
        for command in discord.world.commands[None]:
            for option in command.get("options", []):
                for limit in ("min_value", "max_value", "min_length", "max_length", "choices"):
                    option.pop(limit, None)
        tries: list[tuple[str, dict[str, Any], str]] = [
            ("/history", {"count": 10**9}, "from 1 to 50"),
            ("/mode", {"mode": "\ud800"}, "cannot be"),
        ]
        for name, options, says in tries:
            used = await discord.runs(name, author=discord.owner, **options)
            await bot.until(partial(texts, used))
            assert says in texts(used)[0], texts(used)
        assert await bot.memory() == []
