"""What people do to an exchange afterwards: stop, ask again, turn to a variant, go on, forget, edit the question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog

from bot.controls import AGAIN, CONTINUE, CUT, FEEDBACK, FORGET, STOP, VARIANT, Below, LastButtons, Standing
from bot.errors import BotError, NotAllowed, UsageError
from bot.events import AnyEvent, ButtonPressed, MessageDeleted, MessageEdited, Place, Route
from bot.feedback import rate
from bot.handler import Line
from bot.platform import Adapter
from bot.replies import Button, Controls, Done, Notice, Reply, Resume, SentId, Speaker, Text
from bot.runner import LocalRunner
from bot.store import NewMessage, Remembered, Store, Taking
from bot.text import clip
from bot.words import phrase, say

log = structlog.get_logger(__name__)

# How far back the newest answer is looked for when its question was edited.
_NEAR_TOKENS = 4000
# So much of a new wording is shown beside its answer.
_LONGEST_TOLD = 200


@dataclass(slots=True)
class Beginning:
    """An answer that begins a branch: the `note` beside it says so, and it is `made` once there is a first word.
    `asked` is the question where it was put anew."""

    note: str
    asked: int | None = None
    made: bool = False


class Answers(Protocol):
    """What is needed of whoever answers questions."""

    last_buttons: LastButtons

    async def answer_again(
        self, event: AnyEvent, question: Remembered, taking: Taking, below: Below, beginning: Beginning | None = None
    ) -> Line: ...

    def below(self, event: AnyEvent, question: Remembered) -> Below | None: ...

    def offers(self, route: Route) -> bool: ...

    async def change_buttons(self, place: Place, sent: SentId, buttons: Sequence[Button]) -> None: ...


class Exchanges:
    """Answers to presses of the buttons under answers. Whether somebody may press was checked before."""

    def __init__(self, store: Store, adapters: Mapping[str, Adapter], turns: Answers, runner: LocalRunner) -> None:
        self._store = store
        self._adapters = adapters
        self._turns = turns
        self._runner = runner
        self._at_work: set[tuple[Place, str]] = set()
        self._actions: Mapping[str, Callable[[ButtonPressed], Awaitable[object]]] = {
            AGAIN: self._again,
            CONTINUE: self._continue,
            VARIANT: self._turn_over,
            FORGET: self._forget,
        }

    async def pressed(self, event: ButtonPressed) -> bool:
        """Whether it was one of the buttons under answers. Raises BotError with what to tell whoever pressed it."""
        if event.action == STOP:
            await self._stop(event)
            return True
        if event.action == FEEDBACK:
            await self._rate(event)
            return True
        act = self._actions.get(event.action)
        if act is None:
            return False
        key = (event.place, event.message)
        if key in self._at_work:
            raise UsageError(say("I am at it already."))
        self._at_work.add(key)
        try:
            async with self._runner.turn(event.place, event.user.id):
                await act(event)
        finally:
            self._at_work.discard(key)
        return True

    async def _stop(self, event: ButtonPressed) -> None:
        if not await self._runner.stop(event.place):
            await self._turns.change_buttons(event.place, SentId(event.message), ())
            raise UsageError(say("There is nothing to stop any more."))

    async def _rate(self, event: ButtonPressed) -> None:
        """Everybody has one opinion of an answer, and may change it."""
        answer = await self._answer(event)
        if answer is None:
            raise UsageError(say("I no longer remember this answer."))
        good = event.args == ("good",)
        await rate(self._store, event.place, answer.id, event.user.id, good=good)
        log.info("answer rated", place=str(event.place), answer=answer.id, good=good)
        thanks = say("Thank you, I have noted that this answer was good.")
        if not good:
            thanks = say("Thank you, I have noted that this answer was not good.")
        await self._adapters[event.place.platform].send(event.route, Reply(thanks, private=True))

    async def _again(self, event: ButtonPressed) -> Line:
        question = await self._question(event, known=True)
        answer = await self._answer(event)
        if answer is None:
            # The first attempt failed before its first word: what stands there is only the reason.
            await self._store.set_status(question.id, "complete")
            below = self._fresh(event.place, question)
            try:
                return await self._turns.answer_again(event, question, Taking(sent=(SentId(event.message),)), below)
            except BotError:
                await self._store.set_status(question.id, "failed")
                raise
        if not event.user.is_moderator and not await self._is_newest(event.place, answer):
            raise NotAllowed(public=phrase("The talk has gone on since then. A moderator can still branch off here."))
        return await self._anew(event, question, answer)

    async def again(self, event: AnyEvent, answer: Remembered) -> Line:
        """A new answer to the same question: in the messages of the old one where that is the newest, else below, on a
        branch of its own. Raises BotError, and everything is as before, when the model does not say a word."""
        question = await self._store.question_of(answer)
        if question is None or question.status == "forgotten":
            raise UsageError(say("I no longer remember this question. Please ask it again."))
        return await self._anew(event, question, answer)

    async def _anew(self, event: AnyEvent, question: Remembered, answer: Remembered) -> Line:
        place, below = event.place, self._fresh(event.place, question)
        if not await self._is_newest(place, answer) or await self._store.branches.is_shared(place, answer.id):
            beginning = Beginning("")
            again = partial(self._turns.answer_again, event, question, Taking(), below, beginning)
            return await self._branching(event, question.id, beginning, again)
        count = len(await self._store.variants(answer.id)) + 1
        below = replace(below, shown=count, variants=count)
        # What cannot be changed any more is said once more below.
        edits = self._adapters[place.platform].capabilities(event.route).edits
        sent = (await self._store.sent_of(answer.id) or _pressed(event)) if edits else ()
        return await self._turns.answer_again(event, question, Taking(answer.id, sent, as_variant=True), below)

    async def instead(self, event: AnyEvent, question: Remembered, text: str) -> Line:
        """Answer another wording of a question, with the files that came with it, on a branch of its own."""
        words, parts = question.rewritten(text)
        asked = NewMessage("user", words, question.author_id, question.author, parts=parts)
        told = clip(" ".join(text.split()), _LONGEST_TOLD)
        said = say("{name} asks instead: “{question}”", name=question.author or say("Someone"), question=told)
        beginning = Beginning(f"✏️ {said} ")

        async def answer() -> Line:
            _, anew = await self._store.remember(event.place, asked)
            beginning.asked = anew.id
            return await self._turns.answer_again(event, anew, Taking(), self._fresh(event.place, anew), beginning)

        return await self._branching(event, question.parent, beginning, answer)

    async def _branching(
        self, event: AnyEvent, at: int | None, beginning: Beginning, answer: Callable[[], Awaitable[Line]]
    ) -> Line:
        """Go on from there on a new branch, unless the answer has no first word."""
        branches = self._store.branches
        left = (await self._store.conversation(event.place)).branch
        forked = await branches.fork(event.place, at)
        names = {each.id: each.name.replace("`", "'") for each in await branches.all(event.place)}
        beginning.note += say(
            "This is a branch of its own now, “{name}”. `/branch switch {old}` goes back.",
            name=names[forked.branch],
            old=names[left],
        )
        try:
            return await answer()
        except BaseException:
            if not beginning.made:
                await branches.undo_fork(event.place, forked.branch, left, beginning.asked)
            raise

    async def _continue(self, event: ButtonPressed) -> Line:
        question = await self._question(event, known=True)
        answer = await self._known_answer(event)
        if answer.status == "complete":
            raise UsageError(say("This answer is complete already."))
        await self._check_not_shared(event.place, answer)
        below = await self._below(event.place, question, answer)
        taking = Taking(answer.id, await self._sent(event, answer), answer.text)
        return await self._turns.answer_again(event, question, taking, below)

    async def _turn_over(self, event: ButtonPressed) -> None:
        answer = await self._known_answer(event)
        if not await self._store.reaches(event.place, answer.id):
            await self._tell_branch(event.place, answer)
        number = int(event.args[0]) if event.args and event.args[0].isdecimal() else 0
        await self.show_variant(event, answer, number)

    async def show_variant(self, event: AnyEvent, answer: Remembered, number: int) -> None:
        """Let the n-th of all that was said there count, and show it in the answer's messages."""
        question = await self._store.question_of(answer)
        group = await self._store.variants(answer.id)
        if question is None or not 1 <= number <= len(group):
            raise UsageError(say("There is no such variant of this answer."))
        await self._check_not_shared(event.place, answer)
        sent = await self._store.sent_of(answer.id) or _pressed(event)
        chosen = await self._store.choose_variant(answer.id, group[number - 1].id)
        if chosen is None:
            raise UsageError(say("There is no such variant of this answer."))
        below = await self._below(event.place, question, chosen)
        offered = self._turns.below(event, question) is not None
        shown = await self._show(event, chosen, Resume(sent, ""), below=below if offered else None)
        await self._store.set_sent(chosen, shown)

    async def _check_not_shared(self, place: Place, answer: Remembered) -> None:
        if await self._store.branches.is_shared(place, answer.id):
            raise UsageError(
                say("Other branches go on from this answer, so it stays as it is. `/regenerate` makes another one.")
            )

    @asynccontextmanager
    async def moving(self, place: Place) -> AsyncIterator[None]:
        """While the talk goes to another branch: the buttons follow to the newest answer there."""
        if not self._turns.offers(Route(place)):
            yield
            return
        left = self._turns.last_buttons.find(place) or await self._newest(place)
        yield
        standing = await self._newest(place)
        if left is not None and standing is not None and left.sent == standing.sent:
            return
        self._turns.last_buttons.take(place)
        if left is not None:
            self._runner.spawn(lambda: self._turns.change_buttons(place, left.sent, ()))
        if standing is not None:
            self._turns.last_buttons.put(place, standing)
            self._runner.spawn(lambda: self._put(place, standing))

    async def _put(self, place: Place, standing: Standing) -> None:
        await self._turns.change_buttons(place, standing.sent, standing.below.afterwards)
        now = self._turns.last_buttons.find(place)
        if now is not standing:
            # The talk went on meanwhile.
            still = now is not None and now.sent == standing.sent
            await self._turns.change_buttons(place, standing.sent, now.below.afterwards if now and still else ())

    async def _forget(self, event: ButtonPressed) -> None:
        question = await self._question(event, deleted=True)
        answer = await self._known_answer(event)
        sent = await self._sent(event, answer)
        await self._store.forget_exchange(event.place, question, answer)
        self._turns.last_buttons.take(event.place)
        note = say(
            "🗑 I have forgotten this question and my answer. Delete the messages themselves if they should go too."
        )
        await self._show(event, answer, Resume(sent, answer.text), note=note)

    async def question_edited(self, event: MessageEdited, question: Remembered) -> None:
        """Offer a new answer below the old one, if that is the newest one here."""
        standing = self._turns.last_buttons.find(event.place) or await self._newest(event.place)
        if standing is None or standing.below.question != question.id:
            return
        if not await self._store.reaches(event.place, question.id):
            return
        below = replace(standing.below, edited=True)
        self._turns.last_buttons.put(event.place, replace(standing, below=below))
        await self._turns.change_buttons(event.place, standing.sent, below.afterwards)

    async def is_its_first(self, message: Remembered, platform_id: str) -> bool:
        """Whether the message went as a whole, not only a further part of a long answer."""
        sent = await self._store.sent_of(message.id)
        return not sent or sent[0].id == platform_id

    async def deleted(self, event: MessageDeleted, message: Remembered) -> None:
        """What people deleted is forgotten, an answer with its variants."""
        ids = {message.id}
        if message.role == "assistant":
            ids |= {one.id for one in await self._store.variants(message.id)}
        await self._store.forget(event.place, ids)

    async def _is_newest(self, place: Place, answer: Remembered) -> bool:
        newest = await self._newest_answer(place)
        return newest is not None and newest.id == answer.id

    async def _newest_answer(self, place: Place) -> Remembered | None:
        """Of this place's own: what a thread has from its channel stays as it is."""
        path = await self._store.path(place, max_tokens=_NEAR_TOKENS)
        newest = next((one for one in reversed(path.messages) if one.role == "assistant"), None)
        return newest if newest is not None and newest.conversation == path.conversation.id else None

    async def _newest(self, place: Place) -> Standing | None:
        """The buttons of the newest answer, as they are to be or as an earlier process put them."""
        answer = await self._newest_answer(place)
        question = await self._store.question_of(answer) if answer is not None else None
        if answer is None or question is None or answer.scene is not None or answer.speaker:
            return None
        sent = await self._store.sent_of(answer.id)
        below = await self._below(place, question, answer)
        if (below.variants > 1 or below.reason in CUT) and await self._store.branches.is_shared(place, answer.id):
            # It stays as it is, see `show_variant`.
            below = replace(below, variants=1, reason="stop")
        return Standing(sent[-1], below) if sent else None

    # What a press is about.

    async def _question(self, event: ButtonPressed, *, known: bool = False, deleted: bool = False) -> Remembered:
        """`known` is one that was not cleared; `deleted` takes one that its author took back, too."""
        id = event.args[0] if event.args else ""
        question = await self._store.message(int(id)) if id.isdecimal() and len(id) < 19 else None
        conversation = await self._store.conversation(event.place)
        ours = question is not None and question.conversation == conversation.id
        gone = question is not None and question.status == "forgotten" and not deleted
        left = question is not None and known and not await self._store.reaches(event.place, question.id)
        if question is not None and ours and left and not gone:
            await self._tell_branch(event.place, question)
        if question is None or not ours or gone or left:
            await self._turns.change_buttons(event.place, SentId(event.message), ())
            raise UsageError(say("I no longer remember this question. Please ask it again."))
        return question

    async def _tell_branch(self, place: Place, message: Remembered) -> None:
        """Raises UsageError where it is on another branch."""
        branch = await self._store.branches.leading_to(place, message.id)
        if branch is not None:
            raise UsageError(
                say(
                    "This belongs to another branch. `/branch switch {name}` goes there.",
                    name=branch.name.replace("`", "'"),
                )
            )

    async def _answer(self, event: ButtonPressed) -> Remembered | None:
        found = await self._store.message_of(event.place, event.message)
        return found if found is not None and found.role == "assistant" and found.status != "forgotten" else None

    async def _known_answer(self, event: ButtonPressed) -> Remembered:
        answer = await self._answer(event)
        if answer is None:
            await self._turns.change_buttons(event.place, SentId(event.message), ())
            raise UsageError(say("I no longer remember this answer."))
        return answer

    async def _sent(self, event: ButtonPressed, answer: Remembered) -> tuple[SentId, ...]:
        return await self._store.sent_of(answer.id) or (SentId(event.message),)

    def _fresh(self, place: Place, question: Remembered) -> Below:
        can = self._adapters[place.platform].capabilities(Route(place))
        return Below(question.id, question.author_id or "", feedback=can.feedback)

    async def _below(self, place: Place, question: Remembered, answer: Remembered) -> Below:
        group = await self._store.variants(answer.id)
        shown = next((at for at, one in enumerate(group, 1) if one.id == answer.id), 1)
        return replace(
            self._fresh(place, question),
            reason="stop" if answer.status == "complete" else "truncated",
            said=bool(answer.text.strip()),
            shown=shown,
            variants=len(group),
        )

    async def _show(
        self, event: AnyEvent, answer: Remembered, resume: Resume, *, below: Below | None = None, note: str = ""
    ) -> tuple[SentId, ...]:
        """Let the answer's messages show its text."""
        speaker = Speaker(answer.speaker, answer.speaker) if answer.speaker else None
        stream = self._adapters[event.place.platform].stream(event.route, speaker, resume)
        async with stream:
            if not resume.text:
                await stream.write(Text(answer.text))
            if note:
                await stream.write(Notice(note))
            await stream.write(Controls(below.afterwards if below is not None else ()))
            await stream.write(Done("stop"))
        if below is not None and stream.sent:
            self._turns.last_buttons.put(event.place, Standing(stream.sent[-1], below))
        return stream.sent


def _pressed(event: AnyEvent) -> tuple[SentId, ...]:
    return (SentId(event.message),) if isinstance(event, ButtonPressed) else ()
