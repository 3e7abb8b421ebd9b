"""The bot is killed while it gives an answer anew: then the new one stands there once, whole, beside the old one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord, Message
from bot.events import Place
from bot.prompts import GO_ON
from bot.store import Store
from bot.testing.openai_server import FakeAnswer, FakeOpenAI, Seen
from tests.loopback.bot_process import BotProcess, Setup, on_discord

pytestmark = [pytest.mark.crash, pytest.mark.timeout(60)]

FIRST = " ".join(f"word{number:04d}" for number in range(300))
SECOND = " ".join(f"other{number:04d}" for number in range(500))
CASES = [
    (call, skip, acted)
    for call in ("PATCH /channels/*/messages/*", "POST /channels/*/messages")
    for skip in range(2)
    for acted in (False, True)
]


class Scene:
    """A finished answer, which is wished for again."""

    def __init__(self, folder: Path, discord: FakeDiscord) -> None:
        self.discord = discord
        self.database = folder / "duologue.db"
        self.folder = folder
        self.asked = 0

    def tell(self, seen: Seen) -> FakeAnswer:
        items = seen.body["messages"]
        assert isinstance(items, list)
        texts = [str(item["content"]) for item in items if isinstance(item, dict)]
        said = texts[-2] if texts[-1] == GO_ON else ""
        if not said:
            self.asked += 1
        text = FIRST if self.asked == 1 else SECOND
        assert text.startswith(said)
        return FakeAnswer(text[len(said) :], rate=None if self.asked == 1 else 900.0)

    def setup(self, model: FakeOpenAI) -> Setup:
        return Setup(self.database, on_discord(self.discord), model.url, log=self.folder / "log.txt")

    @property
    def own(self) -> list[Message]:
        return [message for message in self.discord.screen() if message.author is self.discord.bot]

    def buttons(self, message: Message) -> list[str]:
        return [button["label"] for row in message.components for button in row["components"]]

    def shows(self, text: str, *labels: str) -> bool:
        shown = " ".join(message.text.strip() for message in self.own)
        return shown == text and all(label in self.buttons(self.own[-1]) for label in labels)

    async def plays(self, call: str, skip: int, acted: bool) -> None:
        async with FakeOpenAI(self.tell) as model:
            async with BotProcess(self.setup(model)) as bot:
                await self.discord.online()
                await self.discord.says("@bot tell me everything")
                await self.discord.wait_until(lambda: self.shows(FIRST, "🔄 Again"), timeout=30)
                await self.is_killed_at(bot, call, skip, acted)
            await self.discord.wait_until(lambda: self.discord.gateway.connected == 0)
            async with BotProcess(self.setup(model)) as bot:
                await self.discord.online()
                await self.discord.wait_until(lambda: self.shows(SECOND, "🔄 Again", "2/2"), timeout=30)
                await self.discord.wait_until(lambda: not any(message.components for message in self.own[:-1]))
                await self.remembers()
                bot.terminate()
                await bot.gone()
                assert bot.exit_code == 0

    async def remembers(self) -> None:
        """The new answer in the place of the old one, which is kept."""
        place = Place("discord", str(self.discord.guild.id), str(self.discord.general.id))
        async with Store(f"sqlite:///{self.database}") as store:
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

        fault = self.discord.fails(call, do=now, acted=acted, skip=skip, drop=True)
        await self.discord.presses(self.own[-1], "🔄 Again")
        ended = asyncio.create_task(bot.gone())
        complete = asyncio.create_task(self.discord.wait_until(lambda: self.shows(SECOND, "2/2"), timeout=30))
        await asyncio.wait({ended, complete}, return_when=asyncio.FIRST_COMPLETED)
        complete.cancel()
        bot.kill()
        await asyncio.wait({ended, complete})
        fault.times = 0


async def test_killed_while_an_answer_is_given_anew(tmp_path: Path) -> None:
    async def play(number: int, call: str, skip: int, acted: bool) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        async with FakeDiscord() as discord:
            scene = Scene(folder, discord)
            try:
                await scene.plays(call, skip, acted)
            except BaseException:
                print((folder / "log.txt").read_text()[-4000:])
                print([(text[:20], text[-20:]) for text in discord.answers()])
                raise

    plays = [play(number, *case) for number, case in enumerate(CASES)]
    results = await asyncio.gather(*plays, return_exceptions=True)
    assert {case: result for case, result in zip(CASES, results, strict=True) if result is not None} == {}
