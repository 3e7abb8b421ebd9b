"""Taking up a broken answer: what a model says again is left out, and nothing else."""

from __future__ import annotations

# Repeating this much by chance is unlikely: characters, wide scripts counted double.
_SURE = 24
# Enough where the repetition begins a sentence, or where leaving it in would glue two words together.
_LIKELY = 12
# A word that was begun again shows itself by this many letters.
_WORD_START = 3
_LOOK_BACK = 20_000
# What models put before going on.
_LEAD = " \n…"


def join_resumed(said: str, continuation: str) -> str:
    """`said` and what a model wrote when asked to go on, without the words it repeated."""
    rejoin = Rejoin(said)
    return said + rejoin.feed(continuation) + rejoin.finish()


class Rejoin:
    """The same for a continuation that is still arriving: `feed` and `finish` return what to add to `said`.

    Text is held back only while it may still turn out to be a repetition.
    """

    def __init__(self, said: str) -> None:
        self._said = said[-_LOOK_BACK:]
        self._held: str | None = ""
        self._from = 0

    def feed(self, text: str) -> str:
        if self._held is None:
            return text
        self._held += text
        return "" if self._may_repeat() else self._release()

    def finish(self) -> str:
        return "" if self._held is None else self._release()

    def _may_repeat(self) -> bool:
        """Whether all that arrived is found in `said`, so that it may be the beginning of a longer repetition."""
        lead = (self._held or "").lstrip(_LEAD)
        if lead:
            self._from = self._said.find(lead, self._from)
        return self._from >= 0

    def _release(self) -> str:
        held = self._held or ""
        self._held = None
        return held[_overlap(self._said, held) :] if self._said else held


def _overlap(said: str, continuation: str) -> int:
    """How many characters at the beginning of `continuation` were said already."""
    lead = len(continuation) - len(continuation.lstrip(_LEAD))
    repeated = continuation[lead:]
    for end in (said, said.rstrip()):
        for length in _border_lengths(end, repeated):
            if _is_real(end, repeated, length, glued=lead == 0 and end == said):
                rest = lead + length
                if end != said:
                    rest += len(continuation[rest:]) - len(continuation[rest:].lstrip())
                return rest
    return 0


def _border_lengths(said: str, repeated: str) -> list[int]:
    """Lengths at which `said` ends with a beginning of `repeated`, longest first (Knuth, Morris, Pratt)."""
    pattern = repeated[: len(said)]
    if not pattern:
        return []
    fail = [0] * len(pattern)
    k = 0
    for i in range(1, len(pattern)):
        while k and pattern[i] != pattern[k]:
            k = fail[k - 1]
        if pattern[i] == pattern[k]:
            k += 1
        fail[i] = k
    k = 0
    for char in said[-len(pattern) :]:
        while k and (k == len(pattern) or char != pattern[k]):
            k = fail[k - 1]
        if char == pattern[k]:
            k += 1
    lengths = []
    while k:
        lengths.append(k)
        k = fail[k - 1]
    return lengths


def _is_real(said: str, repeated: str, length: int, *, glued: bool) -> bool:
    """Whether the model said the same again, rather than the text itself being repetitive."""
    start = len(said) - length
    if start and said[start - 1].isalnum() and repeated[0].isalnum():
        return False
    same = repeated[:length]
    # Twice already: a third time is how this text goes.
    if said.find(same) < start:
        return False
    glues = glued and said[-1].isalnum() and repeated[0].isalnum()
    weight = sum(2 if char > "\u2e7f" else 1 for char in same)
    if weight >= _SURE:
        return True
    before = said[:start].rstrip(" ")
    begins = not before or before[-1] in "\n.!?…:。！？"
    if weight >= _LIKELY and (begins or glues):
        return True
    return glues and length >= _WORD_START and same.isalnum()
