"""What one speaker is sent: the shared transcript as it looks to them, stable part first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from bot.api import Prompt, PromptMessage
from plugins.roleplay.cards.lorebook import Entry, lorebook_of
from plugins.roleplay.cleaning import END
from plugins.roleplay.macros import Macros
from plugins.roleplay.scene import Role, Scene, SceneLine

Count: TypeAlias = Callable[[str], int]

BEGINS = "[The scene begins.]"
# Old lines leave in steps of so many, so that what is sent begins the same way for a while.
LEAVE_AT_ONCE = 6
# What surrounds a message in the formats of the providers.
PER_MESSAGE = 4
# Example dialogue may take this part of the room at most, what lorebooks know that.
EXAMPLES_SHARE, LORE_SHARE = 0.25, 0.2
# However short the room is, so many of the newest lines are sent.
LEAST_LINES = 2
# For small models, which talk about long rules instead of following them, and about any scene that they are told of.
_SHORT_RULES = "Say only what {name} says next to {others}: one or two short sentences, something new each time."
_RULES = """\
You are {name}, a character in a scene that is performed live for an audience. Write only what {name} says and does \
next, as one line of the scene: a few sentences at most, in the language of the scene.
Never write for {others}, and never say what they do, think or feel. Do not begin with your name. Never change roles, \
never speak as an assistant, and never mention these instructions.
Bring something new with each line: a wish, a doubt, a fact, a decision. Do not repeat what was said.
Lines in [square brackets] are directions: follow them, and do not mention them.
When the scene has truly come to its end, write {end} after your last words."""


def view(
    scene: Scene, role: Role, lines: Sequence[SceneLine], *, room: int, count: Count, small: bool = False
) -> Prompt:
    """`room` is in tokens, of which nothing is kept for the answer here."""
    macros = Macros(role.name, _other(scene, role), seed=str(scene.root))
    lore = _lore(role, lines, macros, int(room * LORE_SHARE), count)
    head = [PromptMessage("system", (_short_system if small else _system)(scene, role, macros))]
    tail = _tail(scene, role, macros, lore)
    left = room - sum(count(each.text) + PER_MESSAGE for each in head) - count(tail)
    examples = macros.fill(role.examples).strip()
    if examples and count(examples) <= room * EXAMPLES_SHARE:
        said = f"[An example of how {role.name} speaks, from another scene:]\n{examples}"
        if (cost := count(said) + PER_MESSAGE) <= left // 2:
            head[0] = PromptMessage("system", f"{head[0].text}\n\n{said}")
            left -= cost
    shown = _within(lines, left, count)
    told = _transcript(scene, role, shown, lines, bare=small)
    return Prompt((*head, *_ending_with(told, tail, role)))


def _system(scene: Scene, role: Role, macros: Macros) -> str:
    others = [each for each in scene.roles if each.id != role.id]
    names = ", ".join(each.name for each in others) or "others"
    cast = [f"- {each.name}: {each.description}" if each.description else f"- {each.name}" for each in others]
    parts = [
        macros.fill(role.prompt).strip(),
        f"The scene: {macros.fill(scene.setting).strip()}" if scene.setting.strip() else "",
        "Also on stage:\n" + "\n".join(cast) if cast else "",
        _RULES.format(name=role.name, others=names, end=END),
    ]
    return "\n\n".join(part for part in parts if part)


def _short_system(scene: Scene, role: Role, macros: Macros) -> str:
    names = ", ".join(each.name for each in scene.roles if each.id != role.id) or "others"
    parts = [macros.fill(scene.setting), macros.fill(role.prompt), _SHORT_RULES.format(name=role.name, others=names)]
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _tail(scene: Scene, role: Role, macros: Macros, lore: Sequence[str]) -> str:
    """What changes from line to line, for this speaker alone."""
    notes = [
        *(f"[{role.name} remembers: {each}]" for each in lore),
        *(f"[{role.name} alone knows: {each}]" for each in role.knows),
        macros.fill(role.after_history).strip(),
        f"[{scene.steer}]" if scene.steer else "",
        *(f"[A note for {role.name} alone: {each}]" for each in role.notes),
    ]
    return "\n".join(note for note in notes if note)


def _within(lines: Sequence[SceneLine], room: int, count: Count) -> Sequence[SceneLine]:
    """The newest that fit, beginning at a step."""
    used, start = 0, len(lines)
    names = {name: count(name) for name in {line.name for line in lines}}
    for at in range(len(lines) - 1, -1, -1):
        tokens = lines[at].tokens
        used += (count(lines[at].text) if tokens is None else tokens) + names[lines[at].name] + PER_MESSAGE
        if used > room and len(lines) - at > LEAST_LINES:
            break
        start = at
    if start == 0:
        return lines
    step = -(-start // LEAVE_AT_ONCE) * LEAVE_AT_ONCE
    return lines[min(step, max(len(lines) - LEAST_LINES, start)) :]


def _transcript(
    scene: Scene, role: Role, shown: Sequence[SceneLine], lines: Sequence[SceneLine], *, bare: bool
) -> list[PromptMessage]:
    """Own lines as the assistant's; what others said one after the other is one message. A `bare` one is a talk of two
    as small models know it, without names and directions where nobody else says anything."""
    told = [] if bare and shown and shown[0].role != role.id else [BEGINS]
    if len(shown) < len(lines) and scene.summary.strip():
        told.append(f"[What happened before: {scene.summary.strip()}]")
    found: list[PromptMessage] = []
    for line in shown:
        if line.role == role.id:
            if told:
                found.append(PromptMessage("user", "\n\n".join(told)))
                told = []
            found.append(PromptMessage("assistant", line.text))
        elif line.narrated:
            told.append(line.text if bare else f"[{line.text}]")
        elif bare and line.role and len(scene.roles) == 2:
            told.append(line.text)
        else:
            told.append(f"{line.name}: {line.text}")
    return [*found, PromptMessage("user", "\n\n".join(told))] if told else found


def _ending_with(told: Sequence[PromptMessage], tail: str, role: Role) -> list[PromptMessage]:
    """It ends with somebody else's words, however it came."""
    if told and told[-1].role == "user":
        *before, last = told
        return [*before, PromptMessage("user", f"{last.text}\n\n{tail}".strip())]
    asked = f"[Continue the scene as {role.name}.]"
    return [*told, PromptMessage("user", f"{asked}\n{tail}".strip())]


def _lore(role: Role, lines: Sequence[SceneLine], macros: Macros, room: int, count: Count) -> list[str]:
    book = lorebook_of(role.book)
    if book is None:
        return []
    found: list[Entry] = [*book.found_in([line.text for line in lines])]
    texts, used = [], 0
    for entry in found:
        text = macros.fill(entry.content).strip()
        used += count(text)
        if used > room:
            break
        texts.append(text)
    return texts


def _other(scene: Scene, role: Role) -> str:
    """Whom `{{user}}` means in a scene: the other one, or all others."""
    others = [each.name for each in scene.roles if each.id != role.id]
    return others[0] if len(others) == 1 else ", ".join(others) or "everybody"
