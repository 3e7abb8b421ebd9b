"""The tree against a model in memory, in any order of operations; text against what databases take."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from bot.errors import StoreError
from bot.events import Place, Route
from bot.store import Remembered, Store
from bot.store.cleaning import storable, storable_json
from bot.testing.store_samples import PLACE, answer, heard, said

HIDDEN = ("forgotten", "failed")


@dataclass
class Node:
    parent: int | None
    text: str
    role: str
    status: str
    tokens: int | None

    @property
    def cost(self) -> int:
        if self.status in HIDDEN:
            return 0
        return self.tokens if self.tokens is not None else (len(self.text.encode()) + 3) // 4


@dataclass
class Model:
    """What the store should remember of one place, in the simplest way that could be right."""

    nodes: dict[int, Node] = field(default_factory=dict)
    branches: dict[int, int | None] = field(default_factory=dict)
    starts: dict[int, int | None] = field(default_factory=dict)
    active: int = 0

    @property
    def tip(self) -> int | None:
        return self.branches[self.active]

    def add(self, message: Remembered, tokens: int | None) -> None:
        self.nodes[message.id] = Node(message.parent, message.text, message.role, message.status, tokens)
        self.branches[self.active] = message.id

    def line(self, tip: int | None = None) -> list[int]:
        """The active branch, or the one that ends with a message, oldest first."""
        line: list[int] = []
        at = self.tip if tip is None else tip
        while at is not None:
            line.append(at)
            at = self.nodes[at].parent
        return line[::-1]

    def shown(self, ids: Sequence[int]) -> list[int]:
        return [id for id in ids if self.nodes[id].status not in HIDDEN]

    def path(self, limit: int) -> tuple[list[int], bool]:
        reached: list[int] = []
        total = 0
        for id in reversed(self.line()):
            total += self.nodes[id].cost
            if total > limit and self.shown(reached):
                break
            reached.append(id)
            if id == self.starts[self.active]:
                break
        complete = not reached or reached[-1] == self.starts[self.active] or self.nodes[reached[-1]].parent is None
        return self.shown(reached[::-1]), complete


Step: TypeAlias = Callable[[Store, Model], Awaitable[None]]
words = st.text(max_size=30)
tokens = st.none() | st.integers(0, 20)


@st.composite
def remembers(draw: st.DrawFn) -> Step:
    text, count, bot = draw(words), draw(tokens), draw(st.booleans())
    status = draw(st.sampled_from(["complete", "partial", "failed"]))

    async def step(store: Store, model: Model) -> None:
        make = answer if bot else said
        conversation, added = await store.remember(PLACE, make(text, tokens=count, status=status))
        assert (added.parent, conversation.tip) == (model.tip, added.id)
        model.add(added, count)

    return step


@st.composite
def answers(draw: st.DrawFn) -> Step:
    """One answer of several messages."""
    texts = draw(st.lists(words, min_size=1, max_size=3))

    async def step(store: Store, model: Model) -> None:
        conversation = await store.conversation(PLACE)
        draft = await store.open_draft(conversation.id, Route(PLACE), "e", None, epoch=0)
        messages = [answer(texts[0]), *(answer(text, role="tool") for text in texts[1:])]
        added = await store.answered(draft, PLACE, messages, [])
        assert added is not None
        assert added[0].parent == model.tip
        for message in added:
            model.add(message, None)

    return step


@st.composite
def branches(draw: st.DrawFn) -> Step:
    pick = draw(st.none() | st.integers(0, 10**6))

    async def step(store: Store, model: Model) -> None:
        at = picked(model, pick)
        if at is not None and not any(at in model.line(tip) for tip in model.branches.values()):
            with pytest.raises(StoreError):
                await store.branches.fork(PLACE, at)
            return
        conversation = await store.branches.fork(PLACE, at)
        assert conversation.branch not in model.branches
        model.starts[conversation.branch] = model.starts[model.active] if at in model.line() else None
        model.branches[conversation.branch] = at
        model.active = conversation.branch

    return step


@st.composite
def moves(draw: st.DrawFn) -> Step:
    pick = draw(st.none() | st.integers(0, 10**6))

    async def step(store: Store, model: Model) -> None:
        model.branches[model.active] = picked(model, pick)
        assert (await store.branches.move_tip(PLACE, model.tip)).tip == model.tip

    return step


@st.composite
def forgets(draw: st.DrawFn) -> Step:
    picks = draw(st.lists(st.integers(0, 10**6), max_size=3))

    async def step(store: Store, model: Model) -> None:
        ids = {id for id in (picked(model, pick) for pick in picks) if id is not None}
        await store.forget(PLACE, ids)
        for id in ids:
            model.nodes[id].text, model.nodes[id].status, model.nodes[id].tokens = "", "forgotten", 0

    return step


@st.composite
def starts(draw: st.DrawFn) -> Step:
    pick = draw(st.none() | st.integers(0, 10**6))

    async def step(store: Store, model: Model) -> None:
        model.starts[model.active] = picked(model, pick)
        await store.set_window_start(model.active, model.starts[model.active])

    return step


@st.composite
def counts(draw: st.DrawFn) -> Step:
    pick, count = draw(st.integers(0, 10**6)), draw(st.integers(0, 20))

    async def step(store: Store, model: Model) -> None:
        id = picked(model, pick)
        if id is not None:
            await store.set_tokens({id: count})
            if model.nodes[id].status != "forgotten":
                model.nodes[id].tokens = count

    return step


async def clear(store: Store, model: Model) -> None:
    assert await store.clear(PLACE) == visible_turns(model)
    assert (await store.conversation(PLACE)).branch == model.active
    model.branches[model.active] = model.starts[model.active] = None


def picked(model: Model, pick: int | None) -> int | None:
    ids = list(model.nodes)
    return None if pick is None or not ids else ids[pick % len(ids)]


def visible_turns(model: Model) -> int:
    """What only calls tools shows nothing."""
    shown = [model.nodes[id] for id in model.shown(model.line())]
    return sum(one.role == "user" or (one.role == "assistant" and one.text != "") for one in shown)


async def compare(store: Store, model: Model, limit: int) -> None:
    path = await store.path(PLACE, max_tokens=limit)
    assert ([one.id for one in path.messages], path.complete) == model.path(limit)
    assert (path.conversation.tip, path.conversation.branch) == (model.tip, model.active)
    assert [one.id async for page in store.pages(PLACE, size=3) for one in page] == model.shown(model.line())
    assert await store.count(PLACE) == visible_turns(model)
    tree = {one.id: (one.parent, one.text, one.status, one.tokens) for one in await store.tree(PLACE)}
    assert tree == {id: (one.parent, one.text, one.status, one.tokens) for id, one in model.nodes.items()}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: the tables take longer than all that follows."""
    file = tmp_path_factory.mktemp("store") / "empty.db"

    async def make() -> None:
        async with Store(f"sqlite:///{file}") as store:
            await store.conversation(Place("fake", "an", "other"))

    asyncio.run(make())
    return file


steps = st.lists(
    st.one_of(remembers(), remembers(), answers(), branches(), moves(), forgets(), starts(), counts(), st.just(clear)),
    max_size=14,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.lists(st.integers(0, 40), min_size=14, max_size=14))
def test_any_order_of_operations_gives_the_tree_it_should(empty: Path, steps: list[Step], limits: list[int]) -> None:
    async def run(file: Path) -> None:
        async with Store(f"sqlite:///{file}") as store:
            model = Model(active=(await store.conversation(PLACE)).branch)
            model.branches[model.active] = model.starts[model.active] = None
            for step, limit in zip(steps, limits, strict=False):
                await step(store, model)
                await compare(store, model, limit)

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(shutil.copy(empty, Path(folder) / "memory.db"))))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), max_size=40))
def test_two_stores_on_one_file_handle_each_event_once(empty: Path, deliveries: list[tuple[int, int]]) -> None:
    async def run(file: Path) -> None:
        handled: list[int] = []
        async with Store(f"sqlite:///{file}") as first, Store(f"sqlite:///{file}") as second:

            async def deliver(id: int, to: int) -> None:
                store = (first, second)[to]
                if (await store.claim(heard(str(id)))).mine:
                    handled.append(id)
                    await store.done(PLACE, str(id))

            await asyncio.gather(*(deliver(id, to) for id, to in deliveries))
        assert sorted(handled) == sorted({id for id, _ in deliveries})

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(shutil.copy(empty, Path(folder) / "memory.db"))))


anything = st.text(st.characters(exclude_categories=()) | st.sampled_from("\0\ud83d\ude00\udfff"))


def pair(halves: re.Match[str]) -> str:
    return chr(0x10000 + ((ord(halves[0][0]) - 0xD800) << 10) + ord(halves[0][1]) - 0xDC00)


@given(anything)
def test_any_text_becomes_one_that_can_be_kept(text: str) -> None:
    kept = storable(text)
    assert "\0" not in kept
    assert storable(kept) == kept
    assert kept.encode().decode() == kept
    joined = re.sub("[\ud800-\udbff][\udc00-\udfff]", pair, text)
    assert kept == re.sub("[\0\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", joined)


@given(st.text())
def test_good_text_is_kept_letter_for_letter(text: str) -> None:
    if "\0" not in text:
        assert storable(text) is text


def test_two_halves_that_belong_together_are_joined() -> None:
    assert storable("\ud83d\ude00") == "\N{GRINNING FACE}"
    assert storable("\ude00\ud83d") == "\ufffd\ufffd"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_any_json_becomes_one_that_can_be_kept(value: JsonValue) -> None:
    kept = storable_json(value)
    assert storable_json(kept) == kept
    repr(kept).encode()
