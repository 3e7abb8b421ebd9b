"""What one person alone sees on Slack, and what is said where the bot is only a guest: nothing private gets out."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import JsonValue

from adapters.slack.private import SENT_PRIVATELY
from adapters.slack.testing import SCOPES, Channel, FakeSlack, Message, labels
from bot.api import (
    Button,
    Controls,
    DeliveryRefused,
    EditedStream,
    Reply,
    Resume,
    Route,
    SentId,
    Speaker,
    TargetGone,
    Text,
)
from tests.loopback.slack_bot import connected
from tests.loopback.slack_saying import HastyClock, Mouth, PatientClock, hasty, speaking

SECRET = "the secret is 42"
NO_DIRECT = SCOPES - {"im:write"}


async def command(bot: Mouth, channel: Channel | None = None, **data: JsonValue) -> Route:
    """The route of a slash command."""
    used = await bot.slack.runs("/duologue", "x", channel=channel)
    until = bot.slack.clock.wall() + 1800
    return bot.route(channel, response_url=used.response_url, until=until, **data)


def seen_by_ada(slack: FakeSlack, channel: Channel | None = None) -> list[str]:
    return [each.seen for each in whispers(slack, channel)]


def whispers(slack: FakeSlack, channel: Channel | None = None) -> list[Message]:
    shown = slack.screen(channel, viewer=slack.ada)
    return [each for each in shown if each.author is slack.bot and each.seen_by is slack.ada]


def said_in_public(slack: FakeSlack) -> str:
    shown = [each for each in slack.world.messages() if each.seen_by is None and each.channel.kind != "im"]
    return "\n".join(state.text for each in shown for state in each.states)


async def test_an_answer_for_one_person_goes_through_the_address_of_their_command() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        sent = await bot.says(SECRET, private=True, buttons=(Button("ok", "OK"),), to=await command(bot))
        (message,) = whispers(slack)
        assert (message.seen, labels(message.blocks)) == (SECRET, ["OK"])
        assert [each.kind for each in sent] == ["address"]
        assert slack.called("chat.postMessage") == slack.called("chat.postEphemeral") == []
        with pytest.raises(TargetGone):
            await bot.sending.edit(bot.route(), sent[0], Reply("never"))
        with pytest.raises(TargetGone):
            await bot.sending.delete(bot.route(), sent[0])


async def test_the_address_is_not_used_up_by_what_can_be_said_otherwise() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        route = await command(bot)
        for number in range(6):
            await bot.says(f"secret {number}", private=True, to=route)
        assert len(slack.called("response_url")) == 4
        assert len(slack.called("chat.postEphemeral")) == 2
        assert seen_by_ada(slack) == [f"secret {number}" for number in range(6)]
        assert "secret" not in said_in_public(slack)


async def test_the_address_is_used_once_a_second() -> None:
    clock, moments = PatientClock(), list[float]()

    async def note() -> None:
        moments.append(clock.time)

    async with hasty() as slack, speaking(slack, clock=clock) as bot:
        slack.fails("response_url", do=note, times=3)
        route = await command(bot)
        await asyncio.gather(*(bot.says(f"secret {number}", private=True, to=route) for number in range(3)))
        assert [later - moments[0] for later in moments] == [0.0, 1.0, 2.0]


async def test_without_an_address_slack_shows_it_to_them_alone_in_the_thread() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        question = await slack.says("tea?")
        (sent,) = await bot.says(SECRET, private=True, to=bot.route(None, question))
        message = slack.screen(thread=question, viewer=slack.ada)[-1]
        assert (message.seen, message.thread_ts, message.seen_by) == (SECRET, question.ts, slack.ada)
        assert sent.kind == "ephemeral"
        assert SECRET not in said_in_public(slack)


@pytest.mark.parametrize("dies", ["by age", "unknown to the bot", "used up", "with an error"])
async def test_a_dead_address_leads_to_another_private_way(dies: str) -> None:
    async with hasty() as slack, speaking(slack) as bot:
        route = await command(bot)
        match dies:
            case "by age":
                route = Route(route.place, {**route.data, "until": 1.0})
            case "unknown to the bot":
                slack.passes(3600)
            case "used up":
                for _ in range(5):
                    await slack.client()._request(
                        http_verb="POST", api_url=str(route.data["response_url"]), req_args={"json": {"text": "x"}}
                    )
            case _:
                slack.fails("response_url", status=404, times=9)
        await bot.says(SECRET, private=True, to=route)
        assert len(slack.called("chat.postEphemeral")) == 1
        assert seen_by_ada(slack)[-1] == SECRET
        await bot.says(SECRET, private=True, to=route)
        assert len(slack.called("chat.postEphemeral")) == 2
        assert SECRET not in said_in_public(slack)


async def test_where_the_bot_is_no_member_it_writes_to_them_directly() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        elsewhere = slack.channel("elsewhere", with_bot=False)
        (sent,) = await bot.says(SECRET, private=True, to=bot.route(elsewhere))
        assert slack.answers(slack.direct()) == [f"This is about #elsewhere.\n\n{SECRET}"]
        assert SECRET not in said_in_public(slack)
        await bot.sending.edit(bot.route(elsewhere), sent, Reply("it was 43"))
        assert slack.answers(slack.direct()) == ["it was 43"]
        await bot.sending.delete(bot.route(elsewhere), sent)
        assert slack.answers(slack.direct()) == []


async def test_a_direct_message_whose_answer_was_lost_stands_once() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        slack.fails("chat.postEphemeral", error="user_not_in_channel")
        slack.fails("chat.postMessage", status=500, acted=True)
        await bot.says(SECRET, private=True)
        assert slack.answers(slack.direct()) == [f"This is about #general.\n\n{SECRET}"]
        assert slack.answers() == []


async def test_a_talk_that_slack_is_slow_to_open_is_waited_for() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        elsewhere = slack.channel("elsewhere", with_bot=False)
        slack.fails("conversations.open", status=500, times=2)
        slack.fails("conversations.open", status=429, retry_after=3)
        await bot.says(SECRET, private=True, to=bot.route(elsewhere))
        assert slack.answers(slack.direct()) == [f"This is about #elsewhere.\n\n{SECRET}"]


async def test_what_cannot_be_said_privately_is_not_said() -> None:
    async with hasty(scopes=NO_DIRECT) as slack, speaking(slack) as bot:
        slack.fails("chat.postEphemeral", error="not_in_channel", times=9)
        assert await bot.says(f"{SECRET}\n\n" * 2_000, private=True) == ()
        assert slack.answers() == [SENT_PRIVATELY]
        assert SECRET not in str([call.args for call in slack.called("chat.postMessage")])


async def test_in_a_direct_message_everything_is_private_already() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        (sent,) = await bot.says(SECRET, private=True, to=bot.route(slack.direct(), private=True))
        assert slack.answers(slack.direct()) == [SECRET]
        await bot.sending.edit(bot.route(slack.direct()), sent, Reply("43"))
        assert slack.answers(slack.direct()) == ["43"]


async def test_the_next_process_keeps_the_secret_too() -> None:
    async with hasty(scopes=NO_DIRECT) as slack:
        async with speaking(slack) as bot:
            route = await command(bot, private=True)
            sent = await bot.says(SECRET, to=route)
        slack.passes(3600)
        slack.fails("chat.postEphemeral", error="user_not_in_channel", times=99)
        async with speaking(slack) as bot:
            for way in (route, Route(route.place, {"user": slack.ada.id, "private": True}), Route(route.place)):
                with pytest.raises(TargetGone):
                    await bot.sending.edit(way, sent[0], Reply(SECRET))
            surface = bot.sending.surface(Route(route.place), resumed=sent)
            await surface.post(SECRET)
            assert slack.answers() == [SENT_PRIVATELY]
            assert SECRET not in said_in_public(slack)


async def test_a_live_answer_for_one_person_is_said_whole_at_its_end() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        route = await command(bot, private=True)
        lane, surface = bot.sending.lane(route), bot.sending.surface(route)
        assert bot.sending.is_whole(route)
        async with EditedStream(
            surface, lane, max_chars=bot.sending.capabilities(route).max_chars, clock=bot.clock
        ) as stream:
            await stream.write(Controls((Button("stop", "Stop"),)))
            for word in ["word "] * 1_500:
                await stream.write(Text(word))
            await bot.clock.sleep(5)
            assert slack.called("response_url") == []
            await stream.write(Controls((Button("again", "Again"),)))
        (message,) = whispers(slack)
        assert message.seen.split() == ["word"] * 1_500
        assert (len(message.states), labels(message.blocks)) == (1, ["Again"])


async def test_live_answers_of_the_whole_bot_keep_to_the_address_too() -> None:
    words = [f"word{number} " for number in range(2_500)]
    async with hasty() as slack, connected(slack, clock=HastyClock()) as listener, speaking(slack) as bot:
        elsewhere = slack.channel("elsewhere", with_bot=False)
        for channel, known in ((elsewhere, "guest"), (slack.general, "private")):
            route = await command(bot, channel, **{known: True})
            async with listener.adapter.stream(route, Speaker("ann", "Ann")) as stream:
                await stream.write(Controls((Button("stop", "Stop"),)))
                for word in words:
                    await stream.write(Text(word))
                await stream.write(Controls((Button("again", "Again"),)))
            shown = [each for each in slack.screen(channel, viewer=slack.ada) if each.author is slack.bot]
            assert " ".join(each.seen for each in shown).split() == ["**Ann:**", *"".join(words).split()]
            assert len(shown) == len(stream.sent) == 2
            assert [labels(each.blocks) for each in shown] == [[], ["Again"]]
            assert {each.seen_by for each in shown} == {None if known == "guest" else slack.ada}
        assert len(slack.called("response_url")) == 4
        assert slack.called("chat.postMessage") == slack.called("chat.startStream") == slack.called("chat.update") == []


async def test_an_error_after_a_press_is_the_pressers_own() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        (sent,) = await bot.says("choose", buttons=(Button("ok", "OK"),))
        await bot.says("⚠️ not you", failed=True, to=bot.route(pressed=sent.id))
        assert seen_by_ada(slack) == ["⚠️ not you"]
        await bot.says("⚠️ too long", failed=True)
        assert slack.answers() == ["choose", "⚠️ too long"]


async def test_a_press_leads_back_to_what_one_person_sees() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        await bot.says(f"{SECRET}. Really?", private=True, buttons=(Button("ok", "OK"),), to=await command(bot))
        (message,) = whispers(slack)
        pressed = await slack.presses(message, "OK")
        route = bot.route(response_url=pressed.response_url, pressed=message.ts, private=True)
        await bot.sending.edit(route, SentId(message.ts), Reply(f"{SECRET}. Done."))
        assert (message.seen, labels(message.blocks), message.seen_by) == (f"{SECRET}. Done.", [], slack.ada)
        with pytest.raises(TargetGone):
            await bot.sending.edit(route, SentId(message.ts), Reply(buttons=()))
        await bot.sending.delete(route, SentId(message.ts))
        assert whispers(slack) == []
        assert SECRET not in said_in_public(slack)


@pytest.mark.parametrize("guest", [True, False])
async def test_an_answer_that_cannot_be_edited_is_written_anew_by_a_press(guest: bool) -> None:
    async with hasty() as slack, speaking(slack) as bot:
        where = slack.channel("elsewhere", with_bot=not guest)
        known: dict[str, JsonValue] = {"guest": True} if guest else {"private": True}
        again = Button("again", "Again")
        sent = await bot.says("first try", buttons=(again,), to=await command(bot, where, **known))
        (message,) = slack.screen(where, viewer=slack.ada)
        pressed = await slack.presses(message, "Again")
        route = bot.route(where, response_url=pressed.response_url, pressed=message.ts, **known)
        surface, lane = bot.sending.surface(route, resumed=sent), bot.sending.lane(route)
        async with EditedStream(surface, lane, max_chars=1_000, clock=bot.clock, resume=Resume(sent, "")) as stream:
            await stream.write(Controls((again,)))
            await stream.write(Text("second try"))
        assert [each.seen for each in slack.screen(where, viewer=slack.ada)] == ["second try"]
        assert (message.seen_by, labels(message.blocks)) == (None if guest else slack.ada, ["Again"])


async def test_a_guest_answers_everybody_in_few_messages() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        elsewhere = slack.channel("elsewhere", with_bot=False)
        route = await command(bot, elsewhere, guest=True)
        words = " ".join(f"word{number}" for number in range(2_500))
        sent = await bot.says(words, to=route)
        shown = slack.screen(elsewhere)
        assert " ".join(each.seen for each in shown).split() == words.split()
        assert len(sent) == len(shown) == len(slack.called("response_url")) == 2
        assert {each.kind for each in sent} == {"guest"}
        with pytest.raises(TargetGone):
            await bot.sending.edit(route, sent[0], Reply("never"))
        for number in range(3):
            await bot.says(f"more {number}", to=route)
        with pytest.raises(TargetGone):
            await bot.says("one too many", to=route)
        assert slack.called("chat.postMessage") == []


async def test_what_a_guest_said_can_be_changed_by_whoever_presses_its_button() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        elsewhere = slack.channel("elsewhere", with_bot=False)
        await bot.says("page 1", buttons=(Button("next", "Next"),), to=await command(bot, elsewhere, guest=True))
        (message,) = slack.screen(elsewhere)
        pressed = await slack.presses(message, "Next")
        route = bot.route(elsewhere, response_url=pressed.response_url, pressed=message.ts, guest=True)
        await bot.sending.edit(route, SentId(message.ts), Reply("page 2"))
        assert [each.seen for each in slack.screen(elsewhere)] == ["page 2"]


async def test_a_guest_whispers_through_the_address_then_directly_and_never_aloud() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        elsewhere = slack.channel("elsewhere", with_bot=False)
        route = await command(bot, elsewhere, guest=True)
        await bot.says(SECRET, private=True, to=route)
        assert seen_by_ada(slack, elsewhere) == [SECRET]
        slack.fails("response_url", status=404, times=9)
        await bot.says("another secret", private=True, to=route)
        assert slack.answers(slack.direct()) == ["This is about #elsewhere.\n\nanother secret"]
        slack.fails("chat.postMessage", error="cannot_dm_bot", times=9)
        with pytest.raises((TargetGone, DeliveryRefused)):
            await bot.says("the last secret", private=True, to=route)
        assert said_in_public(slack) == ""


async def test_somebody_elses_direct_messages_are_no_place_for_secrets() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        theirs = slack.world.add_channel("theirs", "im", [slack.ada, slack.olga])
        await bot.says(SECRET, private=True, to=await command(bot, theirs, guest=True))
        assert [each.seen_by for each in slack.screen(theirs, viewer=slack.ada)] == [slack.ada]


async def test_only_slacks_own_addresses_are_answered() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        for address in ("https://example.org/x", "http://hooks.slack.com/x", "https://slack.com.example.org/", "x://["):
            await bot.says(SECRET, private=True, to=bot.route(response_url=address))
        assert len(slack.called("chat.postEphemeral")) == 4


async def test_a_speaker_is_named_in_what_one_person_sees() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        await bot.says("Psst.", private=True, speaker=Speaker("ann", "Ann"), to=await command(bot))
        await bot.says("Psst!", private=True, speaker=Speaker("ann", "Ann"))
        assert [(each.name, each.seen) for each in whispers(slack)] == [("bot", "**Ann:** Psst."), ("Ann", "Psst!")]
