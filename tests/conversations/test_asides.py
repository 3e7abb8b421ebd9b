"""Lines that plugins make the bot say: with a filter, a model and a scene of their own, and said anew."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bot.api import BotError, Context, LanguageModel, Piece, Plugin, Prompt, PromptMessage, Speaker, Text, Turn
from bot.model.scripted import Say
from bot.testing.bot import TestBot

ADA = Speaker("ada", "Ada")


async def loudly(turn: Turn, model: LanguageModel) -> AsyncIterator[Piece]:
    async for piece in model(turn):
        yield Text(piece.text.upper()) if isinstance(piece, Text) else piece


def stage() -> Plugin:
    plugin = Plugin("stage", "Performs.")
    prompt = Prompt((PromptMessage("user", "Speak."),))
    lines: list[int] = []

    @plugin.command()
    async def line(ctx: Context) -> None:
        """Say a line."""
        root = await ctx.conversation.append("assistant", "A stage.") if not lines else None
        if root is not None:
            lines.append(root.id)
        said = await ctx.say(ADA, prompt, through=loudly, scene=lines[0])
        assert said.message is not None
        assert [call.model for call in said.calls] == ["scripted"]
        lines.append(said.message)

    @plugin.command()
    async def again(ctx: Context, beside: bool = False) -> None:
        """Say the last line anew."""
        try:
            await ctx.say(ADA, prompt, scene=lines[0], instead_of=lines[-1], as_variant=beside)
        except BotError as error:
            await ctx.reply(f"not said: {error.public}")

    @plugin.command()
    async def told(ctx: Context) -> str:
        """What is remembered."""
        path = await ctx.conversation.path()
        return " | ".join(f"{one.speaker}: {one.text} ({one.scene == lines[0]})" for one in path)

    return plugin


async def test_a_line_goes_through_its_own_filter_and_belongs_to_its_scene() -> None:
    async with TestBot(["Good day."], plugins=[stage()]) as bot:
        await bot.runs("/line")
        assert (bot.last.author, bot.last.text) == ("Ada", "GOOD DAY.")
        await bot.runs("/told")
        assert bot.last.text == "None: A stage. (False) | Ada: GOOD DAY. (True)"


async def test_a_line_can_be_said_anew_in_its_own_message() -> None:
    async with TestBot(["One.", "Two.", "Three."], plugins=[stage()]) as bot:
        await bot.runs("/line")
        await bot.runs("/again")
        assert [message.text for message in bot.adapter.messages if message.author == "Ada"] == ["Two."]
        await bot.runs("/again yes")
        assert [message.text for message in bot.adapter.messages if message.author == "Ada"] == ["Three."]
        await bot.runs("/told")
        assert bot.last.text.endswith("| Ada: Three. (True)")
        kept = [(one.text, one.scene is not None) for one in await bot.app.store.tree(bot.place)]
        assert ("Two.", True) in kept
        assert ("ONE.", True) not in kept


async def test_where_no_word_is_said_everything_stays_as_it_was() -> None:
    async with TestBot(["One.", Say("")], plugins=[stage()]) as bot:
        await bot.runs("/line")
        await bot.runs("/again")
        assert bot.last.text.startswith("not said: ")
        assert [message.text for message in bot.adapter.messages if message.author == "Ada"] == ["ONE."]
