"""Slack's own streams: a message that grows until it is stopped, by the app, by somebody, or by its age."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.slack.testing import payloads
from adapters.slack.testing.checking import (
    MAX_BLOCKS,
    MAX_MARKDOWN,
    check_blocks,
    check_chunks,
    check_markdown,
    pinged,
    size,
)
from adapters.slack.testing.messages import WRITE, Messages
from adapters.slack.testing.server import Endpoint
from adapters.slack.testing.world import ApiError, Channel, Json, Message, Stream, World

SESSION_STATUSES = frozenset({"active", "processing", "suspended", "closed"})


class Streams:
    def __init__(self, world: World, messages: Messages) -> None:
        self._world = world
        self._messages = messages

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("chat.startStream", self._start, "t2", WRITE),
            Endpoint("chat.appendStream", self._append, "t4", WRITE),
            Endpoint("chat.stopStream", self._stop, "t2", WRITE),
        ]

    async def _start(self, args: Json) -> Json:
        channel = self._messages.where(args)
        thread_ts = self._thread(args, channel)
        self._check_recipient(args, channel)
        if args.get("task_display_mode", "timeline") not in ("timeline", "plan"):
            raise ApiError("invalid_arguments")
        chunks = _chunks(args)
        draft = Message("", channel, self._world.bot, [])
        self._messages.identity(args, draft)
        message = self._messages.add(channel, self._world.bot, _text(chunks), thread_ts=thread_ts)
        message.shown_as, message.icon, message.asked = draft.shown_as, draft.icon, args
        message.stream = Stream(self._world.clock.now(), chunks=chunks)
        self._world.live.append(message)
        if thread_ts is not None:
            self._world.clear_status(channel.id, thread_ts)
        self._messages.announce(message)
        return {"channel": channel.id, "ts": message.ts}

    async def _append(self, args: Json) -> Json:
        message = self._live(args)
        chunks = _chunks(args)
        if not chunks:
            raise ApiError("no_text")
        self._grow(message, chunks, [])
        return {"channel": message.channel.id, "ts": message.ts}

    async def _stop(self, args: Json) -> Json:
        status = args.get("session_status")
        if status is not None and status not in SESSION_STATUSES:
            raise ApiError("invalid_arguments")
        before = self._messages.own(args, "message_not_owned_by_app")
        stopped_by_user = before.stream is not None and before.stream.stopped_by == "user"
        message = self._live(args, also_stopped=True)
        blocks = check_blocks(args["blocks"]) if args.get("blocks") else []
        chunks = _chunks(args)
        old = payloads.message_json(self._world, message)
        if stopped_by_user and chunks:
            raise ApiError("message_not_in_streaming_state")
        if chunks or blocks:
            self._grow(message, chunks, blocks)
        if message.stream is not None:
            message.stream.open = False
            message.stream.closed = True
            message.stream.stopped_by = message.stream.stopped_by or "app"
        message.metadata = args.get("metadata", message.metadata)
        session = self._world.sessions.get((message.channel.id, message.thread_ts or ""))
        if session is not None and status is not None:
            session.status = status
            session.statuses.append(status)
        self._messages.changed(message, old)
        body = payloads.message_json(self._world, message)
        return {"channel": message.channel.id, "ts": message.ts, "message": body}

    def _thread(self, args: Json, channel: Channel) -> str | None:
        asked = args.get("thread_ts")
        if not asked:
            # Only channels take a stream that is no reply.
            if channel.kind in ("im", "mpim"):
                raise ApiError("invalid_arguments", response_metadata={"messages": ["[ERROR] missing thread_ts"]})
            return None
        if asked not in channel.messages or channel.messages[asked].deleted:
            raise ApiError("invalid_arguments", response_metadata={"messages": ["[ERROR] unknown thread_ts"]})
        return self._messages.thread_of(args, channel)

    def _check_recipient(self, args: Json, channel: Channel) -> None:
        if self._world.bot not in channel.members:
            raise ApiError("channel_type_not_supported")
        if channel.kind == "im":
            return
        if not args.get("recipient_team_id"):
            raise ApiError("missing_recipient_team_id")
        if not args.get("recipient_user_id"):
            raise ApiError("missing_recipient_user_id")
        account = self._world.accounts.get(str(args["recipient_user_id"]))
        if account is None or account.team != args["recipient_team_id"]:
            raise ApiError("user_not_found")

    def _live(self, args: Json, *, also_stopped: bool = False) -> Message:
        message = self._messages.own(args, "message_not_owned_by_app")
        stream = message.stream
        if stream is not None and stream.stopped_by == "user":
            if also_stopped and not stream.closed:
                return message
            raise ApiError("stopped_by_user")
        if stream is None or not stream.open:
            raise ApiError("message_not_in_streaming_state")
        return message

    def _grow(self, message: Message, chunks: Sequence[Json], more: Sequence[Json]) -> None:
        assert message.stream is not None
        added = [block for chunk in chunks if chunk["type"] == "blocks" for block in chunk["blocks"]]
        blocks = [*message.blocks, *added]
        if len(blocks) > MAX_BLOCKS:
            raise ApiError("msg_blocks_too_many")
        text = message.text + _text(chunks)
        # Not documented: all that a stream says has room for as much as one call may bring.
        if size(text) > MAX_MARKDOWN:
            raise ApiError("msg_too_long")
        message.show(text, [*blocks, *more])
        message.stream.chunks += chunks
        message.fallback = message.text
        message.pinged = pinged(self._world, message.text, message.blocks, link_names=False, parse="")


def tasks_of(message: Message) -> dict[str, Json]:
    """The task cards of a stream by their id, each as it was last told."""
    chunks = message.stream.chunks if message.stream is not None else []
    tasks: dict[str, Json] = {}
    for chunk in chunks:
        if chunk["type"] == "task_update":
            tasks[chunk["id"]] = tasks.get(chunk["id"], {}) | chunk
    return tasks


def _chunks(args: Json) -> list[Json]:
    """What a call adds; text alone is a chunk like any other."""
    if args.get("markdown_text") and args.get("chunks"):
        raise ApiError("invalid_arguments")
    if args.get("markdown_text"):
        return [{"type": "markdown_text", "text": check_markdown(args["markdown_text"])}]
    chunks = check_chunks(args["chunks"]) if args.get("chunks") else []
    if size(_text(chunks)) > MAX_MARKDOWN:
        raise ApiError("msg_too_long")
    return chunks


def _text(chunks: Sequence[Json]) -> str:
    return "".join(chunk["text"] for chunk in chunks if chunk["type"] == "markdown_text")
