"""What every database must do for answers: drafts, finishing them once, variants, threads that go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from bot.events import Place, Route
from bot.replies import SentId, Speaker
from bot.store import Store, Taking
from bot.testing.store_samples import OTHER, PLACE, answer, call, everything, heard, said
from bot.turn import Usage

MakeStore: TypeAlias = Callable[[], Store]


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
            thread = replace(cheap, thread="t")
            await store.spend(thread, [call("1E-20")])
            await store.spend(replace(cheap, channel="cheaper"), [call("1E-20")])
            assert [one.cost for one in await store.usage(cheap)] == [Decimal("8E-20")]
            assert [one.cost for one in await store.usage(thread)] == [Decimal("1E-20")]
            assert len(await store.usage(PLACE)) == 4
            assert len(await store.usage(OTHER)) == 2
            assert await store.usage(PLACE, since=datetime.now(UTC) + timedelta(hours=1)) == ()
            assert len(await store.usage(PLACE, since=datetime.now(UTC) - timedelta(hours=1))) == 4
