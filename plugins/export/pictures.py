"""Pictures that come with a transcript: faces of speakers, and what people sent. As text that a page may hold."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from bot.api import Archive, SceneSpan, look

# Bytes of one, and of all of a transcript; a larger one is not shown. Faces are small on every platform.
MOST_FACE, MOST_FACES = 1 << 20, 4 << 20
MOST_PICTURE, MOST_PICTURES = 4 << 20, 32 << 20
# Of what fits into a message of a platform, a part is left for words; as text a picture takes a third more.
SHARE = 0.5


@dataclass(slots=True)
class Room:
    """How many bytes of pictures a transcript may still take."""

    left: int

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True


def rooms(most_bytes: int) -> tuple[int, int]:
    """Bytes for faces and for what people sent; 0 is no limit but ours."""
    if not most_bytes:
        return MOST_FACES, MOST_PICTURES
    each = int(most_bytes * SHARE * 3 / 4) // 2
    return min(MOST_FACES, each), min(MOST_PICTURES, each)


def address(content: bytes) -> str:
    """A `data:` address of a PNG, JPEG, GIF or WebP, which its own bytes say it is; empty for anything else."""
    seen = look(content)
    if seen is None or not seen.whole or not (seen.width and seen.height):
        return ""
    return f"data:{seen.media_type};base64,{b64encode(content).decode()}"


async def faces_of(archive: Archive, scenes: Sequence[SceneSpan], room: Room) -> Mapping[str, str]:
    """By the names of those who play, the newest of each. What lies elsewhere is not fetched."""
    newest = {one.name: one.face for scene in scenes for one in scene.bill.cast if one.face}
    found: dict[str, str] = {}
    for name, id in newest.items():
        content = await archive.blob(id, min(MOST_FACE, room.left)) if "://" not in id else None
        if content is not None and (shown := await asyncio.to_thread(address, content)) and room.take(len(content)):
            found[name] = shown
    return found


async def pictures_of(archive: Archive, parts: Mapping[str, JsonValue], room: Room) -> tuple[str, ...]:
    """Of a message, in the order in which `parts` names them; nothing where none can be shown."""
    listed = parts.get("images")
    found = []
    for each in listed if isinstance(listed, list) else ():
        id = each.get("blob") if isinstance(each, Mapping) else None
        content = await archive.blob(id, min(MOST_PICTURE, room.left)) if isinstance(id, str) else None
        shown = await asyncio.to_thread(address, content) if content is not None else ""
        found.append(shown if content is not None and shown and room.take(len(content)) else "")
    return tuple(found) if any(found) else ()
