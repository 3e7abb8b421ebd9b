"""What can be set about role-play."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RoleplaySettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    personas: Path | None = Field(
        Path("config/personas"),
        description="A folder of personas that all servers have, each a `.toml` file. They are not changed from chat.",
    )
    who: Literal["anyone", "moderators"] = Field(
        "anyone", description="Who may create and import personas. They are changed by whoever did, and by moderators."
    )
    notice_cards: bool = Field(
        True, description="Whether a character card that is dropped into a channel is noticed, and its import offered."
    )
