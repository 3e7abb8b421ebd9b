"""What can be set about exports: `[plugins.export]`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ExportSettings(BaseModel):
    """What the bot is called in a transcript, and how long making one may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_name: str = Field(
        "Duologue", min_length=1, max_length=80, description="What the bot is called in transcripts of what it said."
    )
    minutes: float = Field(10.0, gt=0, le=60, description="After so many minutes an export that is not ready is ended.")
