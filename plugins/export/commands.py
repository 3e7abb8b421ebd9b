"""Transcripts in chat: `/export` gives a file to whoever asked alone, `/import` takes one in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import JsonValue

from bot.api import (
    Arg,
    AtHand,
    Attachment,
    Button,
    ButtonPressed,
    Context,
    DeliveryError,
    Excerpt,
    File,
    Reply,
    Restored,
    SentId,
    SystemClock,
    UsageError,
    counted,
    phrase,
    say,
    spoken_now,
)
from plugins.export.consent import agreed_told
from plugins.export.declared import plugin
from plugins.export.files import Made
from plugins.export.importing import importing
from plugins.export.known import FILES, name_of, named, names
from plugins.export.made import make_files
from plugins.export.running import Running, own_folder, run
from plugins.export.settings import ExportSettings
from plugins.export.tasks import ToExport, ToImport
from plugins.export.transcript import Format
from plugins.export.wanted import Wanted, chosen, moment
from plugins.export.words import told_of

log = logging.getLogger(__name__)

# More messages than this are read and written in a process of their own.
FEW = 300
# Larger files are sent zipped, whatever the platform takes: they are held while they are sent.
LARGEST_FILE = 8_000_000
LARGEST_IMPORT, SMALL_IMPORT = 20_000_000, 200_000
SHOWN_EVERY = 3.0
MOST_SUGGESTIONS = 25


async def _formats(ctx: Context, typed: str) -> Sequence[str]:
    return [name for name in names(ctx.provided(Format)) if typed.strip().lower() in name]


async def _whats(ctx: Context, typed: str) -> Sequence[str]:
    names = [one.name for one in await ctx.conversation.branches() if one.name]
    return [each for each in ("branch", "all", "scene", *names) if typed.strip().lower() in each.lower()]


@plugin.command(
    private=True,
    immediate=True,
    who="moderators",
    refusal=phrase(
        "Only moderators may export what was said here, for it is others' words, too. In a direct message with me, you "
        "may; and `/privacy export` gives you all that is your own."
    ),
)
async def export(
    ctx: Context,
    format: Annotated[str, Arg("html, md, json, jsonl, csv, txt, sillytavern or selfplay", complete=_formats)] = "html",
    what: Annotated[
        str, Arg("`branch`, `all` branches, a `scene`, or the name of a branch", max_length=100, complete=_whats)
    ] = "branch",
    which: Annotated[str | None, Arg("Which branch or scene, by name or number", max_length=100)] = None,
    since: Annotated[str | None, Arg("From when on: 2h, 7d, or a date", max_length=40)] = None,
    until: Annotated[str | None, Arg("Until when: 2h, 7d, or a date", max_length=40)] = None,
    pseudonymise: Annotated[bool, Arg("Whether people are only numbers in it")] = False,
    system: Annotated[bool, Arg("Whether it tells my system prompt")] = False,
) -> None:
    """Get what was said here as a file that only you see."""
    name = name_of(format, ctx.provided(Format))
    most_bytes = min(ctx.capabilities.max_file_bytes, LARGEST_FILE)
    if not most_bytes:
        raise UsageError(say("I may not send files here. Ask whoever runs me for `duologue export`."))
    archive, now = ctx.archive(), SystemClock().now()
    wanted = await chosen(archive, what, which or "")
    wanted = wanted.model_copy(
        update={
            "since": moment(since, now, archive.zone) if since else None,
            "until": moment(until, now, archive.zone, ends=True) if until else None,
            "pseudonymise": pseudonymise,
            "system": ctx.conversation.system_prompt if system else None,
            "bot_name": ctx.get(ExportSettings).bot_name,
            "language": spoken_now().code,
        }
    )
    await _give(ctx, await agreed_told(archive, wanted), name, most_bytes)


async def _give(ctx: Context, wanted: Wanted, format: str, most_bytes: int) -> None:
    archive, now = ctx.archive(), SystemClock().now()
    count = await archive.count(Excerpt(wanted.branch, wanted.scene, wanted.since, wanted.until))
    if not count:
        raise UsageError(say("I remember nothing of that, so there is nothing to export."))
    async with ctx.get(Running).turn(ctx.user.id), own_folder() as folder:
        if count <= FEW or archive.address is None:
            as_format = await asyncio.to_thread(named, format, ctx.provided(Format))
            made = await make_files(archive, wanted, as_format, folder, most_bytes=most_bytes, now=now)
        else:
            task = ToExport(
                place=str(ctx.place),
                format=format,
                wanted=wanted,
                folder=folder,
                zone=str(archive.zone),
                plugins=() if format in FILES else (await asyncio.to_thread(AtHand.read)).plugins,
                most_bytes=most_bytes,
                now=now,
            )
            made = await _in_own_process(ctx, task, count)
        await _deliver(ctx, made)


async def _in_own_process(ctx: Context, task: ToExport, count: int) -> Sequence[Made]:
    def shown(told: Mapping[str, JsonValue]) -> str | None:
        done = told.get("done")
        return _progress(done, count) if isinstance(done, int) else None

    last = await _watched(ctx, task, shown, _progress(0, count))
    files = last.get("files")
    made = []
    for one in files if isinstance(files, list) else ():
        match one:
            case [str(name), str(media_type), int(entries)]:
                made.append(Made(task.folder / Path(name).name, media_type, entries))
    return made


async def _deliver(ctx: Context, made: Sequence[Made]) -> None:
    """One file after the other, so that no more than one is ever held."""
    for number, one in enumerate(made, 1):
        content = await asyncio.to_thread(one.file.read_bytes)
        told = counted(one.entries, "Here is {count} message.", "Here are {count:,} messages.")
        if len(made) > 1:
            told = f"{say('Part {number} of {parts}:', number=number, parts=len(made))} {told}"
        if number == 1:
            others = not ctx.capabilities.direct
            alone = say("Only you see this. It holds what others said, so treat it with care.") if others else ""
            told += f"\n*{alone or say('Only you see this.')}*"
        await ctx.send(Reply(told, files=(File(one.file.name, content, one.media_type),), private=True))


# Import.


@plugin.command("import", private=True, immediate=True, who="moderators")
async def import_(
    ctx: Context,
    file: Annotated[Attachment | None, Arg("A transcript: our JSON, or a chat of SillyTavern or SelfPlay")] = None,
) -> str:
    """Take a transcript in, as new branches of this conversation."""
    if file is None:
        raise UsageError(
            say("Attach a transcript: JSON that `/export json` made, or a chat of SillyTavern or SelfPlay.")
        )
    content = await ctx.fetch(file, LARGEST_IMPORT)
    archive = ctx.archive()
    async with ctx.get(Running).turn(ctx.user.id):
        if len(content) <= SMALL_IMPORT or archive.address is None:
            return told_of(await importing(archive, content, lambda count: None))
        async with own_folder() as folder:
            given = folder / "import"
            await asyncio.to_thread(given.write_bytes, content)
            del content
            task = ToImport(place=str(ctx.place), file=given, folder=folder, language=spoken_now().code)
            last = await _watched(ctx, task, _written, say("I am reading the file …"))
    branches, messages = last.get("branches"), last.get("messages")
    names = tuple(str(each) for each in branches) if isinstance(branches, list) else ()
    many = messages if isinstance(messages, int) else 0
    return told_of(Restored(names, many, last.get("is_new") is True, last.get("active") is True))


def _written(told: Mapping[str, JsonValue]) -> str | None:
    done = told.get("done")
    return say("{count:,} messages are in …", count=done) if isinstance(done, int) else None


# What takes a while.


@dataclass(slots=True)
class _Display:
    """One message that says how far it is, changed at most every few seconds."""

    ctx: Context
    key: str
    sent: SentId | None = None
    newest: str = ""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def begin(self, text: str) -> None:
        stop = Button("stop-export", say("Stop"), (self.key,), look="danger")
        sent = await self.ctx.send(Reply(text, private=True, buttons=(stop,)))
        if sent and self.ctx.capabilities.edits:
            self.sent = sent[-1]
            self.tasks.add(asyncio.create_task(self._show()))

    async def _show(self) -> None:
        shown = ""
        while True:
            await asyncio.sleep(SHOWN_EVERY)
            if self.newest and self.newest != shown:
                shown = self.newest
                stop = Button("stop-export", say("Stop"), (self.key,), look="danger")
                await self._change(Reply(shown, buttons=(stop,)))

    async def end(self, text: str) -> None:
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        if self.sent is not None:
            await self._change(Reply(text))

    async def _change(self, reply: Reply) -> None:
        assert self.sent is not None
        try:
            await self.ctx.edit(self.sent, reply)
        except DeliveryError as error:
            log.info("how far an export is cannot be shown: %r", error)


async def _watched(
    ctx: Context, task: ToExport | ToImport, text: Callable[[Mapping[str, JsonValue]], str | None], first: str
) -> Mapping[str, JsonValue]:
    """Run it in a process of its own, and show how far it is."""
    display = _Display(ctx, ctx.user.id)
    await display.begin(first)

    def told(line: Mapping[str, JsonValue]) -> None:
        display.newest = text(line) or display.newest

    ended = say("This was ended.")
    try:
        last = await run(ctx.archive(), task, told)
        ended = say("Done.")
        return last
    finally:
        await asyncio.shield(display.end(ended))


def _progress(done: int, count: int) -> str:
    return say("Writing {count:,} messages: {share:.0%} …", count=count, share=min(done / max(count, 1), 1.0))


@plugin.button("stop-export")
async def stop(ctx: Context, who: str) -> Reply | None:
    if ctx.get(Running).stop(who):
        return None
    if isinstance(ctx.event, ButtonPressed):
        await ctx.edit(SentId(ctx.event.message), Reply())
    return Reply(say("It has ended already."), private=True)
