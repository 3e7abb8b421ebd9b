"""Speakers on Slack: their own name and picture where that is allowed, their name in the text where it is not."""

from __future__ import annotations

import pytest

from adapters.slack.faces import MAX_ICON, PICTURES, as_sent, emoji_of
from adapters.slack.lengths import MAX_TEXT
from adapters.slack.testing import SCOPES, FakeSlack, labels
from bot.api import Button, Reply, SentId, Speaker
from tests.loopback.slack_bot import FakeShelf
from tests.loopback.slack_saying import hasty, speaking

ANN = Speaker("ann", "Ann Droid", "https://example.org/ann.png")
BO = Speaker("bo", "Bo_Lean*", "b10b")
PLAIN = SCOPES - {"chat:write.customize"}
PNG = b"\x89PNG\r\n\x1a\n"


async def test_a_speaker_has_a_name_and_a_picture() -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        (sent,) = await bot.says("Good day.", speaker=ANN)
        (message,) = slack.screen()
        assert (message.name, message.icon, message.seen) == ("Ann Droid", ANN.avatar, "Good day.")
        await bot.sending.edit(bot.route(), sent, Reply("Good night.", speaker=ANN))
        assert (message.name, message.icon, message.seen) == ("Ann Droid", ANN.avatar, "Good night.")
        assert sent.kind == ""


@pytest.mark.parametrize(
    "avatar", [None, "", "http://plain.example.org/x.png", "https://x/ y", f"https://x/{'y' * MAX_ICON}"]
)
async def test_without_a_picture_a_speaker_has_always_the_same_emoji(avatar: str | None) -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        await bot.says("Hello.", speaker=Speaker("bo", "Bo", avatar))
        (message,) = slack.screen()
        assert message.icon == emoji_of("bo") == emoji_of("bo")
        assert len({emoji_of(str(number)) for number in range(300)}) > 40


async def test_a_picture_of_the_bots_own_is_shown_from_its_own_address() -> None:
    shelf = FakeShelf()
    shelf.pictures = {"b10b": (PNG, "image/png"), "5ec2e7": (PNG, "image/png"), "7e87": (b"<html>", "text/html")}
    async with (
        FakeSlack() as slack,
        speaking(slack, shelf=shelf, public_url="https://bot.example.org/", receive="http") as bot,
    ):
        assert await bot.faces.picture("b10b") is None
        await bot.says("Hello.", speaker=BO)
        (message,) = slack.screen()
        assert message.icon == f"https://bot.example.org{PICTURES}b10b"
        assert await bot.faces.picture("b10b") == (PNG, "image/png")
        assert await bot.faces.picture("5ec2e7") is None
        bot.faces.identity(Speaker("x", "X", "7e87"))
        assert await bot.faces.picture("7e87") is None
        assert bot.faces.identity(Speaker("x", "X", "../secrets"))["icon_emoji"] == emoji_of("x")
    async with FakeSlack() as slack, speaking(slack, shelf=shelf, public_url="https://bot.example.org/") as bot:
        # Nobody answers there: the bot opens its connections itself.
        assert bot.faces.identity(BO)["icon_emoji"] == emoji_of("bo")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<!channel>", "‹!channel>"),
        ("<@U123|Olga>", "‹@U123|Olga>"),
        ("@here\nthere", "@\u200bhere there"),
        ("x" * 100, "x" * 80),
        ("  \u200b ", "somebody"),
    ],
)
async def test_no_name_looks_like_a_mention(name: str, shown: str) -> None:
    async with FakeSlack() as slack, speaking(slack) as bot:
        await bot.says("Hello.", speaker=Speaker("x", name))
        assert [each.name for each in slack.screen()] == [shown]
        assert slack.pinged == []


@pytest.mark.parametrize("translates", [True, False])
async def test_without_the_scope_the_bot_says_who_speaks(translates: bool) -> None:
    async with hasty(scopes=PLAIN, translates=translates) as slack:
        async with speaking(slack) as bot:
            (sent,) = await bot.says("Hello.", speaker=BO, buttons=(Button("ok", "OK"),))
            (message,) = slack.screen()
            assert (message.name, message.seen) == ("bot", "**Bo\\_Lean\\*:** Hello.")
            assert message.fallback.endswith(" Hello.")
            await bot.says("```\ncode\n```", speaker=BO)
            assert slack.answers()[-1] == "**Bo\\_Lean\\*:**\n\n```\ncode\n```"
            assert not any("username" in call.args for call in slack.calls)
            # Its next text bears the name too, also in a next life.
            await bot.sending.edit(bot.route(), sent, Reply("*Changed.*"))
            assert message.seen == "**Bo\\_Lean\\*:** *Changed.*"
        async with speaking(slack) as bot:
            shown = await bot.sending.surface(bot.route(), BO, resumed=(sent,)).edit(sent, "Later.", ())
            assert (shown.text, message.seen, labels(message.blocks)) == ("Later.", "**Bo\\_Lean\\*:** Later.", [])
            history = await slack.client().conversations_history(channel=slack.general.id, include_all_metadata=True)
            assert [as_sent(each) for each in history["messages"]] == [
                ("```\ncode\n```", sent.kind),
                ("Later.", sent.kind),
            ]


async def test_when_slack_takes_the_name_back_it_is_asked_for_once() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        slack.scopes.discard("chat:write.customize")
        assert bot.sending.capabilities(bot.route()).speakers
        await bot.says("One.", speaker=ANN)
        await bot.says("Two.", speaker=ANN)
        await bot.says("Psst.", speaker=ANN, private=True)
        assert slack.answers(viewer=slack.ada) == [f"**Ann Droid:** {said}" for said in ("One.", "Two.", "Psst.")]
        assert len([call for call in slack.calls if "username" in call.args]) == 1
        assert not bot.sending.capabilities(bot.route()).speakers


async def test_another_missing_scope_is_not_taken_for_that_of_names() -> None:
    async with hasty(scopes=SCOPES - {"chat:write"}) as slack, speaking(slack) as bot:
        with pytest.raises(Exception, match="missing_scope"):
            await bot.says("One.", speaker=ANN)
        assert slack.answers() == []
        assert bot.faces.can()


@pytest.mark.parametrize("name", ["Ann", "&" * 80, "`" * 90])
async def test_the_name_has_room_in_a_long_text_and_stands_before_its_first_message(name: str) -> None:
    async with hasty(scopes=PLAIN) as slack, speaking(slack) as bot:
        words = " ".join(f"word{number}" for number in range(1_200))
        sent = await bot.says(words, speaker=Speaker("x", name), to=bot.route(slack.direct()))
        shown = slack.screen(slack.direct())
        first, *others = [each.seen for each in shown]
        begins = first[: first.index("word0")]
        assert begins.startswith("**")
        assert begins.endswith(":** ")
        assert " ".join([first.removeprefix(begins), *others]).split() == words.split()
        assert all(len(each.fallback) <= MAX_TEXT for each in shown)
        assert [each.kind for each in sent] == [sent[0].kind, *("" for _ in others)]
        assert all(isinstance(each, SentId) for each in sent)


async def test_a_speaker_whose_post_was_lost_speaks_once() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        slack.fails("chat.postMessage", status=500, acted=True)
        await bot.says("Once.", speaker=ANN)
        assert [(each.name, each.seen) for each in slack.screen()] == [("Ann Droid", "Once.")]
