"""Shortcuts in the menus of messages on Slack: which message they are about, also where the bot reads nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from adapters.slack.adapter import SlackAdapter
from adapters.slack.drafts import MAX_METADATA, Carried
from adapters.slack.testing import FakeSlack, Interaction, Message, View
from bot.api import AnyEvent, Arg, Command, CommandCall, Context, FormSubmitted, Plugin, Reply, Route
from bot.api import Message as Heard
from bot.events import event_from_json, event_to_json
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.slack_bot import connected
from tests.loopback.slack_whole_bot import whole_slack_bot


class About(BaseModel):
    question: Annotated[str, Arg(max_length=200)] = Field("What do you think?", title="Your question")


def commands() -> list[Command]:
    plugin = Plugin("reader", "For tests")

    @plugin.command("read_this_aloud", target="message", private=True)
    async def read_aloud(ctx: Context) -> str:
        """Read this message aloud."""
        return ""

    @plugin.command("ask_about_this", target="message", form=About)
    async def ask_about(ctx: Context, form: About) -> None:
        """Ask me about this message."""

    return list(plugin.commands)


async def say_it(adapter: SlackAdapter, event: AnyEvent) -> None:
    if isinstance(event, CommandCall | FormSubmitted) and event.target is not None:
        private = isinstance(event, CommandCall)
        await adapter.send(event.route, Reply(f"It says: {event.target.text}", private=private))


async def asks_about(slack: FakeSlack, message: Message) -> View:
    return await opened(slack, await slack.uses("ask_about_this", message))


async def opened(slack: FakeSlack, used: Interaction) -> View:
    await slack.wait_until(lambda: used.view)
    assert used.view is not None
    return used.view


@pytest.mark.parametrize("receive", ["socket", "http"])
async def test_a_shortcut_brings_the_message_along(receive: str) -> None:
    async with FakeSlack() as slack, connected(slack, say_it, commands=commands(), receive=receive) as bot:
        message = await slack.says("*Tea* is hot, @Ada & all", author=slack.olga)
        used = await slack.uses("read_this_aloud", message)
        call = await bot.heard(CommandCall)
        assert (call.command, call.arguments, call.id) == ("read_this_aloud", {}, used.trigger_id)
        assert call.target is not None
        assert (call.target.id, call.target.author.id) == (message.ts, slack.olga.id)
        assert (call.target.author.name, call.target.text) == ("Olga", "**Tea** is hot, @Ada & all")
        assert (call.user.name, call.place.channel, call.place.thread) == ("Ada", slack.general.id, None)
        assert event_from_json(event_to_json(call)) == call
        await slack.wait_until(lambda: len(slack.answers(viewer=slack.ada)) == 1)
        assert slack.answers(viewer=slack.olga) == []
        assert used.acked


async def test_it_belongs_where_the_message_is_remembered() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        root = await slack.says("about tea")
        reply = await slack.says("with milk", thread=root)
        question = await slack.mentions("how hot?")
        for count, (message, thread) in enumerate([(root, None), (reply, root.ts), (question, question.ts)], 1):
            await slack.uses("read_this_aloud", message)
            assert (await bot.heard(CommandCall, count)).place.thread == thread


async def test_in_a_direct_talk_it_belongs_to_the_thread_that_a_message_has() -> None:
    async with FakeSlack(agent=True) as slack, connected(slack, commands=commands()) as bot:
        asked = await slack.says("how hot?", channel=slack.direct())
        event = await bot.heard(Heard)
        await bot.adapter.send(Route(replace(event.place, thread=None)), Reply("by myself"))
        (own,) = [each for each in slack.screen(slack.direct()) if each.author is slack.bot]
        await bot.adapter.send(event.route, Reply("very"))
        theirs = slack.channel("theirs", kind="im", with_bot=False)
        between = slack.messages.add(theirs, slack.olga, "between us")
        answer = slack.screen(thread=asked)[-1]
        for count, (message, thread) in enumerate(
            [(asked, asked.ts), (answer, asked.ts), (own, None), (between, None)]
        ):
            await slack.uses("read_this_aloud", message)
            call = await bot.heard(CommandCall, count + 1)
            assert (call.place.channel, call.place.thread) == (message.channel.id, thread)


async def test_answers_of_the_bot_and_messages_of_other_apps_are_read() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        question = await slack.mentions("hello")
        await bot.adapter.send((await bot.heard(Heard)).route, Reply("**bold** & `code`"))
        await slack.uses("read_this_aloud", slack.screen(thread=question)[-1])
        call = await bot.heard(CommandCall)
        assert call.target is not None
        assert (call.target.text, call.target.author.is_bot) == ("**bold** & `code`", True)
        other = await slack.says("the build failed", author=slack.account("CI", is_bot=True))
        await slack.uses("read_this_aloud", other)
        call = await bot.heard(CommandCall, 2)
        assert call.target is not None
        assert (call.target.text, call.target.author.is_bot) == ("the build failed", True)


async def test_files_of_the_message_come_along() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.uses("read_this_aloud", await slack.uploads("notes.txt", b"tea", "look"))
        call = await bot.heard(CommandCall)
        assert call.target is not None
        (file,) = call.target.attachments
        assert await bot.adapter.fetch(file, 100) == b"tea"


@pytest.mark.parametrize("kind", ["channel", "group"])
async def test_where_the_bot_is_no_member_the_message_is_known_and_answered_all_the_same(kind: Any) -> None:
    async with FakeSlack() as slack, connected(slack, say_it, commands=commands()) as bot:
        elsewhere = slack.channel("elsewhere", kind=kind, with_bot=False)
        message = await slack.says("a secret of ours", channel=elsewhere)
        await slack.uses("read_this_aloud", message)
        await slack.wait_until(lambda: slack.answers(elsewhere, viewer=slack.ada) == ["It says: a secret of ours"])
        assert (await bot.heard(CommandCall)).route.data["guest"] is True
        form = await asks_about(slack, message)
        await slack.submits(form)
        await slack.wait_until(lambda: slack.answers(elsewhere) == ["It says: a secret of ours"])


async def test_a_form_shows_what_it_is_about_and_brings_it_along() -> None:
    async with FakeSlack() as slack, connected(slack, say_it, commands=commands()) as bot:
        message = await slack.says("Tea is hot", author=slack.olga)
        form = await asks_about(slack, message)
        assert form.title == "Ask about this"
        assert form.blocks[0]["elements"][0] == {"type": "plain_text", "text": "Olga: Tea is hot"}
        await slack.submits(form, question="How hot?")
        event = await bot.heard(FormSubmitted)
        assert event.target is not None
        assert (event.values, event.target.id) == ({"question": "How hot?"}, message.ts)
        await slack.wait_until(lambda: slack.answers() == ["It says: Tea is hot"])


async def test_after_a_restart_a_short_message_is_still_known_and_a_long_one_read_again() -> None:
    async with FakeSlack() as slack:
        long = 'boil 🫖 "tea" ' * 400
        async with connected(slack, commands=commands()):
            forms = [await asks_about(slack, await slack.says(text, author=slack.olga)) for text in ("short", long)]
        assert all(len(form.body["private_metadata"]) <= MAX_METADATA for form in forms)
        async with connected(slack, commands=commands()) as bot:
            for count, (form, text) in enumerate(zip(forms, ("short", long), strict=True), 1):
                await slack.submits(form)
                target = (await bot.heard(FormSubmitted, count)).target
                assert target is not None
                assert (target.text, target.author.name) == (text.strip(), "Olga")


async def test_what_cannot_be_read_again_is_known_as_far_as_the_form_carried_it() -> None:
    async with FakeSlack() as slack:
        elsewhere = slack.channel("elsewhere", kind="group", with_bot=False)
        async with connected(slack, commands=commands()):
            form = await asks_about(slack, await slack.says("boil tea " * 500, channel=elsewhere))
        async with connected(slack, commands=commands()) as bot:
            await slack.submits(form)
            target = (await bot.heard(FormSubmitted)).target
            assert target is not None
            assert len(target.text) > 1000
            assert ("boil tea " * 500).startswith(target.text)


def test_what_a_form_carries_is_read_back_and_nothing_else() -> None:
    for text in ("", "x", "{}", "[]", '{"command": 1}', '{"command":"a","channel":"C","thread":"","data":[]}'):
        assert Carried.parse(text) is None


async def test_what_is_no_longer_there_is_told_to_whoever_used_it() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        used = await slack.uses("sing_this", await slack.says("la la"))
        await slack.wait_until(lambda: slack.answers(viewer=slack.ada) == ["⚠️ This command is no longer there."])
        assert used.acked
        assert bot.of(CommandCall) == []
        used = await slack.uses("read_this_aloud")  # without a message
        await slack.wait_until(lambda: used.acked)
        assert bot.of(CommandCall) == []


async def test_what_belongs_to_a_message_cannot_be_typed() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.runs("/duologue", "ask_about_this")
        call = await bot.heard(CommandCall)
        assert (call.command, call.target) == ("ask_about_this", None)
        assert slack.form() is None


async def test_who_is_denied_is_told_so_alone() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands(), deny_users=(slack.ada.id,)) as bot:
        await slack.uses("read_this_aloud", await slack.says("la la"))
        await slack.wait_until(lambda: slack.answers(viewer=slack.ada) == ["⚠️ I am not available here."])
        assert slack.answers(viewer=slack.olga) == []
        assert bot.of(CommandCall) == []


async def test_a_form_that_does_not_open_can_be_tried_again_also_after_a_restart() -> None:
    async with FakeSlack() as slack:
        async with connected(slack, commands=commands()):
            slack.fails("views.open", error="expired_trigger_id")
            await slack.uses("ask_about_this", await slack.says("Tea is hot", author=slack.olga))
            await slack.wait_until(lambda: slack.answers(viewer=slack.ada))
            (told,) = [each for each in slack.screen(viewer=slack.ada) if each.seen_by is slack.ada]
            assert told.seen.startswith("⚠️ I could not open the form. Please try again.")
        async with connected(slack, commands=commands()) as bot:
            form = await opened(slack, await slack.presses(told, "Open the form again"))
            await slack.submits(form, question="Why?")
            event = await bot.heard(FormSubmitted)
            assert event.target is not None
            assert (event.target.text, event.target.author.name) == ("Tea is hot", "Olga")


async def test_the_whole_bot_answers_about_a_message_in_the_language_of_whoever_asks(tmp_path: Path) -> None:
    async with FakeOpenAI("Sehr heiß.") as model, FakeSlack() as slack, whole_slack_bot(tmp_path, slack, model) as bot:
        gustav = slack.account("Gustav", locale="de-DE")
        message = await slack.says("Tee ist heiß", author=slack.olga)
        form = await opened(slack, await slack.uses("ask_about_this", message, author=gustav))
        assert (form.title, form.body["submit"]["text"]) == ("Dazu etwas fragen", "Senden")
        await slack.submits(form, question="Wie heiß?")
        await bot.until(bot.own)
        await bot.idle()
        assert [message.seen for message in bot.own()] == ["Sehr heiß."]
        said = [text for role, text, _ in await bot.memory() if role == "user"]
        assert said[-1] == "> Olga: Tee ist heiß\n\nWie heiß?"
