"""The small line below an answer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.footer import footer, money
from bot.replies import Done
from bot.turn import Usage


def test_the_footer_says_what_is_known() -> None:
    done = Done("stop", Usage(200, 312, cached=120), "m", 4.1, 0.6, Decimal("0.0004"))
    assert " · ".join(footer(done)) == "312 tokens · 60 % cached · 4.1 s · 89 tok/s · first token 0.6 s · $0.0004"


@pytest.mark.parametrize(
    ("done", "parts"),
    [
        (Done("stop"), []),
        (Done("stopped"), ["stopped"]),
        (
            Done("length", Usage(1, 1), seconds=0.0, first_token=0.0, cost=Decimal(0)),
            ["cut off", "1 token", "0.0 s", "first token 0.0 s", "free"],
        ),
        (
            Done("stop", Usage(1, 30, estimated=True), seconds=4.0, cost=Decimal(2)),
            ["~30 tokens", "4.0 s", "~7.5 tok/s", "~$2.00"],
        ),
    ],
)
def test_the_footer_leaves_out_what_is_not_known(done: Done, parts: list[str]) -> None:
    assert footer(done) == parts


def test_a_price_that_is_not_known_is_not_free() -> None:
    assert footer(Done("stop", Usage(1, 30))) == ["30 tokens", "price unknown"]


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [("0", "free"), ("0.00001", "<$0.0001"), ("0.0123", "$0.0123"), ("1.5", "$1.50"), ("1234.5", "$1,234.50")],
)
def test_money(dollars: str, shown: str) -> None:
    assert money(Decimal(dollars)) == shown
