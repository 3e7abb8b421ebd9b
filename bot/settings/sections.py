"""What can be set, one section per concern; every default is good enough to start with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from bot.events import Place
from bot.manners import Busy, Speak
from bot.words import phrase

DEFAULT_SYSTEM_PROMPT = (
    "You are Duologue, a warm, quick-witted companion in a chat. Answer in the language you are spoken to, "
    "come to the point, and use Markdown where it helps. Say so when you do not know something."
)
DEFAULT_GREETING = phrase(
    "👋 Hello! I am here to talk with you. Mention me or reply to one of my messages, and I answer; `/help` shows what "
    "else I can do. Moderators decide with `/speak` when I answer in a channel, and with `/system` who I am there."
)
SMALL_SYSTEM_PROMPT = "You are a friendly, helpful assistant."


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone, as Europe/Berlin is") from None
    return name


def _address(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("an address begins with http:// or https://, as http://127.0.0.1:11434/v1 does")
    return url


def _place(text: str) -> str:
    try:
        return str(Place.parse(text))
    except ValueError:
        raise ValueError(f"{text!r} is not a place, as discord:SERVER/CHANNEL is") from None


Address = Annotated[str, AfterValidator(_address)]


def env_names(*names: str) -> dict[str, JsonValue]:
    return {"env": list(names)}


class Section(BaseModel):
    """One concern's settings: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MemorySettings(Section):
    """Where conversations are kept and how much of one the model reads."""

    database: str = Field(
        "data/duologue.db",
        description="A file, or the address of a database. Started where there is no `config/bot.toml`, the default "
        "is in your own data folder.",
    )
    budget_tokens: PositiveInt = Field(16_000, ge=512, description="The most that is sent to the model per request.")
    reserve_tokens: PositiveInt = Field(1024, description="What of the budget is kept free for the answer.")
    high_water: float = Field(0.8, gt=0, le=1, description="Old messages are left out past this share of the budget …")
    low_water: float = Field(0.5, gt=0, le=1, description="… until this share is left.")
    most_messages: NonNegativeInt = Field(
        0, ge=0, description="The most messages that the model reads, however short; 0 is as many as fit."
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC",
        description="In which the model is told date and time, and in which days of `limits` begin, such as "
        "`Europe/Berlin`.",
    )
    summaries: bool = Field(
        True,
        description="Whether what no longer fits is told in a summary, which a model writes beside everything else. "
        "The embedded model does so only where `summary_model` names it.",
    )
    summary_model: str = Field(
        "",
        description="Who writes summaries, as `provider:model` or a provider; empty is the usual model of the provider "
        "that answers in a place.",
    )
    keep_days: NonNegativeInt = Field(
        0,
        description="Days after which a question and its answer are forgotten, unless they are pinned; 0 is never.",
    )
    keep_summaries: bool = Field(
        True, description="Whether summaries of what `keep_days` forgot stay; else they are forgotten as they age."
    )
    keep_after_leaving: NonNegativeInt = Field(
        30, description="Days after which all of a server that the bot has left is forgotten; 0 is at once."
    )

    @property
    def url(self) -> str:
        """The database's address; the store knows which driver goes with it."""
        return self.database if "://" in self.database else f"sqlite:///{Path(self.database).expanduser()}"


class PlaceSettings(Section):
    """What is different in one place, `[answers.places."discord:SERVER/CHANNEL"]`."""

    speak: Speak | None = None
    busy: Busy | None = None
    ping_after: NonNegativeFloat | None = None


class AnswerSettings(Section):
    """When and how the bot speaks, and what it makes good after it was away."""

    system_prompt: str = Field(
        DEFAULT_SYSTEM_PROMPT,
        description="Who the bot is, where nobody set another one. The small model gets a shorter default.",
    )
    language: str = Field(
        "en",
        description="The language of the bot's own sentences, such as `de`, for people and places that set none. "
        "What the model says follows the question.",
    )
    resume_age: PositiveFloat = Field(
        600.0, description="Seconds for which an answer cut short by a crash is completed; an older one is marked."
    )
    missed_age: PositiveFloat = Field(600.0, description="Seconds for which a question missed while away is answered.")
    shutdown_grace: float = Field(10.0, ge=0, description="Seconds that running answers get when the bot is stopped.")
    buttons: bool = Field(True, description="Whether answers carry buttons: stop, again, continue, forget.")
    footer: bool = Field(
        False,
        description="Whether a small line under each answer tells its tokens, time, speed and cost. The terminal has a "
        "setting of its own.",
    )
    speak: Speak = Field(
        "mention",
        description="When a message in a channel is answered: on `mention`, `always`, in a `thread` that is opened for "
        "each question, or `never`. `/speak` sets it for one place.",
    )
    busy: Busy = Field(
        "queue",
        description="What happens to a question while another one is answered: it waits (`queue`), a person's quick "
        "messages are answered together (`merge`), or a person's new message stops the answer to the one before "
        "(`interrupt`). `/busy` sets it for one place.",
    )
    merge_wait: PositiveFloat = Field(
        1.5, description="Seconds after a person's last message before `merge` answers, at most four times as many."
    )
    ping_after: NonNegativeFloat | None = Field(
        None,
        description="An answer that took more seconds is followed by a message that it is ready; 0 or empty is never.",
    )
    bot_turns: NonNegativeInt = Field(
        6, description="How many messages of other bots are answered in a row before a person must speak."
    )
    greeting: str = Field(
        DEFAULT_GREETING, description="What the bot says when it comes to a server; empty is nothing."
    )
    places: dict[Annotated[str, AfterValidator(_place)], PlaceSettings] = Field(
        default_factory=dict,
        description="Other `speak`, `busy` or `ping_after` for one place and its threads: "
        "`[answers.places.'discord:SERVER/CHANNEL']`.",
    )


class CommandSettings(Section):
    """Who may run which command."""

    who: dict[str, Literal["anyone", "moderators"]] = Field(
        default_factory=dict, description="Other than declared, by full name: `'system set' = 'anyone'`."
    )


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    format: Literal["auto", "pretty", "json"] = Field("auto", description="`auto` is pretty in a terminal, else JSON.")
    text: bool = Field(False, description="Whether logs may hold what people and the bot say.")


class HealthSettings(Section):
    """`GET /health` for containers and monitors."""

    host: str = Field("127.0.0.1", description="The address it listens on.")
    port: int | None = Field(None, ge=0, le=65535, description="The port; empty is off.")


class PluginSettings(Section):
    """Plugins that run; each may have a section of its own, `[plugins.NAME]`."""

    enabled: tuple[str, ...] = Field(
        ("commands", "conversation", "export", "meters", "privacy", "roleplay"),
        description="Names of installed plugins, `module:attribute`, or paths of files.",
        json_schema_extra=env_names("DUOLOGUE_PLUGINS"),
    )
