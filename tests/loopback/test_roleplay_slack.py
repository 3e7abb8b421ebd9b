"""A whole scene on a loopback Slack: the real slack-bolt, customised names and icons, buttons, people who join in."""

from __future__ import annotations

from pathlib import Path

from adapters.slack.testing import SCOPES, FakeSlack
from bot.testing.openai_server import FakeOpenAI
from plugins.commands import plugin as commands
from plugins.roleplay import plugin as roleplay
from tests.loopback.scenes import (
    CAPTAIN,
    INSPECTOR,
    OPENER,
    TEMPLATE,
    acting,
    is_over,
    line,
    numbered,
    performed,
    remembers,
    shown_on_slack,
    texts_of,
)
from tests.loopback.slack_whole_bot import WholeSlackBot, whole_slack_bot

RUNNING = ("⏸ Pause", "⏭ Skip", "⏹ End")
PLUGINS = (commands, roleplay)


async def begins(bot: WholeSlackBot, text: str) -> None:
    await bot.slack.runs("/duologue", f"roleplay start {text}")
    looks = await bot.until(lambda: [each for each in bot.own() if "▶ Begin" in str(each.blocks)])
    await bot.slack.presses(looks[-1], "▶ Begin")


async def next_line(bot: WholeSlackBot, number: int) -> None:
    """Nobody waits for the pace any longer."""
    await bot.idle()
    await bot.slack.runs("/duologue", "roleplay next")
    await bot.until(lambda: len(numbered(shown_on_slack(bot.slack))) == number)
    await bot.until(lambda: [bool(each.buttons) for each in shown_on_slack(bot.slack)].count(True) == 1)


async def test_a_scene_of_eight_lines(tmp_path: Path) -> None:
    async with (
        FakeSlack() as slack,
        FakeOpenAI(acting(rate=200.0)) as model,
        whole_slack_bot(tmp_path, slack, model, plugins=PLUGINS) as bot,
    ):
        await begins(bot, f'"{TEMPLATE}" --turns=8 --pace=600')
        await bot.until(lambda: shown_on_slack(slack)[-1].buttons == RUNNING)
        assert model.seen == [], "it begins without a model"
        assert (shown_on_slack(slack)[-1].name, shown_on_slack(slack)[-1].text) == (INSPECTOR, OPENER)
        for number in range(1, 8):
            if number == 4:
                await slack.says("I bring a parrot!")
                await remembers(bot, "I bring a parrot!")
            await next_line(bot, number)
            assert shown_on_slack(slack)[-1].buttons == RUNNING
        await bot.idle()
        await slack.runs("/duologue", "roleplay next")
        await bot.until(lambda: is_over(shown_on_slack(slack)))
        await bot.idle()

        said = shown_on_slack(slack)
        assert numbered(said) == performed((CAPTAIN, INSPECTOR), 8)
        assert [each for each in said if each.buttons] == []
        assert len(model.seen) == 8
        heard = ["Ada: I bring a parrot!" in "\n".join(texts_of(seen)) for seen in model.seen]
        assert heard == [False] * 3 + [True] * 5
        lines = [each for each in slack.screen() if each.seen.startswith("Line")]
        assert len({(each.name, each.icon) for each in lines}) == len({each.icon for each in lines}) == 2
        assert all(len(each.states) > 1 for each in said if each.text.startswith("Line")), "they grew"
        assert [text for _, text, _ in await bot.memory() if text.startswith("Line")] == [
            line(number, name) for number, name, _ in performed((CAPTAIN, INSPECTOR), 8)
        ]
        assert (slack.pinged, slack.refused, slack.streaming) == ([], [], [])


async def test_where_names_cannot_be_customised_they_stand_before_the_lines(tmp_path: Path) -> None:
    async with (
        FakeSlack(scopes=SCOPES - {"chat:write.customize"}) as slack,
        FakeOpenAI(acting()) as model,
        whole_slack_bot(tmp_path, slack, model, plugins=PLUGINS) as bot,
    ):
        await begins(bot, "a pirate and a librarian --turns=2 --pace=0")
        await bot.until(lambda: is_over(shown_on_slack(slack)))
        assert [each.text for each in shown_on_slack(slack)][-3:-1] == [
            f"**{name}:** {text}" for _, name, text in performed(("Pirate", "Librarian"), 2)
        ]
