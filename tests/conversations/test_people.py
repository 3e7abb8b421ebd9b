"""What people can do in a test besides talking: press, fill in, edit, delete, and speak in threads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.buttons import button_id
from bot.events import FormSubmitted, MessageDeleted, MessageEdited, Route
from bot.handler import Context
from bot.platform import Capabilities
from bot.plugin import Plugin
from bot.replies import Button, Reply
from bot.testing.bot import ANN, BOB, TestBot

WITH_THREADS = Capabilities(max_chars=2000, edits=True, buttons=True, threads=True)


def games() -> Plugin:
    plugin = Plugin("games", "A button under a message, and what became of it.")

    @plugin.command()
    async def play(ctx: Context) -> Reply:
        """Offer a game."""
        return Reply("Play?", buttons=(Button("play", "Yes", ("chess",)), Button("play", "Later", enabled=False)))

    @plugin.button("play")
    async def pressed(ctx: Context, game: str) -> str:
        return f"{ctx.user.name} plays {game}."

    return plugin


async def test_a_button_is_pressed_by_its_label() -> None:
    async with TestBot(plugins=[games()]) as bot:
        await bot.runs("/play")
        assert bot.buttons == ["Yes", "Later"]
        await bot.presses("Yes")
        assert bot.last.text == "Ann plays chess."
        with pytest.raises(AssertionError, match="cannot be pressed"):
            await bot.presses("Later")


async def test_the_button_of_somebody_else_is_refused_as_on_a_platform() -> None:
    async with TestBot(plugins=[games()]) as bot:
        await bot.runs("/play", user=ANN)
        await bot.presses("Yes", user=BOB)
        assert "This button is for" in bot.shown_privately[-1]
        asker = bot.adapter.messages[0].asker
        assert button_id(Button("play", "Yes", ("chess",)), asker) == "d1/a/u-ann/play/chess"


async def test_messages_are_edited_and_deleted() -> None:
    heard: list[MessageEdited | MessageDeleted] = []
    plugin = Plugin("ears", "Hears what changes.")

    @plugin.on(MessageEdited, MessageDeleted)
    async def changed(ctx: Context) -> None:
        assert isinstance(ctx.event, MessageEdited | MessageDeleted)
        heard.append(ctx.event)

    async with TestBot(["Hello."], plugins=[plugin]) as bot:
        message = await bot.says("hi")
        await bot.edits(message, "hi there")
        assert bot.screen[0] == "Ann: hi there"
        await bot.deletes(message)
        assert not [line for line in bot.screen if line.startswith("Ann")]
    edited, deleted = heard
    assert isinstance(edited, MessageEdited)
    assert (edited.message, edited.text) == (message.id, "hi there")
    assert isinstance(deleted, MessageDeleted)
    assert deleted.messages == (message.id,)


async def test_a_form_is_filled_in() -> None:
    plugin = Plugin("notes", "Takes notes.")

    @plugin.command()
    async def note(ctx: Context, title: str, text: str) -> str:
        """Take a note."""
        assert isinstance(ctx.event, FormSubmitted) or ctx.event.kind == "command"
        return f"{title}: {text}"

    async with TestBot(plugins=[plugin]) as bot:
        await bot.fills("note", title="Tea", text="is hot")
        assert bot.last.text == "Tea: is hot"


async def test_a_thread_is_another_place_on_the_same_platform() -> None:
    async with TestBot(["Here I am."], capabilities=WITH_THREADS) as bot:
        message = await bot.says("come", addressed=False)
        thread = await bot.adapter.open_thread(message.route, "Tea")
        assert thread.place == replace(bot.place, thread=message.id)
        assert bot.adapter.threads == {thread.place: "Tea"}
        assert not bot.adapter.capabilities(thread).threads
        await bot.says("and now?", place=thread.place)
        assert bot.last.text == "Here I am."
        assert bot.last.place == thread.place
        posted = await bot.adapter.history(Route(thread.place), None, 10)
        assert [each.text for each in posted] == ["and now?", "Here I am."]
        assert [each.text for each in await bot.adapter.history(Route(bot.place), None, 10)] == ["come"]


async def test_who_is_told_is_named() -> None:
    async with TestBot() as bot:
        message = await bot.says("later", addressed=False)
        await bot.adapter.send(message.route, Reply("It is done.", notify=True))
        assert bot.last.text == "@Ann It is done."
        assert bot.last.reply is not None
        assert bot.last.reply.notify
