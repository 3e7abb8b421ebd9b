"""Files that people attach become part of what they said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.attachments import MAX_BYTES, with_attachments
from bot.events import Attachment, Message, Place, Route, User
from bot.testing.adapter import FakeAdapter


async def told(content: bytes) -> str:
    adapter = FakeAdapter()
    adapter.files["f"] = content
    file = Attachment("notes.txt", "text/plain", len(content), "f")
    event = Message(
        id="1", user=User("u", "Ann"), route=Route(Place("fake", "w", "c")), at=datetime.now(UTC), text="Look:",
        addressed=True, attachments=(file,),
    )  # fmt: skip
    text, parts = await with_attachments(event, adapter)
    assert parts == {"said": 5}
    return text


@pytest.mark.parametrize(
    ("content", "fence"),
    [("plain", "```"), ("a `b` ``c``", "```"), ("```py\n1\n```", "````"), ("a ````` b ``` c", "``````")],
)
async def test_no_file_can_end_its_own_fence(content: str, fence: str) -> None:
    assert await told(content.encode()) == f"Look:\n\nnotes.txt:\n{fence}\n{content}\n{fence}"


async def test_a_file_of_backticks_alone_is_fenced_in_one_pass() -> None:
    """Looking for ever longer fences, one by one, held up the whole bot for half a minute."""
    content = b"`" * MAX_BYTES
    assert (await told(content)).count("`") == 3 * MAX_BYTES + 2
