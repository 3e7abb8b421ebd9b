"""What people can do to an answer afterwards, with the buttons under it or by changing their own messages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bot.api import ButtonPressed, Capabilities, Place, Prompt, Route, SystemClock, User
from bot.errors import WrongKey
from bot.model.scripted import Say, Scripted
from bot.testing.adapter import ScreenMessage
from bot.testing.bot import BOB, TestBot
from plugins.commands import plugin as commands
from tests.conversations.crashed import ANN, Crash, die, question

CARL = User("u-carl", "Carl")


class Hasty(SystemClock):
    """Waits are over at once."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 1000)


def remembered(bot: TestBot) -> list[str]:
    """What the model was given of the talk at its last call."""
    return [message.text for message in bot.model.prompts[-1].messages if message.role in ("user", "assistant")]


async def test_an_answer_can_be_had_again_and_the_variants_turned_over() -> None:
    async with TestBot(["One.", "Two.", "Three.", "Four."]) as bot:
        await bot.says("Count.", user=BOB)
        assert bot.buttons == ["🔄 Again", "🗑 Forget"]
        await bot.presses("🔄 Again", user=BOB)
        assert bot.screen == ["Bob: Count.", "bot: Two."]
        assert bot.buttons == ["🔄 Again", "◀", "2/2", "▶", "🗑 Forget"]
        assert remembered(bot)[-1].endswith("Count.")
        await bot.presses("🔄 Again", user=BOB)
        assert bot.buttons[2] == "3/3"
        await bot.presses("◀", user=BOB)
        await bot.presses("◀", user=BOB)
        assert bot.screen == ["Bob: Count.", "bot: One."]
        assert bot.buttons[2] == "1/3"
        await bot.says("And on?", user=BOB)
        assert "One." in remembered(bot)
        assert "Two." not in remembered(bot)


async def test_what_was_said_meanwhile_stays_when_an_answer_is_had_again() -> None:
    async with TestBot(["One.", "Two.", "Sure."]) as bot:
        await bot.says("Count.")
        await bot.says("Nice weather.", user=BOB, addressed=False)
        await bot.presses("+again")
        assert bot.screen == ["Ann: Count.", "bot: Two.", "Bob: Nice weather."]
        assert "Nice weather." not in str(remembered(bot))
        await bot.says("Is it?")
        said = remembered(bot)
        assert said.index("Two.") < next(at for at, text in enumerate(said) if "Nice weather." in text)


async def test_buttons_stand_under_the_newest_answer_alone() -> None:
    async with TestBot(["One.", "Two."]) as bot:
        await bot.says("Count.")
        await bot.says("On.")
        own = [message for message in bot.adapter.messages if message.own]
        assert [bool(message.buttons) for message in own] == [False, True]


async def test_only_the_asker_and_moderators_may_press() -> None:
    async with TestBot(["One.", "Two."]) as bot:
        await bot.says("Count.", user=BOB)
        await bot.presses("🔄 Again", user=CARL)
        assert bot.shown_privately == ["⚠️ This button is for whoever asked, and for moderators."]
        assert bot.screen == ["Bob: Count.", "bot: One."]
        await bot.presses("🔄 Again")
        assert bot.screen == ["Bob: Count.", "bot: Two."]
        await bot.presses("🗑 Forget", user=BOB)
        assert bot.screen[-1].startswith("bot: Two.\n[🗑 I have forgotten")


async def test_stop_ends_the_answer_and_continue_goes_on() -> None:
    async with TestBot([Say("Once upon a time", hang=True), " there was a fox."]) as bot:
        await bot.says("A story!", user=BOB, wait=False)
        await bot.until("Once upon a time")
        assert bot.buttons == ["⏹ Stop"]
        await bot.presses("⏹ Stop", user=BOB)
        assert bot.buttons == ["⏩ Continue", "🔄 Again", "🗑 Forget"]
        await bot.presses("⏩ Continue", user=BOB)
        assert bot.screen == ["Bob: A story!", "bot: Once upon a time there was a fox."]
        assert bot.buttons == ["🔄 Again", "🗑 Forget"]
        bot.model.will_say("A red one.")
        await bot.says("Which?", user=BOB)
        assert "Once upon a time there was a fox." in remembered(bot)


async def test_stop_without_anything_to_stop_says_so_and_goes() -> None:
    async with TestBot(["One."]) as bot:
        await bot.says("Count.")
        await bot.presses("+stop", message=bot.last.id)
        assert bot.shown_privately == ["⚠️ There is nothing to stop any more."]
        assert bot.buttons == []


async def test_what_is_forgotten_never_comes_back() -> None:
    async with TestBot(["The key is under the mat.", "Under the stone.", "What key?"]) as bot:
        await bot.says("Where is the key?")
        await bot.presses("+again")
        await bot.presses("+forget")
        assert bot.buttons == []
        await bot.says("And the key?")
        assert remembered(bot) == [remembered(bot)[-1]]
        await bot.presses("+again", "1", message=bot.adapter.messages[1].id)
        assert "no longer remember" in bot.shown_privately[-1]


async def test_what_is_forgotten_already_need_not_be_asked_again() -> None:
    async with TestBot(["Under the mat."]) as bot:
        await bot.says("Where is the key?")
        await bot.presses("+forget")
        await bot.presses("+forget", "1", message=bot.adapter.messages[1].id)
        assert bot.shown_privately == ["⚠️ I no longer remember this answer."]


async def test_a_new_answer_without_a_word_leaves_the_old_one() -> None:
    async with TestBot(["One.", Say(reason="filtered"), Say(notice="Not today."), "Two."]) as bot:
        await bot.says("Count.")
        await bot.presses("+again")
        await bot.presses("+again")
        assert bot.screen == ["Ann: Count.", "bot: One."]
        assert bot.buttons == ["🔄 Again", "🗑 Forget"]
        assert "provider filtered my answer" in bot.shown_privately[0]
        assert bot.shown_privately[1] == "⚠️ Not today."
        await bot.presses("+again")
        assert bot.screen == ["Ann: Count.", "bot: Two."]
        assert remembered(bot)[-1].endswith("Count.")


async def test_a_new_answer_can_be_stopped_before_its_first_word() -> None:
    asked_again = asyncio.Event()

    def answer(prompt: Prompt) -> Say:
        if len(model.prompts) < 2:
            return Say("One.")
        asked_again.set()
        return Say(hang=True)

    model = Scripted(answer)
    async with TestBot(model, plugins=[commands]) as bot:
        await bot.says("Count.")
        await bot.presses("+again", wait=False)
        await asked_again.wait()
        await bot.runs("/stop")
        assert bot.screen == ["Ann: Count.", "bot: One.", "bot: Stopped. What I had said so far stays."]
        assert bot.shown_privately == ["⚠️ I was stopped before my first word, so everything stays as it was."]
        assert bot.buttons == ["🔄 Again", "🗑 Forget"]


async def test_an_answer_that_went_no_further_can_still_be_gone_on_with() -> None:
    async with TestBot(
        [Say("Once upon", reason="length"), Say(notice="Not now.", reason="filtered"), " a time."]
    ) as bot:
        await bot.says("A story!")
        await bot.presses("+continue")
        assert bot.screen == ["Ann: A story!", "bot: Once upon\n[length]"]
        await bot.presses("+continue")
        assert bot.screen == ["Ann: A story!", "bot: Once upon a time."]


async def test_nothing_of_what_was_cleared_comes_back() -> None:
    async with TestBot(["Noted.", "Two.", "No.", "What word?"], plugins=[commands]) as bot:
        told = await bot.says("The word is swordfish.")
        counted = await bot.says("Count.")
        await bot.runs("/clear")
        await bot.presses("+again")
        assert "I no longer remember this question" in bot.shown_privately[-1]
        await bot.edits(counted, "Count to three.")
        assert bot.buttons == []
        await bot.says("Do you know the word?", place=replace(bot.place, thread=told.id))
        await bot.says("And here?")
        assert len(bot.model.prompts) == 4
        assert all("swordfish" not in str(prompt.messages) for prompt in bot.model.prompts[2:])


async def test_a_question_of_several_messages_is_forgotten_whole() -> None:
    settings = {"answers": {"busy": "merge", "merge_wait": 0.05}}
    async with TestBot(["Under the mat.", "What key?"], settings=settings) as bot:
        await bot.says("I like cats.", addressed=False)
        await bot.says("The key is under the mat.", wait=False)
        await bot.says("Where is it?")
        await bot.presses("+forget")
        await bot.says("And?")
        assert "I like cats." in remembered(bot)
        assert "mat" not in str(remembered(bot))


async def test_what_was_cleared_can_still_be_forgotten_for_good() -> None:
    async with TestBot(["Noted."], plugins=[commands]) as bot:
        await bot.says("The word is swordfish.")
        await bot.runs("/clear")
        await bot.presses("+forget")
        assert "swordfish" not in str(await bot.app.store.tree(bot.place))


async def test_what_others_say_meanwhile_does_not_become_the_question() -> None:
    async with TestBot([Say("Once upon", hang=True), "Two.", "Three.", "Four."]) as bot:
        story = await bot.says("A story!", user=BOB, wait=False)
        await bot.until("Once upon")
        await bot.says("Nice weather.", user=CARL, addressed=False, wait=False)
        while await bot.app.store.count(bot.place) < 2:
            await asyncio.to_thread(lambda: None)
        await bot.presses("⏹ Stop", user=BOB)
        await bot.presses("🔄 Again", user=BOB)
        await bot.presses("◀", user=BOB)
        assert bot.screen[1] == "bot: Once upon"
        await bot.presses("🔄 Again", user=CARL)
        assert bot.shown_privately == ["⚠️ This button is for whoever asked, and for moderators."]
        await bot.presses("🔄 Again", user=BOB)
        assert remembered(bot)[-1].endswith("A story!")
        bot.app.turns.last_buttons.take(bot.place)  # as after a restart
        await bot.edits(story, "A joke!")
        assert "🔄 Answer the new question" in bot.buttons


async def test_an_answer_can_be_forgotten_when_its_question_was_deleted() -> None:
    async with TestBot(["Your key is under the mat.", "What key?"]) as bot:
        asked = await bot.says("My key is under the mat.")
        await bot.deletes(asked)
        await bot.presses("🗑 Forget")
        assert "forgotten" in bot.last.text
        await bot.says("Where is my key?")
        assert "mat" not in str(remembered(bot))


async def test_a_failed_answer_can_be_tried_again() -> None:
    async with TestBot([WrongKey("no"), WrongKey("no"), "Here I am."]) as bot:
        await bot.says("Hello?")
        assert bot.buttons == ["🔄 Again"]
        await bot.presses("🔄 Again")
        assert "API key" in bot.shown_privately[-1]
        await bot.presses("🔄 Again")
        assert bot.screen == ["Ann: Hello?", "bot: Here I am."]
        bot.model.will_say("Yes.")
        await bot.says("Really?")
        assert "Here I am." in remembered(bot)


async def test_a_variant_that_fails_leaves_what_was_there() -> None:
    async with TestBot(["One.", WrongKey("no")]) as bot:
        await bot.says("Count.")
        await bot.presses("+again")
        assert bot.screen == ["Ann: Count.", "bot: One."]
        assert "API key" in bot.shown_privately[-1]
        assert bot.buttons == ["🔄 Again", "🗑 Forget"]


async def test_an_edited_question_is_offered_a_new_answer() -> None:
    async with TestBot(["Paris.", "Rome."]) as bot:
        asked = await bot.says("Capital of France?", user=BOB)
        await bot.edits(asked, "Capital of Italy?")
        assert bot.buttons == ["🔄 Answer the new question", "🗑 Forget"]
        await bot.presses("🔄 Answer the new question", user=BOB)
        assert bot.screen == ["Bob: Capital of Italy?", "bot: Rome."]
        assert remembered(bot)[-1].endswith("Capital of Italy?")
        assert bot.buttons == ["🔄 Again", "◀", "2/2", "▶", "🗑 Forget"]


async def test_the_offer_is_made_after_a_restart_too(tmp_path: Path) -> None:
    async with TestBot(["Paris."], folder=tmp_path) as bot:
        asked = await bot.says("Capital of France?")
        adapter = bot.adapter
    async with TestBot(["Rome."], folder=tmp_path, adapter=adapter) as bot:
        await bot.edits(asked, "Capital of Italy?")
        assert "🔄 Answer the new question" in bot.buttons
        await bot.presses("+again")
        assert bot.screen == ["Ann: Capital of Italy?", "bot: Rome."]


async def test_buttons_work_after_a_restart(tmp_path: Path) -> None:
    async with TestBot(["One.", "Two."], folder=tmp_path) as bot:
        await bot.says("Count.")
        await bot.presses("+again")
        adapter = bot.adapter
    async with TestBot(["Three."], folder=tmp_path, adapter=adapter) as bot:
        await bot.presses("◀")
        assert bot.screen == ["Ann: Count.", "bot: One."]
        await bot.presses("+again")
        assert bot.screen == ["Ann: Count.", "bot: Three."]
        assert bot.buttons[2] == "3/3"


def pressing(place: Place) -> ButtonPressed:
    return ButtonPressed(id="b-1", user=ANN, route=Route(place), at=datetime.now(UTC), action="+again", message="")


async def test_a_variant_that_a_crash_cut_is_finished_in_its_messages(tmp_path: Path) -> None:
    async with TestBot(["One."], folder=tmp_path) as bot:
        await bot.says("Count.")
        adapter, place, shown = bot.adapter, bot.place, bot.last
    for said, then in (("", "Two."), ("Three", " and more.")):
        if said:
            shown.text = said
        die(Crash(tmp_path / "test.db", pressing(place), said, (shown.id,), taking="variant"))
        async with TestBot([then], folder=tmp_path, adapter=adapter) as bot:
            await bot.comes_online()
            assert bot.screen == ["Ann: Count.", f"bot: {said}{then}"]
            texts = [one.text for one in (await bot.app.store.path(place, max_tokens=1000)).messages]
            assert texts == ["Count.", f"{said}{then}"]
    assert bot.buttons == ["🔄 Again", "◀", "3/3", "▶", "🗑 Forget"]


async def test_a_variant_that_was_cut_long_ago_is_marked(tmp_path: Path) -> None:
    async with TestBot(["One."], folder=tmp_path) as bot:
        await bot.says("Count.")
        adapter, place, shown = bot.adapter, bot.place, bot.last
    shown.text = "Two"
    die(Crash(tmp_path / "test.db", pressing(place), "Two", (shown.id,), taking="variant"))
    settings = {"answers": {"resume_age": 0.001}}
    async with TestBot([" three."], folder=tmp_path, adapter=adapter, settings=settings) as bot:
        await bot.comes_online()
        assert bot.screen[-1].startswith("bot: Two\n[I was interrupted here.")
        await bot.presses("⏩ Continue")
        assert bot.screen[-1] == "bot: Two three."
        await bot.presses("◀")
        assert bot.screen[-1] == "bot: One."


async def test_what_another_process_left_is_taken_up_by_one_that_lives(tmp_path: Path) -> None:
    async with TestBot(["One.", " two."], folder=tmp_path, clock=Hasty()) as bot:
        await bot.says("Count.")
        asked = question(bot.adapter.next_id(), "On.")
        bot.adapter.messages.append(ScreenMessage(asked.id, "Ann", "On.", own=False, event=asked))
        die(Crash(tmp_path / "test.db", asked, "And"))
        await bot.until("And two.")
        await bot.idle()
        assert bot.screen == ["Ann: Count.", "bot: One.", "Ann: On.", "bot: And two."]


async def test_a_deleted_answer_is_forgotten() -> None:
    async with TestBot(["The key is under the mat.", "What key?"]) as bot:
        await bot.says("Where is the key?")
        await bot.deletes(bot.last)
        await bot.says("Where?")
        assert "mat" not in str(remembered(bot))


async def test_a_shorter_variant_leaves_no_empty_messages() -> None:
    offers = Capabilities(max_chars=40, edits=True, private=True, buttons=True)
    long = "A rather long answer of many words that needs more than a single message."
    async with TestBot([long, "Short."], capabilities=offers) as bot:
        await bot.says("Tell me.")
        assert len(bot.screen) > 2
        await bot.presses("+again")
        assert bot.screen == ["Ann: Tell me.", "bot: Short."]
        await bot.presses("◀")
        assert " ".join(line.removeprefix("bot: ").strip() for line in bot.screen[1:]) == long


async def test_two_presses_at_once_make_one_variant() -> None:
    model = Scripted(["One.", Say("Two", hang=True)])
    async with TestBot(model) as bot:
        await bot.says("Count.")
        again = next(each for each in bot.last.buttons if each.action == "+again")
        await bot.presses(again, wait=False)
        await bot.until("Two")
        await bot.presses("+again", *again.args, message=bot.last.id, wait=False)
        async with bot.adapter.grew:
            await bot.adapter.grew.wait_for(lambda: bool(bot.shown_privately))
        assert bot.shown_privately == ["⚠️ I am at it already."]
        await bot.presses("⏹ Stop")
        assert len(model.prompts) == 2


async def test_a_button_of_another_conversation_reaches_nothing_here() -> None:
    elsewhere = Place("fake", "workspace", "elsewhere")
    async with TestBot(["Secret.", "Public."]) as bot:
        await bot.says("Tell me the secret.", place=elsewhere)
        again = next(each for each in bot.last.buttons if each.action == "+again")
        await bot.says("Hello.")
        await bot.presses("+again", *again.args, message=bot.last.id)
        assert "no longer remember" in bot.shown_privately[-1]


async def test_buttons_can_be_switched_off() -> None:
    async with TestBot(["One."], settings={"answers": {"buttons": False}}) as bot:
        await bot.says("Count.")
        assert bot.buttons == []


async def test_a_thread_goes_on_from_its_channel() -> None:
    async with TestBot(["Bees dance.", "They do.", "Hm."]) as bot:
        await bot.says("Tell me of bees.")
        thread = replace(bot.place, thread=bot.last.id)
        await bot.says("Why?", place=thread)
        assert "Bees dance." in remembered(bot)
        await bot.says("Anything else?")
        assert "They do." not in remembered(bot)
