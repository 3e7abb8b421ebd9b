"""Help, memory, and what the bot is told to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated

from bot.api import (
    Arg,
    Command,
    CommandCall,
    Commands,
    Context,
    Parameter,
    UsageError,
    counted,
    numbered,
    phrase,
    say,
)
from plugins.commands.declared import plugin, system
from plugins.commands.words import cut, literally, suggestions

HISTORY_CUT = 100
# A group of more commands is one line of /help.
MOST_OF_A_GROUP = 6
ASKED_BY = {
    "mention": phrase("Mention me or reply to one of my messages, and I answer."),
    "always": phrase("Just write: I answer every message that I can read here."),
    "thread": phrase("Mention me, and I open a thread for your question; in there, just write."),
    "never": phrase("Here I answer nobody who just writes."),
}
# The chapters of /help: the first words of commands, in the order in which they are told.
SUBJECTS: Mapping[str, Sequence[str]] = {
    phrase("Talking"): ("ask", "summarise", "stop", "help"),
    phrase("Memory"): ("history", "clear", "context", "stats"),
    phrase("Who I am"): ("system", "model", "mode", "params"),
    phrase("How I behave here"): ("speak", "busy", "ping", "language"),
}
# What other plugins that come with the bot are about; those of others are called by their name.
TITLES: Mapping[str, str] = {
    "conversation": phrase("Branches and memory"),
    "export": phrase("Transcripts"),
    "meters": phrase("Costs"),
    "privacy": phrase("Privacy"),
    "roleplay": phrase("Role-play"),
}


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
        return _about(ctx, command.strip())
    lines = [f"{await _how_to_ask(ctx)} {say('And these are my commands:')}"]
    known = {command.name for command in ctx.commands}
    to_look = [command for command in plugin.commands if command.look and command.name not in known]
    for heading, commands in _grouped([*ctx.commands, *to_look]):
        lines += ["", f"**{heading}**", *_told(commands)]
    menus = [say(each.title) for each in ctx.commands if each.target is not None]
    if menus and ctx.capabilities.menus:
        told = ", ".join(f"**{title}**" for title in menus)
        lines += ["", say("In the menu of a message, among the apps: {menus}.", menus=told)]
    lines += ["", say("`/help <command>` tells more about one of them.")]
    return "\n".join(lines)


async def _how_to_ask(ctx: Context) -> str:
    if ctx.capabilities.direct:
        return say("Just write to me.")
    manner = await ctx.conversation.manner()
    speak = manner.speak
    if speak != "never" and not ctx.capabilities.hears_all:
        speak = "mention"
    elif speak == "thread" and not manner.opens_threads:
        speak = "always" if ctx.place.thread is not None else "mention"
    told = [say(ASKED_BY[speak])]
    if speak == "mention" and ctx.place.thread is not None and ctx.capabilities.hears_all:
        told = [say("Mention me or reply to one of my messages, and I answer; in a thread of mine, just write.")]
    if any(command.name == "ask" for command in ctx.commands):
        told.append(say("`/ask` always works, even where I am only a guest."))
    return " ".join(told)


def _grouped(commands: Sequence[Command]) -> Iterator[tuple[str, Sequence[Command]]]:
    """What comes with the bot by subject, then the other plugins; what is opened on a message is told apart."""
    typed = [command for command in commands if command.target is None]
    for subject, names in SUBJECTS.items():
        about = [
            each for name in names for each in typed if each.name.split()[0] == name and each.plugin == plugin.name
        ]
        if about:
            yield say(subject), about
    known = {name for names in SUBJECTS.values() for name in names}
    others: dict[str, list[Command]] = {}
    for each in typed:
        if each.plugin != plugin.name or each.name.split()[0] not in known:
            others.setdefault(each.plugin, []).append(each)
    yield from ((say(TITLES.get(name, name.capitalize())), inside) for name, inside in others.items())


def _told(commands: Sequence[Command]) -> Iterator[str]:
    """A line for each, and one for all of a group of ours or of a large one."""
    groups = {group.name: group for group in plugin.groups}
    for first, several in groupby(commands, key=lambda command: command.name.split()[0]):
        inside = list(several)
        if first in groups and inside[0].plugin == plugin.name:
            endings = "|".join(command.name.split()[1] for command in inside)
            yield f"- `/{first} {endings}` – {say(groups[first].description)}"
        elif len(inside) > MOST_OF_A_GROUP:
            # With spaces, where a line can be broken.
            endings = " | ".join(command.name.partition(" ")[2] for command in inside)
            yield f"- `/{first} {endings}` – {say('`/help {name}` tells about each of them', name=first)}"
        else:
            yield from map(_line, inside)


def _line(command: Command) -> str:
    return f"- `{command.usage}` – {say(command.description)}"


def _about(ctx: Context, name: str) -> str:
    commands = Commands(ctx.commands)
    found = _matched(commands, name)
    refused = _matched(Commands(plugin.commands), name)
    if found is None and refused is not None:
        if refused.look:
            told = say(
                "Only moderators may change that here. `/{command}` alone shows how it is.", command=refused.name
            )
            return f"{_line(refused)}\n{told}"
        told = say(
            "Only moderators may use `/{command}` here. In a direct message with me, you may.", command=refused.name
        )
        return f"{_line(refused)}\n{told}"
    if found is None:
        first = name.removeprefix("/").lower()
        inside = [command for command in commands if command.name.startswith(f"{first} ")]
        if not inside:
            raise UsageError(commands.unknown(name))
        return "\n".join(map(_line, inside))
    lines = [f"`{found.usage}` – {say(found.description)}", *map(_about_parameter, found.parameters)]
    if found.target is not None:
        title = f"**{say(found.title)}**"
        lines = [f"{title} – {say(found.description)}", say("You find it in the menu of a message, among the apps.")]
    elif isinstance(ctx.event, CommandCall) and ctx.event.arguments is None:
        lines += _how_to_type(found)
    if found.who == "moderators":
        lines.append(say("Only for moderators, unless whoever runs me decided otherwise."))
    return "\n".join(lines)


def _how_to_type(command: Command) -> list[str]:
    """Where nothing asks for each argument: what comes behind others, or stands behind free text, must be named."""
    named = [each for each in command.parameters if not each.required and each.kind != "attachment"]
    if len(command.parameters) < 2 or not named:
        return []
    example = f"--{named[-1].name}={'yes' if named[-1].kind == 'bool' else '…'}"
    return [say('Type `{example}` to name what you mean, with "quotes" around several words.', example=example)]


def _matched(commands: Commands, name: str) -> Command | None:
    matched = commands.match(name)
    return matched[0] if matched else None


def _about_parameter(parameter: Parameter) -> str:
    text = f"- `{parameter.name}`: {say(parameter.description) or parameter.allowed}"
    if parameter.description and (parameter.choices or parameter.kind in ("int", "float")):
        text += f" ({parameter.allowed})"
    default = parameter.default
    if isinstance(default, bool):
        default = say("yes") if default else say("no")
    if isinstance(default, int | float):
        text += say("; {default:,.10g} if you leave it out", default=default)
    elif default is not None and str(default):
        text += say("; {default} if you leave it out", default=default)
    return text + "."


# Memory.


@plugin.command("clear", who="moderators")
async def clear(ctx: Context) -> str:
    """Forget what was said here; my system prompt and settings stay."""
    count = await ctx.conversation.clear()
    if not count:
        return say("There was nothing to forget. We are at the beginning.")
    return counted(
        count,
        "Done: {count} message forgotten. My system prompt and settings stay as they are.",
        "Done: {count:,} messages forgotten. My system prompt and settings stay as they are.",
    )


@plugin.command("history", private=True, immediate=True)
async def history(ctx: Context, count: Annotated[int, Arg("How many messages", ge=1, le=50)] = 10) -> str:
    """Show the last messages that I remember."""
    # Results of tools stand between the messages, so more is read than shown.
    rows = await ctx.conversation.path(min(count * 3, 150))
    said = numbered(rows)[-count:]
    if not said:
        return say("I remember nothing here yet. Say something!")
    lines = []
    for number, row in said:
        who = (row.author or say("Someone")) if row.role == "user" else (row.speaker or say("Me"))
        broken = f" *({say('interrupted')})*" if row.status in ("partial", "interrupted") else ""
        # No list of Markdown: platforms would count it in their own way.
        lines.append(f"`{number}` **{literally(cut(who, 32))}**: {literally(cut(row.text, HISTORY_CUT))}{broken}")
    return "\n".join(lines)


@plugin.command("stop", immediate=True)
async def stop(ctx: Context) -> str:
    """Stop the answer that I am writing."""
    if await ctx.interrupt():
        return say("Stopped. What I had said so far stays.")
    return say("I am not writing anything right now.")


# The system prompt.


@system.command("show", private=True, immediate=True, overview=True)
async def show_system(ctx: Context) -> str:
    """Show what I am told to be here."""
    quoted = "\n".join(f"> {line}" for line in ctx.conversation.system_prompt.splitlines()) or f"> ({say('empty')})"
    if ctx.conversation.settings.get("system"):
        return f"{say('My system prompt (set for this conversation):')}\n{quoted}"
    return f"{say('My system prompt (the default):')}\n{quoted}"


@system.command("set", who="moderators")
async def set_system(
    ctx: Context, text: Annotated[str, Arg("What I should be, in your own words", max_length=8000, rest=True)]
) -> str:
    """Tell me what to be in this conversation."""
    if not text.strip():
        raise UsageError(say("Tell me what to be, for example: `/system set You are a patient teacher.`"))
    await ctx.conversation.change(system=text.strip())
    return say("All right, from now on that is me. `/system reset` brings the default back.")


@system.command("reset", who="moderators")
async def reset_system(ctx: Context) -> str:
    """Go back to the default system prompt."""
    if not ctx.conversation.settings.get("system"):
        return say("I already use the default system prompt.")
    await ctx.conversation.change(system=None)
    return say("Back to the default system prompt.")
