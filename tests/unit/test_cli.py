"""The `duologue` command: what it prints, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bot import checking
from bot.__main__ import main
from bot.chatting import SMALL_MODEL, greeting
from bot.platform import AdapterSpec, Finding
from bot.settings import ModelSettings, Settings
from bot.testing.openai_server import FakeAnswer, FakeOpenAI

PLUGIN = '''
from bot.api import Context, Done, Plugin, Text

plugin = Plugin("dice", "Roll dice")


@plugin.command()
async def roll(ctx: Context, sides: int = 6) -> str:
    """Roll a die."""
    return "4"


@plugin.model("parrot")
async def parrot(turn):
    yield Text(turn.prompt.messages[-1].text)
    yield Done("complete")
'''


pytestmark = pytest.mark.usefixtures("logging_as_before")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own: the database stays in it."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI("Four, I think.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-for-tests")
        monkeypatch.setenv("OPENAI_MODEL", "gpt-test")
        yield server


@dataclass(frozen=True, slots=True)
class Ended:
    code: int | None
    out: str
    err: str


async def start(*arguments: str) -> asyncio.subprocess.Process:
    pipe = subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(os.environ)
    )


async def duologue(*arguments: str, typed: str = "") -> Ended:
    process = await start(*arguments)
    out, err = await process.communicate(typed.encode())
    return Ended(process.returncode, out.decode(), err.decode())


def test_nothing_to_run_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    shown = capsys.readouterr()
    assert "No platform is set up" in shown.err
    assert "SLACK_APP_TOKEN" in shown.err
    assert "DISCORD_TOKEN" in shown.err
    assert "Traceback" not in shown.err


def test_all_mistakes_are_printed_and_the_exit_code_is_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config" / "bot.toml").write_text("[discrod]\nx = 1\n[plugins]\nenabled = ['comands']\n")
    monkeypatch.setenv("DUOLOGUE_LOG__LEVEL", "loud")
    assert main(["check"]) == 2
    problems = capsys.readouterr().err
    assert "discrod in config/bot.toml is not a setting. Did you mean discord?" in problems
    assert "Did you mean `commands`?" in problems
    assert "DUOLOGUE_LOG__LEVEL in the environment" in problems


def test_an_unknown_provider_is_found_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--provider", "opnai"]) == 2
    told = capsys.readouterr().err
    assert "There is no provider of language models called opnai (--provider on the command line)." in told
    assert "Did you mean openai?" in told


def test_a_right_for_an_unknown_command_is_found_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config" / "bot.toml").write_text("[commands.who]\nsystem = 'anyone'\nsotp = 'moderators'\n")
    assert main(["plugins"]) == 2
    told = capsys.readouterr().err
    assert "There is no command `sotp` (commands.who.sotp in config/bot.toml). Did you mean `stop`?" in told
    assert "`system`" not in told


def test_a_language_without_a_catalog_is_found_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config" / "bot.toml").write_text("[answers]\nlanguage = 'fr'\n")
    assert main(["check"]) == 2
    told = capsys.readouterr().err
    assert "I do not speak `fr` yet (answers.language in config/bot.toml)." in told
    assert "I know `en` (English), `de` (Deutsch)." in told
    (folder / "config" / "bot.toml").write_text("[answers]\nlanguage = 'de-AT'\n")
    assert main(["plugins"]) == 0


def test_a_plugins_provider_may_be_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "dice.py").write_text(PLUGIN)
    monkeypatch.setenv("DUOLOGUE_PLUGINS", "./dice.py")
    monkeypatch.setenv("DUOLOGUE_MODEL__PROVIDER", "parrot")
    assert main(["plugins"]) == 0


def test_an_unknown_platform_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_LOG__LEVEL", "error")
    assert main(["run", "discrod"]) == 2
    assert "Did you mean `discord`?" in capsys.readouterr().err


def test_plugins_are_listed_with_where_they_come_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "dice.py").write_text(PLUGIN)
    (folder / "config" / "bot.toml").write_text("[plugins]\nenabled = ['./dice.py']\n")
    assert main(["plugins"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["commands", "no", "duologue", "0.1.0"] in rows
    assert ["./dice.py", "yes", "its", "own", "module", "or", "file"] in rows


def test_migrating_says_what_was_done(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate"]) == 0
    assert "duologue.db" in capsys.readouterr().out
    assert (folder / "data" / "duologue.db").exists()


def test_setup_fills_the_tokenizers_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder / "vocabulary"))
    assert main(["setup"]) == 0
    assert "unpacked from bpe-openai" in capsys.readouterr().out
    assert main(["setup"]) == 0
    assert "already" in capsys.readouterr().out


def test_it_is_installed_as_a_command() -> None:
    (script,) = entry_points(group="console_scripts", name="duologue")
    assert script.load() is main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("run", "chat", "check", "plugins", "manifest", "migrate", "setup"))


async def test_check_finds_everything_well(server: FakeOpenAI) -> None:
    ended = await duologue("check")
    assert ended.code == 0, ended
    assert "OPENAI_MODEL in the environment" in ended.out
    assert "sk-a-key-for-tests" not in ended.out + ended.err
    assert [line.split()[:2] for line in ended.out.splitlines() if line.startswith(("ok", "FAIL"))] == [
        ["ok", "installation:"],
        ["ok", "database:"],
        ["ok", "model"],
        ["ok", "platforms:"],
    ]


async def test_check_says_what_is_not_well(server: FakeOpenAI, folder: Path) -> None:
    server.key = "another"
    (folder / "data").mkdir()
    (folder / "data" / "duologue.db").write_text("this is no database")
    ended = await duologue("check")
    assert ended.code == 1
    assert "FAIL  database:" in ended.out
    assert "duologue.db" in ended.out.split("FAIL  database:")[1]
    assert "FAIL  model openai: The language model does not accept my API key" in ended.out


async def test_one_question_one_answer(server: FakeOpenAI) -> None:
    ended = await duologue("chat", "--once", "What is two and two?")
    assert ended == Ended(0, "Four, I think.\n", "")
    assert server.seen[-1].body["model"] == "gpt-test"


async def test_the_command_line_wins(server: FakeOpenAI) -> None:
    ended = await duologue("chat", "--model", "gpt-other", typed="What is two and two?\n")
    assert (ended.code, ended.out.strip()) == (0, "Four, I think.")
    assert server.seen[-1].body["model"] == "gpt-other"


async def test_a_chat_beside_a_running_bot_leaves_it_its_health_port(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("DUOLOGUE_HEALTH__PORT", str(taken.getsockname()[1]))
        assert await duologue("chat", "--once", "Well?") == Ended(0, "Four, I think.\n", "")


async def test_the_pieces_as_json(server: FakeOpenAI) -> None:
    ended = await duologue("chat", "--json", typed="What is two and two?\n")
    pieces = [json.loads(line) for line in ended.out.splitlines()]
    assert "".join(str(piece.get("text", "")) for piece in pieces) == "Four, I think."


@pytest.mark.parametrize("arguments", [("--once", "Well?"), ("--once",), ("--json",), ()])
async def test_a_question_that_failed_ends_in_1(server: FakeOpenAI, arguments: tuple[str, ...]) -> None:
    server.key = "another"
    ended = await duologue("chat", *arguments, typed="Well?\n")
    assert ended.code == 1
    told = ended.out if "--json" in arguments else ended.err
    assert "does not accept my API key" in told
    if "--json" not in arguments:
        assert ended.out == ""


async def test_the_last_question_counts(server: FakeOpenAI) -> None:
    assert (await duologue("chat", typed="/nonsense\nWell?\n")).code == 0
    ended = await duologue("chat", typed="Well?\n/nonsense\n")
    assert (ended.code, ended.out) == (1, "Four, I think.\n")
    assert "nonsense" in ended.err


async def test_once_alone_takes_all_of_the_input(server: FakeOpenAI) -> None:
    ended = await duologue("chat", "--once", typed="Two\n\nand two?\n")
    assert ended == Ended(0, "Four, I think.\n", "")
    assert "Two\n\nand two?" in json.dumps(server.seen[-1].body, ensure_ascii=False).replace("\\n", "\n")


async def test_a_terminated_chat_ends_cleanly(server: FakeOpenAI) -> None:
    process = await start("chat")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"What is two and two?\n")
    await process.stdin.drain()
    assert await process.stdout.readline() == b"Four, I think.\n"
    process.send_signal(signal.SIGTERM)
    out, err = await process.communicate()
    assert process.returncode == 0
    assert (out.strip(), err) == (b"", b"")


@pytest.mark.parametrize("said", [0, 3])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_a_question_that_a_signal_cuts_off_has_failed(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, name: str, said: int
) -> None:
    monkeypatch.setenv("DUOLOGUE_ANSWERS__SHUTDOWN_GRACE", "0")
    server.will(FakeAnswer("Four, I think, but let me see.", stall_after=said))
    process = await start("chat", "--once", "Well?")
    assert process.stdout is not None
    if said:
        assert b"Four" in await process.stdout.read(4)
    else:
        await server.wait_for_requests()
    process.send_signal(signal.Signals[name])
    _, err = await process.communicate()
    assert process.returncode == 128 + signal.Signals[name]
    assert b"Traceback" not in err


async def test_a_second_signal_does_not_wait_for_answers(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_ANSWERS__SHUTDOWN_GRACE", "600")
    monkeypatch.setenv("DUOLOGUE_LOG__LEVEL", "info")
    server.will(FakeAnswer("Four, I think, but let me see.", stall_after=3))
    process = await start("chat", "--once", "Well?")
    assert process.stdout is not None
    assert process.stderr is not None
    assert b"Four" in await process.stdout.read(4)
    process.send_signal(signal.SIGTERM)
    told = ""
    while "finishing" not in told:
        told = (await process.stderr.readline()).decode()
        assert told
    assert "finishing 1 answer, press Ctrl-C again to stop at once" in told
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 128 + signal.SIGTERM


def test_another_distribution_in_the_way_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checking.installation().ok
    (folder / "elsewhere" / "adapters").mkdir(parents=True)
    (folder / "elsewhere" / "adapters" / "__init__.py").touch()
    found = checking.installation({"adapters": folder / "elsewhere" / "adapters"})
    assert not found.ok
    assert f"`adapters` in {folder / 'elsewhere'}" in found.says


async def test_a_platforms_own_findings_are_shown() -> None:
    async def check(section: object, commands: object) -> tuple[Finding, ...]:
        return (Finding(False, "discord", "the token is not accepted"),)

    spec = AdapterSpec("discord", Settings, lambda section: None, lambda section: True, check=check)  # type: ignore[arg-type, return-value]  # only its check is used
    assert await checking.platform(spec, None) == (Finding(False, "discord", "the token is not accepted"),)


async def test_a_platform_without_its_package_says_how_to_install_it() -> None:
    async def check(section: object, commands: object) -> tuple[Finding, ...]:
        raise ModuleNotFoundError("no", name="slack_bolt")

    spec = AdapterSpec("slack", Settings, lambda section: None, lambda section: True, extra="slack", check=check)  # type: ignore[arg-type, return-value]  # only its check is used
    (finding,) = await checking.platform(spec, None)
    assert finding.says == 'needs a package that is not installed (slack_bolt): pip install "duologue[slack]"'


def test_the_greeting_says_that_the_small_model_is_small() -> None:
    assert greeting(Settings()) == SMALL_MODEL
    assert "small" in SMALL_MODEL
    assert "OPENAI_API_KEY" in SMALL_MODEL
    assert SMALL_MODEL.count("\n") == 1
    assert "/help" in SMALL_MODEL
    assert "Ctrl-D" in SMALL_MODEL
    assert greeting(Settings(model=ModelSettings(provider="openai", name="gpt-6-luna"))).startswith(
        "gpt-6-luna answers"
    )
