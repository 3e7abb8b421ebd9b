"""The tree of talk: other answers, other wordings, branches and the way back, by command and by button."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.api import Capabilities, Place, Target, User
from bot.errors import WrongKey
from bot.model.scripted import Say
from bot.testing.adapter import ScreenMessage
from bot.testing.bot import ANN, BOB, TestBot
from plugins.commands import plugin as commands
from plugins.conversation import plugin as conversation
from plugins.conversation.naming import branches_here, messages_here
from tests.conversations.crashed import Crash, die

PLUGINS = (commands, conversation)
CARL = User("u-carl", "Carl")
ONE, TWO, THREE = "One.", "Two.", "Three."


def remembered(bot: TestBot) -> list[str]:
    """What the model was given of the talk at its last call, without the names."""
    said = [message for message in bot.model.prompts[-1].messages if message.role in ("user", "assistant")]
    return [message.text.rpartition(": ")[2].rpartition("\n")[2] for message in said]


def talk(*answers: str | Say | Exception, folder: Path | None = None, **more: object) -> TestBot:
    return TestBot(list(answers), plugins=PLUGINS, folder=folder, **more)  # type: ignore[arg-type]  # as TestBot has it


async def told(bot: TestBot, line: str, *, user: User = ANN, place: Place | None = None) -> str:
    """What the bot says to a command, in private or to all."""
    before = len(bot.adapter.messages)
    await bot.runs(line, user=user, place=place)
    return "\n".join(message.text for message in bot.adapter.messages[before:])


async def active(bot: TestBot, place: Place | None = None) -> str:
    return next(each.name for each in await bot.app.store.branches.all(place or bot.place) if each.active)


def target(message: ScreenMessage) -> Target:
    return Target(message.id, BOB, message.text, datetime.now(UTC))


# Another answer.


async def test_the_newest_answer_is_given_anew_in_its_place() -> None:
    async with talk(ONE, TWO, THREE, "Four.") as bot:
        await bot.says("Count.", user=BOB)
        assert await told(bot, "/regenerate", user=BOB) == (
            "I have answered anew, in the same place: it is answer 2 of 2 now."
        )
        assert bot.screen == ["Bob: Count.", "bot: Two."]
        assert bot.buttons == ["🔄 Again", "◀", "2/2", "▶", "🗑 Forget"]
        assert await told(bot, "/variant previous", user=BOB) == "Answer 1 of 2 counts now."
        assert bot.screen == ["Bob: Count.", "bot: One."]
        assert "this is number 1" in await told(bot, "/variant back", user=BOB)
        assert "There are 2 answers" in await told(bot, "/variant 3", user=BOB)
        assert "Say `next`, `previous`" in await told(bot, "/variant blue", user=BOB)
        await bot.says("And on?", user=BOB)
        assert remembered(bot) == ["Count.", "One.", "And on?"]
        assert [each.name for each in await bot.app.store.branches.all(bot.place)] == ["main"]


async def test_an_older_answer_is_given_anew_on_a_branch_of_its_own() -> None:
    async with talk(ONE, TWO, THREE, "Four.") as bot:
        await bot.says("Count.")
        await bot.says("On.")
        await bot.runs("/regenerate 3")
        assert bot.screen[:4] == ["Ann: Count.", "bot: One.", "Ann: On.", "bot: Two."]
        assert bot.screen[4] == (
            "bot: Three.\n[This is a branch of its own now, “branch 2”. `/branch switch main` goes back.]"
        )
        await bot.says("And now?")
        assert remembered(bot) == ["Count.", "Three.", "And now?"]
        assert await told(bot, "/branch switch main") == "⑂ We go on with **main**, from Me: “Two.”."
        bot.model.will_say("Five.")
        await bot.says("Still there?")
        assert remembered(bot) == ["Count.", "One.", "On.", "Two.", "Still there?"]


async def test_an_answer_is_also_named_by_its_question_its_link_or_its_id() -> None:
    async with talk(ONE, TWO, "a", "b", "c") as bot:
        await bot.says("Count.")
        first = bot.last.id
        await bot.says("On.")
        for name in ("4", f"https://chat.example/1/2/{first}", first):
            await bot.runs(f"/regenerate {name}")
            assert remembered(bot) == ["Count."]
            await bot.runs("/branch switch main")
        assert len(await bot.app.store.branches.all(bot.place)) == 4


async def test_an_answer_that_another_branch_has_too_stays_there() -> None:
    async with talk(ONE, TWO, THREE, "Four.") as bot:
        await bot.says("Count.")
        await bot.says("On.")
        await bot.runs("/rewind")
        await bot.runs("/regenerate")
        assert "branch 3" in bot.last.text
        await bot.runs("/branch switch main")
        await bot.says("And?")
        assert remembered(bot)[:4] == ["Count.", "One.", "On.", "Two."]
        await bot.runs("/branch switch branch 2")
        assert "only one answer" in await told(bot, "/variant next")


async def test_whose_answers_may_be_had_anew() -> None:
    async with talk(ONE, TWO, THREE) as bot:
        await bot.says("Count.", user=BOB)
        assert "Only whoever asked" in await told(bot, "/regenerate", user=CARL)
        await bot.says("On.", user=CARL)
        assert "Others have spoken since then" in await told(bot, "/regenerate 3", user=BOB)
        assert len(await bot.app.store.branches.all(bot.place)) == 1
        await bot.runs("/regenerate", user=CARL)
        assert bot.screen[-1] == "bot: Three."


async def test_a_new_answer_that_fails_changes_nothing() -> None:
    async with talk(ONE, TWO, WrongKey("no"), WrongKey("no"), THREE) as bot:
        await bot.says("Count.")
        await bot.says("On.")
        assert "API key" in await told(bot, "/regenerate 3")
        assert "API key" in await told(bot, "/edit Count backwards.")
        assert [each.name for each in await bot.app.store.branches.all(bot.place)] == ["main"]
        assert [one.text for one in await bot.app.store.tree(bot.place) if one.text] == ["Count.", ONE, "On.", TWO]
        await bot.says("And?")
        assert remembered(bot) == ["Count.", "One.", "On.", "Two.", "And?"]


async def test_where_nothing_can_be_edited_the_new_answer_stands_below() -> None:
    offers = Capabilities(appends=True, direct=True)
    async with talk(ONE, TWO, THREE, capabilities=offers) as bot:
        await bot.says("Count.")
        await bot.runs("/regenerate")
        assert bot.screen == ["Ann: Count.", "bot: One.", "bot: Two."]
        await bot.runs("/variant 1")
        await bot.says("On.")
        assert remembered(bot) == ["Count.", "One.", "On."]


async def test_where_no_buttons_are_wanted_there_are_none_under_new_answers_either() -> None:
    async with talk(ONE, TWO, THREE, settings={"answers": {"buttons": False}}) as bot:
        await bot.says("Count.")
        await bot.runs("/regenerate")
        await bot.runs("/variant 1")
        await bot.runs("/edit Count backwards.")
        assert bot.buttons == []


async def test_what_cannot_be_had_anew_says_so() -> None:
    async with talk(ONE) as bot:
        assert "not answered anything here yet" in await told(bot, "/regenerate")
        assert "not answered anything here yet" in await told(bot, "/rewind")
        assert "not asked me anything" in await told(bot, "/edit Why?")
        await bot.says("By the way.", addressed=False)
        assert "I did not answer that message." in await told(bot, "/regenerate 1")
        await bot.says("Count.")
        assert "only one answer" in await told(bot, "/variant next")
        assert "`text` is missing" in await told(bot, "/edit")


async def test_buttons_of_an_older_answer_branch_off_for_moderators_alone(tmp_path: Path) -> None:
    async with talk(ONE, TWO, folder=tmp_path) as bot:
        await bot.says("Count.", user=BOB)
        shown = bot.last
        bot.app.turns.last_buttons.take(bot.place)  # as after a restart
        await bot.says("On.", user=CARL)
        again = next(each for each in shown.buttons if each.action == "+again")
        adapter = bot.adapter
    async with talk(THREE, folder=tmp_path, adapter=adapter) as bot:
        await bot.presses("+again", *again.args, message=shown.id, user=BOB)
        assert "The talk has gone on since then" in bot.shown_privately[-1]
        await bot.presses("+again", *again.args, message=shown.id)
        assert bot.screen[-1].startswith("bot: Three.\n[This is a branch of its own now")
        assert bot.screen[1] == "bot: One."


# Another wording.


async def test_a_question_is_asked_in_other_words() -> None:
    async with talk("Paris.", "Rome.", "Sure.") as bot:
        await bot.says("Capital of France?", user=BOB)
        await bot.runs("/edit Capital of Italy?", user=BOB)
        assert bot.screen[-1] == (
            "bot: Rome.\n[✏️ Bob asks instead: “Capital of Italy?” "
            "This is a branch of its own now, “branch 2”. `/branch switch main` goes back.]"
        )
        assert remembered(bot) == ["Capital of Italy?"]
        await bot.says("Sure?", user=BOB)
        assert remembered(bot) == ["Capital of Italy?", "Rome.", "Sure?"]
        await bot.runs("/branch switch main")
        assert "Paris." in await told(bot, "/history")


async def test_the_words_of_others_are_not_left_behind() -> None:
    async with talk(ONE, TWO, THREE) as bot:
        await bot.says("Count.", user=BOB)
        await bot.says("On.", user=CARL)
        assert "Others have spoken since then" in await told(bot, "/edit Count backwards.", user=BOB)
        assert "Others have spoken since then" in await told(bot, "/rewind 2", user=CARL)
        assert "branch 2" in await told(bot, "/rewind 1", user=CARL)
        await bot.says("And?", user=CARL)
        assert remembered(bot) == ["Count.", "One.", "And?"]


# Back.


async def test_rewinding_keeps_the_old_way() -> None:
    async with talk(ONE, TWO, THREE, "Four.", "Five.") as bot:
        for question in ("A?", "B?", "C?"):
            await bot.says(question)
        assert await told(bot, "/rewind 2") == (
            "⏪ We are back before Ann: “B?”, on **branch 2** now. All of it stays: `/branch switch main` goes there."
        )
        await bot.says("D?")
        assert remembered(bot) == ["A?", "One.", "D?"]
        assert "back before Ann: “A?”" in await told(bot, "/rewind 50")
        await bot.says("E?")
        assert remembered(bot) == ["E?"]
        await bot.runs("/branch switch main")
        assert "Three." in await told(bot, "/history")


async def test_a_question_in_several_messages_is_gone_back_from_as_a_whole() -> None:
    settings = {"answers": {"busy": "merge", "merge_wait": 0.05}}
    async with talk(ONE, TWO, settings=settings) as bot:
        await bot.says("My dog is ill.", wait=False)
        await bot.says("What shall I do?")
        await bot.runs("/rewind")
        await bot.says("Hello.")
        assert remembered(bot) == ["Hello."]


# Branches.


async def test_branches_are_made_listed_switched_renamed_and_deleted() -> None:
    async with talk(ONE, TWO, THREE) as bot:
        await bot.says("Count.", user=BOB)
        await bot.says("On.", user=BOB)
        made = await told(bot, "/branch from 3 what if")
        assert made == "⑂ We go on from Me: “One.”, on **what if**. `/branch switch main` goes back."
        await bot.says("What if?", user=BOB)
        assert remembered(bot) == ["Count.", "One.", "What if?"]
        listed = await told(bot, "/branch list")
        assert [line.split(" · ")[0] for line in listed.splitlines() if not line.startswith("-#")] == [
            "2 branches:",
            "● **what if**",
            "○ **main**",
        ]
        assert f"-# Me: “Three.”, {datetime.now(UTC):%Y-%m-%d}" in listed
        assert "-# goes on from Me: “One.”" in listed
        assert bot.last.private
        assert await told(bot, "/branch rename better idea") == "**what if** is called **better idea** now."
        await bot.presses("⑂ main")
        assert bot.screen[-1] == "bot: ⑂ We go on with **main**, from Me: “Two.”."
        assert "2 messages that were said on it alone are forgotten." in await told(bot, "/branch delete better")
        assert "What if?" not in str(await bot.app.store.tree(bot.place))
        assert "One." in str(await bot.app.store.tree(bot.place))


async def test_names_of_branches_are_unique_short_and_harmless() -> None:
    async with talk(ONE) as bot:
        await bot.says("Count.")
        assert "already" in await told(bot, "/branch new MAIN")
        assert "at most 60 characters" in await told(bot, "/branch new " + "x" * 61)
        await bot.runs("/branch new `a`\u200b  *b*\n c")
        assert await active(bot) == "'a' *b* c"
        assert r"**'a' \*b\* c**" in await told(bot, "/branch list")
        assert "already" in await told(bot, "/branch rename main")
        await bot.runs("/branch rename 'A' *b* c")
        assert await active(bot) == "'A' *b* c"
        await bot.runs("/branch new branch 4")
        await bot.runs("/branch new")
        assert await active(bot) == "branch 5", "the next number is taken"
        # Beginnings of names do where they mean one branch.
        await bot.runs("/branch switch 'A")
        assert await active(bot) == "'A' *b* c"
        assert "Did you mean “branch 4”?" in await told(bot, "/branch switch bran")
        await bot.app.store.branches.fork(bot.place, None, "branch 4")
        assert "already" in await told(bot, "/branch switch branch 4"), "the newest of two"


async def test_branches_that_are_not_there() -> None:
    async with talk(ONE, TWO) as bot:
        assert "nothing was said on it yet" in await told(bot, "/branch list")
        await bot.says("Count.")
        assert "`/branch list` shows all" in await told(bot, "/branch switch elsewhere")
        assert "Did you mean “main”?" in await told(bot, "/branch switch mian")
        assert "already" in await told(bot, "/branch switch main")
        assert "the one we are on" in await told(bot, "/branch delete main")
        assert "not so many branches" in await told(bot, "/branch list 9")
        await bot.says("Hi.", place=replace(bot.place, channel="other"))
        await bot.presses("switch", "999", message="1")
        assert "That branch is gone" in bot.adapter.messages[-1].text


@pytest.mark.parametrize("name", ["99", "0", "p1", "#7", "hello there", "https://x.example/1/2/3", "9" * 40, "../.."])
async def test_messages_that_are_not_there(name: str) -> None:
    async with talk(ONE) as bot:
        await bot.says("Count.")
        for line in ("/branch from", "/regenerate", "/memory pin", "/memory forget"):
            assert (await told(bot, f"{line} {name}")).startswith("⚠️")
        assert len(await bot.app.store.branches.all(bot.place)) == 1


async def test_what_was_deleted_or_said_elsewhere_is_nothing_to_go_on_from() -> None:
    elsewhere = Place("fake", "workspace", "elsewhere")
    async with talk("Secret.", ONE) as bot:
        await bot.says("A secret!", place=elsewhere)
        secret = bot.last.id
        mine = await bot.says("Count.")
        await bot.deletes(mine)
        assert "forgotten already" in await told(bot, f"/branch from {mine.id}")
        for line in ("/branch from", "/memory pin", "/memory forget", "/regenerate"):
            assert "I do not remember that message" in await told(bot, f"{line} {secret}")
        assert "Secret." not in await told(bot, "/history")


async def test_who_may_switch() -> None:
    async with talk(ONE) as bot:
        await bot.says("Count.", user=BOB)
        for line in ("/branch new", "/branch from 1", "/branch switch main", "/branch delete main", "/branch rename x"):
            assert "Only moderators" in await told(bot, line, user=BOB)
        await bot.runs("/branch new idea")
        await bot.runs("/branch list", user=BOB)
        assert bot.last.buttons == ()
        await bot.runs("/branch list")
        await bot.presses("⑂ main", user=CARL)
        assert "whoever asked" in bot.shown_privately[-1]
        assert await active(bot) == "idea"


async def test_suggestions_show_the_newest_messages_and_survive_what_is_said_meanwhile() -> None:
    async with talk(ONE, TWO, THREE, "Four.") as bot:
        await bot.says("Count.", user=BOB)
        call = await bot.says("On.", user=BOB)
        context = await bot.app.turns.context_of(call, "conversation")
        suggested = await messages_here(context, "")
        assert suggested == ["1 · Me: Two.", "2 · Bob: On.", "3 · Me: One.", "4 · Bob: Count."]
        assert await messages_here(context, "coun") == ["4 · Bob: Count."]
        assert await branches_here(context, "") == ["main"]
        await bot.says("Meanwhile.", user=CARL)
        await bot.runs(f"/branch from {suggested[2]}")
        assert "from Me: “One.”" in bot.screen[-1]
        assert "gone on since then" in await told(bot, "/branch from 1 · Me: Nobody said that.")


async def test_a_long_list_has_pages() -> None:
    async with talk(ONE) as bot:
        await bot.says("Count.")
        for number in range(10):
            await bot.runs(f"/branch new idea {number}")
        listed = await told(bot, "/branch list")
        assert "11 branches:" in listed
        assert "`/branch list 2` shows more." in listed
        assert len(bot.last.buttons) == 7
        assert len(listed) < 2000
        assert "idea 9" in listed
        assert "**main**" in await told(bot, "/branch list 2")


async def test_a_branch_may_begin_with_nothing() -> None:
    async with talk(ONE, TWO, THREE) as bot:
        await bot.says("Count.")
        made = await told(bot, "/branch new --empty another matter")
        assert made == "⑂ We are on **another matter** now. `/branch switch main` goes back."
        await bot.says("Hello.")
        assert remembered(bot) == ["Hello."]
        await bot.runs("/branch switch main")
        await bot.says("On.")
        assert remembered(bot) == ["Count.", "One.", "On."]


# The buttons.


def buttons_of(message: ScreenMessage) -> list[str]:
    return [button.label for button in message.buttons]


async def test_the_buttons_follow_to_the_newest_answer_of_the_branch(tmp_path: Path) -> None:
    turning = ["🔄 Again", "◀", "2/2", "▶", "🗑 Forget"]
    async with talk(ONE, TWO, THREE, "Four.", folder=tmp_path) as bot:
        await bot.says("Count.", user=BOB)
        await bot.says("On.", user=BOB)
        await bot.presses("🔄 Again", user=BOB)
        main = bot.last
        assert (main.text, buttons_of(main)) == (THREE, turning)
        await bot.runs("/branch from 3")
        assert buttons_of(main) == [], "the talk left it"
        await bot.says("And on?", user=BOB)
        idea = bot.last
        assert buttons_of(idea) == ["🔄 Again", "🗑 Forget"]
        await bot.runs("/branch switch main")
        assert (buttons_of(main), buttons_of(idea)) == (turning, [])
        await bot.presses("◀", user=BOB)
        assert (main.text, buttons_of(main)[2]) == (TWO, "1/2")
        adapter = bot.adapter
    # As well after a restart, when nobody remembers where they stand.
    async with talk("Five.", folder=tmp_path, adapter=adapter) as bot:
        await bot.runs("/branch switch branch 2")
        assert (buttons_of(main), buttons_of(idea)) == ([], ["🔄 Again", "🗑 Forget"])
        await bot.runs("/rewind")
        first = bot.adapter.messages[1]
        assert (first.text, buttons_of(first), buttons_of(idea)) == (ONE, ["🔄 Again", "🗑 Forget"], [])
        await bot.runs("/branch switch main")
        await bot.says("Where are we?", user=BOB)
        assert remembered(bot) == ["Count.", ONE, "On.", TWO, "Where are we?"]
        assert [buttons_of(each) for each in (main, idea, first)] == [[], [], []]


async def test_what_other_branches_go_on_from_is_not_offered_to_be_turned_over() -> None:
    async with talk(ONE, TWO, THREE) as bot:
        await bot.says("Count.")
        await bot.presses("🔄 Again")
        shared = bot.last
        await bot.runs("/branch new idea")
        await bot.says("On.")
        await bot.runs("/branch switch main")
        assert (shared.text, buttons_of(shared)) == (TWO, ["🔄 Again", "🗑 Forget"])


async def test_where_no_buttons_are_wanted_none_follow() -> None:
    async with talk(ONE, TWO, settings={"answers": {"buttons": False}}) as bot:
        await bot.says("Count.")
        await bot.says("On.")
        await bot.runs("/branch from 3")
        await bot.runs("/branch switch main")
        assert [each for each in bot.adapter.messages if each.buttons] == []


# In the menu of a message.


async def test_the_menu_of_a_message_offers_all_of_it() -> None:
    async with talk(ONE, TWO, THREE) as bot:
        await bot.says("Count.", user=BOB)
        first = bot.last
        await bot.says("On.", user=BOB)
        await bot.runs("/branch_or_pin", target=target(first))
        assert bot.last.private
        assert bot.last.text == "Me: “One.”\nWhat shall I do?"
        assert bot.buttons == ["⑂ Branch from here", "🔄 Answer anew", "📌 Pin", "🗑 Forget"]
        await bot.presses("📌 Pin")
        assert bot.screen[-1] == "bot: 📌 Pinned: Me: “One.”"
        await bot.presses("⑂ Branch from here")
        assert "We go on from Me: “One.”" in bot.screen[-1]
        await bot.presses("🔄 Answer anew")
        assert bot.screen[-1].startswith("bot: Three.\n[This is a branch")
        await bot.presses("drop")
        assert "Forgotten: Me: “One.”" in bot.adapter.messages[-1].text
        await bot.presses("fork", "1e5", message="1")
        assert "forgotten already" in bot.adapter.messages[-1].text


async def test_the_menu_offers_what_somebody_may() -> None:
    async with talk(ONE) as bot:
        asked = await bot.says("Count.", user=BOB)
        await bot.runs("/branch_or_pin", user=BOB, target=target(bot.adapter.find(asked.id)))
        assert bot.buttons == ["🔄 Answer anew", "🗑 Forget"]
        await bot.presses("fork", "1", message="1", user=BOB)
        assert "Only moderators may switch" in bot.adapter.messages[-1].text
        await bot.runs("/branch_or_pin", user=CARL, target=replace(target(bot.last), id="123"))
        assert "I do not remember this message" in bot.shown_privately[-1]
        assert "menu of the message" in await told(bot, "/branch_or_pin")


# At the same time, after a restart, in a thread, after everything was cleared.


async def test_an_answer_goes_where_it_was_begun() -> None:
    async with talk(ONE, Say("Two", hang=True), THREE, "Four.") as bot:
        await bot.says("Count.")
        await bot.runs("/branch new idea")
        main, _ = await bot.app.store.branches.all(bot.place)
        await bot.says("On.", wait=False)
        await bot.until("Two")
        # Not by a command, which would wait: as another process does it.
        await bot.app.store.branches.switch(bot.place, main.id)
        await bot.presses("⏹ Stop")
        await bot.says("Where are we?")
        assert remembered(bot) == ["Count.", "One.", "Where are we?"]
        await bot.runs("/branch switch idea")
        await bot.says("And here?")
        assert remembered(bot)[:4] == ["Count.", "One.", "On.", "Two"]


async def test_a_press_waits_for_the_answer_that_is_written() -> None:
    async with talk(ONE, Say("Two", hang=True), THREE) as bot:
        await bot.says("Count.")
        await bot.runs("/branch new idea")
        await bot.runs("/branch list")
        await bot.says("On.", wait=False)
        await bot.until("Two")
        await bot.presses("⑂ main", wait=False)
        await asyncio.sleep(0)
        assert await active(bot) == "idea"
        await bot.presses("⏹ Stop")
        await bot.idle()
        assert await active(bot) == "main"
        await bot.says("Hm?")
        assert remembered(bot) == ["Count.", "One.", "Hm?"]


async def test_an_answer_to_a_branch_that_was_deleted_is_not_remembered() -> None:
    async with talk(ONE, Say("Two", hang=True), THREE) as bot:
        await bot.says("Count.")
        await bot.runs("/branch new idea")
        main, idea = await bot.app.store.branches.all(bot.place)
        await bot.says("On.", wait=False)
        await bot.until("Two")
        await bot.app.store.branches.switch(bot.place, main.id)
        await bot.app.store.branches.delete(bot.place, idea.id)
        await bot.presses("⏹ Stop")
        assert "Two" not in str(await bot.app.store.tree(bot.place))
        await bot.says("Hm?")
        assert remembered(bot) == ["Count.", "One.", "Hm?"]


async def test_an_answer_that_a_crash_cut_goes_where_its_question_is(tmp_path: Path) -> None:
    async with talk(ONE, folder=tmp_path) as bot:
        asked = await bot.says("Count.")
        adapter, place = bot.adapter, bot.place
        await bot.runs("/branch new idea")
    question = replace(asked, id=adapter.next_id(), text="On.")
    adapter.messages.append(ScreenMessage(question.id, "Ann", "On.", own=False, event=question))
    die(Crash(tmp_path / "test.db", question, "Tw"))
    async with talk("o.", THREE, folder=tmp_path, adapter=adapter) as bot:
        await bot.app.store.branches.switch(place, (await bot.app.store.branches.all(place))[0].id)
        await bot.comes_online()
        assert "bot: Two." in bot.screen
        await bot.says("Where?")
        assert remembered(bot) == ["Count.", "One.", "Where?"]
        await bot.runs("/branch switch idea")
        assert "Two." in await told(bot, "/history")


async def test_branches_outlive_a_restart(tmp_path: Path) -> None:
    async with talk(ONE, folder=tmp_path) as bot:
        await bot.says("Count.")
        await bot.runs("/branch new idea")
        await bot.runs("/branch list")
        adapter = bot.adapter
    async with talk(TWO, THREE, folder=tmp_path, adapter=adapter) as bot:
        assert await active(bot) == "idea"
        await bot.says("On.")
        await bot.presses("⑂ main")
        await bot.says("Hm?")
        assert remembered(bot) == ["Count.", "One.", "Hm?"]


async def test_a_thread_has_branches_of_its_own() -> None:
    async with talk(ONE, TWO, THREE, "Four.", "Five.") as bot:
        await bot.says("Count.")
        await bot.says("On.")
        thread = replace(bot.place, thread=bot.last.id)
        await bot.says("In here?", place=thread)
        assert "from Me: “One.”" in await told(bot, "/branch from 5", place=thread)
        await bot.says("From there?", place=thread)
        assert remembered(bot) == ["Count.", "One.", "From there?"]
        assert [each.name for each in await bot.app.store.branches.all(bot.place)] == ["main"]
        assert "`/branch list` shows all" in await told(bot, "/branch switch branch 2")
        await bot.runs("/branch switch main", place=thread)
        # What the channel said is answered anew in the thread, and stays as it is in the channel.
        await bot.runs("/regenerate 4", place=thread)
        assert bot.screen[-1].startswith("bot: Five.\n[This is a branch")
        assert "Two." in await told(bot, "/history")
        assert "forgotten there" in await told(bot, "/memory forget 2", place=thread)


async def test_nothing_of_what_was_cleared_can_be_switched_to() -> None:
    async with talk("The word is swordfish.", TWO, THREE) as bot:
        await bot.says("What is the word?")
        shown = bot.last
        await bot.runs("/clear")
        assert "swordfish" not in await told(bot, "/branch list")
        assert "1 branch:" in bot.last.text
        await bot.runs("/branch new idea")
        await bot.says("Hello.")
        await bot.runs("/branch switch main")
        assert "swordfish" not in await told(bot, "/branch list")
        await bot.says("Still?")
        assert all("swordfish" not in str(prompt.messages) for prompt in bot.model.prompts[1:])
        await bot.presses("+again", "1", message=shown.id)
        assert "no longer remember" in bot.shown_privately[-1]


async def test_branches_speak_german() -> None:
    async with talk(ONE) as bot:
        await bot.says("Count.")
        await bot.runs("/branch new", locale="de")
        assert bot.screen[-1] == (
            "bot: ⑂ Wir machen weiter ab Ich: „One.“, auf **Zweig 2**. `/branch switch Hauptzweig` führt zurück."
        )
        await bot.runs("/branch list", locale="de")
        assert "● **Zweig 2** · hier sind wir" in bot.last.text
