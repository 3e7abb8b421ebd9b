"""What people filled into forms and what the forms were about: carried by views, kept for a while, given back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import JsonValue

from adapters.slack.forms import readable
from bot.api import Button, Clock, File, PluginError, Reply, Target, User, button_id, clip, tr

# The button under a form that was not taken; no plugin can have an action of this name.
REOPEN = "+form"
# What a view carries at most.
MAX_METADATA = 3000
# What is kept of forms that somebody may still come back to: how many, and for how many seconds.
MOST_KEPT, KEPT_FOR = 200, 3600.0
# What was written is shown below an error, or attached to it.
MAX_SHOWN = 1200

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody has filled in so far. `target` is the message that the command was opened on; it is `whole` when
    nothing of it was left out. Its files always are."""

    command: str
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    target: Target | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Carried:
    """What comes back with a form, so that also a process that did not open it understands it. `data` is for the
    route of an answer, `key` for what is kept of the rest."""

    draft: Draft
    channel: str
    thread: str = ""
    data: Mapping[str, JsonValue] = field(default_factory=dict)
    key: str = ""

    def __str__(self) -> str:
        """A long message is cut, so that all of this fits."""
        target, cut = self.draft.target, self.draft
        while len(text := self._written(cut)) > MAX_METADATA and target is not None and target.text:
            target = replace(target, text=target.text[: len(target.text) * 2 // 3])
            cut = replace(cut, target=target, whole=False)
        return text if len(text) <= MAX_METADATA else self._written(replace(cut, target=None, whole=False))

    def _written(self, draft: Draft) -> str:
        told = {
            "command": draft.command,
            "channel": self.channel,
            "thread": self.thread,
            "data": dict(self.data),
            "key": self.key,
            "target": target_data(draft.target),
            "whole": draft.whole and not (draft.target and draft.target.attachments),
        }
        return json.dumps(told, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def parse(cls, text: str) -> Carried | None:
        try:
            told = json.loads(text)
        except ValueError:
            return None
        match told:
            case {"command": str(command), "channel": str(channel), "thread": str(thread), "data": dict(data)}:
                whole, target = told.get("whole") is True, target_of(told.get("target"))
                return cls(Draft(command, {}, target, whole), channel, thread, data, str(told.get("key") or ""))
        return None


class Kept(Generic[Value]):
    """The newest few, for a while."""

    def __init__(self, clock: Clock, most: int = MOST_KEPT) -> None:
        self._clock = clock
        self._most = most
        self._kept: dict[str, tuple[float, Value]] = {}

    def put(self, key: str, value: Value) -> None:
        self._kept.pop(key, None)
        self._kept[key] = (self._clock.monotonic() + KEPT_FOR, value)
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def get(self, key: str) -> Value | None:
        until, value = self._kept.get(key, (0.0, None))
        return value if until > self._clock.monotonic() else None


class Drafts:
    """Remembers for a while what people filled in."""

    def __init__(self, clock: Clock) -> None:
        self._kept: Kept[Draft] = Kept(clock)

    def keep(self, draft: Draft) -> str:
        key = secrets.token_urlsafe(6)
        self._kept.put(key, draft)
        return key

    def get(self, key: str) -> Draft | None:
        return self._kept.get(key)

    def given_back(self, reply: Reply, data: Mapping[str, JsonValue], locale: str = "") -> Reply:
        """What went wrong with a form, for its asker alone: with what they wrote, and the way back to it. Anything
        that is no form's is as it was."""
        draft = draft_of(data)
        if draft is None:
            return reply
        typed = "\n".join(f"{name}: {readable(value)}" for name, value in draft.values.items())
        text, files = reply.text, reply.files
        quoted = "\n".join(f"> {line}" for line in typed.splitlines())
        if len(quoted) > MAX_SHOWN:
            text += "\n\n" + tr(locale, "What you wrote is attached.")
            files = (*files, File("what-you-wrote.txt", typed.encode(), "text/plain; charset=utf-8"))
        elif typed:
            text += "\n\n" + tr(locale, "You wrote:") + "\n" + quoted
        buttons = (*reply.buttons, self._way_back(draft, locale))
        return replace(reply, text=text, files=files, buttons=buttons, private=True)

    def _way_back(self, draft: Draft, locale: str) -> Button:
        label = tr(locale, "Open the form again")
        about = draft.target.id if draft.target is not None else ""
        button = Button(REOPEN, label, (self.keep(draft), draft.command, about), look="primary")
        try:
            button_id(button, "U" * 12)
        except PluginError:  # the names are too long: what was kept must do
            button = replace(button, args=button.args[:1])
        return button


def draft_data(draft: Draft) -> JsonValue:
    """What a route carries, so that nothing is lost with the process."""
    small = replace(draft.target, text=clip(draft.target.text, MAX_METADATA)) if draft.target else None
    return {"command": draft.command, "values": dict(draft.values), "target": target_data(small)}


def draft_of(data: Mapping[str, JsonValue]) -> Draft | None:
    match data.get("form"):
        case {"command": str(command), "values": dict(values), "target": target}:
            return Draft(command, values, target_of(target), whole=False)
    return None


def target_data(target: Target | None) -> JsonValue:
    if target is None:
        return None
    author: dict[str, JsonValue] = {"id": target.author.id, "name": target.author.name}
    told: dict[str, JsonValue] = {"id": target.id, "author": author, "text": target.text, "at": target.at.isoformat()}
    return told | ({"bot": True} if target.author.is_bot else {})


def target_of(data: object) -> Target | None:
    match data:
        case {"id": str(id), "author": {"id": str(who), "name": str(name)}, "text": str(text), "at": str(at), **more}:
            try:
                moment = datetime.fromisoformat(at)
            except ValueError:
                return None
            return Target(id, User(who, name, is_bot=more.get("bot") is True), text, moment)
    return None
