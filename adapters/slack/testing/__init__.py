"""A Slack on 127.0.0.1 for tests, demonstrations and benchmarks: real Web API, Socket Mode and HTTP, no workspace.

    async with FakeSlack() as slack:
        app = AsyncApp(client=slack.client())            # or any client, pointed at .api_url
        handler = AsyncSocketModeHandler(app, slack.app_token)
        await handler.connect_async()
        await slack.online()
        await slack.mentions("hi")
        await slack.wait_until(lambda: slack.answers())
        assert slack.answers() == ["hello"]

People act through methods named as what they do: `says`, `mentions`, `edits`, `deletes`, `runs` a slash command,
`presses` a button, `picks` from a menu, `submits` a form, `uses` a shortcut, `opens_home`, `opens_assistant`, `stops`
an answer. What they see is `screen(channel, thread=…)`: messages that keep every text they ever showed, with the moment
it appeared. `wait_until` waits for a change instead of sleeping; `passes(300)` makes five minutes go by.

The app is told by Socket Mode, or by HTTP after `listens_at(url)`; `deliveries` keeps what was sent, how often, and how
it was acknowledged. What Slack refuses is refused here, and `refused` lists every call that was one too many.
`slack.fails("chat.update", status=500)` scripts a fault.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web
from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack import SlackSettings
from adapters.slack.testing.assistant import Assistant
from adapters.slack.testing.clock import Clock
from adapters.slack.testing.controls import NotOffered, labels
from adapters.slack.testing.conversations import Conversations
from adapters.slack.testing.deliveries import Attempt, Delivery, DeliveryKind, Outbox, Way
from adapters.slack.testing.faults import Faults
from adapters.slack.testing.files import Files
from adapters.slack.testing.hands import Hands, Interaction
from adapters.slack.testing.hooks import HookAnswer, Hooks
from adapters.slack.testing.limits import Limits, Refused, Style
from adapters.slack.testing.manifests import Manifests, problems
from adapters.slack.testing.messages import Messages
from adapters.slack.testing.people import EVENTS, People, Thread, ts_of
from adapters.slack.testing.responses import Responses
from adapters.slack.testing.server import PREFIX, Call, Endpoint, Server
from adapters.slack.testing.sockets import Link, Sockets
from adapters.slack.testing.streams import Streams, tasks_of
from adapters.slack.testing.troubles import Troubles
from adapters.slack.testing.views import Views
from adapters.slack.testing.world import (
    Account,
    AssistantThread,
    Channel,
    File,
    Json,
    Kind,
    Message,
    Session,
    State,
    Status,
    View,
    World,
)

__all__ = [
    "EVENTS",
    "SCOPES",
    "Account",
    "AssistantThread",
    "Attempt",
    "Call",
    "Channel",
    "Delivery",
    "FakeSlack",
    "File",
    "Interaction",
    "Link",
    "Message",
    "NotOffered",
    "Refused",
    "State",
    "Status",
    "View",
    "labels",
    "tasks_of",
]

T = TypeVar("T")

# What an app like this may be granted; `chat:write.public` has to be asked for.
SCOPES = frozenset(
    {
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:join",
        "channels:read",
        "chat:write",
        "chat:write.customize",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "mpim:read",
        "mpim:write",
        "reactions:read",
        "reactions:write",
        "team:read",
        "users:read",
    }
)


class FakeSlack(People, Hands, Troubles):
    """One workspace with the channel `general`, its admin `olga`, and `ada`, who speaks when nobody else is named.

    `scopes` and `events` are what the app was granted and what it subscribed to. `commands` and `shortcuts` are what it
    declares. `style`, `burst`, `per_minute` and `distributed` are about rate limits: see `Limits`. `latency` is the
    time before a call takes effect. With `port` it listens there instead of on a free one. `agent` is an app with an
    `agent_view`, as all are that were made since June 2026; the others are assistants. `FakeSlack.made_from(manifest)`
    has what a manifest asks for, and nothing else. With `translates` the app is told of its own messages as the real
    Slack does it: Markdown as rich text, emoji by their names.
    """

    token = "xoxb-1-fake-slack"
    app_token = "xapp-1-fake-slack"
    configuration_token = "xoxe.xoxp-1-fake-slack"
    signing_secret = "0123456789abcdef0123456789abcdef"

    def __init__(
        self,
        *,
        scopes: Collection[str] = SCOPES,
        events: Collection[str] = EVENTS,
        commands: Sequence[str] | None = None,
        shortcuts: Sequence[str] | None = None,
        style: Style = "status",
        burst: int = 3,
        per_minute: Mapping[str, int] | None = None,
        distributed: bool = False,
        latency: float = 0.0,
        port: int = 0,
        agent: bool = False,
        translates: bool = False,
    ) -> None:
        self.clock = Clock()
        self.world = World(self.clock)
        self.world.translates = translates
        self.world.agent = agent
        self.scopes, self.events = {*scopes}, {*events}
        self.commands, self.shortcuts = commands, shortcuts
        self.bot = self.world.bot
        self.olga = self.account("Olga", is_admin=True)
        self.ada = self.account("Ada")
        self.general = self.channel("general")
        self.limits = Limits(self.clock.now, style=style, burst=burst, of=per_minute, distributed=distributed)
        self.faults = Faults(latency)
        self._change = asyncio.Event()
        self._port = port
        self._server = Server(
            self.world,
            self.limits,
            self.faults,
            self.token,
            self.app_token,
            self.scopes,
            self._changed,
            self.configuration_token,
        )
        self.sockets = Sockets(self.world, self._changed)
        self.hooks = Hooks(self.clock, self.signing_secret, self._changed)
        self.outbox = Outbox(self.clock, self._way, self._changed)
        self.messages = Messages(self.world, self._server, self._heard)
        self.views = Views(self.world)
        self.manifests = Manifests(self.world, {})
        self._files = Files(self.world, self._server, self.messages)
        self._responses = Responses(self.world, self._server, self.messages)
        self._add_endpoints()
        self._runner: web.AppRunner | None = None
        self._origin = ""

    @classmethod
    def made_from(cls, manifest: str, **more: Any) -> FakeSlack:
        """An app made "From a manifest". Raises NotOffered with what Slack would not take."""
        asked: Json = json.loads(manifest)
        if wrong := problems(asked):
            raise NotOffered(str(wrong))
        features, settings = asked["features"], asked["settings"]
        slack = cls(
            scopes=asked["oauth_config"]["scopes"]["bot"],
            events=settings["event_subscriptions"]["bot_events"],
            commands=[each["command"] for each in features.get("slash_commands", ())],
            shortcuts=[each["callback_id"] for each in features.get("shortcuts", ())],
            agent="agent_view" in features,
            **more,
        )
        home = features.get("app_home", {})
        slack.world.listens = home.get("messages_tab_enabled") and not home.get("messages_tab_read_only_enabled")
        slack.sockets.enabled = settings.get("socket_mode_enabled", False)
        slack.manifests.registered = asked
        return slack

    # Life

    async def __aenter__(self) -> FakeSlack:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", PREFIX + "{method}", self._server.web_api)
        app.router.add_get("/link/", self._link)
        app.router.add_post("/response/{team}/{key}", self._responses.handle)
        app.router.add_route("*", "/upload/v1/{id}", self._files.upload)
        app.router.add_get("/files-pri/{key}/{name}", self._files.download)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        host, port = self._runner.addresses[0][:2]
        self._origin = self._files.origin = self._responses.origin = f"http://{host}:{port}"
        self.sockets.url = f"ws://{host}:{port}/link/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.outbox.close()
        await self.sockets.close()
        await self.hooks.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        """The base of Web API addresses (`base_url` of a client)."""
        return self._origin + PREFIX

    def settings(self, **more: Any) -> SlackSettings:
        """The adapter's settings for this Slack."""
        tokens = {"bot_token": self.token, "app_token": self.app_token, "signing_secret": self.signing_secret}
        secrets = {name: SecretStr(token) for name, token in tokens.items()}
        return SlackSettings(**{**secrets, "api_url": self.api_url, **more})

    def client(self, **more: Any) -> AsyncWebClient:
        """A client of the real SDK for this Slack, which uses no proxy whatever the environment says."""
        client = AsyncWebClient(**{"token": self.token, "base_url": self.api_url, **more})
        client.proxy = None
        return client

    async def listens_at(self, url: str, **urls: str) -> HookAnswer:
        """The app is told by HTTP from now on, at addresses that answer Slack's challenge; `interactive` and
        `slash_commands` may have their own."""
        kinds: tuple[DeliveryKind, ...] = ("events_api", "interactive", "slash_commands")
        self.hooks.url = url
        self.hooks.urls = {kind: urls[kind] for kind in kinds if kind in urls}
        return await self.hooks.verify()

    # What there is

    def account(
        self, name: str, *, is_bot: bool = False, is_admin: bool = False, locale: str = "en-US", team: str = ""
    ) -> Account:
        """Somebody new in the workspace and in its channels. With `team` a guest from a connected workspace."""
        account = self.world.add_account(name, is_bot=is_bot, is_admin=is_admin, locale=locale)
        account.team = team or account.team
        for channel in self.world.channels.values():
            if channel.kind == "channel":
                channel.members.append(account)
        return account

    def channel(self, name: str, *, kind: Kind = "channel", with_bot: bool = True) -> Channel:
        """A new channel with everybody in it; a `group` is a private one, a `mpim` a message to several."""
        people = [each for each in self.world.accounts.values() if with_bot or each is not self.bot]
        return self.world.add_channel(name, kind, people)

    def direct(self, account: Account | None = None) -> Channel:
        return self.world.direct(account or self.ada)

    def user_group(self, handle: str) -> str:
        """The id of a new user group, `@handle`."""
        self.world.groups[handle] = self.world.new_id("S")
        return self.world.groups[handle]

    # What people see

    def screen(
        self, channel: Channel | None = None, *, thread: Thread = None, viewer: Account | None = None
    ) -> list[Message]:
        """What stands in a channel, or in one of its threads beginning with its root, oldest first; ephemeral messages
        only for their viewer."""
        where = channel or getattr(thread, "channel", None) or self.general
        seen = [each for each in where.messages.values() if not each.deleted and each.seen_by in (None, viewer)]
        root = ts_of(thread)
        if root is not None:
            return [each for each in seen if root in (each.ts, each.thread_ts)]
        return [each for each in seen if not each.is_reply or each.broadcast]

    def answers(
        self, channel: Channel | None = None, *, thread: Thread = None, viewer: Account | None = None
    ) -> list[str]:
        """The texts of the bot's messages as people read them; without a thread, those of all threads too."""
        if thread is not None:
            seen = self.screen(channel, thread=thread, viewer=viewer)
        else:
            kept = (channel or self.general).messages.values()
            seen = [each for each in kept if not each.deleted and each.seen_by in (None, viewer)]
        return [each.seen for each in seen if each.author is self.bot and each.subtype != "assistant_app_thread"]

    def status(self, thread: Message | AssistantThread) -> Status | None:
        """The line "… is thinking" that is shown under a thread now."""
        return self.world.status_of(thread.channel.id, ts_of(thread) or "")

    def session(self, thread: Message | AssistantThread) -> Session | None:
        """What the app told about an agent session in this thread."""
        return self.world.sessions.get((thread.channel.id, ts_of(thread) or ""))

    def home(self, account: Account | None = None) -> View | None:
        return self.world.homes.get((account or self.ada).id)

    def suggested(self, account: Account | None = None) -> list[Json]:
        """What an agent's tab of messages suggests to somebody."""
        return self.world.prompts.get(self.direct(account).id, [])

    def form(self, account: Account | None = None) -> View | None:
        """The form that is open in front of somebody."""
        return self.views.shown_to(account or self.ada)

    async def wait_until(self, condition: Callable[[], T], timeout: float = 10.0) -> T:
        """Wait for something about this Slack to be true; checked after every call and every change."""
        async with asyncio.timeout(timeout):
            while not (found := condition()):
                self._change.clear()
                await self._change.wait()
        return found

    async def online(self, links: int = 1) -> None:
        await self.wait_until(lambda: len(self.sockets.open) >= links)

    def passes(self, seconds: float) -> None:
        """So much time goes by at once: streams and statuses end, triggers expire, events are sent again."""
        self.clock.passes(seconds)
        self.world.let_streams_die()
        self._changed()

    # What went through

    @property
    def calls(self) -> list[Call]:
        """Every call, in the order they came."""
        return self._server.calls

    def called(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def needs(self, method: str) -> tuple[str, ...]:
        """The scopes one of which a method takes."""
        endpoint = self._server.endpoints.get(method)
        return () if endpoint is None else endpoint.scopes

    @property
    def app_scopes(self) -> set[str]:
        """What the app's own token may do."""
        return self._server.app_scopes

    @property
    def refused(self) -> list[Refused]:
        """Every call that was one too many."""
        return self.limits.refused

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything that the app was told."""
        return self.outbox.deliveries

    def told(self, name: str) -> list[Delivery]:
        """Deliveries by name: `message`, `app_mention`, `block_actions`, `/command` …"""
        return [each for each in self.deliveries if each.name == name]

    @property
    def links(self) -> list[Link]:
        """The open ones."""
        return self.sockets.open

    @property
    def streaming(self) -> list[Message]:
        """Messages whose stream nobody has stopped yet."""
        self.world.let_streams_die()
        return [message for message in self.world.live if message.streaming]

    @property
    def pinged(self) -> list[str]:
        """Everybody whom a message of the bot made hear a sound."""
        return [who for message in self.world.messages() if message.author is self.bot for who in message.pinged]

    # Inside

    async def _link(self, request: web.Request) -> web.StreamResponse:
        """A fault may meet a link before it is open."""
        refused = await self._server.refusal("link", request)
        return await self.sockets.connect(request) if refused is None else refused

    def _add_endpoints(self) -> None:
        assistant = Assistant(self.world, self._server, self.messages, "agent_session_stopped" in self.events)
        conversations = Conversations(self.world, self._server, self.messages, self.limits)
        streams = Streams(self.world, self.messages)
        opens = Endpoint("apps.connections.open", self.sockets.ticket, "t3", app=True)
        for part in (self.messages, streams, assistant, conversations, self.views, self._files, self.manifests):
            self._server.adds(part.endpoints())
        self._server.adds([opens])

    def _way(self, kind: DeliveryKind) -> Way:
        return self.hooks if self.hooks.url else self.sockets

    def _heard(self, channel: Channel, event: Json) -> None:
        self.tell(event, channel=channel)

    def _changed(self) -> None:
        self._change.set()
