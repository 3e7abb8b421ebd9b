"""Messages as Slack makes them: posting, editing and deleting, with its refusals and with the events that follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from adapters.slack.testing import payloads
from adapters.slack.testing.checking import MAX_EDIT, check_blocks, check_markdown, check_text, pinged, shown_text, size
from adapters.slack.testing.server import Endpoint, Server, flag, needed
from adapters.slack.testing.world import Account, ApiError, Channel, File, Json, Message, State, World

Tell = Callable[[Channel, Json], None]
CUSTOMIZE = "chat:write.customize"
WRITE = ("chat:write",)


class Messages:
    """`tell` sends an event about a channel to the app."""

    def __init__(self, world: World, server: Server, tell: Tell) -> None:
        self._world = world
        self._server = server
        self._tell = tell

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("chat.postMessage", self._post, "t5", WRITE, posts=True),
            Endpoint("chat.postEphemeral", self._post_ephemeral, "t4", WRITE),
            Endpoint("chat.update", self._update, "t3", WRITE),
            Endpoint("chat.delete", self._delete, "t3", WRITE),
            Endpoint("chat.getPermalink", self._permalink, "", reads_json=False),
        ]

    # For everybody

    def add(
        self,
        channel: Channel,
        author: Account,
        text: str,
        *,
        blocks: Sequence[Json] = (),
        thread_ts: str | None = None,
        broadcast: bool = False,
        subtype: str = "",
        files: Sequence[File] = (),
        client_msg_id: str = "",
        shown: str | None = None,
    ) -> Message:
        """Put a message up. `shown` is what people read where that is not the text."""
        state = State(text if shown is None else shown, time.monotonic(), tuple(blocks))
        message = Message(self._world.new_ts(), channel, author, [state], thread_ts, broadcast, text, subtype)
        message.files, message.client_msg_id = [*files], client_msg_id
        message.pinged = pinged(self._world, text, blocks, link_names=False, parse="")
        for file in files:
            file.shared.append(message)
        channel.messages[message.ts] = message
        return message

    def announce(self, message: Message) -> None:
        self._tell(message.channel, payloads.message_event(self._world, message))

    def changed(self, message: Message, before: Json) -> None:
        self._tell(message.channel, payloads.changed_event(self._world, message, before))

    def remove(self, message: Message) -> None:
        before = payloads.message_json(self._world, message)
        if message.stream is not None:
            message.stream.open = False
        if self._world.replies(message.channel, message.ts):
            message.subtype = "tombstone"
            message.show("This message was deleted.")
            message.fallback = message.text
            self.changed(message, before)
            return
        message.deleted_at = time.monotonic()
        if message.seen_by is None:
            self._tell(message.channel, payloads.deleted_event(self._world, message, before))

    # For the app

    def where(self, args: Json) -> Channel:
        """The channel that was asked for, by id, or by the id of somebody to talk to alone."""
        asked = needed(args, "channel")[0]
        account = self._world.accounts.get(asked)
        if account is not None:
            return self._world.direct(account)
        channel = self._world.channels.get(asked)
        if channel is None or (channel.kind != "channel" and self._world.bot not in channel.members):
            raise ApiError("channel_not_found")
        if channel.archived:
            raise ApiError("is_archived")
        if self._world.bot not in channel.members and "chat:write.public" not in self._server.scopes:
            raise ApiError("not_in_channel")
        return channel

    def own(self, args: Json, refusal: str) -> Message:
        channel = self.where(args)
        message = channel.messages.get(needed(args, "ts")[0])
        if message is None or message.deleted or message.seen_by is not None:
            raise ApiError("message_not_found")
        if message.author is not self._world.bot:
            raise ApiError(refusal)
        return message

    def identity(self, args: Json, message: Message) -> None:
        """The name and icon that the app asks for, which need a scope of their own."""
        if any(args.get(name) for name in ("username", "icon_url", "icon_emoji")):
            self._server.check_scopes((CUSTOMIZE,))
            message.shown_as = str(args.get("username") or self._world.bot.name)
            message.icon = str(args.get("icon_emoji") or args.get("icon_url") or "")

    def thread_of(self, args: Json, channel: Channel) -> str | None:
        """Where a reply goes; a reply to a reply goes to its thread."""
        asked = str(args.get("thread_ts") or "")
        parent = channel.messages.get(asked)
        if parent is None or parent.deleted:
            return None  # at the top
        if parent.seen_by is not None or parent.subtype == "tombstone":
            raise ApiError("cannot_reply_to_message")
        return parent.thread_ts or asked

    def compose(self, args: Json, *, most: int | None = None) -> tuple[str, str, list[Json], list[str]]:
        """The text, what people read, blocks and warnings of a call."""
        if args.get("markdown_text") is not None:
            if args.get("text") or args.get("blocks"):
                raise ApiError("markdown_text_conflict")
            text = check_markdown(args["markdown_text"])
            if not text.strip():
                raise ApiError("no_text")
            return text, text, [], []
        given = args.get("text")
        if most is not None and isinstance(given, str) and size(given) > most:
            raise ApiError("msg_too_long")
        text, warnings = check_text("" if given is None else given)
        blocks = check_blocks(args["blocks"]) if args.get("blocks") else []
        if not text.strip() and not blocks and not args.get("attachments"):
            raise ApiError("no_text")
        # With blocks, people read nothing but these.
        return text, shown_text(blocks) if blocks else text, blocks, warnings

    async def _post(self, args: Json) -> Json:
        channel = self.where(args)
        text, shown, blocks, warnings = self.compose(args)
        thread_ts = self.thread_of(args, channel)
        draft = Message("", channel, self._world.bot, [])
        self.identity(args, draft)
        broadcast = thread_ts is not None and flag(args, "reply_broadcast") is True
        message = self.add(channel, self._world.bot, text, blocks=blocks, thread_ts=thread_ts, shown=shown)
        message.broadcast, message.shown_as, message.icon = broadcast, draft.shown_as, draft.icon
        message.subtype = "thread_broadcast" if broadcast and draft.shown_as is None else ""
        message.attachments, message.metadata, message.asked = args.get("attachments") or [], args.get("metadata"), args
        message.pinged = self._pings(args, text, blocks)
        message.unfurls = "http" in shown and (
            flag(args, "unfurl_links") is True or flag(args, "unfurl_media") is not False
        )
        if thread_ts is not None:
            self._world.clear_status(channel.id, thread_ts)
        self.announce(message)
        body = payloads.message_json(self._world, message)
        return {"channel": channel.id, "ts": message.ts, "message": body, **warned(warnings)}

    async def _post_ephemeral(self, args: Json) -> Json:
        channel = self.where(args)
        account = self._world.accounts.get(needed(args, "user")[0])
        if account is None or account not in channel.members:
            raise ApiError("user_not_in_channel")
        text, shown, blocks, _ = self.compose(args)
        draft = Message("", channel, self._world.bot, [])
        self.identity(args, draft)
        message = self.add(
            channel, self._world.bot, text, blocks=blocks, thread_ts=self.thread_of(args, channel), shown=shown
        )
        message.seen_by, message.shown_as, message.icon, message.asked = account, draft.shown_as, draft.icon, args
        return {"message_ts": message.ts}

    async def _update(self, args: Json) -> Json:
        message = self.own(args, "cant_update_message")
        if message.streaming:
            raise ApiError("streaming_state_conflict")
        keeps = not args.get("text") and args.get("markdown_text") is None and args.get("blocks") is None
        if keeps and not args.get("attachments") and not args.get("file_ids"):
            raise ApiError("no_text")
        warnings: list[str] = []
        before = payloads.message_json(self._world, message)
        if args.get("blocks") == [] and not args.get("text"):
            raise ApiError("no_text")
        if not keeps:
            text, shown, blocks, warnings = self.compose(args, most=MAX_EDIT)
            if args.get("blocks") is None and args.get("markdown_text") is None and message.blocks:
                # Blocks stay until they are replaced, if only by none, and hide the new text; a stream's stand below.
                blocks = message.blocks
                shown = text if message.stream is not None else shown_text(blocks)
            message.fallback = text
            message.show(shown, blocks)
            fresh = [who for who in self._pings(args, text, blocks) if who not in message.pinged]
            message.pinged += fresh
        message.attachments = args.get("attachments", message.attachments)
        message.metadata = args.get("metadata", message.metadata)
        message.edited = {"user": self._world.bot.id, "ts": self._world.new_ts()}
        self.changed(message, before)
        body = payloads.message_json(self._world, message)
        return {
            "channel": message.channel.id,
            "ts": message.ts,
            "text": message.fallback,
            "message": body,
            **warned(warnings),
        }

    async def _delete(self, args: Json) -> Json:
        message = self.own(args, "cant_delete_message")
        self.remove(message)
        return {"channel": message.channel.id, "ts": message.ts}

    async def _permalink(self, args: Json) -> Json:
        channel, ts = self.where(args), needed(args, "message_ts")[0]
        if ts not in channel.messages:
            raise ApiError("message_not_found")
        link = f"https://{self._world.domain}.slack.com/archives/{channel.id}/p{ts.replace('.', '')}"
        return {"channel": channel.id, "permalink": link}

    def _pings(self, args: Json, text: str, blocks: Sequence[Json]) -> list[str]:
        link_names = flag(args, "link_names") is True
        return pinged(self._world, text, blocks, link_names=link_names, parse=str(args.get("parse", "")))


def warned(warnings: Sequence[str]) -> Json:
    if not warnings:
        return {}
    return {"warning": ",".join(warnings), "response_metadata": {"warnings": [*warnings]}}
