"""A language model as people name it: `provider:model`, one of the two, and the nearest where there is none."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol

from bot.errors import ModelError, UsageError
from bot.words import say


class Listing(Protocol):
    """Which models there are."""

    @property
    def providers(self) -> tuple[str, ...]: ...

    def default(self, provider: str) -> str: ...

    async def known(self, provider: str) -> tuple[str, ...]: ...


async def chosen(models: Listing, wanted: str, usual: str) -> tuple[str, str]:
    """Provider and model; a model alone is one of the `usual` provider. Raises UsageError."""
    wanted = wanted.strip().strip("`")
    providers = {provider.lower(): provider for provider in models.providers}
    head, colon, tail = wanted.partition(":")
    if provider := providers.get(head.strip().lower()):
        known = await _known(models, provider)
        # A plugin's model has no name besides its provider's.
        only = provider if not known else known[0] if len(known) == 1 else ""
        model = tail.strip() or models.default(provider) or only
        if not model:
            raise UsageError(say("Which of its models? Say {command}.", command=_code(f"{provider}:NAME")))
        return provider, _listed(model, known, provider)
    known = await _known(models, usual)
    if wanted.lower() in (model.lower() for model in known) or not colon:
        # Names of models may have colons too.
        return usual, _listed(wanted, known, usual)
    known_ones = ", ".join(map(_code, models.providers))
    raise UsageError(say("There is no provider {name}. I know {known}.", name=_code(head), known=known_ones))


def _listed(model: str, known: Sequence[str], provider: str) -> str:
    """The model's name as the provider writes it; a provider that lists nothing is believed."""
    by_lower = {name.lower(): name for name in known}
    if not known or model.lower() in by_lower:
        return by_lower.get(model.lower(), model)
    near = difflib.get_close_matches(model.lower(), by_lower, n=3, cutoff=0.4) or list(by_lower)[:3]
    raise UsageError(
        say(
            "`{provider}` has no model {model}. What about {near}?",
            provider=provider,
            model=_code(model),
            near=say(" or ").join(_code(by_lower[name]) for name in near),
        )
    )


async def _known(models: Listing, provider: str) -> Sequence[str]:
    try:
        return await models.known(provider)
    except ModelError:
        return ()


def _code(text: str) -> str:
    text = " ".join(text.replace("`", "'").split())
    return f"`{text if len(text) <= 60 else f'{text[:59].rstrip()}…'}`"
