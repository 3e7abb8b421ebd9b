"""Asking, menus and languages through the real Discord client: the whole bot with a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import FakeDiscord, Interaction
from adapters.discord.testing.components import fields
from bot.app import App
from bot.model.scripted import Say, Scripted
from bot.settings import Settings
from bot.tokens import Tokens
from plugins.commands import plugin as commands
from tests.loopback.discord_bot import QUICK


@asynccontextmanager
async def running(
    discord: FakeDiscord, model: Scripted, folder: Path, answers: Mapping[str, Any] | None = None
) -> AsyncIterator[App]:
    settings = Settings.with_sections({})(
        model={"provider": "scripted", "name": "scripted"},
        memory={"database": str(folder / "memory.db")},
        answers={"shutdown_grace": 0, **(answers or {})},
    )
    adapter = DiscordAdapter(discord.settings(), timing=QUICK)
    tokens = Tokens(folder / "no-vocabulary")
    async with App(settings, adapters=[adapter], plugins=[commands], providers=[model], tokens=tokens) as app:
        task = asyncio.create_task(app.run())
        await discord.wait_until(lambda: discord.gateway.connected and discord.world.commands[None])
        yield app
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def text_of(discord: FakeDiscord, used: Interaction, ends: str = "") -> str:
    """What was said last to whoever used it, once it is there and `ends` as it should."""
    await discord.wait_until(lambda: any(used.texts) and used.texts[-1].endswith(ends))
    return used.texts[-1]


async def test_ask_is_remembered_in_a_group_and_on_a_foreign_server(tmp_path: Path) -> None:
    model = Scripted(["Because of the air.", "Of the air, I said."] * 2)
    async with FakeDiscord() as discord, running(discord, model, tmp_path) as app:
        bob = discord.account("Bob")
        for here in (discord.group("friends", discord.ada, bob), discord.foreign_guild("Elsewhere", bob)[1]):
            asked = await discord.runs("/ask", channel=here, question="Why is the sky blue?")
            await text_of(discord, asked, "Because of the air.")
            await app.runner.idle()
            again = await discord.runs("/ask", channel=here, author=bob, question="Why again?")
            await text_of(discord, again, "Of the air, I said.")
            await app.runner.idle()
            texts = [message.text for message in model.prompts[-1].messages]
            assert "Ada: Why is the sky blue?" in texts
            assert "Because of the air." in texts


async def test_asking_about_a_message_in_german(tmp_path: Path) -> None:
    model = Scripted(["Das stimmt nicht."])
    async with FakeDiscord() as discord, running(discord, model, tmp_path):
        nils = discord.account("Nils", locale="de")
        message = await discord.says("Pigs can fly.", files=[("proof.txt", b"I saw one.")])
        opened = await discord.uses("Dazu etwas fragen", message, author=nils)
        await discord.wait_until(lambda: opened.form is not None)
        assert opened.form is not None
        assert opened.form["title"] == "Dazu etwas fragen"
        assert [(label, field["value"]) for label, field in fields(opened.form).items()] == [
            ("Deine Frage", "Was hältst du davon?")
        ]
        sent = await discord.fills(opened)
        await text_of(discord, sent, "Das stimmt nicht.")
        asked = model.prompts[-1].messages[-1].text
        assert "> Ada: Pigs can fly.\n\nWas hältst du davon?" in asked
        assert "I saw one." in asked


async def test_who_said_this_and_the_whole_of_it_as_a_file(tmp_path: Path) -> None:
    long = "\n\n".join(f"Paragraph {number}: " + "word " * 70 for number in range(8)).strip()
    async with FakeDiscord() as discord, running(discord, Scripted([long]), tmp_path) as app:
        bob = discord.account("Bob")
        await discord.says("@bot tell me everything")
        await discord.wait_until(lambda: len(discord.answers()) > 1)
        await app.runner.idle()
        part = next(message for message in discord.screen() if message.author is discord.bot)
        who = await discord.uses("Who said this", part, author=bob)
        assert "- language model: `scripted`\n- asked by **Ada**: tell me everything" in await text_of(discord, who)
        file = await discord.uses("As a file", part, author=bob)
        await discord.wait_until(lambda: bool(file.messages) and bool(file.messages[-1].attachments))
        (attached,) = file.messages[-1].attachments
        assert attached["filename"] == "answer.md"
        assert discord.screen(viewer=discord.ada) == discord.screen(viewer=None)


async def test_summarise_from_here_reads_the_channel_and_tells_one_person(tmp_path: Path) -> None:
    model = Scripted(["They decided on cake."])
    async with FakeDiscord() as discord, running(discord, model, tmp_path):
        bob = discord.account("Bob")
        await discord.says("Good morning.")
        first = await discord.says("What shall we bake?", author=bob)
        await discord.says("A cake!")
        used = await discord.uses("Summarise from here", first, author=bob)
        assert await text_of(discord, used) == "They decided on cake.\n\n*I read 2 messages.*"
        assert "Bob: What shall we bake?\nAda: A cake!\n" in model.prompts[-1].messages[-1].text
        assert discord.answers() == []


async def test_a_summary_does_not_pass_over_what_the_bot_may_not_read(tmp_path: Path) -> None:
    model = Scripted(["Two messages that I cannot read."])
    async with FakeDiscord(message_content=False) as discord, running(discord, model, tmp_path):
        first = await discord.says("What shall we bake?")
        await discord.says("A cake!")
        await discord.says("With plums.")
        used = await discord.uses("Summarise from here", first)
        await text_of(discord, used, ends="*")
        told = model.prompts[-1].messages[-1].text
        assert "Ada: What shall we bake?\n" + 2 * "Ada: (a message that I may not read)\n" in told


async def test_where_the_bot_is_a_guest_it_says_what_it_cannot_read(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, running(discord, Scripted([]), tmp_path):
        nils = discord.account("Nils", locale="de")
        here = discord.foreign_guild("Elsewhere", nils)[1]
        message = await discord.says("Good morning.", channel=here)
        used = await discord.uses("Ab hier zusammenfassen", message, author=nils)
        said = await text_of(discord, used)
        assert said.startswith("⚠️ Ich darf die früheren Nachrichten hier nicht lesen")
        assert said.endswith("Ich bin hier nur zu Gast und kann nicht lesen, was gesagt wurde.")


async def test_each_person_gets_errors_in_their_language(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, running(discord, Scripted([]), tmp_path):
        nils = discord.account("Nils", locale="de", may=["manage_messages"])
        bob = discord.account("Bob", locale="fr")
        german = await discord.runs("/model", author=nils, name="mars:rover")
        assert await text_of(discord, german) == "⚠️ Einen Anbieter `mars` gibt es nicht. Ich kenne `scripted`."
        french = await discord.runs("/model", author=bob, name="mars:rover")
        assert (await text_of(discord, french)).startswith("⚠️ Only moderators may change that here.")


async def test_discord_is_told_the_german_names_and_descriptions(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, running(discord, Scripted([]), tmp_path):
        told = {entry["name"]: entry for entry in discord.world.commands[None]}
        assert told["Summarise from here"]["name_localizations"] == {"de": "Ab hier zusammenfassen"}
        assert told["ask"]["description_localizations"]["de"].startswith("Frag mich etwas")
        question = next(option for option in told["ask"]["options"] if option["name"] == "question")
        assert question["description_localizations"] == {"de": "Was du wissen möchtest"}
        menus = [entry for entry in told.values() if entry["type"] == 3]
        assert len(menus) == 4, "one of the five is left to other plugins"


async def test_marks_and_buttons_speak_the_language_of_the_channel(tmp_path: Path) -> None:
    model = Scripted([Say("Es war einmal", reason="length")])
    async with FakeDiscord() as discord, running(discord, model, tmp_path, {"language": "de"}) as app:
        await discord.says("@bot erzähl")
        mark = "-# ⚠️ abgeschnitten"
        await discord.wait_until(lambda: any(text.endswith(mark) for text in discord.answers()))
        await app.runner.idle()
        answer = discord.screen()[-1]
        labels = [button["label"] for row in answer.components for button in row["components"]]
        assert labels == ["⏩ Weiter", "🔄 Noch einmal", "🗑 Vergessen"]


async def test_a_community_server_is_spoken_to_in_its_language(tmp_path: Path) -> None:
    async with FakeDiscord() as discord:
        discord.guild.locale = "de"
        async with running(discord, Scripted([Say("", reason="stop")]), tmp_path):
            await discord.says("@bot hallo")
            await discord.wait_until(lambda: "-# Dazu habe ich nichts zu sagen." in discord.answers())


async def test_a_file_goes_along_with_a_question(tmp_path: Path) -> None:
    model = Scripted(["It rhymes."])
    async with FakeDiscord() as discord, running(discord, model, tmp_path):
        (file,) = (await discord.uploads("poem.txt", b"Roses are red.")).attachments
        asked = await discord.runs("/ask", question="Does it rhyme?", file=file)
        await text_of(discord, asked, "It rhymes.")
        assert "Does it rhyme?\n\npoem.txt:\n```\nRoses are red.\n```" in model.prompts[-1].messages[-1].text


async def test_languages_and_waits_are_suggested(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, running(discord, Scripted([]), tmp_path):
        typed = await discord.types("/language", "name", "d", author=discord.owner)
        await discord.wait_until(lambda: typed.choices is not None)
        assert typed.choices == ["default", "de"]
        typed = await discord.types("/ping", "after", "o")
        await discord.wait_until(lambda: typed.choices is not None)
        assert typed.choices == ["off"]
