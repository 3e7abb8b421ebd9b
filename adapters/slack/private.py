"""What one person alone sees, and what is said where only an answer's own address leads; never anything else."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import yarl
from pydantic import JsonValue

from adapters.slack.blocks import body, fallback, rows
from adapters.slack.budgets import POST, UPDATE
from adapters.slack.calls import Calls
from adapters.slack.errors import NotTaken, by_code, translated
from adapters.slack.escaping import QUIET_POST, QUIET_UPDATE
from adapters.slack.faces import Faces, opening
from adapters.slack.people import People
from adapters.slack.places import is_direct
from adapters.slack.posting import DIRECT, PostSurface
from bot.api import (
    Button,
    Call,
    Clock,
    DeliveryRefused,
    Outcome,
    Route,
    SentId,
    Shown,
    Speaker,
    TargetGone,
    Urgency,
    phrase,
    say,
)

log = logging.getLogger(__name__)

# What cannot be reached again: said through an address, to one person or to all; to one person by the bot itself;
# and what stands for a message that could not be said.
BY_ADDRESS, GUEST, EPHEMERAL, NOTICE = "address", "guest", "ephemeral", "notice"
SENT_PRIVATELY = phrase("🔒 My answer is for you alone, but I cannot send you direct messages.")
# Slack takes so many answers through one address; the last of them is kept for when nothing else is left.
MOST_USES, _KEPT = 5, 1
_EVERY, _PATIENCE = 1.0, 10.0
_MOST_KNOWN, _MOST_ANSWER = 2000, 10_000
# What is answered where there is no such address any more, whatever it says.
_DEAD = (403, 404, 410)
_HOSTS = (".slack.com", ".slack-gov.com")


def is_private(route: Route, *, asked: bool = False) -> bool:
    """Whether something is for one person alone in a place where others read too."""
    is_guest = route.data.get("guest") is True
    return (asked or route.data.get("private") is True) and (is_guest or not is_direct(route.place))


def is_for_one(sent: SentId) -> bool:
    return sent.kind in (BY_ADDRESS, EPHEMERAL, NOTICE) or sent.kind.startswith(DIRECT)


class AtTheEnd:
    """The lane of what is said whole: nothing goes before its end."""

    def opened(self) -> None:
        pass

    def closed(self) -> None:
        pass

    async def admit(self, call: Call) -> None:
        if call.urgency is not Urgency.FINAL:
            await asyncio.get_running_loop().create_future()

    def told(self, call: Call, outcome: Outcome) -> None:
        pass


@dataclass(slots=True)
class _Address:
    uses: int = 0
    last: float = float("-inf")
    dead: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class ResponseUrls:
    """The addresses that Slack gives with commands, presses and shortcuts. `api_url` is that of a Slack on this
    machine, if there is one."""

    def __init__(self, calls: Calls, clock: Clock, api_url: str = "") -> None:
        self._calls = calls
        self._clock = clock
        self._local = yarl.URL(api_url).authority if api_url else ""
        self._known: OrderedDict[str, _Address] = OrderedDict()

    def left(self, data: Mapping[str, JsonValue]) -> int:
        """How often it can still be used, as far as this process knows."""
        url, until = data.get("response_url"), data.get("until")
        if not isinstance(url, str) or not self._is_slacks(url):
            return 0
        if isinstance(until, int | float) and self._clock.now().timestamp() >= until:
            return 0
        known = self._known.get(url)
        return MOST_USES if known is None else 0 if known.dead else max(MOST_USES - known.uses, 0)

    async def say(self, data: Mapping[str, JsonValue], payload: Mapping[str, object]) -> None:
        """Raises DeliveryError; TargetGone when nothing can be said this way any more."""
        url = str(data.get("response_url", ""))
        known = self._of(url)
        async with known.turn:
            if not self.left(data):
                raise TargetGone("the address of the answer is used up")
            await self._clock.sleep(max(known.last + _EVERY - self._clock.monotonic(), 0.0))
            # Whether a call that fails was counted nobody knows.
            known.uses += 1
            known.last = self._clock.monotonic()
            try:
                await self._post(url, payload)
            except TargetGone:
                known.dead = True
                raise

    async def _post(self, url: str, payload: Mapping[str, object]) -> None:
        client = self._calls.client
        with translated():
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as session:
                target = yarl.URL(url, encoded=True)
                async with session.post(target, json=payload, proxy=client.proxy, allow_redirects=False) as answer:
                    text = (await answer.content.read(_MOST_ANSWER)).decode(errors="replace")
        if answer.status >= 400 or '"ok":false' in text.replace(" ", ""):
            code = _code_in(text) or ("expired_url" if answer.status in _DEAD else "")
            raise by_code(code, answer.status, answer.headers)

    def _of(self, url: str) -> _Address:
        if url not in self._known:
            self._known[url] = _Address()
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return self._known[url]

    def _is_slacks(self, address: str) -> bool:
        try:
            url = yarl.URL(address, encoded=True)
        except ValueError:
            return False
        if self._local and url.authority == self._local:
            return True
        return url.scheme == "https" and (url.host or "").endswith(_HOSTS)


def _code_in(text: str) -> str:
    """What is wrong, which is told as JSON or as a bare word."""
    try:
        told: Any = json.loads(text)
    except ValueError:
        told = text.strip()
    code = told.get("error", "") if isinstance(told, dict) else told
    return str(code) if str(code).isidentifier() else ""


@dataclass(frozen=True, slots=True)
class Ways:
    """What the ways to one person have in common."""

    urls: ResponseUrls
    calls: Calls
    people: People
    faces: Faces

    async def talk_with(self, user: str) -> str:
        """The channel of the bot's talk with somebody. Raises DeliveryError."""
        if not user:
            raise DeliveryRefused("nobody to write to")
        known = await self.people.direct(user)
        if known:
            return known
        # Whether there can be none, or Slack was slow to tell, is not known: something would be lost.
        told = (await self.calls.in_turn("conversations.open", users=user)).get("channel") or {}
        if not told.get("id"):
            raise DeliveryRefused("no talk was opened")
        return str(told["id"])


Post = Callable[[str, Sequence[Button]], Awaitable[Shown]]


class PrivateSurface:
    """Messages for one person, or with `in_channel` for all through the address alone. One way after the other is
    tried, from the last that worked; `in_talk` makes the surface of a talk with them, `in_public` that of the place;
    what `about` tells stands above what is said there."""

    def __init__(
        self,
        ways: Ways,
        route: Route,
        *,
        in_talk: Callable[[str], PostSurface],
        in_public: Callable[[], PostSurface],
        speaker: Speaker | None = None,
        in_channel: bool = False,
        resumed: Sequence[SentId] = (),
        about: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._ways = ways
        self._route = route
        self._in_talk = in_talk
        self._in_public = in_public
        self._speaker = speaker
        self._in_channel = in_channel
        self._last = resumed[-1] if resumed else None
        self._tell_about = about
        self._about = ""
        self._talk: PostSurface | None = None
        self._notice: PostSurface | None = None
        self._noticed: SentId | None = None
        self._named = False
        is_guest = route.data.get("guest") is True
        self._left: list[Post] = [self._by_last_use]
        if not in_channel:
            spoken: list[Post] = [self._by_address, self._directly, self._by_last_use]
            # Nobody but a member can whisper here, or say that it cannot.
            self._left = spoken if is_guest else [spoken[0], self._ephemerally, *spoken[1:], self._as_notice]

    @property
    def _user(self) -> str:
        return str(self._route.data.get("user", ""))

    @property
    def _response_type(self) -> str:
        return "in_channel" if self._in_channel else "ephemeral"

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        while True:
            try:
                return await self._left[0](text, buttons)
            except (DeliveryRefused, TargetGone, NotTaken) as error:
                if len(self._left) == 1:
                    raise
                log.debug("not this way: %s", error)
                del self._left[0]

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        if sent.kind.startswith(DIRECT):
            talk = self._in_talk(sent.kind.removeprefix(DIRECT))
            return await self._in_turn(UPDATE, lambda: talk.edit(sent, text, buttons))
        if not text or not self.reaches(sent):
            raise TargetGone("what was said to one person stays as it is")
        await self._replace({**self._content(text, buttons or ()), **QUIET_UPDATE, "replace_original": True})
        return Shown(sent, text)

    async def delete(self, sent: SentId) -> None:
        if sent.kind.startswith(DIRECT):
            await self._in_talk(sent.kind.removeprefix(DIRECT)).delete(sent)
        elif self.reaches(sent):
            await self._replace({"delete_original": True})
        else:
            raise TargetGone("what was said to one person stays as it is")

    def reaches(self, sent: SentId) -> bool:
        """The address that came with a press leads to the message that was pressed. Under an answer that is the last
        one, whose own id nobody knows when it was said through an address too."""
        data = self._route.data
        pressed = data.get("pressed")
        is_last = pressed is not None and sent == self._last and sent.kind in (BY_ADDRESS, GUEST)
        return (sent.id == pressed or is_last) and self._ways.urls.left(data) > 0

    # One way after the other

    async def _by_address(self, text: str, buttons: Sequence[Button]) -> Shown:
        if self._ways.urls.left(self._route.data) <= _KEPT:
            raise TargetGone("the last use of the address is kept")
        return await self._by_last_use(text, buttons)

    async def _ephemerally(self, text: str, buttons: Sequence[Button]) -> Shown:
        if not self._user:
            raise DeliveryRefused("nobody to whisper to")
        place = self._route.place
        identity = self._ways.faces.identity(self._speaker)
        content = self._content(text, buttons, named=bool(identity))
        try:
            answer = await self._ways.calls.in_turn(
                "chat.postEphemeral",
                channel=place.channel,
                user=self._user,
                thread_ts=place.thread,
                **content,
                **identity,
                **QUIET_UPDATE,
            )
        except DeliveryRefused as error:
            if identity and self._ways.faces.refused(error):
                return await self._ephemerally(text, buttons)
            raise
        self._named = True
        return Shown(SentId(str(answer.get("message_ts") or secrets.token_hex(8)), EPHEMERAL), text)

    async def _directly(self, text: str, buttons: Sequence[Button]) -> Shown:
        if self._talk is None:
            channel = await self._ways.talk_with(self._user)
            self._about = await self._tell_about() if self._tell_about is not None else ""
            self._talk = self._in_talk(channel)
        talk = self._talk
        shown = await self._in_turn(POST, lambda: talk.post(self._about + text, buttons))
        about, self._about = self._about, ""
        return Shown(shown.sent, shown.text.removeprefix(about))

    async def _by_last_use(self, text: str, buttons: Sequence[Button]) -> Shown:
        content = self._content(text, buttons)
        told = {"response_type": self._response_type, "replace_original": False, "thread_ts": self._route.place.thread}
        await self._ways.urls.say(self._route.data, {**content, **QUIET_POST, **_given(told)})
        self._named = True
        return Shown(SentId(secrets.token_hex(8), GUEST if self._in_channel else BY_ADDRESS), text)

    async def _as_notice(self, text: str, buttons: Sequence[Button]) -> Shown:
        """That there is something is said to all, once; what it is, never."""
        if self._noticed is None:
            notice = self._notice = self._notice or self._in_public()
            self._noticed = (await self._in_turn(POST, lambda: notice.post(say(SENT_PRIVATELY)))).sent
        return Shown(SentId(self._noticed.id, NOTICE), text)

    async def _in_turn(self, method: str, make: Callable[[], Awaitable[Shown]]) -> Shown:
        """Nothing was admitted by a lane."""
        calls = self._ways.calls
        return await calls.patiently(lambda: calls.budgets.through(method, make))

    async def _replace(self, payload: Mapping[str, object]) -> None:
        await self._ways.urls.say(self._route.data, {"response_type": self._response_type, **payload})

    def _content(self, text: str, buttons: Sequence[Button], *, named: bool = False) -> dict[str, object]:
        """An address knows no other names than the bot's."""
        if self._speaker is not None and not (named or self._named):
            text = opening(self._speaker.name, text) + text
        controls = rows(buttons, self._user)
        return {"text": fallback(text, controls), "blocks": [*body(text), *controls]}


def _given(arguments: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in arguments.items() if value is not None}
