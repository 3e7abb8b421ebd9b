"""Two processes on one database file, and what happens when one of them is killed."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from bot.events import CommandCall, Message, Route
from bot.store import Claim, Store
from bot.store.presence import FilePresence
from bot.testing.store_samples import PLACE, answer, everything, heard
from tests.processes import process
from tests.unit.store_program import live


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mem[o]ry*.db"


class Running:
    """Another process with the same database."""

    def __init__(self, process: BaseProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    async def line(self) -> str:
        return (await self._reader.readline()).decode().strip()

    async def rest(self) -> list[str]:
        return (await self._reader.read()).decode().split()

    def go(self) -> None:
        self._writer.write(b"go\n")

    async def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self._process.kill()
        await asyncio.to_thread(self._process.join)


@asynccontextmanager
async def running(file: Path, task: str) -> AsyncIterator[Running]:
    here, there = socket.socketpair()
    with Connection(there.detach()) as line:
        other = process(live, f"sqlite:///{file}", task, line)
        other.start()
    reader, writer = await asyncio.open_connection(sock=here)
    other_end = Running(other, reader, writer)
    try:
        assert await other_end.line() == "ready"
        yield other_end
    finally:
        await other_end.kill()
        await other_end.rest()
        writer.close()


@pytest.mark.crash
async def test_what_a_killed_process_held_is_taken_over_at_once(file: Path) -> None:
    async with running(file, "hold") as other, Store(f"sqlite:///{file}") as store:
        assert (await store.claim(heard("seen"))).state == "running"
        assert (await store.claim(heard("answering"))).state == "running"
        assert (await store.left_behind("fake"), await store.orphans("fake")) == ((), ())

        await other.kill()

        assert await store.claim(heard("seen")) == Claim("taken_over", 1)
        ((event, claim),) = await store.left_behind("fake")
        assert (event, claim) == (heard("begun"), Claim("taken_over", 1, started=True))
        assert (await store.claim(heard("answering"))).state == "running", "its draft is recovered instead"
        (draft,) = await store.orphans("fake")
        assert (draft.text, draft.epoch, draft.attempts, draft.event_id) == ("half an ans", 1, 1, "answering")
        assert await store.orphans("fake") == ()
        assert await store.answered(draft, PLACE, [answer("half an answer", "a1")], []) is not None
        assert await everything(store) == ["question", "half an answer"]
        assert (await store.claim(heard("answering"))).state == "done"


@pytest.mark.crash
async def test_a_restarted_process_tidies_up_after_a_killed_one(file: Path) -> None:
    async with running(file, "hold") as other:
        assert len(alive(file)) == 1
        await other.kill()
        assert len(alive(file)) == 1, "a killed process leaves its lock file"
    async with Store(f"sqlite:///{file}") as store:
        assert alive(file) == [file.with_name(f"{file.name}.{store.owner}.alive")]
        assert len(await store.orphans("fake")) == 1
        assert len(await store.left_behind("fake")) == 2
    assert alive(file) == []


@pytest.mark.crash
async def test_two_processes_handle_each_event_once(file: Path) -> None:
    async with running(file, "claim") as other, Store(f"sqlite:///{file}") as store:
        other.go()
        mine = {str(number) for number in range(40) if (await store.claim(heard(str(number)))).mine}
        theirs: set[str] = set()
        while (line := await other.line()) != "end":
            theirs.add(line)
        assert not mine & theirs
        assert mine | theirs == {str(number) for number in range(40)}


@pytest.mark.crash
@pytest.mark.parametrize("answers", [0, 1, 3, 10])
async def test_a_process_killed_in_the_middle_of_answers_loses_none(file: Path, answers: int) -> None:
    async with running(file, "answering") as other:
        safe = [await other.line() for _ in range(answers)]
        await other.kill()
        safe += await other.rest()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with Store(f"sqlite:///{file}") as store:
        left = [event.id for event, _ in await store.left_behind("fake")]
        drafts = await store.orphans("fake")
        assert len(left) + len(drafts) <= 1
        said = await everything(store)
        whole = [text for text in said if text.startswith("answer")]
        # The last answer may be written without having been announced.
        assert whole[: len(safe)] == [f"answer {number}" for number in safe]
        assert len(whole) in (len(safe), len(safe) + 1)
        assert sum(line.usage.input for line in await store.usage()) == 100 * len(whole)
        for draft in drafts:
            assert (
                await store.answered(draft, PLACE, [answer(f"answer {len(whole)}", f"a{len(whole)}")], []) is not None
            )
            whole.append(f"answer {len(whole)}")
        for number in range(len(whole)):
            assert (await store.claim(heard(f"q{number}"))).state == "done"


async def test_a_lock_says_who_lives(file: Path) -> None:
    first, second = FilePresence(file, "first"), FilePresence(file, "second")
    await first.enter()
    await second.enter()
    asked = [second.is_dead("first"), first.is_dead("second"), second.is_dead("second"), second.is_dead("nobody")]
    assert await asyncio.gather(*asked * 20) == [False, False, False, True] * 20
    await first.leave()
    assert await second.is_dead("first")
    await second.leave()
    assert alive(file) == []


async def test_an_event_that_cannot_be_read_any_more_is_dropped(file: Path) -> None:
    command = CommandCall(id="2", user=heard("1").user, route=heard("1").route, at=heard("1").at, command="roll")
    async with Store(f"sqlite:///{file}") as store:
        await store.claim(heard("1"))
        await store.claim(command)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE event SET data = '{\"kind\": \"from the future\"}' WHERE id = '1'")
    async with Store(f"sqlite:///{file}") as store:
        assert [event for event, _ in await store.left_behind("fake")] == [command]
        assert (await store.claim(heard("1"))).state == "done"


async def test_what_was_said_is_not_kept_in_a_claim_that_is_done(file: Path) -> None:
    async with Store(f"sqlite:///{file}") as store:
        await store.claim(heard("1", "a secret"))
        await store.done(PLACE, "1")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT id, data FROM event").fetchall() == [("1", None)]
        assert isinstance(heard("1"), Message)


def alive(file: Path) -> list[Path]:
    return [path for path in file.parent.iterdir() if path.suffix == ".alive"]


async def test_a_job_belongs_to_the_process_that_runs_it_until_that_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'm.db'}"
    here, route = [PLACE.platform], Route(PLACE)
    async with Store(url) as second, Store(url) as third:
        async with Store(url) as first:
            job = await first.save_job("roleplay", "scene", route, {"turn": 1}, status="running")
            assert not await second.take_left_jobs(here)
            assert not await second.has_left_jobs(PLACE)
            assert [each[-1] for each in await second.jobs()] == ["running"]
        assert await second.has_left_jobs(PLACE)
        assert not await second.take_left_jobs(["another"])
        assert await second.take_left_jobs(here) == [(job, "roleplay", "scene", route, {"turn": 1}, "left")]
        assert not await third.take_left_jobs(here), "one of them tells of it"
        await second.save_job("roleplay", "scene", route, {"turn": 1}, status="paused", id=job)
        assert await third.has_left_jobs(PLACE)
        await third.save_job("roleplay", "scene", route, {"turn": 1}, status="done", id=job)
        assert not await third.has_left_jobs(PLACE)


async def test_a_job_from_before_owners_were_noted_was_left(file: Path) -> None:
    url = f"sqlite:///{file}"
    async with Store(url) as store:
        job = await store.save_job("roleplay", "scene", Route(PLACE), {}, status="running")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE job SET owner = ''")
    async with Store(url) as store:
        assert [each[0] for each in await store.take_left_jobs([PLACE.platform])] == [job]
