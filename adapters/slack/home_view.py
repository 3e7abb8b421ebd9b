"""What App Home looks like: who the bot is, how it is set, what was used, and what it can do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from adapters.slack import SlackSettings
from adapters.slack.blocks import plain
from adapters.slack.commands import usage
from adapters.slack.lengths import mrkdwn_length
from adapters.slack.markup import to_mrkdwn
from bot.api import Command, Commands, clip, say

Json: TypeAlias = dict[str, Any]  # as Slack's API defines it

REFRESH, CHANGE = "home:refresh", "home:change:"
MAX_BLOCKS, MAX_SECTION, MAX_LINE = 100, 2_900, 250
# What is shown of commands that tell about this place, and of the list of all of them.
MAX_PARTS, MAX_LISTED = 20, 12
# Stands where something is still being looked up.
COMING = "…"


@dataclass(slots=True, eq=False)
class Page:
    """`parts` are what commands told so far, by name, and `whole` is set when all have; `note` is what became of the
    last change. `showing` keeps one view behind the other."""

    round: str
    wanted: Sequence[Command]
    locale: str
    note: str = ""
    is_shown: bool = False
    parts: dict[str, str] = field(default_factory=dict)
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    showing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._look()

    def tell(self, name: str, text: str) -> None:
        self.parts[name] = text
        self._look()

    def _look(self) -> None:
        if all(command.name in self.parts for command in self.wanted):
            self.whole.set()


def overview(commands: Iterable[Command]) -> Sequence[Command]:
    """Those that without arguments tell about a place."""
    return [command for command in commands if command.overview and command.target is None][:MAX_PARTS]


def changes(command: Command, commands: Commands) -> Command | None:
    """What changes that which a command shows: itself, or `system set` beside `system show`."""
    group, space, last = command.name.rpartition(" ")
    other = commands.find(f"{group} set") if space and last == "show" else None
    return next((each for each in (command, other) if each is not None and each.parameters), None)


def home(settings: SlackSettings, commands: Commands, page: Page) -> Json:
    """In the language that is spoken now."""
    blocks = [_section("\n".join(_about(settings, commands)))]
    if page.note.strip():
        blocks += [{"type": "divider"}, _section(page.note)]
    if page.wanted:
        blocks += [{"type": "divider"}, _header(say("In our direct messages"))]
        blocks += [_part(settings, command, commands, page) for command in page.wanted]
        blocks.append({"type": "actions", "elements": [_button(say("Refresh"), REFRESH)]})
    blocks += [{"type": "divider"}, _header(say("What I can do")), *_all(settings, commands)]
    return {"type": "home", "blocks": blocks[:MAX_BLOCKS]}


def closed() -> Json:
    """For those whom the bot does not answer."""
    return {"type": "home", "blocks": [_section(say("I am not available here."))]}


def _about(settings: SlackSettings, commands: Commands) -> list[str]:
    name, command = settings.app_name.strip() or "Duologue", f"/{settings.command}"
    lines = [say("**I am {name}.** Mention me in a channel, and I answer you there.", name=name)]
    if settings.direct_messages:
        lines = [say("**I am {name}.** Mention me in a channel, or write to me here under Messages.", name=name)]
    lines.append(say("In a thread that I take part in, nobody needs to mention me. I remember what is said there."))
    if settings.text_prefix and commands.find("help"):
        typed = f"{settings.text_prefix}help"
        lines.append(
            say("`{command}` tells what I can do. In a thread, write `{typed}`.", command=command, typed=typed)
        )
    else:
        lines.append(say("`{command}` tells what I can do.", command=command))
    return [f"- {line}" for line in lines]


def _part(settings: SlackSettings, command: Command, commands: Commands, page: Page) -> Json:
    told = page.parts.get(command.name, COMING)
    block = _section(f"**/{settings.command} {command.name}**\n{told}")
    change = changes(command, commands)
    if change is not None:
        block["accessory"] = _button(say("Change"), CHANGE + change.name)
    return block


def _all(settings: SlackSettings, commands: Commands) -> list[Json]:
    lines = [_line(settings, command) for command in commands if command.target is None]
    menus = [say(command.title) for command in commands if command.target is not None]
    sections = [_section(text) for text in _pages(lines)][:MAX_LISTED]
    if menus:
        sections.append(_section(say("In the menu of a message: {names}.", names=", ".join(menus))))
    return sections


def _line(settings: SlackSettings, command: Command) -> str:
    return clip(f"- `{usage(settings, command)}` – {say(command.description)}", MAX_LINE)


def _pages(lines: Iterable[str]) -> list[str]:
    """As many lines together as one section holds."""
    pages: list[str] = []
    for line in lines:
        if pages and mrkdwn_length(f"{pages[-1]}\n{line}") <= MAX_SECTION:
            pages[-1] += f"\n{line}"
        else:
            pages.append(line)
    return pages


def _section(markdown: str) -> Json:
    text = to_mrkdwn(clip(markdown, MAX_SECTION, mrkdwn_length)).strip() or COMING
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _header(text: str) -> Json:
    return {"type": "header", "text": {"type": "plain_text", "text": plain(text)}}


def _button(label: str, id: str) -> Json:
    return {"type": "button", "text": {"type": "plain_text", "text": plain(label)}, "action_id": id}
