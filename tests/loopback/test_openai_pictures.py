"""Pictures through the real openai client: sent in both APIs, or put into words for models that cannot see."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue, SecretStr

from bot.events import Place
from bot.model import OpenAISettings, open_provider
from bot.model.registry import Registry
from bot.model.settings import Api, AzureSettings
from bot.model.sight import sees
from bot.pictures import Picture
from bot.replies import Done, Notice, Text
from bot.testing.openai_server import FakeError, FakeOpenAI, bad_picture, context_overflow, filtered
from bot.turn import ModelChoice, Prompt, PromptMessage, Turn
from tests.loopback.test_openai import KEY, Notebook
from tests.samples import jpeg, png

CAT, DOG = png(512, 512), jpeg(640, 480)
BLOBS = {"cat": (CAT, "image/png"), "dog": (DOG, "image/jpeg")}


async def load(blob: str) -> tuple[bytes, str] | None:
    return BLOBS.get(blob)


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI("A cat.", key=KEY) as server:
        yield server


def registry_for(server: FakeOpenAI, api: Api = "chat", notebook: Notebook | None = None, **more: bool) -> Registry:
    notebook = notebook or Notebook()
    settings = OpenAISettings(api_key=SecretStr(KEY), base_url=server.url, api=api, **more)  # type: ignore[arg-type] # only `sees`
    provider = open_provider(settings)
    return Registry([provider], recall=notebook.recall, remember=notebook.remember, pictures=load)


def turn(*more: PromptMessage, model: str = "gpt-6-luna") -> Turn:
    cat = Picture("cat.png", "image/png", len(CAT), "cat", 512, 512)
    dog = Picture("dog.jpg", "image/jpeg", len(DOG), "dog", 640, 480)
    question = PromptMessage("user", "Who?\n\n(picture: cat.png)\n\n(picture: dog.jpg)", images=(cat, dog))
    prompt = Prompt((PromptMessage("system", "Be kind."), question, *more))
    return Turn(Place("test", "w", "c"), prompt, ModelChoice("openai", model))


async def ask(registry: Registry, asked: Turn) -> tuple[str, list[str]]:
    """The answer, and the notices under it."""
    pieces = [piece async for piece in registry.stream(asked)]
    assert isinstance(pieces[-1], Done)
    said = "".join(piece.text for piece in pieces if isinstance(piece, Text))
    return said, [piece.text for piece in pieces if isinstance(piece, Notice)]


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_they_are_sent_as_they_are(server: FakeOpenAI, api: Api) -> None:
    async with registry_for(server, api) as registry:
        assert await ask(registry, turn()) == ("A cat.", [])
    assert server.seen[0].pictures == (CAT, DOG)
    assert server.seen[0].text.startswith("Who?\n\n(picture: cat.png)")
    kinds = {"responses": ["input_text", "input_image", "input_image"], "chat": ["text", "image_url", "image_url"]}
    items = server.seen[0].body["input" if api == "responses" else "messages"]
    assert isinstance(items, list)
    assert [part["type"] for part in items[-1]["content"]] == kinds[api]  # type: ignore[index, call-overload] # JSON


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_a_picture_needs_no_words(server: FakeOpenAI, api: Api) -> None:
    message = PromptMessage("user", "", images=(Picture("cat.png", "image/png", content=CAT),))
    asked = Turn(Place("test", "w", "c"), Prompt((message,)), ModelChoice("openai", "gpt-4o"))
    async with registry_for(server, api) as registry:
        assert (await ask(registry, asked))[0] == "A cat."
    assert server.seen[0].pictures == (CAT,)


async def test_a_model_that_cannot_see_is_told_so_and_so_are_people(server: FakeOpenAI) -> None:
    async with registry_for(server) as registry:
        answer = await ask(registry, turn(model="gpt-3.5-turbo"))
    assert answer == ("A cat.", ["I cannot see pictures with this model: cat.png, dog.jpg."])
    assert server.seen[0].pictures == ()
    assert server.seen[0].text == (
        "Who?\n\n(attached picture: cat.png; you cannot see it)\n\n(attached picture: dog.jpg; you cannot see it)"
    )


async def test_people_are_told_about_their_question_not_about_older_ones(server: FakeOpenAI) -> None:
    more = PromptMessage("assistant", "A cat."), PromptMessage("user", "Sure?")
    async with registry_for(server) as registry:
        assert await ask(registry, turn(*more, model="gpt-3.5-turbo")) == ("A cat.", [])


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_that_a_model_cannot_see_is_learned_once_and_kept(server: FakeOpenAI, api: Api) -> None:
    server.refuses = ("images",)
    notebook = Notebook()
    says = "I cannot see pictures with this model: cat.png, dog.jpg."
    async with registry_for(server, api, notebook) as registry:
        for _ in range(2):
            assert await ask(registry, turn(model="own-model")) == ("A cat.", [says])
    assert [len(seen.pictures) for seen in server.seen] == [2, 0, 0]
    async with registry_for(server, api, notebook) as registry:
        await ask(registry, turn(model="own-model"))
        assert "images" in registry.refused(ModelChoice("openai", "own-model"))
    assert len(server.seen[3].pictures) == 0


@pytest.mark.parametrize(
    "error",
    [
        FakeError(400, None, "This model does not support image input"),
        FakeError(500, "500", "image input is not supported - hint: you may need to provide the mmproj"),
        FakeError(422, None, "messages[1]: unknown variant `image_url`, expected `text`"),
        FakeError(400, None, "1 validation error: messages.1.content: Input should be a valid string"),
        FakeError(404, None, "No endpoints found that support image input"),
        FakeError(400, None, "own-model is not a multimodal model"),
    ],
    ids=lambda error: error.message[:20],
)
async def test_servers_say_it_in_many_ways(server: FakeOpenAI, error: FakeError) -> None:
    server.will(error)
    async with registry_for(server) as registry:
        _, notices = await ask(registry, turn(model="own-model"))
        assert not registry.sees(ModelChoice("openai", "own-model"))
    assert notices == ["I cannot see pictures with this model: cat.png, dog.jpg."]


async def test_a_picture_that_is_refused_is_named_and_not_sent_again(server: FakeOpenAI) -> None:
    server.will(bad_picture())
    async with registry_for(server) as registry:
        assert (await ask(registry, turn()))[1] == ["My language model could not open this picture: cat.png, dog.jpg."]
        assert registry.sees(ModelChoice("openai", "gpt-6-luna"))
        await ask(registry, turn())
        other = PromptMessage("user", "?", images=(Picture("b.png", "image/png", content=CAT),))
        await ask(registry, turn(PromptMessage("assistant", "Hm."), other))
    assert [len(seen.pictures) for seen in server.seen] == [2, 0, 0, 1]


@pytest.mark.parametrize("error", [context_overflow(), filtered()])
async def test_other_refusals_are_not_blamed_on_pictures(server: FakeOpenAI, error: FakeError) -> None:
    server.will(error)
    async with registry_for(server) as registry:
        with pytest.raises(Exception, match=r"context|filter"):
            await ask(registry, turn())
    assert len(server.seen) == 1


async def test_the_settings_overrule_what_a_name_tells(server: FakeOpenAI) -> None:
    async with registry_for(server, sees=False) as registry:
        await ask(registry, turn())
    async with registry_for(server, sees=True) as registry:
        await ask(registry, turn(model="gpt-3.5-turbo"))
    assert [len(seen.pictures) for seen in server.seen] == [0, 2]


async def test_a_picture_that_is_no_longer_kept_is_named(server: FakeOpenAI) -> None:
    gone = PromptMessage("user", "?\n(picture: x.png)", images=(Picture("x.png", "image/png", 3, "gone"),))
    async with registry_for(server) as registry:
        _, notices = await ask(registry, turn(PromptMessage("assistant", "Hm."), gone))
    assert notices == ["My language model could not open this picture: x.png."]
    assert "x.png; you cannot see it" in server.seen[0].text


@pytest.mark.parametrize(
    ("model", "can"),
    [
        ("gpt-6-luna", True), ("gpt-5-mini-2026-01-01", True), ("gpt-4o-2024-08-06", True), ("gpt-4.1-nano", True),
        ("o3", True), ("o4-mini", True), ("o1", True), ("openai/gpt-4o", True), ("gpt-4-turbo", True),
        ("gpt-3.5-turbo", False), ("gpt-4", False), ("gpt-4-0613", False), ("gpt-4-turbo-preview", False),
        ("o1-mini", False), ("o3-mini-high", False), ("gpt-oss-120b", False), ("gpt-4o-audio-preview", False),
        ("llama3.2-vision", None), ("my-deployment", None), ("", None),
    ],
)  # fmt: skip
def test_names_tell_who_can_see(model: str, can: bool | None) -> None:
    assert sees(model) is can


def test_a_deployment_may_be_called_as_it_likes() -> None:
    def azure(**more: bool) -> JsonValue:
        provider = open_provider(AzureSettings("https://x.openai.azure.com", api_key=SecretStr(KEY), **more))
        return [provider.sees(name) for name in ("gpt-4o-eu", "gpt-4", "chat")]

    assert azure() == [True, None, None]
    assert azure(sees=False) == [False, False, False]
