"""What calls cost."""

from __future__ import annotations

from decimal import Decimal

from bot.model.prices import Prices, UnitPrices
from bot.turn import Usage


def test_published_prices_count_cached_tokens_apart() -> None:
    usage = Usage(input=1_000, output=50, cached=200)
    cost, units = Prices().of("openai", "gpt-6-luna", usage, price_list="openai")
    assert cost == Decimal("0.000107")
    assert (units["input"], units["cached"], units["output"]) == ("0.1", "0.01", "0.5")


def test_long_questions_cost_more_where_the_list_says_so() -> None:
    short, _ = Prices().of("openai", "gpt-6-luna", Usage(input=100_000), price_list="openai")
    long, _ = Prices().of("openai", "gpt-6-luna", Usage(input=300_000), price_list="openai")
    assert short is not None
    assert long is not None
    assert long > 3 * short


def test_an_unknown_price_is_unknown_and_never_zero() -> None:
    usage = Usage(input=10, output=10)
    for model, price_list in (
        ("gpt-0", "openai"),
        ("my-deployment", "azure"),
        ("gpt-6-luna", "http://127.0.0.1:9/v1"),
        ("gpt-6-luna", None),
    ):
        assert Prices().of("x", model, usage, price_list=price_list) == (None, {})


def test_the_embedded_model_is_free() -> None:
    assert Prices().of("local", "m", Usage(input=10), price_list="free")[0] == Decimal(0)


def test_own_prices_win() -> None:
    own = Prices(
        {
            "openai/gpt-6-luna": UnitPrices(Decimal(1), Decimal(2), cached=Decimal("0.5")),
            "house/*": UnitPrices(Decimal(3), Decimal(4)),
        }
    )
    usage = Usage(input=1_000_000, output=1_000_000, cached=500_000)
    cost, units = own.of("openai", "gpt-6-luna", usage, price_list="openai")
    assert cost == Decimal("2.75")
    assert units == {"input": "1", "output": "2", "cached": "0.5", "source": "settings"}
    assert own.of("house", "anything", usage, price_list=None)[0] == Decimal(7)


def test_what_is_written_into_a_cache_has_a_price_of_its_own() -> None:
    usage = Usage(input=1_000_000, output=1_000_000, cached=500_000, cache_writes=250_000, reasoning=400_000)
    units = UnitPrices(Decimal(4), Decimal(8), cached=Decimal(1), cache_writes=Decimal(6))
    # 250,000 at 4, 500,000 at 1, 250,000 at 6; what a model thinks is part of its output.
    assert Prices({"house/*": units}).of("house", "m", usage, price_list=None)[0] == Decimal("11")
    assert Prices({"house/*": UnitPrices(Decimal(4), Decimal(8))}).of("house", "m", usage, price_list=None)[0] == 12


def test_counts_that_contradict_each_other_have_no_price() -> None:
    assert Prices().of("o", "gpt-6-luna", Usage(input=5, cached=50), price_list="openai")[0] is None


def test_context_windows_come_from_the_same_list() -> None:
    assert Prices().context_window("gpt-6-luna", "openai") == 1_050_000
    assert Prices().context_window("gpt-0", "openai") is None
    assert Prices().context_window("m", "free") is None
