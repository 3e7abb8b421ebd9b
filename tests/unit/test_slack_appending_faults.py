"""Native streams in virtual time: whatever Slack does, people end up with exactly what was said, once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.slack.budgets import APPEND, START, STOP, UPDATE
from adapters.slack.escaping import from_markdown_text
from bot.api import (
    Button,
    Controls,
    DeliveryRefused,
    Done,
    Resume,
    SentId,
    Text,
    ToolEnd,
    ToolStart,
)
from bot.testing.clock import run_virtual
from tests.unit.slack_stage import Dead, Stage, never_backwards, said_on, speak, words

# What may befall any call, what Slack says once of something it does not like, and a place without streams.
FAULTS = st.tuples(
    st.sampled_from(["", "user_not_found"]),
    st.lists(st.sampled_from(["", "", "", "429", "before", "after", "dies"]), max_size=3),
    st.sampled_from(["", "invalid_blocks"]),
    st.lists(st.sampled_from(["", "", "", "429", "before", "after", "dies"]), max_size=3),
).map(lambda parts: [parts[0], *parts[1], "", parts[2], *parts[3]])


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
    assert post.text.endswith("> ⏹ stopped")
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
@example(["user_not_found", "before", "before", "", "invalid_blocks", "before", "before", "after"], 2, 0.1, 1)
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


@pytest.mark.parametrize("faults", [[], ["", "user_not_found"], ["", "", "", "", "429"], ["", "", "", "dies", "429"]])
@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.05, 2.1, 2.15, 2.2, 2.3, 3.0])
def test_whoever_stops_waiting_leaves_nothing_open(seconds: float, faults: list[str]) -> None:
    async def main() -> Stage:
        stage = Stage(faults)
        answer = asyncio.create_task(speak(stage, words(20)))
        await stage.clock.sleep(seconds)
        answer.cancel()
        await asyncio.wait([answer])
        assert all(not counter.streams for counter in stage.budgets._methods.values())
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not any("_run" in repr(task) for task in left)
        stage.budgets.close()
        return stage

    assert run_virtual(main()).streaming == []
