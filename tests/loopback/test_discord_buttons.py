"""Buttons on Discord: pressed today or after a restart, answered to the right person in the right place."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.buttons import components
from adapters.discord.replying import Timing
from adapters.discord.testing import FakeDiscord, Message, NotOffered
from bot.api import (
    AnyEvent,
    Button,
    ButtonPressed,
    Command,
    CommandCall,
    Context,
    Controls,
    Done,
    Plugin,
    Reply,
    Resume,
    SentId,
    SystemClock,
    TargetGone,
    Text,
)
from bot.events import event_from_json, event_to_json
from tests.loopback.discord_bot import connected

AGAIN = Button("again", "Again", ("7",), look="primary")
STOP = Button("stop", "Stop", who="moderators", look="danger")
OLD_ID = "stop:1234"


def commands() -> list[Command]:
    plugin = Plugin("fun", "For tests")

    @plugin.command(private=True)
    async def notes(ctx: Context) -> str:
        """Your notes."""
        return ""

    return list(plugin.commands)


async def offer(adapter: DiscordAdapter, event: AnyEvent) -> None:
    if isinstance(event, CommandCall | ButtonPressed):
        await adapter.send(event.route, Reply("for you", private=True, buttons=(AGAIN,)))
    else:
        await adapter.send(event.route, Reply("pick", buttons=(AGAIN, STOP)))


async def picked(discord: FakeDiscord) -> Message:
    """The bot's message with buttons, after Ada asked for it."""
    await discord.says("@bot what now?")
    await discord.wait_until(lambda: any(each.components for each in discord.screen()))
    return discord.screen()[-1]


def test_components_are_rows_of_five_with_what_discord_takes() -> None:
    many = [Button("go", f"{number} " + "x" * 90, (str(number),)) for number in range(30)]
    rows = components(many, "9")
    assert [len(row["components"]) for row in rows] == [5] * 5
    assert all(len(each["label"]) <= 80 for row in rows for each in row["components"])
    grey = components([Button("at", "2/3", enabled=False), Button("at", "3/3", look="danger", who="anyone")], "9")
    assert [(each["style"], each["disabled"], each["custom_id"]) for each in grey[0]["components"]] == [
        (2, True, "d1/a/9/at"),
        (4, False, "d1/e//at"),
    ]
    assert components([], "9") == []


def test_two_buttons_that_do_the_same_have_ids_of_their_own() -> None:
    ids = [each["custom_id"] for each in components([AGAIN, AGAIN], "9")[0]["components"]]
    assert len({*ids}) == 2


async def test_a_press_says_who_pressed_what_under_which_message() -> None:
    async with FakeDiscord() as discord, connected(discord, offer) as bot:
        german = discord.account("Nils", locale="de", may=["manage_messages"])
        message = await picked(discord)
        await discord.presses(message, "Again", author=german)
        event = await bot.heard(ButtonPressed)
        assert (event.action, event.args, event.message) == ("again", ("7",), str(message.id))
        assert (event.who, event.asker, event.locale) == ("asker", str(discord.ada.id), "de")
        assert (event.user.name, event.user.is_moderator) == ("Nils", True)
        assert event.place.channel == str(discord.general.id)
        assert event_from_json(event_to_json(event)) == event
        await discord.presses(message, "Stop")
        event = await bot.heard(ButtonPressed, 2)
        assert (event.action, event.who, event.asker, event.user.is_moderator) == ("stop", "moderators", "", False)


async def test_a_press_is_taken_at_once_and_nothing_is_seen_of_it() -> None:
    async def silent(adapter: DiscordAdapter, event: AnyEvent) -> None:
        if not isinstance(event, ButtonPressed):
            await offer(adapter, event)

    async with FakeDiscord() as discord, connected(discord, silent) as bot:
        message = await picked(discord)
        pressed = await discord.presses(message, "Again")
        await bot.heard(ButtonPressed)
        await discord.wait_until(lambda: pressed.acknowledged is not None)
        assert (pressed.texts, message.edited) == ([], None)
        assert discord.answers(viewer=discord.ada) == ["pick"]


async def test_a_private_answer_to_a_press_is_seen_by_the_presser_alone() -> None:
    async with FakeDiscord() as discord, connected(discord, offer):
        message = await picked(discord)
        await discord.presses(message, "Again", author=discord.owner)
        await discord.wait_until(lambda: discord.answers(viewer=discord.owner) == ["pick", "for you"])
        assert discord.answers(viewer=discord.ada) == ["pick"]


async def test_a_public_answer_to_a_press_is_a_message_of_the_bot_like_any_other() -> None:
    async def aloud(adapter: DiscordAdapter, event: AnyEvent) -> None:
        if isinstance(event, ButtonPressed):
            await adapter.send(event.route, Reply("aloud", buttons=(AGAIN,)))
        else:
            await offer(adapter, event)

    async with FakeDiscord() as discord, connected(discord, aloud):
        message = await picked(discord)
        await discord.presses(message, "Again")
        await discord.wait_until(lambda: discord.answers() == ["pick", "aloud"])
        answer = discord.screen()[-1]
        assert (answer.interaction, answer.reply_to, len(answer.components)) == (None, None, 1)


async def test_buttons_work_after_a_restart() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, offer):
            message = await picked(discord)
        async with connected(discord, offer) as bot:
            await discord.presses(message, "Again")
            event = await bot.heard(ButtonPressed)
            assert (event.action, event.args, event.message) == ("again", ("7",), str(message.id))
            await discord.wait_until(lambda: discord.answers(viewer=discord.ada) == ["pick", "for you"])


async def test_buttons_under_a_private_answer_work_too_also_after_a_restart() -> None:
    async def turn_page(adapter: DiscordAdapter, event: AnyEvent) -> None:
        if isinstance(event, ButtonPressed):
            await adapter.edit(event.route, SentId(event.message, "private"), Reply("page 2"))
        else:
            await offer(adapter, event)

    async with FakeDiscord() as discord:
        async with connected(discord, turn_page, commands=commands()):
            used = await discord.runs("/notes")
            await discord.wait_until(lambda: used.texts == ["for you"])
            page = used.messages[0]
            with pytest.raises(NotOffered):
                await discord.presses(page, "Again", author=discord.owner)
        async with connected(discord, turn_page, commands=commands()) as bot:
            await discord.presses(page, "Again")
            await discord.wait_until(lambda: page.text == "page 2")
            assert page.components == []
            assert page.seen_by is discord.ada
            assert discord.answers() == []
            assert bot.errors == []


async def test_an_answer_written_anew_after_a_press_stays_in_its_message() -> None:
    async def anew(adapter: DiscordAdapter, event: AnyEvent) -> None:
        if not isinstance(event, ButtonPressed):
            await offer(adapter, event)
            return
        resume = Resume((SentId(event.message),), "", ("pick",))
        async with adapter.stream(event.route, resume=resume) as stream:
            await stream.write(Controls((STOP,)))
            await stream.write(Text("picked "))
            await discord.wait_until(lambda: message.text == "picked")
            await stream.write(Text("anew"))
            await stream.write(Controls((AGAIN,)))
            await stream.write(Done("stop"))

    async with FakeDiscord() as discord, connected(discord, anew) as bot:
        message = await picked(discord)
        pressed = await discord.presses(message, "Again")
        await discord.wait_until(lambda: message.text == "picked anew")
        await discord.wait_until(lambda: [each["label"] for each in message.components[0]["components"]] == ["Again"])
        assert discord.answers(viewer=discord.ada) == ["picked anew"]
        assert not pressed.deferred
        assert bot.errors == []


async def test_a_press_under_a_message_that_is_gone_is_explained_to_the_presser_alone() -> None:
    async def change(adapter: DiscordAdapter, event: AnyEvent) -> None:
        if not isinstance(event, ButtonPressed):
            await offer(adapter, event)
            return
        try:
            await adapter.edit(event.route, SentId(event.message), Reply("changed"))
        except TargetGone as gone:
            await adapter.send(event.route, Reply(f"⚠️ {gone.public}", failed=True))

    async with FakeDiscord() as discord, connected(discord, change):
        message = await picked(discord)
        await discord.deletes(message)
        await discord.presses(message, "Again", author=discord.owner)
        gone = ["⚠️ The message I was writing to is gone."]
        await discord.wait_until(lambda: discord.answers(viewer=discord.owner) == gone)
        assert discord.answers() == []


@pytest.mark.parametrize("id", [OLD_ID, "d1/a", "d1/x/1/go", "d2/a/1/go"])
async def test_a_button_that_this_version_does_not_know_is_explained(id: str) -> None:
    async with FakeDiscord() as discord, connected(discord, offer) as bot:
        message = await picked(discord)
        message.components[0]["components"][0]["custom_id"] = id
        pressed = await discord.presses(message, "Again")
        await discord.wait_until(lambda: pressed.texts == ["⚠️ This button is of no use any more. Please ask me again."])
        assert discord.answers() == ["pick"]
        assert bot.of(ButtonPressed) == []


async def test_pressing_twice_at_once_counts_once() -> None:
    async with FakeDiscord() as discord, connected(discord, offer) as bot:
        message = await picked(discord)
        await discord.presses(message, "Again")
        second = await discord.presses(message, "Again")
        await discord.wait_until(lambda: second.texts == ["⚠️ Once is enough: I am at it already."])
        await discord.presses(message, "Again", author=discord.owner)
        await bot.heard(ButtonPressed, 2)
        assert [event.user.name for event in bot.of(ButtonPressed)] == ["Ada", "Olga"]


async def test_who_is_denied_learns_so_from_a_press() -> None:
    async with FakeDiscord() as discord:
        mallory = discord.account("Mallory")
        async with connected(discord, offer, deny_users=[mallory.id]) as bot:
            message = await picked(discord)
            pressed = await discord.presses(message, "Again", author=mallory)
            await discord.wait_until(lambda: pressed.texts == ["⚠️ I am not available here."])
            assert bot.of(ButtonPressed) == []


async def test_a_private_answer_that_comes_too_late_for_the_press_goes_as_a_direct_message() -> None:
    brief = Timing(ready_after=0.02, identify_again=0.0, token_lives=-1.0)
    async with FakeDiscord() as discord, connected(discord, offer, timing=brief):
        message = await picked(discord)
        await discord.presses(message, "Again")
        await discord.wait_until(lambda: discord.answers(discord.direct()) == ["for you"])
        assert discord.answers(viewer=discord.ada) == ["pick"]


async def test_in_direct_messages_buttons_work_as_well() -> None:
    async with FakeDiscord() as discord, connected(discord, offer) as bot:
        here = discord.direct()
        await discord.says("what now?", channel=here)
        await discord.wait_until(lambda: discord.answers(here) == ["pick"])
        message = discord.screen(here)[-1]
        await discord.presses(message, "Again")
        event = await bot.heard(ButtonPressed)
        assert (event.place.workspace, event.place.channel) == ("dm", str(here.id))
        assert event.user.is_moderator
        await discord.wait_until(lambda: discord.answers(here, viewer=discord.ada) == ["pick", "for you"])


class Ahead(SystemClock):
    """The time of day can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.mark.parametrize("how", ["in time", "too early"])
async def test_a_long_slash_answer_keeps_its_buttons_when_its_token_ends_under_it(how: str) -> None:
    """What was begun through the token goes on by the bot itself: before the quarter of an hour is over, and also when
    Discord does not know the token any more."""

    async def at_length(adapter: DiscordAdapter, event: Any) -> None:
        async with adapter.stream(event.route) as stream:
            await stream.write(Controls((STOP,)))
            await stream.write(Text("one "))
            await discord.wait_until(lambda: used.texts == ["one"])
            if how == "in time":
                clock.ahead = timedelta(minutes=14, seconds=1)
            else:
                discord.expire_interactions()
            await stream.write(Text("two " * 900))
            await stream.write(Controls((AGAIN,)))
            await stream.write(Done("stop"))

    clock = Ahead()
    plugin = Plugin("fun", "For tests")

    @plugin.command()
    async def tell(ctx: Context) -> str:
        """Tell at length."""
        return ""

    said = "one " + ("two " * 900).strip()
    async with FakeDiscord() as discord, connected(discord, at_length, commands=plugin.commands, clock=clock) as bot:
        used = await discord.runs("/tell")
        await discord.wait_until(lambda: " ".join(discord.answers()).split() == said.split())
        await discord.wait_until(lambda: "Again" in str(discord.screen()[-1].components))
        first, last = discord.screen()
        assert first.components == []
        assert [each["label"] for each in last.components[0]["components"]] == ["Again"]
        by_bot = [call.method for call in discord.calls if re.match("/channels/.*/messages", call.path)]
        assert {*by_bot} == {"PATCH", "POST"}
        refused = [call for call in discord.calls if call.status == 401]
        assert bool(refused) == (how == "too early")
        assert bot.errors == []
