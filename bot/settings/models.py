"""Which language model answers: the providers and what each needs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr

from bot.model import settings as model
from bot.model.prices import UnitPrices
from bot.model.settings import ProviderSettings, Retry, Timeouts, default_model
from bot.settings.sections import Address, Section, env_names
from bot.turn import ModelChoice


class OpenAISettings(Section):
    """OpenAI, or any server that speaks its protocol at `base_url`."""

    api_key: SecretStr | None = Field(None, description="The key.", json_schema_extra=env_names("OPENAI_API_KEY"))
    base_url: Address = Field(
        "",
        description="Another server's address, such as `http://127.0.0.1:11434/v1`.",
        json_schema_extra=env_names("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    )
    organization: str = Field("", description="Organization id.", json_schema_extra=env_names("OPENAI_ORG_ID"))
    project: str = Field("", description="Project id.", json_schema_extra=env_names("OPENAI_PROJECT_ID"))
    api: Literal["auto", "responses", "chat"] = Field(
        "auto", description="Which API is spoken: `auto` is Responses at OpenAI and Chat Completions elsewhere."
    )


class AzureSettings(Section):
    """Azure OpenAI: the v1 API, or the classic one when `api_version` is set."""

    api_key: SecretStr | None = Field(
        None, description="The resource's key.", json_schema_extra=env_names("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY")
    )
    ad_token: SecretStr | None = Field(
        None, description="An Entra ID token instead of a key.", json_schema_extra=env_names("AZURE_OPENAI_AD_TOKEN")
    )
    endpoint: Address = Field(
        "",
        description="The resource's address, such as `https://NAME.openai.azure.com`.",
        json_schema_extra=env_names("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_ENDPOINT"),
    )
    api_version: str = Field(
        "",
        description="Set it for the classic API; empty is the v1 API.",
        json_schema_extra=env_names("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"),
    )
    deployment: str = Field(
        "",
        description="The deployment's name; empty takes `model.name`.",
        json_schema_extra=env_names("AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT_NAME"),
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
        "",
        description="The model's name; empty is the provider's default.",
        json_schema_extra=env_names("OPENAI_MODEL"),
    )
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, description="Parameters of every request, such as `temperature = 0.7`, `effort = 'low'`."
    )
    connect_timeout: PositiveFloat = Field(10.0, description="Seconds to reach the provider.")
    first_token_timeout: PositiveFloat = Field(
        60.0, description="Seconds to the first word.", json_schema_extra=env_names("OPENAI_TIMEOUT")
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
