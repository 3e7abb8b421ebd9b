"""What people do with commands, shortcuts, buttons and forms on the fake Slack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.slack.testing import controls, payloads
from adapters.slack.testing.controls import NotOffered
from adapters.slack.testing.deliveries import Delivery, DeliveryKind, Outbox
from adapters.slack.testing.files import Files
from adapters.slack.testing.messages import Messages
from adapters.slack.testing.responses import Responses, Return
from adapters.slack.testing.views import Trigger, Views, check_view
from adapters.slack.testing.world import Account, Channel, Json, Message, View, World


@dataclass(slots=True, eq=False)
class Interaction:
    """Something that a person did, and what became of it. `failed` is the little error that people see when the app
    did not acknowledge it within three seconds."""

    user: Account
    delivery: Delivery
    trigger_id: str
    trigger: Trigger
    response_url: str = ""
    back: Return | None = None

    @property
    def acked(self) -> bool:
        return self.delivery.acked

    @property
    def failed(self) -> bool:
        return self.delivery.given_up

    @property
    def view(self) -> View | None:
        """The form that the app opened for it."""
        return self.trigger.opened


class Hands:
    """The part of `FakeSlack` that is used with the mouse. `commands` are the slash commands and `shortcuts` the
    callback ids that the app declares; None lets everything be used."""

    world: World
    general: Channel
    ada: Account
    views: Views
    outbox: Outbox
    commands: Sequence[str] | None
    shortcuts: Sequence[str] | None
    scopes: set[str]
    messages: Messages
    _files: Files
    _responses: Responses

    # Commands and shortcuts

    async def runs(
        self, command: str, text: str = "", *, channel: Channel | None = None, author: Account | None = None
    ) -> Interaction:
        """`/command text` in a channel, also one that the bot is not in. There are no commands in threads."""
        who, where = author or self.ada, channel or self.general
        if "commands" not in self.scopes or (self.commands is not None and command not in self.commands):
            raise NotOffered(f"{command} is not a valid command")
        back, url = self._back(who, where)
        trigger_id = self.views.trigger(who)
        payload = {
            "token": payloads.VERIFICATION_TOKEN,
            "team_id": self.world.team,
            "team_domain": self.world.domain,
            "channel_id": where.id,
            "channel_name": {"im": "directmessage", "group": "privategroup"}.get(where.kind, where.name),
            "user_id": who.id,
            "user_name": who.name.lower(),
            "command": command,
            "text": text,
            "api_app_id": self.world.app_id,
            "is_enterprise_install": "false",
            "response_url": url,
            "trigger_id": trigger_id,
        }

        async def said(answer: Any) -> None:
            told = {"text": answer} if isinstance(answer, str) else answer or {}
            if told.get("response_type") == "in_channel":
                # Everybody sees what was typed; otherwise nobody does.
                self.messages.add(where, who, f"{command} {text}".strip())
            if told.get("text") or told.get("blocks"):
                self._responses.apply(back, told)

        return self._interact("slash_commands", payload, who, trigger_id, back, then=said)

    async def uses(
        self, callback_id: str, message: Message | None = None, *, author: Account | None = None
    ) -> Interaction:
        """A shortcut by its callback id: one of a message's menu, or without a message a global one."""
        who = author or self.ada
        if "commands" not in self.scopes or (self.shortcuts is not None and callback_id not in self.shortcuts):
            raise NotOffered(f"there is no shortcut {callback_id!r}")
        trigger_id = self.views.trigger(who)
        told = {"callback_id": callback_id, "trigger_id": trigger_id, "action_ts": self.world.new_ts()}
        if message is None:
            payload = payloads.interaction_json(self.world, "shortcut", who) | told
            return self._interact("interactive", payload, who, trigger_id)
        back, url = self._back(who, message.channel, message)
        payload = payloads.interaction_json(self.world, "message_action", who) | told
        payload |= {
            "channel": {"id": message.channel.id, "name": message.channel.name},
            "message_ts": message.ts,
            "message": payloads.message_json(self.world, message),
            "response_url": url,
        }
        return self._interact("interactive", payload, who, trigger_id, back)

    # Buttons and menus

    async def presses(self, target: Message | View, label: str, *, author: Account | None = None) -> Interaction:
        """A button by its label, action id or value, under a message or in a view; feedback buttons too."""
        return self._act(target, author, lambda blocks, ts: controls.press(blocks, label, ts))

    async def picks(
        self, target: Message | View, action_id: str, option: str, *, author: Account | None = None
    ) -> Interaction:
        """An option of a menu by its label or value."""
        return self._act(target, author, lambda blocks, ts: controls.choose(blocks, action_id, option, ts))

    async def types(self, view: View, action_id: str, typed: str) -> Delivery:
        """Half a choice in a form; the choices come as `answer["options"]`, and one of them may be submitted."""
        payload = payloads.interaction_json(self.world, "block_suggestion", view.user)
        payload |= controls.look_up(view.blocks, action_id, typed)
        payload |= {
            "container": {"type": "view", "view_id": view.id},
            "view": payloads.view_json(self.world, view),
        }
        return self.outbox.send("interactive", payload)

    # Forms

    async def submits(self, view: View, /, **values: Any) -> Interaction:
        """Send a form off, with values by action id or block id; the others stay as they are shown. Files are lists of
        a name and a content each."""
        if not view.open:
            raise NotOffered(f"{view.title!r} is closed")
        given = {name: self._uploaded(value, view.user) for name, value in values.items()}
        view.body["state"] = controls.fill(view.blocks, given)
        trigger_id = self.views.trigger(view.user, view)
        payload = payloads.interaction_json(self.world, "view_submission", view.user)
        payload |= {"trigger_id": trigger_id, "view": payloads.view_json(self.world, view), "response_urls": []}

        async def answered(answer: Any) -> None:
            self._follow(view, answer if isinstance(answer, dict) else {})

        return self._interact("interactive", payload, view.user, trigger_id, then=answered)

    async def closes(self, view: View) -> Delivery | None:
        """The app hears of it only where it asked to."""
        self.views.close(view)
        if not view.body.get("notify_on_close"):
            return None
        payload = payloads.interaction_json(self.world, "view_closed", view.user)
        payload |= {"view": payloads.view_json(self.world, view), "is_cleared": False}
        return self.outbox.send("interactive", payload)

    # Inside

    def _uploaded(self, value: Any, who: Account) -> Any:
        if not isinstance(value, list) or not all(isinstance(each, tuple) for each in value):
            return value
        return [payloads.file_json(self._files.add(name, content, who)) for name, content in value]

    def _act(
        self, target: Message | View, author: Account | None, find: Callable[[Sequence[Json], str], Json]
    ) -> Interaction:
        who = author or (target.user if isinstance(target, View) else self.ada)
        action = find(target.blocks, self.world.new_ts())
        payload = payloads.interaction_json(self.world, "block_actions", who) | {"actions": [action]}
        if isinstance(target, View):
            trigger_id = self.views.trigger(who, target)
            view = payloads.view_json(self.world, target)
            container = {"type": "view", "view_id": target.id}
            payload |= {"trigger_id": trigger_id, "container": container, "view": view}
            return self._interact("interactive", payload, who, trigger_id)
        if target.seen_by not in (None, who):
            raise NotOffered(f"{who.name} does not see this message")
        trigger_id = self.views.trigger(who)
        back, url = self._back(who, target.channel, target)
        payload |= {
            "trigger_id": trigger_id,
            "container": self._container(target),
            "channel": {"id": target.channel.id, "name": target.channel.name},
            "state": {"values": {}},
            "response_url": url,
        }
        if target.seen_by is None:
            payload["message"] = payloads.message_json(self.world, target)
        return self._interact("interactive", payload, who, trigger_id, back)

    def _container(self, message: Message) -> Json:
        body: Json = {"type": "message", "message_ts": message.ts, "channel_id": message.channel.id}
        body["is_ephemeral"] = message.seen_by is not None
        return body | ({"thread_ts": message.thread_ts} if message.thread_ts else {})

    def _follow(self, view: View, answer: Json) -> None:
        """What the app said about a submission."""
        match answer.get("response_action"):
            case "errors":
                view.errors = dict(answer["errors"])
            case "update":
                self.views.show(view, check_view(answer.get("view"), "modal"))
            case "push":
                self.views.add(view.user, check_view(answer.get("view"), "modal"), view)
            case "clear":
                self.views.close(view, all_of_them=True)
            case _:
                self.views.close(view)

    def _back(self, who: Account, where: Channel, source: Message | None = None) -> tuple[Return, str]:
        url = self._responses.url(who, where, source)
        return self._responses.returns[url.rpartition("/")[2]], url

    def _interact(
        self,
        kind: DeliveryKind,
        payload: Json,
        who: Account,
        trigger_id: str,
        back: Return | None = None,
        *,
        then: Callable[[Any], Awaitable[None]] | None = None,
    ) -> Interaction:
        delivery = self.outbox.send(kind, payload, then=then)
        url = str(payload.get("response_url", ""))
        return Interaction(who, delivery, trigger_id, self.views.triggers[trigger_id], url, back)
