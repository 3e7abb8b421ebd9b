"""What changes after it was said on a loopback Slack: edits, deletions, reactions, people who come and go."""

from __future__ import annotations

import pytest

from adapters.slack.testing import EVENTS, FakeSlack
from adapters.slack.testing import Message as Shown
from bot.api import (
    CommandCall,
    Done,
    Joined,
    Left,
    Message,
    MessageDeleted,
    MessageEdited,
    Place,
    Reacted,
    Reply,
    Route,
    SentId,
    Speaker,
    Text,
)
from bot.testing.adapter_contract import contract_commands
from tests.loopback.slack_bot import Listener, connected, echo


async def settled(slack: FakeSlack) -> None:
    """Everything that was told is acknowledged, so that it was heard or was not."""
    await slack.wait_until(lambda: all(each.acked for each in slack.deliveries))


def in_channel(slack: FakeSlack, thread: str | None = None) -> Place:
    return Place("slack", slack.world.team, slack.general.id, thread)


async def posted(slack: FakeSlack, bot: Listener, text: str, thread: str | None = None) -> Shown:
    """A message of the bot, which it has heard of itself, too."""
    (sent,) = await bot.adapter.send(Route(in_channel(slack, thread)), Reply(text))
    await settled(slack)
    return slack.general.messages[sent.id]


# Edits


async def test_an_edited_question_keeps_its_place() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        question = await slack.mentions("what is tee?")
        await bot.heard(Message)
        await slack.edits(question, "@bot what is *tea*?")
        edit = await bot.heard(MessageEdited)
        assert (edit.message, edit.text, edit.question) == (question.ts, "what is **tea**?", None)
        assert edit.id == f"{question.ts}:{(question.edited or {})['ts']}"
        assert edit.place == in_channel(slack, question.ts)
        # Also when nobody is mentioned any more.
        await slack.edits(question, "forget it")
        edit = await bot.heard(MessageEdited, 2)
        assert (edit.text, edit.place) == ("forget it", in_channel(slack, question.ts))
        await settled(slack)
        assert [event.text for event in bot.of(Message)] == ["what is tee?"]


async def test_an_edit_of_what_was_overheard_stays_in_the_channel() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        said = await slack.says("tee is hot")
        await bot.heard(Message)
        await slack.edits(said, "tea is hot")
        edit = await bot.heard(MessageEdited)
        assert (edit.text, edit.place, edit.question) == ("tea is hot", in_channel(slack), None)
        assert edit.user.name == "Ada"


async def test_an_edit_that_mentions_the_bot_asks_it() -> None:
    """In a thread of its own, as if it had been a mention from the beginning."""
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        said = await slack.says("what is tea?")
        await bot.heard(Message)
        await slack.edits(said, "@bot what is tea?")
        await slack.wait_until(lambda: slack.answers(thread=said))
        await settled(slack)
        assert slack.answers() == ["You said: what is tea?"]
        edit, question = await bot.heard(MessageEdited), await bot.heard(Message, 2)
        assert (edit.place, edit.question) == (in_channel(slack), None)
        assert (question.id, question.place, question.addressed) == (said.ts, in_channel(slack, said.ts), True)
        # Slack tells of it as an edit and as a mention.
        assert bot.told[question.place, question.id] == 2


@pytest.mark.parametrize("events", [[*EVENTS], ["app_mention"]])
async def test_an_edit_that_mentions_the_bot_in_the_channel_itself(events: list[str]) -> None:
    async with FakeSlack(events=events) as slack, connected(slack, reply_in_threads=False) as bot:
        said = await slack.says("what is tea?")
        await settled(slack)
        await slack.edits(said, "@bot what is tea?")
        edit = await bot.heard(MessageEdited)
        await settled(slack)
        assert len(bot.of(MessageEdited)) == 1
        assert edit.place == in_channel(slack)
        assert edit.question is not None
        assert (edit.question.id, edit.question.text, edit.question.addressed) == (said.ts, "what is tea?", True)
        assert [event.addressed for event in bot.of(Message)] == [False] * (len(events) > 1)


async def test_a_mention_is_asked_once_although_it_is_edited() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        question = await slack.mentions("one")
        await slack.wait_until(slack.answers)
        for text in ("@bot two", "two", "@bot three"):
            await slack.edits(question, text)
            await settled(slack)
        assert slack.answers() == ["You said: one"]
        assert [edit.text for edit in bot.of(MessageEdited)] == ["two", "two", "three"]


async def test_previews_of_links_are_no_edits() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        said = await slack.says("see https://example.org/")
        await slack.unfurls(said, "An example")
        await settled(slack)
        await slack.edits(said, "see https://example.org/ now")
        edit = await bot.heard(MessageEdited)
        await slack.unfurls(said, "Another example")
        await slack.edits(said, "see https://example.org/ now")
        await settled(slack)
        assert bot.of(MessageEdited) == [edit]


async def test_what_the_bot_edits_it_knows_already() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        answer = await posted(slack, bot, "tee")
        await bot.adapter.edit(Route(in_channel(slack)), SentId(answer.ts), Reply("tea"))
        await slack.wait_until(lambda: answer.seen == "tea")
        await settled(slack)
        assert bot.of(MessageEdited) == []


async def test_an_edit_may_become_a_command() -> None:
    async with FakeSlack() as slack, connected(slack, commands=contract_commands()) as bot:
        said = await slack.says("!system sho")
        await bot.heard(CommandCall)
        await slack.edits(said, "!system show")
        edit = await bot.heard(MessageEdited)
        assert (edit.text, edit.place, edit.question) == ("!system show", in_channel(slack), None)


# Deletions


async def test_what_is_deleted_is_told_where_it_was_said() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        aside, question = await slack.says("aside"), await slack.mentions("question")
        await bot.heard(Message, 2)
        await slack.deletes(aside)
        gone = await bot.heard(MessageDeleted)
        assert (gone.id, gone.messages, gone.place) == (f"{aside.ts}:deleted", (aside.ts,), in_channel(slack))
        assert gone.user.name == "Ada"
        await slack.deletes(question)
        gone = await bot.heard(MessageDeleted, 2)
        assert (gone.messages, gone.place) == ((question.ts,), in_channel(slack, question.ts))


async def test_a_question_with_answers_leaves_a_stone_behind() -> None:
    async with FakeSlack() as slack, connected(slack, echo) as bot:
        question = await slack.mentions("question")
        await slack.wait_until(slack.answers)
        await settled(slack)
        await slack.deletes(question)
        gone = await bot.heard(MessageDeleted)
        assert (gone.messages, gone.place) == ((question.ts,), in_channel(slack, question.ts))
        assert bot.of(MessageEdited) == []


async def test_a_deleted_answer_is_told_too() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        question = await slack.mentions("question")
        answer = await posted(slack, bot, "answer", question.ts)
        await slack.deletes(answer)
        gone = await bot.heard(MessageDeleted)
        assert (gone.messages, gone.place) == ((answer.ts,), in_channel(slack, question.ts))


# Reactions


async def test_reactions_to_the_bots_messages_are_told() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        question = await slack.mentions("question")
        answer = await posted(slack, bot, "answer", question.ts)
        await slack.reacts(answer, "thumbsup::skin-tone-2")
        added = await bot.heard(Reacted)
        assert (added.message, added.emoji, added.added, added.user.name) == (answer.ts, "👍", True, "Ada")
        assert added.place == in_channel(slack, question.ts)
        assert added.route.data["user"] == slack.ada.id
        await slack.unreacts(answer, "thumbsup::skin-tone-2")
        assert not (await bot.heard(Reacted, 2)).added
        await slack.reacts(answer, "party_parrot")
        assert (await bot.heard(Reacted, 3)).emoji == ":party_parrot:"
        assert not slack.called("conversations.replies")


async def test_where_an_old_answer_stands_is_looked_up() -> None:
    async with FakeSlack() as slack:
        async with connected(slack) as bot:
            question = await slack.mentions("question")
            answer = await posted(slack, bot, "answer", question.ts)
        async with connected(slack) as bot:
            await slack.reacts(answer, "eyes")
            await slack.reacts(answer, "x")
            assert (await bot.heard(Reacted, 2)).place == in_channel(slack, question.ts)
            assert len(slack.called("conversations.replies")) == 1


async def test_other_reactions_are_nobodys_business() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        said = await slack.says("tea is hot")
        answer = await posted(slack, bot, "yes")
        await slack.reacts(said, "eyes")
        await slack.reacts(answer, "eyes", author=slack.bot)
        await settled(slack)
        assert bot.of(Reacted) == []


# Coming and going


async def test_the_bot_is_invited_into_a_channel() -> None:
    async with FakeSlack() as slack:
        kitchen = slack.channel("kitchen", with_bot=False)
        async with connected(slack) as bot:
            await slack.invites(slack.bot, kitchen, by=slack.ada)
            joined = await bot.heard(Joined)
            assert joined.is_me
            assert joined.place == Place("slack", slack.world.team, kitchen.id)
            await bot.adapter.send(joined.route, Reply("Hello!"))
            await slack.wait_until(lambda: slack.answers(kitchen) == ["Hello!"])


async def test_people_come_and_go() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        mo = slack.world.add_account("Mo")
        await slack.invites(mo, slack.general)
        joined = await bot.heard(Joined)
        assert (joined.user.name, joined.is_me, joined.place) == ("Mo", False, in_channel(slack))
        await slack.removes(mo, slack.general)
        left = await bot.heard(Left)
        assert (left.user.name, left.is_me) == ("Mo", False)


async def test_reactions_to_what_was_said_under_another_name_are_heard() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        async with bot.adapter.stream(Route(in_channel(slack)), Speaker("vera", "Vera")) as stream:
            await stream.write(Text("I am Vera."))
            await stream.write(Done("stop"))
        said = slack.general.messages[stream.sent[0].id]
        assert said.shown_as == "Vera"
        await settled(slack)
        await slack.reacts(said, "+1")
        assert (await bot.heard(Reacted)).message == said.ts


async def test_leaving_a_channel_is_not_leaving_the_workspace() -> None:
    async with FakeSlack() as slack, connected(slack, deny_channels=("C0CLOSED",)) as bot:
        await slack.removes(slack.bot, slack.general)
        closed = {"type": "member_joined_channel", "user": slack.bot.id, "channel": "C0CLOSED", "channel_type": "C"}
        slack.tell({**closed, "event_ts": slack.world.new_ts()})
        await settled(slack)
        assert (bot.of(Left), bot.of(Joined)) == ([], [])


async def test_the_bot_is_thrown_out() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        slack.tell({"type": "tokens_revoked", "tokens": {"oauth": [slack.ada.id]}, "event_ts": slack.world.new_ts()})
        await settled(slack)
        assert bot.of(Left) == []
        await slack.revokes()
        left = await bot.heard(Left)
        assert left.is_me
        assert left.place.workspace == slack.world.team


async def test_what_follows_at_once_comes_after_what_it_is_about() -> None:
    async with FakeSlack() as slack, connected(slack) as bot:
        slack.fails("users.info", delay=0.3)
        said = await slack.says("tee")
        await slack.edits(said, "tea")
        await slack.deletes(said)
        await settled(slack)
        assert [type(event) for event in bot.events[-3:]] == [Message, MessageEdited, MessageDeleted]
