"""What the core relies on in every adapter, as tests: write a Stage for a platform and inherit them.

    class TestMyPlatform(AdapterContract):
        @pytest.fixture
        async def stage(self) -> AsyncIterator[Stage]:
            async with MyStage(contract_commands()) as stage:
                yield stage

The adapter is driven as it is, against a fake of its platform; what people see there is the stage's `screen`.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.errors import DeliveryError, ModelError
from bot.events import (
    Attachment,
    CommandCall,
    Message,
    Place,
    Route,
    User,
    event_from_json,
    event_to_json,
    route_from_json,
    route_to_json,
)
from bot.replies import Reply, Resume, Speaker
from bot.testing.adapter_reach_contract import ButtonsContract, ThreadsContract
from bot.testing.adapter_stage import Colour, Seen, Stage, asked, contract_commands, own, tell

__all__ = [
    "AdapterContract",
    "AnswersContract",
    "CommandsContract",
    "HearingContract",
    "Seen",
    "Stage",
    "contract_commands",
]


class HearingContract:
    async def test_events_and_places_survive_the_way_through_a_database(self, stage: Stage) -> None:
        await stage.says("hello")
        event = await stage.heard(Message)
        assert event_from_json(event_to_json(event)) == event
        assert Place.parse(str(event.place)) == event.place
        assert event.place.platform == stage.adapter.name
        assert event.at.tzinfo is not None

    async def test_what_is_said_arrives_as_it_was_said(self, stage: Stage) -> None:
        await stage.says("some **bold** words and `code`")
        event = await stage.heard(Message)
        assert event.text == "some **bold** words and `code`"
        assert event.addressed
        assert not event.user.is_bot

    async def test_a_message_that_comes_twice_has_the_same_id(self, stage: Stage) -> None:
        await stage.says("one")
        first = await stage.heard(Message)
        await stage.repeats()
        again = await stage.heard(Message, 2)
        assert (again.id, again.place, again.text) == (first.id, first.place, first.text)
        await stage.says("one")
        assert (await stage.heard(Message, 3)).id != first.id

    async def test_the_bot_does_not_hear_itself(self, stage: Stage) -> None:
        await stage.says("one")
        await stage.adapter.send((await stage.heard(Message)).route, Reply("hello yourself"))
        await stage.says("two")
        assert (await stage.heard(Message, 2)).text == "two"
        assert stage.count(Message) == 2

    @pytest.mark.parametrize("text", ["x" * 100_000, "half \ud83d a pair", "\u202eright to left", "``` never closed"])
    async def test_odd_texts_arrive_as_text(self, stage: Stage, text: str) -> None:
        await stage.says(text)
        event = await stage.heard(Message)
        assert event.text.encode()
        assert event_from_json(event_to_json(event)) == event


class CommandsContract:
    async def test_values_of_every_kind_reach_a_command(self, stage: Stage) -> None:
        given = {"text": "a b", "whole": -3, "number": 2.5, "yes": True, "colour": "blue", "mood": "bad"}
        await stage.runs("everything", given)
        bound = await self._bound(stage)
        assert bound == {**given, "colour": Colour.BLUE, "many": 3}

    async def test_a_person_reaches_a_command(self, stage: Stage) -> None:
        await stage.runs("someone", {"who": User("", "")})
        who = (await self._bound(stage))["who"]
        assert isinstance(who, User)
        assert who.id
        assert who.name

    async def test_a_file_reaches_a_command_and_can_be_read(self, stage: Stage) -> None:
        await stage.runs("something", {"file": Attachment("", "", 0, "")})
        file = (await self._bound(stage))["file"]
        assert isinstance(file, Attachment)
        content = await stage.adapter.fetch(file, 1_000_000)
        assert content
        with pytest.raises(DeliveryError):
            await stage.adapter.fetch(file, len(content) - 1)

    async def test_a_command_of_a_group_takes_the_rest_of_the_line(self, stage: Stage) -> None:
        await stage.runs("system set", {"text": 'be kind, it\'s "nice"'})
        call = await stage.heard(CommandCall)
        assert call.command == "system set" or f"{call.command} {call.text}".startswith("system set")
        assert (await self._bound(stage))["text"] == 'be kind, it\'s "nice"'

    async def _bound(self, stage: Stage) -> dict[str, Any]:
        call = await stage.heard(CommandCall)
        assert event_from_json(event_to_json(call)) == call
        line = f"{call.command} {call.text or ''}".strip()
        command = next(each for each in contract_commands() if f"{line} ".startswith(f"{each.name} "))
        if call.arguments is not None:
            return command.bind(call.arguments)
        return command.bind(command.parse(line.removeprefix(command.name).lstrip(), call.mentions))


class AnswersContract:
    """What is sent and streamed, changed and taken back."""

    async def test_a_reply_is_shown_and_an_empty_one_is_not(self, stage: Stage) -> None:
        route = await asked(stage)
        assert await stage.adapter.send(route, Reply("")) == ()
        assert own(stage) == []
        await stage.adapter.send(route, Reply("hello"))
        assert own(stage) == ["hello"]

    async def test_another_process_can_answer(self, stage: Stage) -> None:
        route = await asked(stage)
        await stage.adapter.send(route_from_json(route_to_json(route)), Reply("with all it knew"))
        await stage.adapter.send(Route(route.place), Reply("with the place alone"))
        assert own(stage) == ["with all it knew", "with the place alone"]

    async def test_private_stays_private(self, stage: Stage) -> None:
        route = await asked(stage)
        await stage.adapter.send(route, Reply("the secret", private=True))
        seen = [seen.public for seen in stage.screen() if "the secret" in seen.text]
        assert not any(seen)
        if stage.adapter.capabilities(route).private:
            assert seen

    async def test_a_long_reply_loses_nothing_and_no_message_is_too_long(self, stage: Stage) -> None:
        route = await asked(stage)
        limit = stage.adapter.capabilities(route).max_chars
        words = " ".join(f"word{number}" for number in range((limit or 2000) // 2))
        sent = await stage.adapter.send(route, Reply(words))
        assert " ".join(own(stage)).split() == words.split()
        self._all_fit(stage, limit)
        assert len({each.id for each in sent}) == len(sent)

    async def test_a_speaker_is_named(self, stage: Stage) -> None:
        route = await asked(stage)
        await stage.adapter.send(route, Reply("Good day.", speaker=Speaker("ann", "Ann Droid")))
        await tell(stage.adapter.stream(route, Speaker("bo", "Bo Lean")), "Hello.")
        for name, text in (("Ann Droid", "Good day."), ("Bo Lean", "Hello.")):
            assert any(name in seen.name + seen.text and text in seen.text for seen in stage.screen())

    async def test_an_answer_streams_to_its_exact_end_and_then_rests(self, stage: Stage) -> None:
        route = await asked(stage)
        stream = stage.adapter.stream(route)
        await tell(stream, "Once ", "upon ", "a time.\n\n", "```python\nprint(1)\n```\n", "The end.")
        said = "Once upon a time.\n\n```python\nprint(1)\n```\nThe end."
        assert _same("\n".join(own(stage)), said)
        before = [seen.states for seen in stage.screen()]
        await stage.adapter.send(route, Reply("afterwards"))
        assert [seen.states for seen in stage.screen()][: len(before)] == before
        assert len({sent.id for sent in stream.sent}) == len(stream.sent)

    async def test_a_long_answer_is_whole_in_every_state_of_every_message(self, stage: Stage) -> None:
        route = await asked(stage)
        limit = stage.adapter.capabilities(route).max_chars
        lines = [f"line {number} = {number}" for number in range((limit or 2000) // 6)]
        await tell(stage.adapter.stream(route), "```python\n", *(line + "\n" for line in lines), "```")
        self._all_fit(stage, limit)
        said = [line for text in own(stage) for line in text.splitlines() if line.startswith("line ")]
        assert said == lines
        if limit:
            assert all(state.count("```") % 2 == 0 for seen in stage.screen() if seen.own for state in seen.states)

    async def test_a_broken_answer_keeps_what_was_said_and_says_that_it_broke(self, stage: Stage) -> None:
        route = await asked(stage)
        with pytest.raises(ModelError):
            await tell(stage.adapter.stream(route), "half a sen", error=ModelError("gone"))
        shown = "\n".join(own(stage))
        assert "half a sen" in shown
        assert ModelError.default_public in shown

    async def test_the_journal_is_written_before_a_message_exists(self, stage: Stage) -> None:
        route = await asked(stage)
        seen: list[list[str]] = []

        async def journal() -> None:
            seen.append(own(stage))

        await tell(stage.adapter.stream(route, before_post=journal), "hello")
        if not stage.adapter.capabilities(route).appends:
            assert seen == [[]]
        assert own(stage) == ["hello"]

    async def test_an_answer_can_be_taken_up_again(self, stage: Stage) -> None:
        route = await asked(stage)
        if not stage.adapter.capabilities(route).edits:
            pytest.skip("what is said here stays as it is")
        sent = await stage.adapter.send(route, Reply("It begins"))
        stream = stage.adapter.stream(Route(route.place), resume=Resume(sent, "It begins", ("It begins",)))
        await tell(stream, " and ends.")
        assert own(stage) == ["It begins and ends."]
        assert [each.id for each in stream.sent] == [each.id for each in sent]

    async def test_messages_can_be_changed_and_taken_back(self, stage: Stage) -> None:
        route = await asked(stage)
        if not stage.adapter.capabilities(route).edits:
            pytest.skip("what is said here stays as it is")
        (sent,) = await stage.adapter.send(route, Reply("frist"))
        await stage.adapter.edit(route, sent, Reply("first"))
        assert own(stage) == ["first"]
        await stage.adapter.delete(route, sent)
        assert own(stage) == []
        with pytest.raises(DeliveryError):
            await stage.adapter.edit(route, sent, Reply("too late"))

    async def test_an_answer_can_be_written_anew(self, stage: Stage) -> None:
        route = await asked(stage)
        capabilities = stage.adapter.capabilities(route)
        if not capabilities.edits:
            pytest.skip("what is said here stays as it is")
        first = stage.adapter.stream(route)
        await tell(first, "word " * ((capabilities.max_chars or 2000) // 2))
        again = stage.adapter.stream(route, resume=Resume(first.sent, ""))
        await tell(again, "Shorter ", "now.")
        assert own(stage) == ["Shorter now."]
        assert again.sent == first.sent[:1]

    async def test_history_knows_what_was_said_and_by_whom(self, stage: Stage) -> None:
        await stage.says("question")
        event = await stage.heard(Message)
        await stage.adapter.send(event.route, Reply("answer"))
        posted = await stage.adapter.history(Route(event.place), None, 10)
        if not posted:
            pytest.skip("this platform keeps nothing")
        assert [(each.text, each.own) for each in posted] == [("question", False), ("answer", True)]
        assert posted[0].event is not None
        assert (posted[0].event.id, posted[0].event.text) == (event.id, event.text)
        after = await stage.adapter.history(Route(event.place), posted[0].id, 10)
        assert [each.id for each in after] == [posted[1].id]

    def _all_fit(self, stage: Stage, limit: int) -> None:
        for seen in stage.screen():
            for state in seen.states:
                assert not limit or not seen.own or len(state) <= limit


class AdapterContract(HearingContract, CommandsContract, AnswersContract, ButtonsContract, ThreadsContract):
    """All of it."""


def _same(shown: str, said: str) -> bool:
    return re.sub(r"\s+", " ", shown).strip() == re.sub(r"\s+", " ", said).strip()
