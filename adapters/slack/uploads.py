"""Files that the bot sends: announced, uploaded, and shown below what it said."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping, Sequence

import aiohttp
import yarl

from adapters.slack.blocks import plain
from adapters.slack.calls import Calls
from adapters.slack.errors import NotTaken, Throttled, by_code, code_of, translated
from adapters.slack.escaping import plain_name
from bot.api import Clock, DeliveryError, DeliveryRefused, File, TargetGone, clip, say

log = logging.getLogger(__name__)

SCOPE = "files:write"
MAX_FILE_BYTES, MAX_FILES, MAX_NAME = 50 * 1024 * 1024, 10, 100
_RESERVE, _SHARE, _LOOK = "files.getUploadURLExternal", "files.completeUploadExternal", "files.info"
# Where a file that was shared is told to be.
_PLACES = ("channels", "groups", "ims")
_TRIES, _WAIT, _PATIENCE = 3, 1.0, 120.0
# No part of a path, and no end of the code that a name stands in.
_SIGNS = re.compile(r"[\\/\0`]+")


class Uploads:
    """`send` never raises a DeliveryError: what could not be sent is told instead."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock

    async def send(self, files: Sequence[File], channel: str, thread: str | None = None) -> list[str]:
        """A sentence for each file that is not there afterwards."""
        troubles: list[str] = []
        ready: list[dict[str, str]] = []
        for file in files[:MAX_FILES]:
            name = file_name(file.name)
            if not file.content:
                troubles.append(say("`{name}` is empty, so there is nothing to send.", name=name))
            elif len(file.content) > MAX_FILE_BYTES:
                troubles.append(say("`{name}` is too large to be sent.", name=name))
            else:
                try:
                    ready.append({"id": await self._upload(name, file.content), "title": name})
                except DeliveryError as error:
                    troubles.append(_trouble(name, error))
        troubles += [say("`{name}` was one file too many.", name=file_name(file.name)) for file in files[MAX_FILES:]]
        if ready:
            try:
                await self._share(ready, channel, thread)
            except DeliveryError as error:
                troubles += [_trouble(each["title"], error) for each in ready]
        return list(dict.fromkeys(troubles))

    async def _upload(self, name: str, content: bytes) -> str:
        """The id of a file that nobody sees yet: this may be tried again."""
        for left in reversed(range(_TRIES)):
            try:
                place = await self._calls.in_turn(_RESERVE, filename=name, length=len(content))
                await self._put(str(place["upload_url"]), content)
                return str(place["file_id"])
            except DeliveryRefused:
                raise
            except DeliveryError as error:
                if not left:
                    raise
                await self._clock.sleep(error.retry_after if isinstance(error, Throttled) else _WAIT)
        raise AssertionError("unreachable")

    async def _share(self, ready: Sequence[Mapping[str, str]], channel: str, thread: str | None) -> None:
        """Shows the files, once: where an answer is lost, the file itself tells whether it is there."""
        for left in reversed(range(_TRIES)):
            try:
                await self._calls.in_turn(_SHARE, files=[*ready], channel_id=channel, thread_ts=thread)
                return
            except (DeliveryRefused, TargetGone, NotTaken, Throttled):
                raise
            except DeliveryError:
                told = (await self._calls.in_turn(_LOOK, file=ready[0]["id"])).get("file") or {}
                if any(channel in (told.get(name) or ()) for name in _PLACES):
                    return
                if not left:
                    raise
                await self._clock.sleep(_WAIT)

    async def _put(self, address: str, content: bytes) -> None:
        with translated():
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as session:
                url = yarl.URL(address, encoded=True)
                async with session.post(url, data=io.BytesIO(content), proxy=self._calls.client.proxy) as answer:
                    status = answer.status
        if status != 200:
            raise by_code("", status, answer.headers)


def file_name(name: str) -> str:
    return clip(plain(_SIGNS.sub("_", plain_name(name))), MAX_NAME)


def _trouble(name: str, error: DeliveryError) -> str:
    log.warning("a file could not be sent: %s", error)
    if code_of(error) == "missing_scope":
        return say(
            "I may not send files here: my app on Slack lacks the scope `files:write`. "
            "Whoever runs me can add it and install the app again."
        )
    if isinstance(error, DeliveryRefused):
        return say("I may not send `{name}` here.", name=name)
    return say("I could not send `{name}`. Please try again.", name=name)
