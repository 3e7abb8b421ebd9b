"""The chapter about role-play names what there is, as it is called."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import get_args

from bot.api import Commands
from bot.loading import load_plugin
from plugins.roleplay.personas import MOST_PERSONAS
from plugins.roleplay.scene import MOST_ROLES, Order, Scene
from plugins.roleplay.settings import RoleplaySettings
from plugins.roleplay.stage import LONGEST_LOOKS, LOOK_SECONDS, MOST_LOOKS, PLAYER_LOOKS
from plugins.roleplay.templates import built_in

ROOT = Path(__file__).parents[2]
CHAPTER = (ROOT / "README.md").read_text("utf-8").partition("## Role-play in five minutes\n")[2].partition("\n## ")[0]
PLUGIN = load_plugin("roleplay", ROOT)
COMMANDS = Commands(PLUGIN.commands)


def told_commands() -> list[str]:
    """As somebody would type them: those in blocks without what is said of them."""
    blocks = chain.from_iterable(block.splitlines() for block in re.findall(r"```\n(.*?)```", CHAPTER, re.DOTALL))
    typed = [re.split(r"\s{2,}", line)[0] for line in blocks]
    outside = re.sub(r"```.*?```", "", CHAPTER, flags=re.DOTALL)
    inside = [each.replace("\\|", "|") for each in re.findall(r"`(/[^`]+)`", outside)]
    return [line for line in [*typed, *inside] if line.startswith(("/roleplay", "/persona"))]


def test_every_command_can_be_typed_as_it_is_told() -> None:
    lines = told_commands()
    assert len(lines) > 35
    for line in lines:
        matched = COMMANDS.match(line.removeprefix("/"))
        assert matched is not None, line
        command, rest = matched
        if rest.strip():
            command.bind(command.parse(rest))


def test_every_part_of_the_desk_is_told() -> None:
    untold = {"list", "delete", "pause", "step", "stop", "forget", "import"}
    names = {command.name for command in PLUGIN.commands}
    assert {name for name in names if f"/{name}" not in CHAPTER} == {
        name for name in names if name.split()[1] in untold and f"/{name}" not in CHAPTER
    }
    code = "\n".join(file.read_text("utf-8") for file in (ROOT / "plugins" / "roleplay").glob("*.py"))
    labels = re.findall(r"\*\*([⏸⏭⏹▶⏯🔁][^*]+|Import)\*\*", CHAPTER)
    assert len({*labels}) == 8
    assert [label for label in labels if f'"{label}"' not in code] == []


def test_its_figures_and_settings_are_those_of_the_code() -> None:
    assert f"{len(built_in())} conflicts" in CHAPTER
    assert f"up to {MOST_PERSONAS} of its own" in CHAPTER
    assert (MOST_ROLES, "up to six on stage" in CHAPTER) == (6, True)
    assert f"After its lines ({Scene.model_fields['turns'].default}," in CHAPTER
    assert [LOOK_SECONDS * looks for looks in (MOST_LOOKS, LONGEST_LOOKS, PLAYER_LOOKS)] == [3_600, 86_400, 1_800]
    assert all(order in CHAPTER for order in get_args(Order))
    assert {*re.findall(r"`plugins\.roleplay\.(\w+)", CHAPTER)} == RoleplaySettings.model_fields.keys()
