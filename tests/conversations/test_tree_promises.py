"""What is promised of talks, costs and transcripts, one promise after another, each through the whole bot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.api import Context, Plugin, Prompt, PromptMessage, ToolStart, Usage
from bot.model.scripted import Answer, Say, Scripted
from bot.store import NewMessage
from bot.testing.bot import ANN, BOB, TestBot
from bot.testing.hand_clock import HandClock
from plugins.commands import plugin as commands
from plugins.conversation import plugin as conversation
from plugins.export import plugin as export
from plugins.meters import plugin as meters
from plugins.privacy import plugin as privacy
from tests.conversations.test_export import ELSEWHERE, brings, files_of
from tests.conversations.test_summaries import SMALL, Memories, is_summary, talk

SECRET = "blue marble"


async def told(bot: TestBot, line: str, user: Any = ANN) -> str:
    await bot.runs(line, user=user)
    return bot.last.text


# Memory.


@pytest.mark.parametrize(("named", "writes"), [("scripted:small", "small"), ("scripted", "large"), ("", "large")])
async def test_who_writes_the_summaries_is_chosen_apart_from_who_answers(named: str, writes: str) -> None:
    settings = {
        "model": {"provider": "scripted", "name": "large"},
        "memory": {**SMALL["memory"], "summary_model": named},
    }
    model = Scripted(Memories())
    async with TestBot(model, settings=settings) as bot:
        await talk(bot, 0, 6)
        who = {is_summary(turn.prompt): turn.model.model for turn in model.turns}
        assert who == {False: "large", True: writes}


async def test_each_branch_is_told_in_its_own_summary() -> None:
    memories = Memories()
    async with TestBot(Scripted(memories), plugins=[commands, conversation], settings=SMALL) as bot:
        await talk(bot, 0, 6)
        first = await told(bot, "/memory show")
        await bot.runs("/branch new aside")
        assert first.splitlines()[1] in await told(bot, "/memory show"), "what was before belongs to both"
        await talk(bot, 6, 12)
        assert first.splitlines()[1] not in await told(bot, "/memory show")
        await bot.runs("/branch switch main")
        assert first.splitlines()[1] in await told(bot, "/memory show")
        await talk(bot, 12, 16)
        assert "Message 12." in memories.read[-1] or "Message 5." in memories.read[-1]
        assert not any(f"Message {number}." in memories.read[-1] for number in range(6, 12)), "said on the other"


async def test_so_many_messages_are_read_and_no_more() -> None:
    async with TestBot(["Yes."] * 8, plugins=[commands], settings={"memory": {"most_messages": 8}}) as bot:
        for number in range(8):
            await bot.says(f"Number {number}.")
            read = [message for message in bot.model.prompts[-1].messages if message.role != "system"]
            assert len(read) <= 8
            assert read[0].role == "user"
            assert read[-1].text.endswith(f"Number {number}.")
        assert "Older messages no longer fit" in await told(bot, "/context")
        assert "Number 0." in str(await bot.app.store.tree(bot.place)), "they are not forgotten"


async def test_what_tools_and_the_system_prompt_say_counts_as_no_message() -> None:
    plugin = Plugin("dice", "Rolls.")

    @plugin.tool()
    async def roll(ctx: Context) -> str:
        """Roll a die."""
        return "4"

    async with TestBot([Say("", calls=(ToolStart("1", "roll", "{}"),)), "A four."], plugins=[commands, plugin]) as bot:
        await bot.runs("/system set You roll dice.")
        await bot.says("Roll!")
        assert "tool" in [message.role for message in await bot.app.store.tree(bot.place)]
        assert "- messages I remember here: 2\n" in await told(bot, "/stats")


# Costs.


async def test_summaries_have_a_line_of_their_own_in_the_costs() -> None:
    async with TestBot(Scripted(Memories()), plugins=[meters], settings=SMALL) as bot:
        await talk(bot, 0, 6)
        text = await told(bot, "/cost feature month server")
        assert "- summaries of what I remember: " in text
        assert "- answers: " in text


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("place_dollars_per_day", "This channel has used 80 % of its budget for today."),
        ("server_dollars_per_month", "This server has used 80 % of its budget for this month."),
        ("dollars_per_month", "You have used 80 % of your budget for this month."),
    ],
)
async def test_at_80_percent_it_is_told_below_the_answer_and_only_once(limit: str, said: str) -> None:
    prices = {"scripted/m": {"input": 10, "output": 10}}
    settings = {"model": {"provider": "scripted", "name": "m", "prices": prices}, "limits": {limit: 0.05}}
    async with TestBot(Scripted(lambda prompt: Say("Yes.", usage=Usage(500, 500))), settings=settings) as bot:
        for _ in range(4):
            await bot.says("Well?", user=BOB)
        assert bot.screen.count("bot: Yes.") == 3
        assert bot.screen[-1] == f"bot: Yes.\n[{said}]"
        await bot.says("Well?", user=BOB)
        assert bot.screen[-1] == "bot: Yes."
        await bot.says("Well?", user=BOB)
        assert "used up" in bot.shown_privately[-1]
        assert len(bot.model.turns) == 5, "whoever is over is told so before the model is asked"


# Transcripts.


@pytest.mark.parametrize("name", ["html", "md", "json", "csv", "txt", "sillytavern", "selfplay"])
async def test_every_format_is_had_for_the_asking(name: str) -> None:
    suffix = {"sillytavern": ".jsonl", "selfplay": ".json"}.get(name, f".{name}")
    async with TestBot(["Hello, Ann!"], plugins=[export]) as bot:
        await bot.says("Hi there")
        await bot.runs(f"/export {name}")
        (file,) = files_of(bot)
        assert file.name.endswith(suffix)
        assert b"Hi there" in file.content
        assert b"Hello, Ann!" in file.content


async def test_a_scene_leaves_as_its_lines_and_a_talk_with_its_bounds() -> None:
    clock = HandClock(datetime(2026, 11, 20, 12, tzinfo=UTC))
    async with TestBot(["Hello!", "Hello again!"], plugins=[export], clock=clock) as bot:
        await bot.says("Before the scene")
        _, root = await bot.app.store.remember(bot.place, NewMessage("assistant", "To be?", speaker="Ada"))
        await bot.app.store.remember(bot.place, NewMessage("assistant", "Not to be.", speaker="Ben", scene=root.id))
        clock.passes(86_400)
        await bot.says("After the scene")
        for line, has, lacks in (
            ("/export txt scene", ["Ada", "To be?", "Not to be."], ["Before the scene", "After the scene"]),
            ("/export txt --until=2026-11-20", ["Before the scene", "To be?"], ["After the scene"]),
            ("/export txt --since=2026-11-21", ["After the scene"], ["Before the scene", "To be?"]),
        ):
            await bot.runs(line)
            (file,) = files_of(bot)
            text = file.content.decode()
            assert [word for word in has if word not in text] == [], line
            assert [word for word in lacks if word in text] == [], line


def of_sillytavern() -> bytes:
    lines: list[Mapping[str, object]] = [
        {"user_name": "Ann", "character_name": "Mara", "create_date": "2024-09-12@14h33m05s", "chat_metadata": {}},
        {"name": "Ann", "is_user": True, "mes": "Who are you?", "send_date": 1726151585000},
        {"name": "Mara", "is_user": False, "mes": "Mara.", "send_date": 1726151586000, "swipes": ["Mara.", "Nobody."]},
    ]
    return "\n".join(map(json.dumps, lines)).encode()


def of_selfplay() -> bytes:
    said = [("Ann", "Who are you?"), ("Mara", "Mara.")]
    told = {
        "metadata": {"timestamp": "2025-06-01 10:00:00", "participants": [{"name": "Mara"}, {"name": "Ann"}]},
        "conversation": [
            {"turn": turn, "speaker": who, "message": text, "previous_message": ""}
            for turn, (who, text) in enumerate(said, 1)
        ],
    }
    return json.dumps(told).encode()


@pytest.mark.parametrize("written", [of_sillytavern(), of_selfplay()], ids=["sillytavern", "selfplay"])
async def test_chats_of_other_programs_go_on_here(written: bytes) -> None:
    async with TestBot(["Still Mara."], plugins=[commands, export]) as bot:
        await brings(bot, written)
        assert "messages are in: `" in bot.last.text
        await bot.says("And now?", place=ELSEWHERE)
        await bot.runs("/history", place=ELSEWHERE)
        said = [line.partition("**: ")[2] for line in bot.last.text.splitlines()]
        assert said == ["Who are you?", "Mara.", "And now?", "Still Mara."]
        await brings(bot, written)
        assert bot.last.text.startswith("This file is here already, so nothing changed")


async def test_a_scene_in_an_empty_channel_is_known_to_whoever_asks_about_it() -> None:
    async with TestBot(["Not to be, she said."], plugins=[commands]) as bot:
        _, root = await bot.app.store.remember(bot.place, NewMessage("assistant", "To be?", speaker="Ada"))
        await bot.app.store.remember(bot.place, NewMessage("assistant", "Not to be.", speaker="Ben", scene=root.id))
        await bot.says("What did they decide?")
        _, before, *said, question = bot.model.prompts[-1].messages
        assert before == PromptMessage("user", "[What was said here before:]")
        assert [message.text for message in said] == ["Ada: To be?", "Ben: Not to be."]
        assert question.text.endswith("What did they decide?")


# What is to be gone.


class Discreet:
    """A model whose summaries and answers hold nothing of what people said."""

    def __call__(self, prompt: Prompt) -> Answer:
        return "In short." if is_summary(prompt) else "words " * 60


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_nothing_of_somebody_stays_in_branches_summaries_scenes_and_on_disk(tmp_path: Path) -> None:
    plugins = [commands, conversation, privacy]
    async with TestBot(Scripted(Discreet()), plugins=plugins, settings=SMALL, folder=tmp_path) as bot:
        await bot.says(f"I have a {SECRET}.", user=BOB)
        await bot.runs("/memory pin 2")
        await talk(bot, 0, 6)
        await bot.runs("/memory edit Bob has a blue marble.")
        await bot.runs("/branch new aside")
        await bot.says(f"On this branch too: {SECRET}.", user=BOB)
        _, root = await bot.app.store.remember(bot.place, NewMessage("assistant", "To be?", speaker="Ada"))
        in_scene = NewMessage("user", f"In the scene: {SECRET}.", BOB.id, BOB.name, scene=root.id)
        await bot.app.store.remember(bot.place, in_scene)
        await bot.runs("/branch switch main")
        await bot.runs("/privacy delete yes", user=BOB)
        await bot.idle()
        await bot.app.forgetting.idle()
        for branch in ("main", "aside"):
            await bot.runs(f"/branch switch {branch}")
            assert SECRET not in await told(bot, "/memory show")
            assert SECRET not in await told(bot, "/history 50")
        assert SECRET not in str(await bot.app.store.tree(bot.place))
        await bot.says("What do you know of Bob?")
        assert SECRET not in str(bot.model.prompts[-1])
        assert SECRET.encode() not in await asyncio.to_thread(on_disk, tmp_path)


async def test_what_is_older_than_the_settings_allow_is_forgotten(tmp_path: Path) -> None:
    clock = HandClock(datetime(2026, 11, 1, tzinfo=UTC))
    settings = {"memory": {"keep_days": 10}}
    async with TestBot(["Blue?"], settings=settings, folder=tmp_path, clock=clock) as bot:
        await bot.says(f"I have a {SECRET}.")
    clock.passes(11 * 86_400)
    async with TestBot(["What marble?"], settings=settings, folder=tmp_path, clock=clock) as bot:
        while SECRET in str(await bot.app.store.tree(bot.place)):
            clock.passes(3600)
        await bot.says("What do I have?")
        assert SECRET not in str(bot.model.prompts[-1])
