"""The audience's part: directors call a vote, and people vote by reaction, button or command."""

from __future__ import annotations

from typing import Annotated

from bot.api import Arg, ButtonPressed, Context, Reacted, Reply, UsageError, say
from plugins.roleplay.ballots import LEAST_OPTIONS, LONGEST_OPTION, MOST_OPTIONS, Ballot, option_of, options_in
from plugins.roleplay.declared import plugin, roleplay
from plugins.roleplay.desk import go_on
from plugins.roleplay.scene import Scene
from plugins.roleplay.stage import check_directs, scene_here, scene_job, without_buttons

LONGEST_VOTE = MOST_OPTIONS * (LONGEST_OPTION + 3)


@roleplay.command("vote", immediate=True)
async def vote(
    ctx: Context,
    options: Annotated[
        str, Arg("What may happen, with | between; or the number you vote for", max_length=LONGEST_VOTE, rest=True)
    ] = "",
    seconds: Annotated[float | None, Arg("How long people can vote", ge=5, le=3600)] = None,
) -> Reply | None:
    """Let the audience decide what happens next; without anything I propose what."""
    standing = await scene_here(ctx)
    scene = standing.state
    is_open = scene.ballot is not None and scene.ballot.message is not None
    if is_open and options.strip().isdecimal():
        return await _cast(ctx, scene, int(options) - 1)
    check_directs(ctx, scene)
    if scene.ballot is not None and not is_open:
        raise UsageError(say("The vote has not begun yet. Wait a moment, until I show what to vote on."))
    if scene.ballot is not None:
        raise UsageError(say("A vote is going on already. `/roleplay next` ends it."))
    wanted = options_in(options)
    if options.strip() and not LEAST_OPTIONS <= len(wanted) <= MOST_OPTIONS:
        least, most = LEAST_OPTIONS, MOST_OPTIONS
        raise UsageError(
            say(
                "A vote needs {least} to {most} things that may happen, such as "
                "`/roleplay vote It rains | A bear comes`.",
                least=least,
                most=most,
            )
        )
    ballot = Ballot(options=wanted, seconds=seconds or scene.vote_seconds)
    await ctx.change(scene_job, lambda now: now.changed(ballot=now.ballot or ballot), wake=True)
    if not standing.running:
        await go_on(ctx, scene)
        if not wanted:
            return Reply(say("🗳 I am thinking of what might happen. That takes a moment."), private=True)
        return None
    return Reply(say("🗳 The vote begins after the line that is being said."), private=True)


@plugin.button("ballot")
async def press_ballot(ctx: Context, option: str) -> Reply | None:
    standing = await ctx.job(scene_job)
    scene: Scene | None = standing.state if standing is not None else None
    if scene is None or not _is_of(ctx, scene):
        await without_buttons(ctx)
        raise UsageError(say("This vote is over."))
    return await _cast(ctx, scene, int(option) if option.isdecimal() else -1)


@plugin.on(Reacted)
async def react(ctx: Context) -> None:
    event = ctx.event
    if not isinstance(event, Reacted) or event.user.is_bot:
        return
    option = option_of(event.emoji)
    standing = await ctx.job(scene_job) if option is not None else None
    if standing is None or option is None or not _is_open_at(standing.state, event.message):
        return
    user, message, added = event.user.id, event.message, event.added

    def change(scene: Scene) -> Scene | None:
        if scene.ballot is None or not _is_open_at(scene, message):
            return scene
        ballot = scene.ballot.with_vote(user, option) if added else scene.ballot.without_vote(user, option)
        return scene.changed(ballot=ballot)

    await ctx.change(scene_job, change)


async def _cast(ctx: Context, scene: Scene, option: int) -> Reply:
    ballot = scene.ballot
    assert ballot is not None, "asked only while a vote is open"
    assert ballot.message is not None, "asked only while a vote is open"
    if not 0 <= option < len(ballot.options):
        raise UsageError(say("You can vote for a number from 1 to {most}.", most=len(ballot.options)))
    user, message = ctx.user.id, ballot.message[0]

    def change(now: Scene) -> Scene | None:
        if now.ballot is None or not _is_open_at(now, message):
            return now
        return now.changed(ballot=now.ballot.with_vote(user, option))

    await ctx.change(scene_job, change)
    return Reply(say("🗳 You voted for {event}", event=ballot.options[option]), private=True)


def _is_of(ctx: Context, scene: Scene) -> bool:
    return isinstance(ctx.event, ButtonPressed) and _is_open_at(scene, ctx.event.message)


def _is_open_at(scene: Scene, message: str) -> bool:
    return scene.ballot is not None and scene.ballot.message is not None and scene.ballot.message[0] == message
