"""A line that a crash cut: the messages of its speaker are found by their webhook and text, and none is doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord
from bot.api import Message, Place, Reply, Route, SentId, Speaker
from bot.store import Store
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from tests.loopback.bot_process import BotProcess, Setup, on_discord
from tests.loopback.discord_bot import Listener, connected
from tests.loopback.whole_bot import whole_bot

ANN = Speaker("ann", "Ann")
SHORT = "It was a dark and stormy night"
LONG = " ".join(f"word{number:04d}" for number in range(500))
SMALL = "-# "
MARK = "\n" + SMALL
STAGE = '''
from bot.api import Context, Plugin, Prompt, PromptMessage, Speaker

plugin = Plugin("stage", "A stage")


@plugin.command()
async def line(ctx: Context) -> None:
    """Say a line."""
    await ctx.say(Speaker("ann", "Ann"), Prompt(messages=(PromptMessage("user", "Say your line"),)))
'''


def said(discord: FakeDiscord) -> list[tuple[str, str]]:
    return [(each.name, each.text) for each in discord.screen() if each.author is discord.bot]


async def dies(folder: Path, route: Route, event: str, text: str, journaled: Sequence[SentId]) -> None:
    """What a process leaves that had written down the text, and no more than these messages."""
    async with Store(f"sqlite:///{folder / 'duologue.db'}") as store:
        conversation = await store.conversation(route.place)
        draft = await store.open_draft(conversation.id, route, event, None, epoch=0, speaker=ANN)
        await store.save_draft(draft.id, text=text, sent=journaled)


async def speaks(discord: FakeDiscord, bot: Listener, text: str) -> tuple[Route, str, tuple[SentId, ...]]:
    await discord.says("@bot go")
    heard = await bot.heard(Message)
    return heard.route, heard.id, await bot.adapter.send(heard.route, Reply(text, speaker=ANN))


@pytest.mark.parametrize("may_have_webhooks", [True, False])
@pytest.mark.parametrize(("text", "lost"), [(SHORT, 1), (LONG, 1), (LONG, 2)], ids=["short", "last", "last two"])
async def test_messages_that_were_posted_but_not_written_down_are_found(
    tmp_path: Path, text: str, lost: int, may_have_webhooks: bool
) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        if may_have_webhooks:
            await discord.allows("manage_webhooks")
        async with connected(discord) as bot:
            route, event, sent = await speaks(discord, bot, text)
        before = said(discord)
        await dies(tmp_path, route, event, text, sent[:-lost])
        async with whole_bot(tmp_path, discord, model) as whole:
            await whole.until(lambda: MARK in said(discord)[-1][1])
            await whole.idle()
        after = said(discord)
        assert [name for name, _ in after] == [name for name, _ in before]
        assert after[:-1] == before[:-1]
        assert after[-1][1].startswith(before[-1][1] + MARK)
        assert len(sent) == len(after)
        assert before[0][0] == ("Ann" if may_have_webhooks else "duologue")


async def test_a_line_far_below_what_began_the_talk_is_found_too(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI() as model:
        discord.limits.enforced = False
        await discord.allows("manage_webhooks")
        async with connected(discord) as bot:
            route, event, _ = await speaks(discord, bot, "The first line")
            for number in range(60):
                await discord.says(f"chatter {number}")
            await bot.adapter.send(route, Reply(SHORT, speaker=ANN))
        await dies(tmp_path, route, event, SHORT, ())
        async with whole_bot(tmp_path, discord, model) as whole:
            await whole.until(lambda: MARK in said(discord)[-1][1])
        assert [text.partition("\n")[0] for _, text in said(discord)] == ["The first line", SHORT]


class Staged(Setup):
    """A bot with a plugin that lets somebody speak."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"DUOLOGUE_PLUGINS": f'["{self.database.parent / "stage.py"}"]'}


async def killed_at(folder: Path, pattern: str, skip: int, acted: bool) -> None:
    async with FakeDiscord() as discord, FakeOpenAI(lambda seen: FakeAnswer(LONG, rate=900.0)) as model:
        await discord.allows("manage_webhooks")
        database, log = folder / "duologue.db", folder / "log.txt"
        setup = Staged(database, on_discord(discord), model.url, log=log)
        died = asyncio.Event()
        async with BotProcess(setup) as bot:

            async def now() -> None:
                bot.kill()
                await bot.gone()
                died.set()

            await discord.wait_until(lambda: discord.gateway.connected, timeout=30)
            discord.fails(pattern, do=now, acted=acted, drop=True, skip=skip)
            await discord.says("@bot /line")
            await died.wait()
        await discord.wait_until(lambda: discord.gateway.connected == 0)
        async with BotProcess(setup) as bot:
            kept, status = await remembered(database, discord)
            bot.terminate()
            await bot.gone()
        assert {name for name, _ in said(discord)} == {"Ann"}
        texts = [text for _, text in said(discord)]
        parts = [text.partition(SMALL)[0].strip() for text in texts]
        whole = " ".join(part for part in parts if part)
        # The crash may have come when all was written down, but not that this was all.
        assert (whole.split(), SMALL in texts[-1]) == (kept.split(), status != "complete")
        assert kept == LONG or status != "complete"
        assert LONG.startswith(whole)
        assert SMALL not in "".join(texts[:-1])
        assert len(discord.webhooks) == 1


async def remembered(database: Path, discord: FakeDiscord) -> tuple[str, str]:
    """The line and how it ended, once the bot that came back has put it into memory."""
    place = Place("discord", str(discord.guild.id), str(discord.general.id))
    async with Store(f"sqlite:///{database}") as store:
        for _ in range(500):
            lines = [each for each in await store.tree(place) if each.role == "assistant"]
            if lines:
                break
            await asyncio.sleep(0.02)
    return "".join(line.text for line in lines), lines[-1].status if lines else ""


@pytest.mark.crash
@pytest.mark.timeout(60)
async def test_killed_at_a_call_of_the_webhook(tmp_path: Path) -> None:
    post, edit = "POST /webhooks/*", "PATCH /webhooks/*"
    cases = [(post, 0, True), (post, 1, True), (post, 1, False), (edit, 0, True)]
    for number in range(len(cases)):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "stage.py").write_text(STAGE)
    plays = [killed_at(tmp_path / str(number), *case) for number, case in enumerate(cases)]
    results = await asyncio.gather(*plays, return_exceptions=True)
    assert {str(case): result for case, result in zip(cases, results, strict=True) if result is not None} == {}
