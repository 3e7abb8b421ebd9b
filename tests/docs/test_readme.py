"""What the README quotes is what the bot says, and what it shows to be set can be set."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from adapters.discord import DiscordSettings
from adapters.slack import SlackSettings
from adapters.slack.manifest import manifest
from bot.edges import sections
from bot.loading import load_plugin
from bot.settings import PluginSettings, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def chapter(title: str) -> str:
    return README.partition(f"## {title}\n")[2].partition("\n## ")[0]


def sentences() -> Iterator[str]:
    """Everything in the code that could be said."""
    for folder in ("bot", "adapters", "plugins"):
        for file in (ROOT / folder).rglob("*.py"):
            if "testing" not in file.parts:
                for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield node.value


def test_what_it_is_quoted_to_say_it_says() -> None:
    said = "\n".join(sentences())
    quoted = re.findall(r"“([^”]+)”", chapter("When something is wrong"))
    assert len(quoted) > 20
    assert [each for each in quoted if each not in said] == []


def test_labels_of_buttons_are_those_of_the_code() -> None:
    said = {*sentences()}
    labels = re.findall(r"[⏹🔄⏩🗑] (?:Answer the new question|[A-Z]\w+)", chapter("What it does on Discord"))
    assert {*labels} == {"⏹ Stop", "🔄 Again", "🔄 Answer the new question", "⏩ Continue", "🗑 Forget"}
    assert {*labels} <= said


def test_menus_that_it_names_exist() -> None:
    titles = {command.title for command in load_plugin("commands", ROOT).commands if command.target is not None}
    for platform in ("Discord", "Slack"):
        told = " ".join(chapter(f"What it does on {platform}").split())
        assert [title for title in titles if f"**{title}**" not in told] == []


def test_the_settings_of_the_example_can_be_set(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", chapter("What it does on Discord"), re.DOTALL)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").write_text(example, "utf-8")
    settings = Settings.load(sections, environment={}, folder=tmp_path)
    assert settings.section("discord", DiscordSettings).deny_roles == (222222222222222222,)
    assert settings.limits.roles["333333333333333333"].tokens_per_day == 500_000
    assert settings.answers.places["discord:444444444444444444/555555555555555555"].speak == "thread"
    names = {command.name for plugin in PluginSettings().enabled for command in load_plugin(plugin, ROOT).commands}
    assert {*settings.commands.who} <= names


def test_defaults_that_it_tells_are_those_of_the_code() -> None:
    told, settings = chapter("What it does on Discord"), Settings.with_sections({})()
    assert f"`discord.most_messages` ({DiscordSettings().most_messages})" in told
    assert f"`answers.bot_turns`\n({settings.answers.bot_turns})" in told
    assert f"`memory.keep_after_leaving` days ({settings.memory.keep_after_leaving})" in told
    assert settings.answers.missed_age == 600
    assert (settings.answers.speak, settings.answers.busy) == ("mention", "queue")


def test_settings_of_slack_that_it_names_can_be_set() -> None:
    named = {*re.findall(r"`slack\.(\w+)", README)}
    assert len(named) > 8
    assert named <= SlackSettings.model_fields.keys()
    (over_http,) = re.findall(r"```toml\n(.*?)```", chapter("Slack in five minutes"), re.DOTALL)
    settings = SlackSettings.model_validate(tomllib.loads(over_http)["slack"])
    (events,) = re.findall(r"at `(/[a-z/]+)`", chapter("Slack in five minutes"))
    assert f'"request_url": "{settings.public_url}{events}"' in manifest(settings, ())
    assert f"`{settings.host}:{settings.port}`" in chapter("Slack in five minutes")


def test_what_helps_on_slack_is_told_for_many_things() -> None:
    told = chapter("When something is wrong").partition("On Slack:")[2]
    assert told.count("\n| ") > 25


def test_links_within_the_readme_lead_to_its_chapters() -> None:
    titles = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert [link for link in re.findall(r"\]\(#([^)]+)\)", README) if link not in anchors] == []
