"""An app made from the manifest that is printed: what it was granted is enough, and none of it is idle."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.slack import SlackSettings
from adapters.slack.manifest import manifest
from adapters.slack.scopes import EVENTS, SCOPES
from adapters.slack.testing import FakeSlack
from bot.loading import load_plugin
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.slack_whole_bot import WholeSlackBot, whole_slack_bot

COMMANDS = load_plugin("commands", Path()).commands
ADAPTER = Path(__file__).parents[2] / "adapters" / "slack"
SOURCE = "\n".join(file.read_text("utf-8") for file in ADAPTER.glob("*.py") if file.name != "scopes.py")


def made(**settings: object) -> FakeSlack:
    return FakeSlack.made_from(manifest(SlackSettings.model_validate(settings), COMMANDS))


def refused(slack: FakeSlack) -> list[str]:
    return [f"{call.method}: {call.error}" for call in slack.calls if call.error in ("missing_scope", "unknown_method")]


async def talks(bot: WholeSlackBot) -> None:
    """In all kinds of places: with files, in threads and out of them."""
    slack = bot.slack
    first = await bot.asked("hello")
    assert first.seen == "Yes."
    assert (await bot.asked("and now?", thread=first)).seen == "Yes."
    for kind in ("group", "mpim"):
        assert (await bot.asked("hello", channel=slack.channel(f"a-{kind}", kind=kind))).seen == "Yes."
    before = len(bot.own())
    await slack.mentions("what is in it?", files=[("notes.txt", b"the key lies under the mat")])
    await bot.until(lambda: len(bot.own()) > before)
    await bot.idle()


async def test_what_the_manifest_asks_for_is_enough(tmp_path: Path) -> None:
    async with made() as slack, FakeOpenAI("Yes.") as model, whole_slack_bot(tmp_path, slack, model) as bot:
        await talks(bot)
        assert "the key lies under the mat" in str(model.seen[-1])
        assert (await bot.asked("hello", channel=slack.direct())).seen == "Yes."
        answer = bot.own()[0]
        await slack.runs("/duologue", "help")
        await bot.until(lambda: slack.answers(viewer=slack.ada) != slack.answers(viewer=slack.olga))
        await slack.uses("as_a_file", answer)
        await bot.until(lambda: slack.called("files.completeUploadExternal"))
        form = await slack.uses("ask_about_this", answer)
        await bot.until(lambda: form.view)
        await slack.opens_home()
        await bot.until(slack.home)
        await slack.opens_home(tab="messages")
        await bot.until(slack.suggested)
        await slack.presses(bot.newest, "🔄 Again")
        await bot.idle()
        assert refused(slack) == []


async def test_a_bot_for_channels_alone_has_enough_too(tmp_path: Path) -> None:
    async with (
        made(direct_messages=False) as slack,
        FakeOpenAI("Yes.") as model,
        whole_slack_bot(tmp_path, slack, model, direct_messages=False) as bot,
    ):
        await talks(bot)
        await slack.runs("/duologue", "help")
        await bot.until(lambda: slack.answers(viewer=slack.ada) != slack.answers(viewer=slack.olga))
        assert refused(slack) == []


async def test_each_scope_is_for_an_event_that_is_heard_or_for_a_call_that_is_made() -> None:
    async with FakeSlack() as slack:
        called = {*re.findall(r'"([a-z]+(?:\.[A-Za-z]+)+)"', SOURCE)}
        wanted = {scope for method in called for scope in slack.needs(method)}
    # Names and pictures go along with other calls, and commands are told without being asked for.
    assert SCOPES.keys() - wanted - {*EVENTS.values()} == {"chat:write.customize", "commands"}


def test_each_event_is_one_that_is_understood() -> None:
    assert [event for event in EVENTS if f'"{event.partition(".")[0]}"' not in SOURCE] == []
