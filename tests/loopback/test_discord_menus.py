"""Menus on messages, commands in other languages, and commands where the bot is only a guest."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.commands import payloads
from adapters.discord.testing import Account, Channel, FakeDiscord, Message, NotOffered
from bot.api import (
    AnyEvent,
    Button,
    ButtonPressed,
    Command,
    CommandCall,
    Context,
    DeliveryError,
    DeliveryRefused,
    Done,
    FormSubmitted,
    Plugin,
    Reply,
    Target,
    TargetGone,
    Text,
)
from bot.events import event_from_json, event_to_json
from tests.loopback.discord_bot import QUICK, connected

MORE = Button("more", "More", who="anyone")


class Report(BaseModel):
    why: str


def commands() -> list[Command]:
    plugin = Plugin("fun", "For tests")

    @plugin.command(target="message")
    async def explain_this(ctx: Context) -> str:
        """Explain a message."""
        return ""

    @plugin.command(target="message", form=Report, private=True)
    async def report(ctx: Context, form: Report) -> str:
        """Report a message."""
        return ""

    @plugin.command()
    async def tell(ctx: Context, about: str = "") -> str:
        """Tell something."""
        return ""

    group = plugin.group("tea", "About tea")

    @group.command()
    async def make(ctx: Context) -> str:
        """Make tea."""
        return ""

    return list(plugin.commands)


def in_german(commands: list[Command]) -> list[Command]:
    """As the core tells adapters in which languages a catalog has them."""
    names = {"explain_this": "Erkläre das", "tell": "erzähle", "tea make": "tee kochen"}
    return [
        replace(
            command,
            names={"de": names[command.name]} if command.name in names else {},
            descriptions={"de": "Auf Deutsch.", "es": "En español."},
            parameters=tuple(replace(each, descriptions={"de": "Worüber"}) for each in command.parameters),
        )
        for command in commands
    ]


async def name_it(adapter: DiscordAdapter, event: AnyEvent) -> None:
    if isinstance(event, CommandCall | FormSubmitted):
        target = event.target.text if event.target is not None else "nothing"
        await adapter.send(event.route, Reply(f"{event.command}: {target}", buttons=(MORE,)))
    elif isinstance(event, ButtonPressed):
        await adapter.send(event.route, Reply("more"))


# Menus on messages


async def test_a_menu_brings_the_message_along_though_the_bot_may_not_read_it() -> None:
    async with FakeDiscord(message_content=False) as discord, connected(discord, name_it, commands=commands()) as bot:
        bob = discord.account("Bob")
        message = await discord.says("what is a @Olga monad?", author=bob, files=[("a.txt", b"abc")])
        used = await discord.uses("Explain this", message)
        await discord.wait_until(lambda: used.texts == ["explain_this: what is a @Olga monad?"])
        call = await bot.heard(CommandCall)
        assert isinstance(call.target, Target)
        assert (call.target.id, call.target.author.name, call.user.name) == (str(message.id), "Bob", "Ada")
        assert await bot.adapter.fetch(call.target.attachments[0], 100) == b"abc"
        assert event_from_json(event_to_json(call)) == call


async def test_a_menu_on_an_answer_of_the_bot_and_on_an_embed_reads_them() -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=commands()) as bot:
        await discord.runs("/tell")
        await discord.wait_until(discord.answers)
        answer = discord.screen()[-1]
        used = await discord.uses("Explain this", answer)
        await discord.wait_until(lambda: used.texts == ["explain_this: tell: nothing"])
        news = await discord.says("")
        news.embeds = [{"type": "rich", "title": "News", "description": "It rains."}]
        used = await discord.uses("Explain this", news)
        await discord.wait_until(lambda: used.texts == ["explain_this: News\n\nIt rains."])
        assert (await bot.heard(CommandCall, 3)).arguments == {}


async def opened(discord: FakeDiscord, message: Message) -> Any:
    used = await discord.uses("Report", message)
    await discord.wait_until(lambda: used.form is not None)
    return used


async def test_the_message_is_still_known_when_the_form_of_a_menu_is_filled_in() -> None:
    async with FakeDiscord(message_content=False) as discord, connected(discord, name_it, commands=commands()) as bot:
        used = await opened(discord, await discord.says("buy my pills"))
        sent = await discord.fills(used, why="spam")
        await discord.wait_until(lambda: sent.texts == ["report: buy my pills"])
        event = await bot.heard(FormSubmitted)
        assert event.values == {"why": "spam"}
        assert event.target is not None
        assert event.target.author.name == "Ada"


async def test_after_a_restart_the_message_of_a_form_is_read_again() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, name_it, commands=commands()):
            used = await opened(discord, await discord.says("buy my pills"))
        async with connected(discord, name_it, commands=commands()):
            sent = await discord.fills(used, why="spam")
            await discord.wait_until(lambda: sent.texts == ["report: buy my pills"])


async def test_a_form_whose_message_is_lost_gives_back_what_was_written() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, name_it, commands=commands()):
            message = await discord.says("buy my pills")
            used = await opened(discord, message)
        await discord.deletes(message)
        async with connected(discord, name_it, commands=commands()) as bot:
            sent = await discord.fills(used, why="spam")
            await discord.wait_until(lambda: bool(sent.texts))
            assert sent.texts[0].startswith("⚠️ I no longer have the message that this was about.")
            assert "> why: spam" in sent.texts[0]
            assert bot.of(FormSubmitted) == []


# Other languages


async def test_commands_have_the_names_of_each_persons_language() -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=in_german(commands())) as bot:
        german = discord.account("Nils", locale="de")
        for count, (called, named) in enumerate((("/erzähle", "tell"), ("/tee make", "tea make")), 1):
            await discord.runs(called, author=german)
            call = await bot.heard(CommandCall, count)
            assert (call.command, call.locale) == (named, "de")
        used = await discord.uses("Erkläre das", await discord.says("tea"), author=german)
        await discord.wait_until(lambda: used.texts == ["explain_this: tea"])
        with pytest.raises(NotOffered):
            await discord.runs("/erzähle")


def test_a_language_is_told_for_all_its_countries_and_no_name_twice() -> None:
    offered = in_german(commands())
    told = {entry["name"]: entry for entry in payloads(offered)}
    assert told["tell"]["description_localizations"] == {
        "de": "Auf Deutsch.",
        "es-419": "En español.",
        "es-ES": "En español.",
    }
    assert told["tell"]["options"][0]["description_localizations"] == {"de": "Worüber"}
    assert told["tea"]["name_localizations"] == {"de": "tee"}
    assert told["tea"]["options"][0]["name_localizations"] == {"de": "kochen"}
    clashing = [replace(each, names={"de": "tell kochen"}) if each.name == "tea make" else each for each in commands()]
    assert {entry["name"]: entry.get("name_localizations") for entry in payloads(clashing)}["tea"] == {}


async def test_a_new_language_is_told_to_discord_once() -> None:
    async with FakeDiscord() as discord:
        for offered, puts in ((commands(), 1), (in_german(commands()), 2), (in_german(commands()), 2)):
            async with connected(discord, commands=offered) as bot:
                used = await discord.runs("/tell")
                await bot.heard(CommandCall)
                assert used.name == "tell"
                told = [call for call in discord.calls if call.method == "PUT" and call.path.endswith("/commands")]
                await discord.wait_until(partial(lambda puts: len(told_to(discord)) == puts, puts))
                assert len(told) <= puts


def told_to(discord: FakeDiscord) -> list[str]:
    return [str(call) for call in discord.calls if call.method == "PUT" and call.path.endswith("/commands")]


async def test_an_application_that_people_may_not_install_still_tells_its_commands() -> None:
    async with FakeDiscord() as discord:
        discord.fails("PUT /applications/*/commands", status=400)
        async with connected(discord, name_it, commands=commands()):
            used = await discord.runs("/tell")
            await discord.wait_until(lambda: bool(used.texts))
            assert {tuple(each["integration_types"]) for each in discord.world.commands[None]} == {(0,)}


# Where the bot is a guest


def away(discord: FakeDiscord, where: str) -> tuple[Channel, Account]:
    bob = discord.account("Bob")
    if where == "group":
        return discord.group("friends", discord.ada, bob), bob
    if where == "between":
        return discord.direct_between(discord.ada, bob), bob
    return discord.foreign_guild("Elsewhere", bob)[1], bob


def calls_there(discord: FakeDiscord, channel: Channel) -> list[str]:
    """What the bot did there with a token of its own."""
    return [str(call) for call in discord.calls if f"/channels/{channel.id}" in call.path]


@pytest.mark.parametrize("where", ["group", "between", "guild"])
async def test_a_guest_answers_through_the_token_alone(where: str) -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=commands()) as bot:
        here, bob = away(discord, where)
        used = await discord.runs("/tell", channel=here)
        await discord.wait_until(lambda: used.texts == ["tell: nothing"])
        call = await bot.heard(CommandCall)
        assert call.place.workspace == (str(here.guild.id) if here.guild else "dm")
        assert call.route.data["guest"] is True
        can = bot.adapter.capabilities(call.route)
        assert (can.threads, can.direct, can.private, can.buttons, can.speakers) == (False, False, True, True, False)
        pressed = await discord.presses(used.messages[0], "More", author=bob)
        await discord.wait_until(lambda: pressed.texts == ["more"])
        press = await bot.heard(ButtonPressed)
        assert (press.user.name, press.message) == ("Bob", str(used.messages[0].id))
        message = await discord.says("buy my pills", channel=here)
        explained = await discord.uses("Explain this", message)
        await discord.wait_until(lambda: explained.texts == ["explain_this: buy my pills"])
        assert calls_there(discord, here) == []


async def test_in_a_group_its_owner_is_in_charge() -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=commands()) as bot:
        here, bob = away(discord, "group")
        await discord.runs("/tell", channel=here)
        assert (await bot.heard(CommandCall)).user.is_moderator
        await discord.runs("/tell", channel=here, author=bob)
        assert not (await bot.heard(CommandCall, 2)).user.is_moderator


async def test_a_guests_long_answer_keeps_to_five_messages() -> None:
    async def at_length(adapter: DiscordAdapter, event: AnyEvent) -> None:
        assert isinstance(event, CommandCall)
        async with adapter.stream(event.route) as stream:
            await stream.write(Text("word " * 4000))
            await stream.write(Done("stop"))

    async with FakeDiscord() as discord, connected(discord, at_length, commands=commands()) as bot:
        here, _ = away(discord, "guild")
        used = await discord.runs("/tell", channel=here)
        await discord.wait_until(lambda: bool(used.messages) and bool(used.messages[-1].attachments))
        assert len(used.messages) == 5
        assert calls_there(discord, here) == []
        assert bot.errors == []


async def test_a_guest_who_has_said_all_it_may_is_told_so_at_once() -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=commands()) as bot:
        here, _ = away(discord, "group")
        used = await discord.runs("/tell", channel=here)
        await discord.wait_until(lambda: used.texts == ["tell: nothing"])
        route = (await bot.heard(CommandCall)).route
        for number in range(5):
            await bot.adapter.send(route, Reply(f"{number}"))
        with pytest.raises(DeliveryRefused, match="maximum number of follow up messages") as refused:
            await bot.adapter.send(route, Reply("and more"))
        assert "only a guest here" in refused.value.public
        assert len(used.texts) == 6


async def raised(call: Awaitable[object]) -> str:
    try:
        await call
    except DeliveryError as error:
        return type(error).__name__
    return "nothing"


async def streamed(adapter: DiscordAdapter, event: CommandCall, text: str) -> None:
    async with adapter.stream(event.route) as stream:
        await stream.write(Text(text))


@pytest.mark.parametrize("where", ["group", "guild"])
async def test_a_guest_says_nothing_once_the_token_has_died(where: str) -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=commands()) as bot:
        here, _ = away(discord, where)
        used = await discord.runs("/tell", channel=here)
        await discord.wait_until(lambda: used.texts == ["tell: nothing"])
        call = await bot.heard(CommandCall)
        discord.expire_interactions()
        late = (
            bot.adapter.send(call.route, Reply("too late")),
            bot.adapter.send(call.route, Reply("too late for you too", private=True)),
            streamed(bot.adapter, call, "much too late"),
        )
        assert [await raised(each) for each in late] == ["TargetGone"] * 3
        assert used.texts == ["tell: nothing"]
        assert calls_there(discord, here) == []
        assert discord.answers(discord.direct()) == []


async def test_a_guest_goes_on_after_a_restart_while_the_token_lives() -> None:
    async with FakeDiscord() as discord:
        here, _ = away(discord, "group")
        async with connected(discord, name_it, commands=commands()) as bot:
            used = await discord.runs("/tell", channel=here)
            await discord.wait_until(lambda: used.texts == ["tell: nothing"])
            route = (await bot.heard(CommandCall)).route
        async with connected(discord, name_it, commands=commands()) as bot:
            await bot.adapter.send(route, Reply("here again"))
            assert used.texts == ["tell: nothing", "here again"]
        brief = replace(QUICK, token_lives=-1.0)
        async with connected(discord, name_it, commands=commands(), timing=brief) as bot:
            discord.expire_interactions()
            with pytest.raises(TargetGone):
                await bot.adapter.send(route, Reply("too late"))
        assert calls_there(discord, here) == []


async def test_in_places_that_are_not_allowed_a_guest_declines() -> None:
    async with (
        FakeDiscord() as discord,
        connected(discord, name_it, commands=commands(), guilds=[discord.guild.id], direct_messages=False) as bot,
    ):
        for where in ("group", "guild"):
            here, _ = away(discord, where)
            used = await discord.runs("/tell", channel=here)
            await discord.wait_until(partial(lambda used: used.texts == ["⚠️ I am not available here."], used))
        assert bot.of(CommandCall) == []
