"""Files through the real Discord adapter to the real openai client."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.discord.testing import FakeDiscord
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.whole_bot import whole_bot
from tests.samples import jpeg, pdf, png


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_a_picture_reaches_a_model_that_can_see(tmp_path: Path, api: str) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("A cat.") as model:
        settings = {"model": {"name": "gpt-6-luna", "openai": {"api_key": "k", "base_url": model.url, "api": api}}}
        async with whole_bot(tmp_path, discord, model, settings=settings) as bot:
            files = [("cat.png", png(640, 480)), ("photo.jpg", jpeg(9, 9))]
            assert await bot.asked("@bot who is this?", files=files) == ["A cat."]
            discord.world.files.clear()
            assert await bot.asked("@bot sure?") == ["A cat."]
    assert [seen.pictures for seen in model.seen] == [(png(640, 480), jpeg(9, 9))] * 2


async def test_people_are_told_where_it_is_blind(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("I only read.", refuses=("images",)) as model:
        settings = {"model": {"name": "own-model"}}
        async with whole_bot(tmp_path, discord, model, settings=settings) as bot:
            (answer,) = await bot.asked("@bot who is this?", files=[("c_a_t.png", png())])
            assert answer.startswith("I only read.")
            assert "I cannot see pictures with this model: `c_a_t.png`." in answer
    assert [len(seen.pictures) for seen in model.seen] == [1, 0]


async def test_a_voice_message_gets_a_word_and_costs_nothing(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("never") as model, whole_bot(tmp_path, discord, model) as bot:
        (answer,) = await bot.asked("@bot", files=[("voice-message.ogg", b"OggS")])
        assert answer == "I cannot listen to voice messages or other sound yet: voice-message.ogg."
        assert [status for _, _, status in await bot.memory()] == ["complete"]
    assert model.seen == []


async def test_ten_files_of_all_kinds_in_one_message(tmp_path: Path) -> None:
    files = [
        ("evil.png", b"<script>"),
        ("cut.png", png(5, 5)[:33]),
        ("@everyone **bold**.zip", b"PK\3\4"),
        ("notes.md", b"# Tea\nis hot"),
        ("form.pdf", pdf("Signed")),
        *[(f"{number}.png", png(number, number)) for number in range(1, 6)],
    ]
    async with FakeDiscord() as discord, FakeOpenAI("Thanks.") as model, whole_bot(tmp_path, discord, model) as bot:
        (answer,) = await bot.asked("@bot all of these", files=files)
        assert answer.startswith("Thanks.")
        assert "damaged, so I could not open it: evil.png, cut.png." in answer
        assert discord.pinged == []
    assert model.seen[0].pictures == tuple(png(number, number) for number in range(1, 6))
    assert "is hot" in model.seen[0].text
    assert "Signed" in model.seen[0].text


async def test_a_reply_to_a_picture_asks_about_it(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("A cat.") as model, whole_bot(tmp_path, discord, model) as bot:
        shown = await discord.uploads("cat.png", png(3, 3), "my cat")
        await bot.asked("@bot hello")
        assert await bot.asked("@bot who is that?", reply_to=shown, author=discord.owner) == ["A cat."]
    assert model.seen[1].pictures == (png(3, 3),)
