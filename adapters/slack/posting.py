"""The bot's own messages: posted once however often it is tried, edited with their buttons, taken back."""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from adapters.slack.blocks import Block, body, fallback, is_control, rows, said_in
from adapters.slack.budgets import POST, STOP, UPDATE
from adapters.slack.calls import Calls
from adapters.slack.closing import patiently
from adapters.slack.errors import NoStreams, NotTaken, Throttled, code_of
from adapters.slack.escaping import QUIET_POST, QUIET_UPDATE, Mention
from adapters.slack.faces import Faces, kind_of, named_in, opening
from adapters.slack.lengths import same
from bot.api import Button, Clock, DeliveryError, DeliveryRefused, SentId, Shown, Speaker, TargetGone

Result = TypeVar("Result")
Answer: TypeAlias = Mapping[str, Any]

log = logging.getLogger(__name__)

# The sign by which a message is known again whose post was never answered.
EVENT_TYPE = "duologue_message"
# Reached by the bot's own token where the route leads; and in a talk with one person, whose channel follows.
BY_BOT, DIRECT = "", "direct:"
# How far back a lost message is looked for where no message is known that is older, in seconds. In so many pages.
LONG_AGO = 120.0
_PAGES, _PAGE = 3, 100
# So often whoever calls hears of a limit, and waits in line again; then it is waited for here.
_MOST_THROTTLED = 3
_MOST_STANDING = 500


@dataclass(frozen=True, slots=True)
class Stands:
    """What a message shows: its Markdown, the blocks of that, and the blocks of its buttons."""

    text: str
    body: tuple[Block, ...]
    controls: tuple[Block, ...]


class Standing:
    """What messages show, as far as this process knows: an edit that leaves a part of one has to send it again."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Stands] = OrderedDict()

    def put(self, channel: str, ts: str, stands: Stands) -> None:
        self._known[channel, ts] = stands
        self._known.move_to_end((channel, ts))
        if len(self._known) > _MOST_STANDING:
            self._known.popitem(last=False)

    def find(self, channel: str, ts: str) -> Stands | None:
        return self._known.get((channel, ts))

    def forget(self, channel: str, ts: str) -> None:
        self._known.pop((channel, ts), None)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where messages go. `asker` is whose buttons they have; `after` is the id of a message that is older than all
    of them, where one is known."""

    channel: str
    thread: str | None = None
    asker: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class _Post:
    """One message as it was tried to be posted."""

    key: str
    after: str
    kind: str
    opening: str
    text: str
    buttons: tuple[Button, ...]


class PostSurface:
    """Messages of the bot, or of a `speaker`, in one place. The first one tells `mention`. `resumed` are the messages
    of an answer that is taken up. `kind` is what they are marked with."""

    def __init__(
        self,
        calls: Calls,
        faces: Faces,
        standing: Standing,
        clock: Clock,
        spot: Spot,
        *,
        speaker: Speaker | None = None,
        mention: Mention | None = None,
        resumed: Sequence[SentId] = (),
        kind: str = BY_BOT,
    ) -> None:
        self._calls = calls
        self._faces = faces
        self._standing = standing
        self._clock = clock
        self._spot = spot
        self._speaker = speaker
        self._mention = mention
        self._kind = kind
        self._named = any(named_in(sent) for sent in resumed)
        self._newest = max((sent.id for sent in resumed), default="")
        # A post that nobody knows the fate of.
        self._unsure: _Post | None = None
        self._mentioned: dict[str, Mention] = {}
        self._throttled = 0

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        lost = self._unsure
        if lost is not None and (found := await self._find(lost)) is not None:
            shown = self._landed(lost, found)
            if lost.text != text or lost.buttons != tuple(buttons):
                return await self.edit(shown.sent, text, buttons)
            return shown
        identity = self._faces.identity(self._speaker)
        post = self._tried(text, tuple(buttons), named=bool(identity))
        try:
            answer = await self._patiently(lambda: self._send(post, identity))
        except (NotTaken, NoStreams, DeliveryRefused, TargetGone) as error:
            self._unsure = None
            if identity and self._faces.refused(error):
                return await self.post(text, buttons)
            raise
        except Throttled:
            raise
        except DeliveryError:
            self._unsure = post
            raise
        return self._landed(post, {"ts": answer.get("ts"), **(answer.get("message") or {})})

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        """An empty text leaves the one that is there."""
        known = self._standing.find(self._spot.channel, sent.id)
        if known is None and (not text or buttons is None):
            known = await self._read(sent, needed=not text)
        name = opening(named_in(sent), text)
        mention = self._mentioned.get(sent.id)
        controls = (known.controls if known else ()) if buttons is None else tuple(rows(buttons, self._spot.asker))
        if text or known is None:
            stands = Stands(name + text, tuple(body(name + text, mention)), controls)
        else:
            stands = Stands(known.text, known.body, controls)
        try:
            answer = await self._update(sent, stands, mention)
        except NotTaken as error:
            if text:
                raise
            # Not all that Slack makes of Markdown is taken back.
            log.info("what stands there is written anew: %s", error)
            stands = Stands(stands.text, tuple(body(stands.text)), controls)
            answer = await self._update(sent, stands, mention)
        self._standing.put(self._spot.channel, sent.id, stands)
        shown = _shown(stands, mention, answer.get("message") or answer)
        return Shown(sent, shown.removeprefix(name))

    async def delete(self, sent: SentId) -> None:
        """Raises TargetGone for one that is gone already."""
        self._standing.forget(self._spot.channel, sent.id)
        await self._calls.in_turn("chat.delete", channel=self._spot.channel, ts=sent.id)

    # Posting

    def _tried(self, text: str, buttons: tuple[Button, ...], *, named: bool) -> _Post:
        """One that is tried again keeps its key, so that it is found however late it landed."""
        lost = self._unsure
        begins = opening(self._speaker.name, text) if self._speaker and not (named or self._named) else ""
        kind = kind_of(self._speaker) if self._speaker and begins and not self._kind else self._kind
        key = lost.key if lost else secrets.token_hex(12)
        return _Post(key, lost.after if lost else self._before(), kind, begins, text, buttons)

    def _before(self) -> str:
        """A moment in Slack's own time before which nothing of this answer was posted, if there is one."""
        known = max(self._newest, self._spot.after)
        return known or f"{self._clock.now().timestamp() - LONG_AGO:.6f}"

    async def _send(self, post: _Post, identity: Mapping[str, str]) -> Answer:
        text, mention = post.opening + post.text, self._mention
        controls = rows(post.buttons, self._spot.asker)
        named = {"named": quote(named_in(SentId("", post.kind)))} if post.opening else {}
        return await self._calls.now(
            POST,
            channel=self._spot.channel,
            thread_ts=self._spot.thread,
            text=fallback(text, controls, mention),
            blocks=[*body(text, mention), *controls],
            metadata={"event_type": EVENT_TYPE, "event_payload": {"key": post.key, **named}},
            **identity,
            **QUIET_POST,
        )

    def _landed(self, post: _Post, message: Answer) -> Shown:
        """`message` as Slack keeps it."""
        mention, self._mention, self._unsure = self._mention, None, None
        ts = str(message["ts"])
        self._newest = ts
        self._named = self._named or bool(post.opening)
        if mention is not None:
            self._mentioned[ts] = mention
        text = post.opening + post.text
        stands = Stands(text, tuple(body(text, mention)), tuple(rows(post.buttons, self._spot.asker)))
        self._standing.put(self._spot.channel, ts, stands)
        shown = _shown(stands, mention, message)
        return Shown(SentId(ts, post.kind), shown.removeprefix(post.opening))

    async def _find(self, post: _Post) -> Answer | None:
        """The message of a post whose answer was lost, None also where nothing may be read here."""
        method, arguments = "conversations.history", {"channel": self._spot.channel}
        if self._spot.thread is not None:
            method, arguments = "conversations.replies", {**arguments, "ts": self._spot.thread}
        cursor = None
        try:
            for _ in range(_PAGES):
                page = await self._calls.in_turn(
                    method, oldest=post.after, limit=_PAGE, include_all_metadata="true", cursor=cursor, **arguments
                )
                for message in page.get("messages") or []:
                    payload = (message.get("metadata") or {}).get("event_payload") or {}
                    if payload.get("key") == post.key:
                        found: Answer = message
                        return found
                cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
                if cursor is None:
                    return None
        except (DeliveryRefused, TargetGone, NotTaken) as error:
            log.warning("a message may stand twice in %s: what is there cannot be read (%s)", self._spot.channel, error)
        return None

    # Editing

    async def _update(self, sent: SentId, stands: Stands, mention: Mention | None) -> Answer:
        async def update() -> Answer:
            return await self._calls.now(
                UPDATE,
                channel=self._spot.channel,
                ts=sent.id,
                text=fallback(stands.text, stands.controls, mention),
                blocks=[*stands.body, *stands.controls],
                **QUIET_UPDATE,
            )

        try:
            return await self._patiently(update)
        except NotTaken as error:
            if code_of(error) != "streaming_state_conflict":
                raise
            # An earlier life died in the middle of it.
            await self._calls.in_turn(STOP, channel=self._spot.channel, ts=sent.id)
            return await self._patiently(update)
        except Throttled:
            raise
        except DeliveryError:
            self._standing.forget(self._spot.channel, sent.id)
            raise

    async def _read(self, sent: SentId, *, needed: bool) -> Stands | None:
        """What a message of an earlier life shows. Where that cannot be read, only an edit that needs it fails."""
        try:
            page = await self._calls.in_turn(
                "conversations.replies", channel=self._spot.channel, ts=sent.id, limit=1, inclusive="true"
            )
        except (DeliveryRefused, NotTaken) as error:
            if needed:
                raise
            log.warning("buttons are lost in %s: what is there cannot be read (%s)", self._spot.channel, error)
            return None
        message = next((each for each in page.get("messages") or [] if each.get("ts") == sent.id), None)
        if message is None:
            raise TargetGone(f"{sent.id} is not there")
        blocks = [block for block in message.get("blocks") or [] if isinstance(block, dict)]
        text = said_in(message)
        above = [block for block in blocks if not is_control(block)] or body(text)
        return Stands(text, tuple(above), tuple(filter(is_control, blocks)))

    async def _patiently(self, make: Callable[[], Awaitable[Result]]) -> Result:
        try:
            result = await make()
        except Throttled as error:
            self._throttled += 1
            if self._throttled <= _MOST_THROTTLED:
                raise
            await self._clock.sleep(error.retry_after)
            result = await patiently(self._clock, make)
        self._throttled = 0
        return result


def _shown(stands: Stands, mention: Mention | None, message: Answer) -> str:
    """The text as it was given if Slack kept what was made of it, else what Slack shows."""
    wanted = [block["text"] for block in stands.body if block.get("type") == "markdown"]
    kept = [block.get("text") for block in message.get("blocks") or [] if block.get("type") == "markdown"]
    told = message.get("text")
    if (told is None or same(fallback(stands.text, stands.controls, mention), str(told))) and kept in ([], wanted):
        return stands.text
    return said_in(message)
