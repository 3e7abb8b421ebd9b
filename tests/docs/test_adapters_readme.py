"""The adapter in adapters/README.md runs as it stands there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import bot.api
from bot.api import AnyEvent, CommandCall, Commands, Context, Notice, Reply, Route, TargetGone, Text
from bot.commands import command_from

README = (Path(__file__).parents[2] / "adapters" / "README.md").read_text("utf-8")


@pytest.fixture
def line() -> Any:
    """The README's module."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    module = ModuleType("duologue_line")
    exec(compile(code, "adapters/README.md", "exec"), module.__dict__)
    return module


async def roll(ctx: Context, sides: int = 6) -> str:
    """Roll a die."""
    return "4"


async def test_the_adapter_of_the_readme_talks(line: Any) -> None:
    adapter = line.spec.create(line.LineSettings(port=0))
    heard: asyncio.Queue[AnyEvent] = asyncio.Queue()
    running = asyncio.create_task(adapter.run(heard.put, Commands([command_from(roll, plugin="test")])))
    while adapter.port == 0:  # noqa: ASYNC110 – the example has no event to wait for
        await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", adapter.port)

    writer.write(b"\nhello\n/roll 20\n")
    message, call = await heard.get(), await heard.get()
    assert message.kind == "message"
    assert message.text == "hello"
    assert isinstance(call, CommandCall)
    assert (call.command, call.text) == ("roll", "20")

    journal: list[str] = []

    async def write_down() -> None:
        journal.append("written")

    route = Route(message.place)
    async with adapter.stream(route, before_post=write_down) as stream:
        await stream.write(Text("well "))
        await stream.write(Text("met"))
        await stream.write(Notice("cut off"))
    assert await reader.readline() == b"well met\n"
    assert await reader.readline() == b"(cut off)\n"
    assert len(stream.sent) == 1
    assert journal == ["written"]
    assert await adapter.send(route, Reply("")) == ()
    await adapter.send(route, Reply("4"))
    assert [await reader.readline(), await reader.readline()] == [b"\n", b"4\n"]
    assert adapter.capabilities(route).appends

    running.cancel()
    await asyncio.wait([running])
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    while adapter.writers:  # noqa: ASYNC110 – as above
        await asyncio.sleep(0)
    with pytest.raises(TargetGone):
        await adapter.send(route, Reply("late"))


def test_what_the_readme_names_exists(line: Any) -> None:
    assert line.spec.configured(line.LineSettings(port=7007))
    assert not line.spec.configured(line.LineSettings())
    for name in ("EditedStream", "Surface", "Lane", "TargetGone", "DeliveryRefused", "DeliveryError", "Capabilities"):
        assert f"`{name}`" in README
        assert hasattr(bot.api, name)
