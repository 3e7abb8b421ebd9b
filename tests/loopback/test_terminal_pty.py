"""The terminal adapter in a real pseudo-terminal, its screen read by a terminal emulator."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

PROGRAM = Path(__file__).with_name("terminal_program.py")
ROOT = PROGRAM.parents[2]
PATIENCE = 20.0

CTRL_C, CTRL_D, ALT_ENTER, ENTER, TAB = "\x03", "\x04", "\x1b\r", "\r", "\t"

pytestmark = pytest.mark.terminal


class AnsweringScreen(pyte.HistoryScreen):
    """Tells where the cursor is when it is asked, as terminals do."""

    answer: Callable[[str], object] | None = None

    def write_process_input(self, data: str) -> None:
        if self.answer:
            self.answer(data)


class Session:
    """A small program before the terminal adapter; with `environment` it is all of `duologue chat`."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        pace: float = 0.005,
        width: int = 80,
        height: int = 24,
        environment: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.patience = patience
        self.screen = AnsweringScreen(width, height, history=2000, ratio=0.5)
        self.stream = pyte.Stream(self.screen)
        self.child = pexpect.spawn(
            sys.executable,
            [str(PROGRAM), str(folder), str(pace), "7", *options] if environment is None else ["-m", "bot", "chat"],
            cwd=str(ROOT if environment is None else folder),
            env={
                "PATH": "/usr/bin:/bin",
                "TERM": "xterm-256color",
                "PYTHONPATH": str(ROOT),
                "LANG": "C.UTF-8",
                **(environment or {}),
            },
            dimensions=(height, width),
            encoding="utf-8",
            timeout=patience,
        )
        self.screen.answer = self.child.send
        self.written = ""

    def type(self, *keys: str) -> None:
        for key in keys:
            self.child.send(key)

    @property
    def text(self) -> str:
        gone = ["".join(row[at].data for at in range(self.screen.columns)) for row in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*gone, *self.screen.display]).rstrip("\n")

    def until(self, seen: Callable[[str], bool], what: str) -> str:
        """Read what the program writes until the screen shows it."""
        end = time.monotonic() + self.patience
        while not seen(self.text):
            if time.monotonic() > end:
                pytest.fail(f"never saw {what}; the screen shows:\n{self.text}")
            try:
                chunk = self.child.read_nonblocking(65536, timeout=0.2)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                pytest.fail(f"ended before {what}; the screen shows:\n{self.text}")
            self.written += chunk
            self.stream.feed(chunk)
        return self.text

    def shows(self, *parts: str) -> str:
        return self.until(lambda text: all(part in text for part in parts), repr(parts))

    def prompted(self) -> str:
        """An empty prompt in the last line."""
        return self.until(lambda text: text.rstrip().split("\n")[-1].rstrip() == "›", "a prompt")

    def ends(self) -> int:
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus is not None
        return self.child.exitstatus


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def begin(*options: str, **more: Any) -> Session:
        sessions.append(Session(tmp_path, *options, **more))
        sessions[-1].prompted()
        return sessions[-1]

    yield begin
    for session in sessions:
        session.child.close(force=True)


def test_a_question_an_answer_and_leaving(start: Callable[..., Session], tmp_path: Path) -> None:
    session = start()
    assert "a small model on this machine" in session.text
    session.type("hello there", ENTER)
    text = session.shows("in 1 lines.", "312 tokens · 4.1 s · 89 tok/s · first token 0.6 s · $0.0004")
    assert text.count("You said:") == 1
    session.prompted()
    session.type(CTRL_D)
    assert session.ends() == 0
    assert "+hello there" in (tmp_path / "terminal_history").read_text()


def test_ctrl_c_stops_the_answer_and_stays(start: Callable[..., Session]) -> None:
    session = start(pace=0.02)
    session.type("slow", ENTER)
    session.shows("word5", "Ctrl-C stops")
    session.type(CTRL_C)
    text = session.shows("stopped · 312 tokens")
    assert "ran **stop**" not in text
    assert "ran stop" not in text
    session.prompted()
    session.type("again", ENTER)
    session.shows("You said:", "in 1 lines.")
    session.prompted()
    session.type(CTRL_D)
    assert session.ends() == 0


def test_ctrl_c_at_an_empty_prompt_tells_how_to_leave_and_then_leaves(start: Callable[..., Session]) -> None:
    session = start()
    session.type("half a thought")
    session.shows("half a thought")
    session.type(CTRL_C)
    session.until(lambda text: "half a thought" not in text, "an empty line")
    session.type(CTRL_C)
    session.shows("Press Ctrl-C once more, or Ctrl-D, to leave.")
    session.prompted()
    session.type(CTRL_C)
    assert session.ends() == 0


def test_a_paste_of_many_lines_is_one_message(start: Callable[..., Session]) -> None:
    session = start()
    session.type("\x1b[200~first\nsecond\n\nfourth\x1b[201~")
    session.shows("› first", "  fourth")
    session.type(ENTER)
    session.shows("in 4 lines.")
    session.prompted()


def test_alt_enter_begins_a_new_line(start: Callable[..., Session]) -> None:
    session = start()
    session.type("one", ALT_ENTER, "two")
    session.shows("› one\n  two")
    session.type(ENTER)
    session.shows("in 2 lines.")


def test_commands_and_their_arguments_are_completed(start: Callable[..., Session]) -> None:
    session = start()
    session.type("/")
    session.shows("/help", "Show the commands.", "/quit", "/system", "set, show")
    session.type("mode ")
    session.shows("creative", "precise", "balanced")
    session.type("pr", TAB, ENTER)
    session.shows("ran mode with precise")
    session.prompted()
    session.type("/system s")
    session.shows("Show the system prompt.", "Change it.")
    session.type("et be kind", ENTER)
    session.shows("ran system set with be kind")
    session.prompted()
    session.type("/fruit ap")
    session.shows("apple", "apricot")
    session.type(CTRL_C)
    session.prompted()
    session.type("/quit", ENTER)
    assert session.ends() == 0


def test_the_whole_bot_suggests_what_its_commands_know(start: Callable[..., Session], tmp_path: Path) -> None:
    session = start(environment={"HOME": str(tmp_path), "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    session.type("/help par")
    session.shows("params show", "params reset")
    session.type(CTRL_C)
    session.prompted()
    session.type("/model ")
    session.shows("default", "openai")
    session.type(CTRL_C)
    session.prompted()
    session.type("/params set temp")
    session.shows("temperature")
    session.type(CTRL_C, "/quit", ENTER)
    assert session.ends() == 0


def test_what_is_typed_during_an_answer_waits_for_the_prompt(start: Callable[..., Session]) -> None:
    session = start(pace=0.05)
    session.type("question", ENTER)
    session.shows("You said:", "Ctrl-C stops")
    session.type("typed ahead")
    session.shows("› typed ahead")
    assert session.text.count("typed ahead") == 1


def test_an_answer_taller_than_the_screen_is_whole_in_the_scrollback(
    start: Callable[..., Session], tmp_path: Path
) -> None:
    code = "\n".join(f"line_{number} = {number}" for number in range(60))
    rows = "\n".join(f"| key {number} | value |" for number in range(30))
    file = tmp_path / "long.md"
    file.write_text(f"# Long\n\n```python\n{code}\n```\n\n| a | b |\n|---|---|\n{rows}\n\nThe **end**.\n")
    session = start(pace=0.001, width=40, height=12)
    session.type(str(file), ENTER)
    text = session.shows("The end.", "first token")
    assert [text.count(f"line_{number} = {number}\n") for number in range(60)] == [1] * 60
    assert [text.count(f" key {number} ") for number in range(30)] == [1] * 30
    assert "**" not in text
    assert session.prompted().count("Long") == 1
    assert session.written.count("\x1b[2J") == 0


def test_files_are_dropped_named_and_missing(start: Callable[..., Session], tmp_path: Path) -> None:
    file = tmp_path / "my notes.txt"
    file.write_text("buy milk")
    session = start()
    session.type(f"'{file}' ", ENTER)
    session.shows("📎 my notes.txt, 8 B", "buy milk", "first token")
    session.prompted()
    session.type(f'what is in @"{file}"?', ENTER)
    text = session.shows("what is in my notes.txt?", "in 1 lines.")
    assert text.count("📎 my notes.txt") == 2
    session.prompted()
    session.type("what is in @/no/such.txt?", ENTER)
    session.shows("There is no file /no/such.txt, so nothing was sent.")
    session.prompted()
    session.type(f"the path is {file}", ENTER)
    session.until(lambda text: text.count("in 1 lines.") == 2, "an echo")
    assert session.text.count("buy milk") == 2


def test_what_is_pasted_as_several_lines_brings_no_files(start: Callable[..., Session], tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hidden")
    session = start()
    session.type(f"\x1b[200~please read\n@{tmp_path}/secret.txt\x1b[201~", ENTER)
    text = session.shows("in 2 lines.")
    assert "📎" not in text
    assert "hidden" not in text


def test_the_last_messages_are_shown_when_going_on(start: Callable[..., Session]) -> None:
    session = start("resume")
    text = session.text
    assert "› How are you?" in text
    assert "  Very well, thank you." in text


def test_a_terminated_program_leaves_the_terminal_as_it_was(start: Callable[..., Session]) -> None:
    session = start(pace=0.02)
    session.type("slow", ENTER)
    session.shows("word3")
    session.child.kill(signal.SIGTERM)
    session.child.expect(pexpect.EOF)
    assert (session.written + str(session.child.before)).rstrip().endswith("\x1b[?25h")


def test_a_new_chat_tells_of_a_scene_that_waits_in_the_last_one(start: Callable[..., Session], tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "DUOLOGUE_MODEL__PROVIDER": "local",
        "DUOLOGUE_MEMORY__DATABASE": str(tmp_path / "duologue.db"),
    }
    waits = "Your last conversation was left in the middle of something"
    first = start(environment=environment, width=100, height=40)
    assert waits not in first.text
    first.type("/roleplay start a cat and a dog --order=manual --pace=0", ENTER)
    first.shows("🎭 Cat · Dog")
    first.type("/roleplay resume", ENTER)
    first.shows("Who speaks next?")
    first.prompted()
    first.type(CTRL_D)
    assert first.ends() == 0
    second = start(environment=environment, width=100, height=40)
    assert waits in second.text
    second.type(CTRL_D)
    assert second.ends() == 0
