"""Files that people attach become part of what they said: text, the text of PDFs, and pictures for models that see."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import structlog
from pydantic import JsonValue

from bot.errors import DeliveryError, DeliveryRefused
from bot.events import Attachment, Message
from bot.pdf import read_pdf
from bot.pictures import MOST_PIXELS, Picture, look, shown_name
from bot.platform import Adapter, DeclinesFiles
from bot.text_files import Kind, claimed_kind, decoded
from bot.words import phrase, say

log = structlog.get_logger(__name__)

# Bounds of what one message may bring: bytes of text of all its files together, number of files, and pictures.
MAX_BYTES = 300_000
MAX_FILES = 10
MAX_PICTURES = 6
MAX_PICTURE_BYTES = 8_000_000
MAX_PICTURES_BYTES = 20_000_000
MAX_PDF_BYTES = 20_000_000
# All files of one message together; and messages that bring much are read a few at a time, for it is held in memory.
MAX_TOGETHER = 40_000_000
MUCH = 4_000_000
MUCH_AT_ONCE = 4
# Seconds that a file may take to arrive.
LOADING = 30.0
# PDFs read at the same time, whoever sent them.
PDFS_AT_ONCE = 2

BACKTICKS = re.compile("`{3,}")

# What became of a file that is not read, or not whole: for people, and for the model.
PEOPLE: Mapping[str, str] = {
    "voice": phrase("I cannot listen to voice messages or other sound yet: {names}."),
    "video": phrase("I cannot watch videos yet: {names}."),
    "file": phrase("I cannot open this kind of file: {names}."),
    "kind": phrase("I can look at PNG, JPEG, GIF and WebP pictures, but not at {names}."),
    "size": phrase(
        "This is too large for me: {names}. I read pictures up to 8 MB, PDFs up to 20 MB, text up to 300 kB."
    ),
    "number": phrase("I read at most 10 files and 6 pictures of one message, so not: {names}."),
    "lost": phrase("I could not load this: {names}. Please send it again."),
    "broken": phrase("This seems to be damaged, so I could not open it: {names}."),
    "encrypted": phrase("This PDF is protected by a password, so I could not read it: {names}."),
    "no text": phrase("This PDF holds no text that I could read, perhaps only pictures of pages: {names}."),
    "too much": phrase("This PDF is too complicated for me: {names}."),
    "not installed": phrase("I cannot read PDFs here: {names}. Whoever runs me can install `pypdf`."),
    "cut": phrase("I read only the beginning of {names}."),
}
MODEL: Mapping[str, str] = {
    "voice": "sound; you cannot hear it",
    "video": "a video; you cannot see it",
    "file": "its content is not shown to you",
    "kind": "a picture that you cannot see",
    "size": "not read, for it is too large",
    "number": "not read",
    "lost": "it could not be read",
    "broken": "it is damaged and could not be read",
    "encrypted": "a PDF protected by a password, not read",
    "no text": "a PDF without text, perhaps scanned; not read",
    "too much": "a PDF too complicated to be read",
    "not installed": "a PDF; it could not be read",
}
MOST_NAMES = 5

Keep = Callable[[bytes, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Attached:
    """What is remembered of a message with files. `problems` are files by what is wrong with them, or by the adapter's
    own sentence about it; `answerable` is False for a message that holds nothing but those."""

    text: str
    parts: Mapping[str, JsonValue] = field(default_factory=dict)
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    answerable: bool = True

    @property
    def notice(self) -> str:
        """What people are told about files that were not read, in the language that is spoken now."""
        told = (
            say(PEOPLE[problem], names=_listed(names)) if problem in PEOPLE else say(problem)
            for problem, names in self.problems.items()
        )
        return " ".join(told)


@dataclass(slots=True)
class _Reading:
    """One message's files, as far as they were read."""

    texts: list[str] = field(default_factory=list)
    images: list[JsonValue] = field(default_factory=list)
    image_bytes: int = 0
    room: int = MAX_BYTES
    read: int = 0
    problems: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, problem: str, name: str) -> None:
        self.problems.setdefault(problem, []).append(name)
        self.texts.append(f"(attached file: {name}; {MODEL.get(problem, MODEL['lost'])})")


class Attachments:
    """Reads the files of messages. `keep` puts a picture into the store and returns the id of its blob."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._pdfs = asyncio.Semaphore(PDFS_AT_ONCE)
        self._much = asyncio.Semaphore(MUCH_AT_ONCE)

    async def read(self, event: Message, adapter: Adapter) -> Attached:
        """The message's text followed by the content of its files under their names; `parts` tell how much of it the
        person wrote, and name the pictures."""
        said = event.text if event.text.strip() else ""
        if not event.attachments:
            return Attached(said)
        if not event.addressed:
            # Files in other people's talk are not fetched: most are never asked about. A reply that asks finds them.
            files = event.attachments[:MAX_FILES]
            unread: list[JsonValue] = [
                {"name": each.name, "media_type": each.media_type, "size": each.size, "url": each.url} for each in files
            ]
            text = "\n\n".join(filter(None, (said, *map(_unasked, files))))
            return Attached(text, {"said": len(said), "unread": unread})
        reading = _Reading()
        files = event.attachments[:MAX_FILES]
        fitting = _fitting(files)
        async with self._much if sum(each.size for each in fitting) > MUCH else nullcontext():
            contents = await asyncio.gather(*(_fetched(each, adapter, fits=each in fitting) for each in files))
            for attachment, content in zip(files, contents, strict=True):
                await self._take(attachment, content, reading)
        left = event.attachments[MAX_FILES:]
        if left:
            reading.problems.setdefault("number", []).extend(clean_name(each) for each in left)
            reading.texts.append(f"(and {len(left)} more files, not read)")
        parts: dict[str, JsonValue] = {"said": len(said)}
        if reading.images:
            parts["images"] = reading.images
        text = "\n\n".join(filter(None, (said, *reading.texts)))
        return Attached(text, parts, reading.problems, answerable=bool(said or reading.read))

    async def _take(self, attachment: Attachment, content: bytes | str, reading: _Reading) -> None:
        name = clean_name(attachment)
        if isinstance(content, str):
            reading.refuse(content, name)
        elif (seen := look(content)) is not None:
            picture = Picture(name, seen.media_type, len(content), "", seen.width, seen.height)
            problem = "broken" if not seen.whole or seen.width * seen.height == 0 else _too_much(picture, reading)
            if problem:
                reading.refuse(problem, name)
            else:
                await self._keep_picture(picture, content, reading)
        elif b"%PDF-" in content[:1024]:
            await self._take_pdf(name, content, reading)
        elif claimed_kind(attachment) in ("picture", "pdf"):
            reading.refuse("kind" if _is_foreign_picture(content) else "broken", name)
        elif (text := decoded(content)) is None:
            reading.refuse("file", name)
        elif len(content) > reading.room:
            reading.refuse("size", name)
        else:
            self._add_text(name, text, len(content), reading)

    async def _keep_picture(self, picture: Picture, content: bytes, reading: _Reading) -> None:
        reading.images.append(
            {
                "blob": await self._keep(content, picture.media_type),
                "name": picture.name,
                "media_type": picture.media_type,
                "size": picture.size,
                "width": picture.width,
                "height": picture.height,
            }
        )
        reading.texts.append(picture.label)
        reading.image_bytes += picture.size
        reading.read += 1

    async def _take_pdf(self, name: str, content: bytes, reading: _Reading) -> None:
        if not reading.room:
            reading.refuse("size", name)
            return
        async with self._pdfs:
            document = await read_pdf(content, most=reading.room)
        if document.problem:
            reading.refuse(document.problem, name)
            return
        whole = document.read == document.pages and len(document.text) < reading.room
        if not whole:
            reading.problems.setdefault("cut", []).append(name)
        pages = "1 page" if document.pages == 1 else f"{document.pages} pages"
        title = f"{name} ({pages})" if whole else f"{name} (its beginning; {pages})"
        self._add_text(title, document.text, len(document.text), reading)

    def _add_text(self, title: str, text: str, size: int, reading: _Reading) -> None:
        fence = "`" * max((len(run) + 1 for run in BACKTICKS.findall(text)), default=3)
        reading.texts.append(f"{title}:\n{fence}\n{text}\n{fence}")
        reading.room = max(reading.room - size, 0)
        reading.read += 1


def unread_in(parts: Mapping[str, JsonValue]) -> tuple[Attachment, ...]:
    """The files of a remembered message that were not read when it was heard."""
    listed = parts.get("unread")
    found = []
    for item in listed if isinstance(listed, list) else ():
        match item:
            case {"name": str(name), "media_type": str(media_type), "size": int(size), "url": str(url)}:
                found.append(Attachment(name, media_type, size, url))
    return tuple(found)


async def _fetched(attachment: Attachment, adapter: Adapter, *, fits: bool) -> bytes | str:
    """The content, or why it is not read: a problem by its name, or a sentence of the adapter's."""
    kind = claimed_kind(attachment)
    if isinstance(adapter, DeclinesFiles) and (why := adapter.declines(attachment)):
        return why
    if kind not in LARGEST:
        return "voice" if kind == "sound" else kind
    if not fits:
        return "size"
    try:
        async with asyncio.timeout(LOADING):
            content = await adapter.fetch(attachment, LARGEST[kind])
    except DeliveryRefused as error:
        log.warning("attachment may not be read", error=repr(error))
        return error.public
    except (DeliveryError, TimeoutError) as error:
        log.warning("attachment could not be read", error=repr(error))
        return "lost"
    return "size" if len(content) > LARGEST[kind] else content


def _fitting(attachments: Sequence[Attachment]) -> Sequence[Attachment]:
    """Those that are loaded: each small enough for its kind, and all of them together."""
    fitting: list[Attachment] = []
    room = MAX_TOGETHER
    for each in attachments:
        if each.size <= min(LARGEST.get(claimed_kind(each), -1), room):
            fitting.append(each)
            room -= each.size
    return fitting


LARGEST: Mapping[Kind, int] = {"picture": MAX_PICTURE_BYTES, "pdf": MAX_PDF_BYTES, "text": MAX_BYTES}


def _too_much(picture: Picture, reading: _Reading) -> str:
    if len(reading.images) >= MAX_PICTURES:
        return "number"
    pixels = picture.width * picture.height
    too_large = picture.size > MAX_PICTURE_BYTES or pixels > MOST_PIXELS
    return "size" if too_large or reading.image_bytes + picture.size > MAX_PICTURES_BYTES else ""


def _is_foreign_picture(content: bytes) -> bool:
    """A picture of a kind that models do not take: BMP, TIFF, or one of the HEIC and AVIF family."""
    return content.startswith((b"BM", b"II*\0", b"MM\0*")) or content[4:8] == b"ftyp"


def _unasked(attachment: Attachment) -> str:
    name = clean_name(attachment)
    if claimed_kind(attachment) == "picture":
        return f"(picture: {name}; not shown to you)"
    return f"(attached file: {name}; not read)"


def clean_name(attachment: Attachment) -> str:
    """One short line that cannot be taken for the end of what stands around it."""
    visible = "".join(" " if char in "()\n\r\t" or not char.isprintable() else char for char in attachment.name)
    return " ".join(visible.split())[:100].strip() or "file"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(shown_name(name) for name in names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return say("{names} and {count} more", names=shown, count=more) if more > 0 else shown
