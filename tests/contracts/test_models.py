"""Every language model of ours keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from bot.commands import Tool
from bot.events import Place
from bot.model import OpenAISettings, open_provider
from bot.model.registry import Registry
from bot.model.scripted import Scripted
from bot.replies import Done, Piece, Text
from bot.testing.model_contract import ModelContract
from bot.testing.openai_server import FakeOpenAI
from bot.tools import with_tools
from bot.turn import LanguageModel, ModelChoice, Prompt, PromptMessage, Turn

ANSWER = "There is a table, and on it stands a bowl of cherries."


def a_turn(provider: str) -> Turn:
    return Turn(
        Place("contract", "home", "kitchen"),
        Prompt((PromptMessage("system", "You are kind."), PromptMessage("user", "Say something."))),
        ModelChoice(provider, "model"),
    )


class TestScripted(ModelContract):
    @pytest.fixture
    def model(self) -> LanguageModel:
        return Scripted(lambda prompt: ANSWER)


class TestWithTools(ModelContract):
    @pytest.fixture
    def model(self) -> LanguageModel:
        async def run(tool: Tool, arguments: dict[str, Any]) -> str:
            return ""

        return with_tools(Scripted(lambda prompt: ANSWER), run)


class TestPluginModel(ModelContract):
    @pytest.fixture
    def turn(self) -> Turn:
        return a_turn("echo")

    @pytest.fixture
    def model(self) -> LanguageModel:
        async def echo(turn: Turn) -> AsyncIterator[Piece]:
            for word in turn.prompt.messages[-1].text.split():
                yield Text(word)
            yield Done("stop")

        registry = Registry()
        registry.add_model("echo", echo)
        return registry.stream


class TestOpenAI(ModelContract):
    @pytest.fixture
    def turn(self) -> Turn:
        return a_turn("openai")

    @pytest.fixture(params=["responses", "chat"])
    async def model(self, request: pytest.FixtureRequest) -> AsyncIterator[LanguageModel]:
        async with FakeOpenAI(ANSWER) as server:
            settings = OpenAISettings(api_key=SecretStr("k"), base_url=server.url, api=request.param)
            async with Registry([open_provider(settings)]) as registry:
                yield registry.stream
