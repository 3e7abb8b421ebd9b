"""What every stream of every adapter keeps to: `stream_contract(make)` runs all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeAlias

from bot.replies import Button, Controls, Done, Notice, ReplyStream, Resume, SentId, Text, ToolEnd, ToolStart
from bot.text import same_text


@dataclass(frozen=True, slots=True)
class StreamUnderTest:
    """One place to write to. `open` makes a stream there; `screen` returns the texts that people see, in order.

    `max_chars` is what one message holds, 0 = no limit; without `edits` a stream only appends, and marks and notices
    may be shown elsewhere. `buttons` returns the labels below each of these messages, None where there are none.
    """

    open: Callable[[Resume | None], ReplyStream]
    screen: Callable[[], Awaitable[Sequence[str]]]
    max_chars: int = 0
    edits: bool = True
    buttons: Callable[[], Awaitable[Sequence[Sequence[str]]]] | None = None


MakeStream: TypeAlias = Callable[[], AbstractAsyncContextManager[StreamUnderTest]]

_LONG = "".join(
    f"Paragraph {number} says something about itself, and it says it **boldly**.\n\n```py\nprint({number})\n```\n\n"
    for number in range(60)
)


async def stream_contract(make: MakeStream) -> None:
    """Raises AssertionError at the first promise that is not kept. `make` gives a fresh place each time."""
    for check in CHECKS:
        async with make() as place:
            await check(place)


async def shows_what_was_said(place: StreamUnderTest) -> None:
    sent = await _say(place, "Hello ", "there, ", "friend.")
    assert len(sent) == 1 or not place.edits
    assert same_text("".join(await place.screen()), "Hello there, friend.")


async def posts_nothing_for_nothing(place: StreamUnderTest) -> None:
    assert await _say(place) == ()
    assert not "".join(await place.screen()).strip()


async def pages_lose_nothing(place: StreamUnderTest) -> None:
    await _say(place, *(_LONG[at : at + 97] for at in range(0, len(_LONG), 97)))
    screen = await place.screen()
    if place.max_chars:
        assert all(len(message) <= place.max_chars for message in screen), "a message is too long"
    words = [word for word in "\n".join(screen).split() if "```" not in word]
    assert words == [word for word in _LONG.split() if "```" not in word], "words were lost, doubled or cut"
    for message in screen:
        assert message.count("```") % 2 == 0, "a fence is left open"


async def shows_growth_before_the_end(place: StreamUnderTest) -> None:
    async with place.open(None) as stream:
        await stream.write(Text("The first words"))
        async with asyncio.timeout(10):
            # A screen has no event to wait for.
            while not "".join(await place.screen()).startswith("The first words"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await stream.write(Text(" and the rest."))
        await stream.write(Done("stop"))
    assert "The first words and the rest." in "".join(await place.screen())


async def says_how_it_ended(place: StreamUnderTest) -> None:
    async with place.open(None) as stream:
        await stream.write(Text("Half an ans"))
        await stream.write(Done("stopped"))
    screen = "".join(await place.screen())
    assert screen.startswith("Half an ans")
    assert not place.edits or len(screen) > len("Half an ans"), "a stopped answer looks complete"


async def notices_and_tools_are_not_the_answer(place: StreamUnderTest) -> None:
    async with place.open(None) as stream:
        await stream.write(ToolStart("1", "roll", "{}"))
        await stream.write(ToolEnd("1", "roll", "6"))
        await stream.write(Text("You rolled a six."))
        await stream.write(Notice("A notice."))
        await stream.write(Done("stop"))
    screen = "".join(await place.screen())
    assert "You rolled a six." in screen
    assert not place.edits or ("A notice." in screen and "🔧" not in screen)


async def an_error_keeps_what_was_said(place: StreamUnderTest) -> None:
    try:
        async with place.open(None) as stream:
            await stream.write(Text("Said before"))
            raise LookupError
    except LookupError:
        pass
    else:
        raise AssertionError("the stream swallowed an error")
    assert "".join(await place.screen()).startswith("Said before")


async def nothing_follows_the_end(place: StreamUnderTest) -> None:
    await _say(place, *(f"word {number} " for number in range(50)))
    before = list(await place.screen())
    await asyncio.sleep(0.05)
    assert list(await place.screen()) == before


async def goes_on_in_its_own_message(place: StreamUnderTest) -> None:
    if not place.edits:
        return
    first = await _say(place, "It began so")
    async with place.open(Resume(first, "It began so")) as stream:
        await stream.write(Text(" and ended thus."))
        await stream.write(Done("stop"))
    assert stream.sent == first
    assert [message.strip() for message in await place.screen()] == ["It began so and ended thus."]


async def writes_anew_in_its_own_messages(place: StreamUnderTest) -> None:
    if not place.edits:
        return
    first = await _say(place, _LONG[: place.max_chars * 2] or "It began so")
    async with place.open(Resume(first, "")) as stream:
        await stream.write(Text("Another answer."))
        await stream.write(Done("stop"))
    assert [message.strip() for message in await place.screen()] == ["Another answer."], "old messages are left"
    assert stream.sent == first[:1]


async def keeps_what_stood_there_when_nothing_new_is_said(place: StreamUnderTest) -> None:
    if not place.edits:
        return
    first = await _say(place, "It stays so.")
    async with place.open(Resume(first, "")) as stream:
        await stream.write(Done("stopped"))
    assert [message.strip() for message in await place.screen()] == ["It stays so."]
    assert stream.sent == first


async def shows_controls_under_the_last_message(place: StreamUnderTest) -> None:
    if place.buttons is None:
        return
    stop, again = Button("stop", "Stop"), Button("again", "Again")
    said = _LONG[: place.max_chars * 2 or 500].rstrip()
    async with place.open(None) as stream:
        await stream.write(Controls((stop,)))
        for at in range(0, len(said), 50):
            await stream.write(Text(said[at : at + 50]))
            await asyncio.sleep(0)
            assert sum(map(len, await place.buttons())) <= 1, "two messages have buttons"
        await stream.write(Controls((again, stop)))
        await stream.write(Done("stop"))
    *sealed, last = await place.buttons()
    assert list(last) == ["Again", "Stop"]
    assert not any(sealed), "a message that is full keeps its buttons"
    async with place.open(Resume(stream.sent, said)) as stream:
        await stream.write(Controls())
    assert not any(await place.buttons()), "no controls leave some behind"


async def _say(place: StreamUnderTest, *words: str) -> tuple[SentId, ...]:
    async with place.open(None) as stream:
        for word in words:
            await stream.write(Text(word))
        await stream.write(Done("stop"))
    return stream.sent


CHECKS: tuple[Callable[[StreamUnderTest], Awaitable[None]], ...] = (
    shows_what_was_said,
    posts_nothing_for_nothing,
    pages_lose_nothing,
    shows_growth_before_the_end,
    says_how_it_ended,
    notices_and_tools_are_not_the_answer,
    an_error_keeps_what_was_said,
    nothing_follows_the_end,
    goes_on_in_its_own_message,
    writes_anew_in_its_own_messages,
    keeps_what_stood_there_when_nothing_new_is_said,
    shows_controls_under_the_last_message,
)
