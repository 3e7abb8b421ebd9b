"""The bot is killed while it gives an answer on Slack anew: then the new one stands there once, beside the old one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.slack.testing import FakeSlack, Message, labels
from bot.prompts import GO_ON
from bot.store import Store
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from tests.loopback.bot_process import BotProcess, Setup, on_slack
from tests.loopback.killing import story
from tests.loopback.slack_whole_bot import place_of
from tests.loopback.whole_bot import prompt_of

pytestmark = [pytest.mark.crash, pytest.mark.timeout(60)]

FIRST = story(300)
SECOND = " ".join(f"other{number:04d}" for number in range(500))
# Below the newer one: which of how many it is.
WHICH = "\n2/2"
CASES = [
    ("chat.update", 0, False),
    ("chat.update", 1, True),
    ("chat.postMessage", 0, False),
    ("chat.postMessage", 0, True),
]


class Scene:
    """A finished answer, which is wished for again."""

    def __init__(self, folder: Path, slack: FakeSlack) -> None:
        self.slack = slack
        self.folder = folder
        self.question: Message | None = None
        self.asked = 0

    def tell(self, seen: Seen) -> FakeAnswer:
        texts = prompt_of(seen)
        said = texts[-2] if texts[-1] == GO_ON else ""
        if not said:
            self.asked += 1
        text = FIRST if self.asked == 1 else SECOND
        assert text.startswith(said)
        return FakeAnswer(text[len(said) :], rate=None if self.asked == 1 else 500.0)

    def setup(self, model: FakeOpenAI) -> Setup:
        return Setup(self.folder / "duologue.db", on_slack(self.slack), model.url, log=self.folder / "log.txt")

    @property
    def own(self) -> list[Message]:
        kept = self.slack.general.messages.values()
        return [each for each in kept if each.author is self.slack.bot and not each.deleted and each.seen_by is None]

    def shows(self, text: str, button: str) -> bool:
        shown = " ".join(message.seen.strip() for message in self.own)
        return shown == text and button in labels(self.own[-1].blocks)

    async def plays(self, call: str, skip: int, acted: bool) -> None:
        async with FakeOpenAI(self.tell) as model:
            async with BotProcess(self.setup(model)) as bot:
                await self.slack.online(links=2)
                self.question = await self.slack.mentions("tell me everything")
                await self.slack.wait_until(lambda: self.shows(FIRST, "🔄 Again"), timeout=30)
                await self.is_killed_at(bot, call, skip, acted)
            await self.slack.wait_until(lambda: not self.slack.links)
            async with BotProcess(self.setup(model)) as bot:
                await self.slack.online(links=2)
                await self.slack.catches_up()
                await self.slack.wait_until(lambda: self.shows(SECOND + WHICH, "◀"), timeout=30)
                assert not any(labels(message.blocks) for message in self.own[:-1])
                await self.remembers()
                bot.terminate()
                await bot.gone()
                assert bot.exit_code == 0
        assert (self.slack.streaming, self.slack.refused) == ([], [])

    async def remembers(self) -> None:
        """The new answer in the place of the old one, which is kept."""
        place = place_of(self.slack, thread=self.question)
        async with Store(f"sqlite:///{self.folder / 'duologue.db'}") as store:
            for _ in range(200):
                path = await store.path(place, max_tokens=100_000)
                answers = [message for message in path.messages if message.role == "assistant"]
                if answers[-1].text == SECOND:
                    break
                await asyncio.sleep(0.02)
            assert [message.text for message in answers] == [SECOND]
            assert [one.text for one in await store.variants(answers[0].id)] == [FIRST, SECOND]

    async def is_killed_at(self, bot: BotProcess, call: str, skip: int, acted: bool) -> None:
        async def now() -> None:
            bot.kill()
            await bot.gone()

        fault = self.slack.fails(call, do=now, acted=acted, skip=skip, drop=True)
        await self.slack.presses(self.own[-1], "🔄 Again")
        ended = asyncio.create_task(bot.gone())
        complete = asyncio.create_task(self.slack.wait_until(lambda: self.shows(SECOND + WHICH, "◀"), timeout=30))
        await asyncio.wait({ended, complete}, return_when=asyncio.FIRST_COMPLETED)
        complete.cancel()
        bot.kill()
        await asyncio.wait({ended, complete})
        fault.times = 0


async def test_killed_while_an_answer_is_given_anew(tmp_path: Path) -> None:
    async def play(number: int, call: str, skip: int, acted: bool) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        async with FakeSlack() as slack:
            scene = Scene(folder, slack)
            try:
                await scene.plays(call, skip, acted)
            except BaseException:
                print((folder / "log.txt").read_text()[-4000:])
                print([(text[:20], text[-20:]) for text in slack.answers()])
                raise

    plays = [play(number, *case) for number, case in enumerate(CASES)]
    results = await asyncio.gather(*plays, return_exceptions=True)
    assert {case: result for case, result in zip(CASES, results, strict=True) if result is not None} == {}
