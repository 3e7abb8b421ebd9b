"""When the bot speaks, and what becomes of a question while it answers another one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.api import Capabilities, Context, DeliveryRefused, Message, Place, Plugin, Reply, Route, User
from bot.errors import ConfigError
from bot.manners import thread_name
from bot.merging import MOST_MERGED
from bot.model.scripted import Say, Scripted
from bot.settings import Settings
from bot.store import Draft
from bot.testing.adapter import FakeAdapter, ScreenMessage
from bot.testing.bot import ANN, BOB, TestBot
from bot.testing.hand_clock import HandClock
from bot.turn import Prompt
from tests.conversations.crashed import PLACE, Crash, die, question

CHANNEL = Capabilities(max_chars=2000, edits=True, private=True, threads=True)
R2D2 = User("u-r2d2", "R2D2", is_bot=True)


def speaking(**answers: object) -> Mapping[str, Any]:
    return {"answers": answers}


def settable() -> Plugin:
    plugin = Plugin("rules", "Changes the settings of a place.")

    @plugin.command(immediate=True)
    async def rule(ctx: Context, name: str, value: str) -> str:
        """Set something."""
        await ctx.conversation.change(**{name: None if value == "default" else value})
        return "Done."

    return plugin


async def texts(bot: TestBot, place: Place | None = None) -> list[str]:
    return [message.text for message in (await bot.app.store.path(place or bot.place, max_tokens=9000)).messages]


# When to speak


async def test_where_it_always_speaks_every_message_of_a_person_is_answered() -> None:
    async with TestBot(["Hello!"], settings=speaking(speak="always")) as bot:
        await bot.says("hi all", addressed=False)
        assert bot.screen == ["Ann: hi all", "bot: Hello!"]


async def test_where_it_always_speaks_what_is_for_somebody_else_is_only_remembered() -> None:
    async with TestBot(["Hello!", "It is."], settings=speaking(speak="always")) as bot:
        first = await bot.says("hi all", addressed=False)
        answer = bot.last.id
        to_bob = replace(await message(bot, "Bob, look"), mentions=(BOB,))
        await bot.hears(to_bob)
        await bot.says("what do you mean?", user=BOB, addressed=False, in_reply_to=first.id)
        await bot.says("I do not know that message", user=BOB, addressed=False, in_reply_to="999")
        assert bot.screen[2:] == ["Ann: Bob, look", "Bob: what do you mean?", "Bob: I do not know that message"]
        await bot.says("is it noon?", user=BOB, addressed=False, in_reply_to=answer)
        assert bot.screen[-1] == "bot: It is."
        assert "Bob, look" in await texts(bot)


async def message(bot: TestBot, text: str, user: User = ANN) -> Message:
    id = bot.adapter.next_id()
    route = Route(bot.place, {"message": id})
    return Message(id=id, user=user, route=route, at=bot.clock.now(), text=text, addressed=False)


async def test_where_it_never_speaks_nothing_is_kept_but_commands_work() -> None:
    heard = []
    plugin = settable()

    @plugin.on(Message)
    async def listen(ctx: Context) -> None:
        heard.append(ctx.event.id)

    async with TestBot(["Hello!"], plugins=[plugin], settings=speaking(speak="never")) as bot:
        await bot.says("can you hear me?")
        await bot.says("secret plans", user=BOB, addressed=False)
        assert bot.screen == ["Ann: can you hear me?", "Bob: secret plans"]
        assert (await texts(bot), heard) == ([], [])
        await bot.runs("/rule speak mention")
        await bot.says("and now?")
        assert bot.screen[-2:] == ["Ann: and now?", "bot: Hello!"]


async def test_a_direct_message_is_always_answered() -> None:
    direct = replace(CHANNEL, direct=True)
    async with TestBot(["Here I am."], settings=speaking(speak="never"), capabilities=direct) as bot:
        await bot.says("hi")
        assert bot.screen[-1] == "bot: Here I am."


async def test_a_places_own_setting_goes_before_its_channels_and_that_before_the_file() -> None:
    here, thread = "fake:workspace/channel", Place("fake", "workspace", "channel", "t1")
    settings = speaking(speak="never", places={here: {"speak": "always"}})
    async with TestBot(["One.", "Two.", "Three."], plugins=[settable()], settings=settings) as bot:
        await bot.says("elsewhere", place=Place("fake", "workspace", "other"))
        await bot.says("a", addressed=False)
        await bot.says("b", addressed=False, place=thread)
        await bot.runs("/rule speak mention")
        await bot.says("c", addressed=False)
        await bot.says("d", addressed=False, place=thread)
        await bot.runs("/rule speak always", place=thread)
        await bot.says("e", addressed=False, place=thread)
        said = [line for line in bot.screen if line != "bot: Done."]
        assert said == [
            "Ann: elsewhere",
            *("Ann: a", "bot: One.", "Ann: b", "bot: Two."),
            *("Ann: c", "Ann: d", "Ann: e", "bot: Three."),
        ]


async def test_a_place_in_the_settings_must_be_one() -> None:
    with pytest.raises(ConfigError, match="'general' is not a place, as discord:SERVER/CHANNEL is"):
        Settings.load(environment={"DUOLOGUE_ANSWERS__PLACES": '{"general": {"speak": "never"}}'}, folder=Path("/none"))


async def test_an_old_message_that_nobody_addressed_to_it_is_not_answered_after_an_outage(tmp_path: Path) -> None:
    clock = HandClock()
    async with TestBot(["Too late."], settings=speaking(speak="always"), clock=clock) as bot:
        late = await message(bot, "anybody here?")
        clock.passes(3600)
        await bot.hears(late)
        assert bot.screen == ["Ann: anybody here?"]


async def test_a_thread_follows_its_channel_also_when_that_changes() -> None:
    thread = Place("fake", "workspace", "channel", "t1")
    async with TestBot(["One.", "Two."], plugins=[settable()]) as bot:
        await bot.runs("/rule speak always")
        await bot.says("a", place=thread, addressed=False)
        assert bot.last.text == "One."
        await bot.runs("/rule speak never")
        await bot.says("b", place=thread)
        assert bot.screen[-1] == "Ann: b"


# Threads


async def test_a_question_gets_a_thread_of_its_own_in_which_nobody_need_be_mentioned() -> None:
    model = Scripted(["Mix flour and eggs.", "About 180 °C."])
    async with TestBot(model, settings=speaking(speak="thread"), capabilities=CHANNEL) as bot:
        asked = await bot.says("How do I bake a cake?\nI have flour.")
        thread = replace(bot.place, thread=asked.id)
        assert bot.adapter.threads == {thread: "How do I bake a cake?"}
        assert (bot.last.place, bot.last.text) == (thread, "Mix flour and eggs.")
        await bot.says("How hot?", place=thread, addressed=False)
        assert bot.last.text == "About 180 °C."
        assert [line.text for line in model.prompts[-1].messages][1:3] == [asked.text, "Mix flour and eggs."]
        await bot.says("just chatting", addressed=False)
        assert len(model.turns) == 2
        await bot.hears(asked)
        assert len(model.turns) == 2


async def test_where_no_thread_can_be_opened_the_channel_gets_the_answer() -> None:
    async with TestBot(["Here."], settings=speaking(speak="thread"), capabilities=CHANNEL) as bot:
        bot.adapter.offers = replace(CHANNEL, threads=False)
        await bot.says("hi")
        assert (bot.last.place, bot.last.text) == (bot.place, "Here.")


class NoThreads(FakeAdapter):
    async def open_thread(self, route: Route, name: str) -> Route:
        raise DeliveryRefused("missing permission")


async def test_where_a_thread_is_refused_the_channel_gets_the_answer() -> None:
    adapter = NoThreads(capabilities=CHANNEL)
    async with TestBot(["Here."], settings=speaking(speak="thread"), adapter=adapter) as bot:
        await bot.says("hi")
        assert (bot.last.place, bot.last.text) == (bot.place, "Here.")


async def test_a_question_that_moved_into_a_thread_is_forgotten_when_it_is_deleted_in_the_channel() -> None:
    async with TestBot(["A secret, you say."], settings=speaking(speak="thread"), capabilities=CHANNEL) as bot:
        asked = await bot.says("My secret is blue.")
        thread = replace(bot.place, thread=asked.id)
        await bot.edits(asked, "My secret is red.")
        assert "My secret is red." in await texts(bot, thread)
        await bot.deletes(asked)
        assert not any("secret is" in text for text in await texts(bot, thread))


@pytest.mark.parametrize("done", ["nothing", "opened", "claimed", "answered"])
async def test_a_crash_on_the_way_into_a_thread_leads_to_one_answer(tmp_path: Path, done: str) -> None:
    adapter = FakeAdapter(capabilities=CHANNEL)
    asked = question(adapter.next_id(), "How do I bake a cake?")
    adapter.messages.append(ScreenMessage(asked.id, "Ann", asked.text, own=False, event=asked, place=PLACE))
    thread = replace(PLACE, thread=asked.id)
    moved = replace(asked, route=Route(thread, asked.route.data))
    die(Crash(tmp_path / "test.db", asked))
    if done != "nothing":
        adapter.threads[thread] = "How do I bake a cake?"
    if done == "claimed":
        die(Crash(tmp_path / "test.db", moved))
    if done == "answered":
        die(Crash(tmp_path / "test.db", moved, "Mix flour and eggs.", (), True))
    answers = [] if done == "answered" else ["Mix flour and eggs."]
    async with TestBot(answers, folder=tmp_path, adapter=adapter, settings=speaking(speak="thread")) as bot:
        await bot.comes_online()
        await bot.comes_online()
        assert bot.screen == ["Ann: How do I bake a cake?", "bot: Mix flour and eggs."]
        assert bot.last.place == thread
        assert bot.adapter.threads == {thread: "How do I bake a cake?"}
        assert await bot.app.store.left_behind("fake") == ()


def test_a_thread_is_named_after_the_questions_first_line() -> None:
    assert thread_name("\n## How do I bake a cake?\n\nI have eggs.") == "How do I bake a cake?"
    long = thread_name("word " * 40)
    assert long.endswith("word…")
    assert len(long) <= 80
    assert len(thread_name("x" * 300)) == 80
    assert thread_name("** **") == "…"


# Merging


async def test_quick_messages_of_one_person_are_answered_together() -> None:
    clock, model = HandClock(), Scripted(["Nice to meet you, Ann."])
    async with TestBot(model, settings=speaking(busy="merge"), clock=clock) as bot:
        await bot.says("Hi", wait=False)
        clock.passes(1)
        await bot.says("I am Ann", wait=False)
        clock.passes(1)
        await bot.says("who are you?", wait=False)
        assert model.turns == []
        clock.passes(1.5)
        await bot.idle()
        assert bot.screen == ["Ann: Hi", "Ann: I am Ann", "Ann: who are you?", "bot: Nice to meet you, Ann."]
        assert await texts(bot) == ["Hi", "I am Ann", "who are you?", "Nice to meet you, Ann."]
        assert await bot.app.store.left_behind("fake") == ()


async def test_whoever_goes_on_writing_is_answered_all_the_same() -> None:
    clock, model = HandClock(), Scripted(["First.", "Second."])
    async with TestBot(model, settings=speaking(busy="merge"), clock=clock) as bot:
        for number in range(8):
            await bot.says(f"and {number}", wait=False)
            clock.passes(0.75)
        await bot.until("First.")
        assert next(each.text for each in model.prompts[0].messages if each.role == "user") == "and 0"


async def test_whoever_goes_on_need_not_mention_the_bot_again() -> None:
    clock, model = HandClock(), Scripted(["A basket."])
    async with TestBot(model, settings=speaking(busy="merge"), clock=clock) as bot:
        await bot.says("apples", wait=False)
        await bot.says("and plums", addressed=False, wait=False)
        await bot.says("what for?", user=BOB, addressed=False, wait=False)
        await bot.says("pears", wait=False)
        await bot.says("and three nuts", addressed=False, wait=False)
        clock.passes(1.5)
        await bot.idle()
        assert bot.screen[-1] == "bot: A basket."
        said = [text for text in await texts(bot) if text != "what for?"]
        assert said == ["apples", "and plums", "pears", "and three nuts", "A basket."]


async def test_other_people_are_not_merged() -> None:
    clock, model = HandClock(), Scripted(["To Ann.", "To Bob."])
    async with TestBot(model, settings=speaking(busy="merge"), clock=clock) as bot:
        await bot.says("a", wait=False)
        await bot.says("b", user=BOB, wait=False)
        clock.passes(1.5)
        await bot.idle()
        assert bot.screen[2:] == ["bot: To Ann.", "bot: To Bob."]


async def test_what_comes_while_it_answers_becomes_one_question() -> None:
    clock, model = HandClock(), Scripted([Say("Once upon", hang=True), "All three."])
    async with TestBot(model, settings=speaking(busy="merge"), clock=clock) as bot:
        await bot.says("A story!", wait=False)
        clock.passes(1.5)
        await bot.until("Once upon")
        for text in ("shorter", "with a fox"):
            await bot.says(text, wait=False)
            clock.passes(2)
        await asyncio.sleep(0)
        await bot.says("and a moon", wait=False)
        await bot.app.runner.stop(bot.place)
        clock.passes(2)
        await bot.idle()
        assert bot.screen[-1] == "bot: All three."
        assert (await texts(bot))[-4:] == ["shorter", "with a fox", "and a moon", "All three."]


async def test_a_message_that_waits_to_be_merged_can_be_edited_and_taken_back() -> None:
    clock, model = HandClock(), Scripted(["Tea it is.", "Never."])
    async with TestBot(model, settings=speaking(busy="merge"), clock=clock) as bot:
        first = await bot.says("Coffee, please", wait=False)
        second = await bot.says("with salt", wait=False)
        await bot.edits(first, "Tea, please", wait=False)
        await bot.deletes(second, wait=False)
        await settled(bot)
        clock.passes(1.5)
        await bot.idle()
        assert await texts(bot) == ["Tea, please", "Tea it is."]
        alone = await bot.says("oh, nothing", wait=False)
        await bot.deletes(alone, wait=False)
        await settled(bot)
        clock.passes(1.5)
        await bot.idle()
        assert len(model.turns) == 1
        assert await bot.app.store.left_behind("fake") == ()


async def settled(bot: TestBot) -> None:
    """Until only a question is left, which waits for the clock."""
    while len(tasks := bot.app.runner.tasks) > 1:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


async def test_messages_that_were_to_be_merged_are_answered_once_after_a_crash(tmp_path: Path) -> None:
    adapter, clock = FakeAdapter(), HandClock()
    for text in ("Hi", "who are you?"):
        asked = replace(question(adapter.next_id(), text), at=clock.now())
        adapter.messages.append(ScreenMessage(asked.id, "Ann", text, own=False, event=asked, place=PLACE))
        die(Crash(tmp_path / "test.db", asked))
    bot = TestBot(["I am Duologue."], folder=tmp_path, adapter=adapter, clock=clock, settings=speaking(busy="merge"))
    async with bot:
        online = asyncio.create_task(bot.comes_online())
        await clock.waits(1.5)
        await settled(bot)
        clock.passes(6)
        await online
        await bot.comes_online()
        assert bot.screen == ["Ann: Hi", "Ann: who are you?", "bot: I am Duologue."]
        assert await texts(bot) == ["Hi", "who are you?", "I am Duologue."]
        assert await bot.app.store.left_behind("fake") == ()


@pytest.mark.parametrize("step", ["remember", "done", "asked", "open_draft", "answered"])
async def test_wherever_a_merged_question_was_cut_off_it_is_answered_once(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, clock = FakeAdapter(), HandClock()
    settings = speaking(busy="merge")
    async with TestBot(["I am Duologue."], folder=tmp_path, adapter=adapter, clock=clock, settings=settings) as bot:
        reached = asyncio.Event()

        async def never(*_: Any, **__: Any) -> None:
            reached.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(bot.app.store, step, never)
        await bot.says("Hi", wait=False)
        await bot.says("who are you?", wait=False)
        clock.passes(1.5)
        await reached.wait()
    async with TestBot(["I am Duologue."], folder=tmp_path, adapter=adapter, clock=clock, settings=settings) as bot:
        online = asyncio.create_task(bot.comes_online())
        if step != "answered":  # else the answer stands there already
            await clock.waits(1.5)
            await settled(bot)
            clock.passes(6)
        await online
        answers = [line for line in bot.screen if line.startswith("bot:")]
        assert answers == ["bot: I am Duologue."]
        assert await texts(bot) == ["Hi", "who are you?", "I am Duologue."]
        assert await bot.app.store.left_behind("fake") == ()


async def test_merged_messages_go_into_one_thread() -> None:
    clock = HandClock()
    settings = speaking(busy="merge", speak="thread")
    async with TestBot(["Both."], settings=settings, capabilities=CHANNEL, clock=clock) as bot:
        await bot.says("One thing", wait=False)
        last = await bot.says("and another", wait=False)
        clock.passes(1.5)
        await bot.idle()
        thread = replace(bot.place, thread=last.id)
        assert await texts(bot, thread) == ["One thing", "and another", "Both."]
        assert await bot.app.store.left_behind("fake") == ()


# Interrupting


async def test_a_new_message_of_the_same_person_stops_the_answer_and_is_answered_at_once() -> None:
    model = Scripted([Say("It all began", hang=True), "Short version.", "Hello Bob."])
    async with TestBot(model, settings=speaking(busy="interrupt")) as bot:
        await bot.says("Tell me everything", wait=False)
        await bot.until("It all began")
        await bot.says("me too", user=BOB, wait=False)
        await bot.says("no, in short", wait=False)
        await bot.idle()
        assert bot.screen[1] == "bot: It all began\n[stopped]"
        assert bot.screen[-2:] == ["bot: Short version.", "bot: Hello Bob."]
        assert (await texts(bot))[:4] == ["Tell me everything", "It all began", "no, in short", "Short version."]


async def test_a_question_stopped_before_the_first_word_is_still_known() -> None:
    model = Scripted([Say(notice="I am thinking", hang=True), "Yes, both."])
    async with TestBot(model, settings=speaking(busy="interrupt")) as bot:
        await bot.says("Do you like tea?", wait=False)
        await bot.until("I am thinking")
        await bot.says("And coffee?")
        assert bot.last.text == "Yes, both."
        assert await texts(bot) == ["Do you like tea?", "And coffee?", "Yes, both."]


async def test_two_messages_in_one_moment_are_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(prompt: Prompt) -> Say:
        short = prompt.messages[-1].text.endswith("no, in short")
        return Say("Short version.") if short else Say("It all began", hang=True)

    model = Scripted(tell)
    async with TestBot(model, settings=speaking(busy="interrupt")) as bot:
        asked, go, store = asyncio.Event(), asyncio.Event(), bot.app.store
        open_draft = store.open_draft

        async def slowly(*given: Any, **more: Any) -> Draft:
            asked.set()
            await go.wait()
            return await open_draft(*given, **more)

        monkeypatch.setattr(store, "open_draft", slowly)
        await bot.says("Tell me everything", wait=False)
        await asked.wait()
        await bot.says("no, in short", wait=False)
        go.set()
        await bot.idle()
        assert bot.last.text == "Short version."
        # The first may be stopped before the model was asked at all.
        assert model.closed == len(model.turns) - 1
        assert [text for text in await texts(bot) if text.startswith(("Tell", "no,"))] == [
            "Tell me everything",
            "no, in short",
        ]


async def test_other_peoples_messages_do_not_stop_an_answer() -> None:
    model = Scripted([Say("It all began", hang=True), "Hello Bob."])
    async with TestBot(model, settings=speaking(busy="interrupt")) as bot:
        await bot.says("Tell me everything", wait=False)
        await bot.until("It all began")
        await bot.says("me too", user=BOB, wait=False)
        assert model.closed == 0
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert bot.screen[-1] == "bot: Hello Bob."


# Other bots


async def test_a_bot_gets_some_turns_until_a_person_speaks() -> None:
    words = ["one", "two fish", "three birds", "many words", "something else", "yet another"]
    async with TestBot([f"Answer {number}." for number in range(9)], settings=speaking(bot_turns=3)) as bot:
        for word in words:
            await bot.says(word, user=R2D2)
        assert sum("Answer" in line for line in bot.screen) == 3
        assert sum("quiet until a person speaks" in line for line in bot.screen) == 1
        assert "yet another" in await texts(bot)
        await bot.says("go on, you two", addressed=False)
        await bot.says("and then?", user=R2D2)
        assert bot.screen[-1] == "bot: Answer 3."


async def test_a_bot_that_repeats_itself_is_not_answered_again() -> None:
    loop = "I am sorry, I did not understand that. Please try again! (attempt {})"
    async with TestBot(["Pardon?"] * 5) as bot:
        for attempt in range(4):
            await bot.says(loop.format(attempt), user=R2D2)
        assert sum("Pardon?" in line for line in bot.screen) == 1
        assert sum("quiet until a person speaks" in line for line in bot.screen) == 1


async def test_bots_are_not_answered_where_it_always_speaks_unless_they_address_it() -> None:
    async with TestBot(["Beep."], settings=speaking(speak="always")) as bot:
        await bot.says("beep", user=R2D2, addressed=False)
        await bot.says("beep you", user=R2D2)
        assert bot.screen == ["R2D2: beep", "R2D2: beep you", "bot: Beep."]


# When it is done


async def test_whoever_waited_long_is_told_that_the_answer_is_ready() -> None:
    clock = HandClock()

    def thinks(prompt: Prompt) -> Say:
        if "think hard" in prompt.messages[-1].text:
            clock.passes(11)
            return Say("Slow.")
        return Say("Quick.")

    async with TestBot(Scripted(thinks), settings=speaking(ping_after=10), clock=clock) as bot:
        await bot.says("hi")
        assert bot.screen[-1] == "bot: Quick."
        await bot.says("think hard")
        assert bot.screen[-2:] == ["bot: Slow.", "bot: @Ann My answer is ready."]
        assert bot.last.reply is not None
        assert bot.last.reply.notify
        assert "My answer is ready." not in await texts(bot)


async def test_a_place_may_want_no_such_message() -> None:
    clock, plugin = HandClock(), Plugin("rules", "Switches it off.")

    @plugin.command(immediate=True)
    async def quiet(ctx: Context) -> None:
        """No pings."""
        await ctx.conversation.change(ping_after=0)

    def thinks(prompt: Prompt) -> Say:
        clock.passes(60)
        return Say("Slow.")

    bot = TestBot(Scripted(thinks), settings=speaking(ping_after=10), clock=clock, plugins=[plugin])
    async with bot:
        await bot.runs("/quiet")
        await bot.says("think hard")
        assert bot.screen[-1] == "bot: Slow."


async def test_nobody_is_told_of_an_answer_that_was_stopped() -> None:
    clock = HandClock()
    async with TestBot([Say("Thinking", hang=True)], settings=speaking(ping_after=10), clock=clock) as bot:
        await bot.says("think hard", wait=False)
        await bot.until("Thinking")
        clock.passes(60)
        await bot.app.runner.stop(bot.place)
        await bot.idle()
        assert bot.last.text == "Thinking\n[stopped]"


async def test_a_plugin_may_ask_for_what_a_place_is() -> None:
    plugin = Plugin("jokes", "Tells jokes.")

    @plugin.command()
    async def joke(ctx: Context) -> str | Reply:
        """A joke for everybody."""
        return "A coarse one." if ctx.capabilities.age_restricted else "A clean one."

    async with TestBot(plugins=[plugin]) as bot:
        await bot.runs("/joke")
        bot.adapter.offers = replace(bot.adapter.offers, age_restricted=True)
        await bot.runs("/joke")
        assert bot.screen == ["bot: A clean one.", "bot: A coarse one."]


async def test_an_edit_that_mentions_the_bot_asks_only_what_was_not_answered() -> None:
    async with TestBot(["One.", "Two."], settings={"answers": {"speak": "always"}}) as bot:
        asked = await bot.says("Count.", addressed=False)
        await bot.edits(asked, "@bot Count.", addressed=True)
        assert bot.screen == ["Ann: @bot Count.", "bot: One."]
        assert bot.buttons[0] == "🔄 Answer the new question"
        chat = await bot.says("Not you.", addressed=False, in_reply_to="somebody else's")
        await bot.edits(chat, "@bot You!", addressed=True)
        assert bot.screen[-1] == "bot: Two."


async def test_bots_that_write_on_in_their_message_are_answered_no_more_often() -> None:
    loud = User("u-loud", "Loud", is_bot=True)
    async with TestBot(["One.", "Two.", "Three."], settings={"answers": {"bot_turns": 1}}) as bot:
        for text in ("@bot Hello there", "@bot And something else"):
            message = await bot.says("…", user=loud, addressed=False)
            await bot.edits(message, text, addressed=True)
        assert [line for line in bot.screen if line.startswith("bot")] == [
            "bot: One.",
            "bot: I have talked enough with bots here and will be quiet until a person speaks.",
        ]


async def test_whoever_is_turned_away_is_told_each_time_it_was_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.engine.MOST_OF_ALL", 0)
    settings = {"answers": {"busy": "merge", "merge_wait": 0.01}}
    async with TestBot([Say("One", hang=True), Say("Two", hang=True)], settings=settings) as bot:
        for told, answer in enumerate(("One", "Two"), 1):
            await bot.says("A story!", wait=False)
            await bot.until(answer)
            for _ in range(3):
                await bot.says("And me?", user=BOB, wait=False)
            await bot.presses("⏹ Stop")
            turned_away = [text for text in bot.shown_privately if "So many questions wait here" in text]
            assert len(turned_away) == told


async def test_more_than_is_merged_at_once_can_still_be_changed_and_taken_back() -> None:
    async with TestBot(["One.", "Two."], settings={"answers": {"busy": "merge", "merge_wait": 0.3}}) as bot:
        said = [await bot.says(f"Part {number}", wait=False) for number in range(MOST_MERGED + 2)]
        await bot.edits(said[0], "The beginning", wait=False)
        await bot.deletes(said[1], wait=False)
        await bot.idle()
        asked = [message.text for message in bot.model.prompts[0].messages]
        assert asked[1:3] == ["The beginning", "Part 2"]
        assert await bot.app.store.left_behind("fake") == ()
