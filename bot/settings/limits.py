"""What people may ask for: questions in a time, tokens a day, dollars a day and a month."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeAlias

from pydantic import Field, NonNegativeInt

from bot.settings.sections import Section

Dollars: TypeAlias = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
FREE = Decimal(0)


class RoleLimits(Section):
    """What a role has instead of what everybody has; 0 is no limit."""

    questions_per_minute: NonNegativeInt | None = None
    questions_per_hour: NonNegativeInt | None = None
    tokens_per_day: NonNegativeInt | None = None
    dollars_per_day: Dollars | None = None
    dollars_per_month: Dollars | None = None


class LimitSettings(Section):
    """How much may be asked; 0 is no limit. Whoever reaches one is told when to come back."""

    questions_per_minute: NonNegativeInt = Field(0, description="Questions of one person in a minute.")
    questions_per_hour: NonNegativeInt = Field(0, description="Questions of one person in an hour.")
    tokens_per_day: NonNegativeInt = Field(0, description="Tokens that one person's questions may use in a day.")
    place_tokens_per_day: NonNegativeInt = Field(0, description="Tokens a day in one channel, of all together.")
    server_tokens_per_day: NonNegativeInt = Field(0, description="Tokens a day in one server, of all together.")
    dollars_per_day: Dollars = Field(
        FREE,
        description="US dollars that one person's questions may cost in a day. What a model costs whose price is not "
        "known counts to no budget.",
    )
    dollars_per_month: Dollars = Field(FREE, description="The same in a month, which begins with its first day.")
    place_dollars_per_day: Dollars = Field(FREE, description="US dollars a day in one channel, of all together.")
    place_dollars_per_month: Dollars = Field(FREE, description="US dollars a month in one channel.")
    server_dollars_per_day: Dollars = Field(FREE, description="US dollars a day in one server, of all together.")
    server_dollars_per_month: Dollars = Field(FREE, description="US dollars a month in one server.")
    moderators: bool = Field(True, description="Whether moderators may ask without limits, in channels.")
    roles: dict[str, RoleLimits] = Field(
        default_factory=dict,
        description="What members of a role may ask instead, the most generous role counts: `[limits.roles.'ID']` with "
        "`questions_per_minute`, `questions_per_hour`, `tokens_per_day`, `dollars_per_day` or `dollars_per_month`.",
    )

    @property
    def any(self) -> bool:
        """Whether anything is limited at all."""
        given = (getattr(self, name) for name in type(self).model_fields if name not in ("moderators", "roles"))
        return bool(self.roles) or any(given)

    @property
    def dollars(self) -> bool:
        """Whether any budget is in dollars."""
        mine = (getattr(self, name) for name in type(self).model_fields if "dollars" in name)
        return any(mine) or any(role.dollars_per_day or role.dollars_per_month for role in self.roles.values())
