"""Help, memory, and what the bot is told to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from bot.api import (
    Arg,
    Command,
    Commands,
    Context,
    Parameter,
    UsageError,
)
from plugins.commands.declared import plugin, system
from plugins.commands.words import cut, literally, plural, suggestions

HISTORY_CUT = 100


async def _command_names(ctx: Context, typed: str) -> Sequence[str]:
    return suggestions((command.name for command in ctx.commands), typed)


@plugin.command("help", private=True, immediate=True)
async def show_help(
    ctx: Context,
    command: Annotated[
        str | None, Arg("The one you want to know more about", rest=True, complete=_command_names)
    ] = None,
) -> str:
    """Show what I can do."""
    if command and command.strip():
        return _about(Commands(ctx.commands), command.strip())
    lines = ["Just write to me. And these are my commands:"]
    by_plugin: dict[str, list[Command]] = {}
    for known in ctx.commands:
        by_plugin.setdefault(known.plugin, []).append(known)
    for name, commands in by_plugin.items():
        lines += ["", f"**{name.capitalize()}**", *(f"- `{each.usage}` – {each.description}" for each in commands)]
    lines += ["", "`/help <command>` tells more about one of them."]
    return "\n".join(lines)


def _about(commands: Commands, name: str) -> str:
    matched = commands.match(name)
    found = matched[0] if matched else None
    if found is None:
        first = name.removeprefix("/").lower()
        inside = [command for command in commands if command.name.startswith(f"{first} ")]
        if not inside:
            raise UsageError(commands.unknown(name))
        return "\n".join(f"- `{command.usage}` – {command.description}" for command in inside)
    lines = [f"`{found.usage}` – {found.description}", *(_about_parameter(each) for each in found.parameters)]
    if found.who == "moderators":
        lines.append("Only for moderators, unless whoever runs me decided otherwise.")
    return "\n".join(lines)


def _about_parameter(parameter: Parameter) -> str:
    text = f"- `{parameter.name}`: {parameter.description or parameter.allowed}"
    if parameter.description and (parameter.choices or parameter.kind in ("int", "float")):
        text += f" ({parameter.allowed})"
    if parameter.default is not None:
        text += f"; {parameter.default} if you leave it out"
    return text + "."


# Memory.


@plugin.command("clear", who="moderators")
async def clear(ctx: Context) -> str:
    """Forget what was said here; my system prompt and settings stay."""
    count = await ctx.conversation.clear()
    if not count:
        return "There was nothing to forget. We are at the beginning."
    return f"Done: {plural(count, 'message')} forgotten. My system prompt and settings stay as they are."


@plugin.command("history", private=True, immediate=True)
async def history(ctx: Context, count: Annotated[int, Arg("How many messages", ge=1, le=50)] = 10) -> str:
    """Show the last messages that I remember."""
    # Results of tools stand between the messages, so more is read than shown.
    rows = await ctx.conversation.path(min(count * 3, 150))
    said = [row for row in rows if row.role in ("user", "assistant") and row.text.strip() and row.status != "forgotten"]
    if not said:
        return "I remember nothing here yet. Say something!"
    lines = []
    for number, row in enumerate(said[-count:], 1):
        who = (row.author or "Someone") if row.role == "user" else (row.speaker or "Me")
        broken = " *(interrupted)*" if row.status in ("partial", "interrupted") else ""
        lines.append(f"{number}. **{literally(cut(who, 32))}**: {literally(cut(row.text, HISTORY_CUT))}{broken}")
    return "\n".join(lines)


@plugin.command("stop", immediate=True)
async def stop(ctx: Context) -> str:
    """Stop the answer that I am writing."""
    if await ctx.interrupt():
        return "Stopped. What I had said so far stays."
    return "I am not writing anything right now."


# The system prompt.


@system.command("show", private=True, immediate=True)
async def show_system(ctx: Context) -> str:
    """Show what I am told to be here."""
    own = "set for this conversation" if ctx.conversation.settings.get("system") else "the default"
    quoted = "\n".join(f"> {line}" for line in ctx.conversation.system_prompt.splitlines()) or "> (empty)"
    return f"My system prompt ({own}):\n{quoted}"


@system.command("set", who="moderators")
async def set_system(
    ctx: Context, text: Annotated[str, Arg("What I should be, in your own words", max_length=8000, rest=True)]
) -> str:
    """Tell me what to be in this conversation."""
    if not text.strip():
        raise UsageError("Tell me what to be, for example: `/system set You are a patient teacher.`")
    await ctx.conversation.change(system=text.strip())
    return "All right, from now on that is me. `/system reset` brings the default back."


@system.command("reset", who="moderators")
async def reset_system(ctx: Context) -> str:
    """Go back to the default system prompt."""
    if not ctx.conversation.settings.get("system"):
        return "I already use the default system prompt."
    await ctx.conversation.change(system=None)
    return "Back to the default system prompt."
