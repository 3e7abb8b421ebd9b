"""How long things take and are waited for, in seconds; tests are quicker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """`short_answer`: an answer that is complete so soon after its first text is simply posted. `status_after`: so long
    nothing is told of thinking. `hear_within` is how long an event may be looked into before it must be acknowledged;
    Slack gives three seconds. A connection is deaf when nothing came on it for `deaf_after`, asked every `ping_every`;
    it is renewed after `renew_after` in any case. `reconnect_after` is the first wait before a next attempt.
    `fill_after` its start the bot asks who is there."""

    short_answer: float = 0.3
    status_after: float = 0.3
    hear_within: float = 2.0
    ping_every: float = 5.0
    deaf_after: float = 20.0
    renew_after: float = 3600.0
    reconnect_after: float = 1.0
    fill_after: float = 0.5
