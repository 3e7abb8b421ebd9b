"""All figures of the project, each measured now, as Markdown.

python -m benchmarks [--quick]        every script also runs alone: python -m benchmarks.NAME
"""

from __future__ import annotations

import argparse
import asyncio

from benchmarks import discord_answers, memory_path, starting, whole_bot
from benchmarks.figures import load


def main(quick: bool) -> None:
    print(load())
    print("\n## Starting and leaving\n", flush=True)
    starting.main(quick)
    print("\n## The whole bot\n", flush=True)
    asyncio.run(whole_bot.main(quick))
    print("\n## Live answers on Discord\n", flush=True)
    asyncio.run(discord_answers.main(quick, ""))
    print("\n## The memory\n", flush=True)
    asyncio.run(memory_path.main(50 if quick else 200, (20, 2_000) if quick else memory_path.SIZES))
    print(f"\n{load()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything: ten times as fast, and rougher")
    main(parser.parse_args().quick)
