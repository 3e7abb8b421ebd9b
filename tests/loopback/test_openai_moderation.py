"""Moderation through the real openai client, and in a whole bot on Discord."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.discord.testing import FakeDiscord
from bot.errors import ModelError, WrongKey
from bot.events import Place
from bot.model import OpenAISettings, open_provider
from bot.model.moderation import Verdict
from bot.model.registry import Registry
from bot.model.scripted import Scripted
from bot.testing.openai_server import FakeError, FakeOpenAI, rate_limited, wrong_key
from plugins.commands import plugin as commands
from plugins.moderation import plugin as moderation
from tests.loopback.whole_bot import whole_bot

HERE, ELSEWHERE = Place("fake", "ours", "c"), Place("fake", "theirs", "c")


def judged(text: str) -> tuple[str, ...]:
    return ("self-harm", "violence") if "grue" in text else ()


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(moderation=judged) as server:
        yield server


def provider(server: FakeOpenAI, name: str = "openai"):  # type: ignore[no-untyped-def] # a provider
    return open_provider(OpenAISettings(name=name, api_key=SecretStr("k"), base_url=server.url))


async def test_texts_are_judged(server: FakeOpenAI) -> None:
    async with Registry([Scripted(), provider(server)]) as registry:
        assert await registry.moderate("bread") == Verdict(False)
        assert await registry.moderate("a \ud800 grue") == Verdict(True, ("self-harm", "violence"))
    assert server.moderated == ["bread", "a \N{REPLACEMENT CHARACTER} grue"]


@pytest.mark.parametrize("error", [wrong_key(), FakeError(400, "bad", "nonsense")])
async def test_what_goes_wrong_is_an_error(server: FakeOpenAI, error: FakeError) -> None:
    server.moderates = error
    async with Registry([provider(server)]) as registry:
        with pytest.raises(ModelError) as caught:
            await registry.moderate("bread")
    assert isinstance(caught.value, WrongKey) == (error.status == 401)


async def test_a_server_without_moderation_leaves_it_to_the_next(server: FakeOpenAI) -> None:
    async with FakeOpenAI(moderates=FakeError(404, None, "Not Found")) as plain:
        async with Registry([provider(plain, "compatible"), provider(server)]) as registry:
            assert (await registry.moderate("a grue")).flagged
        async with Registry([provider(plain), Scripted()]) as registry:
            with pytest.raises(ModelError) as caught:
                await registry.moderate("a grue")
    assert caught.value.public == "None of my providers can check texts: moderation needs a key of OpenAI."


async def test_a_servers_own_key_pays_for_its_checks(server: FakeOpenAI) -> None:
    async with FakeOpenAI() as own:
        registry = Registry([provider(server)])
        registry.add(provider(own, "openai@fake:ours"), server="fake:ours", instead_of="openai")
        async with registry:
            await registry.at(HERE).moderate("bread")
            await registry.at(ELSEWHERE).moderate("milk")
    assert (own.moderated, server.moderated) == (["bread"], ["milk"])


async def test_a_busy_moderation_is_asked_again() -> None:
    class Relenting(FakeOpenAI):
        refused = 0

        @property
        def moderates(self) -> FakeError | None:
            self.refused += 1
            return rate_limited(0.01) if self.refused == 1 else None

        @moderates.setter
        def moderates(self, error: FakeError | None) -> None:
            pass

    async with Relenting() as busy, Registry([provider(busy)]) as registry:
        assert not (await registry.moderate("bread")).flagged
    assert busy.refused == 2


async def test_a_whole_bot_with_moderation(tmp_path: Path) -> None:
    plugins = (commands, moderation)
    async with (
        FakeDiscord() as discord,
        FakeOpenAI(moderation=judged) as model,
        whole_bot(tmp_path, discord, model, plugins=plugins) as bot,
    ):
        (refused,) = await bot.asked("@bot where is the grue?")
        assert "I would rather not talk about that." in refused
        assert model.seen == []
        model.will("Bread is good. " * 30 + "But then came the grue.")
        (ended,) = await bot.asked("@bot tell me about bread")
        assert ended.startswith("Bread is good.")
        assert "did not pass the moderation of this place" in ended
        assert "grue" not in ended
        model.will("Fine.")
        assert await bot.asked("@bot and you?") == ["Fine."]
        assert "grue" not in str(model.seen[-1].body)
