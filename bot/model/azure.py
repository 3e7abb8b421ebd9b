"""Azure OpenAI: the v1 API, or the classic one with an `api_version`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.model.openai import OpenAIProvider, http_client, http_timeout
from bot.model.parameters import Wire
from bot.model.settings import AzureSettings
from bot.model.sight import sees

if TYPE_CHECKING:
    from openai import AsyncOpenAI


def azure_provider(settings: AzureSettings) -> OpenAIProvider:
    """Its models are named as their deployments are."""
    classic = settings.api_version is not None
    automatic: Wire = "chat" if classic else "responses"
    return OpenAIProvider(
        settings.name,
        lambda: _classic(settings) if classic else _v1(settings),
        api=automatic if settings.api == "auto" else settings.api,
        timeouts=settings.timeouts,
        concurrency=settings.concurrency,
        price_list="azure",
        wire_names={"max_tokens": "max_completion_tokens"},
        # A deployment may be named as it likes: only a name that promises sight is believed.
        sees=lambda name: settings.sees if settings.sees is not None else sees(name) or None,
    )


def _v1(settings: AzureSettings) -> AsyncOpenAI:
    from openai import AsyncOpenAI

    address = settings.endpoint.rstrip("/")
    if not address.endswith("/openai/v1"):
        address = address.removesuffix("/openai") + "/openai/v1"
    secret = settings.api_key or settings.ad_token
    return AsyncOpenAI(
        api_key=settings.ad_token_source or (secret.get_secret_value() if secret else ""),
        base_url=address + "/",
        timeout=http_timeout(settings.timeouts),
        max_retries=0,
        http_client=http_client(),
    )


def _classic(settings: AzureSettings) -> AsyncOpenAI:
    from openai import AsyncAzureOpenAI

    return AsyncAzureOpenAI(
        azure_endpoint=settings.endpoint,
        api_version=settings.api_version,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        azure_ad_token=settings.ad_token.get_secret_value() if settings.ad_token else None,
        azure_ad_token_provider=settings.ad_token_source,
        timeout=http_timeout(settings.timeouts),
        max_retries=0,
        http_client=http_client(),
    )
