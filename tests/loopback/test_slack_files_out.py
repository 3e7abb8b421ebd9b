"""Files that the bot sends on Slack, and what it says about those that cannot be sent."""

from __future__ import annotations

import pytest

from adapters.slack.testing import SCOPES, FakeSlack
from adapters.slack.uploads import MAX_FILE_BYTES, MAX_NAME
from bot.api import Button, File
from tests.loopback.slack_saying import hasty, speaking

NOTES = File("notes.txt", b"tea is hot", "text/plain")


def uploaded(slack: FakeSlack) -> list[tuple[str, bytes | None]]:
    return [(file.title, file.content) for file in slack.world.files.values() if file.shared]


async def test_files_stand_below_the_text_in_the_thread() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        question = await slack.says("the notes?")
        sent = await bot.says("Here they are.", files=(NOTES, File("more.md", b"# More")), to=bot.route(None, question))
        _, text, files = slack.screen(thread=question)
        assert [each.id for each in sent] == [text.ts]
        assert [file.name for file in files.files] == ["notes.txt", "more.md"]
        assert uploaded(slack) == [("notes.txt", b"tea is hot"), ("more.md", b"# More")]


async def test_a_large_file_arrives_whole() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        content = bytes(range(256)) * 12_000
        await bot.says(files=(File("large.bin", content),))
        assert uploaded(slack) == [("large.bin", content)]


async def test_a_file_needs_no_text() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        assert await bot.says(files=(NOTES,)) == ()
        (message,) = slack.screen()
        assert [file.content for file in message.files] == [b"tea is hot"]
        await bot.says(files=(NOTES,), buttons=(Button("ok", "OK"),))
        assert [bool(each.files) for each in slack.screen()] == [True, True, False]


async def test_what_cannot_be_sent_is_said() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        big = File("big.bin", bytes(MAX_FILE_BYTES + 1))
        await bot.says("Look:", files=(NOTES, File("empty.txt", b""), big))
        text, files, troubles = slack.screen()
        assert (text.seen, [file.name for file in files.files]) == ("Look:", ["notes.txt"])
        assert troubles.seen == "`empty.txt` is empty, so there is nothing to send.\n`big.bin` is too large to be sent."


async def test_at_most_ten_files_go_with_one_reply() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        await bot.says(files=[File(f"{number}.txt", b"x") for number in range(12)])
        files, troubles = slack.screen()
        assert len(files.files) == 10
        assert troubles.seen == "`10.txt` was one file too many.\n`11.txt` was one file too many."


@pytest.mark.parametrize("granted", [True, False])
async def test_without_the_scope_a_sentence_says_which_one_is_missing(granted: bool) -> None:
    async with hasty(scopes=SCOPES if granted else SCOPES - {"files:write"}) as slack, speaking(slack) as bot:
        slack.scopes.discard("files:write")
        await bot.says("Look:", files=(NOTES, NOTES))
        told, trouble = slack.answers()
        assert told == "Look:"
        assert trouble.startswith("I may not send files here: my app on Slack lacks the scope `files:write`. ")


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("files.getUploadURLExternal", {"status": 500}),
        ("files.getUploadURLExternal", {"status": 429, "retry_after": 20, "times": 2}),
        ("files.upload", {"status": 500}),
        ("files.upload", {"drop": True}),
        ("files.completeUploadExternal", {"status": 429, "retry_after": 20}),
        ("files.completeUploadExternal", {"status": 500}),
        ("files.completeUploadExternal", {"status": 500, "acted": True}),
        ("files.completeUploadExternal", {"drop": True, "acted": True}),
    ],
)
async def test_a_file_is_shown_once_whatever_goes_wrong_on_its_way(method: str, fault: dict[str, object]) -> None:
    async with hasty() as slack, speaking(slack) as bot:
        slack.fails(method, **fault)
        await bot.says("Look:", files=(NOTES,))
        text, files = slack.screen()
        assert (text.seen, [file.content for file in files.files]) == ("Look:", [b"tea is hot"])


async def test_a_file_that_slack_does_not_take_is_no_secret() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        slack.fails("files.upload", status=500, times=9)
        await bot.says("Look:", files=(NOTES,))
        assert slack.answers() == ["Look:", "I could not send `notes.txt`. Please try again."]
        slack.fails("files.completeUploadExternal", error="restricted_action")
        slack.faults.script[0].times = 0
        await bot.says("Look:", files=(NOTES,))
        assert slack.answers()[2:] == ["Look:", "I may not send `notes.txt` here."]


async def test_files_for_one_person_go_to_a_talk_with_them() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        await bot.says("Your export.", files=(NOTES,), private=True)
        whispers = [each.seen for each in slack.screen(viewer=slack.ada) if each.seen_by is slack.ada]
        assert whispers == ["Your export.", "📎 I sent you the files in a direct message."]
        (message,) = slack.screen(slack.direct())
        assert [file.content for file in message.files] == [b"tea is hot"]
        assert slack.answers() == []


async def test_files_for_one_person_go_nowhere_where_they_cannot_be_reached() -> None:
    async with hasty(scopes=SCOPES - {"im:write"}) as slack, speaking(slack) as bot:
        await bot.says("Your export.", files=(NOTES,), private=True)
        whispers = [each.seen for each in slack.screen(viewer=slack.ada) if each.seen_by is slack.ada]
        assert whispers == ["Your export.", "I may not send files here."]
        assert uploaded(slack) == []


async def test_a_name_is_no_path_and_no_mention_and_not_endless() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        names = ["../../etc/passwd", "<!channel> @here.txt", "a`b\n.md", "x" * 500, "\u200b"]
        await bot.says(files=[File(name, b"x") for name in names])
        shown = [title for title, _ in uploaded(slack)]
        assert shown[:3] == [".._.._etc_passwd", "‹!channel> @\u200bhere.txt", "a_b .md"]
        assert all(0 < len(title) <= MAX_NAME for title in shown)
        assert slack.pinged == []
