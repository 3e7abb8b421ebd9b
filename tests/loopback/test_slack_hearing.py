"""What the adapter hears on a loopback Slack through the real slack-bolt: messages, people, files and commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.slack.testing import EVENTS, SCOPES, FakeSlack
from adapters.slack.testing import Message as Shown
from adapters.slack.timing import Timing
from bot.api import Attachment, CommandCall, Message, Place
from bot.events import event_from_json, event_to_json
from bot.testing.adapter_contract import contract_commands
from tests.loopback.slack_bot import Listener, connected, echo

COMMANDS = contract_commands()


async def settled(slack: FakeSlack) -> None:
    """Everything that was told is acknowledged, so that it was heard or was not."""
    await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))


async def heard(bot: Listener, slack: FakeSlack, said: Shown) -> Message:
    """What the bot made of a message."""
    await settled(slack)
    return next(each for each in bot.of(Message) if each.id == said.ts)


async def test_a_mention_is_answered_in_a_thread_below_it() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        question = await slack.says("hi @bot, meet @Olga & all > 2")
        await slack.wait_until(lambda: slack.answers(thread=question))
        assert slack.answers(thread=question) == ["You said: hi, meet @Olga & all > 2"]
        event = await heard(bot, slack, question)
        assert (event.id, event.user.name, event.addressed, event.locale) == (question.ts, "Ada", True, "en-US")
        assert event.place == Place("slack", slack.world.team, slack.general.id, question.ts)
        assert event.route.data == {"message": question.ts, "user": slack.ada.id}
        assert event.at == datetime.fromtimestamp(float(question.ts), UTC)
        assert [(user.id, user.name) for user in event.mentions] == [(slack.olga.id, "Olga")]
        assert event_from_json(event_to_json(event)) == event
        # Slack tells of a mention twice, and both times it is the same to the bot.
        assert bot.told[event.place, event.id] == 2
    assert slack.pinged == []


async def test_by_http_it_is_heard_alike() -> None:
    async with FakeSlack() as slack, connected(slack, echo, receive="http") as bot:
        question = await slack.mentions("hi")
        await slack.wait_until(lambda: slack.answers(thread=question) == ["You said: hi"])
        event = await heard(bot, slack, question)
        assert (event.text, event.addressed, bot.told[event.place, event.id]) == ("hi", True, 2)


async def test_where_there_are_to_be_no_threads_a_mention_belongs_to_the_channel() -> None:
    async with FakeSlack() as slack, connected(slack, echo, reply_in_threads=False) as bot:
        question = await slack.mentions("hi")
        event = await heard(bot, slack, question)
        assert event.place == Place("slack", slack.world.team, slack.general.id)
        assert bot.told[event.place, event.id] == 2


async def test_a_mention_is_enough_where_the_app_reads_nothing_else() -> None:
    little = FakeSlack(events=["app_mention"], scopes=SCOPES - {"channels:history"})
    async with little as slack, connected(slack, echo) as bot:
        question = await slack.mentions("hi")
        await slack.wait_until(lambda: slack.answers(thread=question) == ["You said: hi"])
        assert [each.name for each in slack.deliveries] == ["app_mention"]
        assert (await heard(bot, slack, question)).place.thread == question.ts


async def test_what_is_not_for_the_bot_is_heard_but_not_addressed() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        said = await slack.says("just talking, @Olga, in #general")
        event = await heard(bot, slack, said)
        assert not event.addressed
        assert event.text == "just talking, @Olga, in #general"
        assert event.place == Place("slack", slack.world.team, slack.general.id)


async def test_what_people_write_becomes_markdown() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        said = await slack.mentions("*bold* and ~gone~\n• one\n```x < 1```")
        assert (await heard(bot, slack, said)).text == "**bold** and ~~gone~~\n- one\n```\nx < 1\n```"


async def test_a_direct_message_is_addressed_and_gives_its_person_all_rights() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        here = slack.direct()
        said = await slack.says("hello", channel=here)
        await slack.wait_until(lambda: slack.answers(here) == ["You said: hello"])
        event = await heard(bot, slack, said)
        assert event.place == Place("slack", slack.world.team, here.id, said.ts)
        assert event.user.permissions == {"admin"}
        follow_up = await slack.says("and now?", thread=said)
        event = await heard(bot, slack, follow_up)
        assert (event.place.thread, event.addressed) == (said.ts, True)


async def test_the_assistant_pane_has_talks_of_its_own() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        talk = await slack.opens_assistant()
        said = await slack.says("hello", thread=talk)
        event = await heard(bot, slack, said)
        assert event.addressed
        assert event.place == Place("slack", slack.world.team, talk.channel.id, talk.ts)


async def test_a_message_to_several_wants_a_mention() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        several = slack.channel("mpdm-ada--olga", kind="mpim")
        first = await slack.says("what do you think, @Olga?", channel=several)
        second = await slack.mentions("and you?", channel=several)
        assert not (await heard(bot, slack, first)).addressed
        assert (await heard(bot, slack, second)).addressed


async def test_rights_become_plain_names() -> None:
    async with FakeSlack() as slack:
        mo = slack.account("Mo")
        slack.general.creator = mo.id
        async with connected(slack) as bot:
            by_olga, by_mo = await slack.says("one", author=slack.olga), await slack.says("two", author=mo)
            by_ada = await slack.says("three")
            assert (await heard(bot, slack, by_olga)).user.permissions == {"admin"}
            assert (await heard(bot, slack, by_mo)).user.permissions == {"own_channel"}
            assert (await heard(bot, slack, by_ada)).user.permissions == frozenset()


async def test_a_guest_from_another_workspace_is_told_apart_and_leads_nobody_here() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        guest = slack.account("Guest", team="T0ELSEWHERE", is_admin=True, locale="de-DE")
        said = await slack.mentions("hello", author=guest)
        event = await heard(bot, slack, said)
        assert event.route.data == {"message": said.ts, "user": guest.id, "team": "T0ELSEWHERE"}
        assert (event.user.permissions, event.locale) == (frozenset(), "de-DE")


async def test_files_come_along() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        with_words = await slack.uploads("tea.txt", b"hot", "@bot look")
        alone = await slack.uploads("cake.png", b"\x89PNG")
        file = Attachment("tea.txt", "text/plain", 3, with_words.files[0].url)
        event = await heard(bot, slack, with_words)
        assert (event.text, event.addressed, event.attachments) == ("look", True, (file,))
        event = await heard(bot, slack, alone)
        assert (event.text, event.addressed, event.attachments[0].media_type) == ("", False, "image/png")


async def test_a_guests_file_has_to_be_asked_for() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        guest = slack.account("Guest", team="T0ELSEWHERE")
        said = await slack.mentions("look", author=guest, files=[("tea.txt", b"hot")])
        file = Attachment("tea.txt", "text/plain", 3, said.files[0].url)
        assert (await heard(bot, slack, said)).attachments == (file,)
        assert await bot.adapter.fetch(file, 100) == b"hot"
        assert len(slack.called("files.info")) == 1


async def test_what_somebody_passes_on_is_quoted() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        original = await slack.uploads("tea.txt", b"hot", "tea is *hot*\nand black")
        shared = await slack.shares(original, "@bot true?")
        event = await heard(bot, slack, shared)
        assert event.text == "true?\n\n> Ada: tea is **hot**\n> and black"
        assert [file.name for file in event.attachments] == ["tea.txt"]
        wordless = await slack.shares(original, channel=slack.direct())
        assert (await heard(bot, slack, wordless)).text == "> Ada: tea is **hot**\n> and black"


# Names and lookups


async def test_everybody_is_asked_for_once() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        for number in range(4):
            await slack.says(f"{number} for @Olga")
        await bot.heard(Message, 4)
        assert sorted(call.args["user"] for call in slack.called("users.info")) == sorted([slack.ada.id, slack.olga.id])
        assert len(slack.called("conversations.info")) == 1


async def test_a_new_name_is_known_at_once() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        first = await slack.says("one")
        assert (await heard(bot, slack, first)).user.name == "Ada"
        await slack.renames(slack.ada, "Countess")
        await settled(slack)
        second = await slack.says("two")
        assert (await heard(bot, slack, second)).user.name == "Countess"
        assert len(slack.called("users.info")) == 1


@pytest.mark.parametrize("untold", [{"channel_rename"}, {"message.channels"}])
async def test_a_renamed_channel_is_asked_for_again(untold: set[str]) -> None:
    """Slack tells of it in two ways, one of which is enough."""
    async with FakeSlack(events={*EVENTS} - untold) as slack, connected(slack) as bot:
        kitchen = slack.channel("kitchen")
        for name in ("kitchen", "bakery"):
            if name != kitchen.name:
                await slack.renames(kitchen, name)
                await settled(slack)
            # Slack leaves the name out, or what it tells would hide what the bot knows.
            said = slack.messages.add(kitchen, slack.ada, f"<@{slack.bot.id}> this is <#{kitchen.id}>")
            said.pinged = [slack.bot.id]
            slack.messages.announce(said)
            slack._mention(said)
            assert (await heard(bot, slack, said)).text == f"this is #{name}"


async def test_without_scopes_people_are_called_by_their_ids() -> None:
    lacking = {"users:read", "channels:read", "groups:read", "mpim:read"}
    async with FakeSlack(scopes=SCOPES - lacking) as slack, connected(slack, echo) as bot:
        question = await slack.mentions("do you know @Olga?")
        await slack.wait_until(lambda: slack.answers(thread=question))
        event = await heard(bot, slack, question)
        assert (event.user.name, event.text) == (slack.ada.id, f"do you know @{slack.olga.id}?")
        assert not slack.called("users.info")
        assert not slack.called("conversations.info")


@pytest.mark.parametrize("how", [{"status": 500}, {"error": "user_not_found"}, {"drop": True, "times": 20}])
async def test_somebody_who_cannot_be_looked_up_is_heard_anyway(how: dict[str, Any]) -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        slack.fails("users.info", **how)
        said = await slack.says("hello")
        event = await heard(bot, slack, said)
        assert (event.user.name, event.text) == (slack.ada.id, "hello")


async def test_nobody_waits_long_for_a_name() -> None:
    hasty = Timing(hear_within=0.05, fill_after=3600)
    async with FakeSlack() as slack, connected(slack, timing=hasty) as bot:
        slack.fails("users.info", delay=0.6)
        said = await slack.says("hello")
        assert (await heard(bot, slack, said)).user.name == slack.ada.id


async def test_messages_stay_in_order_although_some_wait_for_names() -> None:
    async with FakeSlack() as slack, connected(slack, connections=1) as bot:
        slack.fails("users.info", delay=0.3)
        await slack.says("one")
        await slack.wait_until(lambda: slack.called("users.info"))
        for text, author in (("two", slack.olga), ("three", slack.ada), ("four", slack.olga)):
            await slack.says(text, author=author)
        elsewhere = slack.direct(slack.olga)
        await slack.says("aside", channel=elsewhere, author=slack.olga)
        await bot.heard(Message, 5)
        said = [event.text for event in bot.of(Message) if event.place.channel == slack.general.id]
        assert said == ["one", "two", "three", "four"]
        # Other places need not wait.
        assert bot.of(Message)[0].text == "aside"


# Whom it does not hear


async def test_it_never_hears_itself() -> None:
    async with FakeSlack() as slack, connected(slack, listen_to_bots=True) as bot:
        client = slack.client()
        await client.chat_postMessage(channel=slack.general.id, text="I am here")
        await client.chat_postMessage(channel=slack.general.id, text="I am somebody else", username="Pirate")
        await client.chat_postMessage(channel=slack.direct().id, text="and here")
        await settled(slack)
        assert len(slack.told("message")) == 3
        assert bot.of(Message) == []


async def test_other_bots_are_heard_only_where_that_is_wished() -> None:
    async with FakeSlack() as slack:
        robot = slack.account("Robot", is_bot=True)
        async with connected(slack) as bot:
            await slack.mentions("hello", author=robot)
            await settled(slack)
            assert bot.of(Message) == []
        async with connected(slack, listen_to_bots=True) as bot:
            said = await slack.mentions("hello again", author=robot)
            event = await heard(bot, slack, said)
            assert (event.user.name, event.user.is_bot, event.addressed) == ("Robot", True, True)


async def test_another_app_may_say_things_without_words() -> None:
    async with FakeSlack() as slack, connected(slack, listen_to_bots=True) as bot:
        alert = {"pretext": "Disk", "title": "almost full", "fallback": "Disk almost full"}
        event: dict[str, Any] = {
            "type": "message",
            "subtype": "bot_message",
            "bot_id": "B0ALERTS",
            "ts": slack.world.new_ts(),
        }
        event |= {"channel": slack.general.id, "text": "", "attachments": [alert], "channel_type": "channel"}
        slack.tell(event, channel=slack.general)
        said = await bot.heard(Message)
        assert (said.text, said.user.id, said.user.name) == ("Disk\nalmost full", "B0ALERTS", "B0ALERTS")


@pytest.mark.parametrize("subtype", ["channel_join", "channel_topic", "pinned_item", "reminder_add", "huddle_thread"])
async def test_what_merely_happens_is_no_message(subtype: str) -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        event = {"type": "message", "subtype": subtype, "user": slack.ada.id, "ts": slack.world.new_ts()}
        event |= {"channel": slack.general.id, "text": f"<@{slack.ada.id}> did something", "channel_type": "channel"}
        slack.tell(event, channel=slack.general)
        await settled(slack)
        assert bot.of(Message) == []


async def test_lists_decide_who_is_heard_and_where() -> None:
    async with FakeSlack() as slack:
        mo, closed = slack.account("Mo"), slack.channel("closed")
        async with connected(slack, deny_users=(mo.id,), deny_channels=(closed.id,), direct_messages=False) as bot:
            await slack.mentions("one", author=mo)
            await slack.mentions("two", channel=closed)
            await slack.says("three", channel=slack.direct())
            await slack.mentions("four")
            await settled(slack)
            assert [event.text for event in bot.of(Message)] == ["four"]
            # Nobody is looked up who is not heard.
            assert [call.args["user"] for call in slack.called("users.info")] == [slack.ada.id]
        async with connected(slack, users=(mo.id,), channels=(closed.id,)) as bot:
            await slack.mentions("one", channel=closed)
            await slack.mentions("two", author=mo)
            await slack.mentions("three", author=mo, channel=closed)
            await slack.says("four", author=mo, channel=slack.direct(mo))
            await settled(slack)
            assert sorted(event.text for event in bot.of(Message)) == ["four", "three"]


# Commands as text


async def test_a_command_can_be_typed() -> None:
    async with FakeSlack() as slack, connected(slack, commands=COMMANDS) as bot:
        said = await slack.says("!system set tell @Olga  tea is *hot*")
        call = await bot.heard(CommandCall)
        assert (call.id, call.user.name) == (said.ts, "Ada")
        assert (call.command, call.text) == ("system", "set tell @Olga  tea is **hot**")
        assert [user.id for user in call.mentions] == [slack.olga.id]
        assert call.place == Place("slack", slack.world.team, slack.general.id)


async def test_what_nobody_knows_is_a_command_only_when_it_is_said_to_the_bot() -> None:
    async with FakeSlack() as slack, connected(slack, commands=COMMANDS) as bot:
        await slack.says("!nonsense for another bot")
        assert (await bot.heard(Message)).text == "!nonsense for another bot"
        await slack.mentions("!nonsense")
        assert (await bot.heard(CommandCall)).command == "nonsense"
        await slack.says("/help", channel=slack.direct())
        assert (await bot.heard(CommandCall, 2)).command == "help"
        await slack.mentions("/duologue system show")
        call = await bot.heard(CommandCall, 3)
        assert (call.command, call.text) == ("system", "show")
        await slack.mentions("!duologue")
        assert (await bot.heard(CommandCall, 4)).command == "help"


async def test_typed_commands_may_be_switched_off() -> None:
    async with FakeSlack() as slack, connected(slack, commands=COMMANDS, text_prefix="") as bot:
        await slack.says("!system show")
        assert (await bot.heard(Message)).text == "!system show"


# Odd bodies


async def test_events_of_another_installation_are_not_for_this_bot() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        await slack.mentions("here")
        await bot.heard(Message)
        elsewhere = dict(slack.deliveries[-1].payload)
        elsewhere["event"] = {**elsewhere["event"], "ts": slack.world.new_ts()}
        elsewhere["authorizations"] = [{"team_id": "T0ELSEWHERE", "user_id": "U0OTHERBOT", "is_bot": True}]
        slack.outbox.send("events_api", elsewhere)
        await settled(slack)
        assert len(bot.of(Message)) == 1


async def test_what_cannot_be_understood_is_acknowledged_and_harms_nobody() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        odd: list[dict[str, Any]] = [{"ts": "1.1"}, {"ts": None}, {"text": ["?"]}, {"user": {}}, {"files": [3, {}]}]
        for broken in odd:
            event = {"type": "message", "ts": "then", "user": slack.ada.id, "channel": slack.general.id, **broken}
            slack.outbox.send("events_api", {**_envelope(slack), "event": event})
        await settled(slack)
        assert not [each for each in slack.deliveries if each.given_up]
        said = await slack.says("still there?")
        assert (await heard(bot, slack, said)).text == "still there?"


def _envelope(slack: FakeSlack) -> dict[str, Any]:
    return {"type": "event_callback", "team_id": slack.world.team, "event_id": slack.world.new_id("Ev")}
