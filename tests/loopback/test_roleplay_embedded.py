"""With the embedded model, each platform plays a whole scene, hears people in it, and survives being killed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord
from adapters.slack.testing import FakeSlack
from bot.events import Place
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.bot_process import BotProcess, Setup
from tests.loopback.embedded_scenes import (
    CARDS,
    DIES,
    HEARS,
    INTERJECTION,
    LINES,
    PATIENCE,
    TEMPLATE,
    Embedded,
    Play,
    Watched,
    embedded,
    words,
)
from tests.loopback.killing import EVERY
from tests.loopback.scene_killing import DiscordTheatre, SlackTheatre
from tests.loopback.scenes import is_over
from tests.loopback.test_terminal_pty import ENTER, Session

pytestmark = [pytest.mark.local_model, pytest.mark.crash, pytest.mark.timeout(280)]

# Each takes the model ten seconds of work, so one of them is played every day, and all with `make crashes`.
DAILY = ()
RARELY = pytest.mark.skipif(not EVERY, reason="make crashes")


# On Discord and Slack.


class OnDiscord(DiscordTheatre):
    def setup(self, *, die_at_commit: int | None = None) -> Setup:
        return Embedded(self.folder / "duologue.db", self.environment(), "", log=self.folder / "log.txt")

    async def drops(self, name: str, content: bytes) -> None:
        await self.discord.uploads(name, content)


class OnSlack(SlackTheatre):
    def setup(self, *, die_at_commit: int | None = None) -> Setup:
        return Embedded(self.folder / "duologue.db", self.environment(), "", log=self.folder / "log.txt")

    async def drops(self, name: str, content: bytes) -> None:
        await self.slack.uploads(name, content)


@asynccontextmanager
async def on_discord(folder: Path) -> AsyncIterator[OnDiscord]:
    async with FakeDiscord() as discord, FakeOpenAI() as unasked:
        discord.limits.enforced = False
        await discord.allows("manage_webhooks")
        yield OnDiscord(folder, discord, unasked)
        assert (discord.pinged, unasked.seen) == ([], [])


@asynccontextmanager
async def on_slack(folder: Path) -> AsyncIterator[OnSlack]:
    async with FakeSlack() as slack, FakeOpenAI() as unasked:
        yield OnSlack(folder, slack, unasked)
        assert (slack.pinged, slack.refused, unasked.seen) == ([], [], [])


async def perform(stage: OnDiscord | OnSlack, play: Play) -> None:
    watched = Watched(stage.folder, stage.place, play)

    async def until(condition: Callable[[], object]) -> None:
        await stage.platform.wait_until(condition, timeout=PATIENCE)

    async with BotProcess(stage.setup()) as bot:
        await stage.online()
        for number, (name, content) in enumerate(play.cards.items(), 1):
            await stage.drops(name, content)
            await until(lambda: stage.offers("Import"))
            await stage.presses("Import")
            await until(lambda: sum("✨" in each.text for each in stage.messages()) == number)  # noqa: B023
        await stage.asks_for(play.command)
        await until(lambda: stage.offers("▶ Begin"))
        assert watched.sent == [], "it begins without a model"
        await stage.presses("▶ Begin")

        await until(lambda: watched.holds(HEARS))
        await stage.says(INTERJECTION)
        await watched.is_heard(INTERJECTION)
        watched.goes_on(HEARS)

        await until(lambda: watched.holds(DIES))
        bot.kill()
        await bot.gone()
    await until(stage.is_gone)

    async with BotProcess(stage.setup()) as bot:
        await stage.online()
        await until(lambda: stage.offers("▶ Go on"))
        await stage.presses("▶ Go on")
        await until(lambda: is_over(stage.messages()))
        bot.terminate()
        await asyncio.wait_for(bot.gone(), PATIENCE)
        assert bot.exit_code == 0

    lines = await watched.performed()
    shown = [each for each in stage.messages() if each.name in play.cast]
    assert [(each.name, words(each.text)) for each in shown] == [(name, words(text)) for name, text in lines]
    assert len(shown) == 1 + LINES
    assert f"{LINES} lines" in stage.messages()[-1].text


@pytest.mark.parametrize(
    ("opened", "play"),
    [
        pytest.param(on_discord, TEMPLATE, id="discord-from_a_template", marks=RARELY),
        pytest.param(on_discord, CARDS, id="discord-from_two_dropped_cards", marks=RARELY),
        pytest.param(on_slack, TEMPLATE, id="slack-from_a_template", marks=RARELY),
        pytest.param(on_slack, CARDS, id="slack-from_two_dropped_cards", marks=RARELY),
    ],
)
async def test_a_scene_is_played_hears_people_and_survives_a_kill(
    tmp_path: Path, opened: Callable[[Path], AbstractAsyncContextManager[OnDiscord | OnSlack]], play: Play
) -> None:
    async with opened(tmp_path) as stage:
        try:
            await perform(stage, play)
        except BaseException:
            print(stage.report())
            raise


# In the terminal.


def chat(folder: Path) -> Session:
    given = embedded(folder) | {
        "HOME": str(folder),
        "DUOLOGUE_MEMORY__DATABASE": str(folder / "duologue.db"),
        "DUOLOGUE_TERMINAL__SESSION": "stage",
    }
    talk = Session(folder, environment=given, width=100, height=40, patience=PATIENCE)
    talk.prompted()
    return talk


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(TEMPLATE, id="from_a_template", marks=RARELY),
        pytest.param(CARDS, id="from_two_dropped_cards", marks=DAILY),
    ],
)
def test_in_the_terminal_a_scene_is_played_hears_people_and_survives_a_kill(tmp_path: Path, play: Play) -> None:
    watched = Watched(tmp_path, Place("terminal", "local", "stage"), play)
    talk = chat(tmp_path)
    try:
        for name, content in play.cards.items():
            (tmp_path / name).write_bytes(content)
        if play.cards:
            talk.type(" ".join(f"'{tmp_path / name}'" for name in play.cards), ENTER)
            talk.shows(*(f"This is a card of {name}. /persona import takes it in." for name in play.cast))
            talk.prompted()
            talk.type("/persona import", ENTER)
            talk.shows(*(f"{name} is here now" for name in play.cast))
            talk.prompted()
        talk.type(f"/{play.command}", ENTER)
        talk.shows("/roleplay resume begins it.")
        talk.prompted()
        assert watched.sent == [], "it begins without a model"
        talk.type("/roleplay resume", ENTER)

        talk.until(lambda _: watched.holds(HEARS), "the second line")
        talk.type(INTERJECTION, ENTER)
        watched.goes_on(HEARS)
        talk.shows(f"› {INTERJECTION}")
        talk.until(lambda _: watched.holds(DIES), "the fifth line")
        talk.child.kill(signal.SIGKILL)
        talk.child.wait()
    finally:
        talk.child.close(force=True)
    before = talk.text

    talk = chat(tmp_path)
    try:
        talk.shows("I was interrupted. Nothing is lost")
        talk.type("/roleplay resume", ENTER)
        talk.shows("🎬 The scene is over: all lines were said.", f"{LINES} lines")
        talk.prompted()
        talk.type("/quit", ENTER)
        assert talk.ends() == 0
    finally:
        talk.child.close(force=True)

    lines = asyncio.run(watched.performed())
    seen = words(f"{before}\n{talk.text}")
    for name, text in lines:
        assert f"{name} {words(text)}" in seen
