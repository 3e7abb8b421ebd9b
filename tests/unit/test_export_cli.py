"""`duologue export` and `duologue import`, as somebody types them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from pydantic import JsonValue

from bot.__main__ import main
from bot.api import Character, Playbill
from bot.events import Place
from bot.store import Store
from bot.testing.store_samples import answer, said
from tests.samples import png

PLACE = Place("fake", "home", "kitchen")
Typed: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bot's folder whose memory knows something. No model could answer: who only looks needs none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUOLOGUE_MEMORY__DATABASE", "bot.db")
    monkeypatch.setenv("DUOLOGUE_MODEL__PROVIDER", "nobody")
    asyncio.run(remember())
    return tmp_path


async def remember() -> None:
    async with Store("sqlite:///bot.db") as store:
        await store.change_settings(PLACE, {"system": "Be a cook."})
        await store.remember(PLACE, said("What is for dinner?"))
        await store.remember(PLACE, answer("Soup."))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Typed:
    def typed(*line: str) -> tuple[int, str, str]:
        code = main(line)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return typed


def test_places_are_listed(run: Typed) -> None:
    code, out, _ = run("export", "--list")
    assert code == 0
    assert out.split()[0] == "2"
    assert out.split()[-1] == "fake:home/kitchen"


def test_a_place_is_written_into_a_file(run: Typed, folder: Path) -> None:
    code, out, err = run("export", "kitchen", "--format", "txt", "--out", "talk.txt", "--system")
    assert (code, out, err) == (0, "talk.txt\n", "2 messages.\n")
    text = (folder / "talk.txt").read_text("utf-8")
    assert "What is for dinner?" in text
    assert "Be a cook." in text
    assert (folder / "talk.txt").stat().st_mode & 0o077 == 0
    assert run("export", "home/kitchen", "--format", "txt", "--out", "-")[0] == 0
    (folder / "out").mkdir()
    _, out, _ = run("export", "fake:home/kitchen", "--format", "json", "--branch", "all", "--out", "out", "--stable")
    assert out == "out/conversation.json\n"


def test_it_can_be_printed_and_is_the_same_each_time(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    printed = []
    for _ in range(2):
        assert main(["export", "kitchen", "--format", "json", "--stable", "--out", "-"]) == 0
        printed.append(capsysbinary.readouterr().out)
    assert printed[0] == printed[1]
    assert [one["text"] for one in json.loads(printed[0])["messages"]] == ["What is for dinner?", "Soup."]


def test_training_data_hold_who_agreed_in_chat_alone(run: Typed) -> None:
    asyncio.run(agrees())
    assert run("export", "kitchen", "--format", "jsonl", "--out", "talk.jsonl")[0] == 0
    (line,) = Path("talk.jsonl").read_text("utf-8").splitlines()
    assert [one["content"] for one in json.loads(line)["messages"]] == ["What is for dinner?", "Soup."]


def test_training_data_of_people_who_did_not_agree_are_empty(run: Typed) -> None:
    code, _, err = run("export", "kitchen", "--format", "jsonl", "--out", "talk.jsonl")
    assert code == 2
    assert "people who agreed with `/training yes`" in err


def test_a_scene_is_told_in_a_terminal_as_in_chat(run: Typed) -> None:
    asyncio.run(performs())
    run("export", "kitchen", "--format", "txt", "--scene", "--out", "scene.txt")
    text = Path("scene.txt").read_text("utf-8")
    assert text.startswith("Soup of the day\n")
    assert "❧ The scene is over: they said goodnight." in text
    assert run("export", "kitchen", "--format", "html", "--scene", "--out", "scene.html")[0] == 0
    assert Path("scene.html").read_text("utf-8").count("data:image/png;base64,") == 1


async def agrees() -> None:
    async with Store("sqlite:///bot.db") as store:
        agreed: dict[str, JsonValue] = {"user": "u1", "since": "2026-11-21T00:00:00Z"}
        await store.save_state("export", "workspace:fake:home", "Agreed:u1", agreed)


async def performs() -> None:
    async with Store("sqlite:///bot.db") as store:
        _, root = await store.remember(PLACE, answer("A kitchen.", speaker="Narrator"))
        await store.remember(PLACE, answer("Salt!", speaker="Mara", scene=root.id))
        face = await store.put_blob(png(2, 2), "image/png")
        await store.tell_scene(
            PLACE, root.id, Playbill("Soup of the day", (Character("Mara", face),), "they said goodnight")
        )


def test_it_moves_to_another_place_once(run: Typed) -> None:
    run("export", "kitchen", "--format", "json", "--branch", "all", "--out", "talk.json")
    assert run("import", "fake:home/garden", "talk.json")[1] == (
        "2 messages are in: `imported`. We go on from there.\n"
    )
    assert run("import", "garden", "talk.json")[1] == ("This file is here already, so nothing changed: `imported`.\n")
    assert "fake:home/garden" in run("export", "--list")[1]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("export cellar", "Nothing is remembered of cellar. `duologue export --list` shows all."),
        ("export kitchen --format htm", "There is no format `htm`. Did you mean `html`?"),
        ("export kitchen --scene", "No scene was performed here yet."),
        ("export kitchen --since soon", "`soon` is no moment."),
        ("export kitchen --out nowhere/talk.html", "nowhere/talk.html cannot be written: No such file or directory."),
        ("import kitchen none.json", "none.json cannot be read: No such file or directory."),
        ("import cellar bot.db", "A new place is written as in discord:SERVER/CHANNEL"),
        ("import kitchen bot.db", "This file is no text in UTF-8"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(run: Typed, line: str, says: str) -> None:
    code, _, err = run(*line.split())
    assert code == 2
    assert err.startswith("duologue: ")
    assert says in err


def test_without_a_memory_none_is_made(run: Typed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MEMORY__DATABASE", "other.db")
    code, _, err = run("export", "--list")
    assert code == 2
    assert "There is no database other.db yet. `duologue migrate` makes one" in err
    assert not (folder / "other.db").exists()


def test_it_speaks_the_language_of_the_bot(run: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_ANSWERS__LANGUAGE", "de")
    assert run("export", "kitchen", "--out", "talk.html")[2] == "2 Nachrichten.\n"
