"""A scene after the bot was killed, as people see it; what a dead process wrote last is all that is left of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.api import Capabilities, User
from bot.model.scripted import Say
from bot.testing.bot import BOB, TestBot
from plugins.roleplay import plugin as roleplay
from plugins.roleplay.scene import Role, Scene, taken_back

STAGE = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True)
CARL = User("u-carl", "Carl")


def bot_with(*lines: object, folder: Path, language: str = "en") -> TestBot:
    answers = {"answers": {"language": language}}
    return TestBot(lines, plugins=[roleplay], capabilities=STAGE, folder=folder, settings=answers)  # type: ignore[arg-type]


def killed(folder: Path, name: str) -> Path:
    """The memory as it is now, for a bot that comes after one that dies now."""
    there = folder / name
    there.mkdir()
    with closing(sqlite3.connect(folder / "test.db")) as now, closing(sqlite3.connect(there / "test.db")) as kept:
        now.backup(kept)
    return there


def after(bot: TestBot, folder: Path, *lines: object, language: str = "en") -> TestBot:
    answers = {"answers": {"language": language}}
    return TestBot(lines, plugins=[roleplay], adapter=bot.adapter, folder=folder, settings=answers)  # type: ignore[arg-type]


def lines(bot: TestBot) -> list[str]:
    return [f"{each.author}: {each.text}" for each in bot.adapter.messages if each.own and each.author != "bot"]


def labels(bot: TestBot) -> list[str]:
    return [button.label for each in bot.adapter.messages for button in each.buttons]


async def begins(bot: TestBot, line: str = "a cat and a dog --turns=3 --pace=600") -> None:
    await bot.runs(f"/roleplay start {line}", user=BOB)
    await bot.presses("begin", user=BOB)


async def next_line(bot: TestBot, line: str) -> None:
    await bot.idle()
    await bot.runs("/roleplay next", user=BOB)
    await bot.until(line)
    async with bot.app.runner.turn(bot.place):
        pass


async def test_in_german_the_narrator_is_known_again(tmp_path: Path) -> None:
    async with bot_with("Miau.", "Wuff.", folder=tmp_path, language="de") as bot:
        await begins(bot, "eine Katze und ein Hund --turns=2 --pace=600")
        await bot.until("Der Vorhang geht auf.")
        async with bot.app.runner.turn(bot.place):
            pass  # what is seen is remembered, too
        await bot.runs("/roleplay narrate Es blitzt.", user=BOB)
        await bot.until("*Es blitzt.*")
        await next_line(bot, "Miau.")
        await bot.runs("/roleplay pause", user=BOB)
        await bot.until("⏸")
        await bot.runs("/roleplay rewind 2", user=BOB)
        assert bot.last.text == "So viele Zeilen gab es noch nicht: Es sind 1."
        assert "[Es blitzt.]" in str(bot.model.prompts[-1])
        kept = killed(tmp_path, "dead")
    async with after(bot, kept, "Wuff.", language="en") as bot:
        await bot.comes_online()
        await bot.presses("resume", user=BOB)
        await bot.until("🎬")
        assert lines(bot) == [
            "Erzähler: Der Vorhang geht auf.",
            "Erzähler: *Es blitzt.*",
            "Katze: Miau.",
            "Hund: Wuff.",
        ]


async def test_the_first_words_are_said_once_whatever_language_the_next_process_speaks(tmp_path: Path) -> None:
    async with bot_with(folder=tmp_path, language="de") as bot:
        await begins(bot)
        await bot.until("Der Vorhang geht auf.")
        async with bot.app.runner.turn(bot.place):
            pass
        kept = killed(tmp_path, "dead")
        with closing(sqlite3.connect(kept / "test.db")) as connection, connection:
            # It died before the scene knew that they were said.
            connection.execute("UPDATE job SET state = json_set(state, '$.root', NULL) WHERE name = 'scene_job'")
    async with after(bot, kept, "Miau.", "Wuff.", language="en") as bot:
        await bot.comes_online()
        await bot.until("⏸ I was interrupted.")
        await bot.presses("resume", user=BOB)
        await next_line(bot, "Miau.")
        assert lines(bot) == ["Erzähler: Der Vorhang geht auf.", "Cat: Miau."]


async def test_a_scene_that_said_that_it_waits_does_not_say_it_twice(tmp_path: Path) -> None:
    async with bot_with("Meow.", "Woof.", folder=tmp_path) as bot:
        await begins(bot)
        await bot.until("The curtain rises.")
        await next_line(bot, "Meow.")
        kept = killed(tmp_path, "dead")
        await bot.runs("/roleplay pause", user=BOB)
        await bot.until("⏸ Paused.")
    async with after(bot, kept, "Woof.", "Purr.") as bot:
        await bot.comes_online()
        assert [each.text for each in bot.adapter.messages if each.text.startswith("⏸")] == ["⏸ Paused."]
        assert labels(bot).count("▶ Go on") == 1
        await bot.presses("▶ Go on", user=BOB)
        await bot.until("Woof.")
        assert "▶ Go on" not in labels(bot)


async def test_below_what_people_said_it_says_so_anew(tmp_path: Path) -> None:
    async with bot_with("Meow.", "Woof.", folder=tmp_path) as bot:
        await begins(bot)
        await bot.until("The curtain rises.")
        await next_line(bot, "Meow.")
        kept = killed(tmp_path, "dead")
        await bot.runs("/roleplay pause", user=BOB)
        await bot.until("⏸ Paused.")
        await bot.says("Where are they?", user=CARL, addressed=False)
    async with after(bot, kept) as bot:
        await bot.comes_online()
        assert bot.last.text.startswith("⏸ I was interrupted.")
        assert [bool(each.buttons) for each in bot.adapter.messages].count(True) == 1


async def test_what_was_told_during_a_line_is_known_after_it(tmp_path: Path) -> None:
    async with bot_with("Meow.", Say("Woo", hang=True), folder=tmp_path) as bot:
        await begins(bot)
        await bot.until("The curtain rises.")
        await next_line(bot, "Meow.")
        await bot.idle()
        await bot.runs("/roleplay next", user=BOB)
        await bot.until("Woo")
        await bot.runs("/roleplay whisper dog You are a wolf.", user=BOB)
        assert bot.shown_privately[-1] == "🤫 Dog heard it."
        kept = killed(tmp_path, "dead")
    async with after(bot, kept, "Howl.") as bot:
        await bot.comes_online()
        await bot.presses("▶ Go on", user=BOB)
        await bot.until("Howl.")
        assert "You are a wolf." in str(bot.model.prompts[-1])


async def test_a_scene_whose_end_was_not_told_is_over(tmp_path: Path) -> None:
    async with bot_with("Meow.", folder=tmp_path) as bot:
        await begins(bot, "a cat and a dog --turns=1 --pace=600")
        await bot.until("The curtain rises.")
        await next_line(bot, "Meow.")
        await bot.until("🎬")
        await bot.idle()
        kept = killed(tmp_path, "dead")
        with closing(sqlite3.connect(kept / "test.db")) as connection, connection:
            connection.execute("UPDATE job SET status = 'running' WHERE name = 'scene_job'")
        bot.adapter.messages.remove(bot.last)
    async with after(bot, kept) as bot:
        await bot.comes_online()
        assert bot.last.text.startswith("🎬 The scene is over: all lines were said.")
        assert labels(bot) == []
    async with after(bot, kept) as bot:
        await bot.comes_online()
        assert sum(each.text.startswith("🎬") for each in bot.adapter.messages) == 1


async def test_pressing_begin_again_after_a_crash_begins_nothing_twice(tmp_path: Path) -> None:
    async with bot_with(folder=tmp_path) as bot:
        await bot.runs("/roleplay start a cat and a dog --turns=1 --pace=600", user=BOB)
        look, begin = bot.last, bot.last.buttons[0]
        before = killed(tmp_path, "before")
        await bot.presses("begin", user=BOB)
        await bot.until("The curtain rises.")
        async with bot.app.runner.turn(bot.place):
            pass
        kept = killed(tmp_path, "dead")
        with (
            closing(sqlite3.connect(before / "test.db")) as old,
            closing(sqlite3.connect(kept / "test.db")) as new,
            new,
        ):
            # It died before it knew that nobody looks at it any more.
            for row in old.execute("SELECT * FROM state WHERE key LIKE 'Plan:%'").fetchall():
                new.execute(f"INSERT OR REPLACE INTO state VALUES ({', '.join('?' * len(row))})", row)
            new.execute("UPDATE job SET state = json_set(state, '$.root', NULL), status = 'running'")
    async with after(bot, kept, "Meow.") as bot:
        await bot.presses(begin, message=look.id, user=BOB)
        await bot.comes_online()
        assert labels(bot).count("▶ Go on") == 1
        await bot.presses("▶ Go on", user=BOB)
        await next_line(bot, "Meow.")
        await bot.until("🎬")
        assert lines(bot) == ["Narrator: The curtain rises.", "Cat: Meow."]
        await bot.runs("/roleplay resume", user=BOB)
        assert "No scene is performed here." in bot.last.text


def test_what_was_taken_back_is_neither_told_nor_noted_any_more() -> None:
    scene = Scene(roles=(Role(id="a", name="Ada", prompt=""),), root=10, turn=6, last=16)
    scene = scene.changed(summary="They quarrelled.", summary_until=14, polled_at=6, steered_at=5, redo=True)
    one = taken_back(1, 15, 15)(scene)
    assert one is not None
    assert (one.turn, one.last, one.redo) == (5, 15, False)
    assert (one.summary, one.polled_at, one.steered_at) == ("They quarrelled.", 5, 5)
    three = taken_back(3, 12, 13)(scene)
    assert three is not None
    assert (three.summary, three.summary_until, three.polled_at, three.steered_at) == ("", 0, 3, None)
