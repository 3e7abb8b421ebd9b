"""How many tokens a text has: exact once the vocabulary is loaded, a byte-based estimate before and without it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.util
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from bot.turn import PromptMessage

if TYPE_CHECKING:
    from tiktoken import Encoding

log = logging.getLogger(__name__)

ENCODING = "o200k_base"
ADDRESS = f"https://openaipublic.blob.core.windows.net/encodings/{ENCODING}.tiktoken"
CACHE_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
"""The vocabulary as tiktoken keeps it in its cache directory; other models' tokens are close enough to these."""

PER_MESSAGE = 3
PER_NAME = 1
PRIMING = 3

PROSE_BYTES = 4.0
SYMBOL_BYTES = 2.5
_SYMBOLS = re.compile(r"(?:[^\w\s]|[\d_])+")

LONG = 100_000
CHUNK = 8_000
"""Characters encoded at a time: tiktoken's time grows faster than the length of a run without a word boundary."""

CALIBRATION_WEIGHT = 0.2
CALIBRATION_BOUNDS = (0.7, 1.5)

_environment = threading.Lock()


class Tokens:
    """A counter. `load` makes it exact if the vocabulary lies in `cache_dir`; nothing is ever downloaded by it."""

    def __init__(self, cache_dir: Path | None = None) -> None:
        self._cache_dir = cache_dir or default_cache_dir()
        self._encoding: Encoding | None = None
        self._factors: dict[tuple[str, str], float] = {}

    @property
    def exact(self) -> bool:
        return self._encoding is not None

    async def load(self) -> bool:
        """Off the loop; False, and one line in the log, when only estimates are possible."""
        if self._encoding is None:
            self._encoding = await asyncio.to_thread(_load, self._cache_dir)
        return self.exact

    def count(self, text: str) -> int:
        if self._encoding is None:
            return estimate(text)
        if len(text) <= 2 * CHUNK:
            return len(self._encoding.encode_ordinary(text))
        pieces = (text[start : start + CHUNK] for start in range(0, len(text), CHUNK))
        return sum(len(self._encoding.encode_ordinary(piece)) for piece in pieces)

    async def measure(self, text: str) -> int:
        """As `count`, in a thread where the text is so long that counting would hold up everyone else."""
        return await asyncio.to_thread(self.count, text) if len(text) > LONG else self.count(text)

    def count_message(self, message: PromptMessage) -> int:
        count = PER_MESSAGE + self.count(message.text)
        if message.name:
            count += PER_NAME + self.count(message.name)
        for call in message.tool_calls:
            count += PER_MESSAGE + self.count(call.name) + self.count(call.arguments)
        return count + sum(picture.tokens for picture in message.images)

    def count_messages(self, messages: Iterable[PromptMessage]) -> int:
        """A whole prompt, with what opens the answer."""
        return PRIMING + sum(self.count_message(message) for message in messages)

    def factor(self, provider: str, model: str) -> float:
        """How many tokens this model really counts for each one counted here."""
        return self._factors.get((provider, model), 1.0)

    def calibrated(self, count: int, provider: str, model: str) -> int:
        return ceil(count * self.factor(provider, model))

    def set_factor(self, provider: str, model: str, factor: float) -> None:
        low, high = CALIBRATION_BOUNDS
        self._factors[provider, model] = min(max(factor, low), high)

    def calibrate(self, provider: str, model: str, *, counted: int, real: int) -> float:
        """Learn from what a provider reported; the first report counts in full, later ones a fifth."""
        if counted <= 0 or real <= 0:
            return self.factor(provider, model)
        ratio = real / counted
        known = self._factors.get((provider, model))
        self.set_factor(provider, model, ratio if known is None else known + CALIBRATION_WEIGHT * (ratio - known))
        return self.factor(provider, model)


def estimate(text: str) -> int:
    """A quarter of the UTF-8 bytes, more for runs without letters (numbers, markup, emoji)."""
    total = _bytes(text)
    symbols = sum(_bytes(run) for run in _SYMBOLS.findall(text))
    return ceil((total - symbols) / PROSE_BYTES + symbols / SYMBOL_BYTES)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def default_cache_dir() -> Path:
    """tiktoken's own setting, else a folder among the user's caches."""
    chosen = os.environ.get("TIKTOKEN_CACHE_DIR")
    if chosen:
        return Path(chosen)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "duologue" / "tiktoken"


def is_filled(cache_dir: Path) -> bool:
    """Whether the complete, unchanged vocabulary is there."""
    try:
        return hashlib.sha256((cache_dir / CACHE_FILE).read_bytes()).hexdigest() == SHA256
    except OSError:
        return False


def fill_cache(cache_dir: Path, *, download: Callable[[Path], None] | None = None) -> str:
    """Put the vocabulary into `cache_dir`, from the network or the `bpe-openai` package; a sentence of what was done.

    Slow: for `duologue setup` and image builds, never for an answer. Raises OSError when neither source works.
    """
    if is_filled(cache_dir):
        return f"The tokenizer's vocabulary is already in {cache_dir}."
    packaged = _packaged()
    if packaged is not None:
        _write(cache_dir, packaged)
        return f"The tokenizer's vocabulary was unpacked from bpe-openai into {cache_dir}."
    try:
        (download or _download)(cache_dir)
    except Exception as error:
        raise OSError(f"the tokenizer's vocabulary could not be downloaded: {type(error).__name__}") from error
    if not is_filled(cache_dir):
        raise OSError(f"the tokenizer's vocabulary in {cache_dir} is not the expected one")
    return f"The tokenizer's vocabulary was downloaded into {cache_dir}."


def _packaged() -> bytes | None:
    """Found without importing the package, whose own tables would take 75 MB."""
    spec = importlib.util.find_spec("bpe_openai")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "data" / f"{ENCODING}.tiktoken.gz"
        if file.is_file():
            content = gzip.decompress(file.read_bytes())
            return content if hashlib.sha256(content).hexdigest() == SHA256 else None
    return None


def _write(cache_dir: Path, content: bytes) -> None:
    cache_dir.mkdir(parents=True, exist_ok=True)
    unfinished = cache_dir / f"{CACHE_FILE}.{os.getpid()}.part"
    unfinished.write_bytes(content)
    unfinished.replace(cache_dir / CACHE_FILE)


def _download(cache_dir: Path) -> None:
    from tiktoken.load import read_file_cached

    with _cache_at(cache_dir):
        read_file_cached(ADDRESS, SHA256)


def _load(cache_dir: Path) -> Encoding | None:
    if not is_filled(cache_dir):
        log.warning("token counts are estimates: no vocabulary in %s (`duologue setup` puts it there)", cache_dir)
        return None
    try:
        return _read_encoding(cache_dir)
    except Exception as error:
        log.warning("token counts are estimates: the vocabulary cannot be used (%s)", type(error).__name__)
        return None


def _read_encoding(cache_dir: Path) -> Encoding:
    import tiktoken

    with _cache_at(cache_dir):
        encoding = tiktoken.get_encoding(ENCODING)
    # Counting asks the compiled tables alone; their copy for Python takes 30 MB.
    encoding._mergeable_ranks = {}
    return encoding


@contextmanager
def _cache_at(cache_dir: Path) -> Iterator[None]:
    """tiktoken learns of its cache by the environment alone."""
    with _environment:
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(cache_dir)
        try:
            yield
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]
            else:
                os.environ["TIKTOKEN_CACHE_DIR"] = before
