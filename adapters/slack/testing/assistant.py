"""The assistant pane and agent sessions: status, title, suggested prompts, and Slack's own stop button."""

from __future__ import annotations

from adapters.slack.testing.messages import CUSTOMIZE, WRITE, Messages
from adapters.slack.testing.server import Endpoint, Server, needed
from adapters.slack.testing.streams import SESSION_STATUSES
from adapters.slack.testing.world import ApiError, AssistantThread, Channel, Json, Session, Status, World

PANE = ("assistant:write",)
MAX_PROMPTS = 4


class Assistant:
    """`stop_events` says whether the app listens to the stop button."""

    def __init__(self, world: World, server: Server, messages: Messages, stop_events: bool) -> None:
        self._world = world
        self._server = server
        self._messages = messages
        self._stop_events = stop_events

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("assistant.threads.setStatus", self._set_status, "", WRITE),
            Endpoint("assistant.threads.setTitle", self._set_title, "t4", PANE),
            Endpoint("assistant.threads.setSuggestedPrompts", self._set_prompts, "t4", PANE),
            Endpoint("agents.sessions.setStatus", self._set_session_status, "t3", WRITE),
            Endpoint("agents.sessions.rename", self._rename, "t3", WRITE),
        ]

    async def _set_status(self, args: Json) -> Json:
        channel, thread_ts = self._place(args)
        if "status" not in args:
            needed(args, "status")
        loading = args.get("loading_messages") or []
        if not isinstance(loading, list) or len(loading) > 10 or any(not 0 < len(each) <= 50 for each in loading):
            raise ApiError("invalid_arguments")
        shown_as = self._identity(args)
        now = self._world.clock.now()
        self._world.statuses.append(Status(channel.id, thread_ts, str(args["status"]), now, tuple(loading), shown_as))
        return {}

    async def _set_title(self, args: Json) -> Json:
        title = needed(args, "title")[0]
        if self._world.agent:
            # Its sessions are called by what was an assistant's call.
            channel, thread_ts = self._place(args)
            self._world.sessions.setdefault((channel.id, thread_ts), Session("active")).title = title
        else:
            self._thread(args).title = title
        return {}

    async def _set_prompts(self, args: Json) -> Json:
        prompts = args.get("prompts")
        if not isinstance(prompts, list) or not 0 < len(prompts) <= MAX_PROMPTS:
            raise ApiError("invalid_arguments")
        if any(not each.get("title") or not each.get("message") for each in prompts):
            raise ApiError("invalid_arguments")
        if self._world.agent:
            channel, _ = self._place(args, threaded=False)
            # Prompts for a thread are taken, and nobody ever sees them.
            if not args.get("thread_ts"):
                self._world.prompts[channel.id] = prompts
            return {}
        thread = self._thread(args)
        thread.prompts, thread.prompts_title = prompts, str(args.get("title", ""))
        return {}

    async def _set_session_status(self, args: Json) -> Json:
        channel, thread_ts = self._place(args, session=True)
        status = needed(args, "status")[0]
        if status not in SESSION_STATUSES:
            raise ApiError("invalid_status")
        initiator = args.get("initiator_user_id")
        if initiator is not None and initiator not in self._world.accounts:
            raise ApiError("user_not_found")
        self._identity(args)
        session = self._world.sessions.setdefault(
            (channel.id, thread_ts), Session(status, title=str(args.get("title", ""))[:200])
        )
        session.status = status
        session.statuses.append(status)
        return {} if self._stop_events else {"warning": "missing_agent_session_stopped_event_subscription"}

    async def _rename(self, args: Json) -> Json:
        channel, thread_ts = self._place(args, session=True)
        session = self._world.sessions.get((channel.id, thread_ts))
        if session is None:
            raise ApiError("session_not_found")
        session.title = needed(args, "title")[0]
        return {}

    def _place(self, args: Json, *, session: bool = False, threaded: bool = True) -> tuple[Channel, str]:
        try:
            channel = self._messages.where({"channel": needed(args, "channel_id")[0]})
        except ApiError as error:
            if error.error == "not_in_channel":
                raise ApiError("not_authorized" if session else "channel_not_found") from error
            raise
        thread_ts = str(args.get("thread_ts") or "")
        if session and not thread_ts:
            raise ApiError("thread_ts_required")
        if threaded and thread_ts not in channel.messages:
            raise ApiError("invalid_thread_ts")
        return channel, thread_ts

    def _thread(self, args: Json) -> AssistantThread:
        channel, thread_ts = self._place(args)
        thread = self._world.assistant.get((channel.id, thread_ts))
        if thread is None:
            raise ApiError("invalid_thread_ts")
        return thread

    def _identity(self, args: Json) -> str | None:
        if any(args.get(name) for name in ("username", "icon_url", "icon_emoji")):
            self._server.check_scopes((CUSTOMIZE,))
        return str(args["username"]) if args.get("username") else None
