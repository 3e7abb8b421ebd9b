"""Every snippet of plugins/README.md does what the text around it says."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from bot import api
from bot.api import Button, Capabilities, CommandCall, Joined, Place, Plugin, Reacted, Route, Target
from bot.loading import load_plugin, load_plugins
from bot.model.scripted import Scripted
from bot.settings import Settings
from bot.testing.bot import ANN, BOB, TestBot
from plugins.commands import plugin as commands
from plugins.export import plugin as export

README = Path(__file__).parents[2] / "plugins" / "README.md"
SNIPPETS: dict[str, str] = dict(re.findall(r"```\w+ (\S+)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SNIPPETS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def everything(folder: Path) -> Plugin:
    return load_plugin("everything.py", folder)


def test_every_snippet_has_a_name() -> None:
    assert README.read_text(encoding="utf-8").count("```") == 2 * len(SNIPPETS)


def test_the_dice_plugin_has_ten_lines(folder: Path) -> None:
    assert len([line for line in SNIPPETS["dice.py"].splitlines() if line.strip()]) == 10
    listed = tomllib.loads(SNIPPETS["config/bot.toml"])["plugins"]["enabled"]
    assert [plugin.name for plugin in load_plugins(listed, folder)] == [
        "commands",
        "conversation",
        "export",
        "meters",
        "privacy",
        "roleplay",
        "dice",
    ]


async def test_the_dice_roll_and_are_explained(folder: Path) -> None:
    async with TestBot(plugins=[commands, load_plugin("dice.py", folder)]) as bot:
        await bot.runs("/roll 20")
        assert re.fullmatch(r"🎲 ([1-9]|1\d|20)", bot.last.text)
        await bot.runs("/help")
        assert "- `/roll [sides]` – Roll a die." in bot.last.text


async def test_the_test_of_the_dice_passes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    snippet: dict[str, object] = {}
    try:
        exec(compile(SNIPPETS["test_dice.py"], "test_dice.py", "exec"), snippet)
        test = snippet["test_roll"]
        assert callable(test)
        await test()
    finally:
        sys.modules.pop("dice", None)


async def test_cakes(folder: Path) -> None:
    plugin = load_plugin("shop.py", folder)
    async with TestBot(plugins=[plugin]) as bot:
        await bot.runs("/cake bake apple large Happy birthday, it's great!")
        assert bot.last.text == "A large apple cake. Happy birthday, it's great!"
        assert bot.last.reply is not None
        assert bot.last.reply.files[0].name == "cake.txt"
        await bot.runs("/cake bake mud")
        assert "Nobody eats that." in bot.shown_privately[-1]
        await bot.runs("/cake recipe")
        assert bot.screen[-1] == "bot: Mix. Bake. Wait. "
        await bot.runs("/cake give Ann", user=BOB)
        assert "Only moderators may use `/cake give`" in bot.shown_privately[-1]


async def test_state_settings_and_buttons(everything: Plugin) -> None:
    async with TestBot(plugins=[everything]) as bot:
        await bot.runs("/score")
        await bot.runs("/score")
        assert bot.last.text == "Hooray! 2"
        assert bot.last.reply is not None
        assert bot.last.reply.buttons == (Button("again", "Once more", args=("1",)),)
        await bot.presses("again", "1", message=bot.last.id)
        assert bot.last.text == "+1"
        await bot.runs("/score", user=BOB)
        assert bot.last.text == "Hooray! 1"


def test_its_settings_come_from_the_environment_too(everything: Plugin, folder: Path) -> None:
    assert everything.settings is not None
    section = {"plugins.everything": everything.settings}
    environment = {"DUOLOGUE_PLUGINS__EVERYTHING__CHEER": "Yay!"}
    settings = Settings.load(section, environment=environment, folder=folder / "elsewhere")
    assert settings.section("plugins.everything", everything.settings).model_dump() == {"cheer": "Yay!"}


async def test_a_test_can_give_settings(everything: Plugin) -> None:
    async with TestBot(plugins=[everything], settings={"plugins": {"everything": {"cheer": "Yay!"}}}) as bot:
        await bot.runs("/score")
        assert bot.last.text == "Yay! 1"


async def test_the_filter_and_the_listener(everything: Plugin) -> None:
    async with TestBot(["Hello, Ann."], plugins=[everything]) as bot:
        await bot.says("psst")
        await bot.says("Hi")
        assert bot.screen[-1] == "bot: HELLO, ANN."
        assert len(bot.model.prompts) == 1
        assert [tool.name for tool in bot.model.turns[0].tools] == ["weather"]


async def test_the_poll_asks_counts_and_closes(folder: Path) -> None:
    async with TestBot(plugins=[load_plugin("poll.py", folder)]) as bot:
        await bot.fills("poll", about="Cake?")
        assert bot.last.text == "Cake?"
        assert bot.buttons == ["Yes", "No", "Close"]
        await bot.presses("Yes", user=BOB)
        assert bot.shown_privately[-1] == "1 vote so far."
        await bot.presses("No", user=BOB)
        assert bot.shown_privately[-1] == "1 vote so far."
        await bot.presses("Yes")
        assert bot.shown_privately[-1] == "2 votes so far."
        await bot.presses("Close", user=BOB)
        assert "whoever asked" in bot.shown_privately[-1]
        await bot.presses("Close")
        assert bot.buttons == []
        assert "bot: Cake?" in bot.screen


async def test_a_vote_on_a_message(folder: Path) -> None:
    poll = load_plugin("poll.py", folder)
    async with TestBot(plugins=[poll]) as bot:
        target = Target("7", BOB, "Let us eat cake.", datetime.now(UTC))
        await bot.runs("/vote_on_this", target=target, locale="de")
        assert bot.last.text == "> Bob: Let us eat cake."
        assert bot.buttons == ["Ja", "Nein", "Schließen"]
        told = {command.name: command for command in bot.adapter.commands}
        assert told["vote_on_this"].title == "Vote on this"
        assert told["poll"].descriptions == {"de": "Startet eine Umfrage."}


async def test_a_toast_only_among_grown_ups(folder: Path) -> None:
    poll = load_plugin("poll.py", folder)
    async with TestBot(plugins=[poll]) as bot:
        await bot.runs("/toast")
        assert "marked for adults" in bot.shown_privately[-1]
    pub = Capabilities(max_chars=2000, edits=True, buttons=True, age_restricted=True)
    async with TestBot(plugins=[poll], capabilities=pub) as bot:
        await bot.runs("/toast")
        assert (bot.last.text, bot.buttons) == ("To your health!", ["🍺"])


async def test_the_bakery_speaks_french(folder: Path) -> None:
    bakery = load_plugin("bakery/__init__.py", folder)
    async with TestBot(plugins=[commands, bakery]) as bot:
        await bot.runs("/bake 1000", locale="fr")
        assert bot.last.text == "Voici 1 000 gâteaux."
        await bot.runs("/bake 2000", locale="fr")
        assert bot.shown_privately[-1] == "⚠️ Personne ne peut manger 2 000 gâteaux."
        await bot.runs("/bake")
        assert bot.last.text == "Here is 1 cake."
        told = {command.name: command for command in bot.adapter.commands}
        assert told["bake"].names == {"fr": "cuire"}
        await bot.runs("/language français")
        await bot.runs("/bake", locale="de")
        assert bot.last.text == "Voici 1 gâteau."


async def test_the_job_counts_down(everything: Plugin) -> None:
    async with TestBot(plugins=[everything]) as bot:
        await bot.runs("/launch 2")
        await bot.until("1…")
        assert [line for line in bot.screen if line.endswith("…")] == ["bot: 2…", "bot: 1…"]


async def test_asking_the_model_shows_only_the_answer(everything: Plugin) -> None:
    async with TestBot(Scripted(["cake"]), plugins=[everything]) as bot:
        await bot.runs("/translate Kuchen")
        assert bot.screen == ["bot: cake"]
        assert bot.model.prompts[0].messages[-1].text == "Translate into English: Kuchen"


async def test_a_model_of_its_own(everything: Plugin) -> None:
    async with TestBot(plugins=[commands, everything]) as bot:
        await bot.runs("/model parrot")
        await bot.says("Polly?", user=ANN)
        assert bot.screen[-1].endswith("\nPOLLY?")


@pytest.fixture
def published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What pip makes of the pyproject.toml: metadata and entry points beside the module."""
    project = tomllib.loads(SNIPPETS["pyproject.toml"])["project"]
    info = folder / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "site" / "duologue_dice.py").write_text(SNIPPETS["dice.py"], encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder / "site"))
    yield folder
    sys.modules.pop("duologue_dice", None)


async def test_a_published_plugin_runs_by_its_name(published: Path) -> None:
    assert [point.value for point in entry_points(group="duologue.plugins", name="dice")] == ["duologue_dice:plugin"]
    async with TestBot(plugins=[load_plugin("dice", published)]) as bot:
        await bot.runs("/roll")
        assert bot.last.text.startswith("🎲 ")


def test_snippets_use_the_public_door_alone() -> None:
    for name, text in SNIPPETS.items():
        for module, names in re.findall(r"^from (bot\S*) import (\([^)]+\)|.+)", text, re.MULTILINE):
            if module == "bot.testing.bot":
                continue
            assert module == "bot.api", name
            for imported in re.findall(r"\w+", names):
                assert imported in api.__all__, f"{name}: {imported}"


async def test_the_owl_speaks_under_her_name_and_with_her_picture(folder: Path) -> None:
    owl = load_plugin("owl.py", folder)
    async with TestBot(["Whoo knows.", "Tea."], plugins=[owl]) as bot:
        await bot.runs("/owl Why?")
        spoken, told = bot.adapter.messages[-2:]
        assert (spoken.author, spoken.text) == ("Olivia Owl", "Whoo knows.")
        assert told.reply is not None
        assert told.reply.notify
        assert told.text.endswith("The owl has spoken.")
        sent = bot.model.prompts[-1].messages
        assert [message.role for message in sent[:1]] == ["system"]
        bot.adapter.files["picture"] = b"painted"
        for kind, said in (("text/plain", "⚠️ That is no PNG or JPEG picture."), ("image/png", "She looks lovely.")):
            picture: JsonValue = {"name": "owl.png", "media_type": kind, "size": 7, "url": "picture"}
            await bot.hears(CommandCall(command="paint", arguments={"picture": picture}, **happening(bot)))
            assert bot.last.text.startswith(said)
        await bot.runs("/owl What to drink?")
        speaker = bot.model.turns[-1].speaker
        assert speaker is not None
        assert speaker.avatar is not None


async def test_the_owl_hears_reactions_and_newcomers(folder: Path) -> None:
    async with TestBot(["Whoo knows."], plugins=[load_plugin("owl.py", folder)]) as bot:
        await bot.runs("/owl Why?")
        await bot.hears(Reacted(message=bot.last.id, emoji="🦉", **happening(bot)))
        await bot.hears(Joined(**happening(bot)))
        assert bot.screen[-2:] == ["bot: Whoo, thank you!", "bot: Welcome, Ann! Ask the owl with `/owl`."]


def happening(bot: TestBot) -> dict[str, Any]:
    """What every event has."""
    place = Place("fake", "workspace", "channel")
    return {"id": bot.adapter.next_id(), "user": ANN, "route": Route(place), "at": datetime.now(UTC)}


async def test_quotes_are_a_format_of_transcripts(folder: Path) -> None:
    async with TestBot(["Forty-two."], plugins=[export, load_plugin("quotes.py", folder)]) as bot:
        await bot.says("What is the answer? " * 20)
        await bot.runs("/export quotes")
        assert bot.last.reply is not None
        (file,) = bot.last.reply.files
        assert file.content.decode() == f"“Forty-two.” (Duologue, {datetime.now(UTC):%Y})\n"
