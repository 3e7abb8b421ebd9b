"""A Slack that stays while bots come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.slack.testing import SCOPES, Channel, FakeSlack, Message, labels
from bot.events import Place, User
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.bot_process import on_slack
from tests.loopback.killing import Sets, Stage, story, telling

# Three messages long: as Slack's own streams, and by edits.
LONG, MIDDLE = story(250, 15), story(200, 6)
SHORT = story(3)


@dataclass(frozen=True, slots=True)
class Asking:
    """How somebody asks, and how the bot is set up then."""

    name: str
    text: str
    words_a_second: float = 900.0
    direct: bool = False
    # What is written to an assistant begins a thread; to other apps, it stands in the talk itself.
    assistant: bool = True
    slash: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    no_streams: bool = False


# A mention and a direct message are answered in a thread below them, where there are streams.
NATIVE = Asking("native", LONG, 170.0)
EDITED = Asking("edited", MIDDLE, 140.0, no_streams=True)
POSTED = Asking("posted", SHORT)
DIRECT = Asking("direct", MIDDLE, 140.0, direct=True)
# To an app that is no assistant.
FLAT = Asking("flat", MIDDLE, 140.0, direct=True, assistant=False)
SLASH = Asking("slash", MIDDLE, 140.0, slash=True)


class OnSlack(Stage):
    def __init__(self, folder: Path, slack: FakeSlack, model: FakeOpenAI, how: Asking) -> None:
        super().__init__(folder, slack, model, how.text)
        self.slack = slack
        self.how = how
        self.question: Message | None = None

    @property
    def channel(self) -> Channel:
        return self.slack.direct() if self.how.direct else self.slack.general

    @property
    def place(self) -> Place:
        return Place("slack", self.slack.world.team, self.channel.id, self._thread)

    @property
    def _thread(self) -> str | None:
        in_thread = not self.how.direct or self.how.assistant
        return self.question.ts if self.question is not None and in_thread else None

    def environment(self) -> dict[str, str]:
        return dict(on_slack(self.slack, **self.how.settings))

    async def online(self) -> None:
        await self.slack.wait_until(lambda: len(self.slack.links) >= 2, timeout=30)
        await self.slack.catches_up()

    def is_gone(self) -> bool:
        return not self.slack.links

    async def says(self, text: str) -> tuple[Place, str, User]:
        said = await self.slack.says(text, channel=self.channel)
        thread = said.ts if self.how.direct and self.how.assistant else None
        return (
            Place("slack", self.slack.world.team, self.channel.id, thread),
            said.ts,
            User(self.slack.ada.id, self.slack.ada.name),
        )

    async def asks(self) -> None:
        if self.how.slash:
            await self.slack.runs("/duologue", "ask tell me everything")
        elif self.how.direct:
            self.question = await self.slack.says("tell me everything", channel=self.channel)
        else:
            self.question = await self.slack.mentions("tell me everything")

    def texts(self) -> Sequence[str]:
        return [message.seen for message in self._own]

    @property
    def _own(self) -> list[Message]:
        kept = self.channel.messages.values()
        return [each for each in kept if each.author is self.slack.bot and not each.deleted and each.seen_by is None]

    def is_marked_as_ended(self) -> bool:
        under = [labels(each.blocks) for each in self._own]
        has_buttons = bool(under) and not any(under[:-1]) and "⏹ Stop" not in under[-1] and "🔄 Again" in under[-1]
        return has_buttons and not self.slack.streaming


def slack_stage(how: Asking) -> Sets:
    """No call may be one too many either."""

    @asynccontextmanager
    async def sets(folder: Path) -> AsyncIterator[Stage]:
        scopes = SCOPES if how.assistant else SCOPES - {"assistant:write"}
        async with FakeSlack(scopes=scopes) as slack, FakeOpenAI(telling(how.text, how.words_a_second)) as model:
            if how.no_streams:
                slack.fails("chat.startStream", error="channel_type_not_supported", times=1_000)
            yield OnSlack(folder, slack, model, how)
            assert slack.refused == []

    return sets
