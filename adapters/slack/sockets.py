"""Socket Mode: several connections, each looked after by itself, so that nothing is missed while one is renewed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from pydantic import JsonValue
from slack_bolt.async_app import AsyncApp

from adapters.slack import SlackSettings
from adapters.slack.calls import Calls
from adapters.slack.errors import Throttled, translated
from adapters.slack.link import ACK_SECONDS, CLOSE_SECONDS, LEAVE_SECONDS, LINK_DISABLED, TOO_MANY, UNHEARD, Link
from adapters.slack.timing import Timing
from bot.api import Clock, ConfigError, DeliveryError, DeliveryRefused

log = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
OPEN_SECONDS = 10.0
# A connection that lasted so long begins anew at once; a shorter one is part of the same trouble.
STEADY_SECONDS = 30.0
# Slack may know of something a moment before it tells it.
MARGIN_SECONDS = 10.0
# A link that is told nothing while all others together are told so much (for each link there is) hears nothing.
UNHEARD_EACH = 20
UNHEARD_EVERY = 600.0
# A token that worked may be refused in passing while Slack is in trouble.
MOST_REFUSALS = 5
# Slack's answers where an app may have no connections.
SWITCHED_OFF = ("forbidden_team", "access_denied")
NO_TOKEN = (
    "Slack's Socket Mode needs an app-level token: make one under Basic Information → App-Level Tokens with the scope "
    "connections:write, and set SLACK_APP_TOKEN in the environment or in .env."
)
WRONG_TOKEN = (
    "Slack does not accept the app-level token ({error}). It begins with xapp-, comes from Basic Information → "
    "App-Level Tokens and needs the scope connections:write: set it as SLACK_APP_TOKEN."
)


class NotOpened(Exception):
    """Slack gave no connection, or none that could be used."""


class Links:
    """`online` is told of the first connection, and after every time in which there was none: then with its beginning,
    in seconds since 1970."""

    def __init__(
        self,
        settings: SlackSettings,
        app: AsyncApp,
        calls: Calls,
        clock: Clock,
        timing: Timing,
        online: Callable[[float | None], Awaitable[None]],
    ) -> None:
        self._token = settings.app_token
        self._wanted = settings.connections
        self._app = app
        self._client = calls.client
        self._clock = clock
        self._timing = timing
        self._online = online
        self._links: dict[int, Link] = {}
        self._opened = self._renewals = 0
        self._last_reason = ""
        self._app_id = ""
        # The beginning of the time without any connection that nobody was told of yet.
        self._gap: float | None = None
        self._first = True
        self._heard_at = 0.0
        self._doubted_at: float | None = None
        self._turn = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        return any(link.here for link in self._links.values())

    @property
    def app_id(self) -> str:
        """Whose connections these are, as Slack says; empty before the first."""
        return self._app_id

    @property
    def status(self) -> Mapping[str, JsonValue]:
        return {
            "links": sum(link.here for link in self._links.values()),
            "wanted": self._wanted,
            "renewals": self._renewals,
            "last_reason": self._last_reason,
        }

    async def run(self) -> None:
        """Until it is cancelled; raises ConfigError when Slack does not accept the token."""
        if self._token is None:
            raise ConfigError([NO_TOKEN])
        token = self._token.get_secret_value().strip()
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            keeping = [asyncio.create_task(self._keep(session, token)) for _ in range(self._wanted)]
            try:
                ended, _ = await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            finally:
                for task in keeping:
                    task.cancel()
                await asyncio.gather(*keeping, return_exceptions=True)
                await self._leave()

    async def _keep(self, session: aiohttp.ClientSession, token: str) -> None:
        while True:
            try:
                await self._hold(session, token)
            except ConfigError:
                raise
            except Exception:
                # The other links, and all other platforms, have nothing to do with it.
                log.exception("a link to Slack begins anew")
            await self._pause(3)

    async def _hold(self, session: aiohttp.ClientSession, token: str) -> None:
        """Holds one connection, and has the next one open before it lets go of it."""
        old: Link | None = None
        short = 0
        while True:
            link = await self._open(session, token, old)
            if old is not None and old.number in self._links:
                self._close(old)
            await self._tell()
            reason = await link.over
            self._renewals, self._last_reason = self._renewals + 1, reason
            log.info("link %d is replaced after %.0f s: %s", link.number, link.age, reason)
            if not link.here or reason == TOO_MANY:
                self._close(link)
                old = None
            else:
                old = link
            short = 0 if link.age >= STEADY_SECONDS else short + 1
            # The first time at once, then longer each time.
            await self._pause(max(short, 3) if reason in (TOO_MANY, LINK_DISABLED) else short - 1)

    async def _leave(self) -> None:
        for link in [*self._links.values()]:
            self._close(link, leaving=True)
        closing = [*self._closing]
        if closing:
            await asyncio.wait(closing, timeout=LEAVE_SECONDS + CLOSE_SECONDS)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)

    # Opening

    async def _open(self, session: aiohttp.ClientSession, token: str, old: Link | None) -> Link:
        """One after the other: Slack counts how often it is asked."""
        async with self._turn:
            attempt = refusals = 0
            while True:
                attempt += 1
                wait = 0.0
                try:
                    return await self._connect(session, token)
                except Throttled as error:
                    reason, wait = "asked too often", error.retry_after
                except DeliveryRefused as error:
                    refusals += 1
                    if not self._opened or (refusals >= MOST_REFUSALS and not self.connected):
                        raise ConfigError([WRONG_TOKEN.format(error=error)]) from error
                    reason = f"the token is refused: {error}"
                except (DeliveryError, NotOpened) as error:
                    reason = str(error)
                    if reason == TOO_MANY and old is not None and old.here:
                        # There is no room for two of them.
                        await asyncio.wait([self._close(old)], timeout=ACK_SECONDS + CLOSE_SECONDS)
                        continue
                self._last_reason = reason
                log.warning("Slack gives no connection (%s), next attempt soon%s", reason, _advice(reason))
                await self._pause(attempt, at_least=wait)

    async def _connect(self, session: aiohttp.ClientSession, token: str) -> Link:
        with translated():
            response = await self._client.apps_connections_open(app_token=token)
        address = response.get("url")
        if not isinstance(address, str):
            raise NotOpened("no address was given")
        link: Link | None = None
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                socket = await session.ws_connect(
                    address, autoping=False, proxy=self._client.proxy, ssl=self._client.ssl or True
                )
                link = Link(
                    self._opened + 1, socket, self._app, self._clock, self._timing, told=self._told, gone=self._gone
                )
                if not await link.open():
                    raise NotOpened(link.over.result())
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            # What aiohttp says shows the address, and with it the ticket.
            status = getattr(error, "status", "")
            raise NotOpened(f"{type(error).__name__} {status}".strip()) from None
        finally:
            if link is not None and not link.here:
                await link.close()
        self._opened += 1
        self._links[link.number] = link
        self._app_id = link.app_id or self._app_id
        return link

    # Watching

    def _told(self, link: Link, weight: int) -> None:
        """Slack spreads what it tells over all links, so one that is told nothing at all does not hear."""
        link.missed = 0
        others = [each for each in self._links.values() if each is not link and each.here and not each.over.done()]
        for other in others:
            other.missed += weight
            if other.missed >= UNHEARD_EACH * (len(others) + 1) and self._may_doubt():
                other.ends(UNHEARD)

    def _may_doubt(self) -> bool:
        """Not again and again, should Slack spread things otherwise than it does."""
        now = self._clock.monotonic()
        if self._doubted_at is not None and now - self._doubted_at < UNHEARD_EVERY:
            return False
        self._doubted_at = now
        return True

    def _gone(self, link: Link) -> None:
        self._heard_at = max(self._heard_at, link.heard_at)
        if not self.connected and not self._first and self._gap is None:
            self._gap = self._heard_at - MARGIN_SECONDS

    def _close(self, link: Link, *, leaving: bool = False) -> asyncio.Task[None]:
        """Beside everything else."""
        self._links.pop(link.number, None)
        task = asyncio.create_task(link.close(leaving=leaving))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    async def _tell(self) -> None:
        """Of the first connection, and of every gap."""
        first, gap = self._first, self._gap
        if not first and gap is None:
            return
        self._first, self._gap = False, None
        try:
            await self._online(None if first else gap)
        except Exception:
            log.exception("being online could not be told")
            self._first, self._gap = first, gap

    async def _pause(self, times: int, *, at_least: float = 0.0) -> None:
        """Longer each time, and not all links at the same moment."""
        if times > 0 or at_least > 0:
            wait = min(self._timing.reconnect_after * 2 ** min(max(times - 1, 0), 20), LONGEST_WAIT)
            await self._clock.sleep(max(at_least, wait * random.uniform(0.75, 1.25)))


def _advice(reason: str) -> str:
    match reason:
        case _ if reason.startswith(SWITCHED_OFF):
            return ": Socket Mode has to be switched on in the settings of the app"
        case _ if reason == TOO_MANY:
            return ": Slack allows ten connections for an app, of all processes together"
    return ""
