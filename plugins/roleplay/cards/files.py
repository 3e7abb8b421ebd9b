"""Card files: PNG, JSON and CHARX in, PNG and JSON out, with everything that was in them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from bot.api import UsageError, phrase, say
from plugins.roleplay.cards.card import Card, card_of
from plugins.roleplay.cards.png import BadPng, chunks_of, is_png, plain, text_in, with_texts, written

MAX_FILE, MAX_JSON = 10 * 1024 * 1024, 2 * 1024 * 1024
# What base64 makes of the longest JSON, with line ends in it.
MAX_TEXT = MAX_JSON * 3 // 2
MAX_FILES_IN_ZIP = 50
# In the order in which they are believed: the newer text knows more.
KEYWORDS = ("ccv3", "chara")
SIZE = 256
_NO_CARD = phrase("There is no character in this picture. Cards lose it when a picture is edited or sent as a photo.")


def read_card(content: bytes) -> Card:
    """Raises UsageError with a sentence that says what is wrong."""
    if len(content) > MAX_FILE:
        raise UsageError(say("This file is larger than {most} MB, so it is no character card.", most=MAX_FILE >> 20))
    if is_png(content):
        return _from_png(content)
    if content.startswith(b"PK\x03\x04"):
        return _from_zip(content)
    return card_of(_parsed(content))


def as_json(card: Card) -> bytes:
    """As it came; a card of the oldest kinds stays one."""
    return json.dumps(card.raw, ensure_ascii=True, indent=2).encode()


def as_png(card: Card) -> bytes:
    """The picture that it came in, pixel by pixel, with the card in both texts that programs look for."""
    picture = card.picture or plain(SIZE, SIZE, _colour(card.name))
    if card.raw.get("spec") == "chara_card_v3":
        older = {**card.raw, "spec": "chara_card_v2", "spec_version": "2.0"}
        texts = [("chara", _encoded(older)), ("ccv3", _encoded(card.raw))]
    else:
        texts = [("chara", _encoded(card.raw)), ("ccv3", b"")]
    return written(with_texts(chunks_of(picture), texts))


def _encoded(raw: Mapping[str, JsonValue]) -> bytes:
    return base64.b64encode(json.dumps(raw, ensure_ascii=True).encode())


def _from_png(content: bytes) -> Card:
    try:
        chunks = chunks_of(content)
    except BadPng as error:
        raise UsageError(say("This PNG file is broken: {why}.", why=say(str(error)))) from error
    problem: UsageError | None = None
    for keyword in KEYWORDS:
        text = text_in(chunks, keyword, MAX_TEXT)
        if text is not None:
            try:
                return card_of(_parsed(_decoded(text)), content)
            except UsageError as error:
                problem = problem or error
    raise problem or UsageError(say(_NO_CARD))


def _from_zip(content: bytes) -> Card:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES_IN_ZIP:
                raise UsageError(say("This archive holds more than {most} files.", most=MAX_FILES_IN_ZIP))
            card = next((entry for entry in entries if entry.filename == "card.json"), None)
            if card is None:
                raise UsageError(say("This archive is no character card: `card.json` is missing in it."))
            raw = _parsed(_unzipped(archive, card, MAX_JSON))
            return card_of(raw, next(_faces(archive, entries), None))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UsageError(say("This archive is broken and cannot be opened.")) from error


def _faces(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> Iterator[bytes]:
    """Pictures of the character, icons before others."""
    pictures = [entry for entry in entries if entry.filename.lower().endswith(".png")]
    for entry in sorted(pictures, key=lambda each: "icon" not in each.filename.lower()):
        content = _unzipped(archive, entry, MAX_FILE)
        try:
            chunks_of(content)
        except BadPng:
            continue
        yield content


def _unzipped(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """What an archive claims about sizes is not believed. Only what cards are packed with is unpacked: the other ways
    take as much memory as an archive says."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UsageError(say("This archive is broken and cannot be opened."))
    with archive.open(entry) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UsageError(say("`{name}` in this archive is too large.", name=entry.filename[-60:]))
    return content


def _decoded(text: bytes) -> bytes:
    """Base64 with all the liberties that are taken with it, or the JSON itself."""
    bare = re.sub(rb"\s", b"", text)
    if bare.startswith((b"{", b"\xef\xbb\xbf{")):
        return text
    bare = bare.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except binascii.Error as error:
        raise UsageError(say("The character in this picture is damaged and cannot be read.")) from error


def _parsed(content: bytes) -> JsonValue:
    if len(content) > MAX_JSON:
        raise UsageError(say("The text of this card is longer than {most} MB.", most=MAX_JSON >> 20))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", "replace")
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise UsageError(say("This card is nested so deeply that it cannot be read.")) from error
    except ValueError as error:
        raise UsageError(say("This file is no character card: it holds neither a card nor JSON.")) from error
    return value


def _no_number(name: str) -> None:
    """NaN and the infinities are no JSON; a card is not lost for them."""


def _finite(number: str) -> float | None:
    """`1e999` is an infinity, too."""
    found = float(number)
    return found if math.isfinite(found) else None


def _colour(name: str) -> tuple[int, int, int]:
    """One that is the same whenever this name comes."""
    red, green, blue = hashlib.sha256(name.encode()).digest()[:3]
    return 64 + red // 2, 64 + green // 2, 64 + blue // 2
