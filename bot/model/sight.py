"""Which models can see, and what becomes of a prompt's pictures before it is sent."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import TypeAlias

from bot.errors import BotError, ContentFiltered, ContextTooLong, ModelError
from bot.pictures import Picture
from bot.turn import Prompt, PromptMessage

Load: TypeAlias = Callable[[str], Awaitable[tuple[bytes, str] | None]]

# Families by the beginning of their names; the blind ones first, for they are exceptions.
_BLIND = re.compile(
    r"(gpt-3|gpt-4(-32k)?(-\d{4})?$|gpt-4-(0125|1106)-preview|gpt-4-turbo-preview|o1-(mini|preview)|o3-mini|gpt-oss"
    r"|davinci|babbage|gpt-4o(-mini)?-(audio|realtime|search|transcribe|tts)|gpt-audio)"
)
_SEEING = re.compile(r"(chatgpt-4o|gpt-4o|gpt-4\.1|gpt-4\.5|gpt-4-turbo|gpt-4-vision|gpt-[5-9]|o1|o3|o4|computer-use)")


def sees(model: str) -> bool | None:
    """None where the name does not tell."""
    name = model.lower().rpartition("/")[2]
    if _BLIND.match(name):
        return False
    return True if _SEEING.match(name) else None


@dataclass(frozen=True, slots=True)
class Looked:
    """A prompt as it is sent. `unseen` are the pictures of the question that could not be shown."""

    prompt: Prompt
    shown: tuple[Picture, ...] = ()
    unseen: tuple[Picture, ...] = ()


async def looked(prompt: Prompt, load: Load | None, *, sees: bool, unreadable: Collection[str] = ()) -> Looked:
    """The prompt with the content of its pictures, or with words in their place."""
    if not has_pictures(prompt):
        return Looked(prompt)
    new_from = _question_at(prompt)
    messages: list[PromptMessage] = []
    shown: list[Picture] = []
    unseen: list[Picture] = []
    for at, message in enumerate(prompt.messages):
        kept = [each if sees and key(each) not in unreadable else None for each in message.images]
        loaded = [await _loaded(each, load) if each else None for each in kept]
        lost = tuple(image for image, found in zip(message.images, loaded, strict=True) if found is None)
        here = tuple(found for found in loaded if found is not None)
        shown += here
        unseen += lost if at >= new_from else ()
        messages.append(replace(message, text=_told(message.text, lost), images=here))
    return Looked(Prompt(tuple(messages)), tuple(shown), tuple(unseen))


def has_pictures(prompt: Prompt) -> bool:
    return any(message.images for message in prompt.messages)


def key(picture: Picture) -> str:
    """What a picture is known by, also one that no store keeps."""
    return picture.blob or f"{picture.name}:{picture.size}"


def blames_pictures(error: ModelError) -> bool:
    """Whether a refused request may be taken without its pictures."""
    return not isinstance(error, ContextTooLong | ContentFiltered)


async def _loaded(picture: Picture, load: Load | None) -> Picture | None:
    if picture.content is not None:
        return picture
    if load is None or not picture.blob:
        return None
    try:
        found = await load(picture.blob)
    except BotError:
        return None
    return replace(picture, content=found[0], media_type=found[1]) if found else None


def _told(text: str, lost: Collection[Picture]) -> str:
    for picture in lost:
        says = f"(attached picture: {picture.name}; you cannot see it)"
        text = text.replace(picture.label, says, 1) if picture.label in text else f"{text}\n{says}".lstrip("\n")
    return text


def _question_at(prompt: Prompt) -> int:
    """Where the messages begin that are being answered: those of people at the end."""
    at = len(prompt.messages)
    while at and prompt.messages[at - 1].role == "user":
        at -= 1
    return at
