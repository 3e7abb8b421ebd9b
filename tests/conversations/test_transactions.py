"""A turn walks to the database seldom, and no oftener where much is remembered."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Connection

from bot.model.healing import Learned
from bot.model.scripted import Scripted
from bot.replies import Piece
from bot.store.doors import Rooms
from bot.testing.bot import TestBot
from bot.testing.hand_clock import HandClock
from bot.turn import Turn


class Counting(Scripted):
    """Notes how many transactions had begun when it was asked."""

    begun = 0
    asked = 0

    def watch(self, bot: TestBot) -> None:
        for door in (bot.app.store._db._writer, bot.app.store._db._reader):
            assert isinstance(door, Rooms)
            for room in door._rooms:
                event.listen(room._engine, "begin", self._begin)

    def _begin(self, connection: Connection) -> None:
        self.begun += 1

    async def stream(self, turn: Turn, learned: Learned) -> AsyncGenerator[Piece, None]:
        self.asked = self.begun
        async for piece in super().stream(turn, learned):
            yield piece


async def test_two_transactions_before_the_model_is_asked_and_four_at_most_from_then_on(tmp_path: Path) -> None:
    model = Counting(["Yes."] * 5)
    before, after = [], []
    async with TestBot(model, folder=tmp_path, clock=HandClock()) as bot:
        await bot.says("The first question also looks how to behave here.")
        model.watch(bot)
        for _ in range(4):
            begun = model.begun
            await bot.says("And now?")
            before.append(model.asked - begun)
            after.append(model.begun - model.asked)
    # The least, for what a bot reads at its start may still come between.
    assert min(before) == 2, "it is claimed; it is remembered and the window read"
    assert min(after) <= 4, "a draft is opened, written before the post and once it is whole; everything is concluded"
