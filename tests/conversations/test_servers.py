"""A server's own key, model and system prompt: used there, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.__main__ import main
from bot.errors import ConfigError
from bot.events import Place
from bot.model.scripted import Scripted
from bot.settings import Settings
from bot.testing.bot import TestBot
from bot.testing.openai_server import FakeOpenAI, no_quota
from plugins.commands import plugin as commands

OURS, OTHERS = Place("fake", "Ours", "channel"), Place("fake", "theirs", "channel")
KEY = "sk-ours-and-nobody-elses"


def server(model: FakeOpenAI, **more: Any) -> dict[str, Any]:
    """Settings in which one server brings a key of its own for this address."""
    own = {"api_key": KEY, "base_url": model.url, "name": "gpt-own", **more}
    return {"servers": {"fake:ours": own}}


async def test_its_own_key_and_model_answer_there_and_nowhere_else() -> None:
    async with FakeOpenAI("From our own.", key=KEY) as own, TestBot(["From everybody's."], settings=server(own)) as bot:
        await bot.says("hi", place=OURS)
        await bot.says("hi", place=OTHERS)
        assert bot.screen == ["Ann: hi", "bot: From our own.", "Ann: hi", "bot: From everybody's."]
        assert [seen.body["model"] for seen in own.seen] == ["gpt-own"]
        assert len(bot.model.prompts) == 1


async def test_a_thread_is_part_of_its_server() -> None:
    async with FakeOpenAI("From our own.", key=KEY) as own, TestBot(settings=server(own)) as bot:
        await bot.says("hi", place=Place("fake", "Ours", "channel", "thread"))
        assert bot.screen[-1] == "bot: From our own."


async def test_others_neither_see_it_nor_can_choose_it() -> None:
    answers = ["one", "two", "three"]
    async with FakeOpenAI(key=KEY) as own, TestBot(answers, plugins=[commands], settings=server(own)) as bot:
        await bot.runs("/model", place=OURS)
        assert "I answer with `openai:gpt-own`" in bot.last.text
        assert "`openai`" in bot.last.text
        await bot.runs("/model", place=OTHERS)
        assert "openai" not in bot.last.text
        for named in ("openai:gpt-own", "openai@fake:ours:gpt-own", "openai@fake:ours"):
            await bot.runs(f"/model {named}", place=OTHERS)
            await bot.says("hi", place=OTHERS)
        assert own.seen == []


async def test_a_conversation_there_chooses_for_itself() -> None:
    async with FakeOpenAI("Mine.", key=KEY, models={"gpt-own": None, "gpt-big": None}) as own:
        settings = server(own, parameters={"temperature": 0.5})
        async with TestBot(["Scripted."], plugins=[commands], settings=settings) as bot:
            await bot.runs("/model openai:gpt-big", place=OURS)
            await bot.says("hi", place=OURS)
            assert (own.seen[-1].body["model"], own.seen[-1].body["temperature"]) == ("gpt-big", 0.5)
            await bot.runs("/model scripted", place=OURS)
            await bot.says("hi", place=OURS)
            assert bot.last.text == "Scripted."
            await bot.runs("/model default", place=OURS)
            await bot.says("hi", place=OURS)
            assert own.seen[-1].body["model"] == "gpt-own"


async def test_its_own_key_takes_the_place_of_everybodys_at_the_same_provider() -> None:
    shared = Scripted(["From everybody's."], name="openai")
    async with FakeOpenAI("From our own.", key=KEY) as own:
        settings = {"model": {"provider": "openai", "name": "gpt"}, **server(own)}
        async with TestBot(shared, settings=settings) as bot:
            await bot.says("hi", place=OURS)
            await bot.says("hi", place=OTHERS)
    assert bot.screen[1::2] == ["bot: From our own.", "bot: From everybody's."]


async def test_it_may_be_somebody_else_there() -> None:
    settings = {"servers": {"fake:ours": {"system_prompt": "You are a pirate."}}}
    async with TestBot(["Arr.", "Hello."], settings=settings) as bot:
        await bot.says("hi", place=OURS)
        await bot.says("hi", place=OTHERS)
        assert [prompt.messages[0].text == "You are a pirate." for prompt in bot.model.prompts] == [True, False]


async def test_trouble_with_the_key_is_told_to_those_it_belongs_to() -> None:
    async with FakeOpenAI(key="another") as own, TestBot(settings=server(own)) as bot:
        await bot.says("hi", place=OURS)
        assert "does not accept this server's own API key" in bot.last.text
        own.key = None
        own.will(no_quota())
        await bot.says("hi", place=OURS)
        assert "behind this server's own API key has no credit left" in bot.last.text
        assert KEY not in "".join(bot.screen)


# Settings.

TOML = """
[servers."discord:42"]
name = "gpt-own"
api_key_env = "ACME_KEY"
system_prompt = "You are Acme."
parameters = { temperature = "0.5" }
"""


def load(folder: Path, toml: str, environment: Mapping[str, str], env: str = "") -> Settings:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "bot.toml").write_text(toml)
    (folder / ".env").write_text(env)
    return Settings.load(environment=environment, folder=folder)


@pytest.mark.parametrize(
    ("environment", "env"),
    [
        ({"ACME_KEY": KEY}, ""),
        ({}, f"ACME_KEY={KEY}\n"),
        ({"ACME_KEY_FILE": "key.txt"}, ""),
        ({"DUOLOGUE_SERVERS__DISCORD:42__API_KEY": KEY, "ACME_KEY": "x"}, ""),
    ],
    ids=["environment", ".env", "file", "a name of our own"],
)
def test_a_key_comes_from_where_secrets_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], env: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.txt").write_text(f"{KEY}\n")
    settings = load(tmp_path, TOML, environment, env)
    server = settings.servers["discord:42"]
    assert server.api_key is not None
    assert server.api_key.get_secret_value() == KEY
    assert server.parameters == {"temperature": 0.5}
    assert KEY in [*settings.secrets()]
    shown = {name: value for name, value, _ in settings.effective() if name.startswith("servers")}
    assert shown["servers.discord:42.api_key"] == "********"
    assert shown["servers.discord:42.name"] == "gpt-own"
    assert KEY not in str([*settings.effective()])


@pytest.mark.parametrize(
    ("toml", "environment", "says"),
    [
        (TOML, {}, r"servers.discord:42.api_key_env .* names ACME_KEY, which is not set"),
        ('[servers."discord:42"]\napi_key = "sk-x"', {}, "servers.discord:42.api_key .* is a secret"),
        ('[servers."discord:42"]\nnmae = "x"', {}, "servers.discord:42.nmae .*: this is not a setting"),
        ("[servers.discord]\nname = 'x'", {}, "'discord' is not a server, as discord:123456789 is"),
        ('[servers."discord:42"]\nprovider = "openai"', {}, "neither this server nor the bot has a key"),
        ('[servers."discord:42"]\nprovider = "local"\napi_key_env = "K"', {"K": "x"}, "only openai, azure, compatible"),
        ('[servers."discord:42"]\nprovider = "compatible"\napi_key_env = "K"', {"K": "x"}, "says where"),
        ('[servers."discord:42"]\nparameters = { temperature = 9 }', {}, "`temperature` is a number from"),
        ('[servers."discord:42"]\nbase_url = "nowhere"', {}, "an address begins with"),
    ],
)  # fmt: skip
def test_mistakes_are_told_without_any_secret(
    tmp_path: Path, toml: str, environment: Mapping[str, str], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, toml, environment)
    (problem,) = caught.value.problems
    assert re.search(says, problem), problem
    assert "sk-x" not in problem


@pytest.mark.usefixtures("logging_as_before")
async def test_check_tries_the_key_and_never_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import asyncio

    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    async with FakeOpenAI(key=KEY, models={"gpt-own": None}) as own:
        toml = f'{TOML}base_url = "{own.url}"\n[memory]\ndatabase = "memory.db"\n'
        (tmp_path / "config" / "bot.toml").write_text(toml)
        monkeypatch.setenv("ACME_KEY", KEY)
        await asyncio.to_thread(main, ["check"])
        good = capsys.readouterr().out
        monkeypatch.setenv("ACME_KEY", "sk-wrong")
        await asyncio.to_thread(main, ["check"])
        bad = capsys.readouterr().out
    assert "ok    server discord:42: its own key: answers, and knows the model `gpt-own`" in good
    assert "FAIL  server discord:42: its own key:" in bad
    assert KEY not in good + bad
    assert "sk-wrong" not in bad
