"""The commands that everybody expects, run through the whole bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.api import Arg, Capabilities, Commands, Context, ModelCall, Plugin, Usage, User
from bot.model.scripted import Say
from bot.testing.bot import ANN, BOB, TestBot
from plugins.commands import plugin
from plugins.commands.meters import cost
from plugins.roleplay import plugin as roleplay

ONLY_MODERATORS = "Only moderators may"


@pytest.fixture
async def bot() -> AsyncIterator[TestBot]:
    async with TestBot(["Hello *there*!", "Fine."], plugins=[plugin]) as bot:
        yield bot


async def answer(bot: TestBot, line: str, user: User = ANN) -> str:
    before = len(bot.adapter.messages)
    await bot.runs(line, user=user)
    shown = bot.adapter.messages[before:]
    assert len(shown) == 1, [message.text for message in shown]
    return shown[0].text


async def test_help_lists_every_command_of_every_plugin() -> None:
    dice = Plugin("dice", "Roll dice")

    @dice.command()
    async def roll(ctx: Context, sides: int = 6) -> str:
        """Roll a die."""
        return str(sides)

    async with TestBot(plugins=[plugin, dice]) as bot:
        text = await answer(bot, "/help")
        for command in [*plugin.commands, *dice.commands]:
            if command.target is None and " " not in command.name:
                assert f"- `{command.usage}` – {command.description}" in text
        assert "- `/system show|set|reset` – Who I am told to be in this conversation." in text
        assert text.index("**Memory**") < text.index("**Dice**")
        assert bot.last.private


async def test_help_shows_only_what_this_person_may_do(bot: TestBot) -> None:
    assert "`/system show` –" in await answer(bot, "/help", BOB)
    assert "`/system show|set|reset` –" in await answer(bot, "/help", ANN)


async def test_help_says_how_to_ask_in_this_place(bot: TestBot) -> None:
    ask = " `/ask` always works, even where I am only a guest."
    for manner, told in {
        "mention": "Mention me or reply to one of my messages, and I answer.",
        "always": "Just write: I answer every message that I can read here.",
        "never": "Here I answer nobody who just writes.",
    }.items():
        await bot.runs(f"/speak {manner}")
        assert (await answer(bot, "/help", BOB)).startswith(f"{told}{ask} And these are my commands:\n")
    threads = Capabilities(threads=True, private=True)
    async with TestBot(plugins=[plugin], capabilities=threads, settings={"answers": {"speak": "thread"}}) as bot:
        assert (await answer(bot, "/help")).startswith("Mention me, and I open a thread for your question;")
        thread = replace(bot.place, thread="thread")
        await bot.runs("/help", place=thread)
        assert bot.last.text.startswith("Just write: I answer every message")
    deaf = Capabilities(private=True, hears_all=False)
    async with TestBot(plugins=[plugin], capabilities=deaf, settings={"answers": {"speak": "always"}}) as bot:
        assert (await answer(bot, "/help")).startswith("Mention me or reply to one of my messages, and I answer.")
    async with TestBot(plugins=[plugin], capabilities=Capabilities(direct=True)) as bot:
        assert (await answer(bot, "/help")).startswith("Just write to me. And these are my commands:\n")


async def test_help_tells_of_a_command_that_is_only_for_moderators(bot: TestBot) -> None:
    assert await answer(bot, "/help /clear", BOB) == (
        "- `/clear` – Forget what was said here; my system prompt and settings stay.\n"
        "Only moderators may use `/clear` here. In a direct message with me, you may."
    )
    assert "Only moderators may use `/params set` here." in await answer(bot, "/help params set", BOB)


async def test_help_for_one_command(bot: TestBot) -> None:
    text = await answer(bot, "/help /history")
    assert "`/history [count]` – Show the last messages that I remember." in text
    assert "`count`: How many messages (a whole number from 1 to 50); 10 if you leave it out." in text
    assert "; " not in await answer(bot, "/help ask"), "what is left out as nothing is not told"
    assert "Only for moderators" in await answer(bot, "/help params set")
    assert (await answer(bot, "/help system")).count("`/system ") == 3
    assert "Did you mean `/history`?" in await answer(bot, "/help histori")


async def test_a_large_group_is_one_line_of_help_and_told_whole_when_asked_for() -> None:
    async with TestBot(plugins=[plugin, roleplay]) as bot:
        text = await answer(bot, "/help")
        assert "- `/roleplay start | pause | resume | " in text
        assert " – `/help roleplay` tells about each of them" in text
        assert len(text) < 4000
        before = len(bot.adapter.messages)
        await bot.runs("/help roleplay")
        assert "".join(each.text for each in bot.adapter.messages[before:]).count("- `/roleplay ") == 25


async def test_clear_forgets_the_messages_and_keeps_the_settings(bot: TestBot) -> None:
    await bot.runs("/system set You are a pirate.")
    await bot.runs("/mode creative")
    await bot.says("Hi")
    assert "2 messages forgotten" in await answer(bot, "/clear")
    assert "I remember nothing here yet" in await answer(bot, "/history")
    assert "> You are a pirate." in await answer(bot, "/system show")
    assert "`creative`" in await answer(bot, "/mode")
    assert "nothing to forget" in await answer(bot, "/clear")
    await bot.says("And now?")
    texts = [message.text for message in bot.model.prompts[-1].messages]
    assert texts[0] == "You are a pirate."
    assert len(texts) == 2


async def test_history_is_numbered_and_cut() -> None:
    async with TestBot(["Hello *there*!\n\nHow are you?"], plugins=[plugin]) as bot:
        await bot.says("Hi " + "very " * 50 + "long")
        text = await answer(bot, "/history")
        first, second = text.splitlines()
        assert first.startswith("`2` **Ann**: Hi very very")
        assert first.endswith("…")
        assert len(first) == len("`2` **Ann**: ") + 100
        assert second == r"`1` **Me**: Hello \*there\*! How are you?"
        assert bot.last.private
        assert (await answer(bot, "/history 1")).startswith("`1` **Me**")
        assert "It must be a whole number from 1 to 50" in await answer(bot, "/history 51")


async def test_stop_ends_the_answer_at_once() -> None:
    async with TestBot([Say("One, two, ", hang=True)], plugins=[plugin]) as bot:
        await bot.says("Count", wait=False)
        await bot.until("One, two,")
        await bot.runs("/stop")
        assert any("Stopped. What I had said so far stays." in line for line in bot.screen)
        assert bot.model.closed == 1
        assert "*(interrupted)*" in await answer(bot, "/history")
        assert await answer(bot, "/stop") == "I am not writing anything right now."


async def test_the_system_prompt_is_shown_set_and_reset(bot: TestBot) -> None:
    default = await answer(bot, "/system show")
    assert "(the default)" in default
    assert bot.last.private
    await bot.runs("/system set You are a cat.\nPurr.")
    assert await answer(bot, "/system show") == (
        "My system prompt (set for this conversation):\n> You are a cat.\n> Purr."
    )
    await bot.says("Hi")
    assert bot.model.prompts[-1].messages[0].text == "You are a cat.\nPurr."
    assert "Back to the default" in await answer(bot, "/system reset")
    assert await answer(bot, "/system show") == default
    assert "already" in await answer(bot, "/system reset")
    assert "`text` is missing" in await answer(bot, "/system set")
    assert "at most 8,000 characters" in await answer(bot, "/system set " + "x" * 8001)


async def test_settings_outlive_a_restart(tmp_path: Path) -> None:
    async with TestBot(plugins=[plugin], folder=tmp_path) as bot:
        await bot.runs("/system set You are a cat.")
        await bot.runs("/mode precise")
        await bot.runs("/params set max_tokens 99")
    async with TestBot(["Meow."], plugins=[plugin], folder=tmp_path) as bot:
        await bot.says("Hi")
        assert bot.model.prompts[-1].messages[0].text == "You are a cat."
        parameters = bot.model.turns[-1].model.parameters
        assert (parameters["temperature"], parameters["top_p"], parameters["max_tokens"]) == (0.3, 0.5, 99)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/model", "I answer with `scripted:scripted`. Providers: `scripted`."),
        ("/model scripted", "From now on I answer with `scripted:scripted`."),
        ("/model SCRIPTED:Scripted", "From now on I answer with `scripted:scripted`."),
        ("/model default", "From now on I answer with `scripted:scripted`."),
        ("/model nope:gpt", "There is no provider `nope`. I know `scripted`."),
        ("/model `x`:`y`", "There is no provider `x'`. I know `scripted`."),
        ("/model scriptet", "`scripted` has no model `scriptet`. What about `scripted`?"),
        ("/model " + "x" * 201, "at most 200 characters"),
    ],
)
async def test_model(bot: TestBot, line: str, says: str) -> None:
    assert says in await answer(bot, line)


async def test_arguments_are_suggested() -> None:
    suggested: list[list[str]] = []
    probe = Plugin("probe", "Ask for suggestions")

    @probe.command("probe")
    async def ask(ctx: Context, typed: str) -> str:
        """Ask for suggestions."""
        for name in ("model", "help", "params set"):
            command = Commands(ctx.commands).find(name)
            assert command is not None
            complete = command.parameters[0].arg.complete
            assert complete is not None
            suggested.append(list(await complete(ctx, typed)))
        return "asked"

    async with TestBot(plugins=[plugin, probe]) as other:
        await other.runs("/probe scr")
        await other.runs("/probe sto")
    # Per word typed: models, commands and parameters; what begins with it comes first.
    assert suggested == [["scripted:scripted"], [], [], [], ["stop", "history"], ["stop"]]


async def test_a_mode_changes_what_the_model_is_asked_with(bot: TestBot) -> None:
    assert "No mode is set" in await answer(bot, "/mode")
    assert await answer(bot, "/mode Creative") == "I am creative now: temperature 1.2, top_p 0.95."
    await bot.says("Hi")
    assert bot.model.turns[-1].model.parameters["temperature"] == 1.2
    assert "`mode` cannot be `silly`" in await answer(bot, "/mode silly")
    await bot.runs("/params set temperature 1")
    assert "Your own `temperature` goes first" in await answer(bot, "/mode precise")


async def test_a_mode_on_a_reasoning_model_says_that_it_means_effort() -> None:
    settings = {"model": {"name": "gpt-6-astra"}}
    async with TestBot(["Hi"], plugins=[plugin], settings=settings) as bot:
        text = await answer(bot, "/mode precise")
        assert "effort high" in text
        assert "changes its effort instead of the temperature" in text
        await bot.says("Hi")
        assert bot.model.turns[-1].model.parameters["effort"] == "high"


async def test_parameters_are_checked_set_shown_and_reset(bot: TestBot) -> None:
    assert await answer(bot, "/params set temperature 0.9") == "`temperature` is now 0.9."
    assert "usually one of them is enough" in await answer(bot, "/params set top-p 0.5")
    assert await answer(bot, '/params set stop ["a", "b"]') == '`stop` is now ["a", "b"].'
    shown = await answer(bot, "/params show")
    assert "- `temperature`: 0.9 (set here)" in shown
    await bot.says("Hi")
    parameters = bot.model.turns[-1].model.parameters
    assert (parameters["temperature"], parameters["top_p"], parameters["stop"]) == (0.9, 0.5, ["a", "b"])
    assert "from 0 to 2, not `3`" in await answer(bot, "/params set temperature 3")
    assert "There is no parameter `heat`" in await answer(bot, "/params set heat 3")
    assert "`value` is missing" in await answer(bot, "/params set temperature")
    assert await answer(bot, "/params reset top_p") == "`top_p` is back to its default."
    assert "`heat` is not set here. Set are `temperature`, `stop`." in await answer(bot, "/params reset heat")
    assert "without `temperature`, `stop`" in await answer(bot, "/params reset")
    assert await answer(bot, "/params reset") == "No parameters are set here."
    assert "(set here)" not in await answer(bot, "/params show")


async def test_the_context_is_shown_by_part(bot: TestBot) -> None:
    await bot.says("Hi")
    text = await answer(bot, "/context")
    assert "tokens.\n`" in text
    assert "\n- system prompt: " in text
    assert " in 2 messages" in text
    assert "- kept free for the answer: " in text
    assert "left out" not in text


async def test_what_no_longer_fits_is_told() -> None:
    settings = {"memory": {"budget_tokens": 512}}
    async with TestBot(["word " * 60] * 8, plugins=[plugin], settings=settings) as bot:
        for _ in range(8):
            await bot.says("word " * 60)
        assert "Older messages no longer fit and are left out." in await answer(bot, "/context")


async def test_stats_count_messages_tokens_and_cost(bot: TestBot) -> None:
    assert "- cost: nothing yet" in await answer(bot, "/stats")
    await bot.says("Hi")
    text = await answer(bot, "/stats")
    assert "- messages I remember here: 2" in text
    assert "- cost: $0.00" in text
    assert "estimates" in text


def call(model: str, dollars: str | None) -> ModelCall:
    return ModelCall("p", model, Usage(), None if dollars is None else Decimal(dollars), {}, 1.0, None)


@pytest.mark.parametrize(
    ("calls", "says"),
    [
        ([], "nothing yet"),
        ([call("a", None)], "unknown"),
        ([call("a", "0.00001")], "under $0.0001"),
        ([call("a", "0.0123")], "$0.0123"),
        ([call("a", "1.234"), call("b", "1")], "$2.23"),
        ([call("a", "0"), call("b", None)], "$0.00, and unknown for `p:b`"),
    ],
)
def test_an_unknown_price_is_never_nothing(calls: list[ModelCall], says: str) -> None:
    assert cost(calls) == says


async def test_ping_answers_while_the_bot_is_writing() -> None:
    async with TestBot([Say("One, ", hang=True)], plugins=[plugin]) as bot:
        await bot.says("Count", wait=False)
        await bot.until("One,")
        await bot.runs("/ping", wait=False)
        await asyncio.wait_for(bot.until("Pong!"), 5)
        await bot.runs("/stop")


@pytest.mark.parametrize(
    "line",
    ["/clear", "/system set x", "/system reset", "/params set temperature 1", "/params reset", "/mode creative"],
)
async def test_settings_of_a_channel_need_a_moderator(bot: TestBot, line: str) -> None:
    await bot.says("Hi")
    before = await answer(bot, "/stats") + await answer(bot, "/params show") + await answer(bot, "/system show")
    assert ONLY_MODERATORS in await answer(bot, line, BOB)
    assert bot.last.private
    after = await answer(bot, "/stats") + await answer(bot, "/params show") + await answer(bot, "/system show")
    assert after == before


async def test_everyone_may_look(bot: TestBot) -> None:
    for line in ("/help", "/history", "/system show", "/model", "/mode", "/params show", "/context", "/stats", "/ping"):
        assert ONLY_MODERATORS not in await answer(bot, line, BOB)
    assert ONLY_MODERATORS in await answer(bot, "/model scripted", BOB)


async def test_who_may_do_what_is_a_setting() -> None:
    settings = {"commands": {"who": {"params set": "anyone", "ping": "moderators"}}}
    async with TestBot(plugins=[plugin], settings=settings) as bot:
        assert await answer(bot, "/params set temperature 1", BOB) == "`temperature` is now 1."
        # Who may set parameters may choose the model and the mode.
        assert "I am creative now" in await answer(bot, "/mode creative", BOB)
        assert "From now on" in await answer(bot, "/model scripted", BOB)
        assert ONLY_MODERATORS in await answer(bot, "/ping", BOB)
        assert ONLY_MODERATORS in await answer(bot, "/clear", BOB)


def test_every_argument_is_described() -> None:
    for command in plugin.commands:
        assert len(command.description) <= 100
        for parameter in command.parameters:
            assert isinstance(parameter.arg, Arg)
            assert 0 < len(parameter.description) <= 100
