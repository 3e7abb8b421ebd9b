"""Speakers' pictures: published once, remembered over restarts, refreshed before their address ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from pydantic import JsonValue

from adapters.discord.pictures import ends, image_kind, is_address
from adapters.discord.testing import FakeDiscord
from bot.api import Context, Message, Plugin, Prompt, PromptMessage, Reply, Route, Speaker
from bot.testing.openai_server import FakeAnswer, FakeOpenAI
from tests.loopback.discord_bot import Listener, connected
from tests.loopback.whole_bot import whole_bot

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
GIF = b"GIF89a" + b"pixels"


class Keeping:
    """A shelf that is nothing but two dictionaries."""

    def __init__(self, **pictures: bytes) -> None:
        self.pictures = pictures
        self.kept: dict[str, JsonValue] = {}
        self.read: list[str] = []

    async def load(self, key: str) -> JsonValue | None:
        return self.kept.get(key)

    async def save(self, key: str, value: JsonValue) -> None:
        if value is None:
            self.kept.pop(key, None)
        else:
            self.kept[key] = value

    async def picture(self, blob: str) -> tuple[bytes, str] | None:
        self.read.append(blob)
        content = self.pictures.get(blob)
        return None if content is None else (content, "image/png")


def ann(avatar: str | None) -> Speaker:
    return Speaker("ann", "Ann", avatar)


async def stage(discord: FakeDiscord, bot: Listener) -> Route:
    await discord.allows("manage_webhooks")
    before = len(bot.of(Message))
    await discord.says("@bot go")
    return (await bot.heard(Message, before + 1)).route


async def shows(bot: Listener, route: Route, discord: FakeDiscord, speaker: Speaker) -> str | None:
    """The picture's address as Discord was given it."""
    await bot.adapter.send(route, Reply("Hello", speaker=speaker))
    message = next(each for each in reversed(discord.screen()) if each.webhook is not None)
    assert (message.name, message.text) == ("Ann", "Hello")
    return message.avatar


async def test_a_picture_becomes_an_emoji_once_and_for_all() -> None:
    shelf = Keeping(face=PNG, dance=GIF)
    async with FakeDiscord() as discord:
        for start in range(2):
            async with connected(discord, shelf=shelf) as bot:
                route = await stage(discord, bot)
                shown = [await shows(bot, route, discord, ann(blob)) for blob in ("face", "face", "dance")]
                first, second = discord.world.emojis.values()
                assert (first.content, second.content) == (PNG, GIF)
                address = "https://cdn.discordapp.com/emojis"
                assert shown == [f"{address}/{first.id}.png"] * 2 + [f"{address}/{second.id}.gif"], start
        assert shelf.read == ["face", "dance"]
        assert [each.text for each in discord.screen() if each.attachments] == []


async def test_an_emoji_that_somebody_deleted_is_made_again() -> None:
    shelf = Keeping(face=PNG)
    async with FakeDiscord() as discord:
        async with connected(discord, shelf=shelf) as bot:
            await shows(bot, await stage(discord, bot), discord, ann("face"))
        discord.world.emojis.clear()
        async with connected(discord, shelf=shelf) as bot:
            shown = await shows(bot, await stage(discord, bot), discord, ann("face"))
        (emoji,) = discord.world.emojis.values()
        assert shown == f"https://cdn.discordapp.com/emojis/{emoji.id}.png"


async def test_an_emoji_that_is_there_but_forgotten_is_used() -> None:
    async with FakeDiscord() as discord:
        for _ in range(2):
            async with connected(discord, shelf=Keeping(face=PNG)) as bot:
                shown = await shows(bot, await stage(discord, bot), discord, ann("face"))
        (emoji,) = discord.world.emojis.values()
        assert shown == f"https://cdn.discordapp.com/emojis/{emoji.id}.png"


async def test_when_there_are_too_many_emojis_the_oldest_face_makes_room() -> None:
    shelf = Keeping(one=PNG, two=PNG, three=PNG)
    async with FakeDiscord() as discord, connected(discord, shelf=shelf) as bot:
        route = await stage(discord, bot)
        theirs = discord.emojis.add("party", GIF)
        discord.emojis.most = 3
        shown = [await shows(bot, route, discord, ann(blob)) for blob in ("one", "two", "three")]
        assert theirs.id in discord.world.emojis
        assert len(discord.world.emojis) == 3
        there = {f"https://cdn.discordapp.com/emojis/{id}.png" for id in discord.world.emojis}
        assert [address in there for address in shown] == [False, True, True]
        assert await shows(bot, route, discord, ann("one")) not in shown


async def test_a_picture_is_kept_in_a_channel_and_its_address_refreshed() -> None:
    shelf = Keeping(face=PNG)
    async with FakeDiscord() as discord:
        gallery = discord.channel("gallery")
        discord.world.signed_for = 3600.0
        async with connected(discord, shelf=shelf, picture_channel=gallery.id) as bot:
            route = await stage(discord, bot)
            first = await shows(bot, route, discord, ann("face"))
            assert first == await shows(bot, route, discord, ann("face"))
            (kept,) = discord.screen(gallery)
            assert kept.text == "-# 🖼 The picture of Ann, kept here so that messages can show it"
            assert first is not None
            assert kept.attachments[0]["filename"] in first
            assert discord.world.emojis == {}
        discord.world.signed_for = 60.0
        async with connected(discord, shelf=shelf, picture_channel=gallery.id) as bot:
            route = await stage(discord, bot)
            short = await shows(bot, route, discord, ann("face"))
            discord.world.signed_for = 7200.0
            fresh = await shows(bot, route, discord, ann("face"))
            assert short is not None
            assert fresh is not None
            assert ends(short) < ends(first) < ends(fresh)
            assert short.partition("?")[0] == first.partition("?")[0] == fresh.partition("?")[0]
            await discord.deletes(kept)
            discord.world.signed_for = 60.0
        async with connected(discord, shelf=shelf, picture_channel=gallery.id) as bot:
            again = await shows(bot, await stage(discord, bot), discord, ann("face"))
            assert again is not None
            assert str(discord.screen(gallery)[0].id) != str(kept.id)
            assert again.partition("?")[0] != first.partition("?")[0]
        assert shelf.read == ["face", "face"]


async def test_what_is_too_large_for_an_emoji_stands_where_it_is_needed() -> None:
    shelf = Keeping(face=PNG + bytes(300 * 1024))
    async with FakeDiscord() as discord, connected(discord, shelf=shelf, picture_channel=123) as bot:
        shown = await shows(bot, await stage(discord, bot), discord, ann("face"))
        (kept,) = [each for each in discord.screen() if each.attachments]
        assert shown is not None
        assert kept.attachments[0]["filename"] in shown
        assert kept.text.startswith("-# 🖼 The picture of Ann")


@pytest.mark.parametrize(
    "content",
    [b"<svg onload=alert(1)>", b"", PNG + bytes(8 * 1024 * 1024)],
    ids=["no image", "empty", "too large"],
)
async def test_what_is_no_fitting_picture_costs_only_the_picture(content: bytes) -> None:
    async with FakeDiscord() as discord, connected(discord, shelf=Keeping(face=content)) as bot:
        route = await stage(discord, bot)
        assert await shows(bot, route, discord, ann("face")) is None
        assert await shows(bot, route, discord, ann("unknown")) is None
        assert discord.world.emojis == {}
        assert [each for each in discord.screen() if each.attachments] == []


async def test_where_pictures_cannot_be_put_anywhere_the_line_is_said_all_the_same() -> None:
    async with FakeDiscord() as discord, connected(discord, shelf=Keeping(face=PNG)) as bot:
        route = await stage(discord, bot)
        discord.fails("POST /applications/*/emojis", status=400)
        discord.fails("POST /channels/*/messages", status=403, code=50013)
        assert await shows(bot, route, discord, ann("face")) is None
        assert await shows(bot, route, discord, ann("face")) is not None


async def test_an_address_is_used_as_it_is_if_it_is_one() -> None:
    good = "https://example.org/ann.png?size=128"
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        assert await shows(bot, route, discord, ann(good)) == good
        for bad in (
            "http://example.org/a.png",
            "https://u:p@example.org/",
            "https://e.org/" + "x" * 2048,
            "file:///etc",
        ):
            assert await shows(bot, route, discord, ann(bad)) is None
        assert await shows(bot, route, discord, ann(None)) is None


async def test_an_address_that_discord_refuses_costs_only_the_picture() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        route = await stage(discord, bot)
        discord.fails("POST /webhooks/*/*", status=400, code=50035)
        assert await shows(bot, route, discord, ann("https://example.org/a.png")) is None


def test_images_are_known_by_their_first_bytes() -> None:
    webp = b"RIFF\x00\x00\x00\x00WEBPVP8 "
    assert [image_kind(each) for each in (PNG, GIF, b"\xff\xd8\xff\xe0", webp, b"RIFF....WAVE", b"MZ")] == [
        "png",
        "gif",
        "jpeg",
        "webp",
        None,
        None,
    ]


def test_a_signed_address_tells_when_it_ends() -> None:
    moment = datetime(2027, 1, 2, tzinfo=UTC) + timedelta(hours=3)
    assert ends(f"https://cdn.discordapp.com/a.png?ex={int(moment.timestamp()):x}&is=1&hm=2") == moment.timestamp()
    assert ends("https://cdn.discordapp.com/emojis/1.png") == ends("https://e.org/?ex=never") == float("inf")
    assert not is_address("https://")


def more_than(discord: FakeDiscord, before: int) -> bool:
    return len(discord.answers()) > before


async def test_the_whole_bot_keeps_its_speakers_faces_over_a_restart(tmp_path: Path) -> None:
    plugin = Plugin("stage", "For tests")
    blobs: list[str] = []

    @plugin.command()
    async def enter(ctx: Context) -> None:
        """Somebody comes on stage."""
        await ctx.say(ann(blobs[0]), Prompt(messages=(PromptMessage("user", "Say hello"),)))

    async with FakeDiscord() as discord, FakeOpenAI(lambda seen: FakeAnswer("Hello")) as model:
        await discord.allows("manage_webhooks")
        for _ in range(2):
            before = len(discord.answers())
            async with whole_bot(tmp_path, discord, model, plugins=[plugin]) as bot:
                blobs[:] = [await bot.app.store.put_blob(PNG, "image/png")]
                await discord.runs("enter")
                await bot.until(partial(more_than, discord, before))
                await bot.idle()
        (emoji,) = discord.world.emojis.values()
        assert emoji.content == PNG
        seen = [(each.name, each.avatar) for each in discord.screen()]
        assert seen == [("Ann", f"https://cdn.discordapp.com/emojis/{emoji.id}.png")] * 2
