"""Who is answered where: roles beside the lists of people, channels and servers."""

from __future__ import annotations

from collections import Counter

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import Account, FakeDiscord
from bot.api import CommandCall, Context, Message, MessageEdited, Place, Plugin, Reacted, Reply, Route
from tests.loopback.discord_bot import connected, echo


def with_role(discord: FakeDiscord, name: str) -> tuple[Account, int]:
    somebody = discord.account(name, may=["manage_messages"])
    (role,) = discord.guild.members[somebody.id]
    return somebody, role


def asked_for(discord: FakeDiscord) -> Counter[str]:
    """How often Discord was asked for the roles of whom."""
    return Counter(call.path.rpartition("/")[2] for call in discord.calls if "/members/" in call.path)


async def test_only_people_with_an_allowed_role_are_heard() -> None:
    async with FakeDiscord() as discord:
        mo, role = with_role(discord, "Mo")
        async with connected(discord, echo, roles=[role]) as bot:
            await discord.says("@bot one")
            edited = await discord.says("@bot two", author=mo)
            await bot.heard(Message)
            await discord.edits(edited, "@bot three")
            await bot.heard(MessageEdited)
            await discord.wait_until(discord.answers)
            await discord.servers.reacts(discord.screen()[-1], "👎", discord.ada)
            await discord.servers.reacts(discord.screen()[-1], "👍", mo)
            assert (await bot.heard(Reacted)).emoji == "👍"
            assert [event.user.name for event in bot.of(Message)] == ["Mo"]
            assert len(bot.of(Reacted)) == 1


@pytest.mark.parametrize("also", [{}, {"users": "mo"}, {"roles": "mo"}])
async def test_what_is_denied_stays_denied(also: dict[str, str]) -> None:
    async with FakeDiscord() as discord:
        mo, role = with_role(discord, "Mo")
        given = {"users": [mo.id, discord.ada.id], "roles": [role, discord.guild.id]}
        lists = {name: given[name] for name in also}
        async with connected(discord, deny_roles=[role], **lists) as bot:
            await discord.says("@bot one", author=mo)
            await discord.says("one", author=mo, channel=discord.direct(mo))
            await discord.says("@bot two")
            assert (await bot.heard(Message)).text == "two"
            await discord.says("three", channel=discord.direct())
            await bot.heard(Message, 2)
            assert {event.user.name for event in bot.of(Message)} == {"Ada"}


async def test_in_direct_messages_the_roles_on_shared_servers_count_and_are_asked_for_once() -> None:
    async with FakeDiscord() as discord:
        mo, role = with_role(discord, "Mo")
        async with connected(discord, roles=[role]) as bot:
            for text in ("one", "two"):
                await discord.says(text, author=mo, channel=discord.direct(mo))
                await discord.says(text, channel=discord.direct())
            await discord.wait_until(lambda: len(asked_for(discord)) == 2)
            await discord.says("three", author=mo, channel=discord.direct(mo))
            await bot.heard(Message, 3)
            assert {event.user.name for event in bot.of(Message)} == {"Mo"}
            assert asked_for(discord) == {str(mo.id): 1, str(discord.ada.id): 1}


async def test_who_is_on_none_of_its_servers_is_not_answered_where_roles_are_wanted() -> None:
    async with FakeDiscord() as discord:
        mo, role = with_role(discord, "Mo")
        stranger = discord.world.add_account("Stranger")
        async with connected(discord, roles=[role]) as bot:
            await discord.says("let me in", author=stranger, channel=discord.direct(stranger))
            await discord.says("hello", author=mo, channel=discord.direct(mo))
            assert (await bot.heard(Message)).text == "hello"
            assert len(bot.of(Message)) == 1


async def test_commands_are_for_people_with_the_role_too() -> None:
    plugin = Plugin("tea", "Tea")

    @plugin.command()
    async def tea(ctx: Context) -> str:
        """Make tea."""
        return ""

    async def serve(adapter: DiscordAdapter, event: CommandCall) -> None:
        await adapter.send(event.route, Reply("🍵"))

    async with FakeDiscord() as discord:
        mo, role = with_role(discord, "Mo")
        async with connected(discord, serve, commands=list(plugin.commands), roles=[role]):
            for author, answer in ((mo, "🍵"), (discord.ada, "⚠️ I am not available here.")):
                for channel in (discord.general, discord.direct(author)):
                    used = await discord.runs("/tea", author=author, channel=channel)
                    await discord.wait_until(lambda used=used: used.texts)  # type: ignore[misc]  # each its own
                    assert used.texts == [answer]


async def test_messages_that_are_read_back_know_their_authors_roles() -> None:
    async with FakeDiscord() as discord:
        mo, role = with_role(discord, "Mo")
        await discord.says("@bot one", author=mo)
        await discord.says("@bot two")
        async with connected(discord, roles=[role]) as bot:
            here = Route(Place("discord", str(discord.guild.id), str(discord.general.id)))
            posted = await bot.adapter.history(here, None, 10)
            assert [each.event.text if each.event else None for each in posted] == ["one", None]


async def test_without_listed_roles_nobody_is_asked_for_theirs() -> None:
    async with FakeDiscord() as discord, connected(discord, echo):
        await discord.says("hello", channel=discord.direct())
        await discord.wait_until(lambda: discord.answers(discord.direct()))
        assert not asked_for(discord)
