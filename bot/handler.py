"""What a handler of a plugin may touch: the Context and what it leads to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, JsonValue

from bot.commands import Command
from bot.events import AnyEvent, Attachment, Place, User
from bot.lasting import Job, Standing
from bot.model.moderation import Verdict
from bot.own import Own
from bot.platform import Capabilities, Posted
from bot.replies import Piece, Reply, ReplyStream, SentId, Speaker
from bot.store.archives import Archive
from bot.store.records import Remembered
from bot.talk import Talk
from bot.turn import LanguageModel, ModelCall, ModelChoice, Prompt, Turn, Usage

T = TypeVar("T")
State = TypeVar("State", bound=BaseModel)
Handler: TypeAlias = Callable[..., Any]
Filter: TypeAlias = Callable[[Turn, LanguageModel], AsyncIterator[Piece]]
Listener: TypeAlias = Callable[["Context"], Awaitable["Taken | None"]]
Change: TypeAlias = Callable[[State], "State | None"]
Scope: TypeAlias = Literal["place", "workspace", "user", "global"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A listener returns this when the message needs no answer from the bot."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a speaker said, as it stands on the platform and in memory; `calls` is what it cost. What was `interrupted`
    could not be said or shown to its end. `stood` is when it stood there whole, in seconds of the bot's clock."""

    text: str
    sent: tuple[SentId, ...]
    message: int | None
    calls: tuple[ModelCall, ...] = ()
    interrupted: bool = False
    stood: float = 0.0


@dataclass(frozen=True, slots=True)
class Saying:
    """How a line is said: see `Context.say`."""

    speaker: Speaker | None
    prompt: Prompt
    model: ModelChoice | None = None
    through: Filter | None = None
    scene: int | None = None
    instead_of: int | None = None
    as_variant: bool = False
    told_by: str = ""


class Models(Protocol):
    """The registry of language models, as commands may see it."""

    @property
    def providers(self) -> tuple[str, ...]: ...

    def default(self, provider: str) -> str:
        """The model that answers where none is named; empty for a provider that must be told."""
        ...

    async def known(self, provider: str) -> tuple[str, ...]:
        """Names that the provider lists; empty where it does not tell."""
        ...

    async def named(self, wanted: str, usual: str) -> ModelChoice:
        """The model that is meant by `provider:model`, a provider, or a model of the `usual` provider. Raises
        UsageError that names the nearest."""
        ...

    async def recall(self, choice: ModelChoice) -> None:
        """Read what earlier processes learned about this model, so that `refused` can tell it."""
        ...

    def reasons(self, choice: ModelChoice) -> bool:
        """Whether it is a reasoning model, which takes effort instead of sampling parameters."""
        ...

    def refused(self, choice: ModelChoice) -> Mapping[str, str]:
        """Parameter → what the provider said when it refused it."""
        ...

    def mode(self, name: str, choice: ModelChoice) -> Mapping[str, JsonValue]:
        """The parameters that `creative`, `precise` or `balanced` mean on this model. Raises UsageError."""
        ...

    @property
    def parameter_names(self) -> tuple[str, ...]: ...

    def check_parameter(self, name: str, value: JsonValue) -> JsonValue:
        """The value as it will be sent; texts such as `0.9` are understood. Raises UsageError."""
        ...

    def count(self, text: str) -> int:
        """How many tokens a text is, as every budget counts them."""
        ...

    def cost(self, choice: ModelChoice, usage: Usage) -> Decimal | None:
        """What so many tokens cost there, in US dollars; None where the price is unknown."""
        ...

    async def moderate(self, text: str) -> Verdict:
        """Whether a provider's moderation finds something in a text. Raises ModelError where none can tell."""
        ...


class Context(Protocol):
    """Everything that a handler may touch."""

    @property
    def event(self) -> AnyEvent: ...

    @property
    def place(self) -> Place: ...

    @property
    def user(self) -> User: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def conversation(self) -> Talk: ...

    @property
    def models(self) -> Models: ...

    @property
    def own(self) -> Own:
        """What is kept about this person."""
        ...

    @property
    def commands(self) -> Sequence[Command]:
        """All commands that this user may run here."""
        ...

    async def reply(self, text: str) -> tuple[SentId, ...]: ...

    async def send(self, reply: Reply) -> tuple[SentId, ...]: ...

    def stream(self, speaker: Speaker | None = None) -> ReplyStream: ...

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
        """The engine's own way: streamed, journaled, remembered, filtered, budgeted. Raises BotError, and nothing is
        shown, when the model does not say a word.

        `through` is a filter for this line alone, outermost. `scene` is the message that the scene begins with to
        which the line belongs. It may take the place of a message of the bot (`instead_of`), in its own messages;
        `as_variant` keeps the old one beside it. `told_by` is the id of the person whose words they are, where somebody
        lets a speaker say them: they are that person's own data, and go when they want to be forgotten.
        """
        ...

    async def answer(self, question: str, *, attachments: Sequence[Attachment] = ()) -> Line:
        """Answer this person here as if they had written the question as a message: both are remembered."""
        ...

    async def answer_again(self, answer: Remembered) -> Line:
        """A new answer to the same question, beside the old one: in its messages where it is the newest of the
        conversation, else below, on a branch of its own. Raises BotError, and all is as before, when the model does
        not say a word."""
        ...

    async def answer_instead(self, question: Remembered, text: str) -> Line:
        """Answer another wording of a remembered question, on a branch of its own. Raises BotError as `answer_again`
        does."""
        ...

    async def show_variant(self, answer: Remembered, number: int) -> None:
        """Let the n-th of an answer's variants count, and show it in its messages."""
        ...

    async def ask(self, prompt: Prompt, *, model: ModelChoice | None = None, shown: bool = False) -> str:
        """An answer that is neither shown nor remembered, but counted. `shown` says that people will see it, so that
        it goes through the filters as answers do."""
        ...

    async def edit(self, sent: SentId, reply: Reply) -> None:
        """Replace a message of the bot's own: its text, unless that is empty, and its buttons."""
        ...

    async def delete(self, sent: SentId) -> None: ...

    async def history(self, *, after: str | None = None, limit: int = 100) -> tuple[Posted, ...]:
        """Messages of this place as the platform keeps them: those after an id, or the newest ones."""
        ...

    async def name_of(self, place: Place) -> str:
        """What people call the channel of a place on this platform, as far as that is known; else its id."""
        ...

    def archive(self) -> Archive:
        """All that is remembered of this place, page by page, with its branches, scenes and what answers took."""
        ...

    def provided(self, kind: type[T]) -> Sequence[T]:
        """What the plugins that run provide of a kind, see `Plugin.provide`."""
        ...

    async def interrupt(self) -> bool:
        """Stop the answer that is being written here. False when there is none."""
        ...

    async def start(self, job: Job, state: BaseModel) -> int:
        """Begin a job here; its steps run one at a time under the conversation's turn lock."""
        ...

    async def job(self, job: Job) -> Standing[Any] | None:
        """The one of that name that runs here or is paused."""
        ...

    async def change(self, job: Job, change: Change[State], *, wake: bool = False) -> State | None:
        """Change the state of a job that runs here or is paused, after the step that is being made. `change` returns
        the new state, or None to end the job; it may be called twice and must do nothing else. `wake` ends the wait
        before the next step. Returns the new state, None where there is none."""
        ...

    async def pause(self, job: Job) -> bool:
        """After the step that is being made. False when it does not run."""
        ...

    async def resume(self, job: Job) -> bool:
        """Go on with a paused one. False when there is none."""
        ...

    async def end(self, job: Job) -> bool:
        """End this plugin's job of that name here; a line that is being said is stopped."""
        ...

    async def load(self, kind: type[State], *, scope: Scope = "place", key: str = "") -> State | None: ...

    async def save(self, state: BaseModel, *, scope: Scope = "place", key: str = "") -> None: ...

    async def load_all(self, kind: type[State], *, scope: Scope = "place") -> Mapping[str, State]:
        """All that was saved of a kind, by key."""
        ...

    async def keys(self, kind: type[BaseModel], *, scope: Scope = "place") -> Sequence[str]:
        """The keys of all that was saved of a kind, which are quicker to get than what was saved."""
        ...

    async def forget_state(self, kind: type[BaseModel], *, scope: Scope = "place", key: str = "") -> None: ...

    async def put_blob(self, content: bytes, media_type: str, *, kept: bool = True) -> str:
        """Its id; the same bytes have the same one. What is not `kept` stays a day at least."""
        ...

    async def release_blob(self, id: str) -> None:
        """One that was kept goes in a day, unless a message, a job or something that was saved still holds it."""
        ...

    async def get_blob(self, id: str) -> tuple[bytes, str] | None: ...

    async def fetch(self, attachment: Any, max_bytes: int) -> bytes: ...

    def get(self, kind: type[T]) -> T:
        """This plugin's settings or what its lifespan yielded, by type. Raises PluginError for anything else."""
        ...
