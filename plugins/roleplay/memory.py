"""What characters know beyond the lines that still fit: a summary of the scene, and what they learned in others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from bot.api import BotError, Context
from plugins.roleplay.asking import asked
from plugins.roleplay.cards.lorebook import CHARS_PER_TOKEN
from plugins.roleplay.personas import home, personas_here
from plugins.roleplay.scene import Role, Scene, SceneLine
from plugins.roleplay.speaking import choice_of

log = logging.getLogger(__name__)

# A summary is made when the transcript fills this part of what the smallest of its speakers can be sent, …
FULL = 0.6
# … of all lines but the newest, and not before so many are new.
KEPT_LINES, NEW_LINES = 8, 6
# So long a scene waits for a summary, which it can do without.
SUMMARY_SECONDS = 20.0
LONGEST_SUMMARY, LONGEST_NOTE = 2_000, 300
# What a persona keeps of all its scenes, newest last.
MOST_NOTES = 12
NOTES_OF_A_SCENE = 4
_SUMMARY = """\
Here is the beginning of a scene. Tell in at most eight short sentences what happened so far: who wants what, what was \
agreed, promised, found out or lost. Only facts of the scene, in its language, and nothing else.

{before}{lines}"""
_LEARNED = """\
Here is a scene that {name} took part in. What will {name} still know from it in a week? Write at most {most} lines, \
each one short sentence about what {name} learned, promised, felt or decided, in the language of the scene, and \
nothing else.

{before}{lines}"""


class Learned(BaseModel):
    """What a persona keeps between scenes, by the id of the persona."""

    model_config = ConfigDict(frozen=True)

    notes: tuple[str, ...] = ()


async def summarised(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> Scene:
    """With a newer summary, where one is needed and can be had. Whatever fails leaves the old one."""
    new = [line for line in lines[:-KEPT_LINES] if line.id > scene.summary_until]
    if len(new) < NEW_LINES or not _is_full(ctx, scene, lines):
        return scene
    try:
        async with asyncio.timeout(SUMMARY_SECONDS):
            text = _SUMMARY.format(before=_before(scene), lines=_said(new))
            told, scene = await asked(ctx, scene, text, answer_tokens=LONGEST_SUMMARY // CHARS_PER_TOKEN)
    except (BotError, TimeoutError) as error:
        log.info("a scene goes on without a newer summary: %r", error)
        return scene
    if not told:
        return scene
    return scene.changed(summary=told[:LONGEST_SUMMARY], summary_until=new[-1].id)


async def learn(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> None:
    """Let personas that were told to keep what they learned do so, at the end of a scene, if they still are."""
    here = await personas_here(ctx) if any(role.remembers for role in scene.roles) else {}
    for role in scene.roles:
        if not (role.remembers and role.persona and any(line.role == role.id for line in lines)):
            continue
        if role.persona not in here or not here[role.persona].keeps_memory:
            continue
        text = _LEARNED.format(name=role.name, most=NOTES_OF_A_SCENE, before=_before(scene), lines=_said(lines))
        try:
            async with asyncio.timeout(SUMMARY_SECONDS):
                most = NOTES_OF_A_SCENE * LONGEST_NOTE // CHARS_PER_TOKEN
                told, scene = await asked(ctx, scene, text, answer_tokens=most, model=choice_of(ctx, role))
        except (BotError, TimeoutError) as error:
            log.info("%s keeps nothing of this scene: %r", role.persona, error)
            continue
        notes = [line.strip(" -*•\t")[:LONGEST_NOTE] for line in told.splitlines() if line.strip(" -*•\t")]
        await _keep(ctx, role, notes[:NOTES_OF_A_SCENE])


async def recalled(ctx: Context, persona: str) -> tuple[str, ...]:
    """What a persona learned in earlier scenes."""
    kept = await ctx.load(Learned, scope=home(ctx), key=persona)
    return kept.notes if kept is not None else ()


async def forget(ctx: Context, persona: str) -> None:
    await ctx.forget_state(Learned, scope=home(ctx), key=persona)


async def _keep(ctx: Context, role: Role, notes: Sequence[str]) -> None:
    if notes:
        before = await recalled(ctx, role.persona)
        new = tuple(note for note in notes if note not in before)
        await ctx.save(Learned(notes=(*before, *new)[-MOST_NOTES:]), scope=home(ctx), key=role.persona)


def _is_full(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> bool:
    room = FULL * min(ctx.conversation.room(choice_of(ctx, role)).prompt for role in scene.roles)
    # No token is shorter than a byte, so short scenes need not be counted.
    return sum(len(line.text.encode()) for line in lines) > room and (
        sum(ctx.models.count(line.text) for line in lines) > room
    )


def _before(scene: Scene) -> str:
    setting = f"The scene: {scene.setting.strip()}\n\n" if scene.setting.strip() else ""
    return f"{setting}What happened before: {scene.summary}\n\n" if scene.summary else setting


def _said(lines: Sequence[SceneLine]) -> str:
    return "\n\n".join(f"[{line.text}]" if line.narrated else f"{line.name}: {line.text}" for line in lines)
