"""A scene as it stands: who plays, how long, and what was asked of it. Every change makes a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from bot.api import Remembered, Speaker, phrase
from plugins.roleplay.ballots import Ballot
from plugins.roleplay.endings import Reason, Said

Order: TypeAlias = Literal["alternate", "round-robin", "mention", "director", "manual"]

MOST_ROLES = 6
MOST_TURNS = 200
# Whispers that wait for a line; more are not read by anybody.
MOST_NOTES = 10
# Of the transcript so much is looked at for each line.
LOOKS_AT = 200


class Role(BaseModel):
    """A part in a scene, with all of its persona that is needed, so that changing the persona leaves the scene alone.

    `player` is the id of the person who plays it, empty where the model does. `notes` are told to it before its next
    line alone, `knows` before each of them. One that `remembers` keeps what it learns for other scenes; an
    `adult` one is for adults alone.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    prompt: str
    persona: str = ""
    description: str = ""
    examples: str = ""
    after_history: str = ""
    greeting: str = ""
    face: str | None = None
    provider: str | None = None
    model: str | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    book: JsonValue = None
    player: str = ""
    player_name: str = ""
    notes: tuple[str, ...] = ()
    knows: tuple[str, ...] = ()
    remembers: bool = False
    adult: bool = False

    @property
    def speaker(self) -> Speaker:
        return Speaker(self.persona or self.id, self.name, self.face)


class Scene(BaseModel):
    """`root` is the remembered message that it begins with, which comes `after` another, `last` the newest generated
    line that was counted. `look` is the key of the plan that it was begun from, whose buttons are below the message
    `looked_at`. Where nobody opens it, `narrator` says the words `opening`, both in the language in which it was begun.

    `turns` is how many lines are generated at most; `pace` is in seconds, `budget_cost` in US dollars; 0 = no limit.
    `next` is the id of the role that must speak now; `steer` is told to whoever speaks next, since the last line went
    round in circles. `step` says that it pauses after one line, `hold` before the next one, `redo` that the last line
    is said anew. `waits_for` is the id of the person whose line comes next, `panel` the message with the buttons, and
    `over` why it has ended. `ballot` is what the audience votes on or is to be asked; it is asked every `votes_every`
    lines (0 = only when somebody wants it), each time for `vote_seconds`, and was asked last at the turn `polled_at`.
    """

    model_config = ConfigDict(frozen=True)

    title: str = ""
    setting: str = ""
    roles: tuple[Role, ...]
    opener: str = ""
    opener_by: str = ""
    order: Order = "alternate"
    turns: int = Field(8, ge=1, le=MOST_TURNS)
    pace: float = Field(2.0, ge=0, le=600)
    budget_tokens: int = Field(0, ge=0)
    budget_cost: float = Field(0.0, ge=0)
    minutes: float = Field(0.0, ge=0)
    phrases: tuple[str, ...] = ()
    ends_itself: bool = True
    started_by: str = ""
    look: str = ""
    looked_at: str = ""
    narrator: str = ""
    opening: str = ""
    root: int | None = None
    after: int = 0
    last: int | None = None
    turn: int = 0
    tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    errors: int = 0
    steered_at: int | None = None
    steer: str = ""
    next: str = ""
    step: bool = False
    hold: bool = False
    redo: bool = False
    waits_for: str = ""
    summary: str = ""
    summary_until: int = 0
    panel: tuple[str, str] | None = None
    over: Reason | Literal[""] = ""
    template: str = ""
    ballot: Ballot | None = None
    votes_every: int = Field(0, ge=0)
    vote_seconds: float = Field(60.0, ge=0)
    polled_at: int = 0

    @property
    def is_over_budget(self) -> bool:
        tokens = self.budget_tokens and self.tokens > self.budget_tokens
        return bool(tokens or (self.budget_cost and self.cost > self.budget_cost))

    def spent(self, tokens: int, cost: float) -> Scene:
        return self.changed(tokens=self.tokens + tokens, cost=self.cost + cost)

    def role(self, id: str) -> Role | None:
        return next((role for role in self.roles if role.id == id), None)

    def named(self, name: str) -> Role | None:
        """By name or id, or by the beginning of a name that only one has."""
        wanted = name.strip().lstrip("@").casefold()
        exact = [role for role in self.roles if wanted in (role.name.casefold(), role.id)]
        begun = [role for role in self.roles if wanted and role.name.casefold().startswith(wanted)]
        found = exact or begun
        return found[0] if len(found) == 1 else None

    def with_role(self, id: str, **changes: Any) -> Scene:
        roles = tuple(role.model_copy(update=changes) if role.id == id else role for role in self.roles)
        return self.model_copy(update={"roles": roles})

    def changed(self, **changes: Any) -> Scene:
        return self.model_copy(update=changes)


class Plan(BaseModel):
    """A scene that somebody looks at before it begins; the buttons below a look carry its key."""

    scene: Scene
    look: str = ""


class Performed(BaseModel):
    """The scene that was performed last in a place, as it was at its end."""

    scene: Scene


# Changes that people make, for `Context.change`.


def whispered(id: str, note: str) -> Callable[[Scene], Scene | None]:
    """For the next line of one role."""

    def change(scene: Scene) -> Scene | None:
        role = scene.role(id)
        return scene if role is None else scene.with_role(id, notes=(*role.notes, note)[-MOST_NOTES:])

    return change


def forced(id: str) -> Callable[[Scene], Scene | None]:
    return lambda scene: scene.changed(next=id)


def swapped(scene: Scene) -> Scene | None:
    """The first two roles change places: who was the one speaks as the other from now on. What somebody was told or
    learned stays with them."""
    if len(scene.roles) < 2:
        return scene
    first, second, *rest = scene.roles
    kept = ("id", "name", "face", "persona", "description", "player", "player_name", "notes", "knows", "remembers")
    one = {name: getattr(second, name) for name in kept}
    other = {name: getattr(first, name) for name in kept}
    return scene.changed(roles=(first.model_copy(update=one), second.model_copy(update=other), *rest))


def joined(id: str, user: str, name: str) -> Callable[[Scene], Scene | None]:
    """Nobody plays two: whose line it is that they say could not be told."""
    give_back = left(user)

    def change(scene: Scene) -> Scene | None:
        return (give_back(scene) or scene).with_role(id, player=user, player_name=name)

    return change


def left(user: str) -> Callable[[Scene], Scene | None]:
    """Whatever this person plays is the model's again."""

    def change(scene: Scene) -> Scene | None:
        for role in scene.roles:
            if role.player == user:
                scene = scene.with_role(role.id, player="", player_name="")
        return scene

    return change


def taken_back(lines: int, tip: int, last: int | None) -> Callable[[Scene], Scene | None]:
    """The newest `lines` no longer count: `tip` is the newest that does, `last` the newest generated one. What was told
    or noted of the others is forgotten."""

    def change(scene: Scene) -> Scene | None:
        turn = max(0, scene.turn - lines)
        scene = scene.changed(
            turn=turn,
            last=last,
            over="",
            waits_for="",
            next="",
            redo=False,
            polled_at=min(scene.polled_at, turn),
            steered_at=scene.steered_at if scene.steered_at is not None and scene.steered_at <= turn else None,
        )
        return scene.changed(summary="", summary_until=0) if scene.summary_until > tip else scene

    return change


def given_more(turns: int) -> Callable[[Scene], Scene | None]:
    return lambda scene: scene.changed(turns=min(scene.turns + turns, MOST_TURNS))


# What was said.


@dataclass(frozen=True, slots=True)
class SceneLine:
    """One line of the transcript. `role` is the id of whose line it is, empty for people of the audience and for the
    narrator; `narrated` marks the latter's. `cut` says that it was interrupted. `tokens` is None where nobody counted
    them yet."""

    id: int
    name: str
    text: str
    role: str = ""
    generated: bool = False
    narrated: bool = False
    cut: bool = False
    tokens: int | None = None

    @property
    def said(self) -> Said:
        return Said(self.role or self.name, self.text, self.generated)


NARRATOR = phrase("Narrator")


def lines_of(scene: Scene, path: Sequence[Remembered]) -> list[SceneLine]:
    """The scene's part of a branch, oldest first: its own lines, and what people said meanwhile."""
    found = []
    for one in path:
        if scene.root is None or one.id < scene.root or one.role not in ("user", "assistant"):
            continue
        own = one.scene == scene.root or one.id == scene.root
        if one.role == "assistant" and not own:
            continue  # what the bot said beside the scene
        role = _role_of(scene, one)
        narrated = one.role == "assistant" and role is None and one.speaker in (NARRATOR, scene.narrator or NARRATOR)
        found.append(
            SceneLine(
                one.id,
                role.name if role is not None else (one.speaker or one.author or ""),
                one.text.strip("*") if narrated and one.id != scene.root else one.text,
                role=role.id if role is not None else "",
                generated=one.role == "assistant" and one.id != scene.root and not narrated,
                narrated=narrated,
                cut=one.status == "interrupted",
                tokens=one.tokens,
            )
        )
    return found


def _role_of(scene: Scene, one: Remembered) -> Role | None:
    if one.role == "assistant":
        return next((role for role in scene.roles if role.name == one.speaker), None)
    return next((role for role in scene.roles if role.player and role.player == one.author_id), None)


def is_elsewhere(scene: Scene, path: Sequence[Remembered]) -> bool:
    """Whether nothing of the scene is in the branch that is talked in."""
    return not any(scene.root in (one.id, one.scene) for one in path)


def caught_up(scene: Scene, lines: Sequence[SceneLine]) -> Scene:
    """With lines that were said and remembered, but not counted before the bot died. In another branch, what was said
    there counts."""
    said = [line for line in lines if line.generated and not line.cut]
    if scene.last is None or any(line.id == scene.last for line in lines):
        known = scene.last or scene.root or 0
        new = [line for line in said if line.id > known]
        if not new:
            return scene
        followed = "" if new[-1].role == scene.next else scene.next
        return scene.changed(turn=scene.turn + len(new), last=new[-1].id, next=followed, errors=0)
    if any(line.id == scene.root for line in lines):
        return scene.changed(turn=len(said), last=said[-1].id if said else None)
    # It begins further back than is looked at.
    return scene.changed(last=said[-1].id) if said else scene
