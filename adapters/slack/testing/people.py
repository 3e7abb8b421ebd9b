"""What people say and change on the fake Slack, and where they go in it."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from adapters.slack.testing import payloads
from adapters.slack.testing.checking import pinged
from adapters.slack.testing.controls import NotOffered
from adapters.slack.testing.deliveries import Delivery, Outbox
from adapters.slack.testing.files import Files
from adapters.slack.testing.messages import Messages
from adapters.slack.testing.world import Account, AssistantThread, Channel, Json, Message, World

Thread: TypeAlias = Message | AssistantThread | str | None

# What the app hears of, and the scope that it needs for that.
EVENTS: Mapping[str, str] = {
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "app_mention": "app_mentions:read",
    "app_home_opened": "",
    "assistant_thread_started": "assistant:write",
    "assistant_thread_context_changed": "assistant:write",
    "agent_session_stopped": "chat:write",
    "agent_session_title_changed": "chat:write",
    "app_context_changed": "assistant:write",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    "channel_rename": "channels:read",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "user_change": "users:read",
    "tokens_revoked": "",
    "app_uninstalled": "",
}
_MESSAGES_OF = {"channel": "message.channels", "group": "message.groups", "im": "message.im", "mpim": "message.mpim"}


class People:
    """The part of `FakeSlack` that is used with the keyboard. `events` are those that the app subscribed to."""

    world: World
    general: Channel
    ada: Account
    outbox: Outbox
    messages: Messages
    events: set[str]
    scopes: set[str]
    _files: Files
    _changed: Callable[[], None]

    # Saying

    async def says(
        self,
        text: str,
        *,
        channel: Channel | None = None,
        author: Account | None = None,
        thread: Thread = None,
        files: Sequence[tuple[str, bytes]] = (),
        broadcast: bool = False,
    ) -> Message:
        """A message as somebody types it: `@bot`, `@Name`, `#channel` and `@here` become what they mean, `&`, `<` and
        `>` are escaped. In a thread, or there and in the channel."""
        who, where = author or self.ada, channel or _channel_of(thread) or self.general
        if where.kind == "im" and not self.world.listens:
            raise NotOffered("Sending messages to this app has been turned off.")
        marked = self._marked(text)
        message = self.messages.add(
            where,
            who,
            marked,
            blocks=payloads.rich_text(marked),
            thread_ts=ts_of(thread),
            broadcast=broadcast,
            subtype="file_share" if files else "thread_broadcast" if broadcast else "",
            files=[self._files.add(name, content, who) for name, content in files],
            client_msg_id="" if who.is_bot else str(uuid.uuid4()),
        )
        self.messages.announce(message)
        self._mention(message)
        self._changed()
        return message

    async def mentions(
        self,
        text: str,
        *,
        channel: Channel | None = None,
        author: Account | None = None,
        thread: Thread = None,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> Message:
        """A message that begins with the bot's name; the app hears of it twice, as of a mention and of a message."""
        return await self.says(f"@bot {text}", channel=channel, author=author, thread=thread, files=files)

    async def uploads(
        self, name: str, content: bytes, text: str = "", *, channel: Channel | None = None, thread: Thread = None
    ) -> Message:
        return await self.says(text, channel=channel, thread=thread, files=[(name, content)])

    async def shares_document(
        self, name: str, text: str = "", *, url: str = "", channel: Channel | None = None, thread: Thread = None
    ) -> Message:
        """A canvas, or with a `url` a document that is kept elsewhere."""
        file = self._files.add(name, b"<html>a document</html>", self.ada)
        file.mode, file.url = ("external", url) if url else ("quip", file.url)
        where = channel or _channel_of(thread) or self.general
        marked, root = self._marked(text), ts_of(thread)
        message = self.messages.add(
            where, self.ada, marked, thread_ts=root, subtype="file_share", files=[file], client_msg_id=str(uuid.uuid4())
        )
        self.messages.announce(message)
        self._mention(message)
        self._changed()
        return message

    async def edits(self, message: Message, text: str) -> None:
        before = payloads.message_json(self.world, message)
        named = self.world.bot.id in message.pinged
        marked = self._marked(text)
        message.show(marked, payloads.rich_text(marked))
        message.fallback = marked
        message.pinged = pinged(self.world, marked, (), link_names=False, parse="")
        message.edited = {"user": message.author.id, "ts": self.world.new_ts()}
        self.messages.changed(message, before)
        if not named:
            self._mention(message)
        self._changed()

    async def deletes(self, message: Message) -> None:
        self.messages.remove(message)
        self._changed()

    async def shares(self, message: Message, text: str = "", *, channel: Channel | None = None) -> Message:
        """Ada passes a message on, with a word of her own or without."""
        marked = self._marked(text)
        passed = self.messages.add(channel or self.general, self.ada, marked, blocks=payloads.rich_text(marked))
        passed.attachments = [payloads.shared_json(message)]
        self.messages.announce(passed)
        self._mention(passed)
        self._changed()
        return passed

    async def unfurls(self, message: Message, title: str) -> None:
        """Slack adds the preview of a link to what somebody wrote."""
        before = payloads.message_json(self.world, message)
        message.attachments = [*message.attachments, {"id": 1, "title": title, "from_url": "https://example.org/"}]
        self.messages.changed(message, before)
        self._changed()

    async def reacts(self, message: Message, name: str, *, author: Account | None = None) -> None:
        who = author or self.ada
        message.reactions.setdefault(name, []).append(who.id)
        self._reaction("reaction_added", message, name, who)

    async def unreacts(self, message: Message, name: str, *, author: Account | None = None) -> None:
        who = author or self.ada
        message.reactions[name].remove(who.id)
        self._reaction("reaction_removed", message, name, who)

    async def renames(self, what: Account | Channel, name: str) -> None:
        """Somebody takes another name, or a channel is given one."""
        old, what.name, ts = what.name, name, self.world.new_ts()
        if isinstance(what, Account):
            self.tell({"type": "user_change", "user": payloads.user_json(what), "event_ts": ts})
        else:
            channel = {"id": what.id, "name": name, "name_normalized": name, "created": 1_700_000_000}
            self.tell({"type": "channel_rename", "channel": channel, "event_ts": ts})
            told = f'has renamed the channel from "{old}" to "{name}"'
            self.messages.announce(self.messages.add(what, self.ada, told, subtype="channel_name"))
        self._changed()

    # Going somewhere

    async def opens_home(self, *, author: Account | None = None, tab: str = "home") -> Delivery | None:
        """The app's home; `tab` may be `messages`."""
        who = author or self.ada
        event: Json = {
            "type": "app_home_opened",
            "user": who.id,
            "channel": self.world.direct(who).id,
            "tab": tab,
            "event_ts": self.world.new_ts(),
        }
        home = self.world.homes.get(who.id)
        if home is not None and tab == "home":
            event["view"] = payloads.view_json(self.world, home)
        return self.tell(event)

    async def opens_assistant(self, *, author: Account | None = None, beside: Channel | None = None) -> AssistantThread:
        """A new talk in the assistant pane, `beside` the channel that is open. An agent's pane is its tab of messages:
        see `opens_home`."""
        if self.world.agent:
            raise NotOffered("the app is an agent, whose talks begin with what somebody writes to it")
        who = author or self.ada
        channel = self.world.direct(who)
        root = self.messages.add(channel, self.world.bot, "New Assistant Thread", subtype="assistant_app_thread")
        thread = AssistantThread(channel, root, who, self._context(beside))
        self.world.assistant[channel.id, root.ts] = thread
        self.tell(payloads.assistant_event(self.world, thread, "assistant_thread_started"))
        self._changed()
        return thread

    async def moves(self, thread: AssistantThread, beside: Channel) -> Delivery | None:
        """Another channel is opened while the pane stays open."""
        thread.context = self._context(beside)
        return self.tell(payloads.assistant_event(self.world, thread, "assistant_thread_context_changed"))

    async def stops(self, target: Message | AssistantThread, *, author: Account | None = None) -> Delivery | None:
        """Slack's own stop button: streams in the thread end, and the app hears of it."""
        who = author or self.ada
        if "agent_session_stopped" not in self.events:
            raise NotOffered("the app does not listen to the stop button, so there is none")
        self.world.let_streams_die()
        channel, thread_ts = target.channel, (ts_of(target) if isinstance(target, AssistantThread) else _root(target))
        stopped = [
            each
            for each in channel.messages.values()
            if each.streaming and (each is target or each.thread_ts == thread_ts)
        ]
        for each in stopped:
            if each.stream is not None:
                each.stream.open, each.stream.stopped_by = False, "user"
        event = {
            "type": "agent_session_stopped",
            "channel": channel.id,
            "user": who.id,
            "thread_ts": thread_ts,
            "streaming_message_ts": [each.ts for each in stopped],
            "event_ts": self.world.new_ts(),
        }
        self._changed()
        return self.tell(event)

    # Coming and going

    async def invites(self, account: Account, channel: Channel, *, by: Account | None = None) -> None:
        """Somebody, also the bot, comes into a channel."""
        channel.members.append(account)
        self._membership("member_joined_channel", account, channel, by)

    async def removes(self, account: Account, channel: Channel, *, by: Account | None = None) -> None:
        """Somebody, also the bot, is taken out of a channel. The app hears of itself that it left."""
        channel.members.remove(account)
        self._membership("member_left_channel", account, channel, by)

    def tell(self, event: Json, *, channel: Channel | None = None) -> Delivery | None:
        """Send an event of any kind, if the app subscribed to it and may hear it. `channel` is for messages."""
        kind = str(event["type"])
        if kind == "message" and channel is not None:
            if self.world.bot not in channel.members:
                return None
            kind = _MESSAGES_OF[channel.kind]
        needed = EVENTS.get(kind, "")
        if kind not in self.events or (needed and needed not in self.scopes):
            return None
        return self.outbox.send("events_api", payloads.envelope(self.world, event))

    # Inside

    def _reaction(self, kind: str, message: Message, name: str, who: Account) -> None:
        item = {"type": "message", "channel": message.channel.id, "ts": message.ts}
        event = {"type": kind, "user": who.id, "reaction": name, "item": item}
        # What is said under another name has no author.
        author = {"item_user": message.author.id} if message.shown_as is None else {}
        self.tell(event | author | {"event_ts": self.world.new_ts()})
        self._changed()

    def _mention(self, message: Message) -> None:
        """Direct messages are no mentions, whatever they say."""
        channel = message.channel
        if self.world.bot.id in message.pinged and channel.kind != "im" and self.world.bot in channel.members:
            self.tell(payloads.mention_event(self.world, message))

    def _membership(self, kind: str, account: Account, channel: Channel, by: Account | None) -> None:
        letter = {"channel": "C", "group": "G"}.get(channel.kind, "G")
        event = {"type": kind, "user": account.id, "channel": channel.id, "channel_type": letter}
        event |= {"team": account.team, "event_ts": self.world.new_ts(), **({"inviter": by.id} if by else {})}
        if self.world.bot in channel.members or account is self.world.bot:
            self.tell(event)
        self._changed()

    def _context(self, beside: Channel | None) -> Json:
        if beside is None:
            return {}
        return {"channel_id": beside.id, "team_id": self.world.team, "enterprise_id": None}

    def _marked(self, text: str) -> str:
        names = {account.name: f"<@{account.id}>" for account in self.world.accounts.values()}
        names |= {word: f"<!{word}>" for word in ("channel", "here", "everyone")}
        channels = {each.name: f"<#{each.id}|{each.name}>" for each in self.world.channels.values()}
        escaped = html.escape(text, quote=False)
        escaped = re.sub(r"@(\w+)", lambda found: names.get(found[1], found[0]), escaped)
        return re.sub(r"#([\w-]+)", lambda found: channels.get(found[1], found[0]), escaped)


def ts_of(thread: Thread) -> str | None:
    """The root of a thread, from any of its messages."""
    if thread is None or isinstance(thread, str):
        return thread
    return thread.ts if isinstance(thread, AssistantThread) else _root(thread)


def _root(message: Message) -> str:
    return message.thread_ts or message.ts


def _channel_of(thread: Thread) -> Channel | None:
    return None if thread is None or isinstance(thread, str) else thread.channel
