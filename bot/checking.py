"""`duologue check` and `duologue plugins`: what is set, what works, and in plain words what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bot.commands import Command
from bot.edges import adapter_specs, all_commands
from bot.errors import BotError
from bot.loading import installed, not_listed
from bot.model import ProviderSettings, open_provider
from bot.platform import AdapterSpec, Finding
from bot.settings import Settings
from bot.settings.servers import own_choice, own_providers
from bot.store import Store

PATIENCE = 60.0
PACKAGES = ("bot", "adapters", "plugins")


async def check(settings: Settings) -> bool:
    """Print everything; whether all of it is well."""
    print(_table([("SETTING", "VALUE", "FROM"), *settings.effective()]))
    print()
    well = True
    async for finding in _findings(settings):
        well &= finding.ok
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.says}", flush=True)
    return well


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    yield installation()
    yield await _database(settings)
    yield await _model(settings)
    for own in own_providers(settings.servers, settings.model):
        choice = own_choice(settings.servers[own.server], settings.model.choice)
        found = await _asked(own.settings, choice.model)
        yield Finding(found.ok, f"server {own.server}", f"its own key: {found.says}")
    configured = False
    for spec in adapter_specs().values():
        section = settings.section(spec.name, spec.settings)
        if spec.configured(section):
            configured = True
            for finding in await platform(spec, section, all_commands(settings)):
                yield finding
    if not configured:
        yield Finding(True, "platforms", "none is set up; `duologue chat` works without one")


def installation(found: Mapping[str, Path] | None = None) -> Finding:
    """Other distributions bring packages of the same names; ours must be the ones that are imported."""
    homes = {name: _home(name) for name in PACKAGES} | {name: path.parent for name, path in (found or {}).items()}
    strangers = [name for name, home in homes.items() if home != homes["bot"]]
    if strangers:
        listed = ", ".join(f"`{name}` in {homes[name] or 'nowhere'}" for name in strangers)
        return Finding(
            False, "installation", f"another distribution is in the way: {listed}. Use an environment of its own."
        )
    return Finding(True, "installation", f"complete, in {homes['bot']}")


def _home(package: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve().parent


async def _database(settings: Settings) -> Finding:
    try:
        async with Store(settings.memory.url) as store:
            await store.ping()
    except BotError as error:
        return Finding(False, "database", str(error))
    return Finding(True, "database", "can be opened and read")


async def _model(settings: Settings) -> Finding:
    choice = settings.model.choice
    given = {each.name: each for each in settings.model.providers()}
    if choice.provider not in given:
        return Finding(True, "model", f"{choice.provider} is a plugin's and was not tried")
    found = await _asked(given[choice.provider], choice.model)
    return Finding(found.ok, f"model {choice.provider}", found.says)


async def _asked(given: ProviderSettings, model: str) -> Finding:
    provider = open_provider(given)
    try:
        async with asyncio.timeout(PATIENCE):
            return await provider.check(model or None)
    except (BotError, TimeoutError) as error:
        return Finding(False, given.name, str(error) or "no answer for a minute")
    finally:
        await provider.aclose()


async def platform(spec: AdapterSpec, section: object, commands: Sequence[Command] = ()) -> Sequence[Finding]:
    if spec.check is None:
        return [Finding(True, spec.name, "is set up")]
    try:
        async with asyncio.timeout(PATIENCE):
            return await spec.check(section, commands)
    except ImportError as error:
        install = f'pip install "duologue[{spec.extra or spec.name}]"'
        return [Finding(False, spec.name, f"needs a package that is not installed ({error.name}): {install}")]
    except (BotError, TimeoutError) as error:
        return [Finding(False, spec.name, str(error) or "no answer for a minute")]


def list_plugins(settings: Settings) -> str:
    """Each installed or enabled plugin with where it comes from; one that is not enabled never runs."""
    enabled = settings.plugins.enabled
    idle = not_listed(enabled)
    rows = [("PLUGIN", "ENABLED", "FROM")]
    for found in installed():
        rows.append((found.name, "no" if found in idle else "yes", f"{found.distribution} {found.version}"))
    known = {name for found in installed() for name in (found.name, found.value)}
    rows += [(reference, "yes", "its own module or file") for reference in enabled if reference not in known]
    listed = _table(rows)
    if idle:
        line = ", ".join(f'"{name}"' for name in [*enabled, *(found.name for found in idle)])
        listed += f"\n\nTo enable them all, write into [plugins] in config/bot.toml: enabled = [{line}]"
    return listed


def _table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Columns as wide as needed, long values cut."""
    cut = [tuple(cell if len(cell) <= 60 else f"{cell[:57]}…" for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in cut) for column in range(2)]
    return "\n".join(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip() for row in cut)
