"""From a question to a remembered answer, and everything else that the bot says by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import structlog
from pydantic import JsonValue

from bot.answering import Answer, Spoken, give_privately
from bot.asides import Asides
from bot.attachments import Attached
from bot.behaviour import Manners
from bot.clock import Clock
from bot.commands import Command, Commands, Tool
from bot.composing import Composer
from bot.context import EngineContext
from bot.controls import Below, LastButtons, Standing
from bot.ears import Ears, goes_on
from bot.errors import DeliveryError
from bot.events import AnyEvent, Attachment, Message, Place, Route, User
from bot.exchanges import Beginning, Exchanges
from bot.filters import filtered
from bot.fitting import fitting, thinned
from bot.forgetting import Forgetting, OwnHere
from bot.handler import Line, Saying
from bot.house import House, Loaded
from bot.jobs import Jobs
from bot.limits import Limits, MetersHere
from bot.manners import Manner
from bot.meters import Meters
from bot.model.registry import Registry
from bot.own import Own
from bot.platform import Adapter
from bot.plugin import Plugin
from bot.remembering import Remembering
from bot.replies import Button, Notice, Reply, ReplyStream, Resume, SentId, Speaker
from bot.runner import LocalRunner
from bot.speech import DraftJournal, Speech, ending_with
from bot.store import Conversation, Draft, NewMessage, Remembered, Store, Taking
from bot.summarising import Summaries
from bot.taking_up import TakingUp
from bot.talk import Room
from bot.tools import tool_messages, with_tools
from bot.turn import LanguageModel, ModelChoice, Prompt, Turn
from bot.window import WindowReport
from bot.words import say, speak_at

log = structlog.get_logger(__name__)

# Turns of the engine itself carry the context of no plugin.
CORE = Plugin("core", "What the bot does by itself.")


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
        limits: Limits,
        manners: Manners,
        summaries: Summaries,
        forgetting: Forgetting,
        *,
        tool_rounds: int = 8,
        who: Mapping[str, str] | None = None,
        buttons: bool = True,
        footer: bool = False,
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._plugins = {loaded.plugin.name: loaded for loaded in plugins}
        self._core = Loaded(CORE, shared=tuple(value for each in plugins for value in (each.settings, each.state)))
        self._filters = [each for loaded in plugins for each in loaded.plugin.filters]
        self.tools = tuple(tool for loaded in plugins for tool in loaded.plugin.tools)
        self._registry = registry
        self._composer = composer
        self._runner = runner
        self.jobs = jobs
        self._clock = clock
        self._limits = limits
        self._manners = manners
        self._forgetting = forgetting
        self._tool_rounds = tool_rounds
        self._who = who or {}
        self._buttons = buttons
        self._footer = footer
        self.last_buttons = LastButtons()
        self._memory = Remembering(store, composer, summaries, runner, clock)
        self._ears = Ears(store, adapters, composer)
        self._taking_up = TakingUp(self, store, composer, clock)
        self._asides = Asides(self, store, registry, composer, self._memory, limits, runner, clock, self._filters)
        self.exchanges = Exchanges(store, adapters, self, runner)
        provided = [value for each in plugins for value in each.plugin.provided]
        self._house = House(store, registry, self, self.exchanges, commands, provided, composer.zone)

    # Questions.

    async def remember(self, event: Message) -> None:
        if event.past and await self._ears.known(event):
            return
        heard, _ = await self._ears.heard(event)
        await self._store.remember(event.place, heard)

    async def answer(self, event: Message, earlier: Sequence[Message] = ()) -> Line:
        """The event is marked done in the same transaction that remembers the answer. `earlier` are what the same
        person wrote just before, to be answered together with it."""
        await self.check(event)
        unread = []
        for one in earlier:
            heard, attached = await self._ears.heard(one)
            unread.append(attached.notice)
            await self._store.remember(one.place, goes_on(heard))
            await self._store.done(one.place, one.id)
        heard, attached = await self._ears.heard(event)
        if not attached.answerable and not earlier:
            return await self._decline(event, heard, attached)
        question, path = await self._store.asked(event.place, heard, max_tokens=self._composer.most_tokens)
        conversation = path.conversation
        self._speak(event, conversation)
        composed = self._composer.compose_from(path, conversation.settings)
        turn = self.turn_for(event, composed.prompt, composed.choice, tools=self.tools)
        model = self.model_for(event, conversation, question.id)
        if notes := " ".join(filter(None, (composed.assembled.notice, *unread, attached.notice))):
            model = ending_with(Notice(notes), model)
        answer = Answer(turn, model, self._clock)
        answer.ask()
        try:
            draft = await self._store.open_draft(conversation.id, event.route, event.id, question.id, epoch=0)
            draft = replace(draft, branch=conversation.branch)
        except BaseException:
            await answer.abandon()
            await self._memory.spend(event, turn.calls)
            raise
        speech = Speech(event, draft, turn, answer, tool_messages(composed.prompt), composed)
        speech.below = self.below(event, question)
        return await self.finish(speech)

    async def _decline(self, event: Message, heard: NewMessage, attached: Attached) -> Line:
        """Nothing in it that a model could answer: whoever sent it is told why."""
        conversation, _ = await self._store.remember(event.place, heard)
        self._speak(event, conversation)
        sent = await self._adapters[event.place.platform].send(event.route, Reply(attached.notice))
        await self._store.done(event.place, event.id)
        return Line(attached.notice, sent, None)

    async def answer_again(
        self, event: AnyEvent, question: Remembered, taking: Taking, below: Below, beginning: Beginning | None = None
    ) -> Line:
        """Answer what was asked before, in the messages that show the earlier attempt. Raises BotError, and nothing
        has changed, when the model does not say a word."""
        await self.check(event)
        path = await self._store.path(event.place, max_tokens=self._composer.most_tokens, until=question.id)
        conversation = path.conversation
        composed = self._composer.compose_from(path, conversation.settings)
        turn = self.turn_for(event, composed.prompt, composed.choice, tools=self.tools)
        model = self.model_for(event, conversation, question.id)
        if beginning is not None:
            model = ending_with(Notice(beginning.note), model)
        answer = Answer(turn, model, self._clock, said=taking.text)
        answer.ask()
        try:
            with self._runner.stoppable(event.place, answer.stop, event.user.id):
                error = await answer.first_word()
            if error is not None:
                raise error
            draft = await self._store.open_draft(
                conversation.id, event.route, event.id, question.id, epoch=0, taking=taking
            )
            draft = replace(draft, branch=conversation.branch)
            if beginning is not None:
                beginning.made = True
        except BaseException:
            await answer.abandon()
            await self._memory.spend(event, turn.calls)
            raise
        speech = Speech(event, draft, turn, answer, tool_messages(composed.prompt), composed)
        speech.below = below if self.below(event, question) is not None else None
        return await self.finish(speech, Resume(taking.sent, taking.text) if taking.sent else None)

    async def finish(self, speech: Speech, resume: Resume | None = None) -> Line:
        event = speech.event
        if speech.below is not None:
            self._take_buttons(event.place, resume)
        spoken = await self.show(speech, resume)
        remembered = await self._memory.conclude(speech, spoken)
        if speech.below is not None and spoken.sent:
            self.last_buttons.put(event.place, Standing(spoken.sent[-1], speech.ended(spoken)))
        await give_privately(self._adapters[event.place.platform], event.route, spoken)
        await self._ping(speech, spoken)
        return Line(spoken.text, spoken.sent, remembered[-1].id if remembered else None)

    async def _ping(self, speech: Speech, spoken: Spoken) -> None:
        """Whoever waited for long is told that the wait is over: an edit rings no bell."""
        event = speech.event
        adapter = self._adapters[event.place.platform]
        after = (await self._manners.of(event.place, adapter.capabilities(event.route))).ping_after
        if not after or speech.answer.seconds < after or spoken.error or spoken.reason not in ("stop", "length"):
            return
        try:
            await adapter.send(event.route, Reply(say("My answer is ready."), notify=True))
        except DeliveryError as error:
            log.info("nobody could be told that the answer is ready", error=repr(error))

    def below(self, event: AnyEvent, question: Remembered) -> Below | None:
        """What the buttons under the answer to this question depend on; None where there are to be none."""
        can = self._adapters[event.place.platform].capabilities(event.route)
        offers = self.offers(event.route)
        return Below(question.id, question.author_id or "", feedback=can.feedback) if offers else None

    def offers(self, route: Route) -> bool:
        """Whether buttons stand under answers there."""
        return self._buttons and self._adapters[route.place.platform].capabilities(route).buttons

    def _take_buttons(self, place: Place, resume: Resume | None) -> None:
        """The talk goes on: what stands under the answer before makes no sense any more."""
        standing = self.last_buttons.take(place)
        if standing is not None and not (resume and standing.sent in resume.sent):
            self._runner.spawn(lambda: self.change_buttons(place, standing.sent, ()))

    async def change_buttons(self, place: Place, sent: SentId, buttons: Sequence[Button]) -> None:
        try:
            await self._adapters[place.platform].edit(Route(place), sent, Reply("", buttons=tuple(buttons)))
        except DeliveryError as error:
            log.info("buttons could not be changed", error=repr(error))

    async def answer_here(self, event: AnyEvent, question: str, attachments: Sequence[Attachment]) -> Line:
        """As if the person had written the question as a message."""
        await self.check(event)
        asked = Message(
            id=event.id,
            user=event.user,
            route=event.route,
            at=event.at,
            locale=event.locale,
            text=question,
            addressed=True,
            attachments=tuple(attachments),
        )
        return await self.answer(asked)

    async def say(self, event: AnyEvent, line: Saying) -> Line:
        return await self._asides.say(event, line)

    async def ask(self, event: AnyEvent, prompt: Prompt, model: ModelChoice | None, *, shown: bool) -> str:
        return await self._asides.ask(event, prompt, model, shown=shown)

    async def take_up(self, draft: Draft, *, complete: bool) -> None:
        """Finish an answer that a crash interrupted, or mark it."""
        await self._taking_up.take_up(draft, complete=complete)

    # Showing and remembering.

    def turn_for(
        self,
        event: AnyEvent,
        prompt: Prompt,
        choice: ModelChoice,
        *,
        tools: Sequence[Tool] = (),
        speaker: Speaker | None = None,
    ) -> Turn:
        adapter = self._adapters[event.place.platform]
        context = EngineContext(self._house, adapter, event, self._core, {})
        return Turn(event.place, prompt, choice, context, tools, speaker)

    def model_for(self, event: AnyEvent, conversation: Conversation | None, until: int | None = None) -> LanguageModel:
        """Without a conversation, for prompts that are not made of one."""

        async def run(tool: Tool, arguments: Mapping[str, object]) -> str:
            context = await self.context(event, self._plugins[tool.command.plugin])
            return str(await tool.command.callback(context, **arguments))

        ask = self._registry.stream
        fits = thinned(ask) if conversation is None else fitting(ask, self._composer, conversation.settings, until)
        looped = with_tools(fits, run, max_rounds=self._tool_rounds, forbids=self._limits.forbids)
        return self._limits.counting(filtered(looped, self._filters))

    async def show(self, speech: Speech, resume: Resume | None = None) -> Spoken:
        event, adapter = speech.event, self._adapters[speech.event.place.platform]

        def open_stream(before_post: Callable[[], Awaitable[None]]) -> ReplyStream:
            return adapter.stream(speech.draft.route, speech.turn.speaker, resume, before_post)

        answers = speech.draft.question is not None
        asker = event.user.id if answers else None
        footer = answers and self._footer and not adapter.capabilities(speech.draft.route).footer
        with self._runner.stoppable(event.place, speech.answer.stop, asker):
            try:
                journal = DraftJournal(self._store, speech.draft)
                return await speech.answer.speak(open_stream, journal, speech.below, footer=footer)
            except asyncio.CancelledError:
                # The next start takes the answer up, but only this process knows what it cost until here.
                await self._memory.spend(event, speech.turn.calls)
                raise

    # What contexts ask for.

    async def heed(self, event: AnyEvent) -> None:
        """Speak the language of this place from here on. Messages do not tell the language of a person's app, so a
        place for one person alone remembers it."""
        conversation = await self._store.conversation(event.place)
        is_news = 0 < len(event.locale) < 20 and conversation.settings.get("app_language") != event.locale
        if is_news and self._adapters[event.place.platform].capabilities(event.route).direct:
            conversation = await self._store.change_settings(event.place, {"app_language": event.locale})
        self._speak(event, conversation)

    def _speak(self, event: AnyEvent, conversation: Conversation) -> None:
        speak_at(conversation.settings, event.locale)

    async def context(self, event: AnyEvent, loaded: Loaded) -> EngineContext:
        conversation = await self._store.conversation(event.place)
        self._speak(event, conversation)
        adapter = self._adapters[event.place.platform]
        return EngineContext(self._house, adapter, event, loaded, conversation.settings)

    async def context_of(self, event: AnyEvent, plugin: str) -> EngineContext:
        return await self.context(event, self._plugins[plugin])

    async def check(self, event: AnyEvent) -> None:
        """Whether this person may ask a model now. Raises LimitReached."""
        await self._limits.check(event, self._adapters[event.place.platform].capabilities(event.route))

    async def manner(self, place: Place) -> Manner:
        return await self._manners.of(place, self._adapters[place.platform].capabilities(Route(place)))

    def changed(self, place: Place) -> None:
        """The settings of a place are others now."""
        self._manners.drop(place)

    async def interrupt(self, place: Place) -> bool:
        return await self._runner.stop(place)

    async def report(self, place: Place) -> WindowReport:
        conversation = await self._store.conversation(place)
        return (await self._composer.compose(place, conversation.settings)).report

    def room(self, choice: ModelChoice, place: Place) -> Room:
        return self._composer.room(choice, place)

    def own(self, place: Place, user: User) -> Own:
        return OwnHere(self._store, self._forgetting, place, user)

    def meters(self, place: Place, user: User) -> Meters:
        return MetersHere(self._store, self._limits, place, user)

    def choice(self, settings: Mapping[str, JsonValue], place: Place) -> ModelChoice:
        return self._composer.choice(settings, place)

    def system_prompt(self, settings: Mapping[str, JsonValue], place: Place) -> str:
        return self._composer.system_prompt(settings, place)

    def may(self, user: User, command: Command) -> bool:
        """Whether this person may run the command; the settings overrule what its plugin declared."""
        declared = self._who.get(command.name.split()[0], command.who)
        return user.is_moderator or self._who.get(command.name, declared) != "moderators"
