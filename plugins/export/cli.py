"""`duologue export` and `duologue import`: the same in a terminal, while the bot runs and while it does not."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.api import (
    Archives,
    AtHand,
    Place,
    PlaceKept,
    SystemClock,
    UsageError,
    open_archive,
    phrase,
    provided_by,
    read_languages,
    say,
    speaking,
    spoken_now,
)
from plugins.export.consent import agreed_told
from plugins.export.declared import LOCALES
from plugins.export.importing import MOST_BYTES, importing
from plugins.export.known import named
from plugins.export.made import make_files
from plugins.export.transcript import Format
from plugins.export.wanted import chosen, moment
from plugins.export.words import told_of

EXPORTS = phrase("Write what was said in a place into a file.")
IMPORTS = phrase("Take a transcript in, as new branches of a place.")


def export(arguments: Sequence[str]) -> int:
    """Raises BotError with what to do."""
    at_hand = AtHand.read()
    with speaking(read_languages([LOCALES]), at_hand.language):
        return asyncio.run(_export(_export_parser().parse_args(arguments), at_hand))


def import_(arguments: Sequence[str]) -> int:
    """Raises BotError with what to do."""
    at_hand = AtHand.read()
    with speaking(read_languages([LOCALES]), at_hand.language):
        return asyncio.run(_import(_import_parser().parse_args(arguments), at_hand))


def _export_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="duologue export", description=say(EXPORTS))
    parser.add_argument("place", nargs="?", metavar="PLACE", help="as `--list` shows it, or the end of it")
    parser.add_argument("--list", action="store_true", help="show of which places something is remembered")
    parser.add_argument("--format", default="html", metavar="NAME", help="html, md, json, jsonl, csv, txt, …")
    parser.add_argument("--out", metavar="FILE", help="a file, or a folder; - prints it")
    parser.add_argument("--branch", default="", metavar="NAME", help="the name of a branch, or `all`")
    parser.add_argument(
        "--scene", nargs="?", const="", metavar="NUMBER", help="the newest scene, or the one so counted"
    )
    parser.add_argument("--since", metavar="WHEN", help="2h, 7d, or a date")
    parser.add_argument("--until", metavar="WHEN", help="2h, 7d, or a date")
    parser.add_argument("--pseudonymise", action="store_true", help="people are only numbers in it")
    parser.add_argument("--system", action="store_true", help="with the system prompt that was set there")
    parser.add_argument("--stable", action="store_true", help="without when it was exported: the same bytes each time")
    parser.add_argument("--bot-name", default="Duologue", metavar="NAME", help="what the bot is called in it")
    return parser


def _import_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="duologue import", description=say(IMPORTS))
    parser.add_argument("place", metavar="PLACE", help="as `duologue export --list` shows it, or a new one")
    parser.add_argument("file", metavar="FILE", help="our JSON, or a chat of SillyTavern or SelfPlay; - reads it")
    return parser


async def _export(options: argparse.Namespace, at_hand: AtHand) -> int:
    async with open_archive(at_hand.memory.url) as archives:
        if options.list or not options.place:
            _show(await archives.places())
            return 0
        as_format = named(options.format, provided_by(at_hand.plugins, Format))
        archive = archives.at(await _place(archives, options.place), ZoneInfo(at_hand.memory.time_zone))
        now = SystemClock().now()
        what = "scene" if options.scene is not None else "all" if options.branch == "all" else "branch"
        wanted = await chosen(archive, what, options.scene or ("" if what == "all" else options.branch))
        system = (await archive.settings()).get("system") if options.system else None
        wanted = wanted.model_copy(
            update={
                "since": moment(options.since, now, archive.zone) if options.since else None,
                "until": moment(options.until, now, archive.zone, ends=True) if options.until else None,
                "pseudonymise": options.pseudonymise,
                "system": system if isinstance(system, str) else None,
                "stable": options.stable,
                "bot_name": options.bot_name,
                "language": spoken_now().code,
            }
        )
        wanted = await agreed_told(archive, wanted)
        with tempfile.TemporaryDirectory(prefix="duologue-") as folder:
            (made,) = await make_files(archive, wanted, as_format, Path(folder), now=now, advance=_advance)
            _give(made.file, options.out)
        print(say("{count:,} messages.", count=made.entries), file=sys.stderr)
    return 0


def _advance(count: int) -> None:
    """For whoever looks; a line of its own for everybody else would only fill logs."""
    if sys.stderr.isatty():
        print(f"{count:,}", end="\r", file=sys.stderr, flush=True)


def _give(file: Path, out: str | None) -> None:
    """Nobody else may read it, unless the file was there before."""
    if out == "-":
        with file.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
        sys.stdout.flush()
        return
    target = Path(out) if out else Path(file.name)
    target = target / file.name if target.is_dir() else target
    try:
        if not target.exists():
            target.touch(0o600)
        shutil.copyfile(file, target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}.") from error
    print(target)


async def _import(options: argparse.Namespace, at_hand: AtHand) -> int:
    content = _content(options.file)
    async with open_archive(at_hand.memory.url) as archives:
        archive = archives.at(await _place(archives, options.place, new=True))
        print(told_of(await importing(archive, content, _advance)))
    return 0


def _content(name: str) -> bytes:
    """Raises UsageError."""
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as source:
            content = source.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}.") from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"{name} is larger than {MOST_BYTES // 1_000_000} MB.")
    return content


def _show(places: Sequence[PlaceKept]) -> None:
    for one in places:
        newest = f"{one.newest:%Y-%m-%d %H:%M}" if one.newest is not None else ""
        print(f"{one.messages:>9,}  {newest:16}  {one.place}")
    if not places:
        print(say("Nothing is remembered yet."))


async def _place(archives: Archives, text: str, *, new: bool = False) -> Place:
    """The whole of it, or an end that only one has. Raises UsageError."""
    known = [one.place for one in await archives.places()]
    found = [place for place in known if str(place) == text] or [
        p for p in known if str(p).endswith((f"/{text}", f":{text}"))
    ]
    if len(found) == 1:
        return found[0]
    if new:
        try:
            return Place.parse(text)
        except ValueError:
            pass
    told = f"{text} could be any of {len(found)} places." if found else f"Nothing is remembered of {text}."
    if new and not found:
        told += " A new place is written as in discord:SERVER/CHANNEL, slack:TEAM/CHANNEL or terminal:local/NAME."
    raise UsageError(f"{told} `duologue export --list` shows all.")
