"""What people may ask for: questions in a time, and tokens a day."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt

from bot.settings.sections import Section


class RoleLimits(Section):
    """What a role has instead of what everybody has; 0 is no limit."""

    questions_per_minute: NonNegativeInt | None = None
    questions_per_hour: NonNegativeInt | None = None
    tokens_per_day: NonNegativeInt | None = None


class LimitSettings(Section):
    """How much may be asked; 0 is no limit. Whoever reaches one is told when to come back."""

    questions_per_minute: NonNegativeInt = Field(0, description="Questions of one person in a minute.")
    questions_per_hour: NonNegativeInt = Field(0, description="Questions of one person in an hour.")
    tokens_per_day: NonNegativeInt = Field(0, description="Tokens that one person's questions may use in a day.")
    place_tokens_per_day: NonNegativeInt = Field(0, description="Tokens a day in one channel, of all together.")
    server_tokens_per_day: NonNegativeInt = Field(0, description="Tokens a day in one server, of all together.")
    moderators: bool = Field(True, description="Whether moderators may ask without limits, in channels.")
    roles: dict[str, RoleLimits] = Field(
        default_factory=dict,
        description="What members of a role may ask instead, the most generous role counts: `[limits.roles.'ID']` with "
        "`questions_per_minute`, `questions_per_hour` or `tokens_per_day`.",
    )

    @property
    def any(self) -> bool:
        """Whether anything is limited at all."""
        return bool(
            self.questions_per_minute
            or self.questions_per_hour
            or self.tokens_per_day
            or self.place_tokens_per_day
            or self.server_tokens_per_day
            or self.roles
        )
