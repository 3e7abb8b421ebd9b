"""The buttons under answers on Discord, pressed by people: through the real discord.py and openai clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.discord.testing import FakeDiscord, Message
from bot.api import Context, MessageDeleted, Plugin
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from plugins.commands import plugin as commands
from tests.loopback.whole_bot import WholeBot, whole_bot

ASKED, AGAIN, FORGET = "@bot count", "🔄 Again", "🗑 Forget"


class Table:
    """The bot, who sits around it, and what stands under its newest message."""

    def __init__(self, bot: WholeBot, discord: FakeDiscord, model: FakeOpenAI) -> None:
        self.bot = bot
        self.discord = discord
        self.model = model

    @property
    def last(self) -> Message:
        return [message for message in self.discord.screen() if message.author is self.discord.bot][-1]

    @property
    def buttons(self) -> list[str]:
        return [button["label"] for row in self.last.components for button in row["components"]]

    async def until(self, condition: Callable[[], object]) -> None:
        await self.bot.until(condition)
        await self.bot.idle()


@asynccontextmanager
async def table(
    folder: Path,
    *said: str | FakeAnswer,
    discord: FakeDiscord | None = None,
    plugins: Sequence[Plugin] = (commands,),
) -> AsyncIterator[Table]:
    answers = [FakeAnswer(each) if isinstance(each, str) else each for each in said]
    async with FakeOpenAI() as model:
        model.will(*answers)
        if discord is not None:
            async with whole_bot(folder, discord, model, plugins=plugins) as bot:
                yield Table(bot, discord, model)
            return
        async with FakeDiscord() as made, whole_bot(folder, made, model, plugins=plugins) as bot:
            yield Table(bot, made, model)


async def test_an_answer_is_had_again_and_turned_over(tmp_path: Path) -> None:
    async with table(tmp_path, "One.", "Two.", "Three.") as here:
        await here.bot.asked(ASKED)
        assert here.buttons == [AGAIN, FORGET]
        first = here.last
        pressed = await here.discord.presses(first, AGAIN)
        await here.until(lambda: first.text == "Two." and "2/2" in here.buttons)
        assert pressed.texts == []
        assert here.buttons == [AGAIN, "◀", "2/2", "▶", FORGET]
        await here.discord.presses(first, "◀")
        await here.until(lambda: first.text == "One." and "1/2" in here.buttons)
        await here.bot.asked("@bot go on")
        assert here.last.text == "Three."
        assert not first.components
        texts = [message.text for message in here.discord.screen() if message.author is here.discord.bot]
        assert texts == ["One.", "Three."]
        seen = str(here.model.seen[-1].body)
        assert "One." in seen
        assert "Two." not in seen


async def test_stop_and_continue(tmp_path: Path) -> None:
    story = FakeAnswer("Once upon a time there was", stall_after=4)
    async with table(tmp_path, story, FakeAnswer(" there was a fox.")) as here:
        await here.discord.says("@bot a story")
        await here.bot.until(lambda: here.discord.answers() and here.last.text.startswith("Once upon a time"))
        await here.discord.presses(here.last, "⏹ Stop")
        await here.until(lambda: "⏹ Stop" not in here.buttons)
        assert here.last.text.startswith("Once upon a time")
        assert here.buttons == ["⏩ Continue", AGAIN, FORGET]
        await here.discord.presses(here.last, "⏩ Continue")
        await here.until(lambda: here.last.text == "Once upon a time there was a fox." and len(here.buttons) == 2)
        assert here.buttons == [AGAIN, FORGET]
        assert (await here.bot.memory())[-1] == ("assistant", "Once upon a time there was a fox.", "complete")


async def test_a_stranger_is_told_kindly_that_it_is_not_their_button(tmp_path: Path) -> None:
    async with table(tmp_path, "One.", "Two.") as here:
        stranger = here.discord.account("Sam")
        moderator = here.discord.account("Mo", may=["manage_messages"])
        await here.bot.asked(ASKED)
        pressed = await here.discord.presses(here.last, AGAIN, author=stranger)
        await here.until(lambda: pressed.texts)
        assert pressed.texts == ["⚠️ This button is for whoever asked, and for moderators."]
        assert pressed.messages[-1].seen_by is stranger
        assert here.last.text == "One."
        await here.discord.presses(here.last, AGAIN, author=moderator)
        await here.until(lambda: here.last.text == "Two." and "2/2" in here.buttons)
        # It is still the asker's.
        await here.discord.presses(here.last, "◀")
        await here.until(lambda: here.last.text == "One.")


async def test_buttons_still_work_the_day_after(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        async with table(tmp_path, "One.", discord=discord) as here:
            await here.bot.asked(ASKED)
        async with table(tmp_path, "Two.", discord=discord) as here:
            await here.discord.presses(here.last, AGAIN)
            await here.until(lambda: here.last.text == "Two." and "2/2" in here.buttons)
            await here.discord.presses(here.last, FORGET)
            await here.until(lambda: not here.buttons)
            assert "forgotten" in here.last.text
            assert [text for _, text, _ in await here.bot.memory()] == ["", "", ""]


async def test_a_long_variant_and_a_short_one_take_turns_in_the_same_messages(tmp_path: Path) -> None:
    long = " ".join(f"word{number}" for number in range(700))
    async with table(tmp_path, long, "Short.") as here:
        await here.bot.asked(ASKED)
        with_buttons = [bool(message.components) for message in own(here)]
        assert with_buttons == [False] * (len(own(here)) - 1) + [True]
        parts = len(own(here))
        assert parts > 2
        await here.discord.presses(here.last, AGAIN)
        await here.until(lambda: len(own(here)) == 1 and "2/2" in here.buttons)
        assert own(here)[0].text == "Short."
        await here.discord.presses(here.last, "◀")
        await here.until(lambda: len(own(here)) == parts and "1/2" in here.buttons)
        assert " ".join(" ".join(message.text for message in own(here)).split()) == long


async def test_an_edited_question_is_answered_anew_when_wished(tmp_path: Path) -> None:
    async with table(tmp_path, "Paris.", "Rome.") as here:
        asked = await here.discord.says("@bot capital of France?")
        await here.until(lambda: here.discord.answers() == ["Paris."] and AGAIN in here.buttons)
        await here.discord.edits(asked, "@bot capital of Italy?")
        await here.until(lambda: "🔄 Answer the new question" in here.buttons)
        await here.discord.presses(here.last, "🔄 Answer the new question")
        await here.until(lambda: here.last.text == "Rome.")
        assert "capital of Italy?" in str(here.model.seen[-1].body)
        assert "France" not in str(here.model.seen[-1].body)


async def test_what_is_deleted_is_forgotten(tmp_path: Path) -> None:
    forgotten = asyncio.Event()
    watcher = Plugin("watcher", "Sees what is deleted.")

    @watcher.on(MessageDeleted)
    async def seen(ctx: Context) -> None:
        forgotten.set()

    async with table(tmp_path, "The key is under the mat.", "Which key?", plugins=(commands, watcher)) as here:
        await here.bot.asked("@bot where is the key?")
        answer = here.last
        await here.discord.deletes(answer)
        await forgotten.wait()
        await here.bot.asked("@bot where?")
        assert "mat" not in str(here.model.seen[-1].body)


def own(here: Table) -> list[Message]:
    return [message for message in here.discord.screen() if message.author is here.discord.bot]
