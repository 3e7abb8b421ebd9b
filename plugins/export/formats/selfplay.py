"""The JSON that SelfPlay writes of two bots that talk, in its shape and with its names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO

from pydantic import JsonValue

from bot.api import phrase
from plugins.export.transcript import Entry, Format, Header, Speaker


def write(header: Header, entries: Iterable[Entry], out: BinaryIO) -> None:
    """It counts the lines before it tells them, so those are written beside first."""
    speakers = {one.key: one for one in header.speakers}
    models: dict[str, str] = {}
    before, opener, count = "", "", 0
    with TemporaryFile() as beside:
        for entry in entries:
            if entry.variant_of is not None or entry.role not in ("user", "assistant") or not entry.text:
                continue
            one = speakers.get(entry.speaker) or Speaker(entry.speaker, entry.speaker, "person")
            count += 1
            opener = opener if count > 1 else entry.text
            if entry.model:
                models[one.key] = entry.model
            line = {"turn": count, "speaker": one.name, "message": entry.text, "previous_message": before}
            beside.write((",\n" if count > 1 else "\n").encode() + _dumped(line))
            before = entry.text
        participants: list[JsonValue] = [
            {"name": one.name, "system_message": "", "provider": "", "model": models.get(one.key, "")}
            for one in header.speakers
        ]
        metadata: dict[str, JsonValue] = {
            "timestamp": header.exported_at.isoformat() if header.exported_at is not None else "",
            "participants": participants,
            "turns": count,
            "initial_prompt": opener,
        }
        out.write(b'{\n"metadata": ' + _dumped(metadata) + b',\n"conversation": [')
        beside.seek(0)
        copyfileobj(beside, out, 1 << 20)
    out.write(b"\n]\n}\n")


SELFPLAY = Format("selfplay", ".json", "application/json", phrase("The JSON of SelfPlay"), write)


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")
