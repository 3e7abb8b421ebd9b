"""The last conversation of a platform, and `duologue chat --resume`, which goes on with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.events import Place
from bot.store import Store
from bot.testing.store_samples import said

HERE, THERE = Place("terminal", "local", "here"), Place("terminal", "local", "there")
PARROT = """
from bot.api import Done, Plugin, Text

plugin = Plugin("parrots", "Say it again")


@plugin.model("parrot")
async def parrot(turn):
    yield Text(" | ".join(message.text for message in turn.prompt.messages if message.role == "user"))
    yield Done("complete")
"""


async def test_the_last_place_is_where_something_was_said(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path / 'memory.db'}") as store:
        assert await store.last_place("terminal") is None
        await store.conversation(HERE)
        assert await store.last_place("terminal") is None
        await store.remember(HERE, said("first"))
        await store.remember(THERE, said("second"))
        await store.remember(Place("terminal2", "local", "other"), said("third"))
        await store.conversation(Place("terminal", "local", "empty"))
        assert await store.last_place("terminal") == THERE
        await store.remember(HERE, said("fourth"))
        assert await store.last_place("terminal") == HERE


@pytest.mark.usefixtures("logging_as_before")
def test_a_chat_in_which_nothing_was_said_does_not_hide_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def chat(typed: str, *options: str, database: str = "one.db") -> tuple[str, str]:
        (tmp_path / "typed").write_text(typed)
        monkeypatch.setenv("DUOLOGUE_MEMORY__DATABASE", database)
        with (tmp_path / "typed").open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            assert main(["chat", "--provider", "parrot", *options]) == 0
        out, err = capfd.readouterr()
        return out, err

    (tmp_path / "parrots.py").write_text(PARROT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUOLOGUE_PLUGINS", "commands,./parrots.py")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert "no earlier conversation" in chat("", "--resume")[1]
    assert "apples" in chat("I like apples.\n")[0]
    chat("")
    chat("/ping\n")
    assert "pears" in chat("I like pears.\n", database="two.db")[0]
    out, err = chat("What do I like?\n", "--resume")
    assert "apples" in out
    assert "pears" not in out
    assert err == ""
