"""The app is installed in other workspaces, too, and Slack tells of them on the same ways: nothing of that is heard."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.slack.testing import FakeSlack
from bot.api import Button, ButtonPressed, CommandCall, FormSubmitted, Left, Message, Reply, Route
from bot.testing.adapter_contract import contract_commands
from tests.loopback.slack_bot import Listener, connected
from tests.loopback.slack_whole_bot import place_of

COMMANDS = contract_commands()
ELSEWHERE = {"id": "T0ELSEWHERE", "domain": "elsewhere"}
STRANGER = {"id": "U0STRANGER", "username": "eve", "name": "eve", "team_id": "T0ELSEWHERE"}


async def settled(slack: FakeSlack) -> None:
    """Everything that was told is acknowledged, so that it was heard or was not."""
    await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))


def deeds(bot: Listener) -> list[Any]:
    return [*bot.of(CommandCall), *bot.of(ButtonPressed), *bot.of(FormSubmitted)]


@pytest.mark.parametrize("listed", [True, False])
async def test_that_the_app_was_removed_elsewhere_ends_nothing_here(listed: bool) -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        await slack.mentions("here")
        await bot.heard(Message)
        removed = dict(slack.deliveries[-1].payload) | {"team_id": ELSEWHERE["id"], "event_id": "Ev0GONE"}
        removed["context_team_id"] = ELSEWHERE["id"]
        removed["event"] = {"type": "app_uninstalled", "event_ts": slack.world.new_ts()}
        removed["authorizations"] = [{"team_id": "T0ELSEWHERE", "user_id": "U0OTHERBOT"}] if listed else []
        slack.outbox.send("events_api", removed)
        await settled(slack)
        assert bot.of(Left) == []
        # Here it does, though an app that was removed is authorized nowhere.
        slack.outbox.send("events_api", removed | {"team_id": slack.world.team, "authorizations": []})
        assert (await bot.heard(Left)).is_me


async def test_commands_of_another_workspace_are_not_run() -> None:
    async with FakeSlack() as slack, connected(slack, commands=COMMANDS) as bot:
        await slack.runs("/duologue", "system show")
        await bot.heard(CommandCall)
        there = dict(slack.deliveries[-1].payload) | {"team_id": "T0ELSEWHERE", "team_domain": "elsewhere"}
        there |= {"user_id": STRANGER["id"], "channel_id": "D0STRANGER", "trigger_id": "1.2.3"}
        slack.outbox.send("slash_commands", there)
        await settled(slack)
        assert len(bot.of(CommandCall)) == 1
        assert "not available here" in str(slack.deliveries[-1].answer)


async def test_presses_and_shortcuts_of_another_workspace_do_nothing() -> None:
    async with FakeSlack() as slack, connected(slack, commands=COMMANDS) as bot:
        (sent,) = await bot.adapter.send(Route(place_of(slack)), Reply("Well?", buttons=(Button("yes", "Yes"),)))
        message = slack.general.messages[sent.id]
        await slack.presses(message, "Yes")
        await bot.heard(ButtonPressed)
        await settled(slack)
        there = dict(slack.deliveries[-1].payload) | {"team": ELSEWHERE, "user": STRANGER, "trigger_id": "1.2.3"}
        there["message"] = there["message"] | {"user": "U0OTHERBOT", "bot_id": "B0OTHERBOT", "team": "T0ELSEWHERE"}
        slack.outbox.send("interactive", there)
        await settled(slack)
        assert len(deeds(bot)) == 1
        # Whoever is a guest from there presses what stands here.
        guest = slack.account("Gus", team="T0ELSEWHERE")
        await slack.presses(message, "Yes", author=guest)
        assert (await bot.heard(ButtonPressed, 2)).user.id == guest.id
