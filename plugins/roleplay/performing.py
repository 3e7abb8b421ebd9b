"""A scene while it is performed: one step is one line."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Literal, TypeAlias

from bot.api import (
    BotError,
    Button,
    Context,
    DeliveryError,
    DeliveryRefused,
    LimitReached,
    Line,
    NoQuota,
    Paused,
    Prompt,
    Remembered,
    Reply,
    SentId,
    Speaker,
    TargetGone,
    UsageError,
    WrongKey,
    counted,
    phrase,
    say,
)
from plugins.roleplay.asking import asked
from plugins.roleplay.endings import (
    Ending,
    Errors,
    Farewell,
    Phrase,
    Progress,
    Reason,
    Time,
    Turns,
    reason_to_end,
    repeats,
)
from plugins.roleplay.memory import learn, summarised
from plugins.roleplay.order import next_role
from plugins.roleplay.scene import Performed, Plan, Role, Scene, SceneLine, caught_up, is_elsewhere, lines_of
from plugins.roleplay.speaking import Spoken, is_too_dear, prompt_for, recited, speak
from plugins.roleplay.telling import how_to_switch, narrator_of
from plugins.roleplay.votes import close_vote, is_due, open_vote

log = logging.getLogger(__name__)

Asked: TypeAlias = Callable[[], Awaitable[bool]]

# What of the transcript is looked at for each line.
LOOKS_AT = 200
# After going round in circles a speaker is asked once for something else; when it happens again so soon, it is over.
STEERED_TURNS = 3
# A name.
DIRECTED_TOKENS = 20
STEER = "You are repeating yourself. Move the scene on: let something happen, or bring it to its end."
# So many tries in a row that failed, and the scene waits; as many again once somebody went on, and it is over.
MOST_ERRORS = 3
# Lines in a row that could not be shown before it is taken for said that nobody can see them.
MOST_UNSEEN = 2
REASONS: dict[Reason, str] = {
    "turns": phrase("all lines were said"),
    "budget": phrase("the next line would cost more than is left of the budget"),
    "time": phrase("the time is over"),
    "phrase": phrase("the closing words were said"),
    "farewell": phrase("they said goodbye"),
    "loop": phrase("they went round in circles"),
    "idle": phrase("nobody was there any more"),
    "manual": phrase("somebody ended it"),
    "errors": phrase("the language model could not be reached, again and again"),
    "asked": phrase("it came to its end"),
    "empty": phrase("there was nothing left to say"),
}
# How everything begins that says that a scene waits or is over, in each language.
WAITS, OVER = "⏸", "🎬"
PAUSED = phrase("⏸ Paused.")
WAITS_FOR = phrase("⏸ {name} is played by {player}: the scene goes on with their next message.")
WHO_NEXT = phrase("⏸ Who speaks next?")
NOT_NOW = phrase("⏸ The scene is paused: {why}")
ELSEWHERE = phrase(
    "⏸ The lines of this scene are no longer here: they are in another branch, or were forgotten. "
    "`/roleplay stop` ends the scene."
)


def panel(scene: Scene, *, running: bool) -> tuple[Button, ...]:
    """The director's desk, below the newest line."""
    by = scene.started_by
    if running:
        return (
            Button("pause", say("⏸ Pause"), asker=by),
            Button("skip", say("⏭ Skip"), asker=by),
            Button("stop", say("⏹ End"), look="danger", asker=by),
        )
    return (
        Button("resume", say("▶ Go on"), look="primary", asker=by),
        Button("step", say("⏯ One line"), asker=by),
        Button("retry", say("🔁 Again"), asker=by),
        Button("stop", say("⏹ End"), look="danger", asker=by),
    )


async def perform(ctx: Context, scene: Scene, is_ended: Asked) -> Scene | Paused[Scene] | None:
    """The next line, a vote, or the end. None when it is over; it `is_ended` where somebody ended it during the line.
    Where nothing can be said any more, nothing is tried."""
    try:
        return await _performed(ctx, scene, is_ended)
    except TargetGone as error:
        log.info("the place of a scene is gone: %r", error)
        await end(ctx, scene, "idle")
        return None
    except DeliveryRefused as error:
        return _unseen(scene, error)


async def _performed(ctx: Context, scene: Scene, is_ended: Asked) -> Scene | Paused[Scene] | None:
    began = monotonic()
    path = await ctx.conversation.path(LOOKS_AT)
    if scene.root is None:
        return await _open(ctx, scene, path)
    if len(path) < LOOKS_AT and is_elsewhere(scene, path):
        return Paused(await rest(ctx, scene, f"{say(ELSEWHERE)}{how_to_switch(ctx)}"))
    if scene.ballot is not None and scene.ballot.message is not None:
        return await close_vote(ctx, scene)
    if scene.hold:
        return Paused(await rest(ctx, scene, say(PAUSED)))
    lines = lines_of(scene, path)
    scene = caught_up(scene, lines)
    if is_due(scene):
        return await open_vote(ctx, scene, lines)
    cut = to_say_anew(scene, lines)
    if cut is None and (reason := _over(scene, lines)):
        await end(ctx, scene, reason)
        return None
    role, scene = (scene.role(cut.role), scene) if cut is not None else await _next(ctx, scene, lines)
    if role is None:
        return Paused(await rest(ctx, scene, say(WHO_NEXT)))
    if role.player:
        waiting = scene.changed(waits_for=role.player)
        return Paused(await rest(ctx, waiting, say(WAITS_FOR, name=role.name, player=role.player_name)))
    try:
        lines = [line for line in lines if cut is None or line.id < cut.id]
        performed, said = await _line(ctx, scene, role, lines, cut)
    except (TargetGone, DeliveryRefused):
        raise
    except BotError as error:
        return None if await is_ended() else await _failed(ctx, scene, error)
    if await is_ended():
        await clear_panel(ctx, performed or scene)
        return None
    if performed is None and cut is not None and not cut.cut:
        # The line that somebody wanted anew is still there.
        return Paused(await rest(ctx, scene.changed(redo=False), say(PAUSED)))
    if performed is None:
        await end(ctx, scene, "empty")
        return None
    performed = performed.changed(seconds=performed.seconds + monotonic() - began + performed.pace)
    if said is not None and said.interrupted:
        # It is remembered, but could not be shown whole.
        performed = performed.changed(errors=scene.errors + 1, over="")
        return _unseen(performed, None) if performed.errors >= MOST_UNSEEN else performed
    # What people said meanwhile is looked at before the next line.
    lines = lines if said is None else [*lines, _as_line(role, said)]
    if reason := performed.over or _over(performed, lines):
        await end(ctx, performed, reason)
        await learn(ctx, performed, lines)
        return None
    performed = await summarised(ctx, performed, lines)
    return Paused(await rest(ctx, performed, say(PAUSED))) if scene.step else performed


async def rest(ctx: Context, scene: Scene, sentence: str) -> Scene:
    """Say that it waits, with the desk below."""
    await clear_panel(ctx, scene)
    if not ctx.capabilities.buttons:
        how = say("`/roleplay resume` goes on, `/roleplay step` lets one line be said, `/roleplay stop` ends it.")
        sentence = f"{sentence}\n-# {how}"
    try:
        sent = await ctx.send(Reply(sentence, buttons=panel(scene, running=False)))
    except DeliveryError as error:
        log.info("nobody could be told that a scene waits: %r", error)
        sent = ()
    return scene.changed(panel=(sent[-1].id, sent[-1].kind) if sent else None, step=False, hold=False)


def _unseen(scene: Scene, error: BotError | None) -> Paused[Scene]:
    """Nobody is told, as nobody could see it."""
    log.info("a scene waits, as its lines cannot be shown: %r", error)
    return Paused(scene.changed(step=False, hold=False, errors=0, over="idle"))


async def end(ctx: Context, scene: Scene, reason: Reason) -> None:
    """Say that it is over, and why. Others may make a template of it afterwards."""
    await clear_panel(ctx, scene)
    await ctx.save(Performed(scene=scene.changed(over=reason)))
    lines = [say("🎬 The scene is over: {reason}.", reason=say(REASONS[reason]))]
    spent = counted(
        scene.turn, "{count} line, {tokens:,} tokens", "{count} lines, {tokens:,} tokens", tokens=scene.tokens
    )
    lines.append(f"-# {spent}" + (f", ${scene.cost:.4f}" if scene.cost else ""))
    try:
        await ctx.reply("\n".join(lines))
    except DeliveryError as error:
        log.info("nobody could be told that a scene is over: %r", error)


async def clear_panel(ctx: Context, scene: Scene) -> None:
    if scene.panel is not None:
        await without_buttons(ctx, SentId(*scene.panel))


async def without_buttons(ctx: Context, sent: SentId) -> None:
    try:
        await ctx.edit(sent, Reply())
    except BotError as error:
        log.info("the buttons of a scene stay: %r", error)


# The beginning.


async def _open(ctx: Context, scene: Scene, path: Sequence[Remembered]) -> Scene:
    """The line that it begins with; without one, the narrator says where it plays. No model is asked."""
    speaker, text = _opening(scene)
    plan = await ctx.load(Plan, key=scene.started_by)
    if plan is not None and plan.look == scene.look:
        await ctx.forget_state(Plan, key=scene.started_by)
    begun = beginning(scene, path)
    if begun is not None and begun.text == text and begun.status == "complete":
        return scene.changed(root=begun.id)
    line = await ctx.say(
        speaker,
        Prompt(()),
        through=recited(text, panel(scene, running=True)),
        instead_of=begun.id if begun is not None else None,
    )
    return scene.changed(root=line.message, panel=_last(line))


def beginning(scene: Scene, path: Sequence[Remembered]) -> Remembered | None:
    """The first line, as far as it was said before the bot died."""
    if scene.root is not None:
        return next((one for one in path if one.id == scene.root), None)
    speaker, text = _opening(scene)
    said = (one for one in path if one.id > scene.after and one.role == "assistant" and one.speaker == speaker.name)
    return next((one for one in said if text.startswith(one.text)), None)


def _opening(scene: Scene) -> tuple[Speaker, str]:
    role = scene.role(scene.opener_by)
    if role is not None and scene.opener:
        return role.speaker, scene.opener
    return narrator_of(scene), scene.opening


def to_say_anew(scene: Scene, lines: Sequence[SceneLine]) -> SceneLine | None:
    """The last line, where it was interrupted or somebody wants another."""
    generated = [line for line in lines if line.generated]
    if not generated:
        return None
    last = generated[-1]
    # Once somebody on stage went on from it, it stays as it is.
    is_open = last.cut and not any(line.role for line in lines if line.id > last.id)
    return last if scene.redo or is_open else None


# Who and whether.


def _over(scene: Scene, lines: Sequence[SceneLine]) -> Reason | None:
    endings: list[Ending] = [Turns(scene.turns)]
    if scene.minutes:
        endings.append(Time(scene.minutes * 60))
    if scene.phrases:
        endings.append(Phrase(scene.phrases))
    progress = Progress(
        [line.said for line in lines if not line.narrated],
        turns=scene.turn,
        running=scene.seconds,
    )
    on_stage = Progress([line.said for line in lines if line.role])
    # Somebody of the audience may take leave without ending it.
    return reason_to_end(progress, endings) or (Farewell().reason(on_stage) if scene.ends_itself else None)


async def _next(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> tuple[Role | None, Scene]:
    if scene.order == "director" and not scene.next:
        return await _directed(ctx, scene, lines)
    return next_role(scene, lines), scene


async def _directed(ctx: Context, scene: Scene, lines: Sequence[SceneLine]) -> tuple[Role | None, Scene]:
    """A model says whose turn it is; whatever else it says, the usual order holds."""
    names = ", ".join(role.name for role in scene.roles)
    said = "\n\n".join(f"{line.name}: {line.text}" for line in lines[-12:])
    text = (
        f"You direct a scene. The cast: {names}. The scene: {scene.setting}\n\n{said}\n\n"
        "Who should speak next so that it becomes most interesting? Answer with one name and nothing else."
    )
    answer, scene = await asked(ctx, scene, text, answer_tokens=DIRECTED_TOKENS)
    chosen = scene.named(next(iter(answer.strip(".*\"' \n").splitlines()), ""))
    return chosen or next_role(scene.changed(order="alternate"), lines), scene


# One line.


async def _line(
    ctx: Context, scene: Scene, role: Role, lines: Sequence[SceneLine], cut: SceneLine | None
) -> tuple[Scene | None, Line | None]:
    """The scene after it; `over` tells why it ended. No scene when nothing was left of what the model said."""
    prompt = prompt_for(ctx, scene, role, lines)
    if is_too_dear(ctx, scene, role, prompt):
        return scene.changed(over="budget"), None
    spoken = await speak(
        ctx,
        scene,
        role,
        prompt,
        buttons=panel(scene, running=True),
        instead_of=cut.id if cut is not None else None,
        as_variant=cut is not None and not cut.cut,
        # Nobody waits for it, unless it stands below this line itself.
        begun=(lambda: clear_panel(ctx, scene)) if cut is None else None,
    )
    if spoken.line is None:
        scene = scene.spent(spoken.tokens, spoken.cost)
        return (scene.changed(over="budget") if is_too_dear(ctx, scene, role, prompt) else None), None
    scene = _counted(scene, role, spoken).changed(panel=None if cut is None else scene.panel)
    circles = [*lines, _as_line(role, spoken.line)]
    if scene.ends_itself and repeats([line.said for line in circles if not line.narrated]):
        if scene.steered_at is not None and scene.turn - scene.steered_at <= STEERED_TURNS:
            return await _shown(ctx, scene, spoken.line, over="loop"), spoken.line
        again = await _steered(ctx, scene, role, lines, spoken.line)
        if again is not None:
            spoken, scene = again, scene.spent(again.tokens, again.cost).changed(steered_at=scene.turn)
    assert spoken.line is not None, "looked at above"
    over: Reason | Literal[""] = "asked" if spoken.ends and scene.ends_itself else ""
    return await _shown(ctx, scene, spoken.line, over=over), spoken.line


async def _steered(ctx: Context, scene: Scene, role: Role, lines: Sequence[SceneLine], said: Line) -> Spoken | None:
    """The same line once more, with a word of the director's. What was said stays when that fails."""
    prompt = prompt_for(ctx, scene.changed(steer=STEER), role, lines)
    if is_too_dear(ctx, scene, role, prompt):
        return None
    try:
        again = await speak(ctx, scene, role, prompt, buttons=panel(scene, running=True), instead_of=said.message)
    except BotError as error:
        log.info("a line could not be said anew: %r", error)
        return None
    return again if again.line is not None else None


def _counted(scene: Scene, role: Role, spoken: Spoken) -> Scene:
    assert spoken.line is not None, "only what was said counts"
    counted = scene.spent(spoken.tokens, spoken.cost).with_role(role.id, notes=())
    again = scene.last is not None and spoken.line.message == scene.last
    return counted.changed(
        turn=scene.turn + (not again), last=spoken.line.message, errors=0, next="", steer="", redo=False, waits_for=""
    )


async def _shown(ctx: Context, scene: Scene, line: Line, *, over: Reason | Literal[""]) -> Scene:
    """The desk stands below the newest line alone."""
    if scene.panel != _last(line):
        await clear_panel(ctx, scene)
    return scene.changed(panel=_last(line), over=over)


def _as_line(role: Role, line: Line) -> SceneLine:
    return SceneLine(line.message or 0, role.name, line.text, role=role.id, generated=True)


def _last(line: Line) -> tuple[str, str] | None:
    return (line.sent[-1].id, line.sent[-1].kind) if line.sent else None


async def _failed(ctx: Context, scene: Scene, error: BotError) -> Scene | Paused[Scene] | None:
    """Never a line. What somebody must mend first is told at once, the rest after a few tries."""
    log.warning("a line could not be said: %r", error)
    if isinstance(error, LimitReached | NoQuota | WrongKey | UsageError):
        return Paused(await rest(ctx, scene, say(NOT_NOW, why=say(error.public))))
    scene = scene.changed(errors=scene.errors + 1)
    if reason := Errors(2 * MOST_ERRORS).reason(Progress(errors=scene.errors)):
        await end(ctx, scene, reason)
        return None
    if scene.errors == MOST_ERRORS:
        return Paused(await rest(ctx, scene, say(NOT_NOW, why=say(error.public))))
    return scene
