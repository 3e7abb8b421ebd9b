"""Who people are and what channels are called, as the real SDK asks a loopback Slack for it."""

from __future__ import annotations

from adapters.slack.people import Channel, People
from adapters.slack.testing import FakeSlack
from adapters.slack.timing import Timing
from adapters.slack.workspace import asked
from bot.api import Place, SystemClock
from tests.loopback.slack_bot import connected
from tests.loopback.slack_ears import calls_of


async def test_whoever_is_there_at_the_start_is_known_before_they_say_something() -> None:
    async with FakeSlack() as slack:
        bea, secret = slack.account("Bea", locale="de-DE"), slack.channel("secret", kind="group")
        secret.creator = slack.ada.id
        elsewhere = slack.channel("elsewhere", with_bot=False)
        calls = calls_of(slack, SystemClock())
        people = People(calls, await asked(calls.client), SystemClock())
        await people.fill()
        place = Place("slack", slack.world.team, secret.id)
        assert people.known_person(bea.id, place).name == "Bea"
        assert people.known_locale(bea.id) == "de-DE"
        assert people.known_person(slack.ada.id, place).permissions == {"own_channel"}
        assert people.known_person(slack.olga.id, place).permissions == {"admin"}
        assert people.known_channel(secret.id) == Channel(secret.id, "secret", "group", slack.ada.id, is_member=True)
        assert people.known_channel(elsewhere.id).name == ""
        # Where Slack does not tell, people are asked for one by one.
        slack.fails("users.list", error="internal_error", times=9)
        strangers = People(calls, await asked(calls.client), SystemClock())
        await strangers.fill()
        assert (await strangers.person(bea.id, place)).name == "Bea"
        await people.close()
        await strangers.close()


async def test_they_are_asked_for_soon_after_the_start() -> None:
    async with FakeSlack() as slack, connected(slack, timing=Timing(fill_after=0)):
        await slack.wait_until(lambda: slack.called("users.list"))
        asked_for = [each.args["types"] for each in slack.called("users.conversations")]
        assert "public_channel,private_channel,mpim" in asked_for
