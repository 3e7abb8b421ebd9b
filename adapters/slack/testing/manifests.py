"""App manifests: what Slack takes of one, and what the app was made from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.slack.testing.people import EVENTS
from adapters.slack.testing.server import Endpoint, needed
from adapters.slack.testing.world import ApiError, Json, World

# Commands of Slack itself that an app was seen to be refused.
_BUILT_IN = "away collapse dnd expand feed invite join leave me msg mute open pro remind search shrug status topic who"
TAKEN = frozenset(_BUILT_IN.split())
Name = Annotated[str, Field(min_length=1, max_length=50)]
Url = Annotated[str, Field(pattern=r"^https?://", max_length=3000)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Display(Part):
    name: str = Field(min_length=1, max_length=35)
    description: str = Field("-", min_length=1, max_length=140)
    background_color: str = Field("#000", pattern=r"^#[0-9a-fA-F]{3}([0-9a-fA-F]{3})?$")
    long_description: str = Field("-" * 175, min_length=175, max_length=4000)


class AppHome(Part):
    home_tab_enabled: bool = False
    messages_tab_enabled: bool = False
    messages_tab_read_only_enabled: bool = False


class BotUser(Part):
    display_name: str = Field(min_length=1, max_length=80)
    always_online: bool = False


class Prompt(Part):
    title: str = Field(min_length=1)
    message: str = Field(min_length=1)


class AgentView(Part):
    agent_description: str = Field(min_length=1, max_length=300)
    suggested_prompts: list[Prompt] = Field([], max_length=4)


class AssistantView(Part):
    assistant_description: str = Field(min_length=1)
    suggested_prompts: list[Prompt] = Field([], max_length=4)


class SlashCommand(Part):
    command: str = Field(min_length=2, max_length=32, pattern=r"^/[a-z0-9_-]+$")
    description: str = Field(min_length=1, max_length=2000)
    usage_hint: str = Field("-", min_length=1, max_length=1000)
    should_escape: bool = False
    url: Url | None = None


class Shortcut(Part):
    name: str = Field(min_length=1, max_length=24)
    type: Literal["message", "global"]
    callback_id: str = Field(min_length=1, max_length=255)
    description: str = Field(min_length=1, max_length=150)


class Features(Part):
    app_home: AppHome = AppHome()
    bot_user: BotUser | None = None
    agent_view: AgentView | None = None
    assistant_view: AssistantView | None = None
    slash_commands: Annotated[list[SlashCommand], Field(min_length=1, max_length=50)] | None = None
    shortcuts: Annotated[list[Shortcut], Field(min_length=1, max_length=10)] | None = None


class Scopes(Part):
    bot: list[Name] = Field([], max_length=255)
    user: list[Name] = Field([], max_length=255)


class OAuth(Part):
    scopes: Scopes = Scopes()


class Subscriptions(Part):
    request_url: Url | None = None
    bot_events: list[Name] = Field([], max_length=100)


class Interactivity(Part):
    is_enabled: bool
    request_url: Url | None = None
    message_menu_options_url: Url | None = None


class Settings(Part):
    event_subscriptions: Subscriptions = Subscriptions()
    interactivity: Interactivity = Interactivity(is_enabled=False)
    org_deploy_enabled: bool = False
    socket_mode_enabled: bool = False
    token_rotation_enabled: bool = False


class Manifest(Part):
    display_information: Display
    features: Features = Features()
    oauth_config: OAuth = OAuth()
    settings: Settings = Settings()


def problems(manifest: object) -> list[Json]:
    """What Slack would say is wrong with it, as `apps.manifest.validate` does for an app that is new."""
    try:
        parsed = Manifest.model_validate(manifest)
    except ValidationError as error:
        return [
            {"message": each["msg"], "pointer": "/" + "/".join(str(part) for part in each["loc"])}
            for each in error.errors(include_url=False, include_input=False)
        ]
    found = [*_about_reach(parsed), *_about_scopes(parsed), *_about_agents(parsed), *_about_names(parsed)]
    return [{"message": message, "pointer": pointer} for message, pointer in found]


def _about_reach(manifest: Manifest) -> Iterator[tuple[str, str]]:
    settings, commands = manifest.settings, manifest.features.slash_commands or []
    if settings.socket_mode_enabled:
        return
    if settings.event_subscriptions.bot_events and settings.event_subscriptions.request_url is None:
        yield (
            "Event Subscription requires either Request URL or Socket Mode Enabled",
            "/settings/event_subscriptions",
        )
    if settings.interactivity.is_enabled and settings.interactivity.request_url is None:
        yield "Interactivity requires a Request URL", "/settings/interactivity"
    for number, command in enumerate(commands):
        if command.url is None:
            yield "Slash Commands require a URL", f"/features/slash_commands/{number}"


def _about_scopes(manifest: Manifest) -> Iterator[tuple[str, str]]:
    granted, pointer = {*manifest.oauth_config.scopes.bot}, "/oauth_config/scopes/bot"
    for event in manifest.settings.event_subscriptions.bot_events:
        if event not in EVENTS:
            yield f"{event} is no event", "/settings/event_subscriptions/bot_events"
        elif EVENTS[event] and EVENTS[event] not in granted:
            yield f"{event} requires the scope {EVENTS[event]}", pointer
    if (manifest.features.slash_commands or manifest.features.shortcuts) and "commands" not in granted:
        yield "Slash Commands and Shortcuts require the scope commands", pointer
    if granted and manifest.features.bot_user is None:
        yield "Bot scopes require a bot user", "/features/bot_user"


def _about_agents(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Apps made since June 2026 can only be agents; assistants are older ones."""
    events, pointer = manifest.settings.event_subscriptions.bot_events, "/settings/event_subscriptions/bot_events"
    if manifest.features.assistant_view is not None:
        yield "New apps can only use agent_view", "/features/assistant_view"
    agent = manifest.features.agent_view is not None
    if not agent and "assistant:write" in manifest.oauth_config.scopes.bot:
        yield "assistant:write scope should include agent_view feature", "/features"
    if agent and "assistant:write" not in manifest.oauth_config.scopes.bot:
        yield "agent_view feature should include assistant:write scope", "/oauth_config/scopes/bot"
    if agent and "app_home_opened" not in events:
        yield "Agent View should use `app_home_opened` bot event subscription", pointer
    for old in ("assistant_thread_started", "assistant_thread_context_changed"):
        if agent and old in events:
            yield f"Agent View should not use `{old}` bot event subscription", pointer


def _about_names(manifest: Manifest) -> Iterator[tuple[str, str]]:
    commands, shortcuts = manifest.features.slash_commands or [], manifest.features.shortcuts or []
    for number, command in enumerate(commands):
        if command.command.removeprefix("/") in TAKEN:
            yield "the slash command has an invalid name", f"/features/slash_commands/{number}"
    events = manifest.settings.event_subscriptions.bot_events
    for kind, names in (
        ("slash_commands", [each.command for each in commands]),
        ("shortcuts", [each.callback_id for each in shortcuts]),
        ("bot_events", events),
    ):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            yield f"{', '.join(twice)} stands there twice", f"/{kind}"


class Manifests:
    """`registered` is what the app is set up as, which Slack shows whoever has a configuration token. `errors` are what
    it finds wrong with any manifest from now on."""

    def __init__(self, world: World, registered: Json) -> None:
        self.registered = registered
        self.errors: list[Json] = []
        self._world = world

    def endpoints(self) -> Sequence[Endpoint]:
        return [
            Endpoint("apps.manifest.export", self._export, "t3", configuration=True),
            Endpoint("apps.manifest.validate", self._validate, "t3", configuration=True),
        ]

    async def _export(self, args: Json) -> Json:
        if needed(args, "app_id")[0] != self._world.app_id:
            raise ApiError("app_not_found")
        return {"manifest": {"_metadata": {"major_version": 1, "minor_version": 1}, **self.registered}}

    async def _validate(self, args: Json) -> Json:
        try:
            manifest: Any = json.loads(needed(args, "manifest")[0])
        except ValueError as error:
            raise ApiError("invalid_manifest") from error
        if found := [*problems(manifest), *self.errors]:
            raise ApiError("invalid_manifest", errors=found)
        return {"errors": []}
