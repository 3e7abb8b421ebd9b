"""What was said at the top of channels of late, for the threads that may come to hang on it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from adapters.slack.places import is_direct
from bot.api import AnyEvent, Message, MessageDeleted, MessageEdited, Place, Route

# So many messages, but none that is longer than this.
MOST, MAX_CHARS = 1000, 8000


class Tops:
    def __init__(self) -> None:
        self._kept: OrderedDict[Place, Message] = OrderedDict()

    def note(self, event: AnyEvent) -> None:
        match event:
            case Message() if event.place.thread is None and not is_direct(event.place):
                if len(event.text) <= MAX_CHARS:
                    self._kept[replace(event.place, thread=event.id)] = event
                if len(self._kept) > MOST:
                    self._kept.popitem(last=False)
            case MessageEdited():
                thread = replace(event.place, thread=event.message)
                if thread in self._kept:
                    self._kept[thread] = replace(self._kept[thread], text=event.text)
            case MessageDeleted():
                for id in event.messages:
                    self._kept.pop(replace(event.place, thread=id), None)

    def taken(self, thread: Place) -> Sequence[Message]:
        """The message that a thread hangs on, as if it had been said there; it is known there from now on."""
        root = self._kept.pop(thread, None)
        return () if root is None else (replace(root, route=Route(thread, root.route.data)),)
