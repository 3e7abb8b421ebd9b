"""Reactions by the signs that people see."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# What a bot is most likely told; all others are called by Slack's name for them.
SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "+1": "👍",
        "thumbsup": "👍",
        "-1": "👎",
        "thumbsdown": "👎",
        "heart": "❤️",
        "tada": "🎉",
        "clap": "👏",
        "pray": "🙏",
        "eyes": "👀",
        "fire": "🔥",
        "rocket": "🚀",
        "100": "💯",
        "joy": "😂",
        "smile": "😄",
        "thinking_face": "🤔",
        "cry": "😢",
        "rage": "😡",
        "question": "❓",
        "warning": "⚠️",
        "white_check_mark": "✅",
        "heavy_check_mark": "✔️",
        "x": "❌",
        "repeat": "🔁",
        "arrows_counterclockwise": "🔄",
        "stop_sign": "🛑",
        "octagonal_sign": "🛑",
        "wastebasket": "🗑️",
    }
)


def emoji(name: str) -> str:
    """`👍` for `thumbsup`, in whatever skin; `:party_parrot:` for what is no sign of everybody's."""
    name = name.partition("::")[0]
    return SIGNS.get(name, f":{name}:")
