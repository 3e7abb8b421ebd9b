"""Events, messages and model calls to try a store with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from bot.events import Attachment, Message, Place, Route, User
from bot.replies import SentId
from bot.store import NewMessage, Remembered, Store
from bot.turn import ModelCall, Usage

PLACE = Place("fake", "home", "kitchen")
OTHER = Place("fake", "home", "kitchen", "a thread")
ANN = User("u1", "Ann", roles=("cook",), permissions=frozenset({"admin"}))
NOON = datetime(2026, 3, 29, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=-7)))


def heard(id: str, text: str = "hello", *, place: Place = PLACE, at: datetime = NOON) -> Message:
    picture = Attachment("a.png", "image/png", 3, "https://example.com/a.png")
    return Message(
        id=id,
        user=ANN,
        route=Route(place, {"reply_to": id, "deep": [1, None, {"x": True}]}),
        at=at,
        text=text,
        addressed=True,
        attachments=(picture,),
    )


def said(text: str, *ids: str, **changes: object) -> NewMessage:
    message = NewMessage("user", text, author_id=ANN.id, author=ANN.name, sent=tuple(SentId(id) for id in ids))
    return replace(message, **changes)  # type: ignore[arg-type]  # the fields of a test's own message


def answer(text: str, *ids: str, **changes: object) -> NewMessage:
    return said(text, *ids, **{"role": "assistant", "author_id": None, "author": None, "model": "m", **changes})


def call(cost: str | None, *, model: str = "m", feature: str = "answer") -> ModelCall:
    price = None if cost is None else Decimal(cost)
    return ModelCall("openai", model, Usage(100, 20, 30, 5, 1), price, {"input": "0.25"}, 1.5, 0.25, feature)


def texts(messages: tuple[Remembered, ...]) -> list[str]:
    return [message.text for message in messages]


async def everything(store: Store, place: Place = PLACE, size: int = 1000) -> list[str]:
    return [message.text async for page in store.pages(place, size=size) for message in page]
