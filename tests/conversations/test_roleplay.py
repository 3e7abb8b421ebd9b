"""A scene as people see it: it begins after a look, is performed line by line, directed, joined, and ends."""

from __future__ import annotations

from pathlib import Path

from bot.api import Capabilities, User
from bot.errors import BadRequest, WrongKey
from bot.testing.bot import BOB, TestBot
from plugins.roleplay import plugin as roleplay

STAGE = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True)
QUICK = "--pace=0"
CARL = User("u-carl", "Carl")


def bot_with(*lines: object, folder: Path | None = None) -> TestBot:
    return TestBot(lines, plugins=[roleplay], capabilities=STAGE, folder=folder)  # type: ignore[arg-type]


def lines(bot: TestBot) -> list[str]:
    """What was said on stage, by whom."""
    return [f"{each.author}: {each.text}" for each in bot.adapter.messages if each.own and each.author != "bot"]


async def paused(bot: TestBot) -> None:
    await bot.runs("/roleplay pause", user=BOB)
    await bot.until("⏸ Paused.")


async def wakes(bot: TestBot) -> None:
    """The time between two lines is over."""
    await bot.idle()
    await bot.runs("/roleplay next", user=BOB)


async def begins(bot: TestBot, line: str) -> None:
    await bot.runs(f"/roleplay start {line}", user=BOB)
    await bot.presses("▶ Begin", user=BOB)


async def test_a_scene_begins_after_a_look_and_has_exactly_its_lines() -> None:
    async with bot_with("Arr!", "Hush.", "Never!", "Then read.") as bot:
        await bot.runs(f'/roleplay start a pirate and a librarian --topic="A late book." --turns=4 {QUICK}', user=BOB)
        assert bot.model.prompts == []
        assert bot.last.text.startswith(
            "🎭 **Pirate · Librarian**\nA late book.\n- **Pirate**\n- **Librarian**\n-# 4 lines"
        )
        assert bot.buttons == ["▶ Begin", "✖ Not now"]
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The scene is over")
        assert lines(bot) == [
            "Narrator: A late book.",
            "Pirate: Arr!",
            "Librarian: Hush.",
            "Pirate: Never!",
            "Librarian: Then read.",
        ]
        assert bot.last.text.startswith("🎬 The scene is over: all lines were said.")
        assert not [each for each in bot.adapter.messages if each.buttons]


async def test_nothing_begins_when_it_is_cancelled() -> None:
    async with bot_with() as bot:
        await bot.runs("/roleplay start a cat and a dog", user=BOB)
        await bot.presses("✖ Not now", user=BOB)
        assert bot.last.text == "Nothing was begun, and nothing was spent."
        assert bot.model.prompts == []


async def test_the_desk_stands_below_the_newest_line() -> None:
    async with bot_with("Meow.", "Woof.", "Purr.") as bot:
        await begins(bot, "a cat and a dog --turns=3 --pace=600")
        await bot.until("The curtain rises.")
        await paused(bot)
        assert bot.buttons == ["▶ Go on", "⏯ One line", "🔁 Again", "⏹ End"]
        await bot.presses("⏯ One line", user=BOB)
        await bot.until("⏸ Paused.", 2)
        assert lines(bot) == ["Narrator: The curtain rises.", "Cat: Meow."]
        assert sum(bool(each.buttons) for each in bot.adapter.messages) == 1
        await bot.presses("🔁 Again", user=BOB)
        await bot.until("⏸ Paused.", 3)
        assert lines(bot)[-1] == "Cat: Woof."
        await bot.presses("⏹ End", user=BOB)
        await bot.until("somebody ended it")
        assert lines(bot)[1:] == ["Cat: Woof."]


async def test_only_the_director_and_moderators_direct() -> None:
    async with bot_with("Meow.") as bot:
        await begins(bot, "a cat and a dog --turns=3 --pace=600")
        await bot.until("The curtain rises.")
        await bot.runs("/roleplay stop", user=CARL)
        assert "Only whoever began the scene" in bot.shown_privately[-1]
        await bot.runs("/roleplay stop")
        await bot.until("somebody ended it")


async def test_what_people_say_is_part_of_the_scene_and_gets_no_answer() -> None:
    async with bot_with("Meow.", "Woof.") as bot:
        await begins(bot, "a cat and a dog --turns=2 --pace=600")
        await bot.until("The curtain rises.")
        await bot.says("I bring milk!", user=CARL)
        await wakes(bot)
        await bot.until("Meow.")
        assert "Carl: I bring milk!" in bot.model.prompts[-1].messages[-1].text
        await wakes(bot)
        await bot.until("The scene is over")
        assert lines(bot) == ["Narrator: The curtain rises.", "Cat: Meow.", "Dog: Woof."]


async def test_a_whisper_reaches_one_of_them_once() -> None:
    async with bot_with("Meow.", "Woof.", "Purr.") as bot:
        await begins(bot, "a cat and a dog --turns=3 --pace=600")
        await bot.until("The curtain rises.")
        await bot.runs("/roleplay whisper dog There is a bone.", user=BOB)
        assert bot.shown_privately[-1] == "🤫 Dog heard it."
        for said in ("Meow.", "Woof.", "Purr."):
            await wakes(bot)
            await bot.until(said)
        assert ["bone" in str(prompt) for prompt in bot.model.prompts] == [False, True, False]


async def test_somebody_plays_a_character_and_gives_it_back() -> None:
    waits = "⏸ Cat is played by Carl: the scene goes on with their next message."
    async with bot_with("Woof.", "Purr.") as bot:
        await begins(bot, "a cat and a dog --turns=4 --pace=600")
        await bot.until("The curtain rises.")
        await bot.runs("/roleplay join cat", user=CARL)
        await wakes(bot)
        await bot.until(waits)
        await bot.says("I want milk.", user=CARL)
        await bot.until("Woof.")
        assert "Cat: I want milk." in bot.model.prompts[-1].messages[-1].text
        await wakes(bot)
        await bot.until(waits, 2)
        await bot.runs("/roleplay leave", user=CARL)
        await bot.until("Purr.")
        assert lines(bot)[1:] == ["Dog: Woof.", "Cat: Purr."]


async def test_a_line_is_cleaned_and_said_once_more_when_nothing_is_left() -> None:
    async with bot_with("Cat: Meow.\nDog: Woof!", "Cat: I speak for cats.", "Dog: Woof.") as bot:
        await begins(bot, f"a cat and a dog --turns=2 {QUICK}")
        await bot.until("The scene is over")
        assert lines(bot)[1:] == ["Cat: Meow.", "Dog: Woof."]
        assert "[Write only what Dog says" in bot.model.prompts[-1].messages[-1].text


async def test_an_error_is_never_a_line() -> None:
    broken = BadRequest("no")
    async with bot_with("Meow.", broken, broken, broken, "Woof.") as bot:
        await begins(bot, f"a cat and a dog --turns=2 {QUICK}")
        await bot.until("⏸ The scene is paused:")
        assert lines(bot)[1:] == ["Cat: Meow."]
        await bot.presses("▶ Go on", user=BOB)
        await bot.until("The scene is over")
        assert lines(bot)[1:] == ["Cat: Meow.", "Dog: Woof."]


async def test_a_model_that_cannot_be_reached_ends_it_when_somebody_tried_again() -> None:
    away = BadRequest("away")
    async with bot_with("Meow.", *[away] * 6, "Woof.") as bot:
        await begins(bot, f"a cat and a dog --turns=2 {QUICK}")
        await bot.until("⏸ The scene is paused:")
        await bot.presses("▶ Go on", user=BOB)
        await bot.until("The scene is over: the language model could not be reached, again and again.")
        assert lines(bot)[1:] == ["Cat: Meow."]
        await bot.runs("/roleplay resume", user=BOB)
        await bot.until("all lines were said")
        assert lines(bot)[1:] == ["Cat: Meow.", "Dog: Woof."]


async def test_what_somebody_must_mend_first_never_ends_it() -> None:
    async with bot_with(*[WrongKey("no")] * 8, "Meow.") as bot:
        await begins(bot, f"a cat and a dog --turns=1 {QUICK}")
        for times in range(1, 9):
            await bot.until("⏸ The scene is paused:", times)
            await bot.presses("▶ Go on", user=BOB)
        await bot.until("all lines were said")


async def test_where_no_other_names_can_be_taken_a_scene_is_performed_all_the_same() -> None:
    """The platforms then put the name before each line, as their own tests show."""
    alone = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=False)
    async with TestBot(["Cat: Meow.", "Woof."], plugins=[roleplay], capabilities=alone) as bot:
        await begins(bot, f'a cat and a dog --turns=2 --topic="Milk." {QUICK}')
        await bot.until("all lines were said")
        assert lines(bot) == ["Narrator: Milk.", "Cat: Meow.", "Dog: Woof."]
        assert bot.shown_privately == []


async def test_going_round_in_circles_is_steered_once_and_then_ends() -> None:
    same = ["We should go to the garden now.", "No, let us stay in the house."]
    async with bot_with(*same, same[0], same[0], same[1], same[1], *["More."] * 9) as bot:
        await begins(bot, f"a cat and a dog --turns=40 {QUICK}")
        await bot.until("they went round in circles")
        assert "You are repeating yourself" in str(bot.model.prompts)
        assert len(lines(bot)) <= 6


async def test_saying_goodbye_or_asking_for_the_end_ends_it() -> None:
    async with bot_with("It was nice. Goodbye!", "Goodbye, take care.") as bot:
        await begins(bot, f"a cat and a dog --turns=40 {QUICK}")
        await bot.until("they said goodbye")
        assert len(lines(bot)) == 3
    async with bot_with("That was all. [[END]]") as bot:
        await begins(bot, f"a cat and a dog --turns=40 {QUICK}")
        await bot.until("it came to its end")
        assert lines(bot)[1:] == ["Cat: That was all."]


async def test_lines_are_taken_back_and_told_otherwise() -> None:
    async with bot_with("One.", "Two.", "Three.", "Four.", "Five.") as bot:
        await begins(bot, "a cat and a dog --turns=3 --pace=600")
        await bot.until("The curtain rises.")
        for said in ("One.", "Two."):
            await wakes(bot)
            await bot.until(said)
        await paused(bot)
        await bot.runs("/roleplay rewind 1", user=BOB)
        assert bot.last.text.startswith("⏪ Taken back: 1.")
        await bot.presses("⏯ One line", user=BOB)
        await bot.until("Three.")
        assert "Two." not in str(bot.model.prompts[-1])
        await bot.until("⏸ Paused.", 2)
        await bot.runs("/roleplay show", user=CARL)
        assert "Line 2 of 3" in bot.shown_privately[-1]


async def test_after_a_restart_it_waits_and_goes_on(tmp_path: Path) -> None:
    async with bot_with("Meow.", "Woof.", folder=tmp_path) as bot:
        await begins(bot, "a cat and a dog --turns=3 --pace=600")
        await bot.until("The curtain rises.")
        await wakes(bot)
        await bot.until("Meow.")
        adapter = bot.adapter
    async with TestBot(["Woof.", "Purr."], plugins=[roleplay], adapter=adapter, folder=tmp_path) as bot:
        await bot.comes_online()
        await bot.until("⏸ I was interrupted.")
        await bot.presses("▶ Go on", user=BOB)
        await bot.until("Woof.")
        assert lines(bot) == ["Narrator: The curtain rises.", "Cat: Meow.", "Dog: Woof."]
        assert "Cat: Meow." in str(bot.model.prompts[-1])
