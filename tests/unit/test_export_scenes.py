"""What plugins tell of their scenes, faces and pictures: how it gets into a transcript, and back into memory."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import JsonValue

from bot.api import Character, Playbill
from bot.errors import StoreError
from bot.events import Route
from bot.store import Keep, NewSummary, Remembered, Store
from bot.testing.hand_clock import HandClock
from bot.testing.store_samples import OTHER, PLACE, answer, call, said
from plugins.export.importing import importing
from plugins.export.known import named
from plugins.export.made import make_files
from plugins.export.pictures import MOST_FACE, address, rooms
from plugins.export.reading import read
from plugins.export.transcript import Part, Speaker
from plugins.export.wanted import Wanted, chosen
from tests.samples import gif, jpeg, png, webp
from tests.unit.test_export_reading import COPY, EVERYTHING, as_json, entries_of, tell

OVER = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
FACE = png(7, 7)
FACE_ADDRESS = "data:image/png;base64," + b64encode(FACE).decode()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(f"sqlite:///{tmp_path / 'test.db'}") as opened:
        yield opened


async def perform(store: Store, title: str = "The light that failed", face: bytes | None = FACE) -> Remembered:
    """Ann plays Tom; Eve says nothing."""
    (root,) = await tell(store, answer("Rain.", speaker="Narrator"))
    await tell(store, answer("Tonight?", speaker="Mara", scene=root.id), said("I listened to the radio."))
    await tell(store, answer("Light it!", speaker="Mara", scene=root.id), said("Bravo, Mara!"))
    blob = await store.put_blob(face, "image/png") if face is not None else None
    cast = (Character("Mara", blob), Character("Tom", "https://example.org/tom.png", "u1"), Character("Eve"))
    await store.tell_scene(PLACE, root.id, Playbill(title, cast, "they said goodbye", OVER))
    return root


async def written(store: Store, folder: Path, format: str, wanted: Wanted = EVERYTHING) -> str:
    (made,) = await make_files(store.archives.at(PLACE), wanted, named(format), folder)
    return made.file.read_text("utf-8")


# What is told of a scene.


async def test_title_cast_and_end_are_told(store: Store) -> None:
    root = await perform(store)
    archive = store.archives.at(PLACE)
    wanted = await chosen(archive, "scene")
    assert wanted.title == "The light that failed"
    header = (await read(archive, wanted, tree=False, face_bytes=10_000)).header
    (scene,) = header.scenes
    keys = {one.name: one.key for one in header.speakers}
    assert (scene.title, scene.ended, scene.ended_at) == ("The light that failed", "they said goodbye", OVER)
    assert (scene.lines, scene.began) == (2, root.created_at)
    assert scene.cast == (Part(keys["Mara"]), Part(keys["Tom"], keys["Ann"]), Part(keys["Eve"]))
    assert header.speaker(keys["Mara"]).face == FACE_ADDRESS
    # What lies elsewhere is not fetched, and who said nothing is told all the same.
    assert header.speaker(keys["Tom"]).face == ""
    assert header.speaker(keys["Eve"]) == Speaker(keys["Eve"], "Eve", "persona")


async def test_it_reaches_every_format(store: Store, tmp_path: Path) -> None:
    await perform(store)
    for format in ("html", "md", "txt", "json", "csv", "sillytavern"):
        text = await written(store, tmp_path, format)
        assert "The light that failed" in text, format
        assert format == "csv" or "they said goodbye" in text, format
        assert text.count(FACE_ADDRESS) == (format in ("html", "json")), format


async def test_a_place_that_was_told_nothing_counts_its_scenes(store: Store) -> None:
    (root,) = await tell(store, answer("Rain.", speaker="Narrator"))
    await tell(store, answer("Tonight?", speaker="Mara", scene=root.id))
    archive = store.archives.at(PLACE)
    assert [one.title for one in (await read(archive, Wanted(), tree=False)).header.scenes] == ["Scene 1"]
    # A number is no title: as memory has it, there is none.
    assert [one.title for one in (await read(archive, Wanted(), tree=True)).header.scenes] == [""]


async def test_a_branch_tells_of_its_own_scenes_alone(store: Store) -> None:
    (first,) = await tell(store, said("first"))
    await perform(store, "The other one")
    await store.branches.fork(PLACE, first.id, "aside")
    await tell(store, answer("Nothing happens."))
    archive = store.archives.at(PLACE)
    assert (await read(archive, await chosen(archive, "branch"), tree=False)).header.scenes == ()
    assert "The other one" not in json.dumps(
        [one.name for one in (await read(archive, await chosen(archive, "branch"), tree=False)).header.speakers]
    )


async def test_who_is_a_number_is_one_in_the_cast_too_and_has_no_face(store: Store) -> None:
    await perform(store, "Ann and the light")
    picture = await store.put_blob(png(9, 9), "image/png")
    await tell(store, said("Look", parts={"images": [{"name": "a.png", "blob": picture}]}))
    reading = await read(
        store.archives.at(PLACE), Wanted(pseudonymise=True), tree=False, face_bytes=10_000, picture_bytes=10_000
    )
    (scene,) = reading.header.scenes
    assert scene.title == "Person 1 and the light"
    assert reading.header.speaker(scene.cast[1].player).name == "Person 1"
    assert [one.face for one in reading.header.speakers if one.kind == "person"] == [""]
    assert [entry.pictures for entry in await entries_of(reading) if entry.pictures] == []


async def test_a_scene_begins_with_a_message_of_its_place(store: Store) -> None:
    (root,) = await tell(store, said("in the thread"), place=OTHER)
    with pytest.raises(StoreError, match="no scene begins with it"):
        await store.tell_scene(PLACE, root.id, Playbill("x"))


async def test_what_is_told_last_holds_and_goes_with_the_first_line(store: Store) -> None:
    root = await perform(store)
    await store.tell_scene(PLACE, root.id, Playbill("Another title"))
    archive = store.archives.at(PLACE)
    (span,) = await archive.scenes()
    assert span.bill == Playbill("Another title")
    await store.forget(PLACE, [root.id])
    assert (await archive.scenes())[0].bill == Playbill()
    assert await store.load_states("core", f"place:{PLACE}", "scene ") == {}
    # It may still be going on, and end.
    await store.tell_scene(PLACE, root.id, Playbill("Told too late"))
    assert await store.load_states("core", f"place:{PLACE}", "scene ") == {}


async def test_what_is_kept_for_some_days_only_takes_what_is_told_of_scenes_along(tmp_path: Path) -> None:
    clock = HandClock()
    url = f"sqlite:///{tmp_path / 'kept.db'}"
    async with Store(url, clock=clock) as store:
        await perform(store)
    clock.passes(3 * 24 * 3_600)
    async with Store(url, clock=clock, keep=Keep(days=2)) as store:
        await store._prune()
        assert await store.archives.at(PLACE).scenes() == ()
        assert await store.load_states("core", f"place:{PLACE}", "scene ") == {}


async def test_the_face_of_a_persona_that_is_gone_stays_with_its_scene_and_goes_with_it(
    store: Store, tmp_path: Path
) -> None:
    root = await perform(store)
    (span,) = await store.archives.at(PLACE).scenes()
    id = span.bill.cast[0].face
    assert id is not None
    await store.release_blob(id)

    def is_kept() -> bool:
        with closing(sqlite3.connect(tmp_path / "test.db")) as database:
            return bool(database.execute("SELECT kept FROM blob").fetchone()[0])

    assert is_kept()
    await store.forget(PLACE, [root.id])
    assert not is_kept()


async def test_who_is_forgotten_played_nobody(store: Store) -> None:
    await perform(store)
    await store.persons.begin("fake", "u1")
    while (done := await store.persons.forget_some("fake", "u1")) is not None and not done.gone:
        pass
    (span,) = await store.archives.at(PLACE).scenes()
    assert [one.player for one in span.bill.cast] == [None, None, None]
    assert (span.bill.title, span.bill.ended_at) == ("The light that failed", OVER)


# Faces and pictures.


@pytest.mark.parametrize(
    ("content", "kind"),
    [(png(), "png"), (jpeg(), "jpeg"), (gif(), "gif"), (webp(), "webp")],
)
def test_a_picture_is_what_its_bytes_say(content: bytes, kind: str) -> None:
    assert address(content) == f"data:image/{kind};base64,{b64encode(content).decode()}"


@pytest.mark.parametrize("content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", b"BM", png()[:-12], b"GIF89a"])
def test_anything_else_is_no_picture(content: bytes) -> None:
    assert address(content) == ""


async def test_a_face_that_is_too_large_or_none_is_left_out(store: Store) -> None:
    for content in (FACE[:-12] + b"x" * MOST_FACE + FACE[-12:], b"<svg/>"):
        await perform(store, face=content)
        reading = await read(store.archives.at(PLACE), Wanted(), tree=False, face_bytes=1 << 30)
        assert {one.face for one in reading.header.speakers} == {""}


async def test_pictures_that_are_still_there_are_shown_as_long_as_there_is_room(store: Store, tmp_path: Path) -> None:
    one, other = png(5, 5), jpeg(6, 6)
    blobs = [await store.put_picture(one, "image/png"), "0" * 64, await store.put_picture(other, "image/jpeg")]
    images: list[JsonValue] = [{"name": f"{blob[:3]}.png", "size": 3, "blob": blob} for blob in blobs]
    await tell(store, said("Look\n\n(pictures)", parts={"said": 4, "images": images}))
    archive = store.archives.at(PLACE)
    (entry,) = await entries_of(await read(archive, Wanted(), tree=False, picture_bytes=10_000))
    assert entry.pictures == (address(one), "", address(other))
    (entry,) = await entries_of(await read(archive, Wanted(), tree=False, picture_bytes=len(one)))
    assert entry.pictures == (address(one), "", "")
    html = await written(store, tmp_path, "html")
    assert html.count('<img src="data:image/') == 2
    assert "<bdi>000.png (3 B)</bdi>" in html
    for format in ("md", "txt", "json", "csv", "jsonl", "sillytavern", "selfplay"):
        if format != "jsonl":
            assert "base64" not in await written(store, tmp_path, format), format


def test_what_fits_into_a_message_has_room_for_words() -> None:
    faces, pictures = rooms(8_000_000)
    assert (faces + pictures) * 4 / 3 <= 4_000_000
    assert rooms(0) > rooms(100_000_000)


# Back into memory.


async def test_a_scene_is_taken_in_with_its_faces(store: Store, tmp_path: Path) -> None:
    await perform(store)
    content = await as_json(store.archives.at(PLACE), tmp_path)
    await importing(store.archives.at(COPY), content, lambda count: None)
    headers = []
    for place in (PLACE, COPY):
        reading = await read(store.archives.at(place), EVERYTHING, tree=True, face_bytes=10_000)
        headers.append((reading.header.speakers, [replace(one, id=0) for one in reading.header.scenes]))
    assert headers[0] == headers[1]


async def test_a_face_that_is_no_picture_is_not_taken_in(store: Store, tmp_path: Path) -> None:
    await perform(store)
    content = await as_json(store.archives.at(PLACE), tmp_path)
    evil = b64encode(b"<svg onload='alert(1)'/>")
    changed = content.replace(b64encode(FACE), evil)
    assert changed != content
    await importing(store.archives.at(COPY), changed, lambda count: None)
    (span,) = await store.archives.at(COPY).scenes()
    assert [one.face for one in span.bill.cast] == [None, None, None]


async def test_pins_summaries_and_costs_are_taken_in(store: Store, tmp_path: Path) -> None:
    rows = await tell(store, said("My cat is called Nimbus."), said("And my dog?"))
    conversation = await store.conversation(PLACE)
    draft = await store.open_draft(conversation.id, Route(PLACE), "e1", rows[1].id, epoch=0)
    await store.answered(draft, PLACE, [answer("You told me of a cat.")], [call("0.25")])
    await store.branches.pin(PLACE, rows[0].id)
    current = await store.conversation(PLACE)
    assert await store.branches.summarise(current, NewSummary("A cat.", 0, rows[0].id, rows[:1], "small"))
    await importing(store.archives.at(COPY), await as_json(store.archives.at(PLACE), tmp_path), lambda count: None)

    assert [one.text for one in await store.branches.pins(COPY)] == ["My cat is called Nimbus."]
    told = await store.branches.summary(COPY)
    assert told is not None
    assert (told.text, told.model) == ("A cat.", "small")
    copied = await store.conversation(COPY)
    assert copied.window_start == told.until + 1
    *_, last = await entries_of(await read(store.archives.at(COPY), EVERYTHING, tree=True))
    assert last.used is not None
    assert (last.used.cost, last.used.input) == (Decimal("0.25"), 100)
    # It was not spent here.
    assert await store.usage(COPY) == ()
    assert [one.cost for one in await store.usage()] == [Decimal("0.25")]
    # And goes with its place.
    while await store.forget_some("fake", "home"):
        pass
    assert await store.archives.places() == ()


@pytest.mark.parametrize(
    "used",
    [
        {"input": -1, "output": 0, "cached": 0, "cost": None, "seconds": 1},
        {"input": 2**40, "output": 0, "cached": 0, "cost": None, "seconds": 1},
        {"input": 1, "output": 0, "cached": 0, "cost": f"0.{'1' * 90}", "seconds": 1},
        {"input": 1, "output": 0, "cached": 0, "cost": "-5", "seconds": 1},
        {"input": 1, "output": 0, "cached": 0, "cost": "1" + "0" * 30, "seconds": 1},
        {"input": 1, "output": 0, "cached": 0, "cost": None, "seconds": -1},
    ],
)
async def test_what_no_ledger_can_hold_is_left_out(store: Store, tmp_path: Path, used: dict[str, JsonValue]) -> None:
    await tell(store, said("a"), answer("b"))
    told = json.loads(await as_json(store.archives.at(PLACE), tmp_path))
    told["messages"][1]["used"] = used
    await importing(store.archives.at(COPY), json.dumps(told).encode(), lambda count: None)
    assert [entry.used for entry in await entries_of(await read(store.archives.at(COPY), EVERYTHING, tree=True))] == [
        None,
        None,
    ]
