"""What a process of its own is told to do, as one line of JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter

from plugins.export.wanted import Wanted


class ToExport(BaseModel):
    """`folder` is where the files go, `zone` where the people live, `plugins` those that the bot runs, where the format
    may be of one of them."""

    task: Literal["export"] = "export"
    place: str
    format: str
    wanted: Wanted
    folder: Path
    zone: str = "UTC"
    plugins: tuple[str, ...] = ()
    most_bytes: int = 0
    now: datetime | None = None


class ToImport(BaseModel):
    """`file` is read, and `named` in what is said about it."""

    task: Literal["import"] = "import"
    place: str
    file: Path
    folder: Path
    language: str = "en"


Task = Annotated[ToExport | ToImport, Field(discriminator="task")]
TASK: TypeAdapter[ToExport | ToImport] = TypeAdapter(Task)
