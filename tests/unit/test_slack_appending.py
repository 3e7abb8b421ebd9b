"""Native streams in virtual time: what people see of an answer, and when."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from adapters.slack.budgets import START, STOP, UPDATE
from adapters.slack.escaping import from_markdown_text
from adapters.slack.lengths import MAX_TEXT, mrkdwn_length
from adapters.slack.markup import to_mrkdwn
from bot.api import (
    Button,
    Controls,
    Done,
    EditedStream,
    Notice,
    SentId,
    Shown,
    Text,
    ToolEnd,
    ToolStart,
)
from bot.testing.clock import run_virtual
from bot.testing.stream_contract import StreamUnderTest, stream_contract
from tests.unit.slack_stage import Stage, never_backwards, said_on, speak, words


def test_the_first_words_come_at_once_and_the_rest_every_second() -> None:
    async def main() -> Stage:
        stage = Stage()
        await speak(stage, words(300))
        return stage

    stage = run_virtual(main())
    (post,) = stage.posts.values()
    assert post.seen[0][0] <= 0.5
    assert max(b - a for (a, _), (b, _) in pairwise(post.seen)) <= 1.5
    assert post.seen[-1][0] <= 30.0 + 0.5
    assert said_on(stage) == list(range(300))
    assert stage.streaming == []
    assert (stage.made(START), stage.made(STOP), stage.made(UPDATE)) == (1, 1, 0)


def test_a_short_answer_needs_no_stream() -> None:
    async def main() -> Stage:
        stage = Stage()
        async with stage.native() as stream:
            await stream.write(Controls((Button("again", "Again"),)))
            await stream.write(Text("Yes."))
        stage.budgets.close()
        assert stream.sent == tuple(SentId(id) for id in stage.posts)
        return stage

    stage = run_virtual(main())
    assert [name for name, _ in stage.calls] == ["chat.postMessage"]
    assert [(post.text, post.buttons) for post in stage.posts.values()] == [("Yes.", ["Again"])]


def test_nothing_said_shows_nothing() -> None:
    async def main() -> Stage:
        stage = Stage()
        await speak(stage, ["", " \n"])
        return stage

    assert run_virtual(main()).screen == []


def test_a_long_answer_goes_on_in_more_messages_with_whole_blocks() -> None:
    text = "".join(
        f"Paragraph w{2 * n} & co.\n\n```py\nif x < {n}:  # w{2 * n + 1}\n    pass\n```\n\n" for n in range(450)
    )
    assert len(text) > 25_000

    async def main() -> Stage:
        stage = Stage()
        await speak(stage, [text[at : at + 40] for at in range(0, len(text), 40)], every=0.05)
        return stage

    stage = run_virtual(main())
    assert len(stage.screen) >= 3
    assert said_on(stage) == list(range(900))
    assert all(len(shown) <= 12_000 and shown.count("```") % 2 == 0 for shown in stage.screen)
    assert never_backwards(stage)
    assert stage.streaming == []


def test_a_block_that_is_longer_than_a_message_is_closed_and_opened_again() -> None:
    text = "See:\n```py\n" + "".join(f"x = w{n}\n" for n in range(2000)) + "```\nDone."

    async def main() -> Stage:
        stage = Stage()
        await speak(stage, [text[at : at + 60] for at in range(0, len(text), 60)], every=0.05)
        return stage

    stage = run_virtual(main())
    assert len(stage.screen) == 2
    assert stage.screen[0].endswith("\n```")
    assert stage.screen[1].startswith("```py\n")
    assert said_on(stage) == list(range(2000))


def test_thirty_thousand_characters_at_once_are_complete() -> None:
    async def main() -> Stage:
        stage = Stage()
        await speak(stage, ["".join(words(6000))], every=0)
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(6000))
    assert stage.streaming == []


def test_a_stream_is_renewed_before_it_dies() -> None:
    async def main() -> Stage:
        stage = Stage()
        await speak(stage, [word + ("\n\n" if n % 20 == 0 else "") for n, word in enumerate(words(1400))], every=0.5)
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(1400))
    assert stage.made(START) >= 3
    assert stage.made(UPDATE) == 0, "one died before it was closed"
    assert never_backwards(stage)


def test_a_model_that_thinks_for_ten_minutes_finds_its_stream_closed_and_goes_on() -> None:
    async def main() -> Stage:
        stage = Stage()
        async with stage.native() as stream:
            await stream.write(Text("before\n```\nw0"))
            await stage.clock.sleep(600)
            assert stage.streaming == []
            await stream.write(Text(" w1\n```\nafter"))
            await stage.clock.sleep(5)
        stage.budgets.close()
        return stage

    stage = run_virtual(main())
    assert stage.screen == ["before\n```\nw0\n```", "```\n w1\n```\nafter"]
    assert stage.made(UPDATE) == 0


@pytest.mark.parametrize(
    ("error", "mark"), [(asyncio.CancelledError(), "interrupted"), (LookupError(), "something went wrong")]
)
def test_an_answer_that_breaks_off_is_closed_and_says_so(error: BaseException, mark: str) -> None:
    async def main() -> Stage:
        stage = Stage()

        async def break_off() -> None:
            async with stage.native() as stream:
                await stream.write(Text("Half `an"))
                await stage.clock.sleep(3)
                raise error

        with pytest.raises(type(error)):
            await break_off()
        stage.budgets.close()
        return stage

    stage = run_virtual(main())
    (shown,) = stage.screen
    assert shown.startswith("Half `an")
    assert mark in shown
    assert stage.streaming == []


def test_tools_are_shown_while_they_work_and_buttons_at_the_end() -> None:
    async def main() -> Stage:
        stage = Stage()
        async with stage.native() as stream:
            await stream.write(ToolStart("1", "quick", "{}"))
            await stream.write(ToolEnd("1", "quick", "ok"))
            await stream.write(ToolStart("2", "slow", "{}"))
            await stage.clock.sleep(2)
            (post,) = stage.posts.values()
            assert post.cards == {"2": "in_progress"}
            await stream.write(ToolEnd("2", "slow", "ok"))
            await stream.write(ToolStart("3", "endless", "{}"))
            await stream.write(Text("It is four."))
            await stage.clock.sleep(3)
            await stream.write(Notice("A notice.\nIn two lines."))
            await stream.write(Controls((Button("again", "Again"),)))
            await stream.write(Done("length"))
        stage.budgets.close()
        return stage

    (post,) = run_virtual(main()).posts.values()
    assert post.cards == {"2": "complete", "3": "complete"}
    assert post.text == "It is four.\n\n> A notice.\n> In two lines."
    assert post.buttons == ["Again"]


def test_a_native_stream_keeps_every_promise_of_a_stream() -> None:
    @asynccontextmanager
    async def place() -> AsyncIterator[StreamUnderTest]:
        stage = Stage()

        async def screen() -> list[str]:
            return [from_markdown_text(text) for text in stage.screen]

        async def buttons() -> list[list[str]]:
            return [post.buttons for post in stage.posts.values()]

        yield StreamUnderTest(stage.native, screen, max_chars=12_000, buttons=buttons)
        stage.budgets.close()

    run_virtual(stream_contract(place))


def test_answers_by_edits_never_go_backwards_in_slacks_own_markup() -> None:
    text = "".join(
        f"## Part {n}\n\nIt is **w{2 * n}** & [w{2 * n + 1}](https://x.y/{n}).\n\n- `a < {n}`\n  - *b*\n\n"
        for n in range(150)
    )

    async def main() -> list[list[str]]:
        seen: dict[str, list[str]] = {}

        class Slack(Stage):
            async def post(self, text: str, buttons: Sequence[Button] = ()) -> Shown:
                shown = await super().post(text, buttons)
                seen[shown.sent.id] = [to_mrkdwn(text)]
                return shown

            async def edit(self, sent: SentId, text: str, buttons: Sequence[Button] | None = None) -> Shown:
                seen[sent.id].append(to_mrkdwn(text))
                return await super().edit(sent, text, buttons)

        stage = Slack()
        lane = stage.budgets.edited("C")
        stream = EditedStream(stage, lane, max_chars=MAX_TEXT, clock=stage.clock, measure=mrkdwn_length)
        async with stream:
            for at in range(0, len(text), 25):
                await stream.write(Text(text[at : at + 25]))
                await stage.clock.sleep(0.05)
        stage.budgets.close()
        return list(seen.values())

    seen = run_virtual(main())
    assert len(seen) >= 3
    assert all(len(look) < 4_000 for looks in seen for look in looks)
    bare = [[re.sub(r"[^\w]+", " ", re.sub(r"<[^|>]*\||[*_`>]", "", look)).strip() for look in looks] for looks in seen]
    # At the end of a full message the last words may move on, whole, to the next one.
    moved = [(before, after) for looks in bare for before, after in pairwise(looks) if not after.startswith(before)]
    assert len(moved) < len(bare)
    assert all(before.startswith(after) for before, after in moved)
    assert re.findall(r"w(\d+)", " ".join(looks[-1] for looks in bare)) == [str(n) for n in range(300)]
