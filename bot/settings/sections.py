"""What can be set, one section per concern; every default is good enough to start with."""

from __future__ import annotations

from decimal import Decimal
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
    SecretStr,
)

from bot.events import Place
from bot.manners import Busy, Speak
from bot.model import settings as model
from bot.model.prices import UnitPrices
from bot.model.settings import ProviderSettings, Retry, Timeouts, default_model
from bot.turn import ModelChoice
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


def _env(*names: str) -> dict[str, JsonValue]:
    return {"env": list(names)}


class Section(BaseModel):
    """One concern's settings: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class OpenAISettings(Section):
    """OpenAI, or any server that speaks its protocol at `base_url`."""

    api_key: SecretStr | None = Field(None, description="The key.", json_schema_extra=_env("OPENAI_API_KEY"))
    base_url: Address = Field(
        "",
        description="Another server's address, such as `http://127.0.0.1:11434/v1`.",
        json_schema_extra=_env("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    )
    organization: str = Field("", description="Organization id.", json_schema_extra=_env("OPENAI_ORG_ID"))
    project: str = Field("", description="Project id.", json_schema_extra=_env("OPENAI_PROJECT_ID"))
    api: Literal["auto", "responses", "chat"] = Field(
        "auto", description="Which API is spoken: `auto` is Responses at OpenAI and Chat Completions elsewhere."
    )


class AzureSettings(Section):
    """Azure OpenAI: the v1 API, or the classic one when `api_version` is set."""

    api_key: SecretStr | None = Field(
        None, description="The resource's key.", json_schema_extra=_env("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY")
    )
    ad_token: SecretStr | None = Field(
        None, description="An Entra ID token instead of a key.", json_schema_extra=_env("AZURE_OPENAI_AD_TOKEN")
    )
    endpoint: Address = Field(
        "",
        description="The resource's address, such as `https://NAME.openai.azure.com`.",
        json_schema_extra=_env("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_ENDPOINT"),
    )
    api_version: str = Field(
        "",
        description="Set it for the classic API; empty is the v1 API.",
        json_schema_extra=_env("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"),
    )
    deployment: str = Field(
        "",
        description="The deployment's name; empty takes `model.name`.",
        json_schema_extra=_env("AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT_NAME"),
    )


class CompatibleSettings(Section):
    """A second server that speaks Chat Completions (Ollama, vLLM, LM Studio, …), beside OpenAI itself."""

    base_url: Address = Field("", description="The server's address, ending in `/v1`.")
    api_key: SecretStr | None = Field(None, description="Its key, if it wants one.")


class LocalSettings(Section):
    """The embedded model, which runs in this process."""

    path: Path | None = Field(None, description="A GGUF file of your own; empty is the small one that is installed.")
    context: PositiveInt = Field(4096, description="Tokens that a question with its history and answer may have.")
    slots: PositiveInt = Field(2, description="Answers at the same time.")
    max_tokens: PositiveInt = Field(512, description="The longest answer, in tokens.")


class PriceSettings(Section):
    """US dollars per million tokens of a model that no price list knows."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cached: Decimal | None = Field(None, ge=0)
    cache_writes: Decimal | None = Field(None, ge=0)


class ModelSettings(Section):
    """Which language model answers, and how patiently it is asked."""

    provider: str = Field(
        "auto",
        description="`openai`, `azure`, `compatible`, `local` or a plugin's. `auto` takes the one whose "
        "key or address is set, else `local`.",
    )
    name: str = Field(
        "", description="The model's name; empty is the provider's default.", json_schema_extra=_env("OPENAI_MODEL")
    )
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, description="Parameters of every request, such as `temperature = 0.7`, `effort = 'low'`."
    )
    connect_timeout: PositiveFloat = Field(10.0, description="Seconds to reach the provider.")
    first_token_timeout: PositiveFloat = Field(
        60.0, description="Seconds to the first word.", json_schema_extra=_env("OPENAI_TIMEOUT")
    )
    thinking_timeout: PositiveFloat = Field(300.0, description="The same for a model that reasons first.")
    silence_timeout: PositiveFloat = Field(30.0, description="Seconds of silence in the middle of an answer.")
    attempts: PositiveInt = Field(4, description="Tries per answer before its first word.")
    concurrency: PositiveInt = Field(256, description="Requests at the same time, per provider.")
    sees: bool | Literal["auto"] = Field(
        "auto", description="Whether models are shown pictures; `auto` knows OpenAI's, and tries with others."
    )
    tool_rounds: NonNegativeInt = Field(8, description="How often in one answer the model may call tools.")
    openai: OpenAISettings = OpenAISettings()
    azure: AzureSettings = AzureSettings()
    compatible: CompatibleSettings = CompatibleSettings()
    local: LocalSettings = LocalSettings()
    prices: dict[str, PriceSettings] = Field(
        default_factory=dict,
        description="Prices that no list knows or that differ: `[model.prices.'compatible/my-model']`, or "
        "`'compatible/*'` for all of them, with `input`, `output`, `cached` and `cache_writes` in US dollars per "
        "million tokens.",
    )

    @property
    def chosen_provider(self) -> str:
        """The provider by name, with `auto` resolved."""
        if self.provider != "auto":
            return self.provider
        azure = self.azure
        if self.openai.api_key or self.openai.base_url:
            return "openai"
        if azure.api_key or azure.ad_token or azure.endpoint:
            return "azure"
        return "compatible" if self.compatible.base_url else "local"

    @property
    def choice(self) -> ModelChoice:
        """Who answers where a conversation has not chosen for itself."""
        provider = self.chosen_provider
        name = (self.azure.deployment if provider == "azure" else "") or self.name
        return ModelChoice(provider, name or default_model(provider), self.parameters)

    @property
    def is_small(self) -> bool:
        """Whether the small model that is installed with the bot answers."""
        return self.chosen_provider == "local" and self.local.path is None

    @property
    def sight(self) -> bool | None:
        return None if self.sees == "auto" else self.sees

    @property
    def timeouts(self) -> Timeouts:
        return Timeouts(self.connect_timeout, self.first_token_timeout, self.silence_timeout, self.thinking_timeout)

    @property
    def retry(self) -> Retry:
        return Retry(attempts=self.attempts)

    def own_prices(self) -> dict[str, UnitPrices]:
        return {
            name: UnitPrices(price.input, price.output, price.cached, price.cache_writes)
            for name, price in self.prices.items()
        }

    def providers(self) -> tuple[ProviderSettings, ...]:
        """Every provider that is set up, so that a conversation may choose any of them."""
        timeouts, sees = self.timeouts, self.sight
        given: list[ProviderSettings] = []
        openai, azure, compatible, local = self.openai, self.azure, self.compatible, self.local
        if openai.api_key or openai.base_url:
            given.append(
                model.OpenAISettings(
                    api_key=openai.api_key,
                    base_url=openai.base_url or None,
                    api=openai.api,
                    organization=openai.organization or None,
                    project=openai.project or None,
                    sees=sees,
                    timeouts=timeouts,
                    concurrency=self.concurrency,
                )
            )
        if azure.endpoint and (azure.api_key or azure.ad_token):
            given.append(
                model.AzureSettings(
                    endpoint=azure.endpoint,
                    api_key=azure.api_key,
                    ad_token=azure.ad_token,
                    api_version=azure.api_version or None,
                    sees=sees,
                    timeouts=timeouts,
                    concurrency=self.concurrency,
                )
            )
        if compatible.base_url:
            given.append(
                model.OpenAISettings(
                    name="compatible",
                    api_key=compatible.api_key,
                    base_url=compatible.base_url,
                    api="chat",
                    sees=sees,
                    timeouts=timeouts,
                    concurrency=self.concurrency,
                )
            )
        given.append(
            model.LocalSettings(
                path=str(local.path.expanduser()) if local.path else None,
                context=local.context,
                slots=local.slots,
                max_tokens=local.max_tokens,
            )
        )
        return tuple(given)

    def missing(self) -> list[str]:
        """What the chosen provider still needs, each a sentence."""
        provider, azure = self.chosen_provider, self.azure
        if provider == "openai" and not (self.openai.api_key or self.openai.base_url):
            return ["model.provider is openai, but OPENAI_API_KEY is not set."]
        if provider == "azure":
            lacks = [] if azure.endpoint else ["AZURE_OPENAI_ENDPOINT"]
            lacks += [] if azure.api_key or azure.ad_token else ["AZURE_OPENAI_API_KEY (or AZURE_OPENAI_AD_TOKEN)"]
            return [f"Azure OpenAI is to answer, but {' and '.join(lacks)} must be set too."] if lacks else []
        if provider == "compatible":
            lacks = [] if self.compatible.base_url else ["model.compatible.base_url"]
            lacks += [] if self.name else ["model.name (OPENAI_MODEL)"]
            return [f"A compatible server is to answer, but {' and '.join(lacks)} must be set too."] if lacks else []
        return []


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
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC",
        description="In which the model is told date and time, and in which days of `limits` begin, such as "
        "`Europe/Berlin`.",
    )
    keep_after_leaving: NonNegativeInt = Field(
        30, description="Days after which all of a server that the bot has left is forgotten; 0 is at once."
    )

    @property
    def url(self) -> str:
        """The database's SQLAlchemy address with an async driver."""
        scheme, separator, rest = self.database.partition("://")
        if not separator:
            return f"sqlite+aiosqlite:///{Path(self.database).expanduser()}"
        drivers = {"sqlite": "sqlite+aiosqlite", "postgres": "postgresql+asyncpg", "postgresql": "postgresql+asyncpg"}
        return f"{drivers.get(scheme, scheme)}://{rest}"


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
        None, description="An answer that took more seconds is followed by a message that it is ready; 0 or empty is never."
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
        ("commands",),
        description="Names of installed plugins, `module:attribute`, or paths of files.",
        json_schema_extra=_env("DUOLOGUE_PLUGINS"),
    )
