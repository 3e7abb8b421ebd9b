"""App Home: a page for each person, filled by the commands that tell about their talk with the bot."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from pydantic import JsonValue
from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.slack import SlackSettings, forms
from adapters.slack.calls import Calls
from adapters.slack.drafts import Carried, Draft
from adapters.slack.hearing import Hearing
from adapters.slack.home_view import CHANGE, REFRESH, Page, closed, home, overview
from adapters.slack.people import People
from adapters.slack.places import place_of
from adapters.slack.workspace import Workspace
from bot.api import (
    BotError,
    Button,
    Capabilities,
    Clock,
    Command,
    CommandCall,
    Commands,
    DeliveryError,
    Handle,
    Place,
    Reply,
    Route,
    SentId,
    Shown,
    User,
    say,
    speaking_to,
)

log = logging.getLogger(__name__)

# Seconds in which a page that was opened again is as good as new, and for which its parts are waited for together.
FRESH, PATIENCE = 3.0, 3.0
MOST_PAGES = 500


class Home:
    """What it asks of commands, they answer through `publish`: their routes bear `home`, the person, with `part` and
    `round`, the command and the page that it was asked for. What came of a change bears `home` alone."""

    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        calls: Calls,
        people: People,
        hearing: Hearing,
        commands: Sequence[Command],
        handle: Handle,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._calls = calls
        self._people = people
        self._hearing = hearing
        self._commands = Commands(commands)
        self._overview = overview(commands)
        self._handle = handle
        self._clock = clock
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._filled_at: dict[str, float] = {}
        self._filling: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What people do

    async def event(self, body: Mapping[str, Any]) -> None:
        """Somebody opened a tab of the bot's page."""
        event = body["event"]
        user, channel = str(event.get("user") or ""), str(event.get("channel") or "")
        if event.get("tab") == "home" and user and not self._is_fresh(user):
            self._fill(user, channel, loading="view" not in event)

    def is_from(self, body: Mapping[str, Any]) -> bool:
        """Whether somebody pressed something there."""
        view = body.get("view")
        return isinstance(view, Mapping) and view.get("type") == "home"

    async def action(self, body: Mapping[str, Any], ack: AsyncAck) -> None:
        await ack()
        user, action = str(body["user"]["id"]), str(body["actions"][0].get("action_id") or "")
        if action.startswith(CHANGE):
            self._beside(self._open(user, action.removeprefix(CHANGE), str(body.get("trigger_id") or "")))
        elif action == REFRESH and user not in self._filling:
            self._fill(user, "", loading=True)

    # What commands tell

    def capabilities(self, route: Route) -> Capabilities:
        return Capabilities(max_chars=2_800, private=True, direct=True, forms=True)

    async def publish(self, route: Route, reply: Reply) -> tuple[SentId, ...]:
        user, part = str(route.data["home"]), route.data.get("part")
        if part is None:
            self._fill(user, route.place.channel, loading=False, note=reply.text)
            return ()
        page = self._pages.get(user)
        if page is not None and page.round == route.data.get("round"):
            before = page.parts.get(str(part), "")
            page.tell(str(part), "\n".join(filter(None, (before, reply.text))))
            if page.is_shown:
                self._beside(self._show(user, page))
        return ()

    # Filling

    def _is_fresh(self, user: str) -> bool:
        filled_at = self._filled_at.get(user, float("-inf"))
        return user in self._filling or self._clock.monotonic() - filled_at < FRESH

    def _is_denied(self, user: str) -> bool:
        settings = self._settings
        return user in settings.deny_users or bool(settings.users and user not in settings.users)

    def _fill(self, user: str, channel: str, *, loading: bool, note: str = "") -> None:
        """What was being filled gives way to what is asked for now."""
        if (before := self._filling.pop(user, None)) is not None:
            before.cancel()
        task = self._filling[user] = self._beside(self._filled(user, channel, loading, note))
        task.add_done_callback(lambda done: self._filling.pop(user) if self._filling.get(user) is done else None)

    async def _filled(self, user: str, channel: str, loading: bool, note: str) -> None:
        channel = channel or await self._people.direct(user)
        place = place_of(self._workspace.team, channel)
        locale = await self._people.locale(user)
        if not channel or self._is_denied(user):
            with speaking_to(locale):
                await self._publish(user, closed())
            return
        # Where nobody may write to the bot alone, there is nothing to tell of that.
        told = self._overview if self._hearing.allows(place, user) else ()
        page = self._pages[user] = Page(secrets.token_hex(8), told, locale, note)
        self._pages.move_to_end(user)
        while len(self._pages) > MOST_PAGES:
            self._filled_at.pop(self._pages.popitem(last=False)[0], None)
        if loading:
            await self._show(user, page)
        person = await self._people.person(user, place)
        for command in page.wanted:
            await self._ask(command, page, person, place)
        await self._gathered(user, page)

    async def _ask(self, command: Command, page: Page, person: User, place: Place) -> None:
        now = self._clock.now()
        data: dict[str, JsonValue] = {
            "user": person.id,
            "home": person.id,
            "part": command.name,
            "round": page.round,
            "private": True,
            "at": f"{now.timestamp():.6f}",
        }
        call = CommandCall(
            id=f"home:{page.round}:{command.name}",
            user=person,
            route=Route(place, data),
            at=now,
            locale=page.locale,
            command=command.name,
            arguments={},
        )
        try:
            await self._handle(call)
        except Exception as error:
            log.exception("/%s could not be asked for App Home", command.name)
            public = error.public if isinstance(error, BotError) else BotError.default_public
            with speaking_to(page.locale):
                page.tell(command.name, say(public))

    async def _gathered(self, user: str, page: Page) -> None:
        """What is there soon is shown together, and what comes later when it comes."""
        try:
            async with asyncio.timeout(PATIENCE):
                await page.whole.wait()
        except TimeoutError:
            log.info("App Home is shown before all that belongs there is known")
        page.is_shown = True
        await self._show(user, page)
        self._filled_at[user] = self._clock.monotonic()

    async def _show(self, user: str, page: Page) -> None:
        async with page.showing:
            with speaking_to(page.locale):
                await self._publish(user, home(self._settings, self._commands, page))

    async def _publish(self, user: str, view: Mapping[str, Any]) -> None:
        try:
            await self._calls.in_turn("views.publish", user_id=user, view=view)
        except DeliveryError as error:
            log.warning("App Home could not be shown: %s", error)

    # Changing

    async def _open(self, user: str, name: str, trigger: str) -> None:
        """The form of a command; what comes of it is told here."""
        command = self._commands.find(name)
        if command is None:
            self._fill(user, "", loading=False, note=say("This command is no longer there."))
            return
        channel, locale = await asyncio.gather(self._people.direct(user), self._people.locale(user))
        if not channel or not self._hearing.allows(place_of(self._workspace.team, channel), user):
            return
        carried = Carried(Draft(command.name), channel, data={"home": user, "private": True})
        with speaking_to(locale):
            view = forms.view(command, str(carried), {})
            try:
                await self._calls.now("views.open", trigger_id=trigger, view=view)
            except DeliveryError as error:
                log.warning("the form of /%s could not be opened: %s", command.name, error)
                self._fill(user, channel, loading=False, note=say("I could not open the form. Please try again."))

    def _beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("App Home could not be filled", exc_info=error)


class PageSurface:
    """What is said live, on the page: once it is complete."""

    def __init__(self, home: Home, route: Route) -> None:
        self._home = home
        self._route = route

    async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
        await self._home.publish(self._route, Reply(text))
        return Shown(SentId(f"home:{secrets.token_hex(8)}"), text)

    async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
        if text:
            await self._home.publish(self._route, Reply(text))
        return Shown(sent, text)

    async def delete(self, sent: SentId) -> None:
        """It goes when the page is filled again."""
