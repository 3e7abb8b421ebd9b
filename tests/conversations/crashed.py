"""A process that dies in the middle of an answer, exactly where it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.events import AnyEvent, Message, Place, Route, User, event_from_json, event_to_json
from bot.replies import SentId
from bot.store import NewMessage, Store, Taking
from tests.processes import process

PLACE = Place("fake", "workspace", "channel")
ANN = User("u-ann", "Ann", permissions=frozenset({"admin"}))


@dataclass(frozen=True)
class Crash:
    """`said` is None when the process died before the journal was opened. `taking` says that it took the place of the
    newest answer, as a `variant` of it or to `continue` it."""

    database: Path
    event: AnyEvent
    said: str | None = None
    sent: tuple[str, ...] = ()
    finished: bool = False
    begun: bool = False
    taking: str = ""


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
        crash.taking,
    ]
    other = process(_begin, *arguments)
    other.start()
    other.join()
    assert other.exitcode == -signal.SIGKILL
    other.close()


def _begin(*arguments: str) -> None:
    asyncio.run(_live_and_die(*arguments))


async def _live_and_die(
    database: str, event: str, said: str, sent: str, finished: str, begun: str, taking: str
) -> None:
    heard = event_from_json(event)
    async with Store(f"sqlite:///{database}") as store:
        await store.claim(heard)
        if begun:
            await store.begin(heard.place, heard.id)
        if taking:
            answer = (await store.path(heard.place, max_tokens=1000)).messages[-1]
            asked = await store.question_of(answer)
            place = Taking(answer.id, await store.sent_of(answer.id), "", as_variant=taking == "variant")
            draft = await store.open_draft(
                answer.conversation, heard.route, heard.id, asked.id if asked else None, epoch=0, taking=place
            )
            await store.save_draft(draft.id, text=said[1:], sent=[SentId(id) for id in sent.split(",") if id])
        elif said != "-":
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
