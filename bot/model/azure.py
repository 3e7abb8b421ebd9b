"""Azure OpenAI: the v1 API, or the classic one with an `api_version`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.model.openai import OpenAISpeaker, http_timeout
from bot.model.settings import AzureSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class Azure(OpenAISpeaker):
    """`model` is the name of a deployment."""

    def __init__(self, settings: AzureSettings) -> None:
        classic = settings.api_version is not None
        api = settings.api if settings.api != "auto" else ("chat" if classic else "responses")
        super().__init__(settings.name, api=api, timeouts=settings.timeouts, concurrency=settings.concurrency)
        self._settings = settings
        self.price_list = "azure"
        self.wire_names = {"max_tokens": "max_completion_tokens"}

    def connect(self) -> AsyncOpenAI:
        return self._classic() if self._settings.api_version is not None else self._v1()

    def _v1(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        settings = self._settings
        address = settings.endpoint.rstrip("/")
        if not address.endswith("/openai/v1"):
            address = address.removesuffix("/openai") + "/openai/v1"
        secret = settings.api_key or settings.ad_token
        return AsyncOpenAI(
            api_key=settings.ad_token_source or (secret.get_secret_value() if secret else ""),
            base_url=address + "/",
            timeout=http_timeout(self._timeouts),
            max_retries=0,
        )

    def _classic(self) -> AsyncOpenAI:
        from openai import AsyncAzureOpenAI

        settings = self._settings
        return AsyncAzureOpenAI(
            azure_endpoint=settings.endpoint,
            api_version=settings.api_version,
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
            azure_ad_token=settings.ad_token.get_secret_value() if settings.ad_token else None,
            azure_ad_token_provider=settings.ad_token_source,
            timeout=http_timeout(self._timeouts),
            max_retries=0,
        )
