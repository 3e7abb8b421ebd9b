"""What every database must do for us: inherit StoreContract and give it a `make_store` fixture.

`make_store()` returns a Store that is not open yet, each time on the same, at first empty, database. A Store that was
closed counts as a process that died.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

import pytest

from bot.errors import StoreError
from bot.events import AnyEvent, ButtonPressed, CommandCall, Message, Place, Route, User
from bot.replies import SentId, Speaker
from bot.store import Claim, Store, Taking
from bot.testing.store_samples import ANN, NOON, OTHER, PLACE, answer, call, everything, heard, said, texts
from bot.turn import Usage

MakeStore: TypeAlias = Callable[[], Store]


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
            fork = await store.branch(PLACE, added[0].id, "what if")
            assert (fork.tip, fork.id) == (added[0].id, main.id)
            assert fork.branch != main.branch
            await store.remember(PLACE, said("x"))
            assert await everything(store) == ["a", "x"]
            assert (await store.move_tip(PLACE, added[2].id)).tip == added[2].id
            assert await everything(store) == ["a", "b", "c"]
            assert texts(await store.tree(PLACE, limit=2)) == ["a", "b"]
            assert texts(await store.tree(PLACE, after=added[1].id)) == ["c", "x"]
            assert (await store.move_tip(PLACE, None)).tip is None
            assert await everything(store) == []
            _, foreign = await store.remember(OTHER, said("elsewhere"))
            for wrong in (foreign.id, 99999):
                with pytest.raises(StoreError):
                    await store.branch(PLACE, wrong)
                with pytest.raises(StoreError):
                    await store.move_tip(PLACE, wrong)

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


class AnswersContract:
    async def test_an_answer_is_written_at_once(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            await store.claim(heard("1"))
            conversation, question = await store.remember(PLACE, said("roll", "1"))
            draft = await store.open_draft(conversation.id, Route(PLACE), "1", question.id, epoch=0)
            await store.save_draft(draft.id, text="You ro", sent=[SentId("p2", "k")])
            tool = answer("4", role="tool", parts={"tool_call_id": "c"})
            added = await store.answered(
                draft,
                PLACE,
                [answer("", parts={"tool_calls": []}), tool, answer("You rolled 4.", "p2", "p3")],
                [call("1")],
            )
            assert added is not None
            assert [one.parent for one in added] == [question.id, added[0].id, added[1].id]
            assert (await store.conversation(PLACE)).tip == added[2].id
            assert await store.message_of(PLACE, "p3") == added[2]
            assert (await store.claim(heard("1"))).state == "done"
            assert await store.answered(draft, PLACE, [answer("again")], [call("1")]) is None
            assert len(await store.tree(PLACE)) == 4
            assert [one.cost for one in await store.usage(PLACE)] == [Decimal(1)]
        async with make_store() as store:
            assert await store.orphans("fake") == ()

    async def test_a_draft_of_a_dead_process_is_taken_over(self, make_store: MakeStore) -> None:
        route = Route(PLACE, {"token": "t"})
        async with make_store() as store:
            await store.claim(heard("1"))
            conversation, question = await store.remember(PLACE, said("hi", "1"))
            mask = Speaker("s", "Bard", "https://example.com/b.png")
            draft = await store.open_draft(conversation.id, route, "1", question.id, epoch=0, speaker=mask)
            await store.save_draft(draft.id, text="Hel", sent=[SentId("p1", "k"), SentId("p2")], finished="length")
        async with make_store() as second, make_store() as third:
            assert (await second.claim(heard("1"))).state == "running", "recovery has it, not the queue"
            assert (await second.left_behind("fake"), await second.orphans("another")) == ((), ())
            found = await asyncio.gather(second.orphans("fake"), third.orphans("fake"))
            ((taken,),) = [one for one in found if one]
            sent = (SentId("p1", "k"), SentId("p2"))
            assert taken == replace(draft, text="Hel", sent=sent, epoch=1, attempts=1, finished="length")
            winner = second if found[0] else third
            await (third if found[0] else second).save_draft(draft.id, text="stale", sent=[])
            assert await winner.answered(draft, PLACE, [answer("stale")], []) is None
            await winner.abandon(draft)
            added = await winner.answered(taken, PLACE, [answer("Hello!", "p1", "p2")], [])
            assert added is not None
            assert await everything(winner) == ["hi", "Hello!"]
            assert (await third.claim(heard("1"))).state == "done"

    async def test_an_abandoned_draft_leaves_nothing(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            await store.claim(heard("1"))
            conversation = await store.conversation(PLACE)
            draft = await store.open_draft(conversation.id, Route(PLACE), "1", None, epoch=0)
            await store.abandon(draft)
            assert (await store.claim(heard("1"))).state == "done"
            assert await store.answered(draft, PLACE, [answer("late")], []) is None
            assert await everything(store) == []

    async def test_a_variant_stands_beside_the_first_answer(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            conversation, question = await store.remember(PLACE, said("hi"))
            _, first = await store.remember(PLACE, answer("Hello.", "p1"))
            await store.remember(PLACE, said("so so"))
            taking = Taking(first.id, (SentId("p1"),), as_variant=True)
            draft = await store.open_draft(conversation.id, Route(PLACE), "2", question.id, epoch=0, taking=taking)
            assert (draft.replaces, draft.sent, draft.as_variant) == (first.id, (SentId("p1"),), True)
            added = await store.answered(draft, PLACE, [answer("Hey!", "p1", "p2")], [])
            assert added is not None
            assert (added[0].id, added[0].parent) == (first.id, question.id)
            assert await everything(store) == ["hi", "Hey!", "so so"]
            assert await store.message_of(PLACE, "p2") == added[0]
            assert await store.sent_of(first.id) == (SentId("p1"), SentId("p2"))
            assert await store.question_of(added[0]) == question
            assert await store.answer_to(question) == added[0]

    async def test_variants_keep_their_order_whichever_is_shown(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            conversation, question = await store.remember(PLACE, said("hi"))
            _, first = await store.remember(PLACE, answer("one", "p1"))
            for text in ("two", "three"):
                taking = Taking(first.id, as_variant=True)
                draft = await store.open_draft(conversation.id, Route(PLACE), text, question.id, epoch=0, taking=taking)
                await store.answered(draft, PLACE, [answer(text, "p1")], [])
            group = await store.variants(first.id)
            assert [one.text for one in group] == ["one", "two", "three"]
            assert group[2].id == first.id
            assert await store.choose_variant(first.id, group[0].id) is not None
            assert await everything(store) == ["hi", "one"]
            again = await store.variants(first.id)
            assert [one.text for one in again] == ["one", "two", "three"]
            assert again[0].id == first.id
            await store.forget_exchange(PLACE, question, again[0])
            assert await everything(store) == []
            assert [one.text for one in await store.tree(PLACE)] == [""] * 4

    async def test_an_answer_is_gone_on_with_in_its_place(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            conversation, question = await store.remember(PLACE, said("hi"))
            _, first = await store.remember(PLACE, answer("one", "p1", status="partial"))
            taking = Taking(first.id, (SentId("p1"),), "one")
            draft = await store.open_draft(conversation.id, Route(PLACE), "2", question.id, epoch=0, taking=taking)
            assert draft.text == "one"
            added = await store.answered(draft, PLACE, [answer("one two", "p1")], [])
            assert added is not None
            assert (added[0].id, added[0].status) == (first.id, "complete")
            assert await store.variants(first.id) == added

    async def test_a_thread_goes_on_from_what_was_said_before_it(self, make_store: MakeStore) -> None:
        thread = replace(PLACE, thread="m1")
        async with make_store() as store:
            await store.change_settings(PLACE, {"system": "Be brief."})
            await store.remember(PLACE, said("Shall we talk?", "m0"))
            await store.remember(PLACE, said("About bees.", "m1"))
            await store.remember(PLACE, said("Or wasps?", "m2"))
            conversation, _ = await store.remember(thread, said("In here, please."))
            assert conversation.settings == {"system": "Be brief."}
            heard_there = [one.text for one in (await store.path(thread, max_tokens=1000)).messages]
            assert heard_there == ["Shall we talk?", "About bees.", "In here, please."]
            assert await everything(store) == ["Shall we talk?", "About bees.", "Or wasps?"]
            await store.remember(replace(PLACE, thread="elsewhere"), said("Hm."))
            path = await store.path(replace(PLACE, thread="elsewhere"), max_tokens=1000)
            assert [one.text for one in path.messages] == ["Shall we talk?", "About bees.", "Or wasps?", "Hm."]

    async def test_money_is_exact(self, make_store: MakeStore) -> None:
        tenth = "0.1000000000000000000001"
        async with make_store() as store:
            await store.spend(PLACE, [call(tenth), call(tenth), call(None)], user_id="u")
            await store.spend(OTHER, [call(tenth, feature="summary"), call("2", model="n")])
            await store.spend(OTHER, [])
            lines = {(one.model, one.feature, one.cost): one for one in await store.usage()}
            assert set(lines) == {
                ("m", "answer", 2 * Decimal(tenth)),
                ("m", "answer", None),
                ("m", "summary", Decimal(tenth)),
                ("n", "answer", Decimal(2)),
            }
            both = lines["m", "answer", 2 * Decimal(tenth)]
            assert (both.usage, both.seconds, both.prices) == (Usage(200, 40, 60, 10, 2), 3.0, {"input": "0.25"})
            cheap = Place("fake", "w", "cheap")
            await store.spend(cheap, [call("1E-20"), call("1E-20"), replace(call("5E-20"), prices={})])
            assert [(one.cost, one.prices) for one in await store.usage(cheap)] == [(Decimal("7E-20"), {})]
            assert len(await store.usage(PLACE)) == 2
            assert await store.usage(PLACE, since=datetime.now(UTC) + timedelta(hours=1)) == ()
            assert len(await store.usage(PLACE, since=datetime.now(UTC) - timedelta(hours=1))) == 2


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


class StoreContract(ClaimsContract, MemoryContract, AnswersContract, ShelfContract):
    """All of it."""
