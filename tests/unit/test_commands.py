"""Commands: what a signature allows, how values are bound, lines parsed and names found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, JsonValue

from bot.arguments import Parameter
from bot.commands import Arg, Command, Commands, Tool, command_from, is_command_line
from bot.errors import PluginError, UsageError
from bot.events import Attachment, User
from bot.handler import Context

ANN = User("1", "Ann")
ANN_LEE = User("2", "Ann Lee")
BOB = User("U3", "bob")
PEOPLE = (ANN, ANN_LEE, BOB)


class Colour(Enum):
    RED = 1
    DARK_BLUE = 2


class Size(Enum):
    SMALL = "s"
    LARGE = "L"


async def everything(
    ctx: Context,
    text: str,
    number: Annotated[int, Arg("How many", ge=1, le=10)],
    share: Annotated[float, Arg(ge=0, le=1)] = 0.5,
    loud: bool = False,
    tone: Literal["warm", "Cold"] = "warm",
    level: Literal[1, 2] | None = None,
    colour: Colour = Colour.RED,
    size: Size | None = None,
    who: User | None = None,
    file: Attachment | None = None,
    note: Annotated[str, Arg(min_length=2, max_length=5)] | None = None,
    tail: Annotated[str | None, Arg(rest=True)] = None,
) -> str:
    """Everything at once.

    And more about it.
    """
    return ""


EVERYTHING = command_from(everything, plugin="test")


def made(function: Callable[..., Awaitable[Any]], **options: Any) -> Command:
    return command_from(function, plugin="test", **options)


def test_a_signature_becomes_parameters() -> None:
    assert EVERYTHING.name == "everything"
    assert EVERYTHING.description == "Everything at once."
    kinds = [(parameter.name, parameter.kind, parameter.required) for parameter in EVERYTHING.parameters]
    assert kinds == [
        ("text", "str", True),
        ("number", "int", True),
        ("share", "float", False),
        ("loud", "bool", False),
        ("tone", "str", False),
        ("level", "int", False),
        ("colour", "str", False),
        ("size", "str", False),
        ("who", "user", False),
        ("file", "attachment", False),
        ("note", "str", False),
        ("tail", "str", False),
    ]
    assert EVERYTHING.parameters[6].choices == ("red", "dark_blue")
    assert EVERYTHING.parameters[7].choices == ("s", "L")
    assert EVERYTHING.parameters[1].description == "How many"


def test_usage_names_what_is_needed_first() -> None:
    assert EVERYTHING.usage == (
        "/everything <text> <number> [share] [loud] [warm|Cold] [1|2] [red|dark_blue] [s|L] [who] [file] [note] [tail…]"
    )


def test_values_are_bound_to_their_types() -> None:
    bound = EVERYTHING.bind(
        {
            "text": "it's fine",
            "number": "7",
            "share": "0,25",
            "loud": "yes",
            "tone": "COLD",
            "level": "2",
            "colour": "Dark_Blue",
            "size": "l",
            "who": {"id": "9", "name": "Zoë", "roles": ["owner"]},
            "file": {"name": "a.txt", "media_type": "text/plain", "size": 3, "url": "https://files.example/a"},
            "note": "four",
            "tail": "",
        }
    )
    assert bound == {
        "text": "it's fine",
        "number": 7,
        "share": 0.25,
        "loud": True,
        "tone": "Cold",
        "level": 2,
        "colour": Colour.DARK_BLUE,
        "size": Size.LARGE,
        "who": User("9", "Zoë"),
        "file": Attachment("a.txt", "text/plain", 3, "https://files.example/a"),
        "note": "four",
        "tail": "",
    }


def test_what_is_left_out_has_its_default() -> None:
    bound = EVERYTHING.bind({"text": "hi", "number": 1.0, "share": None})
    assert bound["number"] == 1
    assert isinstance(bound["number"], int)
    assert bound["share"] == 0.5
    assert bound["tone"] == "warm"
    assert bound["colour"] is Colour.RED
    assert bound["level"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"number": 1}, "`text` is missing. It must be a text."),
        ({"text": "x", "number": 11}, "`number` cannot be `11`. It must be a whole number from 1 to 10."),
        ({"text": "x", "number": True}, "`number` cannot be `True`. It must be a whole number from 1 to 10."),
        ({"text": "x", "number": "1.5"}, "`number` cannot be `1.5`."),
        ({"text": "x", "number": 10**30}, "It must be a whole number from 1 to 10."),
        ({"text": "x", "number": "9" * 5000}, "`number` cannot be `" + "9" * 40 + "…`."),
        ({"text": "x", "number": 1, "share": "nan"}, "`share` cannot be `nan`. It must be a number from 0 to 1."),
        ({"text": "x", "number": 1, "share": float("inf")}, "`share` cannot be `inf`."),
        ({"text": "x", "number": 1, "share": "a lot"}, "`share` cannot be `a lot`."),
        ({"text": "x", "number": 1, "loud": "maybe"}, "`loud` cannot be `maybe`. It must be yes or no."),
        ({"text": "x", "number": 1, "tone": "hot"}, "`tone` cannot be `hot`. It must be `warm` or `Cold`."),
        ({"text": "x", "number": 1, "tone": ["warm"]}, "`tone` cannot be `that`."),
        ({"text": "x", "number": 1, "level": 3}, "`level` cannot be `3`. It must be `1` or `2`."),
        ({"text": "x", "number": 1, "who": "Ann"}, "It must be a person, mentioned with @."),
        ({"text": "x", "number": 1, "who": {"id": 5}}, "It must be a person, mentioned with @."),
        ({"text": "x", "number": 1, "file": {"name": "a"}}, "It must be a file that you attach."),
        ({"text": "x", "number": 1, "note": "a"}, "`note` has 1 characters. It must be a text of 2 to 5 characters."),
        ({"text": {}, "number": 1}, "`text` cannot be `that`. It must be a text."),
        ({"text": "x", "number": 1, "`evil`\n": 1}, "There is no argument `'evil'`. It takes `text`, `number`,"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(arguments: dict[str, JsonValue], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        EVERYTHING.bind(arguments)
    assert says in caught.value.public
    assert caught.value.public.endswith(f"Usage: `{EVERYTHING.usage}`")


async def talk(ctx: Context, who: User, times: int = 1, words: Annotated[str, Arg(rest=True)] = "hello") -> str:
    """Talk."""
    return ""


async def two(ctx: Context, first: str, second: str = "", *, flag: bool = False) -> str:
    """Two."""
    return ""


TALK, TWO = made(talk), made(two)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", {}),
        ("  \n ", {}),
        ("one two", {"first": "one", "second": "two"}),
        ('"one two" three', {"first": "one two", "second": "three"}),
        ("'one two' three", {"first": "one two", "second": "three"}),
        ("“one two” three", {"first": "one two", "second": "three"}),
        ("don't won't", {"first": "don't", "second": "won't"}),
        ("'tis rock'n'roll", {"first": "'tis", "second": "rock'n'roll"}),
        ('5" 6"', {"first": '5"', "second": '6"'}),
        ('"half open', {"first": '"half', "second": "open"}),
        (r'"a \"b\" \\ c"', {"first": r'a "b" \ c'}),
        ("--second=b a", {"second": "b", "first": "a"}),
        ("--second b a", {"second": "b", "first": "a"}),
        ("--SECOND='b c' a", {"second": "b c", "first": "a"}),
        ("—second b a", {"second": "b", "first": "a"}),
        ("— a", {"first": "—", "second": "a"}),
        ("--flag a", {"flag": True, "first": "a"}),
        ("--flag no a", {"flag": "no", "first": "a"}),
        ("a --flag", {"first": "a", "flag": True}),
        ("--second=", {"second": ""}),
        ("-- --flag --second=x", {"first": "--flag", "second": "--second=x"}),
        ('"--flag"', {"first": "--flag"}),
        ("-5", {"first": "-5"}),
        ("a\nb", {"first": "a", "second": "b"}),
    ],
)
def test_a_line_is_read(line: str, found: dict[str, JsonValue]) -> None:
    assert TWO.parse(line) == found


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a b c", 'That is more than I expected: `c`. Put "quotes" around a text with spaces.'),
        ("a b yes more", "That is more than I expected: `more`."),
        ("--frist a", "I do not know `--frist`. There is `--first`, `--second` or `--flag`."),
        ("--first a --first b", "`first` was given twice."),
        ("a --second", "`--second` needs a value: a text."),
    ],
)
def test_a_line_that_makes_no_sense_is_explained(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        TWO.parse(line)
    assert says in caught.value.public
    assert "Usage: `/two <first> [second] [flag]`" in caught.value.public


def test_a_command_without_arguments_says_so() -> None:
    async def ping(ctx: Context) -> str:
        """Ping."""
        return ""

    with pytest.raises(UsageError, match="takes no arguments"):
        made(ping).parse("now please")


@pytest.mark.parametrize(
    ("line", "who", "rest"),
    [
        ("@Ann hi", ANN, "hi"),
        ("@ann lee hi", ANN_LEE, "hi"),
        ("Ann Lee hi", ANN_LEE, "hi"),
        ("<@1> hi", ANN, "hi"),
        ("<@!1> hi", ANN, "hi"),
        ("<@U3|bobby> hi", BOB, "hi"),
        ('"ann lee" hi', ANN_LEE, "hi"),
        ("@BOB hi", BOB, "hi"),
    ],
)
def test_people_are_found_by_mention_id_or_name(line: str, who: User, rest: str) -> None:
    found = TALK.bind(TALK.parse(f"{line.split(' hi')[0]} 2 {rest}", PEOPLE))
    assert found == {"who": who, "times": 2, "words": "hi"}


@pytest.mark.parametrize("line", ["@Annabel", "<@99>", "nobody", "@"])
def test_a_stranger_is_not_guessed(line: str) -> None:
    with pytest.raises(UsageError, match="I do not know who"):
        TALK.parse(line, PEOPLE)


def test_the_tail_is_taken_as_it_is() -> None:
    tail = 'say "it\'s"  --times=9\n\n```py\nx = 1\n```'
    assert TALK.parse(f"@bob 3 {tail}", PEOPLE)["words"] == tail
    assert TALK.parse("--words='as told' --times 3 @bob", PEOPLE)["words"] == "as told"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("today", {"span": "today"}),
        ("MODEL month", {"by": "model", "span": "month"}),
        ("today model", {"span": "today", "by": "model"}),
        ("weather", {"by": "weather"}),
    ],
)
def test_a_choice_is_known_wherever_it_stands(line: str, found: dict[str, str]) -> None:
    async def cost(
        ctx: Context, by: Literal["model", "day"] | None = None, span: Literal["today", "month"] | None = None
    ) -> None:
        """What it cost."""

    parsed = made(cost).parse(line)
    assert {name: str(value).lower() for name, value in parsed.items()} == found


def test_an_attachment_cannot_be_typed() -> None:
    async def upload(ctx: Context, file: Attachment, title: str = "") -> str:
        """Upload."""
        return ""

    assert made(upload).parse("'My title'") == {"title": "My title"}
    with pytest.raises(UsageError, match="a file that you attach"):
        made(upload).parse("--file=/etc/passwd")


@given(st.text())
def test_no_text_breaks_the_parser(line: str) -> None:
    for command in (EVERYTHING, TALK, TWO):
        try:
            command.bind(command.parse(line, PEOPLE))
        except UsageError:
            continue


@given(st.lists(st.sampled_from(["--text", "--", "—", '"', "'", "=", " ", "\\", "@ann", "yes", "<@1>", "\n", "5"])))
def test_no_mix_of_signs_breaks_the_parser(pieces: list[str]) -> None:
    for command in (EVERYTHING, TALK, TWO):
        try:
            command.bind(command.parse("".join(pieces), PEOPLE))
        except UsageError:
            continue


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([p.name for p in EVERYTHING.parameters] + ["other"]), JSON))
def test_no_value_breaks_the_binding(arguments: dict[str, JsonValue]) -> None:
    try:
        bound = EVERYTHING.bind(arguments)
    except UsageError:
        return
    assert set(bound) == {parameter.name for parameter in EVERYTHING.parameters}
    assert isinstance(bound["text"], str)
    assert 1 <= bound["number"] <= 10
    assert 0 <= bound["share"] <= 1


def values(parameter: Parameter) -> st.SearchStrategy[JsonValue]:
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.name == "note":
        return st.text(min_size=2, max_size=5)
    if parameter.kind == "user":
        return st.sampled_from([{"id": user.id, "name": user.name, "is_bot": False} for user in PEOPLE])
    by_kind: dict[str, st.SearchStrategy[JsonValue]] = {
        "str": st.text(),
        "int": st.integers(1, 10),
        "float": st.floats(0, 1),
        "bool": st.booleans(),
    }
    return by_kind[parameter.kind]


TYPED = [parameter for parameter in EVERYTHING.parameters if parameter.kind != "attachment"]


@given(
    st.fixed_dictionaries(
        {p.name: values(p) for p in TYPED if p.required},
        optional={p.name: values(p) for p in TYPED if not p.required},
    )
)
def test_what_can_be_bound_can_be_typed(arguments: dict[str, JsonValue]) -> None:
    line = " ".join(f"--{name}={written(value)}" for name, value in arguments.items())
    assert EVERYTHING.bind(EVERYTHING.parse(line, PEOPLE)) == EVERYTHING.bind(arguments)


def written(value: JsonValue) -> str:
    if isinstance(value, dict):
        return f"<@{value['id']}>"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_the_schema_is_what_strict_providers_take() -> None:
    schema = EVERYTHING.json_schema()
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert schema["required"] == [parameter.name for parameter in EVERYTHING.parameters]
    assert schema["additionalProperties"] is False
    assert properties["text"] == {"type": "string"}
    assert properties["number"] == {"type": "integer", "minimum": 1, "maximum": 10, "description": "How many"}
    assert properties["tone"] == {
        "type": ["string", "null"],
        "enum": ["warm", "Cold", None],
        "description": "Default: warm",
    }
    assert properties["level"] == {"type": ["integer", "null"], "enum": [1, 2, None]}
    assert properties["colour"] == {
        "type": ["string", "null"],
        "enum": ["red", "dark_blue", None],
        "description": "Default: red",
    }
    assert properties["note"] == {"type": ["string", "null"], "description": "A text of 2 to 5 characters"}


class Scene(BaseModel):
    title: str = Field(description="What it is called")
    turns: int = Field(default=4, ge=1)
    cast: list[str] = Field(default_factory=lambda: ["Ann"])


class SmallScene(BaseModel):
    title: str = Field(description="What it is called", min_length=2)
    turns: Annotated[int, Arg("How many lines", ge=1)] = 4


class LongScene(BaseModel):
    one: str
    two: str
    three: str
    four: str
    five: str
    six: str


def test_a_form_is_filled_from_arguments_too() -> None:
    async def start(ctx: Context, form: SmallScene) -> str:
        """Start."""
        return ""

    command = made(start, form=SmallScene)
    assert command.usage == "/start <title> [turns]"
    assert command.parameters[0].description == "What it is called"
    assert command.bind(command.parse("Hamlet --turns 2")) == {"form": SmallScene(title="Hamlet", turns=2)}
    assert command.bind({"title": "Hamlet"}) == {"form": SmallScene(title="Hamlet")}
    with pytest.raises(UsageError, match=r"`title` has 1 characters\. It must be a text of at least 2 characters"):
        command.bind({"title": "H"})


def test_a_form_may_be_opened_on_a_message_and_ask_for_as_much_as_a_form_can_show() -> None:
    async def report(ctx: Context, form: SmallScene) -> str:
        """Report this."""
        return ""

    assert made(report, form=SmallScene, target="message").parameters[0].required

    async def ask(ctx: Context, form: LongScene) -> str:
        """Ask."""
        return ""

    with pytest.raises(PluginError, match="can ask for 5 things"):
        made(ask, form=LongScene, target="message")


# What cannot be a command.


def sync(ctx: Context) -> str:
    """Sync."""
    return ""


async def no_docstring(ctx: Context) -> str:
    return ""


async def no_context() -> str:
    """None."""
    return ""


async def wrong_context(sides: int) -> str:
    """Wrong."""
    return ""


async def untyped(ctx: Context, sides) -> str:  # type: ignore[no-untyped-def]
    """Untyped."""
    return ""


async def of_lists(ctx: Context, names: list[str]) -> str:
    """Lists."""
    return ""


async def of_unions(ctx: Context, name: int | str) -> str:
    """Unions."""
    return ""


async def starred(ctx: Context, *names: str) -> str:
    """Starred."""
    return ""


async def rest_first(ctx: Context, tail: Annotated[str, Arg(rest=True)], more: str) -> str:
    """Rest."""
    return ""


async def bad_default(ctx: Context, sides: Annotated[int, Arg(ge=2)] = 1) -> str:
    """Bad."""
    return ""


async def bounds_on_text(ctx: Context, name: Annotated[str, Arg(ge=2)]) -> str:
    """Bounds."""
    return ""


async def nothing_allowed(ctx: Context, n: Annotated[int, Arg(ge=5, le=2)]) -> str:
    """Nothing."""
    return ""


async def bare_arg(ctx: Context, n: Annotated[int, Arg]) -> str:
    """Bare."""
    return ""


async def upper(ctx: Context, Name: str) -> str:  # noqa: N803
    """Upper."""
    return ""


async def same_choices(ctx: Context, a: Literal["x", "X"]) -> str:
    """Same."""
    return ""


async def required_late(ctx: Context, *, a: str = "", b: str) -> str:
    """Late."""
    return ""


async def unreadable(ctx: Context, a: NotThere) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Unreadable."""
    return ""


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (sync, "function `sync`: it is not async. Write `async def sync(ctx: Context, …)`"),
        (no_docstring, "it has no docstring"),
        (no_context, "it takes no context"),
        (wrong_context, "its first parameter is `sides`, but it must be `ctx: Context`"),
        (untyped, "`sides` has no type. Supported are str, int"),
        (of_lists, "`names` has the type list[str], which no command can take"),
        (of_unions, "`name` has the type int | str, which no command can take"),
        (starred, "`names` cannot be an argument of a command"),
        (rest_first, "`tail` takes the rest of the line, so nothing required may follow"),
        (bad_default, "`sides` has a default that it does not allow"),
        (bounds_on_text, "`name` is no number, so `ge` and `le` mean nothing"),
        (nothing_allowed, "`n` allows nothing: 5 is more than 2"),
        (bare_arg, "`n` has `Arg` without brackets"),
        (upper, "`Name` must have a name of lowercase letters"),
        (same_choices, "`a` has choices that differ only in case"),
        (required_late, "`b` is required, so it must stand before `a`"),
        (unreadable, "its annotations cannot be read (name 'NotThere' is not defined)"),
    ],
)
def test_a_wrong_function_is_refused_where_it_is_declared(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(PluginError) as caught:
        command_from(function, plugin="dice")
    assert says in caught.value.public
    assert f"Plugin `dice`, function `{function.__name__}`" in caught.value.public


@pytest.mark.parametrize("name", ["", "Roll", "roll the dice", " roll", "rölle", "a" * 33, "roll\n", "-x", "a  b"])
def test_a_name_that_some_platform_refuses_is_refused(name: str) -> None:
    with pytest.raises(PluginError, match="cannot be the name of a command"):
        made(two, name=name)


def test_a_command_on_a_message_gets_no_required_arguments() -> None:
    with pytest.raises(PluginError, match="opened on a message"):
        made(two, target="message")


def test_a_form_with_a_list_is_no_form() -> None:
    async def start(ctx: Context, form: Scene) -> str:
        """Start."""
        return ""

    with pytest.raises(PluginError, match=r"`Scene.cast` has the type list\[str\]"):
        made(start, form=Scene)
    with pytest.raises(PluginError, match=r"must be `\(ctx: Context, form: Scene\)`"):
        made(two, form=Scene)


# Names.


def named(*names: str, plugin: str = "test") -> list[Command]:
    return [command_from(two, plugin=plugin, name=name) for name in names]


KNOWN = Commands(named("roll", "help", "system show", "system set", "history"))


def test_a_line_is_matched_by_the_longest_name() -> None:
    def match(line: str) -> tuple[str, str] | None:
        found = KNOWN.match(line)
        return (found[0].name, found[1]) if found else None

    assert match("/system set  You are\n a cat ") == ("system set", "You are\n a cat ")
    assert match("System   SET x") == ("system set", "x")
    assert match("roll 20") == ("roll", "20")
    assert match("/ROLL") == ("roll", "")
    assert match("roll\n20") == ("roll", "20")
    assert match("/system") is None
    assert match("/") is None
    assert match("") is None
    assert match("rolling") is None


def test_a_command_is_found_by_its_full_name() -> None:
    found = KNOWN.find(" /System  set")
    assert found is not None
    assert found.name == "system set"
    assert KNOWN.find("system") is None
    assert len(KNOWN) == 5
    assert KNOWN[0].name == "roll"
    assert [command.name for command in KNOWN[3:]] == ["system set", "history"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/rol 20", "Unknown command: `rol`. Did you mean `/roll`?"),
        ("/hepl", "Did you mean `/help`?"),
        ("/hist", "Did you mean `/history`?"),
        ("/system sho", "`/system` needs one more word: `show` or `set`."),
        ("/system", "`/system` needs one more word: `show` or `set`."),
        ("/SYSTM set x", "Did you mean `/system set`?"),
        ("/xyzzy", "Unknown command: `xyzzy`. `/help` lists all of them."),
        ("/", "Type `/help` to see what I can do."),
        ("/`@everyone`" + "x" * 500, "Unknown command: `'@everyone'"),
    ],
)
def test_an_unknown_command_gets_a_friendly_answer(line: str, says: str) -> None:
    answer = KNOWN.unknown(line)
    assert says in answer
    assert len(answer) < 200


def test_who_wrote_a_question_where_a_command_belongs_is_told_how_to_ask() -> None:
    known = Commands(named("ask", "help"))
    hint = "To ask me something, begin with `/ask`."
    assert hint in known.unknown("tell me a joke")
    assert hint not in known.unknown("/xyzzy")


def test_what_is_meant_as_a_command() -> None:
    assert is_command_line("/help")
    assert is_command_line("/Help me")
    assert is_command_line("/")
    assert is_command_line("!roll", "!")
    assert not is_command_line("/usr/bin/env python")
    assert not is_command_line("/ help")
    assert not is_command_line("help")
    assert not is_command_line("// a comment")
    assert not is_command_line("!!!", "!")


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (named("roll", plugin="dice"), named("roll", plugin="games"), "The plugins `dice` and `games` have a command"),
        (named("roll"), named("roll"), "Two functions of plugin `test` have a command `/roll`"),
        (named("roll", plugin="dice"), named("roll all", plugin="games"), "The plugins `dice` and `games` clash"),
    ],
)
def test_two_commands_of_one_name_cannot_be(one: list[Command], other: list[Command], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        Commands([*one, *other])


@given(st.text(max_size=50))
def test_no_line_breaks_the_search(line: str) -> None:
    KNOWN.match(line)
    assert KNOWN.unknown(line)
    is_command_line(line)
    KNOWN.find(line)


def test_a_tool_has_a_name_that_models_take() -> None:
    assert Tool(KNOWN[2]).name == "system_show"


async def invite(ctx: Context, who: Annotated[str, Arg(rest=True)], topic: str = "", turns: int = 8) -> str:
    """Invite."""
    return ""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a cat and a dog", {"who": "a cat and a dog"}),
        (
            "a cat and a dog --turns=4 --topic 'late books'",
            {"who": "a cat and a dog", "turns": "4", "topic": "late books"},
        ),
        ("--turns 4 a cat — and a dog", {"who": "a cat — and a dog", "turns": "4"}),
        ("a cat --who says --x", {"who": "a cat --who says --x"}),
        ("C--topic", {"who": "C--topic"}),
    ],
)
def test_what_stands_behind_the_rest_can_be_given_by_name(line: str, found: dict[str, str]) -> None:
    assert command_from(invite, plugin="p").parse(line) == found


def test_a_misspelt_name_behind_the_rest_is_no_text() -> None:
    with pytest.raises(UsageError, match=r"I do not know `--trns`\. There is `--turns`\."):
        command_from(invite, plugin="p").parse("a cat and a dog --trns=4")
