"""The text of a PDF, read by a process of its own: whatever the file does, it does it there and not for long."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

Problem: TypeAlias = Literal["", "encrypted", "no text", "broken", "too much", "not installed"]

SECONDS = 10.0
CPU_SECONDS = 8
MEMORY = 512 * 1024 * 1024
MOST_PAGES = 200
MOST_CHARACTERS = 300_000
PROGRAM = os.path.abspath(__file__)
# What of our environment the process may see: enough to find its packages, and no secret.
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "TMPDIR",
)


@dataclass(frozen=True, slots=True)
class Document:
    """`pages` there are, of which `read` were read; `problem` says why there is no text."""

    text: str = ""
    pages: int = 0
    read: int = 0
    problem: Problem = ""


async def read_pdf(content: bytes, *, most: int = MOST_CHARACTERS, seconds: float = SECONDS) -> Document:
    """At most `most` characters of its text. Never raises for what is in the file."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # By its path, and with -P: the names beside this file would hide those of the standard library.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", PROGRAM, str(most),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate(content)
    except TimeoutError:
        return Document(problem="too much")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        # It was ended for using too much time or memory, which leaves no word.
        return Document(problem="too much")
    try:
        return Document(**json.loads(said))
    except (ValueError, TypeError):
        return Document(problem="broken")


def main() -> None:
    """In the process: a PDF on standard input, its text as JSON on standard output."""
    _bound()
    try:
        found = _extracted(sys.stdin.buffer.read(), int(sys.argv[1]))
    except (MemoryError, RecursionError):
        found = Document(problem="too much")
    except ImportError:
        found = Document(problem="not installed")
    except Exception:  # whatever a broken file makes the library raise
        found = Document(problem="broken")
    told = {"text": found.text, "pages": found.pages, "read": found.read, "problem": found.problem}
    sys.stdout.write(json.dumps(told))


def _bound() -> None:
    try:
        import resource
    except ImportError:  # Windows has only the clock outside
        return
    bounds = {resource.RLIMIT_CPU: CPU_SECONDS, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_AS: MEMORY}
    for kind, most in bounds.items():
        # Not every system bounds everything, and what is bounded below this already stays so.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _extracted(content: bytes, most: int) -> Document:
    import io
    import logging

    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError

    logging.disable()
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return Document(problem="encrypted")
        pages = len(reader.pages)
        texts: list[str] = []
        room = most
        for page in reader.pages[:MOST_PAGES]:
            if room <= 0:
                break
            text = page.extract_text()[:room].strip()
            room -= len(text)
            texts.append(text)
    except (DependencyError, FileNotDecryptedError):
        return Document(problem="encrypted")
    except LimitReachedError:
        return Document(problem="too much")
    text = "\n\n".join(filter(None, texts)).encode("utf-8", "replace").decode()
    return Document(text, pages, len(texts), "" if text else "no text")


if __name__ == "__main__":
    main()
