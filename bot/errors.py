"""Every error Duologue raises on purpose.

BotError                     .public is the one sentence that people may see
├── ConfigError              the settings are wrong; .problems names all of them
├── PluginError              a plugin or adapter cannot be loaded or is declared wrongly
├── UsageError               a command was called with wrong arguments; shown privately
├── NotAllowed               this person may not do this here
│   └── LimitReached         this person may do it later; .told_before says that they know
├── StoreError               the database
│   ├── StoreUnavailable     full disk, read-only file, locked for too long
│   ├── StoreCorrupt         not a database, or a damaged one
│   └── StoreTooNew          written by a newer version of Duologue
├── DeliveryError            the platform did not take what was sent
│   ├── TargetGone           the message, thread or channel no longer exists
│   └── DeliveryRefused      a permission is missing, or the person blocks the bot
└── ModelError               the language model; .retryable says whether waiting helps
    ├── WrongKey             401 or 403
    ├── NoQuota              the account has no money left; never retried
    ├── RateLimited          429; .retry_after in seconds, where the provider says so
    ├── UnknownModel         the provider does not know this model
    ├── BadRequest           the provider refused the request (400, 422)
    │   ├── ContextTooLong   more tokens than the model takes
    │   └── ContentFiltered  the provider's filter refused the question
    ├── ModelUnavailable     5xx, connection refused or lost before the first text
    └── ModelTimeout         no first token, or silence in the middle, for too long
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.words import say


class BotError(Exception):
    """The root. `public` is safe to show to anyone; the exception's own text is for logs.

    A fixed `public` is translated where it is shown; one with values in it is made by `say`.
    """

    default_public = "Something went wrong on my side. Please try again."

    def __init__(self, detail: str = "", *, public: str | None = None) -> None:
        self.public = public or self.default_public
        super().__init__(detail or self.public)


class ConfigError(BotError):
    """All mistakes found in the settings, each a full sentence naming the setting and its origin."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(listed, public=f"The settings need attention:\n{listed}")


class PluginError(BotError):
    def __init__(self, detail: str) -> None:
        super().__init__(detail, public=detail)


class UsageError(BotError):
    """`detail` says what is wrong, `usage` is the command's usage line."""

    def __init__(self, detail: str, *, usage: str = "") -> None:
        self.usage = usage
        super().__init__(detail, public=f"{detail}\n{say('Usage: `{usage}`', usage=usage)}" if usage else detail)


class NotAllowed(BotError):
    default_public = "You may not do that here. Ask a moderator."


class LimitReached(NotAllowed):
    """`public` says when to come back; `told_before` that this person knows it already."""

    default_public = "You have asked a lot. Please come back later."

    def __init__(self, detail: str = "", *, public: str | None = None, told_before: bool = False) -> None:
        self.told_before = told_before
        super().__init__(detail, public=public)


class StoreError(BotError):
    default_public = "I cannot reach my memory right now. Please try again in a moment."


class StoreUnavailable(StoreError):
    pass


class StoreCorrupt(StoreError):
    pass


class StoreTooNew(StoreError):
    pass


class DeliveryError(BotError):
    default_public = "I could not deliver my answer here."


class TargetGone(DeliveryError):
    default_public = "The message I was writing to is gone."


class DeliveryRefused(DeliveryError):
    default_public = "I am not allowed to write here."


class ModelError(BotError):
    default_public = "The language model could not answer. Please try again."
    retryable = False


class WrongKey(ModelError):
    default_public = (
        "The language model does not accept my API key. Whoever runs me should check it with `duologue check`."
    )


class NoQuota(ModelError):
    default_public = "The account behind my language model has no credit left. Whoever runs me can add some."


class RateLimited(ModelError):
    default_public = "The language model is busy right now. Please try again in a moment."
    retryable = True

    def __init__(self, detail: str = "", *, retry_after: float | None = None, public: str | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(detail, public=public)


class UnknownModel(ModelError):
    default_public = "The language model I am set to use does not exist. Pick another with `/model`."


class BadRequest(ModelError):
    default_public = "The language model did not accept the request. Try `/params reset` or another model."


class ContextTooLong(BadRequest):
    default_public = "That is more than the language model can read at once. Try a shorter message or `/clear`."


class ContentFiltered(BadRequest):
    default_public = "The language model's provider filtered this. Try to say it differently."


class ModelUnavailable(ModelError):
    default_public = "The language model cannot be reached right now. Please try again in a moment."
    retryable = True


class ModelTimeout(ModelError):
    default_public = "The language model took too long. Please try again."
    retryable = True
