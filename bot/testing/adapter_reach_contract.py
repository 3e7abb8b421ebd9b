"""What the core relies on where a platform has buttons and threads."""

from __future__ import annotations

import asyncio

import pytest

from bot.events import ButtonPressed, Route, event_from_json, event_to_json, route_from_json, route_to_json
from bot.platform import OpensThreads
from bot.replies import Button, Controls, Done, Reply, Text
from bot.testing.adapter_stage import Stage, asked, labels, own, tell

STOP, AGAIN = Button("stop", "Stop"), Button("again", "Again", look="primary")


class ButtonsContract:
    """Buttons under replies and answers, where the capabilities say `buttons`."""

    async def test_a_press_brings_back_what_the_button_carries(self, stage: Stage) -> None:
        route = await self._with_buttons(stage)
        theirs = Button("pick", "Theirs", ("a/b", "ü 1"))
        anyones = Button("pick", "Anyone's", (), who="anyone", look="danger")
        (sent,) = await stage.adapter.send(route, Reply("Choose.", buttons=(theirs, anyones)))
        assert labels(stage) == [("Theirs", "Anyone's")]
        await stage.presses("Theirs")
        pressed = await stage.heard(ButtonPressed)
        assert (pressed.action, pressed.args, pressed.message) == ("pick", ("a/b", "ü 1"), sent.id)
        assert (pressed.who, pressed.asker) == ("asker", pressed.user.id)
        assert event_from_json(event_to_json(pressed)) == pressed
        await stage.presses("Anyone's")
        assert (await stage.heard(ButtonPressed, 2)).who == "anyone"

    async def test_only_the_last_message_of_an_answer_has_buttons(self, stage: Stage) -> None:
        route = await self._with_buttons(stage)
        words = [f"word{number} " for number in range((stage.adapter.capabilities(route).max_chars or 2000) // 3)]
        await tell(stage.adapter.stream(route), Controls((STOP,)), *words, Controls((AGAIN,)))
        *earlier, last = labels(stage)
        assert last == ("Again",)
        assert not any(earlier)

    async def test_buttons_come_with_the_first_text_and_can_be_taken_away(self, stage: Stage) -> None:
        route = await self._with_buttons(stage)
        async with stage.adapter.stream(route) as stream:
            await stream.write(Controls((STOP,)))
            await stream.write(Text("It grows"))
            async with asyncio.timeout(10):
                # A screen has no event to wait for.
                while not own(stage):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert labels(stage) == [() if stage.has_own_stop else ("Stop",)]
            await stream.write(Text(" and ends."))
            await stream.write(Controls())
            await stream.write(Done("stop"))
        assert own(stage) == ["It grows and ends."]
        assert labels(stage) == [()]

    async def test_an_edit_without_a_text_changes_the_buttons_alone(self, stage: Stage) -> None:
        route = await self._with_buttons(stage)
        (sent,) = await stage.adapter.send(route, Reply("Choose.", buttons=(STOP,)))
        await stage.adapter.edit(route, sent, Reply(buttons=(AGAIN,)))
        assert (own(stage), labels(stage)) == (["Choose."], [("Again",)])
        await stage.adapter.edit(route, sent, Reply("Chosen."))
        assert (own(stage), labels(stage)) == (["Chosen."], [()])

    async def _with_buttons(self, stage: Stage) -> Route:
        route = await asked(stage)
        capabilities = stage.adapter.capabilities(route)
        if not (capabilities.buttons and capabilities.edits):
            pytest.skip("there are no buttons here")
        return route


class ThreadsContract:
    """Threads, where the capabilities say `threads`."""

    async def test_a_thread_is_a_place_of_its_own(self, stage: Stage) -> None:
        route = await asked(stage)
        if not (stage.adapter.capabilities(route).threads and isinstance(stage.adapter, OpensThreads)):
            pytest.skip("there are no threads here")
        thread = await stage.adapter.open_thread(route, "About tea: " + "x" * 200)
        assert thread.place.parent == route.place
        assert (await stage.adapter.open_thread(route, "Again")).place == thread.place
        await stage.adapter.send(route_from_json(route_to_json(thread)), Reply("in the thread"))
        await tell(stage.adapter.stream(thread), "streamed there")
        assert own(stage) == ["in the thread", "streamed there"]
        posted = await stage.adapter.history(Route(thread.place), None, 10)
        assert [each.text for each in posted if each.own] == ["in the thread", "streamed there"]
        assert not [each for each in await stage.adapter.history(Route(route.place), None, 10) if each.own]
