"""Counting tokens: exact, estimated, calibrated, and never by way of the network."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.tokens import CACHE_FILE, CHUNK, Tokens, default_cache_dir, estimate, fill_cache, is_filled
from bot.turn import PromptMessage, ToolCall


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vocabulary")
    fill_cache(folder)
    return folder


@pytest.fixture
async def exact(vocabulary: Path) -> Tokens:
    tokens = Tokens(vocabulary)
    assert await tokens.load()
    return tokens


def refuse_download(cache_dir: Path) -> None:
    raise AssertionError("nothing may be downloaded here")


async def test_counts_are_exact_once_loaded(exact: Tokens) -> None:
    assert exact.exact
    assert exact.count("hello world") == 2
    assert exact.count("") == 0
    assert exact.count("<|endoftext|>") > 1, "people may write it, and then it is text"
    assert exact.count("\ud800") > 0


async def test_a_message_costs_its_text_and_a_little_more(exact: Tokens) -> None:
    plain = exact.count_message(PromptMessage("user", "hello world"))
    assert plain == 2 + 3
    assert exact.count_message(PromptMessage("user", "hello world", name="Ann")) == plain + 1 + exact.count("Ann")
    call = PromptMessage("assistant", "", tool_calls=(ToolCall("1", "roll", '{"sides": 20}'),))
    assert exact.count_message(call) > exact.count("roll") + exact.count('{"sides": 20}')
    assert exact.count_messages([PromptMessage("user", "hello world")] * 2) == 2 * plain + 3


async def test_long_texts_are_counted_like_short_ones(exact: Tokens) -> None:
    sentence = " The quick brown fox jumps over the lazy dog."
    many = 4 * CHUNK // len(sentence)
    assert exact.count(sentence * many) == pytest.approx(exact.count(sentence) * many, rel=0.01)
    assert await exact.measure(sentence * 5_000) == exact.count(sentence * 5_000)


@pytest.mark.parametrize("run", ["a", "^", " ", "\n", "漢", "0", "ab"])
async def test_a_run_without_words_is_counted_in_pieces(exact: Tokens, run: str) -> None:
    assert exact.count(run * 300_000) == pytest.approx(exact.count(run * CHUNK) * 300_000 / CHUNK, rel=0.05)


async def test_without_a_vocabulary_counts_are_estimates_and_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = Tokens(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert not await tokens.load()
        assert [tokens.count("hello world") for _ in range(3)] == [3, 3, 3]
    assert not tokens.exact
    assert len(caplog.records) == 1
    assert "duologue setup" in caplog.text


async def test_a_damaged_vocabulary_is_not_used(tmp_path: Path, vocabulary: Path) -> None:
    content = bytearray((vocabulary / CACHE_FILE).read_bytes())
    content[1000] ^= 1
    (tmp_path / CACHE_FILE).write_bytes(content)
    assert not is_filled(tmp_path)
    assert not await Tokens(tmp_path).load()
    assert "unpacked" in fill_cache(tmp_path, download=refuse_download)
    assert await Tokens(tmp_path).load()


def test_a_filled_cache_is_left_alone(vocabulary: Path) -> None:
    before = (vocabulary / CACHE_FILE).stat().st_mtime_ns
    assert "already" in fill_cache(vocabulary, download=refuse_download)
    assert (vocabulary / CACHE_FILE).stat().st_mtime_ns == before


def test_what_was_downloaded_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.tokens._packaged", lambda: None)

    def wrong(cache_dir: Path) -> None:
        (cache_dir / CACHE_FILE).write_bytes(b"aGVsbG8= 1\n")

    def offline(cache_dir: Path) -> None:
        raise ConnectionError

    with pytest.raises(OSError, match="not the expected"):
        fill_cache(tmp_path, download=wrong)
    with pytest.raises(OSError, match="could not be downloaded"):
        fill_cache(tmp_path, download=offline)


async def test_the_environment_is_left_as_it_was(vocabulary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "/elsewhere")
    await Tokens(vocabulary).load()
    assert os.environ["TIKTOKEN_CACHE_DIR"] == "/elsewhere"
    assert default_cache_dir() == Path("/elsewhere")
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    await Tokens(vocabulary).load()
    assert "TIKTOKEN_CACHE_DIR" not in os.environ
    assert default_cache_dir().name == "tiktoken"


SAMPLES = {
    "English": "It was a bright cold day in April, and the clocks were striking thirteen. Everyone stayed inside.",
    "German": "Die Katze lief über die Straße und verschwand hinter dem alten Haus, wo niemand mehr wohnte.",
    "Russian": "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.",
    "Chinese": "今天天气很好，我们去公园散步吧。路上看到了很多花，还有一只小猫在睡觉。",
}


@pytest.mark.parametrize("language", SAMPLES)
async def test_the_estimate_of_prose_is_near_and_rather_high(exact: Tokens, language: str) -> None:
    real = exact.count(SAMPLES[language])
    assert 0.9 <= estimate(SAMPLES[language]) / real <= 2.5


async def test_the_estimate_knows_that_symbols_cost_more(exact: Tokens) -> None:
    numbers = '{"id": 8812047, "values": [12, 443, 9071, 22], "ok": 1}' * 20
    assert estimate(numbers) > len(numbers) / 4
    assert 0.6 <= estimate(numbers) / exact.count(numbers) <= 1.3


@given(st.text(st.characters(exclude_categories=())))
def test_an_estimate_never_fails_and_is_never_zero_for_text(text: str) -> None:
    assert (estimate(text) > 0) == bool(text)


def test_calibration_follows_the_provider_within_bounds() -> None:
    tokens = Tokens(Path("/nowhere"))
    assert tokens.calibrated(100, "a", "m") == 100
    assert tokens.calibrate("a", "m", counted=100, real=120) == pytest.approx(1.2)
    assert tokens.calibrate("a", "m", counted=100, real=100) == pytest.approx(1.16)
    assert tokens.calibrated(100, "a", "m") == 116
    assert tokens.factor("a", "other") == 1.0
    for _ in range(50):
        tokens.calibrate("a", "m", counted=10, real=1_000)
        tokens.calibrate("b", "m", counted=1_000, real=10)
    assert tokens.factor("a", "m") == 1.5
    assert tokens.factor("b", "m") == 0.7
    assert tokens.calibrate("a", "m", counted=0, real=5) == 1.5
