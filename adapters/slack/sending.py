"""What the bot says: replies, the surfaces and lanes of live answers, and what a route can do."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from adapters.slack import SlackSettings
from adapters.slack.blocks import body, rows
from adapters.slack.budgets import UPDATE
from adapters.slack.calls import Calls
from adapters.slack.escaping import Mention
from adapters.slack.faces import NAMED_TEXT, Faces
from adapters.slack.home import Home, PageSurface
from adapters.slack.lengths import MAX_TEXT, markdown_length, mrkdwn_length
from adapters.slack.people import People
from adapters.slack.places import is_direct, is_ts
from adapters.slack.posting import DIRECT, LONG_AGO, PostSurface, Spot, Standing, Stands
from adapters.slack.private import (
    GUEST,
    NOTICE,
    AtTheEnd,
    PrivateSurface,
    ResponseUrls,
    Ways,
    is_for_one,
    is_private,
)
from adapters.slack.threads import Threads
from adapters.slack.uploads import MAX_FILE_BYTES, SCOPE, Uploads
from adapters.slack.workspace import Workspace
from bot.api import (
    Button,
    Call,
    Capabilities,
    Clock,
    Controls,
    DeliveryError,
    DeliveryRefused,
    EditedStream,
    Lane,
    Reply,
    Route,
    SentId,
    Shown,
    Speaker,
    Surface,
    TargetGone,
    Text,
    Urgency,
    clip,
    phrase,
    say,
)

log = logging.getLogger(__name__)

# What is never edited needs no room for that: one message of an answer that is said whole.
WHOLE_TEXT = 11_000
NO_THREAD = phrase("There can be no thread for this.")


class Sending:
    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        calls: Calls,
        people: People,
        faces: Faces,
        uploads: Uploads,
        threads: Threads,
        home: Home,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._calls = calls
        self._people = people
        self._faces = faces
        self._uploads = uploads
        self._threads = threads
        self._home = home
        self._clock = clock
        self._ways = Ways(ResponseUrls(calls, clock, settings.api_url), calls, people, faces)
        self._standing = Standing()

    def capabilities(self, route: Route) -> Capabilities:
        if "home" in route.data:
            return self._home.capabilities(route)
        place, is_guest = route.place, route.data.get("guest") is True
        direct = is_direct(place) and not is_guest
        may = self._workspace.may
        whole = self.is_whole(route)
        return Capabilities(
            max_chars=WHOLE_TEXT if whole else MAX_TEXT,
            named_chars=WHOLE_TEXT if whole else NAMED_TEXT,
            edits=True,
            speakers=self._faces.can() and not is_guest,
            private=direct or "user" in route.data,
            max_file_bytes=MAX_FILE_BYTES if may(SCOPE) else 0,
            buttons=True,
            forms=True,
            threads=place.thread is None and not direct and not is_guest,
            direct=direct,
            menus=True,
            hears_all=direct or may("channels:history") or may("groups:history"),
            feedback=True,
        )

    async def send(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        if "home" in route.data:
            return await self._home.publish(route, reply)
        if not reply.text.strip() and not reply.buttons and not reply.files:
            return ()
        # An error after a press is the presser's own business.
        private = is_private(route, asked=reply.private or (reply.failed and "pressed" in route.data))
        sent: tuple[SentId, ...] = ()
        if reply.text.strip():
            sent = await self._deliver(route, reply, private=private)
        if reply.files:
            sent += await self._send_files(route, reply, private=private)
        if reply.buttons and not reply.text.strip():
            surface = self.surface(route, reply.speaker, private=private)
            lane = self.lane(route, private=private)
            sent += ((await _in_turn(lane, self._clock, lambda: surface.post("", reply.buttons))).sent,)
        if not private:
            await self._threads.join(route.place)
        return tuple(each for each in sent if each.kind != NOTICE)

    async def edit(self, route: Route, sent: SentId, reply: Reply) -> None:
        if "home" in route.data:
            await self._home.publish(route, reply)
            return
        text = clip(reply.text, WHOLE_TEXT, markdown_length)
        surface = self._reach(route, sent)

        async def edit() -> Shown:
            return await surface.edit(sent, text, reply.buttons)

        try:
            if isinstance(surface, PrivateSurface):
                await edit()
            else:
                await self._calls.patiently(lambda: self._calls.budgets.through(UPDATE, edit))
        except (TargetGone, DeliveryRefused):
            # What one person sees, or what a guest said, is reached through the press alone.
            pressed = self._pressed(route)
            if isinstance(surface, PrivateSurface) or not pressed.reaches(sent):
                raise
            await pressed.edit(sent, text, reply.buttons)

    async def delete(self, route: Route, sent: SentId) -> None:
        if "home" in route.data:
            return
        surface = self._reach(route, sent)
        try:
            await surface.delete(sent)
        except (TargetGone, DeliveryRefused):
            pressed = self._pressed(route)
            if isinstance(surface, PrivateSurface) or not pressed.reaches(sent):
                raise
            await pressed.delete(sent)

    def thread_of(self, route: Route) -> Route:
        """The thread of the message that the route answers, also where nobody has said anything in it yet. Raises
        DeliveryRefused."""
        place, message = route.place, str(route.data.get("message", ""))
        if place.thread is not None:
            return route
        if is_direct(place) or route.data.get("guest") is True or not is_ts(message):
            raise DeliveryRefused("no message for a thread", public=NO_THREAD)
        return Route(replace(place, thread=message), route.data)

    # For live answers

    def is_whole(self, route: Route, resumed: Sequence[SentId] = ()) -> bool:
        """Whether an answer is said only when it is complete: what one person alone sees cannot be edited, nor what
        a guest says or stands on App Home."""
        is_page, is_guest = "home" in route.data, route.data.get("guest") is True
        return is_page or is_guest or is_private(route) or any(map(is_for_one, resumed))

    def lane(self, route: Route, *, private: bool = False, resumed: Sequence[SentId] = ()) -> Lane:
        """Of one answer by posts and edits."""
        if private or self.is_whole(route, resumed):
            return AtTheEnd()
        return self._calls.budgets.edited(route.place.channel)

    def surface(
        self,
        route: Route,
        speaker: Speaker | None = None,
        *,
        private: bool = False,
        resumed: Sequence[SentId] = (),
        mention: Mention | None = None,
    ) -> Surface:
        """`resumed` are the messages of an answer that is taken up; `mention` is told with the first message."""
        if "home" in route.data:
            return PageSurface(self._home, route)
        private = private or is_private(route) or any(map(is_for_one, resumed))
        if private or route.data.get("guest") is True:
            return self._private(route, speaker, in_channel=not private, resumed=resumed)
        return self._public(route, speaker, resumed=resumed, mention=mention)

    def stands(self, route: Route, sent: SentId, text: str, buttons: Sequence[Button]) -> None:
        """What a message shows that was not posted through a surface."""
        controls = rows(buttons, str(route.data.get("user", "")))
        self._standing.put(route.place.channel, sent.id, Stands(text, tuple(body(text)), tuple(controls)))

    # Inside

    def _reach(self, route: Route, sent: SentId) -> Surface:
        """The surface through which a message is reached again."""
        if is_for_one(sent) or sent.kind == GUEST:
            return self._private(route, None, in_channel=sent.kind == GUEST)
        return self._public(route, None)

    def _pressed(self, route: Route) -> PrivateSurface:
        is_public = route.data.get("guest") is True and not is_private(route)
        return self._private(route, None, in_channel=is_public)

    def _public(
        self,
        route: Route,
        speaker: Speaker | None,
        *,
        resumed: Sequence[SentId] = (),
        mention: Mention | None = None,
    ) -> PostSurface:
        place, data = route.place, route.data
        spot = Spot(place.channel, place.thread, str(data.get("user", "")), _before(data))
        return PostSurface(
            self._calls,
            self._faces,
            self._standing,
            self._clock,
            spot,
            speaker=speaker,
            mention=mention,
            resumed=resumed,
        )

    def _private(
        self, route: Route, speaker: Speaker | None, *, in_channel: bool, resumed: Sequence[SentId] = ()
    ) -> PrivateSurface:
        async def about() -> str:
            name = (await self._people.channel(route.place.channel)).name
            return f"{say('This is about #{channel}.', channel=name)}\n\n" if name else ""

        def in_talk(channel: str) -> PostSurface:
            spot = Spot(channel, asker=str(route.data.get("user", "")))
            return PostSurface(
                self._calls, self._faces, self._standing, self._clock, spot, speaker=speaker, kind=DIRECT + channel
            )

        return PrivateSurface(
            self._ways,
            route,
            in_talk=in_talk,
            in_public=lambda: self._public(route, None),
            speaker=speaker,
            in_channel=in_channel,
            resumed=resumed,
            about=about,
        )

    async def _deliver(self, route: Route, reply: Reply, *, private: bool) -> tuple[SentId, ...]:
        mention = _mention(route) if reply.notify and not private else None
        lane = self.lane(route, private=private)
        usual = MAX_TEXT if reply.speaker is None else NAMED_TEXT
        stream = EditedStream(
            self.surface(route, reply.speaker, private=private, mention=mention),
            lane,
            max_chars=WHOLE_TEXT if isinstance(lane, AtTheEnd) else usual,
            clock=self._clock,
            measure=mrkdwn_length,
        )
        async with stream:
            if reply.buttons:
                await stream.write(Controls(reply.buttons))
            await stream.write(Text(reply.text))
        return stream.sent

    async def _send_files(self, route: Route, reply: Reply, *, private: bool) -> tuple[SentId, ...]:
        """Below the text. Where others would see what is private, or no file may be shown, they go to a talk with the
        person."""
        place, told = route.place, ""
        channel, thread = place.channel, place.thread
        if private or route.data.get("guest") is True:
            user = str(route.data.get("user", ""))
            channel, thread = await self._talk_with(user), None
            told = say("📎 I sent you the files in a direct message.")
        troubles = [say("I may not send files here.")]
        if channel:
            troubles = await self._uploads.send(reply.files, channel, thread)
        if len(troubles) < len(reply.files) and told:
            troubles.insert(0, told)
        if not troubles:
            return ()
        return await self._deliver(route, Reply("\n".join(troubles)), private=private)

    async def _talk_with(self, user: str) -> str:
        try:
            return await self._ways.talk_with(user)
        except DeliveryError as error:
            log.info("there is no talk with this person: %s", error)
            return ""


def _before(data: Mapping[str, JsonValue]) -> str:
    """The id of a message that is older than any answer: a moment of this machine's own clock may be wrong."""
    message, at = str(data.get("message", "")), str(data.get("at", ""))
    moment = f"{float(at) - LONG_AGO:.6f}" if is_ts(at) else ""
    return max(message if is_ts(message) else "", moment)


def _mention(route: Route) -> Mention | None:
    try:
        return Mention(str(route.data.get("user", "")))
    except ValueError:
        return None


async def _in_turn(lane: Lane, clock: Clock, make: Callable[[], Awaitable[Shown]]) -> Shown:
    """One post that belongs to no stream."""
    wish = Call("post", Urgency.FINAL, clock.monotonic())
    await lane.admit(wish)
    landed = False
    try:
        made = await make()
        landed = True
    finally:
        lane.told(wish, "landed" if landed else "failed")
    return made
