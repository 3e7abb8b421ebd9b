"""What is read for an export, and that a transcript which is taken in again is the same tree."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from bot.api import Archive, Character, Playbill, Restored, UsageError, open_archive
from bot.errors import StoreError
from bot.events import Place, Route
from bot.store import NewMessage, NewSummary, Remembered, Store, Taking
from bot.testing.store_samples import OTHER, PLACE, answer, call, said
from plugins.export.formats.parts import said_and_files
from plugins.export.importing import importing, prepared
from plugins.export.known import FILES, name_of, named, names
from plugins.export.made import make_files
from plugins.export.names import Pseudonyms
from plugins.export.reading import Reading, read
from plugins.export.running import run
from plugins.export.tasks import ToImport
from plugins.export.transcript import Entry, Format, Header, Scene
from plugins.export.wanted import Wanted, chosen, moment

COPY = Place("fake", "home", "garden")
NOW = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
EVERYTHING = Wanted(stable=True)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(f"sqlite:///{tmp_path / 'test.db'}") as opened:
        yield opened


async def tell(store: Store, *messages: NewMessage, place: Place = PLACE) -> list[Remembered]:
    return [(await store.remember(place, message))[1] for message in messages]


async def say_again(store: Store, old: Remembered, text: str, place: Place = PLACE) -> None:
    """A variant of an answer, as when it is regenerated."""
    conversation = await store.conversation(place)
    taking = Taking(old.id, as_variant=True)
    draft = await store.open_draft(conversation.id, Route(place), f"again {text}", None, epoch=0, taking=taking)
    await store.answered(draft, place, [answer(text)], [call("0.25")])


async def entries_of(reading: Reading) -> list[Entry]:
    return [entry async for page in reading.pages() for entry in page]


async def told(archive: Archive, wanted: Wanted, *, tree: bool = False) -> list[str]:
    return [entry.text for entry in await entries_of(await read(archive, wanted, tree=tree))]


async def as_json(archive: Archive, folder: Path, wanted: Wanted = EVERYTHING) -> bytes:
    (made,) = await make_files(archive, wanted, named("json"), folder)
    return made.file.read_bytes()


async def test_the_active_branch_is_told_whole_and_of_the_others_what_is_theirs(store: Store) -> None:
    a, b, _ = await tell(store, said("a"), answer("b"), said("c"))
    await store.branches.fork(PLACE, b.id, "other")
    await tell(store, said("d"), answer("e"))
    await store.branches.fork(PLACE, a.id, "third")
    await tell(store, answer("f"))
    archive = store.archives.at(PLACE)
    assert await told(archive, await chosen(archive, "branch")) == ["a", "f"]
    assert await told(archive, await chosen(archive, "branch", "other")) == ["a", "b", "d", "e"]
    assert await told(archive, await chosen(archive, "1")) == ["a", "b", "c"]
    reading = await read(archive, Wanted(), tree=False)
    entries = await entries_of(reading)
    assert [entry.text for entry in entries] == ["a", "f", "b", "c", "d", "e"]
    by_text = {entry.text: entry for entry in entries}
    parents = {text: next((e.text for e in entries if e.id == entry.parent), None) for text, entry in by_text.items()}
    assert parents == {"a": None, "f": "a", "b": "a", "c": "b", "d": "b", "e": "d"}
    ways = {way.name: way for way in reading.header.ways}
    assert [ways[name].tip for name in ("main", "other", "third")] == [by_text[text].id for text in "cef"]
    assert (ways["other"].forked_from, ways["third"].forked_from) == (b.id, a.id)
    assert [way.active for way in reading.header.ways] == [False, False, True]


async def test_variants_follow_the_answer_that_stands_with_what_each_took(store: Store) -> None:
    _, first, _ = await tell(store, said("question"), answer("one"), said("later"))
    await say_again(store, first, "two")
    await say_again(store, first, "three")
    await store.choose_variant(first.id, (await store.variants(first.id))[1].id)
    archive = store.archives.at(PLACE)
    entries = await entries_of(await read(archive, Wanted(), tree=True))
    assert [(e.text, e.variant, e.variants) for e in entries[1:4]] == [("two", 2, 3), ("one", 1, 3), ("three", 3, 3)]
    assert [e.variant_of for e in entries] == [None, None, first.id, first.id, None]
    assert {e.parent for e in entries[1:4]} == {entries[0].id}
    assert entries[4].parent == first.id
    assert [e.used is not None for e in entries[1:4]] == [True, False, True]
    assert entries[1].used is not None
    assert (str(entries[1].used.cost), entries[1].used.input) == ("0.25", 100)


async def test_what_was_forgotten_keeps_its_place_in_the_tree_alone(store: Store) -> None:
    rows = await tell(store, said("a"), answer("b"), said("c"), answer("d"))
    await store.forget(PLACE, [rows[1].id, rows[3].id])
    archive = store.archives.at(PLACE)
    (branch,) = await store.branches.all(PLACE)
    entries = await entries_of(await read(archive, Wanted(branch=branch.id), tree=True))
    assert [(e.text, e.parent) for e in entries] == [("a", None), ("c", rows[0].id)]
    reading = await read(archive, Wanted(), tree=True)
    entries = await entries_of(reading)
    assert [(e.text, e.status, e.speaker) for e in entries] == [
        ("a", "complete", "p1"),
        ("", "forgotten", ""),
        ("c", "complete", "p1"),
        ("", "forgotten", ""),
    ]
    assert [e.parent for e in entries] == [None, *(row.id for row in rows[:3])]


async def test_what_was_cleared_leaves_in_no_export(store: Store) -> None:
    (root, *_) = await tell(store, said("a"), answer("b"), said("c"))
    await tell(store, answer("In a scene", speaker="Mara", scene=root.id))
    await store.clear(PLACE)
    archive = store.archives.at(PLACE)
    assert await archive.scenes() == ()
    await tell(store, said("anew", author="Cem", author_id="cem"))
    reading = await read(archive, Wanted(), tree=True)
    assert [entry.text for entry in await entries_of(reading)] == ["anew"]
    assert [one.name for one in reading.header.speakers] == ["Cem"]


async def test_a_thread_is_exported_without_its_channel(store: Store) -> None:
    await tell(store, said("in the channel"))
    await tell(store, said("in the thread"), answer("yes"), place=OTHER)
    archive = store.archives.at(OTHER)
    entries = await entries_of(await read(archive, Wanted(), tree=True))
    assert [(e.text, e.parent is None) for e in entries] == [("in the thread", True), ("yes", False)]
    assert await told(archive, await chosen(archive, "branch")) == ["in the thread", "yes"]


async def test_a_scene_is_its_lines_and_what_people_said_meanwhile(store: Store) -> None:
    await tell(store, said("before"))
    (root,) = await tell(store, answer("Once upon a time", speaker="Narrator"))
    line = {"scene": root.id}
    await tell(store, answer("I am Mara", speaker="Mara", **line), said("bravo"), answer("Beside it"))
    await tell(store, answer("I am Tom", speaker="Tom", **line), said("after"))
    archive = store.archives.at(PLACE)
    wanted = await chosen(archive, "scene")
    reading = await read(archive, wanted, tree=False)
    assert [e.text for e in await entries_of(reading)] == ["Once upon a time", "I am Mara", "bravo", "I am Tom"]
    assert [(s.name, s.kind) for s in reading.header.speakers] == [
        ("Narrator", "persona"),
        ("Mara", "persona"),
        ("Ann", "person"),
        ("Tom", "persona"),
    ]
    assert reading.header.scenes == (Scene(root.id, "Scene 1", began=root.created_at, lines=2),)
    assert {e.scene for e in await entries_of(reading)} == {root.id}
    whole = await read(archive, await chosen(archive, "branch"), tree=False)
    assert [e.text for e in await entries_of(whole) if e.scene is None] == ["before", "after"]
    # As memory has it, what people said stands in no scene.
    assert [e.scene for e in await entries_of(await read(archive, EVERYTHING, tree=True))] == [
        *(None, None, root.id, None, None, root.id, None)
    ]
    assert wanted == await chosen(archive, "scene", "1")
    with pytest.raises(UsageError, match="from 1 to 1"):
        await chosen(archive, "scene", "2")


async def test_times_bound_what_is_told(store: Store) -> None:
    rows = await tell(store, said("a"), answer("b"), said("c"))
    archive = store.archives.at(PLACE)
    since, until = rows[1].created_at, rows[2].created_at
    reading = await read(archive, Wanted(since=since, until=until), tree=True)
    assert [(e.text, e.parent) for e in await entries_of(reading)] == [("b", None)]
    assert [way.tip for way in reading.header.ways] == [rows[1].id]


def test_moments_are_understood() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert moment("2h", NOW, zone) == NOW - timedelta(hours=2)
    assert moment(" 7D ", NOW, zone) == NOW - timedelta(days=7)
    assert moment("2026-11-20", NOW, zone) == datetime(2026, 11, 19, 23, tzinfo=UTC)
    assert moment("2026-11-20", NOW, zone, ends=True) == datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert moment("2026-11-20 12:00", NOW, zone) == datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert moment("2026-11-20T12:00Z", NOW, zone) == datetime(2026, 11, 20, 12, tzinfo=UTC)
    for wrong in ("", "yesterday", "2026-13-01", "5y", "9999-12-31 99:00"):
        with pytest.raises(UsageError, match="is no moment"):
            moment(wrong, NOW, zone)


async def test_people_become_numbers_also_where_others_speak_of_them(store: Store) -> None:
    ann = said("I am ann, and my dog is Annabel.")
    bob = said("Hi Ann!", author="Bob Čapek", author_id="77777")
    await tell(store, ann, bob, answer("Ann and bob čapek (77777) are here.", parts={"tool_calls": [{"id": "Ann"}]}))
    await tell(store, said("I married.", author="Ann Bell"))
    archive = store.archives.at(PLACE)
    reading = await read(archive, Wanted(pseudonymise=True, title="Ann's talk"), tree=False)
    entries = await entries_of(reading)
    assert [e.text for e in entries] == [
        "I am Person 1, and my dog is Annabel.",
        "Hi Person 1!",
        "Person 1 and Person 2 (Person 2) are here.",
        "I married.",
    ]
    assert entries[2].parts == {"tool_calls": [{"id": "Person 1"}]}
    assert entries[3].speaker == entries[0].speaker
    whole = repr((reading.header, entries))
    assert not any(name in whole for name in ("Ann ", "Ann'", "Bob", "77777", "u1", str(PLACE)))


def test_who_is_called_by_a_sign_of_patterns_is_found() -> None:
    assert Pseudonyms({"(.*)": "Person 1", "C++": "Person 2"}).text("It is (.*), not C++.") == (
        "It is Person 1, not Person 2."
    )
    assert Pseudonyms({}).text("Nobody") == "Nobody"


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [
        ("Groß", "Groß, GROSS and gross", "P1, P1 and P1"),
        ("Zoë", "Zoe\u0308 came", "P1 came"),
        ("İnci", "I know İnci", "I know P1"),
        ("Ann", "_Ann_ *Ann* @ann Ann's but Anne", "_P1_ *P1* @P1 P1's but Anne"),
        ("John_Doe", r"John\_Doe or John_Doe", "P1 or P1"),
        ("Eve Adams", "Eve\nAdams, eve  adams", "P1, P1"),
        ("王小明", "你好王小明先生", "你好P1先生"),
        ("민수", "민수가 왔다", "P1가 왔다"),
        ("Al", "Al and @al, al dente, ALSO", "P1 and @P1, al dente, ALSO"),
        ("I", "I am @I", "I am @P1"),
    ],
)
def test_a_name_is_found_however_it_is_written(name: str, said: str, told: str) -> None:
    assert Pseudonyms({name: "P1"}).text(said) == told


async def test_people_who_spoke_elsewhere_are_numbers_where_they_are_spoken_of(store: Store) -> None:
    await tell(store, said("hello", author_id="u-zoe", author="Zoe"), said("Zoe was here"))
    second = (await store.tree(PLACE))[1]
    archive = store.archives.at(PLACE)
    some = Wanted(pseudonymise=True, since=second.created_at)
    reading = await read(archive, some, tree=False)
    texts = [entry.text for entry in await entries_of(reading)]
    assert texts[-1] == "Person 2 was here"
    if len(texts) == 1:
        assert [one.name for one in reading.header.speakers] == ["Person 1"]


async def test_where_files_begin_is_known_under_other_names_too(store: Store) -> None:
    await tell(store, said("Zoe, look!\n\nnote.txt:\n```\nZoe\n```", author="Zoe", parts={"said": 10}))
    (entry,) = await entries_of(await read(store.archives.at(PLACE), Wanted(pseudonymise=True), tree=False))
    assert said_and_files(entry)[0] == "Person 1, look!"
    assert "Zoe" not in entry.text


async def test_a_name_of_many_bytes_fits_a_file_system(store: Store, tmp_path: Path) -> None:
    await tell(store, said("a"))
    wanted = Wanted(title="\U00020000" * 60, stable=False)
    (made,) = await make_files(
        store.archives.at(PLACE), wanted, named("sillytavern"), tmp_path, now=NOW, most_bytes=10**6
    )
    assert len(made.file.name.encode()) < 230


async def test_where_files_lie_is_nobody_elses_business(store: Store) -> None:
    picture = {"blob": "a" * 64, "name": "cat.png", "media_type": "image/png", "size": 3}
    unread = {"name": "a.txt", "url": "https://cdn.example/secret", "size": 3, "media_type": "text/plain"}
    await tell(store, said("look", parts={"said": 4, "images": [picture], "unread": [unread]}))
    (entry,) = await entries_of(await read(store.archives.at(PLACE), Wanted(), tree=True))
    assert "secret" not in repr(entry)
    assert "aaaa" not in repr(entry)
    assert entry.parts["images"] == [{"name": "cat.png", "media_type": "image/png", "size": 3}]


async def test_too_much_for_one_file_is_zipped_and_then_several(store: Store, tmp_path: Path) -> None:
    await tell(store, *(said(f"{number} {hash(str(number))}") for number in range(40)))
    archive = store.archives.at(PLACE)
    wanted = await chosen(archive, "branch")
    folders = [tmp_path / name for name in ("whole", "zipped", "parts", "hopeless")]
    for folder in folders:
        folder.mkdir()
    (whole,) = await make_files(archive, wanted, named("txt"), folders[0])
    size = whole.file.stat().st_size
    (zipped,) = await make_files(archive, wanted, named("txt"), folders[1], most_bytes=size - 1)
    assert (zipped.media_type, zipped.entries, zipped.file.name) == (
        "application/zip",
        40,
        "conversation.txt.zip",
    )
    with zipfile.ZipFile(zipped.file) as inside:
        assert inside.read("conversation.txt") == whole.file.read_bytes()
    half = zipped.file.stat().st_size // 2 + 300
    parts = await make_files(archive, wanted, named("json"), folders[2], most_bytes=half)
    assert len(parts) > 1
    assert sum(part.entries for part in parts) == 40
    found: list[str] = []
    for number, part in enumerate(parts, 1):
        assert part.file.name == f"conversation-{number}-of-{len(parts)}.json.zip"
        entries = prepared(part.file.read_bytes()).entries
        found += [entry.text.split()[0] for entry in entries]
    assert found == [str(number) for number in range(40)]
    with pytest.raises(UsageError, match="more than 20 files"):
        await make_files(archive, wanted, named("json"), folders[3], most_bytes=50)


async def test_the_same_transcript_has_the_same_bytes(store: Store, tmp_path: Path) -> None:
    await tell(store, said("hello"), answer("hi"), answer("I am Mara", speaker="Mara"), answer("I know", speaker="Tom"))
    archive = store.archives.at(PLACE)
    for format in map(named, FILES):
        both = []
        for name in ("one", "other"):
            folder = tmp_path / f"{format.name}-{name}"
            folder.mkdir()
            wanted = (await chosen(archive, "branch")).model_copy(update={"stable": True})
            (made,) = await make_files(archive, wanted, format, folder, now=NOW)
            both.append((made.file.name, made.file.read_bytes()))
        assert both[0] == both[1], format.name


async def test_a_file_is_taken_in_once(store: Store, tmp_path: Path) -> None:
    await tell(store, said("a"), answer("b"), said("c"))
    content = await as_json(store.archives.at(PLACE), tmp_path)
    copy = store.archives.at(COPY)
    first = await importing(copy, content, lambda count: None)
    assert first == Restored(("imported",), 3, is_new=True, active=True)
    later = await as_json(store.archives.at(PLACE), tmp_path, Wanted(title="Another title", bot_name="Hal"))
    assert later != content
    assert await importing(copy, later, lambda count: None) == Restored(("imported",), 3, is_new=False)
    assert len(await store.tree(COPY)) == 3
    # The same talk with one word more is another one, and what was said here stays what is talked about.
    other = await importing(copy, content.replace(b'"text":"c"', b'"text":"cc"'), lambda count: None)
    assert other == Restored(("imported (2)",), 3, is_new=True, active=False)
    assert [branch.active for branch in await store.branches.all(COPY)] == [True, False]
    # Deleted branches may come again.
    first_one, other_one = await store.branches.all(COPY)
    await store.branches.switch(COPY, other_one.id)
    await store.branches.delete(COPY, first_one.id)
    assert (await importing(copy, content, lambda count: None)).is_new


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": 2}, "Message 1 in this file has the id of another one"),
        ({"parent": 99}, "Message 1 in this file belongs to one"),
    ],
)
async def test_a_tree_that_is_none_is_refused_whole(
    store: Store, tmp_path: Path, change: dict[str, int], says: str
) -> None:
    await tell(store, said("a"), answer("b"))
    file = json.loads(await as_json(store.archives.at(PLACE), tmp_path))
    file["messages"][0] |= change
    with pytest.raises(UsageError):
        await importing(store.archives.at(COPY), json.dumps(file).encode(), lambda count: None)
    assert await store.tree(COPY) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ways": [{"id": 1, "name": "", "tip": 1, "forked_from": None, "at": "2026-01-01", "active": False}] * 2001},
         "There are more than 2,000 branches in this file"),
        ({"ways": [{"id": 1, "name": "w", "tip": 1, "forked_from": None, "at": "9999-12-31T23:59:59-10:00",
                    "active": True}]}, r"`header\.ways\.0\.at` is not what it must be"),
    ],
    ids=["too many branches", "after all time"],
)  # fmt: skip
async def test_branches_that_cannot_be_are_refused(
    store: Store, tmp_path: Path, change: dict[str, JsonValue], says: str
) -> None:
    await tell(store, said("a"))
    file = json.loads(await as_json(store.archives.at(PLACE), tmp_path))
    file["header"] |= change
    with pytest.raises(UsageError, match=says):
        await importing(store.archives.at(COPY), json.dumps(file).encode(), lambda count: None)


async def test_what_a_file_claims_of_sizes_is_not_believed(store: Store, tmp_path: Path) -> None:
    await tell(store, said("a", "id-a"), answer("b"), said("c", "id-c"), answer("d"))
    file = json.loads(await as_json(store.archives.at(PLACE), tmp_path))
    one, two, three, *_ = file["messages"]
    one["tokens"], two["tokens"], two["model"] = 10**40, -(10**9), "m" * 1000
    three |= {"status": "forgotten", "text": "still there"}
    file["header"]["ways"] *= 3
    restored = await importing(store.archives.at(COPY), json.dumps(file).encode(), lambda count: None)
    assert restored.branches == ("imported", "imported (2)", "imported (3)")
    kept = await store.tree(COPY)
    assert [(each.text, each.tokens) for each in kept[:2]] == [("a", None), ("b", None)]
    assert kept[1].model == "m" * 200
    assert "still there" not in [each.text for each in kept]


async def test_nothing_stays_of_an_import_that_breaks_off(store: Store, tmp_path: Path) -> None:
    await tell(store, *(said(str(number)) for number in range(700)))
    content = await as_json(store.archives.at(PLACE), tmp_path)
    copy = store.archives.at(COPY)

    def break_off(count: int) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await importing(copy, content, break_off)
    assert await store.tree(COPY) == ()
    assert (await importing(copy, content, lambda count: None)).messages == 700


async def test_nothing_stays_of_an_import_that_somebody_stops(store: Store, tmp_path: Path) -> None:
    """In a process of its own, that is told to end in the middle."""
    await tell(store, said("a"))
    told = json.loads(await as_json(store.archives.at(PLACE), tmp_path))
    (one,) = told["messages"]
    told["messages"] += [one | {"id": id, "parent": id - 1} for id in range(one["id"] + 1, one["id"] + 700)]
    folder = tmp_path / "own"
    folder.mkdir()
    file = folder / "import"
    file.write_text(json.dumps(told))

    def stop(line: Mapping[str, JsonValue]) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run(store.archives.at(COPY), ToImport(place=str(COPY), file=file, folder=folder), stop)
    assert [(str(one.place), one.messages) for one in await store.archives.places()] == [(str(PLACE), 1)]
    assert (await importing(store.archives.at(COPY), file.read_bytes(), lambda count: None)).messages == 700


async def test_what_a_dead_process_left_is_cleared_away(store: Store, tmp_path: Path) -> None:
    await tell(store, *(said(str(number)) for number in range(5)))
    content = await as_json(store.archives.at(PLACE), tmp_path)
    new = prepared(content)
    copy = store.archives.at(COPY)
    begun = await copy.restore(new.key)
    assert not isinstance(begun, Restored)
    await begun.add(new.entries)
    with pytest.raises(StoreError) as refused:
        await copy.restore(new.key)
    assert refused.value.public == "This file is being imported here right now."
    long_ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    await store.save_state("core", f"place:{COPY}", f"importing:{new.key}", long_ago)
    assert (await importing(copy, content, lambda count: None)).messages == 5
    assert len(await store.tree(COPY)) == 5


async def test_a_picture_of_somebody_else_cannot_be_claimed(store: Store, tmp_path: Path) -> None:
    await tell(store, said("look", parts={"images": [{"name": "a.png", "media_type": "image/png", "size": 3}]}))
    content = await as_json(store.archives.at(PLACE), tmp_path)
    stolen = content.replace(b'{"name":"a.png"', b'{"blob":"%s","name":"a.png"' % (b"a" * 64))
    assert stolen != content
    await importing(store.archives.at(COPY), stolen, lambda count: None)
    (row,) = await store.tree(COPY)
    assert "blob" not in json.dumps(dict(row.parts))


async def test_a_zipped_transcript_is_taken_in(store: Store, tmp_path: Path) -> None:
    await tell(store, said("a"))
    content, packed = await as_json(store.archives.at(PLACE), tmp_path), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr("talk.json", content)
    assert (await importing(store.archives.at(COPY), packed.getvalue(), lambda count: None)).messages == 1
    with zipfile.ZipFile(packed, "a") as zipped:
        zipped.writestr("more.json", content)
    with pytest.raises(UsageError, match="There are 2 files in it"):
        prepared(packed.getvalue())
    with pytest.raises(UsageError, match="damaged"):
        prepared(b"PK\x03\x04 no zip")


async def test_another_process_reads_what_the_bot_remembers(store: Store, tmp_path: Path) -> None:
    await tell(store, said("hello"))
    async with open_archive(f"sqlite:///{tmp_path / 'test.db'}") as archives:
        assert [(str(one.place), one.messages) for one in await archives.places()] == [(str(PLACE), 1)]
    with pytest.raises(StoreError, match="There is no database"):
        async with open_archive(f"sqlite:///{tmp_path / 'none.db'}"):
            pass
    assert not (tmp_path / "none.db").exists()


# json → import → the same tree.

TEXT = st.text(max_size=12)
ROLES = st.sampled_from(["ann", "bob", "bot", "Mara", "tool"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), ROLES, TEXT),
        st.tuples(st.just("fork"), st.integers(0, 20), TEXT),
        st.tuples(st.just("switch"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("forget"), st.integers(0, 20), st.just("")),
        st.tuples(st.just("again"), st.integers(0, 20), TEXT),
        st.tuples(st.just("back"), st.integers(0, 20), st.just("")),
        st.tuples(st.just("pin"), st.integers(0, 20), st.just("")),
        st.tuples(st.just("sum up"), st.integers(0, 20), TEXT),
        st.tuples(st.just("bill"), st.integers(0, 20), TEXT),
    ),
    min_size=1,
    max_size=14,
)


async def grow(store: Store, steps: Sequence[tuple[str, str | int, str]]) -> None:
    for kind, what, text in steps:
        rows = [row for row in await store.tree(PLACE) if row.variant_of is None]
        row = rows[int(what) % len(rows)] if rows and not isinstance(what, str) else None
        match kind, what:
            case "say", "bot":
                await tell(store, answer(text))
            case "say", "tool":
                await tell(store, NewMessage("tool", text, parts={"tool_call_id": text}))
            case "say", "Mara":
                await tell(store, answer(text, speaker="Mara", scene=row.id if row else None))
            case "say", str(name):
                await tell(store, said(text, author=name, author_id=f"id-{name}"))
            case "fork", _:
                await store.branches.fork(PLACE, row.id if row else None, text)
            case "switch", int(number):
                branches = await store.branches.all(PLACE)
                if branches:
                    await store.branches.switch(PLACE, branches[number % len(branches)].id)
            case "forget", _ if row:
                await store.forget(PLACE, [row.id])
            case "again", _ if row and row.role == "assistant" and row.status == "complete":
                await say_again(store, row, text)
            case "pin", _ if row and await store.reaches(PLACE, row.id):
                await store.branches.pin(PLACE, row.id)
            case "sum up", _ if row:
                conversation = await store.conversation(PLACE)
                base = conversation.summary_until
                await store.branches.summarise(conversation, NewSummary(text, base, row.id, [row], "m"))
            case "bill", _ if row:
                await store.tell_scene(PLACE, row.id, Playbill(text, (Character("Mara", None, "id-ann"),), text))
            case "back", _ if row and await store.reaches(PLACE, row.id):
                await store.branches.move_tip(PLACE, row.id)


def same_numbers(header: Header, entries: Sequence[Entry]) -> tuple[list[Any], list[object]]:
    """Without what is a place's own: numbers are counted in the order of the entries, and imported branches are
    named."""
    numbers = {entry.id: number for number, entry in enumerate(entries)}
    names = {one.key: (one.name, one.kind, one.id) for one in header.speakers}

    def of(id: int | None) -> int | None:
        return None if id is None else numbers.get(id)

    told: list[object] = [
        (
            of(entry.parent),
            of(entry.variant_of),
            of(entry.scene),
            names.get(entry.speaker),
            replace(entry, id=0, parent=None, variant_of=None, scene=None, speaker=""),
        )
        for entry in entries
    ]
    told += [
        (
            of(one.id),
            one.title,
            one.ended,
            one.lines,
            [(names[part.speaker], names.get(part.player)) for part in one.cast],
        )
        for one in header.scenes
    ]
    return sorted(
        (
            -1 if of(way.tip) is None else of(way.tip),
            -1 if of(way.forked_from) is None else of(way.forked_from),
            [of(id) for id in way.pins],
            (of(way.summary.until), way.summary.text, way.summary.model, way.summary.at) if way.summary else (),
        )
        for way in header.ways
    ), told


async def roundtrip(steps: Sequence[tuple[str, str | int, str]], folder: Path) -> None:
    async with Store(f"sqlite:///{folder / 'test.db'}") as store:
        await grow(store, steps)
        original, copy = store.archives.at(PLACE), store.archives.at(COPY)
        if not await store.tree(PLACE):
            return
        await importing(copy, await as_json(original, folder), lambda count: None)
        told = []
        for archive in (original, copy):
            reading = await read(archive, EVERYTHING, tree=True)
            told.append(same_numbers(reading.header, await entries_of(reading)))
        (ways, entries), (new_ways, new_entries) = told
        assert new_entries == entries
        # The place had an empty branch of its own.
        empty: Any = (-1, -1, [], ())
        assert [way for way in new_ways if way != empty] == [way for way in ways if way != empty]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_json_comes_back_as_the_same_tree(steps: list[tuple[str, str | int, str]]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(roundtrip(steps, Path(folder)))


def test_formats_are_found_by_name_and_suffix() -> None:
    assert names()[:2] == ["html", "md"]
    assert [named(name).name for name in FILES] == [*FILES]
    assert name_of("Markdown") == "md"
    assert named("JSON").name == "json"
    assert named(".md").name == "md"
    own = Format("haiku", ".txt", "text/plain", "Short", lambda header, entries, out: None)
    assert named("haiku", [own]) is own
    assert named("html", [replace(own, name="html")]) is not own
    with pytest.raises(UsageError, match="Did you mean `html`"):
        named("htm1")
    with pytest.raises(UsageError, match="There are `html`"):
        named("zzz")
