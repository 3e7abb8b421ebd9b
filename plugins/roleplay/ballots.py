"""What an audience votes on, and how the votes are counted."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

LEAST_OPTIONS, MOST_OPTIONS, LONGEST_OPTION = 2, 5, 120
# Of more people than that the first count.
MOST_VOTERS = 1_000
SIGNS = ("1️⃣", "2️⃣", "3️⃣", "4️⃣", "5️⃣")
_NAMES = ("one", "two", "three", "four", "five")


class Ballot(BaseModel):
    """What may happen next. Without `options` a model is asked for some, and before it has a `message` nobody can vote.
    `votes` are numbers of options, from 0, by the ids of people: everybody has one."""

    model_config = ConfigDict(frozen=True)

    options: tuple[str, ...] = ()
    seconds: float = Field(60.0, ge=0)
    message: tuple[str, str] | None = None
    votes: dict[str, int] = Field(default_factory=dict)

    def with_vote(self, user: str, option: int) -> Ballot:
        """The newest counts."""
        if not 0 <= option < len(self.options) or (user not in self.votes and len(self.votes) >= MOST_VOTERS):
            return self
        return self.model_copy(update={"votes": {**self.votes, user: option}})

    def without_vote(self, user: str, option: int) -> Ballot:
        """Taking back an earlier choice leaves the newer one."""
        if self.votes.get(user) != option:
            return self
        return self.model_copy(update={"votes": {id: vote for id, vote in self.votes.items() if id != user}})

    @property
    def winners(self) -> tuple[str, ...]:
        """Several where it is a tie, none where nobody voted."""
        counts = [sum(vote == at for vote in self.votes.values()) for at in range(len(self.options))]
        most = max(counts, default=0)
        return tuple(text for text, count in zip(self.options, counts, strict=True) if most and count == most)


def option_of(emoji: str) -> int | None:
    """The number of the option that a reaction means, from 0. Some send names instead of signs."""
    bare = emoji.replace("\ufe0f", "").strip(":").casefold()
    for at, (sign, name) in enumerate(zip(SIGNS, _NAMES, strict=True)):
        if bare in (sign.replace("\ufe0f", ""), name):
            return at
    return None


def options_in(text: str) -> tuple[str, ...]:
    """`a | b | c`, each on one line and once."""
    found = (" ".join(part.split())[:LONGEST_OPTION] for part in text.split("|"))
    return tuple(dict.fromkeys(part for part in found if part))
