"""A small program for the pseudo-terminal tests: the terminal adapter before an engine that says what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

from adapters.terminal import TerminalAdapter, TerminalSettings
from bot.api import (
    AnyEvent,
    Arg,
    Command,
    CommandCall,
    Done,
    Message,
    Notice,
    Parameter,
    Piece,
    Place,
    PromptMessage,
    Reply,
    Text,
    ToolEnd,
    ToolStart,
    Usage,
)


async def suggested(ctx: object, typed: str) -> Sequence[str]:
    assert isinstance(ctx, CommandCall)
    return [name for name in ("apple", "apricot", "banana") if name.startswith(typed)]


async def nothing() -> None:
    return None


def command(name: str, description: str, *parameters: Parameter, immediate: bool = False) -> Command:
    return Command(name, description, parameters, nothing, "test", immediate=immediate)


def parameter(name: str, *choices: str, arg: Arg | None = None) -> Parameter:
    return Parameter(name, "str", f"the {name}", True, None, choices, arg or Arg())


COMMANDS = (
    command("help", "Show the commands."),
    command("stop", "Stop the answer.", immediate=True),
    command("mode", "Change the mode.", parameter("mode", "creative", "precise", "balanced")),
    command("fruit", "Pick a fruit.", parameter("fruit", arg=Arg(complete=suggested))),
    command("system show", "Show the system prompt."),
    command("system set", "Change it.", parameter("text", arg=Arg(rest=True))),
)


Write = Callable[[Piece], Awaitable[None]]
Reason = Literal["stop", "stopped"]


class Engine:
    """Answers a message with its files, piece by piece, or with an echo; `slow` never ends on its own."""

    def __init__(self, pace: float, size: int) -> None:
        self.pace = pace
        self.size = size
        self.stopped = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.adapter: TerminalAdapter | None = None

    async def handle(self, event: AnyEvent) -> None:
        task = asyncio.create_task(self.answer(event))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, event: AnyEvent) -> None:
        assert self.adapter is not None
        if isinstance(event, CommandCall):
            if event.command == "stop":
                self.stopped.set()
            await self.adapter.send(event.route, Reply(f"ran **{event.command}** with `{event.text}`"))
        elif isinstance(event, Message):
            self.stopped.clear()
            async with self.adapter.stream(event.route) as stream:
                files = [await self.adapter.fetch(each, 1_000_000) for each in event.attachments]
                reason = await self.speak(stream.write, event.text, files)
                await stream.write(Done(reason, Usage(20, 312), "m", 4.1, 0.6, Decimal("0.0004")))

    async def speak(self, write: Write, text: str, files: Sequence[bytes]) -> Reason:
        if text == "tools":
            await write(Text("Let me see.\n"))
            await write(ToolStart("1", "roll", '{"sides": 20}'))
            await asyncio.sleep(self.pace)
            await write(ToolEnd("1", "roll", "17"))
            await write(Notice("The connection broke; I went on."))
            await write(Text("You rolled 17."))
            return "stop"
        if text == "slow":
            number = 0
            while not self.stopped.is_set():
                number += 1
                await write(Text(f"word{number} "))
                await asyncio.sleep(self.pace)
            return "stopped"
        said = f"You said:\n\n{text}\n\nin {len(text.splitlines())} lines." if text else ""
        said = "\n\n".join([said, *(file.decode() for file in files)])
        for at in range(0, len(said), self.size):
            await write(Text(said[at : at + self.size]))
            await asyncio.sleep(self.pace)
        return "stop"


async def earlier(place: Place) -> Sequence[PromptMessage]:
    return [PromptMessage("user", "How are you?"), PromptMessage("assistant", "Very well, thank you. " * 12)]


async def last() -> Place | None:
    return Place("terminal", "local", "yesterday")


async def main(folder: str, pace: str = "0.01", size: str = "7", *options: str) -> None:
    settings = TerminalSettings(
        folder=Path(folder),
        greeting="Duologue · SmolLM2-135M, a small model on this machine. For a better one set OPENAI_API_KEY.",
        resume="resume" in options,
        last=last,
        earlier=earlier,
    )
    engine = Engine(float(pace), int(size))
    engine.adapter = TerminalAdapter(settings)
    running = asyncio.ensure_future(engine.adapter.run(engine.handle, COMMANDS))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    for task in engine.tasks:
        task.cancel()
    await asyncio.gather(*engine.tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
