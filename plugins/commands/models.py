"""Which language model answers, and how."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import JsonValue

from bot.api import (
    Arg,
    Context,
    ModelChoice,
    ModelError,
    NotAllowed,
    UsageError,
    phrase,
    say,
)
from plugins.commands.declared import params, plugin
from plugins.commands.words import code, cut, suggestions, value_text

# Adapters wait two seconds for suggestions.
SUGGESTION_SECONDS = 1.5
# Whoever may do this may also change the model and the mode.
SETTING_RIGHT = "params set"
MODES = {"creative": phrase("creative"), "precise": phrase("precise"), "balanced": phrase("balanced")}


async def _model_names(ctx: Context, typed: str) -> Sequence[str]:
    """`provider:model` of all that the providers list; those that do not answer in time are left out."""
    names: list[str] = ["default"]
    try:
        async with asyncio.timeout(SUGGESTION_SECONDS):
            for provider in ctx.models.providers:
                names += [f"{provider}:{model}" for model in await _known(ctx, provider)] or [provider]
    except TimeoutError:
        pass
    return suggestions(names, typed)


@plugin.command("model", overview=True)
async def choose_model(
    ctx: Context,
    name: Annotated[
        str | None, Arg("provider:model, a model, or `default`", max_length=200, rest=True, complete=_model_names)
    ] = None,
) -> str:
    """Show the language model that answers here, or choose another."""
    wanted = (name or "").strip().strip("`")
    if not wanted:
        choice = ctx.conversation.model
        providers = ", ".join(f"`{each}`" for each in ctx.models.providers)
        told = say("I answer with {model}. Providers: {providers}.", model=_named(choice), providers=providers)
        return f"{told}\n{say('Choose another with `/model provider:model`.')}" if may_change(ctx) else told
    check_may_change(ctx)
    if wanted.lower() == "default":
        await ctx.conversation.change(provider=None, model=None)
    else:
        chosen = await ctx.models.named(wanted, ctx.conversation.model.provider)
        await ctx.conversation.change(provider=chosen.provider, model=chosen.model)
    return say("From now on I answer with {model}.", model=_named(ctx.conversation.model))


async def _known(ctx: Context, provider: str) -> Sequence[str]:
    try:
        return await ctx.models.known(provider)
    except ModelError:
        return ()


@plugin.command("mode")
async def choose_mode(
    ctx: Context, mode: Annotated[Literal["creative", "precise", "balanced"] | None, Arg("How I should answer")] = None
) -> str:
    """Show how I answer, or make me more creative, precise or balanced."""
    if mode is None:
        current = ctx.conversation.settings.get("mode")
        says = say("I am in `{mode}` mode.", mode=current) if current else say("No mode is set.")
        if not may_change(ctx):
            return says
        return f"{says} {say('There are `creative`, `precise` and `balanced`; `/mode creative` switches.')}"
    check_may_change(ctx)
    # Raises before anything is stored, should the mode not exist.
    parameters = ctx.models.mode(mode, ctx.conversation.model)
    await ctx.conversation.change(mode=mode)
    told = [say("I am {mode} now: {parameters}.", mode=say(MODES[mode]), parameters=_listing(parameters))]
    if "effort" in parameters:
        told.append(say("This model reasons, so the mode changes its effort instead of the temperature."))
    own = [each for each in _own(ctx) if each in parameters]
    if own:
        told.append(say("Your own {names} goes first, until `/params reset`.", names=", ".join(map(code, own))))
    return " ".join(told) + _refusals(ctx, parameters)


# Parameters.


async def _parameter_names(ctx: Context, typed: str) -> Sequence[str]:
    return suggestions(ctx.models.parameter_names, typed)


@params.command("show", private=True, immediate=True)
async def show_params(ctx: Context) -> str:
    """Show the model's parameters, and which it does not take."""
    choice = ctx.conversation.model
    await ctx.models.recall(choice)
    own, mode = _own(ctx), ctx.conversation.settings.get("mode")
    lines = [say("Parameters for {model}:", model=_named(choice))]
    if mode:
        lines = [say("Parameters for {model}, in `{mode}` mode:", model=_named(choice), mode=mode)]
    for name, value in choice.parameters.items():
        lines.append(f"- `{name}`: {value_text(value)}" + (f" ({say('set here')})" if name in own else ""))
    if not choice.parameters:
        lines.append(say("- none: the model decides"))
    refused = ctx.models.refused(choice)
    if refused:
        lines.append(say("This model does not take:"))
        lines += [f"- `{name}`: {cut(say(reason), 200)}" for name, reason in refused.items()]
    if may_change(ctx):
        lines.append(say("Change one with `/params set temperature 0.9`, undo with `/params reset`."))
    return "\n".join(lines)


@params.command("set", who="moderators")
async def set_params(
    ctx: Context,
    name: Annotated[str, Arg("Which parameter, such as temperature", complete=_parameter_names, max_length=40)],
    value: Annotated[str, Arg("Its new value", max_length=1000, rest=True)],
) -> str:
    """Set a parameter of the model for this conversation."""
    name = name.strip().lower().replace("-", "_")
    checked = ctx.models.check_parameter(name, _from_json(value.strip()))
    await ctx.conversation.change(parameters={**_own(ctx), name: checked})
    says = say("`{name}` is now {value}.", name=name, value=value_text(checked))
    if name in ("temperature", "top_p") and {"temperature", "top_p"} <= _own(ctx).keys():
        says += " " + say("Temperature and top_p both narrow the choice of words; usually one of them is enough.")
    await ctx.models.recall(ctx.conversation.model)
    return says + _refusals(ctx, [name])


@params.command("reset", who="moderators")
async def reset_params(
    ctx: Context,
    name: Annotated[str | None, Arg("Only this one", complete=_parameter_names, max_length=40)] = None,
) -> str:
    """Forget the parameters that were set here, or one of them."""
    own = _own(ctx)
    if not own:
        return say("No parameters are set here.")
    if name is None:
        await ctx.conversation.change(parameters=None)
        return say("Back to the defaults, without {names}.", names=", ".join(map(code, own)))
    name = name.strip().lower().replace("-", "_")
    if name not in own:
        names = ", ".join(map(code, own))
        raise UsageError(say("{name} is not set here. Set are {names}.", name=code(name), names=names))
    left: dict[str, JsonValue] = {each: value for each, value in own.items() if each != name}
    await ctx.conversation.change(parameters=left or None)
    return say("`{name}` is back to its default.", name=name)


def may_change(ctx: Context, right: str = SETTING_RIGHT) -> bool:
    return any(command.name == right for command in ctx.commands)


def check_may_change(ctx: Context, right: str = SETTING_RIGHT) -> None:
    """Raises NotAllowed for whoever may not run the command `right`."""
    if not may_change(ctx, right):
        raise NotAllowed(public=phrase("Only moderators may change that here. In a direct message with me, you may."))


def _own(ctx: Context) -> Mapping[str, JsonValue]:
    own = ctx.conversation.settings.get("parameters")
    return own if isinstance(own, dict) else {}


def _refusals(ctx: Context, names: Sequence[str] | Mapping[str, JsonValue]) -> str:
    refused = ctx.models.refused(ctx.conversation.model)
    said = ", ".join(f"{code(name)} ({cut(say(refused[name]), 200)})" for name in names if name in refused)
    return "\n" + say("But this model does not take {names}, so I leave it out.", names=said) if said else ""


def _from_json(text: str) -> JsonValue:
    """A list, such as of stop sequences, is written as JSON; anything else is the text itself."""
    if text.startswith("["):
        try:
            found: JsonValue = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return found
    return text


def _named(choice: ModelChoice) -> str:
    return code(f"{choice.provider}:{choice.model}" if choice.model else choice.provider)


def _listing(parameters: Mapping[str, JsonValue]) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in parameters.items())
