"""A process for the tests of the store: it does what it is told, says so line by line, and may be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from multiprocessing.connection import Connection

from bot.events import Route
from bot.replies import SentId
from bot.store import Store
from bot.testing.store_samples import PLACE, answer, call, heard, said


async def hold(store: Store) -> None:
    """Be in the middle of things: one event only claimed, one command running, one answer half written."""
    await store.claim(heard("seen"))
    await store.claim(heard("begun"))
    await store.begin(PLACE, "begun")
    await store.claim(heard("answering"))
    conversation, question = await store.remember(PLACE, said("question", "answering"))
    draft = await store.open_draft(conversation.id, Route(PLACE), "answering", question.id, epoch=0)
    await store.save_draft(draft.id, text="half an ans", sent=[SentId("a1")])
    print("ready", flush=True)
    await asyncio.Event().wait()


async def claim(store: Store) -> None:
    """Claim forty events, and print those that nobody else has."""
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(40):
        if (await store.claim(heard(str(number)))).mine:
            print(number, flush=True)
    print("end", flush=True)
    sys.stdin.readline()  # stay alive: what is claimed is not free until this process ends


async def answering(store: Store) -> None:
    """Answer one question after the other; a printed number means that the answer is safe."""
    print("ready", flush=True)
    for number in range(10_000):
        id = f"q{number}"
        await store.claim(heard(id))
        conversation, question = await store.remember(PLACE, said(id, id))
        draft = await store.open_draft(conversation.id, Route(PLACE), id, question.id, epoch=0)
        await store.save_draft(draft.id, text="an", sent=[SentId(f"a{number}")])
        await store.answered(draft, PLACE, [answer(f"answer {number}", f"a{number}")], [call("1")])
        print(number, flush=True)


async def main(url: str, task: str) -> None:
    async with Store(url) as store:
        await {"hold": hold, "claim": claim, "answering": answering}[task](store)


def live(url: str, task: str, line: Connection) -> None:
    """What is said and heard goes over the `line`."""
    os.dup2(line.fileno(), 0)
    os.dup2(line.fileno(), 1)
    sys.stdin = os.fdopen(0)
    asyncio.run(main(url, task))
