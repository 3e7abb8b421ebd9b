"""The director's desk: scenes are begun as somebody wants them, changed on the way, voted on, kept, and ended."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from bot.api import Attachment, Capabilities, DeliveryError, DeliveryRefused, Prompt, Reacted, Route, TargetGone, User
from bot.model.scripted import Say, Scripted
from bot.testing.bot import BOB, TestBot
from bot.testing.hand_clock import HandClock
from plugins.conversation import plugin as conversation
from plugins.roleplay import plugin as roleplay
from plugins.roleplay.stage import LOOK_SECONDS, MOST_LOOKS, PLAYER_LOOKS

STAGE = Capabilities(
    max_chars=2000, edits=True, private=True, buttons=True, speakers=True, forms=True, max_file_bytes=1_000_000
)
BARE = Capabilities(max_chars=2000, edits=True)
CARL, DORA, EVE = User("u-carl", "Carl"), User("u-dora", "Dora"), User("u-eve", "Eve")
SLOW = "--pace=600"


def bot_with(*lines: object, folder: Path | None = None, can: Capabilities = STAGE) -> TestBot:
    return TestBot(lines, plugins=[roleplay], capabilities=can, folder=folder)  # type: ignore[arg-type]


def lines(bot: TestBot) -> list[str]:
    """What was said on stage, by whom."""
    return [f"{each.author}: {each.text}" for each in bot.adapter.messages if each.own and each.author != "bot"]


async def begins(bot: TestBot, line: str) -> None:
    await bot.runs(f"/roleplay start {line}", user=BOB)
    await bot.presses("▶ Begin", user=BOB)


async def opens(bot: TestBot, line: str = "a cat and a dog --turns=9") -> None:
    """A scene whose first line is said, with a long time before the next one."""
    await begins(bot, f"{line} {SLOW}")
    await bot.until("The curtain rises.")
    await settles(bot)


async def settles(bot: TestBot) -> None:
    """Whatever is being said is said to its end."""
    async with bot.app.runner.turn(bot.place):
        pass


async def says_next(bot: TestBot, line: str, times: int = 1) -> None:
    await bot.idle()
    await bot.runs("/roleplay next", user=BOB)
    await bot.until(line, times)
    await settles(bot)


async def pauses(bot: TestBot, times: int = 1) -> None:
    await bot.runs("/roleplay pause", user=BOB)
    await bot.until("⏸ Paused.", times)


async def reacts(bot: TestBot, emoji: str, user: User, *, added: bool = True) -> None:
    """To the newest vote."""
    ballot = next(each for each in reversed(bot.adapter.messages) if "What happens next?" in each.text)
    event = Reacted(
        id=uuid.uuid4().hex,
        user=user,
        route=Route(bot.place),
        at=bot.clock.now(),
        message=ballot.id,
        emoji=emoji,
        added=added,
    )
    await bot.hears(event)


# Beginning.


async def test_a_scene_is_begun_with_a_form() -> None:
    async with bot_with("Meow.", "Woof.") as bot:
        await bot.fills("roleplay start", user=BOB, cast="a cat and a dog", topic="Milk.", turns="2", pace="0")
        assert bot.last.text.startswith("🎭 **Cat · Dog**\nMilk.\n- **Cat**\n- **Dog**\n-# 2 lines, about")
        assert bot.model.prompts == []
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The scene is over")
        assert lines(bot) == ["Narrator: Milk.", "Cat: Meow.", "Dog: Woof."]


async def test_all_that_can_end_a_scene_is_said_before_it_begins() -> None:
    async with bot_with() as bot:
        await bot.runs(
            '/roleplay start a cat and a dog --minutes=10 --phrases="The end|so be it" --ends-itself=no '
            "--tokens=5000 --budget=0.5 --votes=3",
            user=BOB,
        )
        assert bot.last.text.splitlines()[-1] == (
            "-# at most $0.50, at most 5,000 tokens, at most 10 min, until somebody says “The end”, “so be it”, "
            "does not end by itself before, a vote every 3 lines"
        )


@pytest.mark.parametrize(
    ("option", "said", "reason"),
    [
        ('--phrases="so be it"', ["So be it!"], "the closing words were said"),
        ("--tokens=1", [], "the next line would cost more than is left of the budget"),
        ("--minutes=0.000001", ["Meow."], "the time is over"),
        ("--turns=1", ["Meow."], "all lines were said"),
        ("", ["Goodbye!", "Goodbye, take care."], "they said goodbye"),
        ("", ["That was it. [[END]]"], "it came to its end"),
    ],
)
async def test_each_end_has_its_reason(option: str, said: list[str], reason: str) -> None:
    async with bot_with(*said, "More.") as bot:
        await begins(bot, f"a cat and a dog {option} --pace=0")
        await bot.until(f"The scene is over: {reason}.")
        assert len(lines(bot)) == 1 + len(said)


async def test_one_that_does_not_end_itself_goes_on_behind_a_farewell() -> None:
    async with bot_with("Goodbye!", "Goodbye, take care.", "Still here?", "Yes.") as bot:
        await begins(bot, "a cat and a dog --turns=4 --ends_itself=no --pace=0")
        await bot.until("all lines were said")
        assert len(lines(bot)) == 5


async def test_a_template_keeps_its_length_and_first_line_unless_told_otherwise() -> None:
    async with bot_with("Well.") as bot:
        await bot.runs("/roleplay start agent-client", user=BOB)
        assert "-# 8 lines" in bot.last.text
        await begins(bot, 'agent-client --turns=1 --pace=0 --opener="Oluwaseun: There is no cake left."')
        await bot.until("The scene is over")
        assert lines(bot) == ["Oluwaseun Bankole: There is no cake left.", "Camille Dufresne: Well."]


async def test_the_look_outlives_the_bot_and_is_only_for_whoever_asked(tmp_path: Path) -> None:
    async with bot_with(folder=tmp_path) as bot:
        await bot.runs("/roleplay start a cat and a dog --pace=600", user=BOB)
        adapter = bot.adapter
    async with TestBot(["Meow."], plugins=[roleplay], adapter=adapter, folder=tmp_path) as bot:
        await bot.presses("▶ Begin", user=CARL)
        assert "This button is for whoever asked" in bot.shown_privately[-1]
        await bot.presses("▶ Begin")  # Ann is a moderator
        assert "Only whoever called `/roleplay start`" in bot.shown_privately[-1]
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The curtain rises.")


async def test_an_older_look_is_void() -> None:
    async with bot_with() as bot:
        await bot.runs("/roleplay start a cat and a dog", user=BOB)
        older = next(each for each in bot.last.buttons if each.action == "begin")
        await bot.runs("/roleplay start a cow and a duck", user=BOB)
        await bot.presses(older, user=BOB)
        assert "I no longer know what this was about." in bot.shown_privately[-1]
        assert lines(bot) == []


async def test_one_scene_at_a_time() -> None:
    async with bot_with("Meow.", "Moo.") as bot:
        await opens(bot)
        await bot.runs("/roleplay start a cow and a duck", user=CARL)
        assert "A scene is performed here already" in bot.last.text
        await pauses(bot)
        await bot.runs("/roleplay start a cow and a duck --turns=1 --pace=0", user=CARL)
        assert "A scene is paused here. Whoever began it, and moderators, can go on with it" in bot.shown_privately[-1]
        await bot.runs("/roleplay start a cow and a duck --turns=1 --pace=0", user=BOB)
        assert "The scene that is paused here ends when this one begins." in bot.last.text
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("all lines were said")
        assert lines(bot)[-1] == "Cow: Meow."


async def test_a_look_from_before_does_not_end_what_somebody_else_paused() -> None:
    async with bot_with("Meow.", "Moo.") as bot:
        await bot.runs("/roleplay start a cow and a duck --turns=1 --pace=0", user=CARL)
        await opens(bot)
        await pauses(bot)
        await bot.runs("/roleplay resume", user=CARL)
        assert "Only whoever began the scene" in bot.shown_privately[-1]
        await bot.presses("▶ Begin", user=CARL)
        assert "A scene is paused here." in bot.shown_privately[-1]
        await bot.runs("/roleplay stop", user=BOB)
        await bot.until("somebody ended it")
        await bot.runs("/roleplay resume", user=CARL)
        await bot.until("all lines were said")


async def test_who_may_start_is_a_setting() -> None:
    settings = {"commands": {"who": {"roleplay start": "moderators"}}}
    async with TestBot(plugins=[roleplay], capabilities=STAGE, settings=settings) as bot:
        await bot.runs("/roleplay start a cat and a dog", user=BOB)
        assert "Only moderators may use `/roleplay start` here." in bot.last.text
        await bot.runs("/roleplay start a cat and a dog")
        assert bot.last.text.startswith("🎭 **Cat · Dog**")


async def test_nothing_is_performed_and_everything_says_what_to_do() -> None:
    async with bot_with() as bot:
        for command in (
            *("pause", "resume", "step", "next", "stop", "skip", "retry", "rewind", "more", "narrate x", "event x"),
            *("whisper x y", "swap", "join x", "leave", "show", "branch x", "order manual", "pace 1", "budget"),
            *("budget 1", "vote", "vote a | b"),
        ):
            await bot.runs(f"/roleplay {command}", user=BOB)
            shown = [each.text for each in bot.adapter.messages if each.own][-1]
            assert "No scene is performed here. Begin one: `/roleplay start`." in shown, command


async def test_without_buttons_small_print_says_what_to_type() -> None:
    async with bot_with("Meow.", "Woof.", can=BARE) as bot:
        await bot.runs(f"/roleplay start a cat and a dog --turns=2 {SLOW}", user=BOB)
        assert bot.last.text.endswith("-# `/roleplay resume` begins it.")
        await bot.runs("/roleplay resume", user=BOB)
        await bot.until("The curtain rises.")
        await pauses(bot)
        assert "-# `/roleplay resume` goes on, `/roleplay step` lets one line be said" in bot.last.text
        await bot.runs("/roleplay step", user=BOB)
        await bot.until("⏸ Paused.", 2)
        await bot.runs("/roleplay vote It rains | It snows", user=BOB)
        await bot.until("Type `/roleplay vote 1`, with the number that you want.")
        await settles(bot)
        await bot.runs("/roleplay vote 2", user=CARL)
        await bot.idle()
        await bot.runs("/roleplay next", user=BOB)
        await bot.until("The audience has decided: **It snows** (1 vote)")
        await says_next(bot, "The scene is over")


def test_a_platform_that_takes_25_commands_of_a_group_takes_all() -> None:
    assert len([each for each in roleplay.commands if each.name.startswith("roleplay ")]) <= 25


# The desk.


async def test_an_event_must_be_reacted_to_by_all() -> None:
    async with bot_with("Meow.", "Woof.", "Purr.") as bot:
        await opens(bot)
        await bot.runs("/roleplay event The lights go out.", user=BOB)
        assert lines(bot)[-1] == "Narrator: *The lights go out.*"
        for said in ("Meow.", "Woof.", "Purr."):
            await says_next(bot, said)
        assert ["Something just happened" in str(each) for each in bot.model.prompts] == [True, True, False]
        assert "[The lights go out.]" in str(bot.model.prompts[-1])


async def test_whoever_would_speak_is_passed_over() -> None:
    async with bot_with("Meow.", "Woof.", "Moo.") as bot:
        await opens(bot, "a cat, a dog and a cow --order=round-robin --turns=9")
        await says_next(bot, "Meow.")
        await bot.idle()
        await bot.runs("/roleplay skip", user=BOB)
        await bot.until("Woof.")
        assert lines(bot)[1:] == ["Cat: Meow.", "Cow: Woof."]
        await says_next(bot, "Moo.")
        assert lines(bot)[-1] == "Cat: Moo."


async def test_a_line_that_is_skipped_counts_once_and_the_other_goes_on() -> None:
    async with bot_with(Say("Once upon a time", hang=True), "Woof.", "Meow.") as bot:
        await opens(bot, "a cat and a dog --turns=3")
        await bot.idle()
        await bot.runs("/roleplay next", user=BOB, wait=False)
        await bot.until("Once upon")
        await bot.presses("⏭ Skip", user=BOB)
        await bot.until("Woof.")
        await says_next(bot, "Meow.")
        await bot.until("The scene is over: all lines were said.")
        said = [each.split("\n")[0] for each in lines(bot)[1:]]
        assert said == ["Cat: Once upon a time", "Dog: Woof.", "Cat: Meow."]


async def test_a_line_that_is_skipped_before_its_first_word_is_none() -> None:
    asked = asyncio.Event()

    def answer(prompt: Prompt) -> Say:
        hangs = not asked.is_set()
        asked.set()
        return Say("", hang=True) if hangs else Say("Woof.")

    async with TestBot(Scripted(answer), plugins=[roleplay], capabilities=STAGE) as bot:
        await opens(bot)
        await bot.idle()
        await bot.runs("/roleplay next", user=BOB)
        await asked.wait()
        await bot.runs("/roleplay skip", user=BOB)
        await bot.until("Woof.")
        assert lines(bot)[1:] == ["Dog: Woof."]
        await settles(bot)
        await bot.runs("/roleplay show", user=BOB)
        assert "Line 1 of 9" in bot.shown_privately[-1]


@pytest.mark.parametrize("how", ["resume", "step"])
async def test_a_scene_that_is_ended_during_a_line_says_no_more(how: str) -> None:
    async with bot_with(Say("Once upon a time", hang=True)) as bot:
        await opens(bot, "a cat and a dog --turns=1")
        await pauses(bot)
        await bot.runs(f"/roleplay {how}", user=BOB, wait=False)
        await bot.until("Once upon")
        await bot.runs("/roleplay stop", user=BOB)
        await bot.until("The scene is over: somebody ended it.")
        await settles(bot)
        await bot.idle()
        assert sum("The scene is over" in each.text for each in bot.adapter.messages) == 1
        assert sum(each.text.startswith("⏸") for each in bot.adapter.messages) == 1
        assert bot.buttons == []


async def test_what_is_changed_during_a_line_is_so_at_once() -> None:
    async with bot_with(Say("Once upon a time", hang=True), "Meow.") as bot:
        await opens(bot)
        await bot.idle()
        await bot.runs("/roleplay next", user=BOB, wait=False)
        await bot.until("Once upon")
        await bot.runs("/roleplay join dog", user=CARL)
        await bot.runs("/roleplay join dog", user=DORA)
        assert bot.last.text.endswith("Dog is played by Carl already.")
        await bot.runs("/roleplay leave", user=CARL)
        assert bot.last.text == "🎭 Dog is played by me again."
        await bot.runs("/roleplay more 3", user=BOB)
        await bot.runs("/roleplay more 3", user=BOB)
        assert bot.last.text == "The scene has 15 lines now."
        await bot.runs("/roleplay skip", user=BOB)
        await bot.until("Meow.")
        await bot.runs("/roleplay show", user=BOB)
        assert " of 15" in bot.shown_privately[-1]
        assert "played by" not in bot.shown_privately[-1]


async def test_what_is_taken_back_is_named() -> None:
    async with bot_with("One.", "Two.", "Three.") as bot:
        await opens(bot)
        for said in ("One.", "Two."):
            await says_next(bot, said)
        await bot.runs("/roleplay retry", user=BOB)
        assert bot.last.text == "The scene is going on. Pause it first: `/roleplay pause`."
        await bot.runs("/roleplay rewind", user=BOB)
        assert bot.last.text == "The scene is going on. Pause it first: `/roleplay pause`."
        await pauses(bot)
        await bot.runs("/roleplay rewind 2", user=BOB)
        assert bot.last.text.endswith("These messages no longer count:\n- Cat: “One.”\n- Dog: “Two.”")
        await bot.presses("▶ Go on", user=BOB)
        await bot.until("Three.")
        assert lines(bot)[-1] == "Cat: Three."


async def test_a_branch_goes_on_and_the_old_one_stays() -> None:
    async with bot_with("One.", "Two.", "Another two.") as bot:
        await opens(bot)
        await says_next(bot, "One.")
        await bot.runs("/roleplay branch What if", user=BOB)
        assert "Pause it first" in bot.last.text
        await says_next(bot, "Two.")
        await pauses(bot)
        old = (await bot.app.store.conversation(bot.place)).branch
        await bot.runs("/roleplay branch What if", user=BOB)
        assert bot.last.text.startswith("🌿 From here on the scene is the branch **What if**")
        await bot.runs("/roleplay rewind", user=BOB)
        await bot.runs("/roleplay step", user=BOB)
        await bot.until("Another two.")
        assert "Two." not in str(bot.model.prompts[-1])
        assert (await bot.app.store.conversation(bot.place)).branch != old


async def switches(bot: TestBot, name: str) -> None:
    branches = bot.app.store.branches
    wanted = next(each for each in await branches.all(bot.place) if each.name == name)
    await branches.switch(bot.place, wanted.id)


async def test_an_old_branch_goes_on_with_its_own_lines() -> None:
    async with bot_with("One.", "Two.", "Another two.", "Another three.", "Three.") as bot:
        await opens(bot)
        for said in ("One.", "Two."):
            await says_next(bot, said)
        await pauses(bot)
        (old,) = await bot.app.store.branches.all(bot.place)
        await bot.runs("/roleplay branch What if", user=BOB)
        await bot.runs("/roleplay rewind", user=BOB)
        for number, said in enumerate(("Another two.", "Another three."), 2):
            await bot.runs("/roleplay step", user=BOB)
            await bot.until("⏸ Paused.", number)
            assert lines(bot)[-1].endswith(said)
        await bot.app.store.branches.switch(bot.place, old.id)
        await bot.runs("/roleplay step", user=BOB)
        await bot.until("⏸ Paused.", 4)
        assert lines(bot)[-1] == "Cat: Three."
        told = str(bot.model.prompts[-1])
        assert "Two." in told
        assert "Another" not in told
        await bot.runs("/roleplay show", user=BOB)
        assert "Line 3 of 9" in bot.shown_privately[-1]
        await switches(bot, "What if")
        await bot.runs("/roleplay rewind 3", user=BOB)
        assert bot.last.text.splitlines()[-3:] == ["- Cat: “One.”", "- Dog: “Another two.”", "- Cat: “Another three.”"]


async def test_people_go_back_to_an_old_branch_of_a_scene() -> None:
    async with TestBot(
        ["One.", "Two.", "Other.", "Three."], plugins=[conversation, roleplay], capabilities=STAGE
    ) as bot:
        await opens(bot)
        (old,) = await bot.app.store.branches.all(bot.place)
        for said in ("One.", "Two."):
            await says_next(bot, said)
        await pauses(bot)
        await bot.runs("/roleplay branch What if")  # Ann may switch branches
        assert bot.last.text.endswith("`/branch switch` goes back to another branch.")
        await bot.runs("/roleplay rewind", user=BOB)
        await bot.runs("/roleplay step", user=BOB)
        await bot.until("Other.")
        await bot.until("⏸ Paused.", 2)
        await bot.runs(f"/branch switch {old.name}")
        assert "We go on with" in bot.last.text
        await bot.runs("/roleplay step", user=BOB)
        await bot.until("Three.")
        told = str(bot.model.prompts[-1])
        assert ("Two." in told, "Other." in told) == (True, False)


async def test_a_scene_whose_lines_are_elsewhere_waits_and_says_so() -> None:
    elsewhere = "⏸ The lines of this scene are no longer here"
    async with bot_with("One.", "Two.") as bot:
        await bot.says("hello", addressed=False)
        await opens(bot)
        await says_next(bot, "One.")
        (old,) = await bot.app.store.branches.all(bot.place)
        await bot.app.store.branches.fork(bot.place, None, "Empty")
        await says_next(bot, elsewhere)
        assert len(bot.model.prompts) == 1
        await bot.runs("/roleplay resume", user=BOB)
        await bot.until(elsewhere, 2)
        await bot.app.store.branches.switch(bot.place, old.id)
        await bot.runs("/roleplay step", user=BOB)
        await bot.until("Two.")
        assert lines(bot)[1:] == ["Cat: One.", "Dog: Two."]


async def test_order_pace_and_budget_are_changed_on_the_way() -> None:
    async with bot_with("One.", "Two.") as bot:
        await opens(bot)
        await bot.runs("/roleplay order manual", user=BOB)
        assert bot.last.text.startswith("From now on, you decide who speaks next")
        await bot.runs("/roleplay pace 0", user=BOB)
        await bot.runs("/roleplay next", user=BOB)
        await bot.until("⏸ Who speaks next?")
        await bot.runs("/roleplay next Dog", user=BOB)
        await bot.until("⏸ Who speaks next?", 2)
        assert lines(bot)[1:] == ["Dog: One."]
        await bot.runs("/roleplay budget --tokens=1", user=BOB)
        assert " of at most 1\n" in bot.last.text
        await bot.runs("/roleplay budget", user=CARL)
        assert "- cost: $0.0000, without a limit" in bot.last.text
        await bot.runs("/roleplay next Cat", user=BOB)
        await bot.until("The scene is over: the next line would cost more")


# Votes.


async def opens_vote(bot: TestBot, line: str = "It rains | A bear comes | Nothing") -> None:
    await bot.runs(f"/roleplay vote {line}".strip(), user=BOB)
    await bot.until("What happens next?")
    await settles(bot)


async def counts(bot: TestBot, part: str) -> None:
    await bot.runs("/roleplay next", user=BOB)
    await bot.until(part)


async def test_an_audience_decides_by_reactions_and_buttons_with_one_vote_each() -> None:
    async with bot_with("Meow.", "Woof.") as bot:
        await opens(bot)
        await opens_vote(bot)
        assert "1️⃣ It rains\n2️⃣ A bear comes\n3️⃣ Nothing" in bot.last.text
        await reacts(bot, "1️⃣", CARL)
        await reacts(bot, "2️⃣", CARL)
        await reacts(bot, "1️⃣", CARL, added=False)
        await reacts(bot, "🎉", EVE)
        await bot.presses("2", user=DORA)
        assert bot.shown_privately[-1] == "🗳 You voted for A bear comes"
        await bot.presses("1", user=EVE)
        await bot.runs("/roleplay vote a | b", user=CARL)
        assert "Only whoever began the scene" in bot.last.text
        await counts(bot, "The audience has decided: **A bear comes** (3 votes)")
        await bot.until("*A bear comes*")
        for said in ("Meow.", "Woof."):
            await says_next(bot, said)
        assert all("“A bear comes” React to it" in str(each) for each in bot.model.prompts)
        await bot.presses("ballot", "0", message="gone", user=CARL)
        assert "This vote is over." in bot.shown_privately[-1]


async def test_a_tie_is_drawn_and_where_nobody_votes_nothing_happens() -> None:
    async with bot_with() as bot:
        await opens(bot)
        await opens_vote(bot)
        await counts(bot, "🗳 Nobody voted, so the scene goes on as it was.")
        assert len(lines(bot)) == 1
    async with bot_with() as bot:
        await opens(bot)
        await opens_vote(bot)
        await reacts(bot, "1️⃣", CARL)
        await reacts(bot, "2️⃣", DORA)
        await counts(bot, "🗳 It is a tie, so the lot decides: **")
        await bot.until("*", 4)
        assert lines(bot)[-1] in ("Narrator: *It rains*", "Narrator: *A bear comes*")


async def test_a_vote_ends_when_its_time_is_over() -> None:
    clock = HandClock()
    async with TestBot(["Meow."], plugins=[roleplay], capabilities=STAGE, clock=clock) as bot:
        await opens(bot)
        await opens_vote(bot, "It rains | It snows --seconds=45")
        await bot.presses("2", user=CARL)
        await clock.waits(45)
        clock.passes(45)
        await bot.until("The audience has decided: **It snows** (1 vote)")


async def test_votes_outlive_the_bot(tmp_path: Path) -> None:
    async with bot_with(folder=tmp_path) as bot:
        await opens(bot)
        await opens_vote(bot)
        await reacts(bot, "1️⃣", CARL)
        adapter = bot.adapter
    async with TestBot(["Meow."], plugins=[roleplay], adapter=adapter, folder=tmp_path) as bot:
        await bot.comes_online()
        await bot.until("⏸ I was interrupted.")
        await settles(bot)
        await bot.presses("1", user=DORA)
        assert bot.shown_privately[-1] == "🗳 You voted for It rains"
        await bot.presses("▶ Go on", user=BOB)
        await bot.until("The audience has decided: **It rains** (2 votes)")
        await bot.until("*It rains*")


async def test_what_may_happen_is_thought_of_every_few_lines() -> None:
    thought = "1. A ship sinks.\n2) The king wakes.\n- Snow falls."
    async with bot_with("Meow.", "Woof.", thought, "Purr.") as bot:
        await opens(bot, "a cat and a dog --turns=3 --votes=2")
        for said in ("Meow.", "Woof."):
            await says_next(bot, said)
        await says_next(bot, "What happens next?")
        assert "1️⃣ A ship sinks.\n2️⃣ The king wakes.\n3️⃣ Snow falls." in bot.last.text
        await settles(bot)
        await bot.presses("3", user=CARL)
        await counts(bot, "The audience has decided: **Snow falls.** (1 vote)")
        await bot.until("*Snow falls.*")
        await says_next(bot, "The scene is over: all lines were said.")
        assert lines(bot)[-1] == "Cat: Purr."


async def test_a_vote_needs_something_to_choose() -> None:
    async with bot_with("hm", "Meow.") as bot:
        await opens(bot)
        await bot.runs("/roleplay vote only this", user=BOB)
        assert "A vote needs 2 to 5 things that may happen" in bot.last.text
        await bot.runs("/roleplay vote", user=BOB)
        await says_next(bot, "Meow.")
        assert not any("What happens next?" in each.text for each in bot.adapter.messages)


# Templates.


async def test_templates_are_listed_by_page_shown_and_found_by_a_typo() -> None:
    async with bot_with() as bot:
        await bot.runs("/roleplay templates", user=BOB)
        first = bot.shown_privately[-1]
        assert first.startswith("25 templates are here:")
        assert "Page 1 of 3." in first
        await bot.presses("Next page", user=BOB)
        assert "Page 2 of 3." in bot.shown_privately[-1]
        await bot.runs("/roleplay templates 3", user=BOB)
        assert "Page 3 of 3." in bot.shown_privately[-1]
        await bot.runs("/roleplay templates agent-client", user=BOB)
        assert bot.shown_privately[-1].startswith("**The Last Chapter** (`agent-client`)")
        assert "- **Camille Dufresne** — a literary agent" in bot.shown_privately[-1]
        await bot.runs("/roleplay templates agnet-client", user=BOB)
        assert "Did you mean `agent-client`" in bot.shown_privately[-1]


async def test_a_scene_becomes_a_template_of_the_server() -> None:
    async with bot_with("Meow.", "Woof.") as bot:
        await bot.runs("/roleplay save Milk", user=BOB)
        assert "No scene was performed here yet." in bot.last.text
        await begins(bot, 'a cat and a dog --topic="Who has the milk?" --turns=1 --pace=0')
        await bot.until("The scene is over")
        await bot.runs("/roleplay save A bowl of milk", user=BOB)
        assert bot.last.text.startswith("💾 **A bowl of milk** is a template now")
        await bot.runs("/roleplay save A bowl of milk", user=CARL)
        assert "Only Bob, who saved A bowl of milk" in bot.last.text
        await begins(bot, "a bowl of milk --pace=0")
        await bot.until("The scene is over", 2)
        assert lines(bot)[-2:] == ["Narrator: Who has the milk?", "Cat: Woof."]
        await bot.runs("/roleplay forget a bowl of milk", user=CARL)
        assert "Only Bob, who saved A bowl of milk" in bot.last.text
        await bot.runs("/roleplay forget a bowl of milk", user=BOB)
        assert bot.last.text == "🗑 The template **A bowl of milk** is gone."
        await bot.runs("/roleplay forget agent-client")
        assert "comes with the bot, so it cannot be forgotten here." in bot.last.text


@pytest.mark.parametrize("kind", ["toml", "json"])
async def test_a_template_travels_as_a_file(kind: str) -> None:
    async with bot_with() as bot:
        await bot.runs(f"/roleplay templates agent-client --file={kind}", user=BOB)
        reply = bot.last.reply
        assert reply is not None
        [file] = reply.files
        assert file.name == f"agent-client.{kind}"
        other = file.content.replace(b"agent-client", b"agent-again").replace(b"The Last Chapter", b"The First")
        bot.adapter.files["fake:1"] = other
        dropped = Attachment(file.name, file.media_type, len(other), "fake:1")
        await bot.says("", user=BOB, addressed=False, attachments=(dropped,))
        await bot.runs("/roleplay save", user=BOB)
        assert bot.last.text == "💾 **The First** is a template now: `/roleplay start agent-again` performs it."
        await bot.runs("/roleplay templates agent-again", user=BOB)
        assert bot.shown_privately[-1].startswith("**The First** (`agent-again`)")


async def test_a_broken_file_is_no_template() -> None:
    async with bot_with() as bot:
        await bot.runs("/roleplay save", user=BOB)
        assert "Say what the scene is to be called" in bot.last.text
        bot.adapter.files["fake:1"] = b'title = "No roles"\nrolls = 2'
        broken = Attachment("x.toml", "application/toml", 30, "fake:1")
        await bot.says("", user=BOB, addressed=False, attachments=(broken,))
        await bot.runs("/roleplay save", user=BOB)
        assert "This template cannot be used:" in bot.last.text
        assert "Did you mean `roles`?" in bot.last.text


# When nobody can see it, and when nobody comes.


async def stands(bot: TestBot, *, running: bool) -> list[bool]:
    """Whether the scenes here run."""
    for _ in range(2_000):
        jobs = [each for each in await bot.app.store.jobs(place=bot.place) if each[2] == "scene_job"]
        found = [status == "running" for *_, status in jobs if status != "done"]
        if found == ([running] if running is not None else []):
            return found
        await bot.app.store.count(bot.place)
    return found


@pytest.mark.parametrize("error", [DeliveryRefused("no permission"), TargetGone("the channel is gone")])
async def test_a_scene_that_cannot_be_shown_waits_without_a_storm(error: DeliveryError) -> None:
    async with bot_with(*["Meow."] * 9) as bot:
        await begins(bot, "a cat and a dog --pace=0 --turns=5 --order=manual")
        await bot.until("⏸ Who speaks next?")
        bot.adapter.refuse = error
        await bot.runs("/roleplay order alternate", user=BOB)
        await bot.runs("/roleplay resume", user=BOB)
        assert await stands(bot, running=False) == [False]
        assert len(bot.model.prompts) == 2
        bot.adapter.refuse = None
        await bot.runs("/roleplay resume", user=BOB)
        await bot.until("Meow.")


async def looks_until(bot: TestBot, clock: HandClock, text: str) -> int:
    """How often the scene may have been looked at until people read that."""
    for times in range(50):
        if any(text in each.text for each in bot.adapter.messages):
            return times
        clock.passes(LOOK_SECONDS)
        await settles(bot)
        await bot.app.store.count(bot.place)
    raise AssertionError(f"{text!r} was never said")


async def test_a_scene_that_nobody_comes_back_to_ends_with_one_line() -> None:
    clock = HandClock()
    async with TestBot(["Meow."], plugins=[roleplay], capabilities=STAGE, clock=clock) as bot:
        await begins(bot, "a cat and a dog --pace=0 --order=manual")
        await bot.until("⏸ Who speaks next?")
        shown = len(bot.adapter.messages)
        assert await looks_until(bot, clock, "🎬") > MOST_LOOKS
        await settles(bot)
        assert bot.last.text == "🎬 The scene is over: nobody went on with it. `/roleplay resume` goes on with it."
        assert not bot.buttons
        await bot.runs("/roleplay show", user=BOB)
        assert "No scene is performed here." in bot.shown_privately[-1]
        assert len(bot.adapter.messages) == shown + 2
        await bot.runs("/roleplay resume", user=BOB)
        await bot.until("⏸ Who speaks next?", 2)


async def test_a_scene_that_nobody_can_see_ends_without_a_word() -> None:
    clock = HandClock()
    async with TestBot(["Meow."] * 9, plugins=[roleplay], capabilities=STAGE, clock=clock) as bot:
        await begins(bot, "a cat and a dog --pace=0 --order=manual")
        await bot.until("⏸ Who speaks next?")
        bot.adapter.refuse = DeliveryRefused("no permission")
        await bot.runs("/roleplay order alternate", user=BOB)
        await bot.runs("/roleplay resume", user=BOB)
        assert await stands(bot, running=False) == [False]
        bot.adapter.refuse = None
        shown = [each.text for each in bot.adapter.messages]
        while await bot.app.store.has_left_jobs(bot.place):
            clock.passes(LOOK_SECONDS)
            await settles(bot)
        assert [each.text for each in bot.adapter.messages][: len(shown)] == shown
        assert "🎬" not in bot.last.text


async def test_a_scene_that_nobody_touches_for_long_ends_whatever_else_people_talk_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("plugins.roleplay.stage.LONGEST_LOOKS", 3)
    clock = HandClock()
    async with TestBot(["Meow."], plugins=[roleplay], capabilities=STAGE, clock=clock) as bot:
        await begins(bot, "a cat and a dog --pace=0 --order=manual")
        await bot.until("⏸ Who speaks next?")
        looked = 0
        while "🎬" not in bot.last.text:
            await bot.says("hm", user=CARL, addressed=False)
            clock.passes(LOOK_SECONDS)
            await settles(bot)
            looked += 1
        assert looked > 3
        assert "nobody went on with it" in bot.last.text
        await bot.runs("/roleplay start a cow and a duck --turns=1 --pace=0", user=CARL)
        await bot.presses("▶ Begin", user=CARL)
        await bot.until("all lines were said")


async def test_a_scene_goes_on_without_a_player_who_is_gone() -> None:
    clock = HandClock()
    async with TestBot(["Meow.", "Woof."], plugins=[roleplay], capabilities=STAGE, clock=clock) as bot:
        await begins(bot, "a cat and a dog --pace=0.5 --turns=2")
        await bot.until("The curtain rises.")
        await bot.runs("/roleplay join cat", user=CARL)
        await clock.waits(0.5)
        clock.passes(0.5)
        await bot.until("⏸ Cat is played by Carl")
        told = "🎭 Carl has not said anything for half an hour: Cat is played by me again, and the scene goes on."
        assert await looks_until(bot, clock, told) > PLAYER_LOOKS
        await bot.until("Meow.")
        assert lines(bot)[-1] == "Cat: Meow."


@pytest.mark.parametrize("somebody_else", [True, False])
async def test_a_director_who_plays_does_not_miss_the_scene_where_nobody_else_is(somebody_else: bool) -> None:
    clock = HandClock()
    async with TestBot(["Meow.", "Woof."], plugins=[roleplay], capabilities=STAGE, clock=clock) as bot:
        await begins(bot, "a cat and a dog --pace=0.5 --turns=2")
        await bot.until("The curtain rises.")
        await bot.runs("/roleplay join cat", user=BOB)
        if somebody_else:
            await bot.says("Where is the cat?", user=CARL)
        await clock.waits(0.5)
        clock.passes(0.5)
        await bot.until("⏸ Cat is played by Bob")
        await looks_until(bot, clock, "Meow." if somebody_else else "nobody went on with it")
        assert ("Cat: Meow." in lines(bot)) == somebody_else


async def test_somebody_who_talks_keeps_a_paused_scene_alive() -> None:
    clock = HandClock()
    async with TestBot(["Hello!"] * 9, plugins=[roleplay], capabilities=STAGE, clock=clock) as bot:
        await begins(bot, "a cat and a dog --pace=0 --order=manual")
        await bot.until("⏸ Who speaks next?")
        for look in range(2 * MOST_LOOKS):
            await clock.waits(LOOK_SECONDS)
            if look % 4 == 0:
                await bot.says("hm", user=CARL, addressed=False)
            clock.passes(LOOK_SECONDS)
        await clock.waits(LOOK_SECONDS)
        await bot.runs("/roleplay show", user=BOB)
        assert "Line 0 of 8, paused" in bot.shown_privately[-1]
