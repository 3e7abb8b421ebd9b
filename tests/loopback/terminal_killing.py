"""Scenes in the terminal during which the bot is killed: the next `duologue chat --resume` goes on with them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.testing.openai_server import FakeOpenAI
from tests.loopback.scene_killing import BEGIN, INTERRUPTED, is_remembered, status_of_scene

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; only what is broken takes so long
OVER = "🎬 The scene is over"
# It died before a word was said.
NOTHING = "There is no earlier conversation to go on with"


class Talk:
    """One run of `duologue chat`, and all that it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = ""

    @property
    def said(self) -> str:
        """In one line, for a terminal breaks lines where it likes."""
        return " ".join(self._said.split())

    def types(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())

    async def until(self, *parts: str) -> bool:
        """Whether it said one of them before it ended."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not any(part in self.said for part in parts):
                read = await self._process.stdout.read(65536)
                if not read:
                    return False
                self._said += read.decode(errors="replace")
        return True

    async def leaves(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            await self._process.communicate()
        return self._process.returncode or 0


@asynccontextmanager
async def talking(folder: Path, model: FakeOpenAI, *options: str, die_at_commit: int = 0) -> AsyncIterator[Talk]:
    given = {name: value for name in ("PATH", "LANG") if (value := os.environ.get(name))}
    given |= {"HOME": str(folder), "PYTHONPATH": str(ROOT), "DUOLOGUE_MEMORY__DATABASE": str(folder / "duologue.db")}
    given |= {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model.url, "OPENAI_MODEL": "gpt-6-luna"}
    program = ("-m", "tests.loopback.dying_chat", str(die_at_commit), str(folder / "armed"), *options)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program),
        cwd=folder,
        env=given,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Talk(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def begins(talk: Talk) -> None:
    talk.types(f"/{BEGIN.start}")
    assert await talk.until("`/roleplay resume` begins it"), talk.said


async def killed_in_the_terminal(folder: Path, commit: int) -> None:
    async with FakeOpenAI(BEGIN.model) as model:
        async with talking(folder, model, die_at_commit=commit) as talk:
            await begins(talk)
            (folder / "armed").touch()
            talk.types("/roleplay resume")
            await talk.until(OVER)
        async with talking(folder, model, "--resume") as talk:
            status = await status_of_scene(folder)
            if status != "done":
                assert await talk.until(INTERRUPTED, OVER, NOTHING), talk.said
                if NOTHING in talk.said:
                    await begins(talk)
                if OVER not in talk.said:
                    assert "`/roleplay resume`" in talk.said
                    talk.types("/roleplay resume")
            if status != "done":
                assert await talk.until(OVER), talk.said
            assert await talk.leaves() == 0
            assert talk.said.count(INTERRUPTED) <= 1
        await is_remembered(folder, BEGIN)
