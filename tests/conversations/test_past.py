"""What was said before the bot came: remembered in its order, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest

from bot.api import Context, Message, Plugin, Route
from bot.testing.bot import ANN, BOB, TestBot


def said_before(bot: TestBot) -> Sequence[Message]:
    now = datetime.now(UTC)
    texts = ((ANN, "we need tea"), (BOB, "green?"), (ANN, "or black?"))
    return [
        Message(
            id=f"past-{user.id}-{text}",
            user=user,
            route=Route(bot.place),
            at=now,
            text=text,
            addressed=False,
            past=True,
        )
        for user, text in texts
    ]


@pytest.mark.parametrize("speak", ["mention", "always", "thread"])
@pytest.mark.parametrize("busy", ["queue", "merge", "interrupt"])
async def test_it_is_remembered_in_order_and_never_answered(
    speak: Literal["mention", "always", "thread"], busy: Literal["queue", "merge", "interrupt"]
) -> None:
    async with TestBot(["Green."], settings={"answers": {"speak": speak, "busy": busy, "merge_wait": 0.01}}) as bot:
        for event in said_before(bot):
            await bot.hears(event, wait=False)
        await bot.says("which?")
        path = await bot.app.store.path(bot.place, max_tokens=9000)
        texts = [(message.role, message.text) for message in path.messages]
        assert texts == [
            ("user", "we need tea"),
            ("user", "green?"),
            ("user", "or black?"),
            ("user", "which?"),
            ("assistant", "Green."),
        ]
        assert [line for line in bot.screen if line.startswith("bot")] == ["bot: Green."]


async def test_told_again_it_is_remembered_once() -> None:
    async with TestBot(["Green."]) as bot:
        first = said_before(bot)[0]
        for _ in range(3):
            await bot.hears(first)
        # Not even where it would be a question by now.
        await bot.hears(replace(first, addressed=True))
        path = await bot.app.store.path(bot.place, max_tokens=9000)
        assert [message.text for message in path.messages] == ["we need tea"]
        assert bot.screen == ["Ann: we need tea"]


async def test_no_plugin_does_anything_about_it() -> None:
    heard = []
    plugin = Plugin("ears", "Hears everything.")

    @plugin.on(Message)
    async def hears(ctx: Context) -> None:
        assert isinstance(ctx.event, Message)
        heard.append(ctx.event.text)

    async with TestBot(["Green."], plugins=[plugin]) as bot:
        for event in said_before(bot):
            await bot.hears(event)
        await bot.says("which?")
    assert heard == ["which?"]


async def test_where_the_bot_is_silent_nothing_of_it_is_kept() -> None:
    async with TestBot(["Green."], settings={"answers": {"speak": "never"}}) as bot:
        await bot.hears(said_before(bot)[0])
        assert (await bot.app.store.path(bot.place, max_tokens=9000)).messages == ()
