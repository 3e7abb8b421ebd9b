"""Slash commands, their suggestions and menus, through the real discord.py client on a loopback Discord."""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.replying import Timing
from adapters.discord.testing import FakeDiscord, NotOffered
from adapters.discord.testing.faults import Fault
from bot.api import (
    Arg,
    Attachment,
    Command,
    CommandCall,
    Context,
    Plugin,
    Reply,
    Speaker,
    TargetGone,
    Text,
    User,
)
from bot.events import event_from_json, event_to_json
from tests.loopback.discord_bot import connected

DEFER_SOON = Timing(ready_after=0.02, defer_after=0.05)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


async def cities(event: CommandCall, typed: str) -> list[str]:
    return [f"{event.user.name} in {city}" for city in ("Berlin", "Bern", "Oslo") if city.startswith(typed)]


async def failing(event: CommandCall, typed: str) -> list[str]:
    raise RuntimeError("no suggestions today")


def commands() -> list[Command]:
    plugin = Plugin("fun", "For tests")

    @plugin.command()
    async def roll(ctx: Context, sides: Annotated[int, Arg("Faces of the die", ge=2, le=100)] = 6) -> str:
        """Roll a die."""
        return ""

    @plugin.command()
    async def everything(
        ctx: Context,
        text: Annotated[str, Arg("Some text", min_length=2, max_length=5)],
        whole: int,
        number: float,
        yes: bool,
        who: User,
        file: Attachment,
        colour: Colour,
        mood: Literal["good", "bad"] = "good",
        place: Annotated[str, Arg("Where", complete=cities)] = "",
        thing: Annotated[str, Arg(complete=failing)] = "",
    ) -> str:
        """Take one of each."""
        return ""

    @plugin.command(private=True)
    async def secret(ctx: Context) -> str:
        """Only for you."""
        return ""

    group = plugin.group("system", "The system prompt")

    @group.command()
    async def show(ctx: Context) -> str:
        """Show it."""
        return ""

    @group.command(name="set")
    async def set_(ctx: Context, text: Annotated[str, Arg("The new one", rest=True)]) -> str:
        """Change it."""
        return ""

    @plugin.command(target="message")
    async def explain_this(ctx: Context) -> str:
        """Explain a message."""
        return ""

    return list(plugin.commands)


async def name_it(adapter: DiscordAdapter, event: CommandCall) -> None:
    await adapter.send(event.route, Reply(f"/{event.command} {event.arguments}"))


async def test_a_command_arrives_with_its_arguments_and_is_answered() -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=commands()) as bot:
        used = await discord.runs("/roll", sides=20)
        await discord.wait_until(lambda: used.texts == ["/roll {'sides': 20}"])
        assert not used.deferred
        assert not used.private
        call = await bot.heard(CommandCall)
        assert (call.id, call.user.name, call.text) == (str(used.id), "Ada", None)
        assert event_from_json(event_to_json(call)) == call
        assert discord.answers() == used.texts


async def test_every_type_of_option_reaches_the_command() -> None:
    offered = commands()
    async with FakeDiscord() as discord, connected(discord, name_it, commands=offered) as bot:
        note = await discord.uploads("a.txt", b"abc")
        await discord.runs(
            "/everything",
            text="abc",
            whole=-3,
            number=2.5,
            yes=True,
            who=discord.owner,
            file=note.attachments[0],
            colour="blue",
        )
        call = await bot.heard(CommandCall)
        arguments: Any = call.arguments
        assert arguments["who"] == {"id": str(discord.owner.id), "name": "Olga"}
        assert arguments["file"]["name"] == "a.txt"
        bound = next(each for each in offered if each.name == "everything").bind(arguments)
        assert (bound["text"], bound["whole"], bound["number"], bound["yes"]) == ("abc", -3, 2.5, True)
        assert bound["colour"] is Colour.BLUE
        assert bound["mood"] == "good"
        assert await bot.adapter.fetch(bound["file"], 100) == b"abc"


async def test_ranges_choices_and_what_is_required_are_checked_before_anything_is_sent() -> None:
    async with FakeDiscord() as discord, connected(discord, commands=commands()):
        for wrong in ({"sides": 1}, {"sides": 101}, {"sides": "six"}, {"edges": 3}):
            with pytest.raises(NotOffered):
                await discord.runs("/roll", **wrong)
        with pytest.raises(NotOffered, match="needs 'text'"):
            await discord.runs("/system set")
        with pytest.raises(NotOffered, match="has no 'drop'"):
            await discord.runs("/system drop")


async def test_commands_of_a_group_keep_their_full_name() -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=commands()) as bot:
        await discord.runs("/system set", text="be kind")
        call = await bot.heard(CommandCall)
        assert (call.command, call.arguments) == ("system set", {"text": "be kind"})


async def test_values_are_suggested_while_typing() -> None:
    async with FakeDiscord() as discord, connected(discord, commands=commands()) as bot:
        typed = await discord.types("/everything", "place", "Ber")
        await discord.wait_until(lambda: typed.choices is not None)
        assert typed.choices == ["Ada in Berlin", "Ada in Bern"]
        broken = await discord.types("/everything", "thing", "x")
        await discord.wait_until(lambda: broken.choices is not None)
        assert broken.choices == []
        assert bot.of(CommandCall) == []


async def test_in_a_direct_message_commands_work_too() -> None:
    async with FakeDiscord() as discord, connected(discord, name_it, commands=commands()) as bot:
        here = discord.direct()
        used = await discord.runs("/roll", channel=here)
        await discord.wait_until(lambda: bool(used.texts))
        call = await bot.heard(CommandCall)
        assert (call.place.workspace, call.place.channel) == ("dm", str(here.id))
        assert call.user.permissions >= {"admin"}


async def test_commands_are_told_to_discord_once_and_again_only_when_they_changed() -> None:
    async with FakeDiscord() as discord:

        def told(method: str) -> int:
            return sum(call.method == method and call.path.endswith("/commands") for call in discord.calls)

        for start, (offered, puts) in enumerate(((commands(), 1), (commands(), 1), (commands()[:-1], 2)), 1):
            async with connected(discord, commands=offered):
                await discord.wait_until(
                    partial(lambda gets, puts: (told("GET"), told("PUT")) == (gets, puts), start, puts)
                )
        names = {command["name"] for command in discord.world.commands[None]}
        assert names == {"roll", "everything", "secret", "system"}


async def test_a_slow_command_says_that_it_thinks_and_answers_in_the_same_message() -> None:
    gate = asyncio.Event()

    async def slowly(adapter: DiscordAdapter, event: CommandCall) -> None:
        await gate.wait()
        await adapter.send(event.route, Reply("done at last"))

    async with FakeDiscord() as discord, connected(discord, slowly, commands=commands(), timing=DEFER_SOON):
        used = await discord.runs("/roll")
        await discord.wait_until(lambda: used.deferred)
        assert used.original is not None
        assert used.original.loading
        gate.set()
        await discord.wait_until(lambda: used.texts == ["done at last"])
        assert len(used.messages) == 1


@pytest.mark.parametrize(("method", "private"), [("PATCH", False), ("DELETE", True)])
async def test_what_discord_could_not_take_still_ends_the_thinking(method: str, private: bool) -> None:
    async def insist(adapter: DiscordAdapter, event: CommandCall) -> None:
        await discord.wait_until(lambda: used.deferred)
        faults.append(discord.fails(f"{method} /webhooks/*/messages/*", status=400))
        await adapter.send(event.route, Reply("done at last", private=private))

    faults: list[Fault] = []
    async with FakeDiscord() as discord, connected(discord, insist, commands=commands(), timing=DEFER_SOON) as bot:
        used = await discord.runs("/roll")
        await discord.wait_until(lambda: used.texts == ["done at last"])
        assert [fault.met for fault in faults] == [1]
        assert discord.answers() == ([] if private else ["done at last"])
        assert not any(message.loading for message in discord.screen(viewer=discord.ada))
        assert bot.errors == []


async def test_an_answer_whose_thinking_was_deleted_by_somebody_follows_on_its_own() -> None:
    async def insist(adapter: DiscordAdapter, event: CommandCall) -> None:
        await discord.wait_until(lambda: used.deferred)
        assert used.original is not None
        await discord.deletes(used.original)
        with pytest.raises(TargetGone):
            await adapter.send(event.route, Reply("done"))
        await adapter.send(event.route, Reply("done at last"))

    async with FakeDiscord() as discord, connected(discord, insist, commands=commands(), timing=DEFER_SOON) as bot:
        used = await discord.runs("/roll")
        await discord.wait_until(lambda: used.texts == ["done at last"])
        assert bot.errors == []


@pytest.mark.parametrize("slow", [False, True])
async def test_private_stays_private(slow: bool) -> None:
    async def whisper(adapter: DiscordAdapter, event: CommandCall) -> None:
        if slow:
            await discord.wait_until(lambda: used.deferred)
        await adapter.send(event.route, Reply("the secret", private=True))
        async with adapter.stream(event.route) as stream:
            await stream.write(Text("whispered"))
        await adapter.send(event.route, Reply("aloud"))

    async with FakeDiscord() as discord:
        timing = DEFER_SOON if slow else Timing(ready_after=0.02)
        async with connected(discord, whisper, commands=commands(), timing=timing) as bot:
            used = await discord.runs("/secret")
            await discord.wait_until(lambda: len(used.texts) == 3)
            assert discord.answers() == ["aloud"]
            assert discord.answers(viewer=discord.ada) == ["the secret", "whispered", "aloud"]
            assert bot.errors == []


async def test_a_private_mistake_in_a_slow_public_command_is_seen_by_its_asker_alone() -> None:
    async def whisper(adapter: DiscordAdapter, event: CommandCall) -> None:
        await discord.wait_until(lambda: used.deferred)
        await adapter.send(event.route, Reply("that was wrong", private=True))

    async with FakeDiscord() as discord, connected(discord, whisper, commands=commands(), timing=DEFER_SOON):
        used = await discord.runs("/roll")
        await discord.wait_until(lambda: used.texts == ["that was wrong"])
        assert discord.screen() == []


@pytest.mark.parametrize("slow", [False, True])
async def test_a_command_with_nothing_to_say_leaves_nobody_waiting(slow: bool) -> None:
    async def nothing(adapter: DiscordAdapter, event: CommandCall) -> None:
        if slow:
            await discord.wait_until(lambda: used.deferred)
        assert await adapter.send(event.route, Reply("")) == ()

    async with FakeDiscord() as discord:
        timing = DEFER_SOON if slow else Timing(ready_after=0.02)
        async with connected(discord, nothing, commands=commands(), timing=timing) as bot:
            used = await discord.runs("/roll")
            await discord.wait_until(
                lambda: used.acknowledged is not None and not any(message.loading for message in discord.screen())
            )
            assert discord.answers() == []
            assert bot.errors == []


async def test_a_long_answer_streams_through_the_interaction_and_goes_on_as_the_bots_own() -> None:
    gate = asyncio.Event()

    async def talk(adapter: DiscordAdapter, event: CommandCall) -> None:
        async with adapter.stream(event.route, Speaker("ann", "Ann")) as stream:
            await stream.write(Text("Once upon a time"))
            await gate.wait()
            await stream.write(Text(" there was an end."))

    timing = Timing(ready_after=0.02, token_lives=0.4)
    async with FakeDiscord() as discord, connected(discord, talk, commands=commands(), timing=timing) as bot:
        used = await discord.runs("/roll")
        await discord.wait_until(lambda: used.texts == ["**Ann:** Once upon a time"])
        discord.expire_interactions()
        await asyncio.sleep(0.4)  # the token's life is real time
        gate.set()
        await discord.wait_until(lambda: used.texts == ["**Ann:** Once upon a time there was an end."])
        assert discord.calls[-1].path.startswith(f"/channels/{discord.general.id}/messages/")
        assert bot.errors == []


async def test_a_token_that_died_too_early_loses_nothing() -> None:
    gate = asyncio.Event()

    async def talk(adapter: DiscordAdapter, event: CommandCall) -> None:
        async with adapter.stream(event.route) as stream:
            await stream.write(Text("one"))
            await gate.wait()
            await stream.write(Text(" two"))

    async with FakeDiscord() as discord, connected(discord, talk, commands=commands()) as bot:
        used = await discord.runs("/roll")
        await discord.wait_until(lambda: used.texts == ["one"])
        discord.expire_interactions()
        gate.set()
        await discord.wait_until(lambda: discord.answers() == ["one two"])
        assert bot.errors == []


async def test_another_process_goes_on_with_a_route_of_a_command() -> None:
    async def ignore(adapter: DiscordAdapter, event: CommandCall) -> None:
        await adapter.send(event.route, Reply("first"))

    async with FakeDiscord() as discord:
        async with connected(discord, ignore, commands=commands()) as bot:
            used = await discord.runs("/roll")
            await discord.wait_until(lambda: used.texts == ["first"])
            stored = event_to_json(bot.of(CommandCall)[0])
        async with connected(discord, commands=commands()) as bot:
            (sent,) = await bot.adapter.send(event_from_json(stored).route, Reply("second", private=True))
            await discord.wait_until(lambda: used.texts == ["first", "second"])
            await bot.adapter.edit(event_from_json(stored).route, sent, Reply("changed"))
            assert used.texts == ["first", "changed"]
            assert discord.answers() == ["first"]


async def test_a_command_left_thinking_by_a_crash_is_answered_in_its_own_message() -> None:
    async def hang(adapter: DiscordAdapter, event: CommandCall) -> None:
        await asyncio.Event().wait()

    async with FakeDiscord() as discord:
        async with connected(discord, hang, commands=commands(), timing=DEFER_SOON) as bot:
            used = await discord.runs("/roll")
            await discord.wait_until(lambda: used.deferred)
            stored = event_to_json(bot.of(CommandCall)[0])
        async with connected(discord, commands=commands()) as bot:
            async with bot.adapter.stream(event_from_json(stored).route) as stream:
                await stream.write(Text("late, but here"))
            assert used.texts == ["late, but here"]
            assert len(used.messages) == len(stream.sent) == 1


async def test_who_is_denied_is_told_so_privately() -> None:
    discord = FakeDiscord()
    async with discord, connected(discord, commands=commands(), deny_users=[discord.ada.id]) as bot:
        used = await discord.runs("/roll")
        await discord.wait_until(lambda: used.texts == ["⚠️ I am not available here."])
        assert discord.answers() == []
        assert bot.of(CommandCall) == []
