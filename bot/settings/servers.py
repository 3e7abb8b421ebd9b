"""What a server may have of its own: a key, a model, and who the bot is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, SecretStr

from bot.errors import UsageError
from bot.model import settings as model
from bot.model.parameters import validated
from bot.model.settings import ProviderSettings, default_model
from bot.settings.models import ModelSettings
from bot.settings.sections import Address, Section
from bot.settings.sources import Source, Steps
from bot.turn import ModelChoice

# Whose key or address a server may bring.
OWN_KINDS = ("openai", "azure", "compatible")


def _parameters(given: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        return {name: validated(name, value) for name, value in given.items()}
    except UsageError as error:
        raise ValueError(error.public) from None


def _name(key: str) -> str:
    platform, colon, workspace = key.partition(":")
    if not (platform and colon and workspace) or "@" in key or "/" in key:
        raise ValueError(f"{key!r} is not a server, as discord:123456789 is")
    return key.casefold()


class ServerSettings(Section):
    """One server's own; what is not set here is as everywhere else."""

    provider: str = Field("", description="Which provider answers; with a key or address of its own, `openai`.")
    name: str = Field("", description="The model's name.")
    parameters: Annotated[dict[str, JsonValue], AfterValidator(_parameters)] = Field(default_factory=dict)
    api_key: SecretStr | None = Field(None, description="The server's own key, from the environment or `.env`.")
    api_key_env: str = Field("", description="The name of the environment variable that holds the key.")
    base_url: Address = Field("", description="The address that its key is for.")
    system_prompt: str = Field("", description="Who the bot is there.")

    @property
    def brings_own(self) -> bool:
        return self.api_key is not None or bool(self.base_url)

    @property
    def kind(self) -> str:
        """The provider's name, where one is meant."""
        return self.provider or ("openai" if self.brings_own else "")


Servers = dict[Annotated[str, AfterValidator(_name)], ServerSettings]


@dataclass(frozen=True, slots=True)
class OwnProvider:
    """A provider that belongs to a server, and takes the place of the one called `instead_of` there."""

    server: str
    instead_of: str
    settings: ProviderSettings


def own_choice(server: ServerSettings, default: ModelChoice) -> ModelChoice:
    """Who answers in a server where a conversation has not chosen for itself."""
    provider = server.kind or default.provider
    usual = default if provider == default.provider and not server.brings_own else None
    name = server.name or (usual.model if usual else default_model(provider))
    return ModelChoice(provider, name, {**(default.parameters if usual else {}), **server.parameters})


def own_providers(servers: Mapping[str, ServerSettings], shared: ModelSettings) -> Iterator[OwnProvider]:
    for key, server in servers.items():
        if server.brings_own and server.kind in OWN_KINDS:
            yield OwnProvider(key.casefold(), server.kind, _provider(key, server, shared))


def _provider(key: str, server: ServerSettings, shared: ModelSettings) -> ProviderSettings:
    """Its name cannot be that of any other provider: those have no @ in theirs."""
    more: dict[str, Any] = {
        "name": f"{server.kind}@{key.casefold()}",
        "api_key": server.api_key,
        "sees": shared.sight,
        "timeouts": shared.timeouts,
        "concurrency": shared.concurrency,
    }
    if server.kind == "azure":
        own = bool(server.base_url)
        version = None if own else shared.azure.api_version or None
        return model.AzureSettings(endpoint=server.base_url or shared.azure.endpoint, api_version=version, **more)
    base_url = server.base_url or (shared.compatible.base_url if server.kind == "compatible" else "")
    return model.OpenAISettings(
        base_url=base_url or None, api="chat" if server.kind == "compatible" else "auto", **more
    )


def wrong_servers(servers: Mapping[str, ServerSettings], shared: ModelSettings) -> Iterator[str]:
    """What is wrong with them, each a sentence."""
    there_are = {each.name for each in shared.providers()}
    for key, server in servers.items():
        here = f"servers.{key}"
        if server.brings_own and server.kind not in OWN_KINDS:
            yield f"{here}.provider is {server.kind}, but only {', '.join(OWN_KINDS)} can have a key of a server's own."
        elif server.brings_own and server.kind == "azure" and not (server.base_url or shared.azure.endpoint):
            yield f"{here} has a key for Azure OpenAI, but neither base_url nor AZURE_OPENAI_ENDPOINT says where."
        elif server.brings_own and server.kind == "azure" and server.api_key is None:
            yield f"{here}.base_url is an address of Azure OpenAI, which needs a key too: set api_key_env."
        elif server.kind == "compatible" and not (server.base_url or shared.compatible.base_url):
            yield f"{here}.provider is compatible, but neither base_url nor model.compatible.base_url says where."
        elif server.kind in OWN_KINDS and not server.brings_own and server.kind not in there_are:
            yield f"{here}.provider is {server.kind}, but neither this server nor the bot has a key for it."
        elif server.brings_own and not (server.name or default_model(server.kind)):
            yield f"{here}.name must say which model answers there."


def fill_keys(sources: Sequence[Source], variables: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Put the keys that `api_key_env` names where they belong; what is wrong with the names is told."""
    for source in sources:
        _flatten(source)
        for path, found in [*source.found.items()]:
            named = _named(path, found.value)
            if named is None:
                continue
            text = variables.get(named, ("", ""))[0].strip()
            file = variables.get(f"{named}_FILE", ("", ""))[0]
            try:
                key = text or (Path(file).read_text("utf-8").strip() if file else "")
            except (OSError, UnicodeDecodeError):
                yield f"{named}_FILE names {file}, which cannot be read."
                continue
            if not key:
                yield f"{'.'.join(path[:2])}.api_key_env {found.where} names {named[:60]}, which is not set."
                continue
            here = (*path[:2], "api_key")
            if len(path) == len(here):
                source.found[here] = replace(found, path=here, value=key)
            else:
                source.found[path] = replace(found, value={**found.value, "api_key": key})


def _flatten(source: Source) -> None:
    """Each server by itself, and its name in small letters, as environment variables have it."""
    for path, found in [*source.found.items()]:
        if path[:1] != ("servers",):
            continue
        whole = found.value if len(path) == 1 and isinstance(found.value, dict) else None
        if len(path) == 1 and whole is None:
            continue
        del source.found[path]
        for key, value in whole.items() if whole is not None else [(path[1], found.value)]:
            here = (path[0], str(key).casefold(), *path[2:])
            source.found[here] = replace(found, path=here, value=value)


def _named(path: Steps, value: Any) -> str | None:
    """The variable that a server's key is in."""
    if path[:1] != ("servers",):
        return None
    if path[2:] == ("api_key_env",):
        return str(value)
    named = value.get("api_key_env") if len(path) == 2 and isinstance(value, dict) else None
    return named if isinstance(named, str) and named else None
