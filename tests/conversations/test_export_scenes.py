"""A scene as people keep it: performed live, and then in every kind of transcript."""

from __future__ import annotations

import tempfile
from base64 import b64encode
from pathlib import Path

import pytest
from pydantic import JsonValue

from bot.api import Capabilities, User
from bot.loading import load_plugin
from bot.testing.bot import ANN, BOB, TestBot
from plugins.export import Header, commands
from plugins.export import plugin as export
from plugins.export.imported import parse
from plugins.roleplay import plugin as roleplay
from tests.conversations.staging import says_next, settles
from tests.samples import png

STAGE = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True, max_file_bytes=8_000_000)
CARL = User("u-carol", "Carl")
FACE = png(3, 2)


def bot_with(*lines: str) -> TestBot:
    plugins = [export, roleplay, load_plugin("privacy", Path())]
    return TestBot(lines, plugins=plugins, capabilities=STAGE, settings={"plugins": {"roleplay": {"personas": None}}})


async def opens(bot: TestBot, more: str) -> None:
    await bot.runs(f'/roleplay start a pirate and a librarian --topic="A late book." {more}', user=BOB)
    await bot.presses("▶ Begin", user=BOB)
    await bot.until("A late book.", 2)


async def exported(bot: TestBot, line: str, *, locale: str = "") -> str:
    await bot.idle()
    await bot.runs(f"/export {line}", locale=locale)
    reply = bot.last.reply
    assert reply is not None
    (file,) = reply.files
    return file.content.decode()


async def header(bot: TestBot) -> Header:
    return parse((await exported(bot, "json all")).encode()).header


async def test_what_was_performed_is_told_with_its_title_and_its_end() -> None:
    async with bot_with("Arr!", "Hush.") as bot:
        await opens(bot, "--turns=2 --pace=0")
        await bot.until("The scene is over")
        html = await exported(bot, "html scene")
        assert '<h1 dir="auto">A late book.</h1>' in html
        assert '<h2 class="play" dir="auto">A late book.</h2>' in html
        assert "The scene is over: all lines were said." in html
        assert " · 2 lines</p>" in html
        found = await header(bot)
        (scene,) = found.scenes
        assert (scene.title, scene.ended, scene.lines) == ("A late book.", "all lines were said", 2)
        assert [found.speaker(one.speaker).name for one in scene.cast] == ["Pirate", "Librarian"]
        assert "Die Szene ist vorbei: all lines were said." in await exported(bot, "txt scene", locale="de")


async def test_people_in_the_audience_do_not_interrupt_the_scene_on_the_page() -> None:
    async with bot_with("Arr!", "Hush.", "You are welcome.") as bot:
        await opens(bot, "--turns=2 --pace=600")
        await says_next(bot, "Arr!")
        await bot.says("Bravo!")
        await says_next(bot, "Hush.")
        await bot.until("The scene is over")
        await settles(bot)
        await bot.says("That was fun.")
        html = await exported(bot, "html")
        assert html.count('<section class="scene">') == 1
        inside, after = html.partition('<section class="scene">')[2].split("</section>")
        assert "Bravo!" in inside
        assert "That was fun." in after


async def test_who_plays_is_named_until_they_are_forgotten() -> None:
    async with bot_with("Hush.") as bot:
        await opens(bot, "--turns=4 --pace=600")
        await bot.runs("/roleplay join pirate", user=CARL)
        await says_next(bot, "⏸ Pirate is played by Carl")
        await bot.says("Give it back!", user=CARL)
        await bot.until("Hush.")
        await settles(bot)
        await bot.runs("/roleplay stop", user=BOB)
        await bot.until("somebody ended it")
        found = await header(bot)
        assert [found.speaker(one.player).name for one in found.scenes[0].cast] == ["Carl", ""]
        await bot.runs("/privacy delete yes", user=CARL)
        assert [one.player for one in (await header(bot)).scenes[0].cast] == ["", ""]


async def test_a_persona_has_its_face_in_the_page_here_and_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bot_with("One.", "Two.") as bot:
        for name in ("Ada", "Eve"):
            await bot.runs(f"/persona create {name} Counts.", user=BOB)
        bot.adapter.files["face"] = FACE
        given: JsonValue = {"name": "ada.png", "media_type": "image/png", "size": len(FACE), "url": "face"}
        await bot.fills("persona edit", persona="ada", picture=given, user=BOB)
        await bot.runs("/roleplay start ada and eve --turns=2 --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The scene is over")
        near = await exported(bot, "html")
        monkeypatch.setattr(commands, "FEW", 0)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        assert await exported(bot, "html") == near
        assert near.count("data:image/png;base64,") == 1
        assert f"data:image/png;base64,{b64encode(FACE).decode()[:40]}" in near
        assert near.count('<div class="face" aria-hidden="true"></div>') == 3


async def test_a_scene_that_goes_on_after_its_end_is_not_over() -> None:
    async with bot_with("Arr!", "Pirate: Mine!", "Pirate: Mine!", "Hush.") as bot:
        await opens(bot, "--turns=9 --pace=600")
        await says_next(bot, "Arr!")
        await says_next(bot, "there was nothing left to say")
        assert (await header(bot)).scenes[0].ended == "there was nothing left to say"
        await bot.runs("/roleplay resume", user=BOB)
        await bot.until("Hush.")
        await settles(bot)
        (scene,) = (await header(bot)).scenes
        assert (scene.ended, scene.ended_at, scene.lines) == ("", None, 2)


async def test_the_training_of_somebody_who_never_wrote_is_forgotten() -> None:
    async with bot_with() as bot:
        await bot.runs("/training yes", user=ANN)
        await bot.runs("/training yes", user=BOB)
        await bot.runs("/privacy delete yes", user=ANN)
        await bot.idle()
        kept = await bot.app.store.load_states("export", "workspace:fake:workspace", "Agreed:")
        assert [*kept] == [f"Agreed:{BOB.id}"]


async def test_what_somebody_lets_the_narrator_say_is_the_narrators() -> None:
    async with bot_with("Arr!") as bot:
        await opens(bot, "--turns=1 --pace=0")
        await bot.until("all lines were said")
        by = [(one.name, one.kind) for one in (await header(bot)).speakers]
        assert by == [("Narrator", "persona"), ("Pirate", "persona"), ("Librarian", "persona")]
