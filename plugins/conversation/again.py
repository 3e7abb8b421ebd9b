"""Another answer, another wording of a question, or a step back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from bot.api import Arg, Context, NotAllowed, Remembered, Reply, UsageError, numbered, phrase, say
from plugins.conversation.declared import plugin
from plugins.conversation.naming import (
    FURTHEST,
    LONGEST_TYPED,
    SWITCHING,
    check_may_leave,
    find_message,
    may,
    messages_here,
)
from plugins.conversation.words import literally, quoted

LONGEST_QUESTION = 4000
# Among so many messages the newest answer or question of somebody is looked for.
NEAR = 100
MOST_EXCHANGES = 50
# A question that could not be answered is looked for behind so many messages.
MOST_SINCE = 20
NEXT = ("next", "forward", "▶", "weiter", "nächste")
PREVIOUS = ("previous", "back", "prev", "◀", "zurück", "vorige")


@plugin.command("regenerate")
async def regenerate(
    ctx: Context,
    message: Annotated[
        str | None,
        Arg(
            "Not the newest answer, but this one: a number, link or id",
            max_length=LONGEST_TYPED,
            complete=messages_here,
            rest=True,
        ),
    ] = None,
) -> Reply | None:
    """Get another answer; the old one stays beside it."""
    return await answer_anew(ctx, await find_message(ctx, message) if message and message.strip() else None)


async def answer_anew(ctx: Context, named: Remembered | None) -> Reply | None:
    """`named` is an answer or its question, None = the newest answer."""
    if named is None and await _unanswered(ctx) is not None:
        raise UsageError(
            say("I could not answer your last question. Please ask it again, or in other words with `/edit`.")
        )
    answer = await _newest_answer(ctx) if named is None else await _answer_meant(ctx, named)
    question = await ctx.conversation.question_of(answer)
    if question is None or question.status == "forgotten":
        raise UsageError(say("I no longer remember this question. Please ask it again."))
    check_asked(ctx, question)
    if (await _newest_answer(ctx)).id != answer.id:
        await check_may_leave(ctx, question)
    line = await ctx.answer_again(answer)
    if line.message != answer.id or not ctx.capabilities.edits:
        return None
    count = len(await ctx.conversation.variants(answer.id))
    told = say("I have answered anew, in the same place: it is answer {count} of {count} now.", count=count)
    return Reply(told, private=True)


def check_asked(ctx: Context, question: Remembered) -> None:
    if question.author_id != ctx.user.id and not may(ctx, SWITCHING):
        raise NotAllowed(public=phrase("Only whoever asked, or a moderator, may do that."))


async def _newest_answer(ctx: Context) -> Remembered:
    rows = [row for _, row in numbered(await ctx.conversation.path(NEAR)) if row.role == "assistant"]
    if not rows:
        raise UsageError(say("I have not answered anything here yet."))
    return _checked(rows[-1])


async def _answer_meant(ctx: Context, named: Remembered) -> Remembered:
    if named.role == "assistant":
        return _checked(named)
    for _, row in numbered(await ctx.conversation.path(FURTHEST)):
        if row.role == "assistant" and row.id > named.id:
            question = await ctx.conversation.question_of(row)
            if question is not None and question.id == named.id:
                return _checked(row)
    raise UsageError(say("I did not answer that message."))


def _checked(answer: Remembered) -> Remembered:
    if answer.scene is not None or answer.speaker:
        raise UsageError(say("That is a line of a scene. The commands of role-play say it anew."))
    return answer


@plugin.command("variant", private=True)
async def variant(
    ctx: Context,
    which: Annotated[str, Arg("`next`, `previous`, or its number", min_length=1, max_length=20)],
) -> str:
    """Turn to another of the newest answer's variants; it is the one that counts then."""
    answer = await _newest_answer(ctx)
    question = await ctx.conversation.question_of(answer)
    group = await ctx.conversation.variants(answer.id)
    if question is None or len(group) < 2:
        raise UsageError(say("There is only one answer. `/regenerate` makes another one."))
    check_asked(ctx, question)
    wanted = _number_of(which, [each.id for each in group].index(answer.id) + 1, len(group))
    await ctx.show_variant(answer, wanted)
    return say("Answer {number} of {count} counts now.", number=wanted, count=len(group))


def _number_of(which: str, shown: int, count: int) -> int:
    typed = which.strip().casefold()
    step = 1 if typed in NEXT else -1 if typed in PREVIOUS else 0
    number = shown + step if step else int(typed) if typed.isascii() and typed.isdecimal() else 0
    if not step and not number:
        raise UsageError(say("Say `next`, `previous` or a number from 1 to {count}.", count=count))
    if not 1 <= number <= count:
        raise UsageError(say("There are {count} answers; this is number {shown}.", count=count, shown=shown))
    return number


@plugin.command("edit")
async def edit(
    ctx: Context,
    text: Annotated[str, Arg("What you would rather have asked", min_length=1, max_length=LONGEST_QUESTION, rest=True)],
) -> None:
    """Ask your last question in other words; what was said stays on its branch."""
    if not text.strip():
        raise UsageError(say("Write what you would rather have asked: `/edit Why is the sky blue?`"))
    rows = [row for _, row in numbered(await ctx.conversation.path(FURTHEST))]
    question = await _last_question(ctx, rows)
    await check_may_leave(ctx, question)
    await ctx.answer_instead(question, text.strip())


async def _unanswered(ctx: Context) -> Remembered | None:
    """This person's question that the model failed to answer, where nothing was answered since."""
    at = next((each.tip for each in await ctx.conversation.branches() if each.active), None)
    for _ in range(MOST_SINCE):
        row = await ctx.conversation.message(at) if at is not None else None
        if row is None or row.role != "user":
            return None
        if row.status == "failed" and row.author_id == ctx.user.id:
            return row
        at = row.parent
    return None


async def _last_question(ctx: Context, rows: Sequence[Remembered]) -> Remembered:
    """The newest of this person's messages that was, or should have been, answered; what they only said to others was
    no question."""
    if (failed := await _unanswered(ctx)) is not None:
        return failed
    for row in reversed(rows):
        if row.role == "assistant" and row.scene is None:
            question = await ctx.conversation.question_of(row)
            if question is not None and question.author_id == ctx.user.id and question.status == "complete":
                return question
    raise UsageError(say("You have not asked me anything here that I remember."))


@plugin.command("rewind")
async def rewind(
    ctx: Context, exchanges: Annotated[int, Arg("How many questions with their answers", ge=1, le=MOST_EXCHANGES)] = 1
) -> str:
    """Go back to before the last questions; what was said stays on its branch."""
    questions: list[Remembered] = []
    rows = [row for _, row in numbered(await ctx.conversation.path(FURTHEST))]
    for row in reversed(rows):
        if row.role != "assistant":
            continue
        question = await ctx.conversation.question_of(_checked(row))
        if question is not None and question.id not in [each.id for each in questions]:
            questions.append(question)
        if len(questions) == exchanges:
            break
    if not questions:
        raise UsageError(say("There is nothing to go back from: I have not answered anything here yet."))
    first = min(questions, key=lambda each: each.id)
    await check_may_leave(ctx, first)
    left = next(each for each in await ctx.conversation.branches() if each.active)
    await ctx.conversation.branch(_before(first, {row.id: row for row in rows}))
    now = next(each for each in await ctx.conversation.branches() if each.active)
    return say(
        "⏪ We are back before {question}, on **{name}** now. All of it stays: `/branch switch {old}` goes there.",
        question=quoted(first),
        name=literally(now.name),
        old=left.name.replace("`", "'"),
    )


def _before(question: Remembered, rows: Mapping[int, Remembered]) -> int | None:
    """The message before a question, which may have been asked in several messages."""
    at = question.parent
    while at is not None and at in rows:
        begins = rows[at].parts.get("goes_on") and rows[at].author_id == question.author_id
        if not begins:
            break
        at = rows[at].parent
    return at
