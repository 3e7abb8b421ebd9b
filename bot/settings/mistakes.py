"""What is wrong with settings, in plain words and with the name that a value was given under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from bot.errors import UsageError
from bot.model.parameters import validated
from bot.model.settings import default_model
from bot.settings.sources import PREFIX, Entry, Found, Source, Steps

if TYPE_CHECKING:
    from bot.settings import Settings

PARAMETERS = ("model", "parameters")
# pydantic's kinds of errors → what was expected.
EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(("bool_type", "bool_parsing"), "yes or no"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), "a number"),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a table"),
    **dict.fromkeys(("string_type", "path_type"), "a text"),
}
LISTS: Mapping[object, str] = {
    int: "a list of whole numbers such as [1, 2]",
    str: 'a list of texts such as ["one", "two"]',
}


def explain(path: Steps, kind: str, message: str, given: Found | None, entry: Entry | None) -> str:
    """pydantic's finding about one value. A secret is never repeated."""
    expected = EXPECTED.get(kind)
    if expected is not None and entry is not None and entry.listed:
        expected = LISTS.get(_kind_of_items(entry), "a list")
    own = message.startswith("Value error, ")  # ours name the value themselves
    message = message.removeprefix("Value error, ").replace("Input should be", "it must be")
    says = f"it must be {expected}" if expected else f"{message[:1].lower()}{message[1:]}"
    if given is not None and (isinstance(given.value, dict) or path[-1] == "api_key"):
        # Inside of a table: what else stands there may be a secret.
        says = "this is not a setting" if kind == "extra_forbidden" else says
        return f"{'.'.join(step for step in path if step != '[key]')} {given.where}: {says}."
    value = "" if own or given is None or (entry is not None and entry.secret) else f", not {given.value!r}"
    return f"{given.origin if given else '.'.join(path)}: {says}{value}."


def _kind_of_items(entry: Entry) -> object:
    """`tuple[Annotated[int, …], ...]` → int."""
    for item in get_args(entry.field.annotation):
        return get_args(item)[0] if hasattr(item, "__metadata__") else item
    return None


def settle_parameters(sources: Sequence[Source]) -> Iterator[str]:
    """The model's parameters as they will be sent; what they cannot be is told, and counts as not given."""
    for source in sources:
        given = [(path, found) for path, found in source.found.items() if path[:2] == PARAMETERS]
        for path, found in given:
            named = {path[-1]: found.value} if len(path) > len(PARAMETERS) else found.value
            if not isinstance(named, dict):
                continue
            del source.found[path]
            for name, value in named.items():
                try:
                    settled = None if value is None else validated(name, value)
                except UsageError as error:
                    yield f"{found.origin}: {error.public}"
                else:
                    here = (*PARAMETERS, name)
                    source.found[here] = replace(found, path=here, value=settled)


def contradictions(settings: Settings, found: Mapping[Steps, Found], file: str) -> Iterator[str]:
    """What is wrong with values that are well each by itself."""
    memory = settings.memory
    if memory.low_water >= memory.high_water:
        yield "memory.low_water must be below memory.high_water."
    if memory.reserve_tokens >= memory.budget_tokens:
        yield "memory.reserve_tokens must be below memory.budget_tokens."
    database = found.get(("memory", "database"))
    if database and database.where == f"in {file}" and urlsplit(memory.url).password:
        yield (
            f"memory.database in {file} holds a password, and secrets do not belong in this file. "
            f"Set {PREFIX}MEMORY__DATABASE in the environment or in .env."
        )
    path = settings.model.local.path
    if settings.model.chosen_provider == "local" and path is not None and not path.expanduser().is_file():
        yield f"{settings.origin('model.local.path')} names {path}, and there is no such file."


def nobody_to_answer(settings: Settings) -> Iterator[str]:
    """What the chosen provider lacks, or that there is none for the model that is asked for."""
    model = settings.model
    yield from model.missing()
    embedded = default_model("local")
    if model.provider == "auto" and model.is_small and model.name.lower() not in ("", embedded):
        yield (
            f"{settings.origin('model.name')} asks for {model.name}, but nothing is set up that could answer with it. "
            f'Set OPENAI_API_KEY or OPENAI_BASE_URL, or model.provider = "local" for the embedded model.'
        )
