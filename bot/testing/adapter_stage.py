"""People on a platform, as the adapter contract meets them, and the commands that they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Protocol, TypeVar

from bot.commands import Arg, Command
from bot.events import AnyEvent, Attachment, Message, Route, User
from bot.handler import Context
from bot.platform import Adapter
from bot.plugin import Plugin
from bot.replies import Done, Piece, ReplyStream, Text

Kind = TypeVar("Kind", bound=AnyEvent)


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as people see it: under which name, every text it ever showed, and the labels of the buttons below
    it. `public` is seen by all."""

    name: str
    states: tuple[str, ...]
    public: bool = True
    own: bool = True
    buttons: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.states[-1]


class Stage(Protocol):
    """People on a platform with a connected adapter. A method may call `pytest.skip` where its platform has no such
    thing."""

    @property
    def adapter(self) -> Adapter: ...

    @property
    def has_own_stop(self) -> bool:
        """Whether the platform itself shows how to stop an answer that grows, in place of our button."""
        ...

    async def heard(self, kind: type[Kind], count: int = 1) -> Kind:
        """The newest event of a kind that the adapter handed over, once there are `count` of them."""
        ...

    def count(self, kind: type[Kind]) -> int: ...

    async def says(self, text: str) -> None:
        """Somebody says something to the bot, such that it is addressed."""
        ...

    async def repeats(self) -> None:
        """The platform delivers the last message again."""
        ...

    async def runs(self, command: str, arguments: Mapping[str, Any]) -> None:
        """Somebody runs a command with these values; `User` and `Attachment` values stand for somebody and a file
        that the stage chooses."""
        ...

    async def presses(self, label: str) -> None:
        """The same person presses the newest button with this label."""
        ...

    def screen(self) -> Sequence[Seen]: ...


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def contract_commands() -> list[Command]:
    """The commands that a stage connects its adapter with."""
    plugin = Plugin("contract", "Commands of every kind")

    @plugin.command()
    async def everything(
        ctx: Context,
        text: Annotated[str, Arg("A text", max_length=100)],
        whole: Annotated[int, Arg("A whole number", ge=-10, le=10)],
        number: float,
        yes: bool,
        colour: Colour,
        mood: Literal["good", "bad"] = "good",
        many: Annotated[int, Arg("How many")] = 3,
    ) -> str:
        """Take one of each kind of value."""
        return ""

    @plugin.command()
    async def someone(ctx: Context, who: User) -> str:
        """Take a person."""
        return ""

    @plugin.command()
    async def something(ctx: Context, file: Attachment) -> str:
        """Take a file."""
        return ""

    group = plugin.group("system", "A group")

    @group.command(name="set")
    async def set_(ctx: Context, text: Annotated[str, Arg("All of it", rest=True)]) -> str:
        """Take the rest of the line."""
        return ""

    return list(plugin.commands)


def own(stage: Stage) -> list[str]:
    return [seen.text for seen in stage.screen() if seen.own]


def labels(stage: Stage) -> list[tuple[str, ...]]:
    return [seen.buttons for seen in stage.screen() if seen.own]


async def tell(stream: ReplyStream, *pieces: str | Piece, error: BaseException | None = None) -> None:
    async with stream:
        for piece in pieces:
            await stream.write(Text(piece) if isinstance(piece, str) else piece)
        if error is not None:
            raise error
        await stream.write(Done("stop"))


async def asked(stage: Stage) -> Route:
    """The route of something that was just said."""
    await stage.says("hello")
    return (await stage.heard(Message)).route
