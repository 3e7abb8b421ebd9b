"""From a question to a remembered answer, and everything else that the bot says by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from pydantic import BaseModel, JsonValue

from bot.answering import Answer, Spoken, give_privately
from bot.attachments import with_attachments
from bot.clock import Clock
from bot.commands import Command, Commands, Tool
from bot.composing import Composed, Composer
from bot.context import EngineContext, House, Loaded
from bot.errors import ContextTooLong, StoreError
from bot.events import AnyEvent, Attachment, ButtonPressed, Message, Place, User
from bot.filters import filtered
from bot.handler import Job, Line
from bot.jobs import Jobs
from bot.model.registry import Registry
from bot.platform import Adapter
from bot.plugin import Plugin
from bot.replies import Done, Notice, Piece, Reason, ReplyStream, Resume, SentId, Speaker, Text
from bot.runner import LocalRunner
from bot.store import Conversation, Draft, NewMessage, Remembered, Store
from bot.tools import added_by_tools, tool_messages, with_tools
from bot.turn import LanguageModel, ModelCall, ModelChoice, Prompt, PromptMessage, Turn, reading
from bot.window import WindowReport

log = structlog.get_logger(__name__)

# What is left of the budget when the provider says that the context is too long.
SHRINK = 0.7
# Waits between attempts to reach the model for an answer that a crash interrupted.
TAKE_UP_WAITS = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
# Waits before the memory of a finished answer is written again, when the disk was full or the file locked.
REMEMBER_WAITS = (1.0, 5.0, 25.0, 120.0)

INTERRUPTED = "I was interrupted here. Say “go on” and I will continue."


# Turns of the engine itself carry the context of no plugin.
CORE = Plugin("core", "What the bot does by itself.")


@dataclass(frozen=True, slots=True)
class DraftJournal:
    """Writes down one answer while it grows."""

    store: Store
    draft: Draft

    async def save(self, text: str, sent: Sequence[SentId], reason: Reason | None) -> None:
        await self.store.save_draft(self.draft.id, text=text, sent=sent, finished=reason)


@dataclass(slots=True)
class Speech:
    """What one answer needs from its beginning to its end. `known` are the tools' messages it was asked with."""

    event: AnyEvent
    draft: Draft
    turn: Turn
    answer: Answer
    known: tuple[PromptMessage, ...]
    composed: Composed | None = None


class Turns:
    """Answers messages: remembers the question, asks the model, shows and remembers the answer."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        plugins: Sequence[Loaded],
        commands: Commands,
        registry: Registry,
        composer: Composer,
        runner: LocalRunner,
        jobs: Jobs,
        clock: Clock,
        *,
        tool_rounds: int = 8,
        who: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._plugins = {loaded.plugin.name: loaded for loaded in plugins}
        self._filters = [each for loaded in plugins for each in loaded.plugin.filters]
        self._tools = tuple(tool for loaded in plugins for tool in loaded.plugin.tools)
        self._registry = registry
        self._composer = composer
        self._runner = runner
        self._jobs = jobs
        self._clock = clock
        self._tool_rounds = tool_rounds
        self._who = who or {}
        self._house = House(store, registry, self, commands)

    # Questions.

    async def remember(self, event: Message) -> None:
        await self._store.remember(event.place, await self._heard(event))

    async def _heard(self, event: Message) -> NewMessage:
        text, parts = await with_attachments(event, self._adapters[event.place.platform])
        tokens, sent = await self._composer.count(text), (SentId(event.id),)
        return NewMessage("user", text, event.user.id, event.user.name, parts=parts, tokens=tokens, sent=sent)

    async def answer(self, event: Message) -> None:
        """The event is marked done in the same transaction that remembers the answer."""
        heard = await self._heard(event)
        question, path = await self._store.asked(event.place, heard, max_tokens=self._composer.most_tokens)
        conversation = path.conversation
        composed = self._composer.compose_from(path, conversation.settings)
        turn = self._turn(event, composed.prompt, composed.choice, tools=self._tools)
        model = self._model(event, conversation)
        if composed.assembled.notice is not None:
            model = _ending_with(Notice(composed.assembled.notice), model)
        answer = Answer(turn, model, self._clock)
        answer.ask()
        try:
            draft = await self._store.open_draft(conversation.id, event.route, event.id, question.id, epoch=0)
        except BaseException:
            await answer.abandon()
            raise
        speech = Speech(event, draft, turn, answer, tool_messages(composed.prompt), composed)
        spoken = await self._show(speech)
        await self._conclude(speech, spoken)
        await give_privately(self._adapters[event.place.platform], event.route, spoken)

    async def say(self, event: AnyEvent, speaker: Speaker | None, prompt: Prompt) -> Line:
        conversation = await self._store.conversation(event.place)
        turn = self._turn(event, prompt, self._composer.choice(conversation.settings), speaker=speaker)
        draft = await self._store.open_draft(conversation.id, event.route, event.id, None, epoch=0, speaker=speaker)
        answer = Answer(turn, self._model(event, conversation), self._clock)
        speech = Speech(event, draft, turn, answer, tool_messages(prompt))
        spoken = await self._show(speech)
        remembered = await self._conclude(speech, spoken)
        if spoken.error and not spoken.text:
            raise spoken.error
        return Line(spoken.text, spoken.sent, remembered[-1].id if remembered else None)

    async def pressed(self, event: ButtonPressed) -> bool:
        """Whether it was one of the buttons that stand under answers."""
        return False

    async def answer_here(self, event: AnyEvent, question: str, attachments: Sequence[Attachment]) -> Line:
        raise NotImplementedError

    async def ask(self, event: AnyEvent, prompt: Prompt, model: ModelChoice | None) -> str:
        conversation = await self._store.conversation(event.place)
        choice = model or self._composer.choice(conversation.settings)
        turn = replace(self._turn(event, prompt, choice), feature="ask")
        said = []
        try:
            async with reading(self._registry.stream(turn)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Text):
                        said.append(piece.text)
        finally:
            await self._store.spend(event.place, turn.calls, user_id=event.user.id)
        return "".join(said)

    # Answers that a crash interrupted.

    async def take_up(self, draft: Draft, *, complete: bool) -> None:
        """Finish the answer in its own messages, or mark it where that is not wanted or not possible."""
        question = await self._store.message(draft.question) if draft.question is not None else None
        user = User(question.author_id or "", question.author or "") if question else User("", "")
        event = Message(id=draft.event_id, user=user, route=draft.route, at=draft.started_at, text="", addressed=True)
        conversation = await self._store.conversation(draft.route.place)
        composed = await self._composer.compose(event.place, conversation.settings)
        turn = self._turn(event, composed.prompt, composed.choice, tools=self._tools, speaker=draft.speaker)
        model = self._model(event, conversation)
        # What a plugin made its bot say was asked with a prompt of its own: its job decides how to go on.
        complete = complete and draft.question is not None
        if draft.finished is not None or not complete:
            model = _only(Done(draft.finished or "truncated"), None if draft.finished else Notice(INTERRUPTED))
            answer = Answer(turn, model, self._clock, said=draft.text, go_on=False)
        else:
            answer = await self._reached(turn, model, draft)
        speech = Speech(event, draft, turn, answer, tool_messages(composed.prompt), composed)
        spoken = await self._show(speech, Resume(draft.sent, draft.text))
        await self._conclude(speech, spoken)
        await give_privately(self._adapters[event.place.platform], event.route, spoken)

    async def _reached(self, turn: Turn, model: LanguageModel, draft: Draft) -> Answer:
        """An answer whose model has begun to speak; one that only marks the end when it cannot be reached."""
        asked = turn.prompt
        for wait in (*TAKE_UP_WAITS, None):
            turn.prompt = asked
            answer = Answer(turn, model, self._clock, said=draft.text)
            answer.ask()
            error = await answer.begun()
            if error is None:
                return answer
            await answer.abandon()
            if wait is None or not getattr(error, "retryable", False):
                break
            log.info("model not reached for an interrupted answer, trying again", wait=wait, error=repr(error))
            await self._clock.sleep(wait)
        ending = _only(Done("truncated"), Notice(INTERRUPTED))
        return Answer(turn, ending, self._clock, said=draft.text, go_on=False)

    # Showing and remembering.

    def _turn(
        self,
        event: AnyEvent,
        prompt: Prompt,
        choice: ModelChoice,
        *,
        tools: Sequence[Tool] = (),
        speaker: Speaker | None = None,
    ) -> Turn:
        adapter = self._adapters[event.place.platform]
        context = EngineContext(self._house, adapter, event, Loaded(CORE), {})
        return Turn(event.place, prompt, choice, context, tools, speaker)

    def _model(self, event: AnyEvent, conversation: Conversation) -> LanguageModel:
        async def run(tool: Tool, arguments: Mapping[str, object]) -> str:
            context = await self.context(event, self._plugins[tool.command.plugin])
            return str(await tool.command.callback(context, **arguments))

        looped = with_tools(self._fitting(self._registry.stream, conversation), run, max_rounds=self._tool_rounds)
        return filtered(looped, self._filters)

    def _fitting(self, model: LanguageModel, conversation: Conversation) -> LanguageModel:
        """When the prompt is too long, it is asked once more with less, and all that tools said for this answer."""
        known: Sequence[PromptMessage] | None = None
        shrink = 1.0

        async def fitting(turn: Turn) -> AsyncIterator[Piece]:
            nonlocal known, shrink
            known = tool_messages(turn.prompt) if known is None else known
            try:
                async with reading(model(turn)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except ContextTooLong as error:
                log.info("prompt was too long, asking with less", error=repr(error))
            shrink *= SHRINK
            composed = await self._composer.compose(turn.place, conversation.settings, shrink=shrink)
            added = added_by_tools(turn.prompt, known)
            known = tool_messages(composed.prompt)
            turn.prompt = Prompt((*composed.prompt.messages, *added))
            async with reading(model(turn)) as pieces:
                async for piece in pieces:
                    yield piece

        return fitting

    async def _show(self, speech: Speech, resume: Resume | None = None) -> Spoken:
        adapter = self._adapters[speech.event.place.platform]

        def open_stream(before_post: Callable[[], Awaitable[None]]) -> ReplyStream:
            return adapter.stream(speech.draft.route, speech.turn.speaker, resume, before_post)

        with self._runner.stoppable(speech.event.place, speech.answer.stop):
            try:
                return await speech.answer.speak(open_stream, DraftJournal(self._store, speech.draft))
            except asyncio.CancelledError:
                # The next start takes the answer up, but only this process knows what it cost until here.
                await self._spend(speech)
                raise

    async def _conclude(self, speech: Speech, spoken: Spoken) -> Sequence[Remembered]:
        """Remember what was said. When the memory cannot be written, it is tried again beside everything else."""
        if speech.composed is not None:
            await self._composer.keep(speech.composed)
        if not spoken.text.strip():
            await self._nothing_said(speech)
            return ()
        messages = await self._messages(speech, spoken)
        try:
            return await self._write(speech, messages)
        except StoreError as error:
            log.error("answer could not be remembered, trying again", error=repr(error))
            self._runner.spawn(lambda: self._write_later(speech, messages))
            return ()

    async def _nothing_said(self, speech: Speech) -> None:
        """A failed call leaves the memory as it was: the question is kept, but not sent again."""
        await self._spend(speech)
        try:
            if speech.draft.question is not None:
                await self._store.set_status(speech.draft.question, "failed")
            await self._store.abandon(speech.draft)
        except StoreError as error:
            log.error("failed answer could not be closed", error=repr(error))

    async def _spend(self, speech: Speech) -> None:
        """What was asked is paid for, also where there is nothing to remember."""
        if not speech.turn.calls:
            return
        try:
            await self._store.spend(speech.event.place, speech.turn.calls, user_id=speech.event.user.id or None)
        except StoreError as error:
            log.error("calls could not be entered into the ledger", calls=len(speech.turn.calls), error=repr(error))

    async def _messages(self, speech: Speech, spoken: Spoken) -> list[NewMessage]:
        """Tool calls and their results as they were sent, then the answer."""
        turn = speech.turn
        tools = [_tool_message(message) for message in added_by_tools(turn.prompt, speech.known)]
        answer = NewMessage(
            "assistant",
            spoken.text,
            speaker=turn.speaker.name if turn.speaker else None,
            tokens=await self._composer.count(spoken.text),
            status="complete" if spoken.reason == "stop" else "partial",
            model=turn.model.model,
            sent=spoken.sent,
        )
        return [*tools, answer]

    async def _write(self, speech: Speech, messages: Sequence[NewMessage]) -> Sequence[Remembered]:
        calls: Sequence[ModelCall] = speech.turn.calls
        written = await self._store.answered(
            speech.draft, speech.event.place, messages, calls, user_id=speech.event.user.id or None
        )
        if written is None:
            log.warning("another process answers this now", draft=speech.draft.id)
            await self._spend(speech)
        return written or ()

    async def _write_later(self, speech: Speech, messages: Sequence[NewMessage]) -> None:
        for wait in REMEMBER_WAITS:
            await self._clock.sleep(wait)
            try:
                await self._write(speech, messages)
            except StoreError as error:
                log.error("answer could still not be remembered", error=repr(error))
            else:
                return
        # The draft stays in the database: the next start finishes it.

    # What contexts ask for.

    async def context(self, event: AnyEvent, loaded: Loaded) -> EngineContext:
        conversation = await self._store.conversation(event.place)
        adapter = self._adapters[event.place.platform]
        return EngineContext(self._house, adapter, event, loaded, conversation.settings)

    async def context_of(self, event: AnyEvent, plugin: str) -> EngineContext:
        return await self.context(event, self._plugins[plugin])

    async def interrupt(self, place: Place) -> bool:
        return await self._runner.stop(place)

    async def report(self, place: Place) -> WindowReport:
        conversation = await self._store.conversation(place)
        return (await self._composer.compose(place, conversation.settings)).report

    def choice(self, settings: Mapping[str, JsonValue]) -> ModelChoice:
        return self._composer.choice(settings)

    def system_prompt(self, settings: Mapping[str, JsonValue]) -> str:
        return self._composer.system_prompt(settings)

    def may(self, user: User, command: Command) -> bool:
        """Whether this person may run the command; the settings overrule what its plugin declared."""
        declared = self._who.get(command.name.split()[0], command.who)
        return user.is_moderator or self._who.get(command.name, declared) != "moderators"

    async def start_job(self, context: EngineContext, job: Job, state: BaseModel) -> int:
        return await self._jobs.start(context, job, state)

    async def end_job(self, place: Place, plugin: str, job: Job) -> bool:
        return await self._jobs.end(place, plugin, job)


def _only(done: Done, notice: Notice | None) -> LanguageModel:
    async def model(turn: Turn) -> AsyncIterator[Piece]:
        if notice is not None:
            yield notice
        yield done

    return model


def _ending_with(notice: Notice, model: LanguageModel) -> LanguageModel:
    async def noting(turn: Turn) -> AsyncIterator[Piece]:
        async with reading(model(turn)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Done):
                    yield notice
                yield piece

    return noting


def _tool_message(message: PromptMessage) -> NewMessage:
    parts: dict[str, JsonValue] = {}
    if message.tool_calls:
        parts["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.tool_calls
        ]
    if message.tool_call_id:
        parts["tool_call_id"] = message.tool_call_id
    # What was said before a tool call is part of the answer's own text.
    return NewMessage(message.role, "" if message.tool_calls else message.text, parts=parts)
