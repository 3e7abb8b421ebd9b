"""What every database must do for branches, pins and summaries; part of the store contract."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.errors import StoreError
from bot.store import NewSummary, Remembered, Store
from bot.testing.answers_contract import MakeStore
from bot.testing.store_samples import OTHER, PLACE, answer, everything, said, texts


async def talk(store: Store, text: str) -> list[Remembered]:
    return [(await store.remember(PLACE, said(each, f"id-{each}")))[1] for each in text]


async def summarise(store: Store, text: str, told: Sequence[Remembered], *, base: int = 0) -> bool:
    current = await store.conversation(PLACE)
    new = NewSummary(text, base, told[-1].id, told, "cheap")
    return await store.branches.summarise(current, new)


class BranchesContract:
    async def test_branches_are_listed_switched_and_renamed(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            assert await store.branches.all(PLACE) == ()
            a, *_ = await talk(store, "abc")
            await store.branches.fork(PLACE, a.id, "what if")
            await store.remember(PLACE, said("x"))
            main, other = await store.branches.all(PLACE)
            assert [(one.name, one.active, one.forked_from) for one in (main, other)] == [
                ("main", False, None),
                ("what if", True, a.id),
            ]
            assert (await store.branches.switch(PLACE, main.id)).branch == main.id
            assert await everything(store) == ["a", "b", "c"]
            await store.branches.rename(PLACE, main.id, "as it was \ud800")
            assert [one.name for one in await store.branches.all(PLACE)] == ["as it was \ufffd", "what if"]
            await store.branches.switch(PLACE, other.id)
            assert await everything(store) == ["a", "x"]
            await store.conversation(OTHER)
            for wrong in (99999, (await store.branches.all(OTHER))[0].id):
                for attempt in (
                    store.branches.switch(PLACE, wrong),
                    store.branches.rename(PLACE, wrong, "mine"),
                    store.branches.delete(PLACE, wrong),
                ):
                    with pytest.raises(StoreError):
                        await attempt

    async def test_a_deleted_branch_takes_along_what_was_said_on_it_alone(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            _, b, _ = await talk(store, "abc")
            (main,) = await store.branches.all(PLACE)
            await store.branches.fork(PLACE, b.id)
            with pytest.raises(StoreError, match="active"):
                await store.branches.delete(PLACE, (await store.branches.all(PLACE))[1].id)
            await store.remember(PLACE, said("x"))
            # A thread that was opened on a message keeps the way to it.
            thread = OTHER
            await store.branches.switch(PLACE, main.id)
            await store.remember(PLACE, said("d", "a thread"))
            await store.remember(thread, said("in the thread"))
            await store.remember(PLACE, said("e"))
            fork = (await store.branches.all(PLACE))[1]
            await store.branches.switch(PLACE, fork.id)
            assert await store.branches.delete(PLACE, main.id) == 1
            assert [one.text for one in await store.tree(PLACE)] == ["a", "b", "c", "x", "d", ""]
            assert await everything(store) == ["a", "b", "x"]
            assert await everything(store, thread) == ["a", "b", "c", "d", "in the thread"]
            assert [one.id for one in await store.branches.all(PLACE)] == [fork.id]

    async def test_a_thread_may_go_on_from_what_was_said_before_it(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            rows = await talk(store, "abc")
            await store.remember(OTHER, said("in the thread"))
            await store.remember(PLACE, said("d"))
            await store.branches.fork(OTHER, rows[0].id)
            await store.remember(OTHER, said("otherwise"))
            assert await everything(store, OTHER) == ["a", "otherwise"]
            assert await everything(store) == ["a", "b", "c", "d"]
            later = (await store.tree(PLACE))[-1]
            with pytest.raises(StoreError):
                await store.branches.fork(OTHER, later.id)

    async def test_a_fork_inherits_what_belongs_to_it(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            rows = await talk(store, "abcdefgh")
            main = await store.conversation(PLACE)
            assert await summarise(store, "a and b", rows[:2])
            assert await summarise(store, "a to d", rows[2:4], base=rows[1].id)
            await store.set_window_start(main.branch, rows[4].id)
            await store.branches.pin(PLACE, rows[0].id)
            await store.branches.pin(PLACE, rows[6].id)

            late = await store.branches.fork(PLACE, rows[5].id)
            assert (late.summary, late.summary_until, late.window_start) == ("a to d", rows[3].id, rows[4].id)
            assert texts(await store.branches.pins(PLACE)) == ["a"]
            assert texts((await store.path(PLACE, max_tokens=1000)).messages) == ["e", "f"]

            await store.branches.switch(PLACE, main.branch)
            early = await store.branches.fork(PLACE, rows[2].id)
            assert (early.summary, early.window_start) == ("a and b", rows[1].id + 1)
            path = await store.path(PLACE, max_tokens=1000)
            assert (texts(path.messages), texts(path.pinned), path.complete) == (["c"], ["a"], True)

            await store.branches.switch(PLACE, main.branch)
            first = await store.branches.fork(PLACE, rows[0].id)
            assert (first.summary, first.window_start, texts(await store.branches.pins(PLACE))) == ("", None, ["a"])

            # What was said on a branch that is not the active one is nobody's to inherit.
            foreign = await store.branches.fork(PLACE, rows[7].id)
            assert (foreign.summary, foreign.window_start, await store.branches.pins(PLACE)) == ("", None, ())

    async def test_a_shorter_branch_forgets_what_came_later(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            rows = await talk(store, "abcdefgh")
            main = await store.conversation(PLACE)
            await summarise(store, "a and b", rows[:2])
            await summarise(store, "a to f", rows[2:6], base=rows[1].id)
            await store.set_window_start(main.branch, rows[6].id)
            await store.branches.pin(PLACE, rows[6].id)
            cut = await store.branches.move_tip(PLACE, rows[3].id)
            assert (cut.summary, cut.window_start, cut.has_pins) == ("a and b", rows[1].id + 1, False)
            assert await everything(store) == ["a", "b", "c", "d"]
            assert texts((await store.path(PLACE, max_tokens=1000)).messages) == ["c", "d"]
            away = await store.branches.move_tip(PLACE, rows[7].id)
            assert (away.summary, away.window_start) == ("", None)
            assert (await store.branches.move_tip(PLACE, None)).tip is None

    async def test_a_summary_never_tells_of_what_was_taken_back(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            rows = await talk(store, "abcdef")
            current = await store.conversation(PLACE)
            await summarise(store, "a and b", rows[:2])
            await summarise(store, "a to d", rows[2:4], base=rows[1].id)
            await store.forget(PLACE, [rows[2].id])
            assert (await store.conversation(PLACE)).summary == "a and b"
            # One that is being made of it meanwhile is not kept either.
            assert not await summarise(store, "a to d, again", rows[2:4], base=rows[1].id)
            left = await store.branches.stretch(rows[5].id, after=rows[1].id, max_tokens=1000)
            assert texts(left) == ["d", "e", "f"]
            assert await summarise(store, "a, b and d", left[:1], base=rows[1].id)
            await store.rewrite(PLACE, "id-d", "another d")
            assert (await store.conversation(PLACE)).summary == "a and b"
            assert not await summarise(store, "old d", left[:1], base=rows[1].id)
            # And one that goes on from another than the newest is too late.
            assert await summarise(store, "news", rows[4:5], base=rows[1].id)
            assert not await summarise(store, "late", rows[5:6], base=rows[1].id)
            assert (await store.branches.newest_summary(current.branch)) is not None

    async def test_a_person_may_write_the_summary(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            with pytest.raises(StoreError):
                await store.branches.write_summary(PLACE, "too early")
            rows = await talk(store, "abcd")
            await store.branches.write_summary(PLACE, "from the beginning")
            told = await store.branches.summary(PLACE)
            assert told is not None
            assert (told.text, told.until, told.model) == ("from the beginning", rows[0].id, None)
            await summarise(store, "a and b", rows[1:2], base=rows[0].id)
            await store.set_window_start((await store.conversation(PLACE)).branch, rows[2].id)
            await store.branches.write_summary(PLACE, "better")
            told = await store.branches.summary(PLACE)
            assert told is not None
            assert (told.text, told.until) == ("better", rows[1].id)

    async def test_a_stretch_is_bounded_and_in_order(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            rows = [(await store.remember(PLACE, said(f"{n}" * 40)))[1] for n in range(9)]
            await store.remember(PLACE, answer("unspoken", status="failed"))
            whole = await store.branches.stretch(rows[8].id, after=0, max_tokens=1000)
            assert [one.id for one in whole] == [one.id for one in rows]
            newest = await store.branches.stretch(rows[8].id, after=rows[1].id, max_tokens=35)
            assert [one.id for one in newest] == [one.id for one in rows[6:]]

    async def test_pins_are_of_the_branch_and_stay_readable(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            rows = await talk(store, "abc")
            await store.branches.pin(PLACE, rows[1].id)
            await store.branches.pin(PLACE, rows[1].id)
            await store.branches.pin(PLACE, rows[0].id)
            with pytest.raises(StoreError):
                await store.branches.pin(PLACE, 99999)
            assert texts(await store.branches.pins(PLACE)) == ["a", "b"]
            assert await store.branches.unpin(PLACE, rows[0].id)
            assert not await store.branches.unpin(PLACE, rows[0].id)
            await store.forget(PLACE, [rows[1].id])
            assert await store.branches.pins(PLACE) == ()
            assert not (await store.conversation(PLACE)).has_pins
            await store.clear(PLACE)
            assert await store.branches.pins(PLACE) == ()
