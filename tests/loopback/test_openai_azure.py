"""The two kinds of Azure OpenAI, by what they send where."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from bot.errors import UnknownModel
from bot.events import Place
from bot.model import AzureSettings, open_provider
from bot.model.registry import Registry
from bot.replies import Text
from bot.testing.openai_server import FakeAnswer, FakeError, FakeOpenAI
from bot.turn import ModelChoice, Prompt, PromptMessage, Turn

KEY = SecretStr("azure-key")


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


async def ask(settings: AzureSettings) -> str:
    turn = Turn(
        Place("t", "w", "c"),
        Prompt((PromptMessage("user", "hi"),)),
        ModelChoice("azure", "my-deployment", {"max_tokens": 50}),
    )
    async with Registry([open_provider(settings)]) as registry:
        pieces = [piece async for piece in registry.stream(turn)]
    assert turn.calls[0].cost is None, "a deployment's name says nothing about its price"
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


@pytest.mark.parametrize("path", ["", "/", "/openai", "/openai/v1/"])
async def test_v1_speaks_responses_with_the_key_as_bearer(server: FakeOpenAI, path: str) -> None:
    server.will("hello")
    assert await ask(AzureSettings(server.root + path, api_key=KEY)) == "hello"
    seen = server.seen[0]
    assert seen.path == "/openai/v1/responses"
    assert seen.headers["Authorization"] == "Bearer azure-key"
    assert seen.body["max_output_tokens"] == 50


async def test_v1_takes_an_entra_token_afresh_for_every_call(server: FakeOpenAI) -> None:
    tokens = iter(("first", "second"))

    async def token() -> str:
        return next(tokens)

    await ask(AzureSettings(server.root, ad_token_source=token))
    assert server.seen[0].headers["Authorization"] == "Bearer first"
    await ask(AzureSettings(server.root, ad_token=SecretStr("fixed")))
    assert server.seen[1].headers["Authorization"] == "Bearer fixed"


async def test_the_classic_api_speaks_chat_with_deployment_and_version(server: FakeOpenAI) -> None:
    server.will(FakeAnswer("hello", empty_first=True))
    assert await ask(AzureSettings(server.root, api_key=KEY, api_version="2024-10-21")) == "hello"
    seen = server.seen[0]
    assert seen.path == "/openai/deployments/my-deployment/chat/completions"
    assert seen.headers["api-key"] == "azure-key"
    assert seen.body["max_completion_tokens"] == 50


async def test_a_missing_deployment_is_an_unknown_model(server: FakeOpenAI) -> None:
    server.will(FakeError(404, "DeploymentNotFound", "The API deployment for this resource does not exist."))
    with pytest.raises(UnknownModel):
        await ask(AzureSettings(server.root, api_key=KEY, api_version="2024-10-21"))
