"""Files that somebody at the prompt names: dragged into the window, or written as `@path`."""

from __future__ import annotations

import mimetypes
import os
import re
import shlex
import stat
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import uuid4

from pydantic import JsonValue

from bot.api import Attachment, Command, DeliveryError, DeliveryRefused, say

# Files that can be read again later; older ones must be named anew.
MOST_KEPT = 200
LONGEST_PATH = 4_096
# What is looked at to tell whether a file is text.
HEAD = 8_192
WINDOWS = os.name == "nt"
QUOTES = ('"', "'")

_PATH = r"""(?:"[^"\n]+"|'[^'\n]+'|""" + (r"\S+)" if WINDOWS else r"(?:\\.|[^\s\\])+)")
_NAMED = re.compile(rf"(?<!\S)@({_PATH})")
_ROOTED = re.compile(r"file://|~?/|[A-Za-z]:[\\/]|~?\\" if WINDOWS else r"file://|~?/", re.IGNORECASE)
_RELATIVE = re.compile(r"\.\.?[\\/]" if WINDOWS else r"\.\.?/")
# What may follow a path in a sentence.
_PUNCTUATION = ".,;:!?)"


@dataclass(frozen=True, slots=True)
class Named:
    """What is left of a line without its files."""

    text: str
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """A command's line without its files, and those by parameter."""

    text: str
    files: Mapping[str, Path]


class Unusable(Exception):
    """Says, for people, why a file that they named cannot be sent."""


def named_in(text: str) -> Named:
    """The files of a line that is nothing but their paths, from the root, as terminals paste them; else those that are
    written as `@path`. All else stays text, and so does what has several lines: it was pasted from somewhere.
    Raises Unusable."""
    if "\n" in text:
        return Named(text)
    return _dragged(text) or _written(text)


def given_to(command: Command, text: str) -> Given | None:
    """The files for a command that takes some: by parameter, as in a message, or, where it takes nothing else, as bare
    paths. None for all other commands. Raises Unusable."""
    takes = [parameter.name for parameter in command.parameters if parameter.kind == "attachment"]
    if not takes or "\n" in text:
        return None
    rest, files = _by_name(takes, text)
    named = named_in(rest)
    if rest and not named.files and len(takes) == len(command.parameters):
        named = Named("", tuple(_usable(word) for word in _words(rest) or [rest]))
    free = [name for name in takes if name not in files]
    if len(named.files) > len(free):
        raise Unusable(say("That is more files than /{command} takes at once.", command=command.name))
    return Given(named.text, {**files, **dict(zip(free, named.files, strict=False))})


class Dropped:
    """The files that were named at the prompt. Nothing else is ever read, whatever an attachment says of itself."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}

    def attach(self, path: Path) -> Attachment:
        """Raises OSError."""
        with _opened(path) as file:
            size, head = os.fstat(file.fileno()).st_size, file.read(HEAD)
        token = uuid4().hex
        self._paths[token] = path
        for oldest in [*self._paths][:-MOST_KEPT]:
            del self._paths[oldest]
        return Attachment(path.name, _media_type(path, head), size, token)

    def read(self, attachment: Attachment, max_bytes: int) -> bytes:
        path = self._paths.get(attachment.url)
        if path is None:
            gone = say("I no longer have `{name}`. Please name it once more.", name=attachment.name)
            raise DeliveryRefused("not named at this prompt", public=gone)
        try:
            with _opened(path) as file:
                content = file.read(max_bytes + 1)
        except OSError as error:
            lost = say("`{name}` could not be read: is it still there?", name=attachment.name)
            raise DeliveryRefused(repr(error), public=lost) from error
        if len(content) > max_bytes:
            raise DeliveryError("too large", public=say("`{name}` is too large for me.", name=attachment.name))
        return content


# Inside.


def _dragged(text: str) -> Named | None:
    """None where the line is anything else. A path from the root that does not exist may be meant as text."""
    words = _words(text)
    if _ROOTED.match(text) and (whole := _file(text)) is not None:
        return Named("", (_readable(whole),))
    if not words or not all(_ROOTED.match(word) for word in words):
        return None
    found = [_file(word) for word in words]
    missing = [word for word, path in zip(words, found, strict=True) if path is None]
    if missing and (len(missing) < len(words) or missing[0].lower().startswith("file:")):
        raise Unusable(_told(missing[0]))
    return None if missing else Named("", tuple(_readable(path) for path in found if path is not None))


def _written(text: str) -> Named:
    """Each `@path` becomes the name of its file."""
    files: list[Path] = []
    parts, at = [], 0
    for match in _NAMED.finditer(text):
        bare = match[1]
        if not _may_be_file(bare):
            continue
        path, rest = _file(_bare(bare)), ""
        if path is None and not bare.startswith(QUOTES):
            whole, bare = bare, bare.rstrip(_PUNCTUATION)
            path, rest = _file(_bare(bare)), whole[len(bare) :]
        if path is None and _must_be_file(bare):
            raise Unusable(_told(_bare(bare)))
        if path is None:
            continue
        files.append(_readable(path))
        parts += [text[at : match.start()], path.name + rest]
        at = match.end()
    if not files:
        return Named(text)
    alone = not "".join([*parts[::2], text[at:]]).strip()
    return Named("" if alone else "".join([*parts, text[at:]]).strip(), tuple(files))


def _may_be_file(word: str) -> bool:
    """That a file is called like a person is chance."""
    return word.startswith(QUOTES) or re.search(r"[./\\]", word) is not None


def _must_be_file(word: str) -> bool:
    """Others may be names of packages and such."""
    return word.startswith(QUOTES) or bool(_ROOTED.match(word) or _RELATIVE.match(word))


def _by_name(takes: Sequence[str], text: str) -> tuple[str, dict[str, Path]]:
    """What is left, and the files given as `--name=path` or `--name path`."""
    files: dict[str, Path] = {}
    option = re.compile(rf"(?<!\S)--({'|'.join(map(re.escape, takes))})(?:=|\s+)@?({_PATH})", re.IGNORECASE)
    for match in option.finditer(text):
        files[match[1].lower()] = _usable(_bare(match[2]))
    return " ".join(part.strip() for part in option.sub("\n", text).split("\n") if part.strip()), files


def _usable(word: str) -> Path:
    path = _file(word)
    if path is None:
        raise Unusable(_told(word))
    return _readable(path)


def _told(word: str) -> str:
    path = _path(word)
    if path is not None and path.is_dir():
        return say("{path} is a folder, so nothing was sent.", path=word)
    return say("There is no file {path}, so nothing was sent.", path=word)


def _readable(path: Path) -> Path:
    if not os.access(path, os.R_OK):
        raise Unusable(say("I may not read {path}, so nothing was sent.", path=path))
    return path


def _file(word: str) -> Path | None:
    """The path of a file that exists; no folder, device or pipe."""
    path = _path(word)
    try:
        return path.absolute() if path is not None and stat.S_ISREG(path.stat().st_mode) else None
    except (OSError, ValueError):
        return None


def _path(word: str) -> Path | None:
    if len(word) > LONGEST_PATH:
        return None
    try:
        if word.lower().startswith("file:"):
            address = urlsplit(word)
            if address.netloc.lower() not in ("", "localhost"):
                return None
            return Path(url2pathname(address.path))
        return Path(word).expanduser()
    except (ValueError, RuntimeError):
        return None


def _words(text: str) -> list[str]:
    """As a shell would read them; none where a quote stays open, as after an apostrophe."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    lexer.escape = "" if WINDOWS else "\\"
    try:
        return [*lexer]
    except ValueError:
        return []


def _bare(word: str) -> str:
    """Without quotes and backslashes."""
    words = _words(word)
    return words[0] if len(words) == 1 else word


def _opened(path: Path) -> IO[bytes]:
    """What has become a pipe meanwhile does not hold anybody up."""
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("no regular file")
    return file


def _media_type(path: Path, head: bytes) -> str:
    """By the name; what holds text is text, whatever else such names are used for."""
    guessed = mimetypes.guess_type(path.name)[0] or ""
    if (not guessed or guessed.startswith(("video/", "audio/"))) and _is_text(head):
        return "text/plain"
    return guessed or "application/octet-stream"


def _is_text(head: bytes) -> bool:
    try:
        getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def as_argument(file: Attachment) -> JsonValue:
    return {"name": file.name, "media_type": file.media_type, "size": file.size, "url": file.url}


def listed(files: Sequence[Attachment]) -> Iterator[str]:
    """For whoever named them: what is sent along."""
    for each in files:
        yield f"📎 {each.name}, {each.size / 1000:,.0f} kB" if each.size >= 1000 else f"📎 {each.name}, {each.size} B"
