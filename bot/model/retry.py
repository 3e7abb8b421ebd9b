"""Whether and when a call that failed before its first text is made again."""

from __future__ import annotations

import random

from bot.errors import ModelError, ModelTimeout, NoQuota, RateLimited
from bot.model.settings import Retry


class Pauses:
    """Of one answer. All pauses together stay within the patience; who would have to wait longer is told at once."""

    def __init__(self, retry: Retry, chance: random.Random) -> None:
        self._retry = retry
        self._chance = chance
        self._failed = 0
        self._paused = 0.0

    def after(self, error: ModelError) -> float | None:
        """Seconds to wait before the next try, None when there is none.

        A timeout is not repeated: people have waited long enough by then.
        """
        self._failed += 1
        if not error.retryable or isinstance(error, ModelTimeout | NoQuota) or self._failed >= self._retry.attempts:
            return None
        pause: float = min(self._retry.first_pause * 2.0 ** (self._failed - 1), self._retry.longest_pause)
        pause *= 0.75 + self._chance.random() / 2
        if isinstance(error, RateLimited) and error.retry_after is not None:
            pause = max(error.retry_after, 0.0) + self._chance.random() * 0.25
        if self._paused + pause > self._retry.patience:
            return None
        self._paused += pause
        return pause
