"""Asking where nobody can be mentioned, asking about a message, and the whole of an answer as a file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from bot.api import (
    Arg,
    Attachment,
    CommandCall,
    Context,
    File,
    Remembered,
    Reply,
    Target,
    UsageError,
    clip,
    counted,
    phrase,
    say,
)
from plugins.commands.declared import plugin
from plugins.commands.words import cut, literally

WHAT_ABOUT_IT = phrase("What do you think about this?")
LONGEST_QUESTION = 4000
LONGEST_QUOTE = 4000
# How far an answer's tools may stand between it and its question.
MOST_PARENTS = 50


@plugin.command("ask")
async def ask(
    ctx: Context,
    question: Annotated[str, Arg("What you want to know", max_length=LONGEST_QUESTION, rest=True)],
    file: Annotated[Attachment | None, Arg("A file or picture that belongs to it")] = None,
) -> None:
    """Ask me something, also where you cannot mention me."""
    if not question.strip():
        raise UsageError(say("What would you like to know? Say it like this: `/ask Why is the sky blue?`"))
    await ctx.answer(question.strip(), attachments=(file,) if file is not None else ())


class About(BaseModel):
    """What somebody wants to know about a message."""

    question: Annotated[str, Arg(max_length=2000)] = Field(WHAT_ABOUT_IT, title="Your question")


@plugin.command("ask_about_this", target="message", form=About)
async def ask_about(ctx: Context, form: About) -> None:
    """Ask me about this message."""
    target = target_of(ctx)
    wanted = form.question.strip()
    question = wanted if wanted and wanted != WHAT_ABOUT_IT else say(WHAT_ABOUT_IT)
    await ctx.answer(f"{quoted(target)}\n\n{question}".lstrip(), attachments=target.attachments)


def quoted(target: Target) -> str:
    """The message as a quotation with its author's name; empty for one without a text."""
    text = clip(target.text.strip(), LONGEST_QUOTE)
    if not text:
        return ""
    lines = f"{cut(target.author.name, 32)}: {text}".splitlines()
    return "\n".join(f"> {line}" for line in lines)


def target_of(ctx: Context) -> Target:
    """Raises UsageError where the command was typed instead of being opened on a message."""
    event = ctx.event
    if isinstance(event, CommandCall) and event.target is not None:
        return event.target
    raise UsageError(say("This belongs to a message: open it from the menu of the message that you mean."))


@plugin.command("who_said_this", target="message", private=True, immediate=True)
async def who_said(ctx: Context) -> str:
    """Show who wrote this message, and what I know about it."""
    target = target_of(ctx)
    found = await ctx.conversation.message_of(target.id)
    if found is None or found.status == "forgotten":
        return say(
            "**{name}** wrote this ({at:%Y-%m-%d %H:%M} UTC). I do not remember it.",
            name=literally(cut(target.author.name, 64)),
            at=target.at,
        )
    if found.role == "user":
        name = literally(cut(found.author or target.author.name, 64))
        lines = [say("**{name}** wrote this, and I remember it.", name=name)]
    else:
        lines = await _about_answer(ctx, found)
    lines.append(say("- when: {at:%Y-%m-%d %H:%M} UTC", at=found.created_at))
    if found.tokens is not None:
        lines.append("- " + counted(found.tokens, "length: {count} token", "length: {count:,} tokens"))
    return "\n".join(lines)


async def _about_answer(ctx: Context, answer: Remembered) -> list[str]:
    lines = [say("I said this.")]
    if answer.speaker:
        lines = [say("I said this, as **{name}**.", name=literally(cut(answer.speaker, 64)))]
    if answer.model:
        lines.append(say("- language model: `{model}`", model=cut(answer.model.replace("`", "'"), 100)))
    question = await _question_of(ctx, answer)
    if question is not None:
        name = literally(cut(question.author or say("Someone"), 64))
        asked = literally(cut(question.text, 120))
        lines.append(say("- asked by **{name}**: {question}", name=name, question=asked))
    if answer.status in ("partial", "interrupted"):
        lines.append(say("- it was not finished"))
    return lines


async def _question_of(ctx: Context, answer: Remembered) -> Remembered | None:
    """What a person said that this answers; results of tools may stand in between."""
    parent = answer.parent
    for _ in range(MOST_PARENTS):
        found = await ctx.conversation.message(parent) if parent is not None else None
        if found is None or found.role == "user":
            return found if found is not None and found.status != "forgotten" else None
        parent = found.parent
    return None


@plugin.command("as_a_file", target="message", private=True, immediate=True)
async def as_file(ctx: Context) -> Reply:
    """Get the whole answer that this message belongs to as a file."""
    target = target_of(ctx)
    found = await ctx.conversation.message_of(target.id)
    known = found is not None and found.status != "forgotten"
    text = found.text if known and found is not None else target.text
    if not text.strip():
        raise UsageError(say("There is no text in this message."))
    if len(text.encode()) > ctx.capabilities.max_file_bytes:
        return Reply(text)
    says = say("Here is all of it.") if known else say("I do not remember this message, so this is what it shows.")
    return Reply(says, files=(File("answer.md", text.encode(), "text/markdown; charset=utf-8"),))
