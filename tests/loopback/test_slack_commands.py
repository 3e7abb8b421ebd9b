"""Slash commands on Slack: what people type, who reads it, and in which places."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

import pytest

from adapters.slack.adapter import SlackAdapter
from adapters.slack.testing import FakeSlack
from bot.api import AnyEvent, Arg, Command, CommandCall, Context, Plugin, Reply, User
from bot.errors import StoreUnavailable
from bot.events import event_from_json, event_to_json
from tests.loopback.slack_bot import QUICK, Listener, connected


def commands() -> list[Command]:
    plugin = Plugin("games", "For tests")

    @plugin.command()
    async def roll(ctx: Context, sides: int = 6, note: Annotated[str, Arg("Why", rest=True)] = "") -> str:
        """Roll a die."""
        return ""

    @plugin.command(private=True)
    async def secret(ctx: Context, of: User | None = None) -> str:
        """Tell a secret to you alone."""
        return ""

    @plugin.command(name="help", private=True, immediate=True)
    async def help_(ctx: Context, about: str = "") -> str:
        """Show what I can do."""
        return ""

    group = plugin.group("system", "A group")

    @group.command(name="set")
    async def set_(ctx: Context, text: Annotated[str, Arg("All of it", rest=True)] = "") -> str:
        """Take the rest of the line."""
        return ""

    return list(plugin.commands)


async def thank(adapter: SlackAdapter, event: AnyEvent) -> None:
    if isinstance(event, CommandCall):
        private = event.command in ("secret", "help")
        await adapter.send(event.route, Reply(f"done: {event.command}", private=private))


def by_name(name: str) -> Command:
    return next(each for each in commands() if each.name == name)


@pytest.mark.parametrize(("typed", "text"), [("/duologue", "roll 20 for luck"), ("/roll", "20 for luck")])
@pytest.mark.parametrize("receive", ["socket", "http"])
async def test_a_command_is_called_by_the_one_name_and_by_its_own(typed: str, text: str, receive: str) -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands(), receive=receive) as bot:
        used = await slack.runs(typed, text)
        call = await bot.heard(CommandCall)
        assert (call.command, call.text, call.id) == ("roll", "20 for luck", used.trigger_id)
        assert by_name("roll").bind(by_name("roll").parse(call.text or "")) == {"sides": 20, "note": "for luck"}
        assert (call.place.channel, call.place.thread) == (slack.general.id, None)
        assert (call.user.id, call.user.name) == (slack.ada.id, "Ada")
        assert call.locale == "en-US"
        assert event_from_json(event_to_json(call)) == call
        await slack.wait_until(lambda: "done: roll" in slack.answers())


async def test_everybody_reads_what_was_typed_and_what_is_answered() -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands()):
        await slack.runs("/duologue", "roll 20")
        await slack.wait_until(lambda: len(slack.screen()) == 2)
        assert sorted(each.seen for each in slack.screen()) == ["/duologue roll 20", "done: roll"]


async def test_what_is_private_is_seen_by_nobody_else() -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands()) as bot:
        used = await slack.runs("/duologue", "secret")
        await slack.wait_until(lambda: slack.answers(viewer=slack.ada) == ["done: secret"])
        assert slack.screen() == []
        assert slack.screen(viewer=slack.olga) == []
        assert used.acked
        data = (await bot.heard(CommandCall)).route.data
        assert data["response_url"] == used.response_url
        assert data["user"] == slack.ada.id
        assert set(data) == {"user", "at", "response_url", "until"}


async def test_alone_the_one_command_asks_for_help() -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands()) as bot:
        await slack.runs("/duologue", "  ")
        assert (await bot.heard(CommandCall)).command == "help"
        await slack.runs("/duologue", "/help roll")
        call = await bot.heard(CommandCall, 2)
        assert (call.command, call.text) == ("help", "roll")


async def test_the_one_command_may_be_called_otherwise_also_like_one_of_its_own() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands(), command="roll") as bot:
        await slack.runs("/roll", "20")
        call = await bot.heard(CommandCall)
        assert (call.command, call.text) == ("roll", "20")
        await slack.runs("/roll", "system set be kind")
        assert (await bot.heard(CommandCall, 2)).command == "system set"
        await slack.runs("/roll")
        assert (await bot.heard(CommandCall, 3)).command == "help"


async def test_a_group_is_called_with_both_its_words_and_the_rest_as_it_was_typed() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.runs("/duologue", 'System  SET be *kind*, it\'s "nice" &amp; 1 &lt; 2\nalways')
        call = await bot.heard(CommandCall)
        assert (call.command, call.text) == ("system set", 'be *kind*, it\'s "nice" & 1 < 2\nalways')


@pytest.mark.parametrize("typed", ["what is the time?", "system", "rol 6", "🎲"])
async def test_what_nobody_knows_is_handed_over_and_told_to_the_asker_alone(typed: str) -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.runs("/duologue", typed)
        call = await bot.heard(CommandCall)
        assert f"{call.command} {call.text}".strip() == typed
        await slack.wait_until(lambda: slack.told("/duologue")[0].acked)
        assert slack.screen() == []


async def test_people_channels_and_links_are_read_as_they_were_typed() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        olga, general = slack.olga.id, slack.general.id
        await slack.runs(
            "/duologue",
            f"system set tell <@{olga}|olga_1> in <#{general}|general> of <https://a.example/x?a=1&amp;b=2> <!here>",
        )
        call = await bot.heard(CommandCall)
        assert call.text == "tell @Olga in #general of https://a.example/x?a=1&b=2 @here"
        assert [(user.id, user.name) for user in call.mentions] == [(olga, "Olga")]


async def test_a_private_channel_is_called_by_its_name_where_the_bot_knows_it() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        known, unknown = slack.channel("cellar", kind="group"), slack.channel("attic", kind="group", with_bot=False)
        await slack.runs("/duologue", f"system set <#{known.id}|> <#{unknown.id}|> <#{known.id}>")
        assert (await bot.heard(CommandCall)).text == f"#cellar #{unknown.id} #cellar"


@pytest.mark.parametrize("mention", ["<@{id}|olga>", "<@{id}>"])
async def test_a_person_is_taken_as_an_argument(mention: str) -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.runs("/secret", mention.format(id=slack.olga.id))
        call = await bot.heard(CommandCall)
        bound = by_name("secret").bind(by_name("secret").parse(call.text or "", call.mentions))
        assert (bound["of"].id, bound["of"].name) == (slack.olga.id, "Olga")


async def test_who_cannot_be_looked_up_is_called_as_slack_calls_them() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        slack.fails("users.info", times=9, error="user_not_found")
        await slack.runs("/secret", f"<@{slack.olga.id}|olga_1>")
        call = await bot.heard(CommandCall)
        assert call.text == "@olga_1"
        assert (call.mentions, call.user.name) == ((User(slack.olga.id, "olga_1"),), "ada")


async def test_permissions_come_with_the_call() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.runs("/roll", author=slack.olga)
        assert (await bot.heard(CommandCall)).user.is_moderator
        await slack.runs("/roll")
        assert not (await bot.heard(CommandCall, 2)).user.is_moderator


async def test_in_a_direct_message_nobody_needs_to_see_what_was_typed() -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands()) as bot:
        direct = slack.direct()
        await slack.runs("/duologue", "roll 20", channel=direct)
        await slack.wait_until(lambda: [each.seen for each in slack.screen(direct)] == ["done: roll"])
        call = await bot.heard(CommandCall)
        assert call.place.channel == direct.id
        assert call.user.is_moderator
        assert "guest" not in call.route.data


@pytest.mark.parametrize("kind", ["channel", "group"])
async def test_where_the_bot_is_no_member_it_answers_through_the_address(kind: Any) -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands()) as bot:
        elsewhere = slack.channel("elsewhere", kind=kind, with_bot=False)
        used = await slack.runs("/duologue", "roll", channel=elsewhere)
        await slack.wait_until(lambda: "done: roll" in slack.answers(elsewhere))
        assert (await bot.heard(CommandCall)).route.data["guest"] is True
        assert used.back is not None
        assert used.back.uses == 1
        assert not [call for call in slack.called("chat.postMessage") if call.args["channel"] == elsewhere.id]


async def test_where_two_people_talk_alone_the_bot_is_a_guest_of_both() -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands()) as bot:
        theirs = slack.channel("theirs", kind="im", with_bot=False)
        await slack.runs("/duologue", "roll", channel=theirs)
        await slack.wait_until(lambda: slack.answers(theirs) == ["done: roll"])
        call = await bot.heard(CommandCall)
        assert call.route.data["guest"] is True
        # What they decide there is for them alone.
        assert (call.user.is_moderator, call.user.leads) == (True, False)
        assert slack.screen(slack.direct()) == []
        await slack.runs("/duologue", "roll", channel=theirs, author=slack.account("Amy", is_admin=True))
        assert (await bot.heard(CommandCall, 2)).user.leads


@pytest.mark.parametrize(
    "setting", [{"deny_users": "ada"}, {"users": "olga"}, {"deny_channels": "general"}, {"channels": "other"}]
)
async def test_who_is_denied_is_told_so_alone(setting: dict[str, str]) -> None:
    async with FakeSlack() as slack:
        ids = {"ada": slack.ada.id, "olga": slack.olga.id, "general": slack.general.id, "other": "C0OTHER"}
        denied: dict[str, Any] = {name: (ids[who],) for name, who in setting.items()}
        async with connected(slack, thank, commands=commands(), **denied) as bot:
            await slack.runs("/duologue", "roll 20")
            await slack.wait_until(lambda: slack.answers(viewer=slack.ada) == ["I am not available here."])
            assert slack.screen() == []
            assert bot.of(CommandCall) == []


async def test_guests_of_a_connected_workspace_are_told_apart() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.runs("/roll")
        assert "team" not in (await bot.heard(CommandCall)).route.data
        await slack.runs("/roll", author=slack.account("Gus", team="T0OTHER"))
        assert (await bot.heard(CommandCall, 2)).route.data["team"] == "T0OTHER"


class Slow(Listener):
    """Takes nothing before there was `enough` time."""

    enough: asyncio.Event

    async def handle(self, event: AnyEvent) -> None:
        if isinstance(event, CommandCall):
            await self.enough.wait()
        await super().handle(event)


class Full(Listener):
    async def handle(self, event: AnyEvent) -> None:
        if isinstance(event, CommandCall):
            raise StoreUnavailable("the disk is full")
        await super().handle(event)


async def test_what_takes_long_to_be_taken_is_acknowledged_before_and_still_done() -> None:
    hasty = replace(QUICK, hear_within=0.05)
    async with FakeSlack() as slack, connected(slack, commands=commands(), timing=hasty, listens=Slow) as bot:
        assert isinstance(bot, Slow)
        bot.enough = asyncio.Event()
        used = await slack.runs("/roll")
        await slack.wait_until(lambda: used.acked)
        assert bot.of(CommandCall) == []
        bot.enough.set()
        assert (await bot.heard(CommandCall)).command == "roll"


async def test_nobody_waits_for_what_slack_is_slow_to_tell() -> None:
    hasty = replace(QUICK, hear_within=0.05)
    async with FakeSlack() as slack, connected(slack, commands=commands(), timing=hasty) as bot:
        enough = asyncio.Event()

        async def wait() -> None:
            await enough.wait()

        slack.fails("users.info", do=wait, times=9)
        slack.fails("conversations.info", do=wait, times=9)
        used = await slack.runs("/roll", "20")
        await slack.wait_until(lambda: used.acked)
        call = await bot.heard(CommandCall)
        assert (call.text, call.user.id, call.user.name) == ("20", slack.ada.id, "ada")
        enough.set()


async def test_a_command_that_cannot_be_kept_is_apologized_for() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands(), listens=Full):
        await slack.runs("/roll")
        await slack.wait_until(lambda: slack.answers(viewer=slack.ada))
        assert slack.answers(viewer=slack.ada) == ["Something went wrong on my side. Please try again."]
        assert slack.screen() == []
