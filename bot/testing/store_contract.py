"""What every database must do for us: inherit StoreContract and give it a `make_store` fixture.

`make_store()` returns a Store that is not open yet, each time on the same, at first empty, database. A Store that was
closed counts as a process that died.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import StoreError
from bot.events import AnyEvent, ButtonPressed, CommandCall, Message, Place, Route, User
from bot.replies import SentId
from bot.store import Claim
from bot.testing.answers_contract import AnswersContract, MakeStore
from bot.testing.branches_contract import BranchesContract
from bot.testing.store_samples import ANN, NOON, OTHER, PLACE, answer, everything, heard, said, texts


class ClaimsContract:
    async def test_an_event_is_handled_once(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            assert await store.claim(heard("1")) == Claim("new")
            assert (await store.claim(heard("1"))).state == "running"
            await store.begin(PLACE, "1")
            assert (await store.claim(heard("1"))).state == "running"
            await store.done(PLACE, "1")
            assert (await store.claim(heard("1"))).state == "done"
            assert (await store.claim(heard("1", place=OTHER))).state == "new"
        async with make_store() as later:
            assert (await later.claim(heard("1"))).state == "done"

    async def test_one_of_many_claims_wins(self, make_store: MakeStore) -> None:
        async with make_store() as store, make_store() as other:
            events = [heard(str(number)) for number in range(10)]
            claims = await asyncio.gather(*(one.claim(event) for event in events for one in (store, other, store)))
        assert sum(claim.mine for claim in claims) == len(events)
        assert {claim.state for claim in claims} == {"new", "running"}

    @pytest.mark.parametrize("started", [False, True])
    async def test_what_a_dead_process_had_is_taken_over_once(self, make_store: MakeStore, started: bool) -> None:
        async with make_store() as store:
            await store.claim(heard("1"))
            if started:
                await store.begin(PLACE, "1")
        async with make_store() as second, make_store() as third:
            claims = await asyncio.gather(second.claim(heard("1")), third.claim(heard("1")))
            assert sorted(claim.state for claim in claims) == ["running", "taken_over"]
            assert [(claim.epoch, claim.started) for claim in claims if claim.mine] == [(1, started)]

    async def test_what_a_live_process_has_stays_there(self, make_store: MakeStore) -> None:
        async with make_store() as store, make_store() as other:
            await store.claim(heard("1"))
            assert (await other.claim(heard("1"))).state == "running"
            assert await other.left_behind("fake") == ()
            conversation = await store.conversation(PLACE)
            await store.open_draft(conversation.id, Route(PLACE), "1", None, epoch=0)
            assert await other.orphans("fake") == ()

    async def test_left_behind_events_come_back_as_they_were(self, make_store: MakeStore) -> None:
        command = CommandCall(id="2", user=ANN, route=Route(PLACE), at=NOON, command="roll", arguments={"sides": 6})
        button = ButtonPressed(id="3", user=ANN, route=Route(OTHER), at=NOON, action="go", args=("x",), message="9")
        events: list[AnyEvent] = [heard("1"), command, button, heard("4"), heard("5")]
        async with make_store() as store:
            for event in events:
                await store.claim(event)
            await store.begin(PLACE, "2")
            await store.done(PLACE, "4")
            conversation = await store.conversation(PLACE)
            await store.open_draft(conversation.id, Route(PLACE), "5", None, epoch=0)
        async with make_store() as store:
            assert await store.left_behind("another") == ()
            left = await store.left_behind("fake")
            assert [event for event, _ in left] == events[:3]
            assert [(claim.state, claim.epoch, claim.started) for _, claim in left] == [
                ("taken_over", 1, False),
                ("taken_over", 1, True),
                ("taken_over", 1, False),
            ]
            assert await store.left_behind("fake") == ()
            assert (await store.claim(heard("1"))).state == "running"

    async def test_the_newest_message_of_each_place(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            await store.claim(heard("20", at=NOON + timedelta(seconds=1)))
            await store.claim(heard("10"))
            await store.claim(heard("7", place=OTHER))
            await store.claim(heard("1", place=Place("another", "w", "c")))
            await store.claim(CommandCall(id="99", user=ANN, route=Route(PLACE), at=datetime.now(UTC), command="x"))
            assert await store.last_heard("fake") == {str(PLACE): "20", str(OTHER): "7"}


class MemoryContract:
    async def test_a_conversation_is_made_on_first_sight(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            first = await store.conversation(PLACE)
            assert (first.place, first.tip, first.window_start, first.settings) == (PLACE, None, None, {})
            changed = await store.change_settings(PLACE, {"model": "m", "parameters": {"temperature": 0.5}})
            assert changed.settings == {"model": "m", "parameters": {"temperature": 0.5}}
            assert (await store.change_settings(PLACE, {"model": None})).settings == {
                "parameters": {"temperature": 0.5}
            }
            heir = await store.conversation(OTHER, inherit=PLACE)
            assert heir.settings == {"parameters": {"temperature": 0.5}}
            await store.change_settings(PLACE, {"mode": "precise"})
            assert (await store.conversation(OTHER, inherit=PLACE)).settings == heir.settings

    async def test_messages_come_back_as_they_were(self, make_store: MakeStore) -> None:
        parts = {"tool_calls": [{"id": "1", "name": "roll", "arguments": '{"sides": 6}'}]}
        async with make_store() as store:
            before = datetime.now(UTC)
            _, first = await store.remember(PLACE, said("שלום 👩‍👩‍👧 \u200b", "p1", tokens=7))
            conversation, second = await store.remember(
                PLACE, answer("", parts=parts, speaker="Bard", status="partial")
            )
            assert (conversation.tip, second.parent, first.parent) == (second.id, first.id, None)
            assert before <= first.created_at <= datetime.now(UTC)
        async with make_store() as store:
            path = await store.path(PLACE, max_tokens=1000)
            assert (path.messages, path.complete, path.conversation) == ((first, second), True, conversation)
            assert await store.message(first.id) == await store.message_of(PLACE, "p1") == first
            assert await store.message_of(OTHER, "p1") is await store.message(99999) is None

    async def test_the_same_platform_message_is_remembered_once(self, make_store: MakeStore) -> None:
        async with make_store() as store, make_store() as other:
            both = await asyncio.gather(*(one.remember(PLACE, said("hi", "p1")) for one in (store, other, store)))
            assert len({message.id for _, message in both}) == 1
            assert await everything(store) == ["hi"]
            _, elsewhere = await store.remember(OTHER, said("hi", "p1"))
            assert elsewhere.id != both[0][1].id

    async def test_a_path_ends_at_the_token_limit_or_the_window_start(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            added = [(await store.remember(PLACE, said(f"{n}" * 40)))[1] for n in range(5)]  # 10 tokens by bytes
            for limit, shown in ((50, 5), (49, 4), (20, 2), (10, 1), (0, 1)):
                path = await store.path(PLACE, max_tokens=limit)
                assert (path.messages, path.complete) == (tuple(added[5 - shown :]), shown == 5)
            await store.set_tokens({added[3].id: 1, added[4].id: 1})
            assert len((await store.path(PLACE, max_tokens=22)).messages) == 4
            conversation = await store.conversation(PLACE)
            await store.set_window_start(conversation.branch, added[2].id)
            path = await store.path(PLACE, max_tokens=1000)
            assert ([one.id for one in path.messages], path.complete) == ([one.id for one in added[2:]], True)
            assert not (await store.path(PLACE, max_tokens=5)).complete
            assert path.conversation.window_start == added[2].id

    async def test_what_is_asked_is_remembered_and_read_at_once(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            await store.remember(PLACE, said("before"))
            asked = replace(said("now"), sent=(SentId("m1"),))
            question, path = await store.asked(PLACE, asked, max_tokens=1000)
            assert [one.text for one in path.messages] == ["before", "now"]
            assert path == await store.path(PLACE, max_tokens=1000)
            assert (await store.asked(PLACE, asked, max_tokens=1000)) == (question, path)

    async def test_what_is_forgotten_or_failed_is_left_out(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            added = [(await store.remember(PLACE, said(text, text)))[1] for text in "abcdef"]
            await store.remember(PLACE, answer("oops", status="failed"))
            await store.forget(PLACE, [added[0].id, added[2].id, added[5].id])
            await store.forget(OTHER, [added[1].id])
            for limit in (1000, 0):
                path = await store.path(PLACE, max_tokens=limit)
                assert texts(path.messages) == (["b", "d", "e"] if limit else ["e"])
            assert await everything(store) == ["b", "d", "e"]
            assert await store.count(PLACE) == 3
            tree = await store.tree(PLACE)
            assert [(one.text, one.status) for one in tree][0::2] == [
                ("", "forgotten"),
                ("", "forgotten"),
                ("e", "complete"),
                ("oops", "failed"),
            ]
            assert [one.parent for one in tree] == [None] + [one.id for one in tree[:-1]]
            assert await store.rewrite(PLACE, "a", "back") is None

    async def test_branches_share_their_beginning(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            added = [(await store.remember(PLACE, said(text)))[1] for text in "abc"]
            main = await store.conversation(PLACE)
            fork = await store.branches.fork(PLACE, added[0].id, "what if")
            assert (fork.tip, fork.id) == (added[0].id, main.id)
            assert fork.branch != main.branch
            await store.remember(PLACE, said("x"))
            assert await everything(store) == ["a", "x"]
            assert (await store.branches.move_tip(PLACE, added[2].id)).tip == added[2].id
            assert await everything(store) == ["a", "b", "c"]
            assert texts(await store.tree(PLACE, limit=2)) == ["a", "b"]
            assert texts(await store.tree(PLACE, after=added[1].id)) == ["c", "x"]
            assert (await store.branches.move_tip(PLACE, None)).tip is None
            assert await everything(store) == []
            _, foreign = await store.remember(OTHER, said("elsewhere"))
            for wrong in (foreign.id, 99999):
                with pytest.raises(StoreError):
                    await store.branches.fork(PLACE, wrong)
                with pytest.raises(StoreError):
                    await store.branches.move_tip(PLACE, wrong)

    async def test_clearing_keeps_the_settings(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            await store.change_settings(PLACE, {"system": "Be kind."})
            for text in "abc":
                await store.remember(PLACE, said(text))
            await store.remember(PLACE, answer("tool", role="tool"))
            assert await store.clear(PLACE) == 3
            path = await store.path(PLACE, max_tokens=1000)
            assert (path.messages, path.complete) == ((), True)
            assert path.conversation.settings == {"system": "Be kind."}
            assert (await store.clear(PLACE), await store.count(PLACE)) == (0, 0)
            assert len(await store.tree(PLACE)) == 4

    async def test_pages_are_complete_and_in_order(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            assert await everything(store) == []
            for number in range(25):
                await store.remember(PLACE, said(str(number)))
            for size in (1, 7, 25, 1000):
                assert await everything(store, size=size) == [str(number) for number in range(25)]

    async def test_an_edit_changes_what_is_remembered(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            _, first = await store.remember(PLACE, said("helo", "p1", tokens=9))
            await store.remember(PLACE, answer("hi", "p2"))
            assert await store.rewrite(PLACE, "p1", "hello") == replace(first, text="hello", tokens=None)
            assert await store.message_of(PLACE, "p1") == replace(first, text="hello", tokens=None)
            assert await store.rewrite(PLACE, "unknown", "x") is await store.rewrite(PLACE, "p2", "x") is None
            assert await everything(store) == ["hello", "hi"]

    async def test_no_text_is_too_strange(self, make_store: MakeStore) -> None:
        strange = "a\0b \ud83d c \udc00"
        async with make_store() as store:
            event = replace(heard("1", strange), user=User("u", strange))
            assert (await store.claim(event)).mine
            _, message = await store.remember(
                PLACE, said(strange, "p\0", author=strange, parts={strange: [strange, {"deep": strange}]})
            )
            assert message == await store.message_of(PLACE, "p\0")
            assert message.text == "a\ufffdb \ufffd c \ufffd"
            await store.change_settings(PLACE, {"system": strange})
            assert await store.save_state("p", "s", strange, strange) == 1
            assert await store.load_state("p", "s", strange) == ("a\ufffdb \ufffd c \ufffd", 1)
        async with make_store() as store:
            ((left, _),) = await store.left_behind("fake")
            assert isinstance(left, Message)
            assert "\ud83d" not in left.text


class ShelfContract:
    async def test_state_has_a_version(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            assert await store.load_state("p", "s", "k") is None
            assert await store.save_state("p", "s", "k", {"a": [1, None, "ü"]}) == 1
            assert await store.save_state("p", "s", "k", None, version=1) == 2
            assert await store.load_state("p", "s", "k") == (None, 2)
            for stale in (0, 1, 3):
                with pytest.raises(StoreError):
                    await store.save_state("p", "s", "k", "lost", version=stale)
            assert await store.save_state("p", "s", "k", 3) == 3
            assert await store.save_state("p", "s", "other", True, version=0) == 1
            await store.delete_state("p", "s", "k")
            assert (await store.load_state("p", "s", "k"), await store.load_state("p", "s", "other")) == (
                None,
                (True, 1),
            )

    async def test_one_of_two_writers_with_the_same_version_wins(self, make_store: MakeStore) -> None:
        async with make_store() as store, make_store() as other:
            await store.save_state("p", "s", "k", 0)
            saves = (one.save_state("p", "s", "k", 1, version=1) for one in (store, other, store, other))
            results = await asyncio.gather(*saves, return_exceptions=True)
            assert sorted(str(one) if isinstance(one, int) else type(one).__name__ for one in results) == [
                "2",
                "StoreError",
                "StoreError",
                "StoreError",
            ]

    async def test_blobs_are_kept_once(self, make_store: MakeStore) -> None:
        content = bytes(range(256)) * 10
        async with make_store() as store:
            id = await store.put_blob(content, "image/png")
            assert await store.put_blob(content, "image/png") == id != await store.put_blob(b"", "text/plain")
            assert await store.get_blob(id) == (content, "image/png")
            assert await store.get_blob("unknown") is None

    async def test_jobs_are_found_by_place_and_status(self, make_store: MakeStore) -> None:
        route = Route(PLACE, {"x": 1})
        async with make_store() as store:
            id = await store.save_job("roleplay", "scene", route, {"turn": 1}, status="running")
            other = await store.save_job("roleplay", "scene", Route(OTHER), None, status="paused")
            assert await store.save_job("roleplay", "scene", route, {"turn": 2}, status="running", id=id) == id
            assert await store.jobs(place=PLACE) == [(id, "roleplay", "scene", route, {"turn": 2}, "running")]
            assert [one[0] for one in await store.jobs(status="paused")] == [other]
            assert [one[0] for one in await store.jobs()] == [id, other]
            with pytest.raises(StoreError):
                await store.save_job("roleplay", "scene", route, None, status="running", id=99999)

    async def test_facts_are_merged(self, make_store: MakeStore) -> None:
        async with make_store() as store, make_store() as other:
            assert await store.learned("openai", "m") == {}
            await store.learn("openai", "m", {"refused": ["temperature"]})
            await other.learn("openai", "m", {"factor": 1.1})
            assert await store.learned("openai", "m") == {"refused": ["temperature"], "factor": 1.1}
            assert await store.learned("azure", "m") == {}


class StoreContract(ClaimsContract, MemoryContract, BranchesContract, AnswersContract, ShelfContract):
    """All of it."""
