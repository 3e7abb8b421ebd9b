"""Every setting of the core. First wins: command line, environment, `.env`, config/bot.toml, default."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, PrivateAttr, SecretStr, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.errors import ConfigError
from bot.settings.limits import LimitSettings, RoleLimits
from bot.settings.mistakes import contradictions, explain, nobody_to_answer, settle_parameters
from bot.settings.models import (
    AzureSettings,
    CompatibleSettings,
    LocalSettings,
    ModelSettings,
    OpenAISettings,
    PriceSettings,
)
from bot.settings.sections import (
    SMALL_SYSTEM_PROMPT,
    AnswerSettings,
    CommandSettings,
    HealthSettings,
    LogSettings,
    MemorySettings,
    PlaceSettings,
    PluginSettings,
    Section,
)
from bot.settings.servers import Servers, ServerSettings, fill_keys, wrong_servers
from bot.settings.sources import (
    CONFIG_NAME,
    Entry,
    Fallback,
    Flags,
    Found,
    Source,
    Toml,
    Variables,
    entries,
    read_env_file,
    read_toml,
)

__all__ = [
    "AnswerSettings",
    "AzureSettings",
    "CommandSettings",
    "CompatibleSettings",
    "Entry",
    "HealthSettings",
    "LimitSettings",
    "LocalSettings",
    "LogSettings",
    "MemorySettings",
    "ModelSettings",
    "OpenAISettings",
    "PlaceSettings",
    "PluginSettings",
    "PriceSettings",
    "RoleLimits",
    "Section",
    "ServerSettings",
    "Settings",
    "entries",
]

Kind = TypeVar("Kind", bound=BaseModel)
Sections = Mapping[str, type[BaseModel]]
# Looks up the sections for the plugins that are enabled; also says what is wrong with those that cannot be loaded.
FindSections = Callable[[tuple[str, ...]], tuple[Sections, Sequence[str]]]

DEFAULT_CONFIG = "config/bot.toml"


class Settings(BaseSettings):
    """All settings, checked. Building one directly reads nothing: `Settings.load` does."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: ModelSettings = ModelSettings()
    memory: MemorySettings = MemorySettings()
    answers: AnswerSettings = AnswerSettings()
    limits: LimitSettings = LimitSettings()
    commands: CommandSettings = CommandSettings()
    log: LogSettings = LogSettings()
    health: HealthSettings = HealthSettings()
    servers: Servers = Field(
        default_factory=dict,
        description="What a server has of its own: `[servers.'discord:123456789']` with `provider`, `name`, "
        "`parameters`, `base_url`, `system_prompt`, and `api_key_env`, the name of the variable that holds its key.",
    )
    plugins: PluginSettings = PluginSettings()

    _found: dict[tuple[str, ...], Found] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @classmethod
    def load(
        cls,
        sections: Sections | FindSections | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        flags: Mapping[str, tuple[str, Any]] | None = None,
        checks: Sequence[Callable[[Settings], Sequence[str]]] = (),
    ) -> Settings:
        """Read and check everything; raises ConfigError with every mistake at once.

        `sections` are those of adapters and plugins by dotted name (`discord`, `plugins.dice`), or a function that
        finds them for the plugins that are enabled. `flags` maps an option of the command line to (setting, value).
        `checks` find mistakes that only others can know of.
        """
        return _Reading(environment if environment is not None else os.environ, folder or Path()).load(
            cls, sections or {}, flags or {}, checks
        )

    @classmethod
    def with_sections(cls, sections: Sections) -> type[Settings]:
        """The settings with a field for each section that adapters and plugins declare."""
        own: dict[str, Any] = {}
        of_plugins: dict[str, Any] = {}
        for name, kind in sections.items():
            group, _, plugin = name.partition(".")
            (of_plugins if plugin else own)[plugin or group] = (kind, Field({}, validate_default=True))
        if of_plugins:
            plugins = create_model("PluginSettings", __base__=PluginSettings, **of_plugins)
            own["plugins"] = (plugins, Field({}, validate_default=True))
        return create_model("Settings", __base__=cls, **own) if own else cls

    def section(self, name: str, kind: type[Kind]) -> Kind:
        """The section of an adapter (`discord`) or a plugin (`plugins.dice`); its defaults if it was not declared."""
        value: object = self
        for step in name.split("."):
            value = getattr(value, step, None)
        return value if isinstance(value, kind) else kind()

    def origin(self, setting: str) -> str:
        """Where a setting's value came from, such as `OPENAI_MODEL in .env line 3`, or `default`."""
        path = tuple(setting.split("."))
        found = self._found.get(path) or next((f for p, f in self._found.items() if p[: len(path)] == path), None)
        return found.origin if found else "default"

    def effective(self) -> Iterator[tuple[str, str, str]]:
        """Every setting as (name, value, origin), secrets masked."""
        for entry in entries(type(self)):
            value: Any = self
            for step in entry.path:
                value = getattr(value, step)
            if entry.item is None or not value:
                yield entry.dotted, _shown(entry, value), self.origin(entry.dotted)
                continue
            for key, item in value.items():
                for inner in entries(entry.item, (*entry.path, key)):
                    if (shown := getattr(item, inner.path[-1])) not in (None, "", {}):
                        yield inner.dotted, _shown(inner, shown), self.origin(entry.dotted)

    def secrets(self) -> Iterator[str]:
        """The plain text of every secret, for those who hide them."""
        for entry in entries(type(self)):
            value: Any = self
            for step in entry.path:
                value = getattr(value, step)
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
        for server in self.servers.values():
            if server.api_key is not None:
                yield server.api_key.get_secret_value()
        if password := urlsplit(self.memory.url).password:
            yield password


def _shown(entry: Entry, value: Any) -> str:
    if value is None or value in ("", (), [], {}):
        return "(not set)"
    if entry.secret:
        return "********"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and "://" in value and (password := urlsplit(value).password):
        return value.replace(password, "********")
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(str(item) for item in value)
    return str(value)


@dataclass(frozen=True, slots=True)
class AtHand:
    """What little a command needs that only looks at the memory: it works also where no model could answer."""

    memory: MemorySettings
    language: str
    plugins: tuple[str, ...]

    @classmethod
    def read(cls, *, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> AtHand:
        """From the same places as `Settings.load`, whatever else is wrong there. Raises ConfigError."""
        reading = _Reading(environment if environment is not None else os.environ, folder or Path())
        if reading.problems:
            raise ConfigError(reading.problems)
        found: dict[str, dict[str, Any]] = {"memory": {}, "answers": {}}
        for source in reversed(reading._sources(Settings, {})):
            for (section, *rest), value in source.found.items():
                if section in found and len(rest) == 1:
                    found[section][rest[0]] = value.value
        try:
            memory = MemorySettings.model_validate(found["memory"])
        except ValidationError as error:
            told = [f"memory.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
            raise ConfigError(told) from None
        return cls(memory, str(found["answers"].get("language", "en")), reading.enabled(Settings))


class _Reading:
    """One load: the sources in order of precedence, and the mistakes found on the way."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.problems: list[str] = []
        self.provider_misread = False
        self.environment = {name: (text, "in the environment") for name, text in environment.items()}
        self.env_file = read_env_file(folder / ".env", ".env", self.problems)
        named = environment.get(CONFIG_NAME) or self.env_file.get(CONFIG_NAME, ("", ""))[0]
        self.file = named or DEFAULT_CONFIG
        config = folder / Path(self.file).expanduser()
        self.table = read_toml(config, self.file, self.problems, required=bool(named))
        if isinstance(enabled := self.table.get("plugins"), list):
            self.table["plugins"] = {"enabled": enabled}
        self.home = not config.exists() and not (folder / ".env").exists()

    def load(
        self,
        core: type[Settings],
        sections: Sections | FindSections,
        flags: Mapping[str, tuple[str, Any]],
        checks: Sequence[Callable[[Settings], Sequence[str]]],
    ) -> Settings:
        if callable(sections):
            sections = self._find_sections(core, sections)
        model = core.with_sections(sections)
        sources = self._sources(model, flags)
        for source in sources:
            self.problems += source.problems
        self.problems += settle_parameters(sources)
        self.problems += fill_keys(sources, {**self.env_file, **self.environment})
        settings = self._validated(model, sources) or self._validated(model, sources)
        if settings is not None and settings.model.is_small:
            # A longer prompt, or a name of its own, confuses so small a model: measured by its answers.
            sources.append(Fallback(model, ("answers", "system_prompt"), SMALL_SYSTEM_PROMPT, "for the small model"))
            settings = self._validated(model, sources)
        found = {path: value for source in reversed(sources) for path, value in source.found.items()}
        if settings is not None:
            settings._found.update(found)
            self.problems += () if self.provider_misread else nobody_to_answer(settings)
            self.problems += contradictions(settings, found, self.file)
            self.problems += wrong_servers(settings.servers, settings.model)
            for check in checks:
                self.problems += check(settings)
        if self.problems or settings is None:
            raise ConfigError(list(dict.fromkeys(self.problems)))
        return settings

    def _validated(self, model: type[Settings], sources: Sequence[Source]) -> Settings | None:
        """None after a mistake; what was wrong is left out then, so that a second try can find the rest."""
        try:
            return model(_build_sources=(tuple(sources), {}))
        except ValidationError as error:
            known = {entry.path: entry for entry in entries(model)}
            for problem in error.errors(include_url=False, include_context=False):
                path = tuple(str(step) for step in problem["loc"])
                given = _take_out(path, sources)
                entry = known.get(given.path) if given else None
                # What is wrong must not be called missing too.
                self.provider_misread |= path[:2] in (("model", "openai"), ("model", "azure"), ("model", "compatible"))
                self.problems.append(explain(path, problem["type"], problem["msg"], given, entry))
            return None

    def _find_sections(self, core: type[Settings], find: FindSections) -> Sections:
        """Which plugins run must be known before their sections can be read."""
        sections, problems = find(self.enabled(core))
        self.problems += problems
        return sections

    def enabled(self, core: type[Settings]) -> tuple[str, ...]:
        for source in self._sources(core, {}):
            found = source.found.get(("plugins", "enabled"))
            if found is not None and isinstance(found.value, list):
                return tuple(str(name) for name in found.value)
        return PluginSettings().enabled

    def _sources(self, model: type[Settings], flags: Mapping[str, tuple[str, Any]]) -> list[Source]:
        sources: list[Source] = [
            Flags(model, flags),
            Variables(model, self.environment, strict=False),
            Variables(model, self.env_file, strict=True),
            Toml(model, self.table, self.file),
        ]
        if self.home:
            base = self.environment.get("XDG_DATA_HOME", ("", ""))[0] or str(Path.home() / ".local" / "share")
            database = str(Path(base) / "duologue" / "duologue.db")
            sources.append(Fallback(model, ("memory", "database"), database, "in your data folder"))
        return sources


def _take_out(path: tuple[str, ...], sources: Sequence[Source]) -> Found | None:
    """The value that an error is about, which then counts as not given."""
    for end in range(len(path), 0, -1):
        given = [source.found.pop(path[:end]) for source in sources if path[:end] in source.found]
        if given:
            return given[0]
    return None
