"""Who speaks next."""

from __future__ import annotations

import re
from collections.abc import Sequence

from plugins.roleplay.scene import Role, Scene, SceneLine

# “The Doctor” is not named by each “the”.
ARTICLES = ("the", "a", "an", "der", "die", "das", "ein", "eine", "le", "la", "les", "un", "une", "el", "los", "las")


def next_role(scene: Scene, lines: Sequence[SceneLine]) -> Role | None:
    """None where somebody has to say so first. The director's choice is made elsewhere and comes as `scene.next`."""
    if (asked := scene.role(scene.next)) is not None:
        return asked
    spoken = [line.role for line in lines if line.role]
    last = spoken[-1] if spoken else ""
    match scene.order:
        case "manual":
            return None
        case "mention":
            return _named_in(scene, lines, last) or _following(scene, last)
        case "alternate":
            return _longest_silent(scene, spoken)
    return _following(scene, last)


def passed_over(scene: Scene, lines: Sequence[SceneLine]) -> Role:
    """Who speaks when whoever would speak next does not."""
    would = next_role(scene, lines) or _longest_silent(scene, [line.role for line in lines if line.role])
    as_if = SceneLine(0, would.name, "", role=would.id)
    order = "alternate" if scene.order == "manual" else scene.order
    chosen = next_role(scene.changed(next="", order=order), [*lines, as_if])
    return chosen or would


def _following(scene: Scene, last: str) -> Role:
    """The one behind the last speaker, in the order of the cast."""
    ids = [role.id for role in scene.roles]
    return scene.roles[(ids.index(last) + 1) % len(ids) if last in ids else 0]


def _longest_silent(scene: Scene, spoken: Sequence[str]) -> Role:
    """Of two it is always the other one."""
    said_at = {id: at for at, id in enumerate(spoken)}
    first = scene.opener_by if not spoken else ""
    waiting = [role for role in scene.roles if role.id != first] or [*scene.roles]
    return min(waiting, key=lambda role: said_at.get(role.id, -1))


def _named_in(scene: Scene, lines: Sequence[SceneLine], last: str) -> Role | None:
    """Whoever the newest line names last, but never the one who said it."""
    if not lines:
        return None
    text, by = lines[-1].text, lines[-1].role or last
    firsts = [role.name.split()[0].casefold() for role in scene.roles]
    found = [
        (match.end(), role)
        for role in scene.roles
        if role.id != by
        for name in _called(role, firsts)
        for match in re.finditer(rf"\b{re.escape(name)}\b", text, re.IGNORECASE)
    ]
    return max(found, key=lambda each: each[0])[1] if found else None


def _called(role: Role, firsts: Sequence[str]) -> Sequence[str]:
    """The whole name, and its first word where that is one of nobody else and no article."""
    first = role.name.split()[0]
    alone = firsts.count(first.casefold()) == 1 and first.casefold() not in ARTICLES
    return (role.name, first) if alone else (role.name,)
