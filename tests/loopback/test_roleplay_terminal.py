"""A whole scene in the terminal, through pipes: names before the lines, people who join in, a kill in the middle."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.testing.openai_server import FakeOpenAI
from tests.loopback.scenes import CAPTAIN, INSPECTOR, OPENER, TEMPLATE, acting, line, performed, texts_of

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; only what is broken takes so long
NAMES = (CAPTAIN, INSPECTOR)

pytestmark = pytest.mark.timeout(120)


class Chat:
    """`duologue chat`, and all that it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = ""

    def types(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())

    @property
    def said(self) -> str:
        """In one line, for a terminal breaks lines where it likes."""
        return " ".join(self._said.split())

    async def says(self, *parts: str) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not all(part in self.said for part in parts):
                read = await self._process.stdout.read(65536)
                assert read, f"it ended before it said {parts}: {self._said}"
                self._said += read.decode(errors="replace")
        return self.said

    async def leaves(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def is_killed(self) -> None:
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def chat(folder: Path, environment: Mapping[str, str], *options: str) -> AsyncIterator[Chat]:
    given = {name: value for name in ("PATH", "LANG") if (value := os.environ.get(name))}
    given |= {
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "DUOLOGUE_MEMORY__DATABASE": str(folder / "duologue.db"),
        **environment,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "chat", *options),
        cwd=folder,
        env=given,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Chat(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def asking(model: FakeOpenAI) -> Mapping[str, str]:
    return {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model.url, "OPENAI_MODEL": "gpt-6-luna"}


async def begins(talk: Chat, options: str) -> None:
    talk.types(f'/roleplay start "{TEMPLATE}" {options}')
    await talk.says("`/roleplay resume` begins it", CAPTAIN, INSPECTOR)
    talk.types("/roleplay resume")
    await talk.says(OPENER)


async def test_a_scene_of_eight_lines(tmp_path: Path) -> None:
    async with FakeOpenAI(acting()) as model, chat(tmp_path, asking(model)) as talk:
        await begins(talk, "--turns=8 --pace=600")
        assert model.seen == [], "it begins without a model"
        for number, name, text in performed(NAMES, 8):
            if number == 4:
                talk.types("I bring a parrot!")
            talk.types("/roleplay next")
            said = await talk.says(text)
            assert re.search(rf"{name}\W+{re.escape(text)}", said)
        said = await talk.says("🎬 The scene is over: all lines were said.")
        assert [int(number) for number in re.findall(r"Line (\d+), said by", said)] == [*range(1, 9)]
        assert len(model.seen) == 8
        assert ["I bring a parrot!" in "\n".join(texts_of(seen)) for seen in model.seen] == [False] * 3 + [True] * 5
        assert await talk.leaves() == 0


async def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    async with FakeOpenAI(acting(rate=100.0)) as model:
        async with chat(tmp_path, asking(model)) as talk:
            await begins(talk, "--turns=5 --pace=0")
            await talk.says("Line 3, said by")
            await talk.is_killed()
        async with chat(tmp_path, asking(model), "--resume") as talk:
            talk.types("/roleplay resume")
            said = await talk.says("🎬 The scene is over: all lines were said.")
            assert re.findall(r"Line (\d+), said by ([^.]+)\.", said)[-3:] == [
                (str(number), name) for number, name, _ in performed(NAMES, 5)[2:]
            ]
            assert line(5, CAPTAIN) in said
            assert await talk.leaves() == 0
