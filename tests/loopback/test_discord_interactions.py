"""The whole bot on Discord, asked by menus, forms and buttons, in private and as a guest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from adapters.discord.testing import Channel, FakeDiscord, Message
from bot.api import (
    Button,
    CommandCall,
    Context,
    Done,
    FormSubmitted,
    LanguageModel,
    Piece,
    Plugin,
    Reply,
    Text,
    Turn,
    UsageError,
)
from bot.events import Place
from bot.store import Store
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.discord_bot import QUICK, connected
from tests.loopback.whole_bot import WholeBot, whole_bot

ENDED = ["🔄 Again", "🗑 Forget"]


class Idea(BaseModel):
    what: str


@dataclass(slots=True)
class Gate:
    """Answers stop in the middle until the test lets them go on."""

    halves: tuple[str, str] = ("First half, ", "second half.")
    rest: asyncio.Event = field(default_factory=asyncio.Event)


def tools(gate: Gate, *, with_button: bool = True) -> Plugin:
    plugin = Plugin("tools", "For tests")

    @plugin.command(target="message", private=True)
    async def explain_this(ctx: Context) -> None:
        """Explain a message to you alone."""
        assert isinstance(ctx.event, CommandCall)
        assert ctx.event.target is not None
        await ctx.answer(f"Explain: {ctx.event.target.text}")

    @plugin.command()
    async def ask(ctx: Context, question: str) -> None:
        """Ask something."""
        await ctx.answer(question)

    @plugin.command(form=Idea)
    async def idea(ctx: Context, form: Idea) -> str:
        """Tell your idea."""
        if form.what == "money":
            raise UsageError("That is no idea.")
        return f"Noted: {form.what}"

    @plugin.command()
    async def poll(ctx: Context) -> Reply:
        """Ask everybody."""
        return Reply("Tea?", buttons=(Button("vote", "Yes", ("yes",), who="anyone"),))

    if with_button:

        @plugin.button("vote")
        async def vote(ctx: Context, choice: str) -> Reply:
            return Reply(f"You said {choice}.", private=True)

    @plugin.filter
    async def halting(turn: Turn, call_next: LanguageModel) -> AsyncIterator[Piece]:
        first, second = gate.halves
        yield Text(first)
        await gate.rest.wait()
        yield Text(second)
        yield Done("stop")

    return plugin


def place(channel: Channel) -> Place:
    return Place("discord", str(channel.guild.id) if channel.guild else "dm", str(channel.id))


async def remembered(bot: WholeBot, channel: Channel) -> list[tuple[str, str]]:
    return [(each.text, each.status) for each in await bot.app.store.tree(place(channel)) if each.role == "assistant"]


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages]


async def test_a_private_answer_grows_for_its_asker_alone(tmp_path: Path) -> None:
    gate = Gate()
    async with (
        FakeDiscord() as discord,
        FakeOpenAI() as model,
        whole_bot(tmp_path, discord, model, plugins=[tools(gate)]) as bot,
    ):
        used = await discord.uses("Explain this", await discord.says("what is a monad?"))
        await discord.wait_until(lambda: used.texts == ["First half,"])
        gate.rest.set()
        await discord.wait_until(lambda: used.texts == ["First half, second half."])
        await bot.idle()
        assert used.messages[0].seen_by is discord.ada
        assert discord.answers() == []
        assert await remembered(bot, discord.general) == [("First half, second half.", "complete")]


async def test_the_buttons_under_a_private_answer_go_when_the_talk_goes_on(tmp_path: Path) -> None:
    gate = Gate()
    gate.rest.set()
    async with (
        FakeDiscord() as discord,
        FakeOpenAI() as model,
        whole_bot(tmp_path, discord, model, plugins=[tools(gate)]) as bot,
    ):
        used = await discord.uses("Explain this", await discord.says("what is a monad?"))
        await discord.wait_until(lambda: bool(used.messages) and labels(used.messages[-1]) == ENDED)
        await discord.says("@bot and a functor?")
        await discord.wait_until(lambda: labels(used.messages[-1]) == [])
        await bot.idle()
        assert used.texts == ["First half, second half."]


async def test_a_private_answer_whose_token_died_is_interrupted_and_never_public(tmp_path: Path) -> None:
    gate = Gate()
    async with (
        FakeDiscord() as discord,
        FakeOpenAI() as model,
        whole_bot(tmp_path, discord, model, plugins=[tools(gate)]) as bot,
    ):
        used = await discord.uses("Explain this", await discord.says("what is a monad?"))
        await discord.wait_until(lambda: used.texts == ["First half,"])
        discord.expire_interactions()
        gate.rest.set()
        await bot.until(lambda: discord.answers(discord.direct()))
        await bot.idle()
        assert discord.answers() == []
        assert "First half, second half." in discord.answers(discord.direct())[0]
        assert await remembered(bot, discord.general) == [("First half, second half.", "interrupted")]


@pytest.mark.parametrize("where", ["group", "guild"])
async def test_a_guests_answer_whose_token_died_is_interrupted_and_nothing_more_is_said(
    tmp_path: Path, where: str
) -> None:
    gate = Gate()
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        here = discord.group("friends") if where == "group" else discord.foreign_guild("Elsewhere")[1]
        async with whole_bot(tmp_path, discord, model, plugins=[tools(gate)]) as bot:
            used = await discord.runs("/ask", question="why?", channel=here)
            await discord.wait_until(lambda: used.texts == ["First half,"])
            discord.expire_interactions()
            gate.rest.set()
            await bot.idle()
            assert used.texts == ["First half,"]
            assert await remembered(bot, here) == [("First half, second half.", "interrupted")]
            assert not [call for call in discord.calls if f"/channels/{here.id}" in call.path]


async def test_a_guests_answer_goes_on_in_its_message_after_a_restart(tmp_path: Path) -> None:
    gate = Gate()
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        here = discord.group("friends")
        async with whole_bot(tmp_path, discord, model, plugins=[tools(gate)]):
            used = await discord.runs("/ask", question="why?", channel=here)
            await discord.wait_until(lambda: used.texts == ["First half,"])
        gate.rest.set()
        async with whole_bot(tmp_path, discord, model, plugins=[tools(gate)]) as bot:
            await bot.until(lambda: "second half." in used.texts[0])
            await bot.idle()
            assert len(used.texts) == 1
            assert not [call for call in discord.calls if f"/channels/{here.id}" in call.path]


async def test_who_may_not_run_a_command_is_told_so_before_they_fill_in_its_form(tmp_path: Path) -> None:
    only_moderators = {"commands": {"who": {"idea": "moderators"}}}
    async with (
        FakeDiscord() as discord,
        FakeOpenAI() as model,
        whole_bot(tmp_path, discord, model, plugins=[tools(Gate())], settings=only_moderators),
    ):
        used = await discord.runs("/idea")
        await discord.wait_until(lambda: "Only moderators may use `/idea`" in "".join(used.texts))
        assert used.form is None
        used = await discord.runs("/idea", author=discord.owner)
        await discord.wait_until(lambda: used.form is not None)


async def test_a_form_that_was_sent_off_as_the_bot_died_is_taken_at_the_next_start(tmp_path: Path) -> None:
    plugin = tools(Gate())
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        async with connected(discord, commands=plugin.commands, timing=replace(QUICK, defer_after=0.0)) as adapter:
            used = await discord.runs("/idea")
            await discord.wait_until(lambda: used.form is not None)
            sent = await discord.fills(used, what="tea for all")
            event = await adapter.heard(FormSubmitted)
            await discord.wait_until(lambda: sent.deferred)
        async with Store(f"sqlite:///{tmp_path / 'duologue.db'}") as store:
            assert (await store.claim(event)).mine
        async with whole_bot(tmp_path, discord, model, plugins=[plugin]):
            await discord.wait_until(lambda: sent.texts == ["Noted: tea for all"])


@pytest.mark.parametrize("where", ["private", "group"])
async def test_an_answer_that_only_a_token_reaches_is_given_anew_in_its_messages(tmp_path: Path, where: str) -> None:
    """It is two messages long, and the press has another token than the one they were written with."""
    gate = Gate(halves=("one " * 600, "two"))
    gate.rest.set()
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        here = discord.group("friends") if where == "group" else discord.general
        async with whole_bot(tmp_path, discord, model, plugins=[tools(gate)]) as bot:
            question = await discord.says("what is a monad?", channel=here)
            if where == "group":
                used = await discord.runs("/ask", question="why?", channel=here)
            else:
                used = await discord.uses("Explain this", question)
            await discord.wait_until(
                lambda: len(used.texts) == 2 and labels(used.messages[-1]) == ["🔄 Again", "🗑 Forget"]
            )
            await bot.idle()
            gate.halves = ("three " * 400, "four")
            pressed = await discord.presses(used.messages[-1], "🔄 Again")
            await discord.wait_until(lambda: used.texts[-1].endswith("four"))
            await bot.idle()
            assert len(used.texts) == 2
            assert "one" not in " ".join(used.texts)
            assert pressed.texts == []
            assert texts(discord.screen(here)) == texts(
                [question] if where == "private" else [question, *used.messages]
            )
            if where == "group":
                assert not [call for call in discord.calls if f"/channels/{here.id}" in call.path]


def labels(message: Message) -> list[str]:
    return [each["label"] for row in message.components for each in row["components"]]


async def test_a_command_refused_after_its_form_gives_back_what_was_written(tmp_path: Path) -> None:
    async with (
        FakeDiscord() as discord,
        FakeOpenAI() as model,
        whole_bot(tmp_path, discord, model, plugins=[tools(Gate())]) as bot,
    ):
        used = await discord.runs("/idea")
        await discord.wait_until(lambda: used.form is not None)
        sent = await discord.fills(used, what="money")
        await discord.wait_until(lambda: bool(sent.texts))
        assert sent.texts == ["⚠️ That is no idea.\n\nYou wrote:\n> what: money"]
        assert discord.answers() == []
        again = await discord.presses(sent.messages[0], "Open the form again")
        await discord.wait_until(lambda: again.form is not None)
        sent = await discord.fills(again, what="tea for all")
        await discord.wait_until(lambda: sent.texts == ["Noted: tea for all"])
        await bot.idle()


async def test_what_is_said_about_buttons_and_forms_is_in_the_persons_language(tmp_path: Path) -> None:
    async with (
        FakeDiscord() as discord,
        FakeOpenAI() as model,
        whole_bot(tmp_path, discord, model, plugins=[tools(Gate())]) as bot,
    ):
        german = discord.account("Nils", locale="de")
        used = await discord.runs("/poll")
        await discord.wait_until(lambda: used.texts == ["Tea?"])
        used.messages[0].components[0]["components"][0]["custom_id"] = "of an older bot"
        pressed = await discord.presses(used.messages[0], "Yes", author=german)
        await discord.wait_until(lambda: "Knopf" in "".join(pressed.texts))
        used = await discord.runs("/idea", author=german)
        await discord.wait_until(lambda: used.form is not None)
        sent = await discord.fills(used, what="money")
        await discord.wait_until(lambda: "Du hast geschrieben" in "".join(sent.texts))
        await discord.presses(sent.messages[0], "Formular noch einmal öffnen", author=german)
        await bot.idle()


async def test_a_button_whose_plugin_is_gone_says_so_to_the_presser_alone(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        async with whole_bot(tmp_path, discord, model, plugins=[tools(Gate())]):
            used = await discord.runs("/poll")
            await discord.wait_until(lambda: used.texts == ["Tea?"])
            poll = used.messages[0]
            voted = await discord.presses(poll, "Yes", author=discord.owner)
            await discord.wait_until(lambda: voted.texts == ["You said yes."])
        async with whole_bot(tmp_path, discord, model, plugins=[tools(Gate(), with_button=False)]):
            pressed = await discord.presses(poll, "Yes")
            await discord.wait_until(lambda: bool(pressed.texts))
            assert pressed.texts == ["⚠️ This button belongs to something I no longer know."]
            assert texts(discord.screen()) == ["Tea?"]
