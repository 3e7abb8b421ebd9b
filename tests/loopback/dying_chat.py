"""`duologue chat` that is killed right before its n-th commit after a file is there: number, file, options of chat."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.__main__ import main
from tests.loopback.bot_process import die_at_commit

if __name__ == "__main__":
    _, number, armed, *options = sys.argv
    if int(number):
        die_at_commit(int(number), Path(armed))
    sys.exit(main(["chat", *options]))
