"""Forms on Discord: opened by a command, filled in, given back when they could not be used."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import FakeDiscord, Interaction, NotOffered
from adapters.discord.testing.components import fields
from bot.api import (
    AnyEvent,
    Arg,
    Attachment,
    Command,
    CommandCall,
    Context,
    FormSubmitted,
    Plugin,
    Reply,
    User,
)
from bot.events import event_from_json, event_to_json
from tests.loopback.discord_bot import connected


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Recipe(BaseModel):
    title: str = Field(description="What it is called", min_length=2, max_length=60)
    steps: str = Field(title="How it is made", max_length=3000)
    minutes: int = Field(default=30, ge=1, le=600)
    level: Literal["easy", "hard"] = "easy"
    vegan: bool = False

    @field_validator("steps")
    @classmethod
    def cooked(cls, steps: str) -> str:
        if "boil" not in steps:
            raise ValueError("nothing is cooked in it")
        return steps


class Order(BaseModel):
    what: Annotated[str, Arg("What you want", max_length=20)]
    who: User
    receipt: Attachment
    colour: Colour
    count: float
    note: str = ""
    where: str = "here"


def commands() -> list[Command]:
    plugin = Plugin("kitchen", "For tests")

    @plugin.command(form=Recipe)
    async def recipe(ctx: Context, form: Recipe) -> str:
        """Write down a recipe for everybody who is hungry."""
        return ""

    @plugin.command(form=Order, private=True)
    async def order(ctx: Context, form: Order) -> str:
        """Order something."""
        return ""

    return list(plugin.commands)


async def thank(adapter: DiscordAdapter, event: AnyEvent) -> None:
    if isinstance(event, CommandCall | FormSubmitted):
        await adapter.send(event.route, Reply("Thank you!"))


async def opened(discord: FakeDiscord, command: str, **options: Any) -> Interaction:
    used = await discord.runs(command, **options)
    await discord.wait_until(lambda: used.form is not None)
    return used


async def test_a_command_without_its_values_opens_a_form_that_says_what_is_wanted() -> None:
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()) as bot:
        used = await opened(discord, "/recipe")
        assert used.form is not None
        assert used.form["title"] == "Write down a recipe for everybody who is hun…"
        shown = fields(used.form)
        assert [*shown] == ["Title", "How it is made", "Minutes", "Level", "Vegan"]
        assert (shown["Title"]["style"], shown["Title"]["max_length"], shown["Title"]["min_length"]) == (1, 60, 2)
        assert shown["How it is made"]["style"] == 2
        assert (shown["Minutes"]["value"], shown["Minutes"]["placeholder"]) == ("30", "a whole number from 1 to 600")
        assert [option["label"] for option in shown["Level"]["options"]] == ["easy", "hard"]
        assert [option["default"] for option in shown["Vegan"]["options"]] == [False, True]
        assert [field["required"] for field in shown.values()] == [True, True, False, False, False]
        assert bot.of(CommandCall) == []


async def test_what_was_filled_in_arrives_and_is_answered() -> None:
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()) as bot:
        german = discord.account("Nils", locale="de")
        used = await opened(discord, "/recipe", author=german)
        sent = await discord.fills(used, title="Soup", steps="boil\nwater", minutes="5", level="hard", vegan="yes")
        await discord.wait_until(lambda: sent.texts == ["Thank you!"])
        event = await bot.heard(FormSubmitted)
        assert (event.command, event.user.name, event.locale) == ("recipe", "Nils", "de")
        assert event_from_json(event_to_json(event)) == event
        form = commands()[0].bind(event.values)["form"]
        assert form == Recipe(title="Soup", steps="boil\nwater", minutes=5, level="hard", vegan=True)


async def test_what_nobody_touches_keeps_its_default() -> None:
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()) as bot:
        used = await opened(discord, "/recipe")
        await discord.fills(used, title="Soup", steps="boil water", minutes="")
        event = await bot.heard(FormSubmitted)
        assert commands()[0].bind(event.values)["form"] == Recipe(title="Soup", steps="boil water")


async def test_a_form_begins_with_what_the_plugin_has_so_far() -> None:
    async def soup(call: AnyEvent) -> dict[str, Any]:
        assert isinstance(call, CommandCall)
        return {"title": f"Soup for {call.user.name}", "minutes": 12}

    recipe = replace(commands()[0], fills=soup)
    async with FakeDiscord() as discord, connected(discord, thank, commands=[recipe]) as bot:
        used = await opened(discord, "/recipe", steps="boil")
        shown = fields(used.form or {})
        assert [shown[name].get("value") for name in ("Title", "Minutes", "How it is made")] == [
            "Soup for Ada",
            "12",
            "boil",
        ]
        await discord.fills(used, minutes="13")
        event = await bot.heard(FormSubmitted)
        assert (event.values["title"], event.values["minutes"]) == ("Soup for Ada", "13")


async def test_a_call_with_all_that_is_needed_opens_no_form() -> None:
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()) as bot:
        used = await discord.runs("/recipe", title="Soup", steps="boil water")
        await discord.wait_until(lambda: used.texts == ["Thank you!"])
        assert used.form is None
        assert (await bot.heard(CommandCall)).arguments == {"title": "Soup", "steps": "boil water"}


async def test_what_was_given_already_stands_in_the_form() -> None:
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()) as bot:
        used = await opened(discord, "/recipe", title="Soup", vegan=True)
        await discord.fills(used, steps="boil water")
        event = await bot.heard(FormSubmitted)
        assert event.values == {
            "title": "Soup",
            "steps": "boil water",
            "minutes": "30",
            "level": "easy",
            "vegan": "yes",
        }


async def test_people_files_and_choices_are_picked_and_what_has_no_room_is_an_option() -> None:
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()) as bot:
        note = await discord.uploads("bill.txt", b"42")
        with pytest.raises(NotOffered):
            await discord.runs("/order", nothing="of this kind")
        used = await opened(discord, "/order", where="there")
        assert used.form is not None
        assert [*fields(used.form)] == ["What", "Who", "Receipt", "Colour", "Count"]
        with pytest.raises(NotOffered):
            await discord.fills(used, what="tea", who=discord.owner, receipt=note.attachments[0], count="1")
        await discord.fills(
            used, what="tea", who=discord.owner, receipt=note.attachments[0], colour="blue", count="1,5"
        )
        event = await bot.heard(FormSubmitted)
        form = commands()[1].bind(event.values)["form"]
        assert (form.what, form.who.name, form.colour, form.count) == ("tea", "Olga", Colour.BLUE, 1.5)
        assert (form.receipt.name, form.note, form.where) == ("bill.txt", "", "there")
        assert await bot.adapter.fetch(form.receipt, 100) == b"42"


async def refused(discord: FakeDiscord, used: Interaction, **values: Any) -> Interaction:
    """The form was not taken, and Ada alone is told why."""
    sent = await discord.fills(used, **values)
    await discord.wait_until(lambda: bool(sent.texts))
    assert discord.answers() == []
    assert sent.messages[0].seen_by is discord.ada
    return sent


async def test_bad_input_is_given_back_and_the_form_opens_again_with_it() -> None:
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()) as bot:
        used = await opened(discord, "/recipe")
        sent = await refused(discord, used, title="Soup", steps="stir it\nwell", minutes="soon", vegan="yes")
        assert sent.texts[0].splitlines() == [
            "⚠️ `minutes` cannot be `soon`. It must be a whole number from 1 to 600.",
            "",
            "You wrote:",
            *("> title: Soup", "> steps: stir it", "> well", "> minutes: soon", "> level: easy", "> vegan: yes"),
        ]
        assert bot.of(FormSubmitted) == []
        again = await discord.presses(sent.messages[0], "Open the form again")
        await discord.wait_until(lambda: again.form is not None)
        sent = await refused(discord, again, minutes="5")
        assert sent.texts[0].startswith("⚠️ `steps`: Value error, nothing is cooked in it.")
        again = await discord.presses(sent.messages[0], "Open the form again")
        await discord.wait_until(lambda: again.form is not None)
        await discord.fills(again, steps="stir it, then boil it")
        event = await bot.heard(FormSubmitted)
        assert event.values["title"] == "Soup"
        assert (event.values["minutes"], event.values["vegan"]) == ("5", "yes")


async def test_a_long_text_that_was_not_taken_comes_back_as_a_file() -> None:
    long = "stir " * 500
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()):
        used = await opened(discord, "/recipe")
        sent = await refused(discord, used, title="Soup", steps=long)
        assert "What you wrote is attached." in sent.texts[0]
        (file,) = sent.messages[0].attachments
        stored = next(content for path, content in discord.world.files.items() if path.endswith(file["filename"]))
        assert long in stored.decode()


async def test_what_a_command_does_not_take_comes_back_too() -> None:
    async def refuse(adapter: DiscordAdapter, event: AnyEvent) -> None:
        if isinstance(event, FormSubmitted):
            await adapter.send(event.route, Reply("⚠️ There is such a recipe.", private=True, failed=True))

    async with FakeDiscord() as discord, connected(discord, refuse, commands=commands()):
        used = await opened(discord, "/recipe")
        sent = await refused(discord, used, title="Soup", steps="boil water")
        assert sent.texts[0].startswith("⚠️ There is such a recipe.\n\nYou wrote:\n> title: Soup")
        again = await discord.presses(sent.messages[0], "Open the form again")
        await discord.wait_until(lambda: again.form is not None)
        assert again.form is not None
        assert fields(again.form)["Title"]["value"] == "Soup"


async def test_a_form_that_was_open_during_a_restart_is_still_understood() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, thank, commands=commands()):
            used = await opened(discord, "/recipe")
        async with connected(discord, thank, commands=commands()) as bot:
            sent = await discord.fills(used, title="Soup", steps="boil water")
            await discord.wait_until(lambda: sent.texts == ["Thank you!"])
            assert (await bot.heard(FormSubmitted)).values["title"] == "Soup"


async def test_the_way_back_to_a_form_works_after_a_restart_though_empty() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, thank, commands=commands()):
            used = await opened(discord, "/recipe")
            sent = await refused(discord, used, title="Soup", steps="stir")
        async with connected(discord, thank, commands=commands()):
            again = await discord.presses(sent.messages[0], "Open the form again")
            await discord.wait_until(lambda: again.form is not None)
            assert again.form is not None
            assert "value" not in fields(again.form)["Title"]


async def test_a_form_whose_command_is_gone_gives_back_what_was_written() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, thank, commands=commands()):
            used = await opened(discord, "/recipe")
        async with connected(discord, thank, commands=commands()[1:]) as bot:
            sent = await refused(discord, used, title="Soup", steps="boil water")
            assert sent.texts[0].startswith("⚠️ The command of this form is no longer there.")
            assert "> title: Soup\n> steps: boil water" in sent.texts[0]
            again = await discord.presses(sent.messages[0], "Open the form again")
            await discord.wait_until(lambda: bool(again.texts))
            assert bot.of(FormSubmitted) == []


async def test_a_form_that_discord_does_not_open_is_told_of() -> None:
    async with FakeDiscord() as discord, connected(discord, thank, commands=commands()):
        discord.fails("POST /interactions/*/callback", status=400)
        used = await discord.runs("/recipe")
        await discord.wait_until(lambda: used.texts == ["⚠️ I could not open the form. Please try again."])
        assert used.private


async def test_who_is_denied_gets_no_form() -> None:
    async with FakeDiscord() as discord:
        mallory = discord.account("Mallory")
        async with connected(discord, thank, commands=commands(), deny_users=[mallory.id]):
            used = await discord.runs("/recipe", author=mallory)
            await discord.wait_until(lambda: used.texts == ["⚠️ I am not available here."])
            assert used.form is None


async def test_two_processes_of_one_bot_open_one_form() -> None:
    async with (
        FakeDiscord() as discord,
        connected(discord, thank, commands=commands()),
        connected(discord, commands=commands()),
    ):
        used = await discord.runs("/recipe")
        callbacks = f"/interactions/{used.id}/{used.token}/callback"
        await discord.wait_until(lambda: sum(call.path == callbacks and call.status > 0 for call in discord.calls) == 2)
        assert used.form is not None
        sent = await discord.fills(used, title="Soup", steps="boil water")
        await discord.wait_until(lambda: sent.texts == ["Thank you!"])
        assert used.texts == []
