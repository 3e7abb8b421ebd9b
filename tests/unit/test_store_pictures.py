"""A picture stays for as long as a message that brought it is remembered, and not much longer."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

from bot.events import Route
from bot.store import NewMessage, Store, pictures
from bot.testing.hand_clock import HandClock
from bot.testing.store_samples import PLACE


def brought(*blobs: str) -> NewMessage:
    images: list[JsonValue] = [
        {"blob": blob, "name": "cat.png", "media_type": "image/png", "size": 3} for blob in blobs
    ]
    return NewMessage("user", "look", parts={"images": images})


async def pruned(store: Store, before: datetime | None = None) -> int:
    limit = before or store._clock.now() + timedelta(seconds=1)
    return await store._db.write(lambda c: pictures.prune(c, limit, 10))


async def test_a_picture_goes_with_the_last_message_that_holds_it(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path / 'memory.db'}") as store:
        cat, dog = await store.put_picture(b"cat", "image/png"), await store.put_picture(b"dog", "image/png")
        _, first = await store.remember(PLACE, brought(cat, dog, cat))
        _, second = await store.remember(PLACE, brought(cat))
        assert await pruned(store) == 0

        await store.forget(PLACE, [first.id])
        assert await pruned(store) == 1
        assert await store.get_blob(dog) is None
        assert await store.get_blob(cat) == (b"cat", "image/png")

        await store.forget(PLACE, [second.id])
        assert await pruned(store) == 1
        assert await store.get_blob(cat) is None


async def test_forgetting_elsewhere_takes_nothing_away_here(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path / 'memory.db'}") as store:
        _, here = await store.remember(PLACE, brought(await store.put_picture(b"cat", "image/png")))
        await store.forget(PLACE.__class__(PLACE.platform, PLACE.workspace, "elsewhere"), [here.id])
        assert await pruned(store) == 0


async def test_what_was_put_down_just_now_belongs_to_a_message_not_yet_written(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path / 'memory.db'}") as store:
        long_ago = store._clock.now()
        await store.put_picture(b"cat", "image/png")
        again = await store.put_picture(b"cat", "image/png")
        assert await pruned(store, long_ago) == 0
        assert await store.get_blob(again) is not None


async def test_what_a_plugin_keeps_stays_although_somebody_sent_the_same(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path / 'memory.db'}") as store:
        face = await store.put_blob(b"face", "image/png")
        assert await store.put_picture(b"face", "image/png") == face
        later = await store.put_picture(b"later a face", "image/png")
        await store.put_blob(b"later a face", "image/png")
        assert await pruned(store) == 0
        assert await store.get_blob(face)
        assert await store.get_blob(later)


async def test_what_is_kept_no_longer_goes_unless_something_saved_holds_it(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path / 'memory.db'}", clock=(clock := HandClock())) as store:
        face, shared = await store.put_blob(b"face", "image/png"), await store.put_blob(b"shared", "image/png")
        played = await store.put_blob(b"played", "image/png")
        await store.save_state("roleplay", "workspace:fake:w", "Persona:ada", {"face": shared})
        await store.save_job("roleplay", "scene_job", Route(PLACE), {"face": played}, status="running")
        await store.release_blob(face)
        clock.passes(3_600)
        assert await pruned(store) == 0, "it was put down just now"
        for blob in (face, shared, played):
            await store.release_blob(blob)
        assert await pruned(store) == 1
        assert await store.get_blob(face) is None
        await store.delete_state("roleplay", "workspace:fake:w", "Persona:ada")
        await store.release_blob(shared)
        assert await pruned(store) == 1
        assert await store.get_blob(played) is not None
