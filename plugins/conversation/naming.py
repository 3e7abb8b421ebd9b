"""How people name a message or a branch: by a number, a link or an id; by a name or the beginning of one."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Annotated

from bot.api import Arg, Branch, Context, NotAllowed, Remembered, UsageError, numbered, phrase, say
from plugins.conversation.words import cut, literally, who

LONGEST_NAME = 60
LONGEST_TYPED = 150
MOST_SUGGESTIONS, SUGGESTED_CHARS = 25, 90
# Letters and signs that nobody sees.
INVISIBLE = "\u115f\u1160\u2800\u3164\uffa0 "
# A name that was misspelt is looked for among the newest: comparing takes its time.
NEAR_AMONG = 500
# Further back a message is named by its link.
FURTHEST = 300
NUMBER = re.compile(r"#?(?P<number>\d{1,4})(?:\s*·\s*(?P<said>.*))?", re.DOTALL)
PINNED = re.compile(r"p(?P<number>\d{1,3})(?:\s*·.*)?", re.DOTALL | re.IGNORECASE)
# Some platforms leave the dot of an id out of their links.
DOTLESS = re.compile(r"p(\d{10})(\d{6})")
SWITCHING, FORGETTING = "branch switch", "memory edit"


async def messages_here(ctx: Context, typed: str) -> Sequence[str]:
    """The newest messages with their numbers, as far as they fit what was typed."""
    rows = reversed(numbered(await ctx.conversation.path(MOST_SUGGESTIONS * 3)))
    told = [_suggested(number, row) for number, row in rows]
    return [each for each in told if typed.strip().casefold() in each.casefold()][:MOST_SUGGESTIONS]


async def pins_here(ctx: Context, typed: str) -> Sequence[str]:
    told = [cut(f"p{number} · {_label(row)}", SUGGESTED_CHARS) for number, row in enumerate(await pins(ctx), 1)]
    return [each for each in told if typed.strip().casefold() in each.casefold()][:MOST_SUGGESTIONS]


async def branches_here(ctx: Context, typed: str) -> Sequence[str]:
    names = [each.name for each in reversed(await ctx.conversation.branches())]
    return [name for name in names if typed.strip().casefold() in name.casefold()][:MOST_SUGGESTIONS]


NamedMessage = Annotated[
    str,
    Arg(
        "Its number in /history, its link or its id",
        min_length=1,
        max_length=LONGEST_TYPED,
        complete=messages_here,
        rest=True,
    ),
]
NamedBranch = Annotated[
    str, Arg("Which branch", min_length=1, max_length=LONGEST_TYPED, complete=branches_here, rest=True)
]


async def pins(ctx: Context) -> Sequence[Remembered]:
    return await ctx.conversation.pins()


async def find_message(ctx: Context, typed: str) -> Remembered:
    """Raises UsageError for what is no message of this conversation that is still remembered."""
    typed = typed.strip()
    if pinned := PINNED.fullmatch(typed):
        known = await pins(ctx)
        number = int(pinned["number"])
        if not 1 <= number <= len(known):
            raise UsageError(say("There is no pinned message `p{number}`. `/memory show` lists them.", number=number))
        return known[number - 1]
    if counted := NUMBER.fullmatch(typed):
        return await _by_number(ctx, int(counted["number"]), counted["said"] or "")
    for id in _ids(typed):
        found = await ctx.conversation.message_of(id)
        if found is not None and found.status == "forgotten":
            raise UsageError(say("That message is forgotten already."))
        if found is not None:
            return found
    raise UsageError(
        say(
            "I do not remember that message in this conversation. Give me its number from `/history`, or its link.",
        )
    )


async def _by_number(ctx: Context, number: int, said: str) -> Remembered:
    if not 1 <= number <= FURTHEST:
        raise UsageError(
            say("Numbers go from 1, the newest, to {most}. Further back, give me the link.", most=FURTHEST)
        )
    rows = dict(numbered(await ctx.conversation.path(max(number, MOST_SUGGESTIONS) * 3)))
    found = rows.get(number)
    if found is not None and (not said or _suggested(number, found).endswith(said)):
        return found
    # What was chosen from a list may have moved on since.
    moved = [row for at, row in rows.items() if said and _suggested(at, row).endswith(said)]
    if len(moved) == 1:
        return moved[0]
    if found is not None or said:
        raise UsageError(say("The talk has gone on since then. Please look at `/history` once more."))
    raise UsageError(say("There is no message {number}. `/history` shows the numbers.", number=number))


def _ids(typed: str) -> Iterator[str]:
    last = re.split(r"[?#]", typed.strip("<> "), maxsplit=1)[0].rstrip("/").rpartition("/")[2]
    yield last
    if dotless := DOTLESS.fullmatch(last):
        yield f"{dotless[1]}.{dotless[2]}"


def _suggested(number: int, row: Remembered) -> str:
    return cut(f"{number} · {_label(row)}", SUGGESTED_CHARS)


def _label(row: Remembered) -> str:
    return f"{who(row)}: {row.text[:SUGGESTED_CHARS]}"


async def find_branch(ctx: Context, typed: str) -> Branch:
    """Raises UsageError that names the nearest."""
    wanted = _alike(" ".join(typed.split()))
    known = await ctx.conversation.branches()
    exact = [each for each in known if _alike(each.name) == wanted]
    if exact:
        # Other plugins may give a name twice.
        return exact[-1]
    same = [each for each in known if wanted and _alike(each.name).startswith(wanted)]
    if len(same) == 1:
        return same[0]
    near = difflib.get_close_matches(wanted, [each.name.casefold() for each in known[-NEAR_AMONG:]], n=1)
    if same or near:
        name = (same or [each for each in known if each.name.casefold() == near[0]])[0].name
        raise UsageError(
            say("There is no branch “{typed}”. Did you mean “{name}”?", typed=cut(typed, 40), name=literally(name))
        )
    raise UsageError(say("There is no branch “{typed}”. `/branch list` shows all.", typed=literally(cut(typed, 40))))


async def checked_name(ctx: Context, typed: str, *, of: int | None = None) -> str:
    """As it will be kept. Raises UsageError for one that is too long or that another branch has."""
    shown = "".join(each for each in typed if unicodedata.category(each) not in ("Cc", "Cf", "Cs") or each.isspace())
    name = unicodedata.normalize("NFC", " ".join(shown.replace("`", "'").split()))
    if not name.strip(INVISIBLE):
        name = ""
    if len(name) > LONGEST_NAME:
        raise UsageError(say("The name of a branch has at most {most} characters.", most=LONGEST_NAME))
    for each in await ctx.conversation.branches():
        if _alike(name) == _alike(each.name) and each.id != of:
            raise UsageError(say("There is a branch “{name}” already.", name=literally(each.name)))
    return name


def _alike(name: str) -> str:
    """The same for names that look the same."""
    return unicodedata.normalize("NFC", name.casefold())


def may(ctx: Context, right: str) -> bool:
    """Whether this person may run the command of that name, whoever decided it."""
    return any(command.name == right for command in ctx.commands)


async def check_may_leave(ctx: Context, since: Remembered) -> None:
    """Whoever may not switch branches may still leave their own words behind, but nobody else's. Raises NotAllowed."""
    if may(ctx, SWITCHING):
        return
    rows = [row for _, row in numbered(await ctx.conversation.path(FURTHEST))]
    later = [row for row in rows if row.id >= since.id]
    mine = all(row.author_id == ctx.user.id for row in later if row.role == "user")
    if not mine or (rows and since.id < rows[0].id):
        raise NotAllowed(public=phrase("Others have spoken since then, so only a moderator may do that here."))
