"""Nothing that a model or a person wrote calls anybody on Slack, wherever it ends up."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.blocks import body, fallback, pressed, rows
from adapters.slack.escaping import Mention
from adapters.slack.faces import Faces, opening, shown_name
from adapters.slack.testing import SCOPES, FakeSlack
from adapters.slack.uploads import file_name
from bot.api import Button, File, Reply, Resume, Route, Speaker, Text
from tests.loopback.slack_bot import connected
from tests.loopback.slack_saying import Mouth, hasty, speaking

# What Slack takes for a call: its signs, and the names that it looks for where it is told to.
CALLS = re.compile(r"<[@!#]|@(?:channel|here|everyone|group)\b", re.IGNORECASE)
PIECES = (
    *("<!channel>", "<!here>", "<!everyone>", "<!here|here>", "<@U0AAA>", "<@U0AAA|olga>", "<!subteam^S0AAA|@devs>"),
    *("@here", "@channel", "@everyone", "@group", "@HERE", "@here,", "<#C0AAA>", "<!date^1^{date}|x>", "\\<!channel>"),
    *("&lt;!channel&gt;", "&#60;!here>", "<", ">", "!", "@", "here", "channel", "`", "```", "\n```\n", "\n", "\n\n"),
    *(
        "\n> ",
        "\n- ",
        "\n# ",
        "| a | b |\n|--|--|\n| <!here> | @here |\n",
        "**",
        "_",
        "~~",
        "[x](<!channel>)",
        "](",
        "[",
    ),
    *("https://example.org/<!channel>", "[@here](https://example.org)", "\u200b", "\ufeff", "\0", "\ud83d", "é", " "),
)
NASTY = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=30).map("".join)
OLGA = "U0AAA"


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for each in node.values():
            yield from strings(each)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from strings(each)


def calls_in(*nodes: Any) -> list[str]:
    return [each for node in nodes for each in strings(node) if CALLS.search(each)]


@given(NASTY)
def test_no_text_name_label_or_file_calls_anybody(said: str) -> None:
    buttons = (Button("a", said), Button("b", f"1{said}", enabled=False))
    thumbs = (Button("+feedback", said, ("good",), look="good"), Button("+feedback", said, ("bad",), look="bad"))
    controls = rows((*buttons, *thumbs), "U1")
    assert calls_in(body(said), fallback(said), controls, fallback("", controls)) == []
    speaker = Speaker("x", said)
    assert calls_in(shown_name(speaker), body(opening(said, "text") + "text"), file_name(said)) == []


@given(NASTY)
def test_a_mention_that_is_meant_is_the_only_one(said: str) -> None:
    mention = Mention("U1")
    for text in (fallback(said, (), mention), *strings([each["text"] for each in body(said, mention)])):
        if said.strip():
            assert text.startswith("<@U1> ")
            assert not CALLS.search(text.removeprefix("<@U1> "))


@given(NASTY)
def test_a_button_comes_back_whatever_it_carries(said: str) -> None:
    args = (said.encode(errors="replace").decode()[:20],)
    for block in rows((Button("a", "A", args[:1]),), "U1") if len(json.dumps(args)) < 60 else ():
        told = pressed(block["elements"][0])
        assert told is not None
        assert told.args == args


def nasty_texts(seed: int) -> list[str]:
    lot = random.Random(seed)
    return ["".join(lot.choices(PIECES, k=lot.randint(1, 20))) + " end" for _ in range(3)]


async def says_everything(bot: Mouth, said: str) -> None:
    """By every way there is, as text, name, label and file."""
    slack = bot.slack
    question = await slack.says("tea?")
    elsewhere = slack.channel("elsewhere", with_bot=False)
    used = await slack.runs("/duologue", "x")
    as_guest = await slack.runs("/duologue", "x", channel=elsewhere)
    speaker, button = Speaker(said, said, said), Button("a", said)
    for route in (
        bot.route(),
        bot.route(None, question),
        bot.route(slack.direct()),
        bot.route(response_url=used.response_url, private=True),
        bot.route(private=True),
        bot.route(elsewhere, private=True),
        bot.route(elsewhere, response_url=as_guest.response_url, guest=True),
    ):
        sent = await bot.says(said, to=route, speaker=speaker, buttons=(button,), files=(File(said, b"x"),))
        for each in sent:
            if each.kind == "" or each.kind.startswith(("named:", "direct:")):
                await bot.sending.edit(route, each, Reply(f"changed {said}", buttons=(button,)))
                await bot.sending.surface(route, resumed=(each,)).edit(each, f"again {said}")


@pytest.mark.parametrize("scopes", [SCOPES, SCOPES - {"chat:write.customize", "files:write"}])
@pytest.mark.parametrize("seed", range(2))
async def test_whatever_is_said_nobody_hears_a_sound(seed: int, scopes: frozenset[str]) -> None:
    async with hasty(scopes=scopes) as slack, speaking(slack) as bot:
        slack.user_group("devs")
        for said in nasty_texts(seed):
            await says_everything(bot, said)
        assert slack.pinged == []
        assert calls_in([call.args for call in slack.calls if call.method != "files.upload"]) == []
        check_quiet(slack)


def check_quiet(slack: FakeSlack) -> None:
    """No call asks Slack to look for names or to show what is behind a link."""
    said = [call for call in slack.calls if call.method in ("chat.postMessage", "chat.postEphemeral", "response_url")]
    edits = [call for call in slack.calls if call.method == "chat.update"]
    assert said
    assert all(call.args["link_names"] is False and call.args["parse"] == "none" for call in [*said, *edits])
    posts = [call for call in said if call.method != "chat.postEphemeral"]
    assert all(call.args["unfurl_links"] is False and call.args["unfurl_media"] is False for call in posts)
    assert not any(message.unfurls for message in slack.world.messages())


async def test_one_who_is_meant_hears_one_sound() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        for said in nasty_texts(9):
            before = slack.pinged
            (sent,) = await bot.says(said, notify=True)
            assert slack.pinged == [*before, slack.ada.id]
            await bot.sending.edit(bot.route(), sent, Reply(said))
        for user in ("<!channel>", "U1> <!here", "", "!channel"):
            await bot.says("hello", notify=True, to=bot.route(user=user))
        assert set(slack.pinged) == {slack.ada.id}


async def test_a_live_answer_calls_nobody_at_any_moment() -> None:
    async with hasty() as slack:
        question, said = await slack.says("tea?"), "".join(PIECES)

        async with connected(slack) as listener, speaking(slack) as bot:
            for route in (bot.route(None, question), bot.route(), bot.route(slack.direct())):
                async with listener.adapter.stream(route, Speaker("x", "<!here>")) as stream:
                    for at in range(0, len(said), 7):
                        await stream.write(Text(said[at : at + 7]))
                async with listener.adapter.stream(route, resume=Resume(stream.sent, "")) as again:
                    await again.write(Text(f"{said} once more"))
        assert slack.pinged == []
        assert calls_in([call.args for call in slack.calls]) == []


def test_a_mention_is_an_id_and_nothing_else() -> None:
    for user in ("<!channel>", "channel", "u1", "U1|<!here>", "U1>", ""):
        with pytest.raises(ValueError, match="no Slack id"):
            Mention(user)


async def test_links_in_buttons_and_pictures_stay_out() -> None:
    async with hasty() as slack, speaking(slack) as bot:
        faces: Faces = bot.faces
        for avatar in ("javascript:alert(1)", "data:image/png;base64,x", "<!channel>", "https://x/<!here>\n", "//x/y"):
            assert set(faces.identity(Speaker("x", "X", avatar))) == {"username", "icon_emoji"}
        await bot.says("https://example.org/?q=<!channel>", to=Route(bot.route().place))
        assert calls_in([call.args for call in slack.calls]) == []
