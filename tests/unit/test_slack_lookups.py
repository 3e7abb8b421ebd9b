"""What Slack is asked for: once at a time, kept for a while, never waited for too long."""

from __future__ import annotations

import asyncio
from collections import Counter

from adapters.slack.lookups import FAILED_FOR, FRESH_FOR, KEPT_FOR, LONGEST_LOOK, Lookups
from bot.testing.clock import run_virtual
from bot.testing.hand_clock import HandClock


class Register:
    """Somebody who can be asked for numbers of rooms, and is let answer by `open`."""

    def __init__(self) -> None:
        self.rooms: dict[str, str | None] = {"ada": "12"}
        self.asked: Counter[str] = Counter()
        self.was_asked, self.open = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def room(self, name: str) -> str | None:
        self.asked[name] += 1
        self.was_asked.set()
        await self.open.wait()
        return self.rooms.get(name)


def lookups(register: Register, clock: HandClock, *, most: int = 3, patience: float = 5.0) -> Lookups[str]:
    return Lookups(register.room, clock, most=most, patience=patience)


async def test_many_who_ask_at_once_are_one_question() -> None:
    register = Register()
    register.open.clear()
    rooms = lookups(register, HandClock())
    waiting = [asyncio.create_task(rooms.of("ada")) for _ in range(5)]
    await register.was_asked.wait()
    register.open.set()
    assert await asyncio.gather(*waiting) == ["12"] * 5
    assert register.asked == {"ada": 1}


async def test_what_was_found_is_kept_for_an_hour() -> None:
    register, clock = Register(), HandClock()
    rooms = lookups(register, clock)
    assert await rooms.of("ada") == "12"
    register.rooms["ada"] = "13"
    clock.passes(KEPT_FOR)
    assert await rooms.of("ada") == "13"


async def test_what_is_needed_often_is_asked_for_again_while_nobody_waits() -> None:
    register, clock = Register(), HandClock()
    rooms = lookups(register, clock)
    await rooms.of("ada")
    clock.passes(FRESH_FOR - 1)
    assert (await rooms.of("ada"), register.asked["ada"]) == ("12", 1)
    register.rooms["ada"] = "13"
    register.open.clear()
    register.was_asked.clear()
    clock.passes(1)
    assert await rooms.of("ada") == "12"
    await register.was_asked.wait()
    assert (await rooms.of("ada"), register.asked["ada"]) == ("12", 2)
    register.open.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rooms.known("ada") == "13"


async def test_what_was_not_found_is_soon_asked_for_again() -> None:
    register, clock = Register(), HandClock()
    rooms = lookups(register, clock)
    assert [await rooms.of("olga"), await rooms.of("olga")] == [None, None]
    assert register.asked["olga"] == 1
    register.rooms["olga"] = "7"
    clock.passes(FAILED_FOR)
    assert await rooms.of("olga") == "7"


async def test_what_was_found_counts_until_something_newer_is_found() -> None:
    register, clock = Register(), HandClock()
    rooms = lookups(register, clock)
    await rooms.of("ada")
    register.rooms["ada"] = None
    clock.passes(KEPT_FOR)
    assert await rooms.of("ada") == "12"
    rooms.outdate("ada")
    rooms.outdate("nobody")
    assert await rooms.of("ada") == "12"
    rooms.tell("ada", "14")
    assert await rooms.of("ada") == "14"
    assert register.asked == {"ada": 3}


async def test_the_oldest_is_forgotten_first() -> None:
    register = Register()
    register.rooms = {name: name for name in "abcd"}
    rooms = lookups(register, HandClock(), most=3)
    for name in "abcad":
        await rooms.of(name)
    assert [rooms.known(name) for name in "abcd"] == ["a", None, "c", "d"]


def test_nobody_waits_for_long_and_what_comes_later_is_there_for_the_next() -> None:
    async def asking() -> None:
        register = Register()
        register.open.clear()
        rooms = lookups(register, HandClock(), patience=2.0)
        began = asyncio.get_running_loop().time()
        assert await rooms.of("ada") is None
        assert asyncio.get_running_loop().time() - began == 2.0
        # Where one waited in vain, others need not.
        assert await rooms.of("ada") is None
        assert asyncio.get_running_loop().time() - began < 2.1
        register.open.set()
        await asyncio.sleep(0.1)
        assert await rooms.of("ada") == "12"
        assert register.asked == {"ada": 1}

    run_virtual(asking())


def test_nobody_queues_for_a_name_but_it_is_asked_for() -> None:
    async def asking() -> None:
        register = Register()
        register.open.clear()
        rooms = Lookups(register.room, HandClock(), most=3, patience=2.0, has_room=lambda: False)
        began = asyncio.get_running_loop().time()
        assert await rooms.of("ada") is None
        assert asyncio.get_running_loop().time() - began < 0.1
        register.open.set()
        await asyncio.sleep(0.1)
        assert await rooms.of("ada") == "12"

    run_virtual(asking())


def test_a_look_that_hangs_is_given_up() -> None:
    async def asking() -> None:
        register = Register()
        register.open.clear()
        rooms = lookups(register, HandClock(), patience=1.0)
        assert await rooms.of("ada") is None
        await asyncio.sleep(LONGEST_LOOK)
        register.open.set()
        assert await rooms.of("ada") is None  # so soon it would hang again
        assert register.asked == {"ada": 1}

    run_virtual(asking())


async def test_the_end_waits_for_nobody() -> None:
    register = Register()
    register.open.clear()
    rooms = lookups(register, HandClock())
    asking = asyncio.create_task(rooms.of("ada"))
    await register.was_asked.wait()
    await rooms.close()
    assert await asking is None
