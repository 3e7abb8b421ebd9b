"""How commands are written in what the bot says: as they can be typed in that place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from adapters.slack import SlackSettings
from adapters.slack.manifest import RESERVED
from adapters.slack.workspace import Workspace
from bot.api import BotError, Command, Notice, Piece, Place, Reply, ReplyStream, SentId, say


class Spelling:
    """Slack takes no slash command in a thread; elsewhere most are typed behind the one command."""

    def __init__(self, settings: SlackSettings, workspace: Workspace, commands: Sequence[Command]) -> None:
        self._settings = settings
        self._mention = f"@{workspace.user_name} /"
        words = {command.name.partition(" ")[0] for command in commands if command.target is None}
        named = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
        # Beginning with a backtick, as commands are always told.
        self._named = re.compile(rf"(?<=`)/(?P<word>{named})(?![\w/-])") if words else None

    def text(self, text: str, place: Place) -> str:
        if self._named is None or "`/" not in text:
            return text
        return self._named.sub(lambda found: self._typed(found["word"], place), text)

    def reply(self, reply: Reply, place: Place) -> Reply:
        text = self.text(reply.text, place)
        return reply if text == reply.text else replace(reply, text=text)

    def stream(self, stream: ReplyStream, place: Place) -> ReplyStream:
        return _Spelled(stream, self, place)

    def _typed(self, word: str, place: Place) -> str:
        settings = self._settings
        if place.thread is not None:
            return (settings.text_prefix or self._mention) + word
        own = settings.commands == "each" and word not in RESERVED
        return f"/{word}" if own or word == settings.command else f"/{settings.command} {word}"


class _Spelled:
    """What a model says stays as it is; what is told beside it, and why it broke off, does not."""

    def __init__(self, stream: ReplyStream, spelling: Spelling, place: Place) -> None:
        self._stream = stream
        self._spelling = spelling
        self._place = place

    @property
    def sent(self) -> tuple[SentId, ...]:
        return self._stream.sent

    async def write(self, piece: Piece) -> None:
        if isinstance(piece, Notice):
            piece = Notice(self._spelling.text(piece.text, self._place))
        await self._stream.write(piece)

    async def __aenter__(self) -> ReplyStream:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, BotError):
            told = say(error.public)
            typed = self._spelling.text(told, self._place)
            if typed != told:
                error = BotError(str(error), public=typed)
        await self._stream.__aexit__(kind, error, trace)
