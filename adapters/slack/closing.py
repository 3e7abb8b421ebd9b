"""Ending a message that is a native stream: it is always stopped, and in the end it shows exactly what it should."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from adapters.slack.errors import NotStreaming, NotTaken, Throttled
from adapters.slack.lengths import same
from adapters.slack.parts import Part
from adapters.slack.streams import Card, StreamLanes, Streams
from bot.api import Button, Call, Clock, DeliveryError, DeliveryRefused, Lane, SentId, Surface, TargetGone, Urgency

Result = TypeVar("Result")

_log = structlog.get_logger(__name__)

# Seconds before each next try of a call that may have been made.
_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0)


async def patiently(clock: Clock, make: Callable[[], Awaitable[Result]]) -> Result:
    """Make a call as soon as Slack allows it: for surfaces, where a limit is no failure."""
    while True:
        try:
            return await make()
        except Throttled as error:
            await clock.sleep(error.retry_after)


class Closer:
    """Stops streams, and puts right by an edit what a failed call leaves in doubt: an edit may be made twice."""

    def __init__(self, streams: Streams, surface: Surface, lanes: StreamLanes, clock: Clock) -> None:
        self._streams = streams
        self._surface = surface
        self._lanes = lanes
        self._clock = clock

    async def close(self, part: Part, buttons: Sequence[Button] = ()) -> None:
        """Raises DeliveryError when it cannot be made to show what it should."""
        assert part.sent is not None
        tail = part.untold()
        if not part.stopped:
            landed = await self._stop(part.sent, tail, part.cards, buttons)
            part.stopped, part.told = True, len(part.body)
            part.doubtful = part.doubtful or (not landed and bool(tail or buttons))
        elif tail or buttons:
            part.doubtful = True
        if part.doubtful:
            await self.rewrite(part, buttons)

    async def rewrite(self, part: Part, buttons: Sequence[Button]) -> None:
        """Let a message whose stream has ended show exactly what it should."""
        assert part.sent is not None
        sent, carried = part.sent, buttons

        async def edit() -> None:
            shown = await self._surface.edit(sent, part.text, carried)
            if not same(shown.text, part.text):
                _log.warning("message_differs", sent=sent, wanted=len(part.text), shown=len(shown.text))

        try:
            await self._insist(self._lanes.edited, edit)
        except NotTaken as error:
            _log.warning("buttons_refused", sent=sent, error=repr(error))
            carried = ()
            await self._insist(self._lanes.edited, edit)
        part.doubtful = False

    async def end(self, sent: SentId) -> None:
        """Stop what an earlier life may have left streaming."""
        try:
            await self._stop(sent, "", (), ())
        except DeliveryError as error:
            _log.info("old_stream_stays", sent=sent, error=repr(error))

    async def _stop(self, sent: SentId, tail: str, cards: Sequence[Card], buttons: Sequence[Button]) -> bool:
        """Whether the stop landed with all that it carried, as far as anybody can know."""
        bare = False

        async def stop() -> None:
            await self._streams.stop(sent, "" if bare else tail, () if bare else cards, () if bare else buttons)

        try:
            try:
                await self._insist(self._lanes.stopping, stop)
            except NotTaken as error:
                # It does not like what was to be carried; the stream must end all the same.
                _log.warning("stop_refused", sent=sent, error=repr(error))
                bare = True
                await self._insist(self._lanes.stopping, stop)
        except (NotStreaming, TargetGone):
            return False
        return not bare

    async def _insist(self, lane: Lane, act: Callable[[], Awaitable[None]]) -> None:
        """Make a call that may be made twice until it lands. A limit is waited for as long as it takes."""
        tries = 0
        while True:
            call = Call("edit", Urgency.FINAL, self._clock.monotonic())
            await lane.admit(call)
            landed = False
            try:
                await act()
                landed = True
                return
            except Throttled as error:
                await self._clock.sleep(error.retry_after)
            except (NotStreaming, NotTaken, TargetGone, DeliveryRefused):
                raise
            except DeliveryError:
                if tries == len(_WAITS):
                    raise
                await self._clock.sleep(_WAITS[tries])
                tries += 1
            finally:
                lane.told(call, "landed" if landed else "failed")
