"""Native streams in virtual time: whatever Slack does, people end up with exactly what was said, once."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack.budgets import APPEND, START, STOP, UPDATE
from adapters.slack.escaping import from_markdown_text
from bot.api import Button, Controls, DeliveryRefused, Done, Notice, Resume, SentId, Text, ToolEnd, ToolStart
from bot.testing.clock import run_virtual
from tests.unit.slack_stage import Dead, Stage

# What may befall any call, what Slack says once of something it does not like, and a place without streams.
FAULTS = st.tuples(
    st.sampled_from(["", "user_not_found"]),
    st.lists(st.sampled_from(["", "", "", "429", "before", "after", "dies"]), max_size=3),
    st.sampled_from(["", "invalid_blocks"]),
    st.lists(st.sampled_from(["", "", "", "429", "before", "after", "dies"]), max_size=3),
).map(lambda parts: [parts[0], *parts[1], "", parts[2], *parts[3]])


def words(count: int, start: int = 0) -> list[str]:
    return [f"w{number} " for number in range(start, start + count)]


def said_on(stage: Stage) -> list[int]:
    """The words that can be read, in the order in which they stand there."""
    return [int(number) for number in re.findall(r"\bw(\d+)", "\n".join(stage.screen))]


async def speak(stage: Stage, pieces: list[str], *, every: float = 0.1, end: str = "stop") -> None:
    async with stage.native() as stream:
        for piece in pieces:
            await stream.write(Text(piece))
            await stage.clock.sleep(every)
        await stream.write(Done("stop"))
    stage.budgets.close()


def never_backwards(stage: Stage) -> bool:
    """Each look of a message goes on where the one before ended, but for what closed that."""
    return all(
        after.startswith(before.rstrip("`\n"))
        for post in stage.posts.values()
        for (_, before), (_, after) in pairwise(post.seen)
    )


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


@pytest.mark.parametrize("at", range(6))
def test_429_on_any_call_loses_and_doubles_nothing(at: int) -> None:
    async def main() -> Stage:
        stage = Stage([""] * at + ["429"])
        await speak(stage, words(40))
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(40))
    assert stage.streaming == []
    assert len(stage.screen) == 1


def test_429_on_stop_for_longer_than_the_stream_lives() -> None:
    async def main() -> Stage:
        stage = Stage()
        stage.retry_after = 400
        async with stage.native() as stream:
            await stream.write(Text("w0 "))
            await stage.clock.sleep(1)
            await stream.write(Text("w1 "))
            stage._faults.append("429")
        stage.budgets.close()
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == [0, 1]
    assert stage.streaming == []


def test_a_stream_that_dies_goes_on_in_another() -> None:
    async def main() -> Stage:
        stage = Stage(["", "", "dies"])
        await speak(stage, ["```\n", *words(40)])
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(40))
    assert len(stage.screen) == 2
    assert all(shown.count("```") == 2 for shown in stage.screen)
    assert stage.streaming == []


def test_where_there_are_no_streams_there_are_edits() -> None:
    async def main() -> Stage:
        stage = Stage(["user_not_found"])
        await speak(stage, words(100))
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(100))
    assert stage.made(START) == 1
    assert stage.made(UPDATE) > 3


def test_whoever_presses_slacks_own_stop_sees_nothing_more_until_the_end() -> None:
    async def main() -> Stage:
        stage = Stage(["", "", "stopped_by_user"])
        async with stage.native() as stream:
            for word in words(40):
                await stream.write(Text(word))
                await stage.clock.sleep(0.1)
            assert len(stage.calls) == 3
            await stream.write(Controls((Button("again", "Again"),)))
            await stream.write(Done("stopped"))
        stage.budgets.close()
        return stage

    stage = run_virtual(main())
    (post,) = stage.posts.values()
    assert said_on(stage) == list(range(40))
    assert post.text.endswith("_⏹ stopped_")
    assert post.buttons == ["Again"]
    assert stage.streaming == []


def test_a_busy_workspace_is_answered_by_posts() -> None:
    async def main() -> Stage:
        stage = Stage(["429"])
        stage.retry_after = 30
        await speak(stage, words(50))
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(50))
    assert stage.calls[1][0] == "chat.postMessage"
    assert stage.calls[1][1] < 1


def test_a_message_that_somebody_deletes_is_said_again() -> None:
    async def main() -> Stage:
        stage = Stage(["", "", "deleted"])
        await speak(stage, words(40))
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(40))
    assert stage.streaming == []


def test_a_place_where_nobody_may_write_is_told_once() -> None:
    async def main() -> None:
        stage = Stage(["is_archived"])
        with pytest.raises(DeliveryRefused):
            await speak(stage, words(10))
        assert len(stage.calls) == 1

    run_virtual(main())


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


def test_an_answer_that_is_left_twice_leaves_nothing_streaming() -> None:
    async def main() -> Stage:
        stage = Stage()

        async def answer() -> None:
            async with stage.native() as stream:
                for word in words(100):
                    await stream.write(Text(word))
                    await stage.clock.sleep(0.1)

        task = asyncio.ensure_future(answer())
        await stage.clock.sleep(3.05)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        assert task.cancelled()
        stage.budgets.close()
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(len(said_on(stage))))
    assert len(said_on(stage)) > 10
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
    assert post.text == "It is four.\n\n_A notice._\n_In two lines._"
    assert post.buttons == ["Again"]


def test_forty_writers_at_once_lose_and_double_nothing() -> None:
    async def main() -> Stage:
        stage = Stage(["", "", "429", "", "after", "", "429"])
        async with stage.native() as stream:

            async def write(number: int) -> None:
                await stage.clock.sleep(number % 7 * 0.2)
                if number % 4 == 3:
                    await stream.write(ToolStart(str(number), f"tool {number}", "{}"))
                    await stage.clock.sleep(1.5)
                    await stream.write(ToolEnd(str(number), f"tool {number}", "ok"))
                await stream.write(Text(f"w{number} "))

            await asyncio.gather(*(write(number) for number in range(40)))
            await stream.write(Done("stop"))
        stage.budgets.close()
        assert stream.text == "".join(from_markdown_text(text) for text in stage.screen)
        return stage

    stage = run_virtual(main())
    assert sorted(said_on(stage)) == list(range(40))
    assert len(said_on(stage)) == 40
    assert all(state == "complete" for post in stage.posts.values() for state in post.cards.values())
    assert stage.streaming == []


def test_forty_answers_share_the_workspace() -> None:
    async def main() -> Stage:
        stage = Stage()

        async def one(number: int) -> None:
            async with stage.native() as stream:
                for word in words(20, 100 * number):
                    await stream.write(Text(word))
                    await stage.clock.sleep(0.5)

        await asyncio.gather(*map(one, range(40)))
        stage.budgets.close()
        return stage

    stage = run_virtual(main())
    assert sorted(said_on(stage)) == [100 * n + w for n in range(40) for w in range(20)]
    for method, limit in ((START, 20), (STOP, 20), (APPEND, 100), (UPDATE, 50)):
        times = [at for name, at in stage.calls if name == method]
        assert all(sum(at < other <= at + 60 for other in times) < limit for at in times)
    assert stage.streaming == []


@settings(max_examples=150)
@given(FAULTS, st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.7]), st.integers(0, 3))
def test_whatever_slack_does_everything_is_said_once(faults: list[str], count: int, every: float, seed: int) -> None:
    async def main() -> Stage:
        stage = Stage(faults, seed=seed)
        await speak(stage, words(count), every=every)
        return stage

    stage = run_virtual(main())
    assert said_on(stage) == list(range(count))
    assert stage.streaming == []
    assert never_backwards(stage)


@settings(max_examples=100)
@given(st.integers(0, 14), st.sampled_from(["kill", "killed"]), st.integers(2, 60), st.integers(0, 3))
def test_killed_between_any_two_calls_it_goes_on(at: int, how: str, count: int, seed: int) -> None:
    async def main() -> Stage:
        stage = Stage([""] * at + [how], seed=seed)
        said = ""
        try:
            async with stage.native() as stream:
                for word in words(count):
                    said += word
                    await stream.write(Text(word))
                    await stage.clock.sleep(0.3)
                    if stage.dead:
                        raise Dead
        except Dead:
            pass
        resumed = stage.dead
        if stage.dead:
            stage.dead = False
            stage._faults.clear()
            # What was on its way is found again by whoever keeps the book.
            resume = Resume(tuple(SentId(id) for id in stage.posts), said)
            async with stage.native(resume) as stream:
                await stream.write(Text("".join(words(5, said.count("w")))))
                await stream.write(Done("stop"))
        expected = said.count("w") + (5 if resumed else 0)
        stage.budgets.close()
        assert said_on(stage) == list(range(expected))
        return stage

    stage = run_virtual(main())
    assert stage.streaming == []
