"""Calls that Discord refused, and what to do about them before it bans the machine's address."""

from __future__ import annotations

import logging
import re
from collections import Counter

from bot.api import Caution, Refusals

log = logging.getLogger(__name__)

# Discord shuts an address out for a while after so many calls that it refused within so many seconds.
REFUSALS_BORNE, WITHIN = 10_000, 600.0
# What is held against the bot; 429s of a limit that others use up are not.
HELD_AGAINST = {401, 403, 429}

_MEANS = {
    Caution.STRETCHED: "Live answers are shown in fewer steps.",
    Caution.ESSENTIAL: "Answers begin, and are shown whole when they are complete.",
    Caution.STOPPED: "Nothing is called until that is less: answers wait.",
}
_REMEDIES = {
    401: "Most were 401, a wrong token: set DISCORD_TOKEN anew and restart.",
    403: "Most were 403, missing permissions: `duologue manifest discord` prints a link that invites the bot with all "
    "it needs; discord.deny_channels keeps it out of channels.",
    429: "Most were 429, too many calls: make sure that nothing else runs with the same token.",
}
# Webhooks' and interactions' tokens are secrets.
_TOKEN = re.compile(r"(/(?:webhooks|interactions)/\d+)/[^/]+")


class RefusedCalls:
    """Counts them, and says once per level of caution how many there were, which, and what helps."""

    def __init__(self, borne: int) -> None:
        self.refusals = Refusals(borne, WITHIN)
        self._said = Caution.NONE
        self._of: Counter[int] = Counter()

    def add(self, status: int, method: str, path: str, now: float) -> None:
        refusals = self.refusals
        refusals.add(now)
        count, caution = refusals.count(now), refusals.caution(now)
        if count <= refusals.limit // 20:
            # It is long over, or has only begun.
            self._said = Caution.NONE
            self._of.clear()
        self._of[status] += 1
        if caution <= self._said:
            return
        self._said = caution
        most, _ = self._of.most_common(1)[0]
        log.log(
            logging.ERROR if caution is Caution.STOPPED else logging.WARNING,
            "Discord has refused %d calls in the last %.0f minutes, now %s %s; at %d it shuts this machine's address "
            "out. %s %s",
            *(count, refusals.within / 60, method, _TOKEN.sub(r"\1/…", path), refusals.limit),
            *(_MEANS[caution], _REMEDIES[most]),
        )
