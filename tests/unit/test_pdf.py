"""The text of PDFs, read by another process that cannot do harm or take long."""

from __future__ import annotations

import asyncio

import pytest

from bot.pdf import Document, read_pdf
from tests.samples import locked_pdf, pdf, pdf_bomb


async def test_the_text_of_all_pages_is_read() -> None:
    assert await read_pdf(pdf("Tea is hot", pages=3)) == Document("Tea is hot\n\nTea is hot\n\nTea is hot", 3, 3)


async def test_no_more_is_read_than_there_is_room_for() -> None:
    document = await read_pdf(pdf("Tea is hot", pages=50), most=25)
    assert (document.text, document.pages, document.read) == ("Tea is hot\n\nTea is hot\n\nTea i", 50, 3)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "broken"),
        (b"%PDF-1.7 and nothing else", "broken"),
        (pdf("cut off")[:300], "broken"),
        (pdf(""), "no text"),
        (locked_pdf(), "encrypted"),
        (pdf_bomb(20), "too much"),
    ],
    ids=["empty", "no PDF", "cut off", "scanned", "locked", "bomb"],
)
async def test_what_cannot_be_read_is_told_apart(content: bytes, problem: str) -> None:
    document = await read_pdf(content)
    assert (document.problem, document.text) == (problem, "")


async def test_one_that_takes_too_long_is_given_up() -> None:
    assert await read_pdf(pdf_bomb(14), seconds=0.5) == Document(problem="too much")


async def test_whoever_stops_waiting_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def noted(*program: str, **options: object) -> asyncio.subprocess.Process:
        process = await create(*program, **options)  # type: ignore[arg-type] # handed on as they come
        started.append(process)
        reading.cancel()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    reading = asyncio.create_task(read_pdf(pdf("Tea")))
    await asyncio.wait({reading})
    assert reading.cancelled()
    assert started[0].returncode is not None


async def test_the_process_sees_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    seen: dict[str, str] = {}
    create = asyncio.create_subprocess_exec

    async def noted(*program: str, **options: object) -> asyncio.subprocess.Process:
        environment = options["env"]
        assert isinstance(environment, dict)
        seen.update(environment)
        return await create(*program, **options)  # type: ignore[arg-type] # handed on as they come

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    assert (await read_pdf(pdf("Tea"))).text == "Tea"
    assert "PATH" in seen
    assert "OPENAI_API_KEY" not in seen
