"""The Context that handlers get: everything they may touch, and nothing of what is behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel, JsonValue

from bot.commands import Command
from bot.errors import PluginError, UsageError
from bot.events import AnyEvent, Attachment, Place, User
from bot.feedback import Feedback, feedback_in
from bot.handler import Change, Filter, Line, Models, Saying, Scope
from bot.house import House, JobsHere, Loaded
from bot.lasting import Job, Standing
from bot.manners import Manner
from bot.meters import Meters
from bot.own import Own
from bot.platform import Adapter, Capabilities, NamesPlaces, Posted
from bot.replies import Reply, ReplyStream, SentId, Speaker
from bot.store import Branch, NewMessage, Playbill, Remembered, Summary
from bot.store.archives import Archive
from bot.store.branches import Branches
from bot.talk import Room
from bot.turn import ModelCall, ModelChoice, Prompt
from bot.window import WindowReport
from bot.words import say

T = TypeVar("T")
State = TypeVar("State", bound=BaseModel)


@dataclass(slots=True)
class EngineTalk:
    """The conversation of a place. `settings` follow `change`."""

    place: Place
    house: House
    user: User
    settings: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def meters(self) -> Meters:
        return self.house.speaking.meters(self.place, self.user)

    @property
    def system_prompt(self) -> str:
        return self.house.speaking.system_prompt(self.settings, self.place)

    @property
    def model(self) -> ModelChoice:
        return self.house.speaking.choice(self.settings, self.place)

    async def manner(self) -> Manner:
        return await self.house.speaking.manner(self.place)

    async def change(self, **changes: JsonValue) -> None:
        conversation = await self.house.store.change_settings(self.place, changes)
        self.settings = conversation.settings
        self.house.speaking.changed(self.place)

    async def path(self, limit: int = 50) -> tuple[Remembered, ...]:
        # Messages of chats are short, so few tokens usually do; a read that comes back short is widened. People count
        # also what the model only knows in short.
        for tokens in (limit * 400, limit * 4_000, limit * 20_000):
            path = await self.house.store.path(self.place, max_tokens=tokens, whole=True)
            if path.complete or len(path.messages) >= limit:
                break
        return path.messages[-limit:] if limit else ()

    async def feedback(self) -> Feedback:
        return await feedback_in(self.house.store, self.place)

    async def count(self) -> int:
        return await self.house.store.count(self.place)

    async def clear(self) -> int:
        return await self.house.store.clear(self.place)

    async def append(
        self,
        role: Literal["user", "assistant"],
        text: str,
        speaker: Speaker | None = None,
        *,
        sent: Sequence[SentId] = (),
        scene: int | None = None,
    ) -> Remembered:
        message = NewMessage(role, text, speaker=speaker.name if speaker else None, sent=tuple(sent), scene=scene)
        _, remembered = await self.house.store.remember(self.place, message)
        return remembered

    async def tell_scene(self, root: int, bill: Playbill) -> None:
        await self.house.store.tell_scene(self.place, root, bill)

    async def branch(self, at: int | None, name: str = "") -> None:
        async with self.house.replaying.moving(self.place):
            await self._branches.fork(self.place, at, name)

    async def branches(self) -> tuple[Branch, ...]:
        return await self._branches.all(self.place)

    async def switch(self, branch: int) -> None:
        async with self.house.replaying.moving(self.place):
            await self._branches.switch(self.place, branch)

    async def rename_branch(self, branch: int, name: str) -> None:
        await self._branches.rename(self.place, branch, name)

    async def delete_branch(self, branch: int) -> int:
        return await self._branches.delete(self.place, branch)

    async def move_tip(self, to: int | None) -> None:
        await self._branches.move_tip(self.place, to)

    async def pins(self) -> tuple[Remembered, ...]:
        return await self._branches.pins(self.place)

    async def pin(self, message: int) -> None:
        await self._branches.pin(self.place, message)

    async def unpin(self, message: int) -> bool:
        return await self._branches.unpin(self.place, message)

    async def summary(self) -> Summary | None:
        return await self._branches.summary(self.place)

    async def write_summary(self, text: str) -> None:
        await self._branches.write_summary(self.place, text)

    async def variants(self, answer: int) -> tuple[Remembered, ...]:
        return await self.house.store.variants(answer) if await self.message(answer) is not None else ()

    @property
    def _branches(self) -> Branches:
        return self.house.store.branches

    async def forget(self, *messages: int) -> None:
        await self.house.store.forget(self.place, messages)

    async def message_of(self, platform_id: str) -> Remembered | None:
        return await self.house.store.message_of(self.place, platform_id)

    async def message(self, id: int) -> Remembered | None:
        found = await self.house.store.message(id)
        conversation = await self.house.store.conversation(self.place)
        return found if found is not None and found.conversation == conversation.id else None

    async def question_of(self, answer: Remembered) -> Remembered | None:
        return await self.house.store.question_of(answer)

    async def sent(self, message: int) -> tuple[SentId, ...]:
        return await self.house.store.sent_of(message) if await self.message(message) is not None else ()

    async def window(self) -> WindowReport:
        return await self.house.speaking.report(self.place)

    def room(self, model: ModelChoice | None = None) -> Room:
        return self.house.speaking.room(model or self.model, self.place)

    async def usage(self, since: datetime | None = None) -> Sequence[ModelCall]:
        return await self.house.store.usage(self.place, since=since)


class EngineContext:
    """One plugin's view of one event."""

    def __init__(
        self, house: House, adapter: Adapter, event: AnyEvent, loaded: Loaded, settings: Mapping[str, JsonValue]
    ) -> None:
        self._house = house
        self._adapter = adapter
        self._event = event
        self._loaded = loaded
        self._talk = EngineTalk(event.place, house, event.user, settings)
        self.answered = False
        # When the last line stood there whole, in seconds of the clock.
        self.stood: float | None = None

    @property
    def event(self) -> AnyEvent:
        return self._event

    @property
    def place(self) -> Place:
        return self._event.place

    @property
    def user(self) -> User:
        return self._event.user

    @property
    def plugin(self) -> str:
        return self._loaded.plugin.name

    @property
    def capabilities(self) -> Capabilities:
        return self._adapter.capabilities(self._event.route)

    @property
    def conversation(self) -> EngineTalk:
        return self._talk

    @property
    def own(self) -> Own:
        return self._house.speaking.own(self.place, self.user)

    @property
    def models(self) -> Models:
        return self._house.models.at(self.place)

    @property
    def commands(self) -> Sequence[Command]:
        return [command for command in self._house.commands if self._house.speaking.may(self.user, command)]

    async def reply(self, text: str) -> tuple[SentId, ...]:
        return await self.send(Reply(text))

    async def send(self, reply: Reply) -> tuple[SentId, ...]:
        self.answered = True
        return await self._adapter.send(self._event.route, reply)

    def stream(self, speaker: Speaker | None = None) -> ReplyStream:
        self.answered = True
        return self._adapter.stream(self._event.route, speaker)

    async def say(
        self,
        speaker: Speaker | None,
        prompt: Prompt,
        *,
        model: ModelChoice | None = None,
        through: Filter | None = None,
        scene: int | None = None,
        instead_of: int | None = None,
        as_variant: bool = False,
        told_by: str = "",
    ) -> Line:
        self.answered = True
        line = Saying(speaker, prompt, model, through, scene, instead_of, as_variant, told_by)
        said = await self._house.speaking.say(self._event, line)
        self.stood = said.stood
        return said

    async def answer(self, question: str, *, attachments: Sequence[Attachment] = ()) -> Line:
        self.answered = True
        return await self._house.speaking.answer_here(self._event, question, attachments)

    async def answer_again(self, answer: Remembered) -> Line:
        self.answered = True
        return await self._house.replaying.again(self._event, answer)

    async def answer_instead(self, question: Remembered, text: str) -> Line:
        self.answered = True
        return await self._house.replaying.instead(self._event, question, text)

    async def show_variant(self, answer: Remembered, number: int) -> None:
        await self._house.replaying.show_variant(self._event, answer, number)

    async def ask(self, prompt: Prompt, *, model: ModelChoice | None = None, shown: bool = False) -> str:
        return await self._house.speaking.ask(self._event, prompt, model, shown=shown)

    async def edit(self, sent: SentId, reply: Reply) -> None:
        await self._adapter.edit(self._event.route, sent, reply)

    async def delete(self, sent: SentId) -> None:
        await self._adapter.delete(self._event.route, sent)

    async def history(self, *, after: str | None = None, limit: int = 100) -> tuple[Posted, ...]:
        return await self._adapter.history(self._event.route, after, limit)

    async def name_of(self, place: Place) -> str:
        name = ""
        if isinstance(self._adapter, NamesPlaces) and place.platform == self.place.platform:
            name = await self._adapter.place_name(place)
        return name or place.channel

    def archive(self) -> Archive:
        return self._house.store.archives.at(self.place, self._house.zone)

    def provided(self, kind: type[T]) -> Sequence[T]:
        return [value for value in self._house.provided if isinstance(value, kind)]

    async def interrupt(self) -> bool:
        return await self._house.speaking.interrupt(self.place)

    async def start(self, job: Job, state: BaseModel) -> int:
        return await self._jobs.start(self, job, state)

    async def job(self, job: Job) -> Standing[Any] | None:
        return await self._jobs.find(self.place, self.plugin, job)

    async def change(self, job: Job, change: Change[State], *, wake: bool = False) -> State | None:
        changed = await self._jobs.change(self.place, self.plugin, job, change, wake=wake)
        return cast("State | None", changed)  # what `change` makes of a state is of its kind

    async def pause(self, job: Job) -> bool:
        return await self._jobs.pause(self.place, self.plugin, job)

    async def resume(self, job: Job) -> bool:
        return await self._jobs.resume(self, job)

    async def end(self, job: Job) -> bool:
        return await self._jobs.end(self.place, self.plugin, job)

    @property
    def _jobs(self) -> JobsHere:
        return self._house.speaking.jobs

    def job_named(self, name: str) -> Job | None:
        return next((job for job in self._loaded.plugin.jobs if job.name == name), None)

    def _key(self, scope: Scope, kind: type[BaseModel], key: str) -> tuple[str, str, str]:
        owner = {
            "place": str(self.place),
            "workspace": f"{self.place.platform}:{self.place.workspace}",
            "user": f"{self.place.platform}:{self.user.id}",
            "global": "",
        }[scope]
        return self.plugin, f"{scope}:{owner}", f"{kind.__name__}:{key}"

    async def load(self, kind: type[State], *, scope: Scope = "place", key: str = "") -> State | None:
        found = await self._house.store.load_state(*self._key(scope, kind, key))
        return kind.model_validate(found[0]) if found else None

    async def save(self, state: BaseModel, *, scope: Scope = "place", key: str = "") -> None:
        await self._house.store.save_state(*self._key(scope, type(state), key), state.model_dump(mode="json"))

    async def load_all(self, kind: type[State], *, scope: Scope = "place") -> Mapping[str, State]:
        plugin, owner, prefix = self._key(scope, kind, "")
        found = await self._house.store.load_states(plugin, owner, prefix)
        return {key.removeprefix(prefix): kind.model_validate(value) for key, value in found.items()}

    async def keys(self, kind: type[BaseModel], *, scope: Scope = "place") -> Sequence[str]:
        plugin, owner, prefix = self._key(scope, kind, "")
        return [key.removeprefix(prefix) for key in await self._house.store.state_keys(plugin, owner, prefix)]

    async def forget_state(self, kind: type[BaseModel], *, scope: Scope = "place", key: str = "") -> None:
        await self._house.store.delete_state(*self._key(scope, kind, key))

    async def put_blob(self, content: bytes, media_type: str, *, kept: bool = True) -> str:
        put = self._house.store.put_blob if kept else self._house.store.put_picture
        return await put(content, media_type)

    async def release_blob(self, id: str) -> None:
        await self._house.store.release_blob(id)

    async def get_blob(self, id: str) -> tuple[bytes, str] | None:
        return await self._house.store.get_blob(id)

    async def fetch(self, attachment: Attachment, max_bytes: int) -> bytes:
        if attachment.size > max_bytes:
            raise UsageError(
                say("{name} is too large: I read at most {size:,} kB.", name=attachment.name, size=max_bytes // 1000)
            )
        return await self._adapter.fetch(attachment, max_bytes)

    def get(self, kind: type[T]) -> T:
        for value in (self._loaded.settings, self._loaded.state, *self._loaded.shared):
            if isinstance(value, kind):
                return value
        raise PluginError(f"Plugin {self.plugin!r} has no {kind.__name__}: its settings and lifespan give none.")
