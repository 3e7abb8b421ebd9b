"""The screen: answers grow as formatted Markdown, finished parts scroll away, only the open end is drawn over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from adapters.terminal.answer import Answer
from adapters.terminal.live import LiveRegion
from adapters.terminal.outlet import Outlet
from adapters.terminal.render import Renderer
from adapters.terminal.safe import clean
from adapters.terminal.view import AnswerView
from bot.api import Clock, PromptMessage, Reply, Speaker

# Redraws are at least this far apart, and never take more than about a quarter of the time.
PACE = 0.04
SPIN = 0.1

# Of the names above what several speakers say; each has its own as long as there are enough.
COLOURS = ("magenta", "green", "yellow", "blue", "cyan", "red")

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class ScreenDisplay:
    """`above_prompt` makes room for output while a prompt is being edited."""

    def __init__(
        self,
        out: Outlet,
        renderer: Renderer,
        clock: Clock,
        above_prompt: Callable[[], AbstractAsyncContextManager[None]],
        *,
        footer: bool,
    ) -> None:
        self._out = out
        self._renderer = renderer
        self._clock = clock
        self._above_prompt = above_prompt
        self._footer = footer
        self._growing: AnswerView | None = None
        self._turn = asyncio.Lock()
        self._colours: dict[str, str] = {}
        self._gap_before = False

    @property
    def closed(self) -> asyncio.Event:
        return self._out.closed

    @property
    def busy(self) -> bool:
        """An answer is being written, so no prompt can be drawn."""
        return self._growing is not None

    def typed(self) -> None:
        """What somebody typed stands below everything that was shown."""
        self._gap_before = False

    async def tell(self, answer: Answer) -> None:
        """A second answer meanwhile is shown when it is complete: within the first one if that still goes on,
        since it may be waiting for this one."""
        if self._growing is not None:
            await answer.ended.wait()
        view = self._view(answer.speaker, footer=self._footer)
        if self._growing is not None:
            async for batch in answer.batches():
                view.take(batch)
            self._growing.interject(view.all_rows(broken=answer.broken, speaker=answer.speaker))
            return
        self._growing = view
        try:
            async with self._stage():
                await self._grow(answer, view)
        finally:
            self._growing = None

    def _view(self, speaker: Speaker | None, *, footer: bool) -> AnswerView:
        colour = self._colour(speaker.id) if speaker is not None else COLOURS[0]
        return AnswerView(self._renderer, self._clock.monotonic(), footer=footer, colour=colour)

    def _colour(self, id: str) -> str:
        """The same as before; for somebody new a free one, or that of whoever has been silent longest."""
        free = [each for each in COLOURS if each not in self._colours.values()]
        silent = next(iter(self._colours), id)
        colour = self._colours.pop(id, None) or (free[0] if free else self._colours.pop(silent))
        self._colours[id] = colour
        return colour

    async def _grow(self, answer: Answer, view: AnswerView) -> None:
        region = LiveRegion()
        view.introduce(answer.speaker, gap=not self._gap_before)
        self._gap_before = True
        await self._out.write(_HIDE_CURSOR)
        try:
            async for batch in answer.batches(SPIN):
                view.take(batch)
                began = self._clock.monotonic()
                keep, live = view.frame(began)
                await self._out.write(region.update(keep, live, self._renderer.size[0]))
                spent = self._clock.monotonic() - began
                if batch and not answer.ended.is_set():
                    await _pause(answer.ended, max(PACE, 3 * spent))
            await self._out.write(region.update(view.last_rows(broken=answer.broken), [], self._renderer.size[0]))
        finally:
            await self._out.write(_SHOW_CURSOR)

    async def show(self, reply: Reply) -> None:
        view = self._view(reply.speaker, footer=False)
        rows = view.reply_rows(reply)
        if not rows:
            return
        if self._growing is not None:
            self._growing.interject(rows)
        else:
            await self._print(rows)

    async def remark(self, text: str) -> None:
        await self._print(self._renderer.line(clean(text), "dim"))

    async def recall(self, messages: list[PromptMessage]) -> None:
        """What was said before, as a reminder: short and dim."""
        rows: list[str] = []
        limit = 3 * max(20, self._renderer.size[0] - 4)
        for message in messages:
            text = " ".join(clean(message.text).split())
            # What others than the bot and whoever sits here said, such as characters.
            text = f"{clean(message.name)}: {text}" if message.name and message.role == "assistant" else text
            text = text if len(text) <= limit else text[: limit - 1] + "…"
            mark = "› " if message.role == "user" else "  "
            first, *more = self._renderer.line(text, "dim", indent=2) or [""]
            rows += [mark + first.removeprefix("  "), *more]
        await self._print([*rows, ""] if rows else [])

    async def _print(self, rows: list[str]) -> None:
        if rows:
            async with self._stage():
                shown = rows[1:] if self._gap_before and not rows[0] else rows
                self._gap_before = not rows[-1]
                await self._out.write("".join(f"{row}\x1b[K\r\n" for row in shown))

    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[None]:
        async with self._turn, self._above_prompt():
            yield


async def _pause(ended: asyncio.Event, seconds: float) -> None:
    """The end of an answer is never waited for."""
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    except TimeoutError:
        return
