"""What an author of a plugin writes keeps its types: checked by mypy, never run.

Wrong declarations carry the error that mypy must find; an ignore that is no longer needed is an error too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal, assert_type

from pydantic import BaseModel

from bot.api import (
    Arg,
    Context,
    Job,
    LanguageModel,
    Line,
    Message,
    ModelChoice,
    Piece,
    Plugin,
    Prompt,
    Reply,
    SentId,
    Taken,
    Text,
    Turn,
    User,
    counted,
    say,
)


class DiceSettings(BaseModel):
    sides: int = 6


class Tally(BaseModel):
    rolls: int = 0


plugin = Plugin("dice", "Roll dice", settings=DiceSettings)
table = plugin.group("table")


@plugin.command()
@plugin.tool()
async def roll(ctx: Context, sides: Annotated[int, Arg("Faces of the die", ge=2)] = 6) -> str:
    """Roll a die."""
    settings = assert_type(ctx.get(DiceSettings), DiceSettings)
    tally = assert_type(await ctx.load(Tally), Tally | None) or Tally()
    await ctx.save(Tally(rolls=tally.rolls + 1), scope="user")
    assert_type(ctx.user, User)
    assert_type(await ctx.reply("🎲"), tuple[SentId, ...])
    assert_type(await ctx.say(None, Prompt(())), Line)
    assert_type(await ctx.ask(Prompt(())), str)
    assert_type(ctx.conversation.model, ModelChoice)
    assert_type(await ctx.answer("Why?"), Line)
    assert_type((await ctx.conversation.manner()).speak, Literal["mention", "always", "thread", "never"])
    assert_type(say("{count} pips", count=6) + counted(1, "{count} pip", "{count} pips"), str)
    return str(settings.sides)


@table.command("set", private=True, who="moderators")
async def set_table(ctx: Context, colour: Literal["red", "green"], who: User | None = None) -> Reply | None:
    """Set the table."""
    return None


@plugin.command()
async def story(ctx: Context) -> AsyncIterator[str]:
    """Tell a story."""
    yield "Once upon a time"


@plugin.on(Message)
async def heard(ctx: Context) -> Taken | None:
    return Taken()


@plugin.filter
async def louder(turn: Turn, call_next: LanguageModel) -> AsyncIterator[Piece]:
    async for piece in call_next(turn):
        yield Text(piece.text.upper()) if isinstance(piece, Text) else piece


@plugin.button("again")
async def again(ctx: Context, sides: str) -> None: ...


@plugin.job
async def countdown(ctx: Context, state: Tally) -> Tally | None:
    return None if state.rolls == 0 else Tally(rolls=state.rolls - 1)


@plugin.model("parrot")
async def parrot(turn: Turn) -> AsyncIterator[Piece]:
    yield Text(turn.prompt.messages[-1].text)


async def decorated_functions_are_what_they_were(ctx: Context) -> None:
    assert_type(await roll(ctx, 20), str)
    assert_type(await set_table(ctx, "red"), Reply | None)
    assert_type(story(ctx), AsyncIterator[str])
    assert_type(await heard(ctx), Taken | None)
    assert_type(countdown, Job)
    assert_type(await ctx.start(countdown, Tally(rolls=3)), int)
    await roll(ctx, "20")  # type: ignore[arg-type]
    await set_table(ctx, "blue")  # type: ignore[arg-type]
    await ctx.load(int)  # type: ignore[type-var]


@plugin.command()  # type: ignore[type-var]
def not_async(ctx: Context) -> str:
    """A command that would block everybody."""
    return ""


@plugin.command()  # type: ignore[type-var]
async def wrong_result(ctx: Context) -> int:
    """A command whose result cannot be shown."""
    return 1


@plugin.command()  # type: ignore[type-var]
async def no_context(sides: int) -> str:
    """A command that forgot its context."""
    return ""


@plugin.command(who="everyone")  # type: ignore[arg-type]
async def wrong_option(ctx: Context) -> str:
    """A command for nobody."""
    return ""


@plugin.filter  # type: ignore[arg-type]
async def not_a_filter(turn: Turn) -> AsyncIterator[Piece]:
    yield Text("")


@plugin.on(str)  # type: ignore[arg-type]
async def not_an_event(ctx: Context) -> None: ...


@plugin.on(Message)  # type: ignore[type-var]
async def not_a_listener(ctx: Context, more: int) -> None: ...
