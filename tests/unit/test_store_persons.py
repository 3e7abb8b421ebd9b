"""Forgetting a person, keeping for some days only, and what is on disk afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from bot.events import Place, Route
from bot.replies import SentId
from bot.store import Keep, NewMessage, NewSummary, Remembered, Store
from bot.store.compacting import copies
from bot.store.opening import back_up
from bot.store.places import Whose
from bot.testing.hand_clock import HandClock
from bot.turn import ModelCall, Usage

PLACE = Place("fake", "w", "c")
THREAD = replace(PLACE, thread="t")
ELSEWHERE = Place("other", "w", "c")
SECRET = "my secret is a blue marble"
PICTURE = b"\x89PNG the picture of a blue marble" * 50
CALL = ModelCall("p", "m", Usage(10, 10), None, {}, 1.0, None)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'test.db'}"


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())


async def wrote(
    store: Store, text: str, user: str = "ann", place: Place = PLACE, blob: str | None = None
) -> Remembered:
    parts: dict[str, JsonValue] = {"images": [{"blob": blob}]} if blob else {}
    number = len(await store.tree(place))
    sent = (SentId(f"m{number}"),)
    _, kept = await store.remember(place, NewMessage("user", text, user, user.title(), parts=parts, sent=sent))
    return kept


async def answered(
    store: Store, question: Remembered, text: str, place: Place = PLACE, user: str = "ann"
) -> Remembered:
    draft = await store.open_draft(question.conversation, Route(place), f"e{question.id}", question.id, epoch=0)
    (answer,) = await store.answered(draft, place, [NewMessage("assistant", text)], [CALL], user_id=user) or ()
    return answer


async def forget(store: Store, platform: str = "fake", user: str = "ann") -> int:
    """How many steps it took."""
    await store.persons.begin(platform, user)
    steps = 0
    while (done := await store.persons.forget_some(platform, user)) is not None and not done.gone:
        steps += 1
    await store.persons.compact()
    assert await store.persons.ended(platform, user)
    await store.persons.empty_log()
    return steps


async def texts(store: Store, place: Place = PLACE) -> list[str]:
    return [message.text for message in await store.tree(place)]


async def test_a_person_is_forgotten_in_every_branch_and_thread_and_nobody_else_is(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        first = await wrote(store, SECRET)
        answer = await answered(store, first, "A marble, then.")
        await wrote(store, "and mine is green", "bob")
        await store.branches.fork(PLACE, answer.id, "another way")
        await wrote(store, f"on this branch too: {SECRET}")
        await wrote(store, f"in a thread: {SECRET}", place=THREAD)
        await wrote(store, f"who is this? {SECRET}", place=ELSEWHERE)
        await forget(store)
        assert await texts(store) == ["", "A marble, then.", "and mine is green", ""]
        assert await texts(store, THREAD) == [""]
        assert await texts(store, ELSEWHERE) == [f"who is this? {SECRET}"]
        authors = {(message.author_id, message.author) for message in await store.tree(PLACE)}
        assert authors == {(None, None), ("bob", "Bob")}
        path = await store.path(THREAD, max_tokens=1000)
        assert SECRET not in str(path)


async def test_summaries_that_told_of_them_go(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        early = await wrote(store, "green", "bob")
        current, _ = await store.remember(PLACE, NewMessage("assistant", "I see."))
        told = NewSummary("Bob likes green.", base=0, until=early.id, told=[early], model="m")
        assert await store.branches.summarise(current, told)
        late = await wrote(store, SECRET)
        more = NewSummary(f"Bob likes green. {SECRET}", base=early.id, until=late.id, told=[late], model="m")
        assert await store.branches.summarise(current, more)
        await forget(store)
        summary = await store.branches.summary(PLACE)
        assert summary is not None
        assert summary.text == "Bob likes green."


async def test_ledger_opinions_notes_pins_and_pictures_lose_them(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        mine = await store.put_picture(PICTURE, "image/png")
        shared = await store.put_picture(b"shared", "image/png")
        face = await store.put_blob(b"face", "image/png")
        loved = await store.put_blob(b"also the face of another", "image/png")
        asked = await wrote(store, SECRET, blob=mine)
        await wrote(store, "look", blob=shared)
        await wrote(store, "I have that too", "bob", blob=shared)
        await store.branches.pin(PLACE, asked.id)
        answer = await answered(store, asked, "Nice.")
        await store.save_state("core", f"place:{PLACE}", f"feedback {answer.id} ann", "good")
        await store.save_state("core", f"place:{PLACE}", f"feedback {answer.id} joann", "bad")
        await store.save_state("roleplay", "user:fake:ann", "Persona:p", {"face": face, "other": loved})
        await store.save_state("roleplay", "workspace:fake:w", "Persona:q", {"face": loved})
        await store.save_state("roleplay", "user:fake:ann2", "Persona:p", {"name": "Else"})
        await forget(store)
        assert [await store.get_blob(id) for id in (mine, face)] == [None, None]
        assert await store.get_blob(shared) is not None
        assert await store.get_blob(loved) is not None
        assert list(await store.marks(f"place:{PLACE}")) == [f"feedback {answer.id} joann"]
        assert await store.load_states("roleplay", "user:fake:ann", "") == {}
        assert await store.load_states("roleplay", "user:fake:ann2", "") != {}
        assert await store.branches.pins(PLACE) == ()
        assert await store.spent("fake", Whose(user="ann")) == ()
        assert sum(one.calls for one in await store.spent("fake", Whose(workspace="w"))) == 1


async def test_it_goes_on_where_a_crash_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.store.persons.NUMBERS_AT_ONCE", 2)
    async with Store(url(tmp_path)) as store:
        for number in range(7):
            await wrote(store, f"{SECRET} {number}")
        await store.persons.begin("fake", "ann")
        for _ in range(2):
            await store.persons.forget_some("fake", "ann")
        assert sum(bool(text) for text in await texts(store)) == 3
    async with Store(url(tmp_path)) as store:
        assert await store.persons.begun() == [("fake", "ann")]
        while (done := await store.persons.forget_some("fake", "ann")) is not None and not done.gone:
            pass
        assert done is not None
        assert (done.messages, len(done.places)) == (7, 1)
        await wrote(store, "What I write from now on is new.")
        assert await store.persons.ended("fake", "ann")
        assert await store.persons.begun() == []
        assert [text for text in await texts(store) if text] == ["What I write from now on is new."]


async def test_who_asks_again_meanwhile_is_forgotten_again(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        await wrote(store, SECRET)
        await store.persons.begin("fake", "ann")
        while (done := await store.persons.forget_some("fake", "ann")) is not None and not done.gone:
            pass
        await wrote(store, SECRET)
        await store.persons.begin("fake", "ann")
        assert not await store.persons.ended("fake", "ann")
        await forget(store)
        assert await texts(store) == ["", ""]


async def test_what_is_forgotten_is_gone_from_the_file_its_log_and_its_copies(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        for number in range(300):
            await wrote(store, f"{SECRET} {number}" + " and more words" * (number % 40))
        picture = await store.put_picture(PICTURE, "image/png")
        await wrote(store, "look at this", blob=picture)
        await answered(store, await wrote(store, "a question"), "The answer stays.")
        back_up(tmp_path / "test.db", tmp_path / "test.db.before-0009")
        assert SECRET.encode() in on_disk(tmp_path)
        assert copies(tmp_path / "test.db") != []
        await forget(store)
        assert copies(tmp_path / "test.db") == []
        left = on_disk(tmp_path)
        assert SECRET.encode() not in left
        assert b"picture of a blue marble" not in left
        assert b"The answer stays." in left
        assert await texts(store) == [""] * 302 + ["The answer stays."]
    left = on_disk(tmp_path)
    assert SECRET.encode() not in left
    assert b"ann" not in left


async def test_a_file_from_before_deleted_content_was_overwritten_is_written_anew(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        await wrote(store, "hi")
    with closing(sqlite3.connect(tmp_path / "test.db")) as old:
        old.execute("PRAGMA secure_delete = OFF")
        old.execute("UPDATE message SET text = ?", (SECRET * 2000,))
        old.commit()
        old.execute("UPDATE message SET text = 'hi'")
        old.execute("DELETE FROM state WHERE scope = 'disk'")
        old.commit()
    assert SECRET.encode() in on_disk(tmp_path)
    async with Store(url(tmp_path)) as store:
        await forget(store)
        assert SECRET.encode() not in on_disk(tmp_path)
        # Once is enough: from now on all is overwritten at once.
        assert await store.load_state("core", "disk", "written anew") == (True, 1)


async def test_a_single_message_that_is_taken_back_is_overwritten_at_once(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        message = await wrote(store, SECRET)
        await store.forget(PLACE, [message.id])
        await store.persons.empty_log()
        assert SECRET.encode() not in on_disk(tmp_path)


async def test_many_messages_are_forgotten_while_others_are_served(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        conversation = await store.conversation(PLACE)
        for first in range(0, 4_000, 1000):
            draft = await store.open_draft(conversation.id, Route(PLACE), f"fill {first}", None, epoch=0)
            said = [
                NewMessage("assistant" if number % 2 else "user", f"word {number}", None if number % 2 else "ann")
                for number in range(first, first + 1000)
            ]
            await store.answered(draft, PLACE, said, [CALL] * 100, user_id="ann")
        forgetting = asyncio.create_task(forget(store))
        between = 0
        while not forgetting.done():
            await wrote(store, "I need not wait.", "bob", ELSEWHERE)
            between += 1
        # Each step lets whoever waits go first.
        assert between >= await forgetting > 10


# Giving out


async def test_people_get_what_they_wrote_and_what_bears_their_name(tmp_path: Path) -> None:
    async with Store(url(tmp_path)) as store:
        await wrote(store, "one")
        await wrote(store, "not mine", "bob")
        await wrote(store, "two", place=THREAD)
        await wrote(store, "as somebody else", place=ELSEWHERE)
        await store.save_state("roleplay", "user:fake:ann", "K:a", {"a": 1})
        await store.save_state("roleplay", "workspace:fake:w", "K:made", {"made_by": "ann"})
        await store.save_state("roleplay", "workspace:fake:w", "K:votes", {"votes": {"ann": 1, "bob": 2}})
        await store.save_state("roleplay", "workspace:other:w", "K:made", {"made_by": "ann"})
        await store.save_state("core", f"place:{PLACE}", "feedback 1 ann", "good")
        pages = [page async for page in store.persons.messages("fake", "ann")]
        assert [(one.place, one.text) for page in pages for one in page] == [(PLACE, "one"), (THREAD, "two")]
        keys = sorted((state.scope, state.key) for state in await store.persons.states("fake", "ann"))
        assert keys == [
            (f"place:{PLACE}", "feedback 1 ann"),
            ("user:fake:ann", "K:a"),
            ("workspace:fake:w", "K:made"),
        ]


# Keeping for some days only

DAY = timedelta(days=1)


class Kept:
    """A store that keeps for ten days, and prunes when told."""

    def __init__(self, folder: Path, **keep: bool) -> None:
        self.clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.store = Store(url(folder), clock=self.clock, keep=Keep(10, **keep))

    async def days_pass(self, days: float) -> None:
        # Its own pruning would come in between.
        self.store._pruning.cancel()
        self.clock.passes(days * DAY.total_seconds())

    async def prunes(self) -> None:
        await self.store._prune()


async def test_old_exchanges_are_forgotten_whole_and_pinned_ones_stay(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    async with kept.store as store:
        await answered(store, await wrote(store, SECRET), "Blue?")
        pinned = await wrote(store, "Remember this.")
        await store.branches.pin(PLACE, pinned.id)
        await kept.days_pass(9)
        question = await wrote(store, "Still waiting?")
        await kept.days_pass(9)
        await answered(store, question, "I was thinking.")
        await kept.days_pass(2)
        await kept.prunes()
        # The question is too old, but its answer is not.
        assert await texts(store) == ["", "", "Remember this.", "Still waiting?", "I was thinking."]
        path = await store.path(PLACE, max_tokens=1000)
        assert [one.text for one in path.messages] == ["Still waiting?", "I was thinking."]
        assert [one.text for one in path.pinned] == ["Remember this."]
        assert SECRET.encode() not in on_disk(tmp_path)
        await kept.days_pass(30)
        await kept.prunes()
        assert await texts(store) == ["", "", "Remember this.", "", ""]
        await wrote(store, "Hello again.")
        path = await store.path(PLACE, max_tokens=1000)
        assert [one.text for one in path.messages] == ["Hello again."]


async def test_a_window_does_not_walk_through_what_is_gone(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    async with kept.store as store:
        for number in range(5):
            await answered(store, await wrote(store, f"q{number}"), "a")
        old = await wrote(store, "A thread begins here.")
        await wrote(store, "in the thread", place=THREAD)
        await kept.days_pass(11)
        await wrote(store, "young", place=THREAD)
        await wrote(store, "young", place=PLACE)
        await kept.prunes()
        for place in (PLACE, THREAD):
            conversation = await store.conversation(place)
            assert (conversation.window_start or 0) > old.id
            assert [one.text for one in (await store.path(place, max_tokens=1000)).messages] == ["young"]


@pytest.mark.parametrize("stay", [True, False])
async def test_summaries_of_what_is_gone_stay_unless_told_otherwise(tmp_path: Path, stay: bool) -> None:
    kept = Kept(tmp_path, summaries=stay)
    async with kept.store as store:
        one = await wrote(store, SECRET)
        current = await store.conversation(PLACE)
        told = NewSummary("Ann has a marble.", base=0, until=one.id, told=[one], model="m")
        assert await store.branches.summarise(current, told)
        await wrote(store, "more")
        await kept.days_pass(11)
        await kept.prunes()
        assert (await store.branches.summary(PLACE) is not None) == stay


async def test_without_the_setting_nothing_is_forgotten_and_copies_go_after_a_month(tmp_path: Path) -> None:
    clock = HandClock(datetime.now(UTC))
    async with Store(url(tmp_path), clock=clock) as store:
        await wrote(store, SECRET)
        back_up(tmp_path / "test.db", tmp_path / "test.db.before-0009")
        clock.passes(20 * DAY.total_seconds())
        await store._prune()
        assert len(copies(tmp_path / "test.db")) == 1
        clock.passes(20 * DAY.total_seconds())
        await store._prune()
        assert copies(tmp_path / "test.db") == []
        assert await texts(store) == [SECRET]
