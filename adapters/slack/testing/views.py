"""Modals and home tabs: opening with a trigger that lives three seconds, updating, publishing."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from adapters.slack.testing import payloads
from adapters.slack.testing.checking import ANYWHERE, MAX_VIEW_BLOCKS, check_blocks
from adapters.slack.testing.server import Endpoint, needed
from adapters.slack.testing.world import Account, ApiError, Json, View, World

TRIGGER_LIVES = 3.0
MAX_VIEW = 250_000
MAX_PUSHED = 3


@dataclass(slots=True)
class Trigger:
    user: Account
    expires: float
    view: View | None = None  # the one it was pressed in
    used: bool = False
    opened: View | None = None


class Views:
    def __init__(self, world: World) -> None:
        self.triggers: dict[str, Trigger] = {}
        self._world = world

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("views.open", self._open, "t4"),
            Endpoint("views.push", self._push, "t4"),
            Endpoint("views.update", self._update, "t4"),
            Endpoint("views.publish", self._publish, "t4"),
        ]

    def trigger(self, user: Account, view: View | None = None) -> str:
        """Something a person did; for three seconds the app may open a view for it."""
        id = f"{len(self.triggers) + 1}.{self._world.team}.{secrets.token_hex(8)}"
        self.triggers[id] = Trigger(user, self._world.clock.now() + TRIGGER_LIVES, view)
        return id

    def shown_to(self, account: Account) -> View | None:
        """The modal on top."""
        views = [each for each in self._world.views.values() if each.user is account and each.open]
        return views[-1] if views else None

    def add(self, user: Account, body: Json, previous: View | None = None) -> View:
        id = self._world.new_id("V")
        view = View(id, user, body, previous.root if previous else id, previous.id if previous else None)
        self._world.views[id] = view
        self.show(view, body)
        return view

    def show(self, view: View, body: Json) -> None:
        view.body = body
        view.errors = {}
        view.history.append(body)
        view.hash = f"{int(self._world.clock.wall())}.{secrets.token_hex(4)}"

    def close(self, view: View, *, all_of_them: bool = False) -> None:
        for each in self._world.views.values():
            if each is view or (all_of_them and each.root == view.root):
                each.open = False

    async def _open(self, args: Json) -> Json:
        trigger = self._spend(args)
        trigger.opened = self.add(trigger.user, check_view(args.get("view"), "modal"))
        return self._told(trigger.opened)

    async def _push(self, args: Json) -> Json:
        trigger = self._spend(args)
        top = trigger.view or self.shown_to(trigger.user)
        if top is None:
            raise ApiError("not_found")
        if sum(each.root == top.root and each.open for each in self._world.views.values()) >= MAX_PUSHED:
            raise ApiError("push_limit_reached")
        trigger.opened = self.add(trigger.user, check_view(args.get("view"), "modal"), top)
        return self._told(trigger.opened)

    async def _update(self, args: Json) -> Json:
        body = check_view(args.get("view"), "modal")
        external = args.get("external_id")
        views = self._world.views.values()
        found = (each for each in views if each.id == args.get("view_id") or _named(each, external))
        view = next((each for each in found if each.open), None)
        if view is None:
            raise ApiError("not_found")
        if args.get("hash") and args["hash"] != view.hash:
            raise ApiError("hash_conflict")
        self.show(view, body)
        return self._told(view)

    async def _publish(self, args: Json) -> Json:
        user = self._world.accounts.get(needed(args, "user_id")[0])
        if user is None:
            raise ApiError("invalid_arguments")
        body = check_view(args.get("view"), "home")
        home = self._world.homes.get(user.id)
        if home is None:
            id = self._world.new_id("V")
            home = self._world.homes[user.id] = View(id, user, body, id)
        elif args.get("hash") and args["hash"] != home.hash:
            raise ApiError("hash_conflict")
        self.show(home, body)
        return self._told(home)

    def _spend(self, args: Json) -> Trigger:
        trigger = self.triggers.get(needed(args, "trigger_id")[0])
        if trigger is None:
            raise ApiError("invalid_trigger_id")
        if trigger.used:
            raise ApiError("exchanged_trigger_id")
        if self._world.clock.now() > trigger.expires:
            raise ApiError("expired_trigger_id")
        trigger.used = True
        return trigger

    def _told(self, view: View) -> Json:
        return {"view": payloads.view_json(self._world, view)}


def check_view(view: object, kind: str) -> Json:
    """A view as Slack takes it, for a modal or the home tab."""
    if not isinstance(view, dict) or view.get("type") != kind:
        raise ApiError("invalid_arguments", response_metadata={"messages": ["[ERROR] unsupported type"]})
    if len(json.dumps(view)) > MAX_VIEW:
        raise ApiError("view_too_large")
    blocks = check_blocks(view.get("blocks"), allowed=ANYWHERE, most=MAX_VIEW_BLOCKS)
    wrong = []
    if kind == "modal":
        for name in ("title", "submit", "close"):
            text = (view.get(name) or {}).get("text", "")
            if len(text) > 24 or (name == "title" and not text):
                wrong.append(f"[ERROR] must be between 1 and 24 characters [json-pointer:/view/{name}/text]")
        if any(block["type"] == "input" for block in blocks) and not view.get("submit"):
            wrong.append("[ERROR] missing required field: submit [json-pointer:/view]")
    if len(str(view.get("private_metadata", ""))) > 3_000 or len(str(view.get("callback_id", ""))) > 255:
        wrong.append("[ERROR] too long [json-pointer:/view/private_metadata]")
    if wrong:
        raise ApiError("invalid_arguments", response_metadata={"messages": wrong})
    return {**view, "blocks": blocks}


def _named(view: View, external_id: object) -> bool:
    return bool(external_id) and view.body.get("external_id") == external_id
