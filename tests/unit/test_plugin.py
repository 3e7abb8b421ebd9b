"""What a plugin declares, and the sentences for declarations that cannot work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import BaseModel

from bot.api import (
    Attachment,
    Context,
    Event,
    LanguageModel,
    Message,
    MessageDeleted,
    Piece,
    Plugin,
    PluginError,
    Reply,
    Taken,
    Text,
    Turn,
    User,
)


class Count(BaseModel):
    left: int


@pytest.fixture
def plugin() -> Plugin:
    return Plugin("dice", "Roll dice")


def test_everything_that_can_be_declared(plugin: Plugin) -> None:
    @plugin.command()
    @plugin.tool()
    async def roll(ctx: Context, sides: int = 6) -> str:
        """Roll a die.

        The result is from one to sides.
        """
        return str(sides)

    group = plugin.group("table", "The table")

    @group.command("set", private=True, who="moderators", immediate=True)
    async def set_table(ctx: Context) -> Reply:
        """Set the table."""
        return Reply("set")

    @group.command()
    async def clear_(ctx: Context) -> AsyncIterator[str]:
        """Clear the table."""
        yield "cleared"

    @plugin.filter
    async def louder(turn: Turn, call_next: LanguageModel) -> AsyncIterator[Piece]:
        async for piece in call_next(turn):
            yield piece

    @plugin.on(Message, MessageDeleted)
    async def heard(ctx: Context) -> Taken | None:
        return None

    @plugin.button("again")
    async def again(ctx: Context, sides: str, *more: str) -> None: ...

    @plugin.job
    async def countdown(ctx: Context, state: Count) -> Count | None:
        return None

    @plugin.model("parrot")
    async def parrot(turn: Turn) -> AsyncIterator[Piece]:
        yield Text(turn.prompt.messages[-1].text)

    assert [command.name for command in plugin.commands] == ["roll", "table set", "table clear"]
    assert plugin.commands[0].callback is roll
    assert plugin.commands[0].description == "Roll a die."
    table = plugin.commands[1]
    assert (table.private, table.who, table.immediate, table.plugin) == (True, "moderators", True, "dice")
    assert [tool.name for tool in plugin.tools] == ["roll"]
    assert plugin.tools[0].command.description == "Roll a die.\n\nThe result is from one to sides."
    assert plugin.filters == [louder]
    assert plugin.listeners == [((Message, MessageDeleted), heard)]
    assert plugin.buttons == {"again": again}
    assert [(job.name, job.state) for job in plugin.jobs] == [("countdown", Count)]
    assert countdown is plugin.jobs[0]
    assert plugin.models == {"parrot": parrot}


def test_two_plugins_share_nothing() -> None:
    one, other = Plugin("one", ""), Plugin("other", "")

    @one.command()
    async def roll(ctx: Context) -> str:
        """Roll."""
        return ""

    assert other.commands == []
    assert one.commands[0].plugin == "one"


async def nothing(ctx: Context) -> None:
    """Nothing."""


async def no_context() -> None: ...


async def wrong_first(message: str) -> None: ...


async def more(ctx: Context, other: int) -> None: ...


async def pieces(turn: Turn, call_next: LanguageModel) -> AsyncIterator[Piece]:
    yield Text("")


async def one_turn(turn: Turn) -> AsyncIterator[Piece]:
    yield Text("")


async def of_user(ctx: Context, who: User) -> str:
    """Who."""
    return ""


async def of_file(ctx: Context, file: Attachment) -> str:
    """File."""
    return ""


def sync(ctx: Context) -> None: ...


Declare = Callable[[Plugin], Any]


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda p: p.command()(sync), "function `sync`: it is not async"),
        (lambda p: p.command("Roll Up")(nothing), "`Roll Up` cannot be the name of a command"),
        (lambda p: (p.command()(nothing), p.command()(nothing)), "Two functions of plugin `dice` have a command"),
        (lambda p: (p.command()(nothing), p.group("nothing").command("at")(nothing)), "clash"),
        (lambda p: p.group("two words"), "a group cannot be called `two words`"),
        (lambda p: (p.group("a"), p.group("a")), "it already has a group `a`"),
        (lambda p: p.tool()(no_context), "it has no docstring"),
        (lambda p: p.tool()(of_user), "a model cannot give a user, as `who` asks"),
        (lambda p: p.tool()(of_file), "a model cannot give a attachment, as `file` asks"),
        (lambda p: (p.tool("look")(nothing), p.tool("look")(nothing)), "already has a tool `look`"),
        (lambda p: p.filter(nothing), "a filter is an `async def f(turn, call_next)`"),
        (lambda p: p.filter(one_turn), "its parameters must be `(turn: Turn, call_next: LanguageModel)`"),
        (lambda p: p.on()(nothing), "name the events it listens to"),
        (lambda p: p.on(str)(nothing), "name the events it listens to"),
        (lambda p: p.on(Message)(sync), "function `sync`: it is not async"),
        (lambda p: p.on(Message)(no_context), "its parameters must be `(ctx: Context)`"),
        (lambda p: p.on(Message)(more), "its parameters must be `(ctx: Context)`"),
        (lambda p: p.on(Message)(wrong_first), "its first parameter is `message`"),
        (lambda p: p.button("Not Good")(nothing), "`Not Good` cannot be the action of a button"),
        (lambda p: (p.button("a")(nothing), p.button("a")(nothing)), "already has a button `a`"),
        (lambda p: p.button("a")(more), "`other` must be a `str`"),
        (lambda p: p.button("a")(no_context), "it takes no context"),
        (lambda p: p.button("a")(sync), "it is not async"),
        (lambda p: p.job(sync), "it is not async"),
        (lambda p: p.job(nothing), "its parameters must be `(ctx: Context, state: YourModel)`"),
        (lambda p: p.job(more), "the state of a job must be a pydantic model"),
        (lambda p: p.model("No Good")(one_turn), "a provider cannot be called `No Good`"),
        (lambda p: (p.model("m")(one_turn), p.model("m")(one_turn)), "already has a model `m`"),
        (lambda p: p.model("m")(pieces), "its parameters must be `(turn: Turn)`"),
        (lambda p: p.model("m")("gpt"), "a model is an `async def f(turn)`"),
    ],
)
def test_a_wrong_declaration_says_which_function_and_why(declare: Declare, says: str, plugin: Plugin) -> None:
    with pytest.raises(PluginError) as caught:
        declare(plugin)
    assert says in caught.value.public
    assert "dice" in caught.value.public


def test_a_job_is_declared_once(plugin: Plugin) -> None:
    async def countdown(ctx: Context, state: Count) -> Count | None:
        return None

    plugin.job(countdown)
    with pytest.raises(PluginError, match="already has a job `countdown`"):
        plugin.job(countdown)


@pytest.mark.parametrize("name", ["", "Dice", "two words", "a" * 33, "würfel"])
def test_a_plugins_name_is_one_plain_word(name: str) -> None:
    with pytest.raises(PluginError, match="A plugin cannot be called"):
        Plugin(name, "")


def test_what_is_refused_is_not_kept(plugin: Plugin) -> None:
    for declare in (plugin.command("Bad"), plugin.tool("Bad"), plugin.on(), plugin.button("Bad")):
        with pytest.raises(PluginError):
            declare(nothing)
    assert (plugin.commands, plugin.tools, plugin.listeners, plugin.buttons) == ([], [], [], {})


def test_events_of_every_kind_can_be_listened_to(plugin: Plugin) -> None:
    @plugin.on(Event)
    async def all_of_them(ctx: Context) -> None: ...

    assert plugin.listeners == [((Event,), all_of_them)]
