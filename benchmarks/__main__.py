"""All figures of the project, each measured now, as Markdown.

python -m benchmarks [--quick] [--soak MINUTES]       every script also runs alone: python -m benchmarks.NAME
"""

from __future__ import annotations

import argparse
import asyncio

from benchmarks import (
    discord_answers,
    exports,
    memory_path,
    roleplay_scenes,
    slack_answers,
    slack_whole_bot,
    soak,
    starting,
    whole_bot,
)
from benchmarks.figures import load


def main(quick: bool, minutes: float) -> None:
    print(load())
    print("\n## Starting and leaving\n", flush=True)
    starting.main(quick)
    print("\n## The whole bot\n", flush=True)
    asyncio.run(whole_bot.main(quick))
    print("\n## Live answers on Discord\n", flush=True)
    asyncio.run(discord_answers.main(quick, ""))
    print("\n## Live answers on Slack\n", flush=True)
    asyncio.run(slack_answers.main(quick))
    print("\n## The whole bot on Slack\n", flush=True)
    asyncio.run(slack_whole_bot.main(quick))
    print("\n## Scenes\n", flush=True)
    asyncio.run(roleplay_scenes.main(quick))
    print("\n## Twenty busy channels of a Discord that fails by lot\n", flush=True)
    asyncio.run(soak.main(minutes))
    print("\n## The memory\n", flush=True)
    asyncio.run(memory_path.main(50 if quick else 200, (20, 2_000) if quick else memory_path.SIZES))
    print("\n## Exports\n", flush=True)
    asyncio.run(exports.main(quick))
    print(f"\n{load()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything: ten times as fast, and rougher")
    parser.add_argument("--soak", type=float, default=1.0, metavar="MINUTES", help="how long everything fails by lot")
    options = parser.parse_args()
    main(options.quick, options.soak)
