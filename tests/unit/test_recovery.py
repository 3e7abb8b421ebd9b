"""Which messages of a channel belong to an answer that a crash interrupted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.events import Place, Route, User
from bot.platform import Posted
from bot.recovery import with_shown
from bot.replies import SentId
from bot.store import Draft
from bot.text import Pager

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 120
BOT = User("bot", "bot", is_bot=True)

words = st.text("abcdefghij", min_size=2, max_size=9)
paragraphs = st.lists(words, min_size=3, max_size=30).map(" ".join)
blocks = paragraphs.map(lambda text: "```py\n" + text.replace(" ", "\n") + "\n```")
markdown = st.lists(paragraphs | blocks, min_size=1, max_size=6).map("\n\n".join)


def draft(text: str, *sent: str) -> Draft:
    return Draft(1, 1, Route(Place("p", "w", "c")), "q", 1, text, tuple(SentId(id) for id in sent), 0, NOW)


def posted(id: str, text: str, *, reply: bool = False) -> Posted:
    return Posted(id, BOT, text, NOW, own=True, in_reply_to="q" if reply else None)


def test_where_messages_end_is_the_platforms_affair() -> None:
    """Its own streams hold more than messages that are edited do, and end where they grow old."""
    text = "\n\n".join(f"Verse {number}: " + "la " * 40 for number in range(9)).strip()
    whole, cut = text[:700], text[700:903].rstrip()
    found = with_shown(draft(text[:850], "1"), [posted("1", whole), posted("2", cut)])
    assert [sent.id for sent in found.sent] == ["1", "2"]
    assert (found.text, found.shown) == (whole + cut, (whole, cut))


def test_markup_may_be_shown_in_another_way() -> None:
    text = "# A plan\n\n- [ ] *first* this\n- then that\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nAnd so on, until the end."
    shown = "*A plan*\n\n• ☐ _first_ this\n• then that\n\n```\na │ b\n──┼──\n1 │ 2\n```\n\nAnd so"
    found = with_shown(draft(text), [posted("1", shown)])
    assert ([sent.id for sent in found.sent], found.text) == (["1"], text)


def test_a_first_message_that_only_just_began_is_found() -> None:
    found = with_shown(draft("I think, therefore I am."), [posted("other", "Done."), posted("1", "I")])
    assert [sent.id for sent in found.sent] == ["1"]


def test_a_message_that_was_left_before_it_showed_all_does_not_hide_the_next() -> None:
    """What a message lacks when the next one begins is put right at the end."""
    text = "One two three four five six. Seven eight nine ten eleven twelve."
    own = [posted("1", "One two three four"), posted("other", "Done."), posted("2", "Seven eight nine ten")]
    assert [sent.id for sent in with_shown(draft(text), own).sent] == ["1", "2"]


def displayed(text: str) -> list[str]:
    pager = Pager(LIMIT)
    pager.feed(text)
    return [part for part in [*(page.text for page in pager.sealed), pager.live()] if part.strip()]


@given(markdown, st.data())
def test_all_that_was_shown_is_adopted_and_nothing_else_is(text: str, data: st.DataObject) -> None:
    """The journal is written before each message is posted, so it reaches into the last one; that may show more."""
    shown_until = data.draw(st.integers(1, len(text)), label="shown")
    shown = displayed(text[:shown_until])
    reaches = next(end for end in range(shown_until + 1) if len(displayed(text[:end])) == len(shown))
    journaled = data.draw(st.integers(reaches, shown_until), label="journaled")
    messages = [posted("other", "A command's answer: 42")]
    messages += [posted(str(index), part, reply=index == 0) for index, part in enumerate(shown)]
    found = with_shown(draft(text[:journaled]), messages)
    assert [sent.id for sent in found.sent] == [str(index) for index in range(len(shown))]
    assert text.startswith(found.text)
    assert found.text.startswith(text[:journaled])


def test_a_mark_under_the_answer_is_no_part_of_it() -> None:
    found = with_shown(draft("Once upon"), [posted("1", "Once upon a time\n-# ⏹ stopped", reply=True)])
    assert found.text == "Once upon a time"


def test_what_the_journal_knows_counts_where_nothing_can_be_read() -> None:
    known = draft("Once upon", "1")
    assert with_shown(known, []) == known


def test_a_message_that_someone_deleted_is_not_claimed_by_another() -> None:
    found = with_shown(draft("Once upon a time", "1"), [posted("2", "Something else entirely")])
    assert [sent.id for sent in found.sent] == ["1"]


def test_a_message_that_was_added_to_those_of_an_earlier_answer_is_found() -> None:
    """What stood there before the wish for another answer is older than all that is read back."""
    text = "\n\n".join(f"{number} " + "abcdefghij " * 9 for number in range(4)).strip()
    *before, last = displayed(text)
    ids = [str(number) for number, _ in enumerate(before)]
    again = replace(draft(text, *ids), replaces=7, as_variant=True)
    found = with_shown(again, [posted("new", last)])
    assert len(before) > 1
    assert ([sent.id for sent in found.sent], found.text) == ([*ids, "new"], text)
