"""Finding plugins and adapters, and what is said when they cannot be found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.errors import PluginError
from bot.loading import ADAPTERS, installed, load_adapter, load_plugin, load_plugins, not_listed

DICE = '''
"""Roll dice."""
from __future__ import annotations
from typing import Annotated
from bot.api import Arg, Context, Plugin

plugin = Plugin("{name}", "Roll dice")

@plugin.command("{command}")
@plugin.tool("{command}")
async def roll(ctx: Context, sides: Annotated[int, Arg("Faces", ge=2)] = 6) -> str:
    """Roll a die."""
    return f"rolled {{sides}}"
'''

Distribute = Callable[..., Path]


@pytest.fixture
def distribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distribute]:
    """Installs a tiny distribution the way pip leaves it: a module and a .dist-info beside it."""
    before = set(sys.modules)
    installed_at = 0

    def build(distribution: str, entries: str, *, group: str = "plugins", **modules: str) -> Path:
        nonlocal installed_at
        installed_at += 1
        site = tmp_path / f"site{installed_at}"
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[duologue.{group}]\n{entries}\n")
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(str(site))
        return site

    yield build
    for name in set(sys.modules) - before:
        del sys.modules[name]


def dice(name: str = "dice", command: str = "roll") -> str:
    return DICE.format(name=name, command=command)


def test_a_plugin_of_another_distribution_runs_by_its_name(distribute: Distribute, tmp_path: Path) -> None:
    distribute("duologue-dice", "dice = duologue_dice:plugin", duologue_dice=dice())
    plugin = load_plugin("dice", tmp_path)
    assert plugin.name == "dice"
    assert plugin.commands[0].bind(plugin.commands[0].parse("20")) == {"sides": 20}


async def test_its_function_is_called(distribute: Distribute, tmp_path: Path) -> None:
    distribute("duologue-dice", "dice = duologue_dice:plugin", duologue_dice=dice())
    command = load_plugin("dice", tmp_path).commands[0]
    assert await command.callback(object(), **command.bind({"sides": "12"})) == "rolled 12"


def test_what_is_installed_is_known_without_importing_it(distribute: Distribute) -> None:
    distribute("duologue-dice", "dice = duologue_dice:plugin", duologue_dice="raise RuntimeError")
    found = {entry.name: entry for entry in installed()}
    assert (found["dice"].distribution, found["dice"].version) == ("duologue-dice", "1.2")
    assert found["commands"].distribution == "duologue"
    assert "duologue_dice" not in sys.modules


def test_what_is_installed_but_not_listed_is_told(distribute: Distribute) -> None:
    distribute("duologue-dice", "dice = duologue_dice:plugin", duologue_dice=dice())
    told = [entry.name for entry in not_listed(["commands", "plugins.roleplay:plugin"])]
    assert {"dice", "moderation"} <= {*told}
    assert not {"commands", "roleplay"} & {*told}
    assert told == sorted(told)
    assert not_listed(["commands", "roleplay", *told]) == ()


def test_adapters_are_found_in_a_group_of_their_own(distribute: Distribute, tmp_path: Path) -> None:
    source = """
from pydantic import BaseModel
from bot.api import AdapterSpec
spec = AdapterSpec("pigeon", BaseModel, lambda settings: None, lambda settings: False)
"""
    distribute("duologue-pigeon", "pigeon = pigeon:spec", group="adapters", pigeon=source)
    assert load_adapter("pigeon", tmp_path).name == "pigeon"
    assert load_adapter("pigeon:spec", tmp_path).name == "pigeon"
    assert "pigeon" in [entry.name for entry in installed(ADAPTERS)]
    with pytest.raises(PluginError, match=r"`spec` in pigeon is a AdapterSpec, not a Plugin"):
        load_plugin("pigeon:spec", tmp_path)


def test_module_and_attribute(distribute: Distribute, tmp_path: Path) -> None:
    distribute("anything", "", house=f"{dice()}\nclass Inside:\n    it = plugin\n")
    assert load_plugin("house:plugin", tmp_path) is load_plugin("house:Inside.it", tmp_path)


def test_a_file_relative_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "fun.py").write_text(dice("fun"))
    assert load_plugin("./fun.py", tmp_path).name == "fun"
    assert load_plugin("fun.py", tmp_path).name == "fun"
    assert load_plugin(str(tmp_path / "fun.py"), Path("/")).name == "fun"


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    (tmp_path / "fun.py").write_text(dice("fun"))
    assert load_plugin("./fun.py", tmp_path) is load_plugin("fun.py", tmp_path)


def test_a_file_that_was_repaired_is_loaded_again(tmp_path: Path) -> None:
    (tmp_path / "fun.py").write_text("1 / 0")
    with pytest.raises(PluginError):
        load_plugin("fun.py", tmp_path)
    (tmp_path / "fun.py").write_text(dice("fun"))
    assert load_plugin("fun.py", tmp_path).name == "fun"


def test_two_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "fun.py").write_text(dice(folder, folder))
    plugins = load_plugins(["one/fun.py", "two/fun.py"], tmp_path)
    assert [plugin.name for plugin in plugins] == ["one", "two"]


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("comands", "There is no plugin called `comands`. Did you mean `commands`?"),
        ("zzz", "There is no plugin called `zzz`. Installed are: commands"),
        ("./gone.py", "there is no Python file"),
        ("no_such_module:plugin", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("bot.api:plugin", "bot.api has no `plugin`, which must be a Plugin"),
        ("bot.api:Plugin", "`Plugin` in bot.api is a type, not a Plugin"),
        ("../etc", "there is no Python file"),
        (":", "cannot be loaded"),
        ("", "There is no plugin called ``"),
    ],
)
def test_what_cannot_be_found_is_said_in_a_sentence(reference: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError) as caught:
        load_plugin(reference, tmp_path)
    assert says in caught.value.public
    assert "\n" not in caught.value.public


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_sdk", "No module named 'no_such_sdk'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def", "SyntaxError: invalid syntax"),
        ("plugin = 'me'", "`plugin` in ./fun.py is a str, not a Plugin"),
        ("from bot.api import Plugin\nPlugin('No Good', '')", "A plugin cannot be called `No Good`"),
    ],
)
def test_a_file_that_fails_says_why(source: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "fun.py").write_text(source)
    with pytest.raises(PluginError) as caught:
        load_plugin("./fun.py", tmp_path)
    assert says in caught.value.public


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (("dice", "throw"), "Two plugins are called `dice`"),
        (("more", "roll"), "The plugins `dice` and `more` have a command `/roll`"),
        (("more", "roll again"), "The plugins `dice` and `more` clash: `/roll` cannot be a command of its own"),
    ],
)
def test_conflicts_name_both_plugins(other: tuple[str, str], says: str, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(dice())
    (tmp_path / "two.py").write_text(dice(*other))
    with pytest.raises(PluginError) as caught:
        load_plugins(["one.py", "two.py"], tmp_path)
    assert says in caught.value.public


def test_two_tools_and_two_models_of_one_name_conflict(tmp_path: Path) -> None:
    head = "from bot.api import Context, Plugin, Turn\n"
    tool = "\n@plugin.tool()\nasync def look(ctx: Context) -> str:\n    'Look.'\n    return ''\n"
    model = "\n@plugin.model('parrot')\nasync def parrot(turn: Turn):\n    yield 1\n"
    for name, body in (("a", tool), ("b", tool), ("c", model), ("d", model)):
        (tmp_path / f"{name}.py").write_text(f"{head}plugin = Plugin('{name}', '')\n{body}")
    with pytest.raises(PluginError, match="Two plugins have a tool called `look`: `a` and `b`"):
        load_plugins(["a.py", "b.py"], tmp_path)
    with pytest.raises(PluginError, match="Two plugins have a model called `parrot`: `c` and `d`"):
        load_plugins(["c.py", "d.py"], tmp_path)


def test_one_name_from_two_distributions_is_ambiguous(distribute: Distribute, tmp_path: Path) -> None:
    distribute("duologue-dice", "dice = duologue_dice:plugin", duologue_dice=dice())
    distribute("other-dice", "dice = other_dice:plugin", other_dice=dice())
    with pytest.raises(PluginError, match=r"offered by other-dice .* and duologue-dice"):
        load_plugin("dice", tmp_path)
    assert load_plugin("other_dice:plugin", tmp_path).name == "dice"
