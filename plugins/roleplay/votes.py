"""Votes of the audience while a scene is performed: what may happen next is asked, waited for, counted and told."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Sequence

from bot.api import BotError, Button, Context, DeliveryError, Reply, SentId, counted, say
from plugins.roleplay.asking import asked
from plugins.roleplay.ballots import LEAST_OPTIONS, LONGEST_OPTION, MOST_OPTIONS, SIGNS, Ballot
from plugins.roleplay.scene import NARRATOR, Scene, SceneLine, lines_of
from plugins.roleplay.telling import narrate, reacting

log = logging.getLogger(__name__)

# Of the newest lines a model sees so many when it proposes what may happen, and it proposes so much.
LINES_SHOWN, PROPOSED = 12, 3
ANSWER_TOKENS = 120
# How everything begins that a vote says, in each language.
VOTE = "🗳"
_ASKED = """\
A scene is performed for an audience that decides what happens next. The cast: {names}. The scene: {setting}

{lines}

Propose {count} surprising events that could happen right now, each from outside the characters and very different \
from the others. One short sentence per line, in the language of the scene, and nothing else."""
_NUMBERED = re.compile(r"^[\s>*•–-]*(?:\(?\d{1,2}[.):]\s*)?")


def is_due(scene: Scene) -> bool:
    """Whether the audience is to be asked before the next line."""
    if scene.ballot is not None:
        return scene.ballot.message is None
    every = scene.votes_every
    return bool(every and scene.turn and scene.turn % every == 0 and scene.polled_at != scene.turn)


async def open_vote(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> Scene:
    """The ballot stands on the platform then. Without one, nothing could be asked and the scene goes on."""
    wanted = scene.ballot or Ballot(seconds=scene.vote_seconds)
    scene = scene.changed(polled_at=scene.turn, ballot=None)
    if not wanted.options:
        options, scene = await _proposed(ctx, scene, lines)
        wanted = wanted.model_copy(update={"options": options})
    if len(wanted.options) < LEAST_OPTIONS:
        return scene
    buttons = tuple(Button("ballot", str(at + 1), (str(at),), who="anyone") for at in range(len(wanted.options)))
    sent = await ctx.send(Reply(_told(ctx, wanted), buttons=buttons))
    if not sent:
        return scene
    return scene.changed(ballot=wanted.model_copy(update={"message": (sent[-1].id, sent[-1].kind)}))


async def close_vote(ctx: Context, scene: Scene) -> Scene:
    """Count, and let happen what most want. One of several that are equal is drawn."""
    ballot = scene.ballot
    assert ballot is not None, "closed only once it was opened"
    assert ballot.message is not None, "closed only once it was opened"
    scene = scene.changed(ballot=None)
    try:
        await ctx.edit(SentId(*ballot.message), Reply())
    except DeliveryError as error:
        log.info("the buttons of a vote stay: %r", error)
    winners = ballot.winners
    if not winners:
        await ctx.reply(say("🗳 Nobody voted, so the scene goes on as it was."))
        return scene
    told = await _narrated(ctx, scene, ballot)
    if told is None:
        told = random.choice(winners)
        votes = counted(len(ballot.votes), "{count} vote", "{count:,} votes")
        result = say("🗳 The audience has decided: **{event}** ({votes})", event=told, votes=votes)
        if len(winners) > 1:
            result = say("🗳 It is a tie, so the lot decides: **{event}** ({votes})", event=told, votes=votes)
        await ctx.reply(result)
        await narrate(ctx, scene, told)
    return reacting(told)(scene) or scene


async def _narrated(ctx: Context, scene: Scene, ballot: Ballot) -> str | None:
    """What was told already, right before the bot died."""
    lines = lines_of(scene, await ctx.conversation.path(10))
    newest = [line.text for line in lines if line.narrated and line.id > (scene.last or 0)]
    return next((text for text in newest if text in ballot.options), None)


def _told(ctx: Context, ballot: Ballot) -> str:
    options = [f"{sign} {text}" for sign, text in zip(SIGNS, ballot.options, strict=False)]
    how = say(
        "Type `/roleplay vote 1`, with the number that you want. "
        "The vote ends in {seconds:.0f} s, or with `/roleplay next`.",
        seconds=ballot.seconds,
    )
    if ctx.capabilities.buttons:
        how = say("Press a button, or react with a number. The vote ends in {seconds:.0f} s.", seconds=ballot.seconds)
    return "\n".join([say("🗳 **What happens next?**"), *options, f"-# {how}"])


async def _proposed(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> tuple[tuple[str, ...], Scene]:
    """What a model thinks may happen, and the scene with what that took. Nothing where it fails or costs too much."""
    said = "\n\n".join(f"{line.name}: {line.text}" for line in lines[-LINES_SHOWN:])
    names = ", ".join(role.name for role in scene.roles)
    text = _ASKED.format(names=names, setting=scene.setting, lines=said, count=PROPOSED)
    try:
        answer, scene = await asked(ctx, scene, text, answer_tokens=ANSWER_TOKENS)
    except BotError as error:
        log.info("nothing to vote on could be thought of: %r", error)
        return (), scene
    found = [_NUMBERED.sub("", line).strip().strip('*"“”')[:LONGEST_OPTION] for line in answer.splitlines()]
    events = dict.fromkeys(text for text in found if text and text.casefold() != NARRATOR.casefold())
    return tuple(events)[:MOST_OPTIONS], scene
