"""A process that dies in the middle of an answer, exactly where it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.events import CommandCall, Message, Place, Route, User, event_from_json, event_to_json
from bot.replies import SentId
from bot.store import NewMessage, Store

PLACE = Place("fake", "workspace", "channel")
ANN = User("u-ann", "Ann", permissions=frozenset({"admin"}))


@dataclass(frozen=True)
class Crash:
    """`said` is None when the process died before the journal was opened."""

    database: Path
    event: Message | CommandCall
    said: str | None = None
    sent: tuple[str, ...] = ()
    finished: bool = False
    begun: bool = False


def question(id: str, text: str = "Tell me a story.", *, age: timedelta = timedelta()) -> Message:
    return Message(
        id=id, user=ANN, route=Route(PLACE, {"message": id}), at=datetime.now(UTC) - age, text=text, addressed=True
    )


def die(crash: Crash) -> None:
    """Run the other process; it is gone when this returns."""
    arguments = [
        str(crash.database),
        event_to_json(crash.event),
        "-" if crash.said is None else "+" + crash.said,
        ",".join(crash.sent),
        "finished" if crash.finished else "",
        "begun" if crash.begun else "",
    ]
    done = subprocess.run([sys.executable, "-m", "tests.conversations.crashed", *arguments], check=False)
    assert done.returncode == -signal.SIGKILL


async def _live_and_die(database: str, event: str, said: str, sent: str, finished: str, begun: str) -> None:
    heard = event_from_json(event)
    async with Store(f"sqlite+aiosqlite:///{database}") as store:
        await store.claim(heard)
        if begun:
            await store.begin(heard.place, heard.id)
        if said != "-":
            assert isinstance(heard, Message)
            new = NewMessage("user", heard.text, author_id=heard.user.id, author="Ann", sent=(SentId(heard.id),))
            conversation, asked = await store.remember(heard.place, new)
            draft = await store.open_draft(conversation.id, heard.route, heard.id, asked.id, epoch=0)
            await store.save_draft(
                draft.id,
                text=said[1:],
                sent=[SentId(id) for id in sent.split(",") if id],
                finished="stop" if finished else None,
            )
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(_live_and_die(*sys.argv[1:]))
