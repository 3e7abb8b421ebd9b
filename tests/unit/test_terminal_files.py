"""Files that are named at the prompt: what is one, what stays text, and what alone can be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.request import pathname2url

import pytest

from adapters.terminal.files import Dropped, Named, Unusable, given_to, named_in
from bot.api import Arg, Attachment, Command, DeliveryError, DeliveryRefused, Parameter


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("card.png", "my notes.txt", "it's.txt", "alice", "ünï.md"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()
    return tmp_path


def escaped(path: Path) -> str:
    return str(path).replace(" ", "\\ ").replace("'", "\\'")


PASTED: list[Callable[[Path], str]] = [
    str,
    escaped,
    lambda path: f'"{path}"',
    lambda path: f"{escaped(path)} ",
    lambda path: "file://" + pathname2url(str(path)),
    lambda path: f"file://localhost{pathname2url(str(path))}",
    lambda path: f'"~/{path.name}"',
]


@pytest.mark.parametrize("pasted", PASTED)
@pytest.mark.parametrize("name", ["card.png", "my notes.txt", "it's.txt", "ünï.md", "alice"])
def test_a_line_that_is_only_a_path_is_the_file(here: Path, pasted: Callable[[Path], str], name: str) -> None:
    assert named_in(pasted(here / name)) == Named("", (here / name,))


def test_several_files_can_be_dropped_at_once(here: Path) -> None:
    line = f"'{here / 'card.png'}' {escaped(here / 'my notes.txt')} ~/alice"
    assert named_in(line) == Named("", (here / "card.png", here / "my notes.txt", here / "alice"))


@pytest.mark.parametrize(
    "line",
    [
        "what does /etc/hostname say",
        "card.png",
        "alice",
        "folder",
        "hello @alice",
        "ask @bob about @angular/core and @v1.2",
        "mail me@card.png",
        "don't open card.png",
        "/usr/bin/env is a path",
        "/nowhere/at/all",
        "/tmp",
        "@",
        "@... and @.. or @.",
        "a\n@card.png",
        "",
        "@" + "x/" * 5_000,
        "~nobody-of-that-name/x",
        "/dev/zero",
    ],
)
def test_all_else_stays_text(here: Path, line: str) -> None:
    assert named_in(line) == Named(line)


def test_a_list_of_paths_that_was_pasted_is_text(here: Path) -> None:
    pasted = f"{here / 'card.png'}\n{here / 'alice'}"
    assert named_in(pasted) == Named(pasted)


@pytest.mark.parametrize(
    ("line", "left", "names"),
    [
        ("what is on @card.png", "what is on card.png", ["card.png"]),
        ("is that @./card.png?", "is that card.png?", ["card.png"]),
        ("@card.png what is that", "card.png what is that", ["card.png"]),
        ('compare @"my notes.txt" and @my\\ notes.txt, please', "compare my notes.txt and my notes.txt, please", None),
        ("@~/card.png", "", ["card.png"]),
        ("@./alice", "", ["alice"]),
        ("@'alice' says", "alice says", ["alice"]),
        ("@card.png @bob", "card.png @bob", ["card.png"]),
    ],
)
def test_at_signs_bring_files_into_a_sentence(here: Path, line: str, left: str, names: list[str] | None) -> None:
    named = named_in(line)
    assert named.text == left
    assert [path.name for path in named.files] == (names or ["my notes.txt"] * 2)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("@./missing.png", "There is no file ./missing.png, so nothing was sent."),
        ("look at @/no/such/thing, please", "There is no file /no/such/thing, so nothing was sent."),
        ("@./folder", "./folder is a folder, so nothing was sent."),
        ("file:///no/such/thing.png", "There is no file file:///no/such/thing.png, so nothing was sent."),
        ("file://server/share.png", "There is no file file://server/share.png, so nothing was sent."),
        ("~/card.png ~/gone.png", "There is no file ~/gone.png, so nothing was sent."),
        ("@'no such'", "There is no file no such, so nothing was sent."),
    ],
)
def test_what_cannot_be_sent_is_told(here: Path, line: str, told: str) -> None:
    with pytest.raises(Unusable) as unusable:
        named_in(line)
    assert str(unusable.value) == told


# Commands.


async def nothing() -> None:
    return None


def parameter(name: str, kind: str, *, rest: bool = False) -> Parameter:
    return Parameter(name, kind, name, False, None, (), Arg(rest=rest))  # type: ignore[arg-type]


IMPORT = Command("persona import", "Import.", (parameter("card", "attachment"),), nothing, "test")
SAVE = Command(
    "roleplay save",
    "Save.",
    (parameter("title", "str", rest=True), parameter("file", "attachment")),
    nothing,
    "test",
)
EDIT = Command("edit", "Edit.", (parameter("name", "str"), parameter("picture", "attachment")), nothing, "test")
HELP = Command("help", "Help.", (parameter("command", "str"),), nothing, "test")


@pytest.mark.parametrize(
    ("command", "line", "left", "files"),
    [
        (IMPORT, "card.png", "", {"card": "card.png"}),
        (IMPORT, "@card.png", "", {"card": "card.png"}),
        (IMPORT, "my\\ notes.txt", "", {"card": "my notes.txt"}),
        (IMPORT, '"~/my notes.txt"', "", {"card": "my notes.txt"}),
        (IMPORT, "--card=card.png", "", {"card": "card.png"}),
        (IMPORT, "", "", {}),
        (SAVE, "A late book", "A late book", {}),
        (SAVE, "alice", "alice", {}),
        (SAVE, "~/card.png", "", {"file": "card.png"}),
        (EDIT, "ada --picture=card.png", "ada", {"picture": "card.png"}),
        (EDIT, "ada --picture card.png --name=x", "ada --name=x", {"picture": "card.png"}),
        (EDIT, "ada @card.png", "ada card.png", {"picture": "card.png"}),
    ],
)
def test_a_command_takes_a_path_where_it_wants_a_file(
    here: Path, command: Command, line: str, left: str, files: dict[str, str]
) -> None:
    given = given_to(command, line)
    assert given is not None
    assert {name: path.name for name, path in given.files.items()} == files
    assert given.text == left


@pytest.mark.parametrize(
    ("command", "line", "told"),
    [
        (IMPORT, "gone.png", "There is no file gone.png, so nothing was sent."),
        (IMPORT, "card.png alice", "That is more files than /persona import takes at once."),
        (EDIT, "ada --picture=gone.png", "There is no file gone.png, so nothing was sent."),
    ],
)
def test_a_command_says_which_file_is_missing(here: Path, command: Command, line: str, told: str) -> None:
    with pytest.raises(Unusable) as unusable:
        given_to(command, line)
    assert str(unusable.value) == told


def test_a_command_that_takes_no_file_gets_its_line_as_it_is(here: Path) -> None:
    assert given_to(HELP, "@card.png") is None


# Reading.


def test_only_what_was_named_is_ever_read(here: Path) -> None:
    dropped = Dropped()
    with pytest.raises(DeliveryRefused) as refused:
        dropped.read(Attachment("card.png", "image/png", 8, str(here / "card.png")), 100)
    assert refused.value.public == "I no longer have `card.png`. Please name it once more."
    attached = dropped.attach(here / "card.png")
    assert str(here) not in attached.url
    assert dropped.read(attached, 100) == b"card.png"


def test_sizes_are_bounded_and_files_may_vanish(here: Path) -> None:
    dropped = Dropped()
    attached = dropped.attach(here / "card.png")
    (here / "card.png").write_bytes(b"x" * 101)
    with pytest.raises(DeliveryError) as error:
        dropped.read(attached, 100)
    assert error.value.public == "`card.png` is too large for me."
    (here / "card.png").unlink()
    os.mkfifo(here / "card.png")
    with pytest.raises(DeliveryRefused) as refused:
        dropped.read(attached, 100)
    assert refused.value.public == "`card.png` could not be read: is it still there?"


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.png", b"\x89PNG", "image/png"),
        ("a.json", b"{}", "application/json"),
        ("a.mp4", b"let a: number", "text/plain"),
        ("a.mp4", b"\x00\x00\x00\x18ftyp", "video/mp4"),
        ("Makefile", "prüfe:\n".encode(), "text/plain"),
        ("a.charx", b"PK\x03\x04\x00\xff", "application/octet-stream"),
    ],
)
def test_a_file_is_what_its_name_says_and_text_is_text(
    tmp_path: Path, name: str, content: bytes, media_type: str
) -> None:
    (tmp_path / name).write_bytes(content)
    attached = Dropped().attach(tmp_path / name)
    assert (attached.name, attached.media_type, attached.size) == (name, media_type, len(content))
