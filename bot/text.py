"""Markdown-aware measuring and splitting: parts within a limit, fences closed and reopened, no character lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Measure: TypeAlias = Callable[[str], int]


def split(text: str, limit: int, measure: Measure = len) -> tuple[str, ...]:
    """`text` in parts of at most `limit`, cut at paragraph, line, sentence or word, fences closed and reopened."""
    raise NotImplementedError


def close_markers(text: str) -> str:
    """A half-written text as it can be shown: what is open is closed, a half-arrived marker is left out."""
    raise NotImplementedError


def clip(text: str, limit: int, measure: Measure = len) -> str:
    """At most `limit`, with an ellipsis where something was cut."""
    raise NotImplementedError


def join_resumed(said: str, continuation: str) -> str:
    """`said` and what a model wrote when asked to go on, without the words it repeated."""
    raise NotImplementedError
