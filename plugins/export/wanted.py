"""What of a place is to be exported, as people say it and as a process is told it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pydantic import BaseModel, ConfigDict

from bot.api import Archive, Branch, SceneSpan, UsageError, say
from plugins.export.transcript import Speaker

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
AGO = re.compile(r"(\d{1,5})\s*([mhdw])")
MOST_NAMES = 8


class Wanted(BaseModel):
    """`branch` and `scene` are ids; with neither it is all branches. `system` is the system prompt that is told, None =
    none. `stable` leaves out when it was exported. `agreed` are the ids
    of people whose words may train models."""

    model_config = ConfigDict(frozen=True)

    branch: int | None = None
    scene: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    pseudonymise: bool = False
    system: str | None = None
    stable: bool = False
    title: str = ""
    bot_name: str = "Duologue"
    language: str = "en"
    agreed: frozenset[str] = frozenset()


async def chosen(archive: Archive, what: str, which: str = "") -> Wanted:
    """`branch` is the active one or the one of this name or number, `scene` the newest or the one of this number, `all`
    are all branches. Raises UsageError."""
    match what.strip().lower():
        case "all" | "branches":
            return Wanted(title=say("Conversation"))
        case "scene":
            scene, number = _scene(await archive.scenes(), which)
            return Wanted(scene=scene.root, title=scene.bill.title or say("Scene {number}", number=number))
        case "" | "branch":
            branch = _branch(await archive.branches(), which)
        case name:
            branch = _branch(await archive.branches(), which or name)
    # A page is not called “main” where nobody asked for a branch by its name.
    asked = which or what.strip().lower() not in ("", "branch")
    return Wanted(branch=branch.id, title=(branch.name if asked else "") or say("Conversation"))


def _branch(known: Sequence[Branch], which: str) -> Branch:
    wanted = " ".join(which.strip().strip("`").split()).casefold()
    if not known:
        raise UsageError(say("I remember nothing of this place, so there is nothing to export."))
    if not wanted:
        return next(one for one in known if one.active)
    by_name = [one for one in known if " ".join(one.name.split()).casefold() == wanted]
    if not by_name and wanted.isdecimal() and 1 <= int(wanted) <= len(known):
        by_name = [known[int(wanted) - 1]]
    if by_name:
        return by_name[-1]
    names = ", ".join(f"`{one.name or number}`" for number, one in enumerate(known[:MOST_NAMES], 1))
    raise UsageError(say("There is no branch `{name}` here. There are {names}.", name=which.strip()[:60], names=names))


def _scene(known: Sequence[SceneSpan], which: str) -> tuple[SceneSpan, int]:
    """With its number, counted from 1."""
    if not known:
        raise UsageError(say("No scene was performed here yet."))
    wanted = which.strip().lstrip("#")
    if not wanted:
        return known[-1], len(known)
    if wanted.isdecimal() and 1 <= int(wanted) <= len(known):
        return known[int(wanted) - 1], int(wanted)
    raise UsageError(
        say("There is no such scene here. They are counted from 1 to {count}, the newest last.", count=len(known))
    )


def moment(text: str, now: datetime, zone: tzinfo, *, ends: bool = False) -> datetime:
    """`2h`, `7d`, a date, or a date with a time; a date alone is its beginning, or with `ends` its end. Raises
    UsageError."""
    given = text.strip().lower()
    try:
        if ago := AGO.fullmatch(given):
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        if len(given) <= 10:
            day = date.fromisoformat(given) + timedelta(days=1 if ends else 0)
            return datetime.combine(day, time(), zone).astimezone(UTC)
        found = datetime.fromisoformat(given.upper())
        return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        shown = " ".join(text.replace("`", "'").split())[:40]
        raise UsageError(
            say("`{given}` is no moment. Write `2h`, `7d`, `2026-11-21` or `2026-11-21 18:30`.", given=shown)
        ) from None


def bot_of(wanted: Wanted) -> Speaker:
    return Speaker("bot", wanted.bot_name, "bot")
