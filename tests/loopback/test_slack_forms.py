"""Forms on Slack: opened in time, filled in, refused beside a field, given back when they could not be used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from adapters.slack.adapter import SlackAdapter
from adapters.slack.forms import view
from adapters.slack.testing import FakeSlack, Interaction, Message, NotOffered, View, labels
from adapters.slack.testing.views import check_view
from bot.api import AnyEvent, Arg, Attachment, Command, CommandCall, Context, FormSubmitted, Plugin, Reply, User
from bot.errors import StoreUnavailable
from bot.events import event_from_json, event_to_json
from plugins.commands import plugin as built_in
from tests.loopback.slack_bot import QUICK, Listener, connected


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


async def cities(event: AnyEvent, typed: str) -> Sequence[str]:
    assert isinstance(event, CommandCall)
    if typed == "boom":
        raise RuntimeError("no map")
    given = (event.arguments or {}).get("country", "")
    return [city for city in ("Athens", f"Atlantis in {given}", "Berlin") if typed.lower() in city.lower()]


def commands() -> list[Command]:
    plugin = Plugin("kitchen", "For tests")

    @plugin.command(form=Recipe)
    async def recipe(ctx: Context, form: Recipe) -> str:
        """Write down a recipe for everybody who is hungry."""
        return ""

    @plugin.command(private=True)
    async def order(
        ctx: Context,
        what: Annotated[str, Arg("What you want", max_length=20)],
        who: User,
        receipt: Attachment,
        colour: Colour,
        count: float,
        fast: bool,
        note: Annotated[str, Arg("Anything else", rest=True)] = "",
    ) -> str:
        """Order something."""
        return ""

    @plugin.command()
    async def travel(
        ctx: Context,
        city: Annotated[str, Arg("Where to", complete=cities)],
        country: str = "Greece",
        seat: Literal["window", "aisle", "roof", "wing", "hold", "lap"] = "aisle",
    ) -> str:
        """Go somewhere."""
        return ""

    @plugin.command(who="moderators")
    async def ban(ctx: Context, who: User) -> str:
        """Send somebody away."""
        return ""

    return list(plugin.commands)


async def thank(adapter: SlackAdapter, event: AnyEvent) -> None:
    if isinstance(event, CommandCall | FormSubmitted):
        await adapter.send(event.route, Reply("Thank you!"))


async def opened(slack: FakeSlack, text: str) -> View:
    return await shown(slack, await slack.runs("/duologue", text))


async def shown(slack: FakeSlack, used: Interaction) -> View:
    await slack.wait_until(lambda: used.view)
    assert used.view is not None
    return used.view


def field(view: View, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(block for block in view.blocks if block.get("block_id") == name)
    return found


def whispers(slack: FakeSlack) -> list[Message]:
    """What Ada alone can read."""
    return [each for each in slack.screen(viewer=slack.ada) if each.seen_by is slack.ada]


@pytest.mark.parametrize("command", [*built_in.commands, *commands()], ids=lambda command: command.name)
def test_every_command_has_a_form_that_slack_takes(command: Command) -> None:
    if command.parameters:
        form = view(command, "x" * 3000, {parameter.name: "1" * 5000 for parameter in command.parameters})
        assert len(check_view(form, "modal")["blocks"]) == len(form["blocks"])


@pytest.mark.parametrize("receive", ["socket", "http"])
async def test_a_command_without_its_values_opens_a_form_that_says_what_is_wanted(receive: str) -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands(), receive=receive) as bot:
        form = await opened(slack, "recipe")
        assert form.title == "/recipe"
        about, *fields = form.blocks
        assert about["elements"][0]["text"] == "Write down a recipe for everybody who is hungry."
        assert [(each["block_id"], each["label"]["text"], each["optional"]) for each in fields] == [
            ("title", "Title", False),
            ("steps", "How it is made", False),
            ("minutes", "Minutes", True),
            ("level", "Level", True),
            ("vegan", "Vegan", True),
        ]
        assert [each["element"]["type"] for each in fields] == [
            "plain_text_input",
            "plain_text_input",
            "number_input",
            "static_select",
            "checkboxes",
        ]
        assert field(form, "title")["hint"]["text"] == "What it is called"
        assert field(form, "title")["element"]["multiline"] is False
        assert field(form, "steps")["element"]["multiline"] is True
        assert (field(form, "minutes")["element"]["min_value"], form.body["submit"]["text"]) == ("1", "Send")
        await slack.wait_until(lambda: slack.told("/duologue")[0].acked)
        assert bot.of(CommandCall) == []
        assert slack.screen(viewer=slack.ada) == []


async def test_what_was_filled_in_arrives_and_is_answered() -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands()) as bot:
        form = await opened(slack, "recipe")
        sent = await slack.submits(form, title="Tea", steps="boil water", minutes=5, level="hard", vegan=["yes"])
        event = await bot.heard(FormSubmitted)
        assert dict(event.values) == {
            "title": "Tea",
            "steps": "boil water",
            "minutes": "5",
            "level": "hard",
            "vegan": True,
        }
        command = next(each for each in commands() if each.name == "recipe")
        bound = command.bind(event.values)["form"]
        assert (bound.minutes, bound.vegan) == (5, True)
        assert event_from_json(event_to_json(event)) == event
        assert (event.user.id, event.user.name) == (slack.ada.id, "Ada")
        assert (event.place.channel, event.id) == (slack.general.id, sent.trigger_id)
        await slack.wait_until(lambda: slack.answers() == ["Thank you!"])
        await slack.wait_until(lambda: slack.form() is None)


async def test_what_nobody_touches_keeps_its_default() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        form = await opened(slack, "recipe")
        await slack.submits(form, title="Tea", steps="boil")
        values = (await bot.heard(FormSubmitted)).values
        assert dict(values) == {"title": "Tea", "steps": "boil", "minutes": "30", "level": "easy", "vegan": False}


async def test_a_form_begins_with_what_the_plugin_has_so_far() -> None:
    async def soup(call: AnyEvent) -> dict[str, Any]:
        assert isinstance(call, CommandCall)
        return {"title": "Soup", "minutes": 12}

    recipe = replace(commands()[0], fills=soup)
    async with FakeSlack() as slack, connected(slack, commands=[recipe]):
        form = await opened(slack, "recipe --steps=boil")
        begun = [field(form, name)["element"].get("initial_value") for name in ("title", "minutes", "steps")]
        assert begun == ["Soup", "12", "boil"]


async def test_a_call_with_all_that_is_needed_opens_no_form() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.runs("/recipe", 'Tea "boil water"')
        call = await bot.heard(CommandCall)
        assert (call.command, call.text) == ("recipe", 'Tea "boil water"')
        assert slack.form() is None


async def test_what_was_typed_already_stands_in_the_form() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        olga = slack.olga.id
        form = await opened(slack, f'order "a pie" <@{olga}|olga> --colour=blue --count=2,5 --fast and more')
        assert field(form, "what")["element"]["initial_value"] == "a pie"
        assert field(form, "who")["element"]["initial_user"] == olga
        assert field(form, "colour")["element"]["initial_option"]["value"] == "blue"
        assert field(form, "count")["element"]["initial_value"] == "2.5"
        assert field(form, "fast")["element"]["initial_options"]
        assert field(form, "note")["element"]["initial_value"] == "and more"
        with pytest.raises(NotOffered):
            await slack.submits(form)  # the file is missing
        await slack.submits(form, receipt=[("bill.txt", b"2.50")])
        call = await bot.heard(CommandCall)
        assert (call.command, call.text) == ("order", None)
        bound = next(each for each in commands() if each.name == "order").bind(call.arguments or {})
        assert (bound["what"], bound["colour"], bound["count"], bound["fast"]) == ("a pie", Colour.BLUE, 2.5, True)
        assert (bound["who"].id, bound["who"].name, bound["note"]) == (olga, "Olga", "and more")
        assert await bot.adapter.fetch(bound["receipt"], 1000) == b"2.50"


async def test_choices_are_seen_at_a_glance_and_what_is_not_ticked_means_no() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        form = await opened(slack, "order")
        assert field(form, "colour")["element"]["type"] == "radio_buttons"
        assert field(form, "fast")["optional"]
        await slack.submits(form, what="x", who=slack.olga.id, receipt=[("a", b"b")], colour="red", count=1)
        assert (await bot.heard(CommandCall)).arguments["fast"] is False  # type: ignore[index]


async def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost() -> None:
    async with FakeSlack() as slack, connected(slack, thank, commands=commands()) as bot:
        form = await opened(slack, "recipe")
        with pytest.raises(NotOffered):
            await slack.submits(form, title="T", steps="raw food", minutes=5)
        await slack.submits(form, title="   ", steps="raw food", minutes=5)
        await slack.wait_until(lambda: form.errors)
        assert form.errors == {"title": "title is missing: What it is called (a text of 2 to 60 characters)."}
        assert form.open
        await slack.submits(form, title="Tea", steps="raw food")
        await slack.wait_until(lambda: "steps" in form.errors)
        assert "nothing is cooked in it" in form.errors["steps"]
        assert bot.of(FormSubmitted) == []
        await slack.submits(form, title="Tea", steps="boil it")
        await slack.wait_until(lambda: not form.open)
        assert (await bot.heard(FormSubmitted)).values["title"] == "Tea"


async def test_values_are_suggested_while_typing_and_others_can_be_typed() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        form = await opened(slack, "travel --country=Crete")
        asked = await slack.types(form, "city", "at")
        await slack.wait_until(lambda: asked.acked)
        offered = asked.answer["options"]
        assert [each["value"] for each in offered] == ["at", "Athens", "Atlantis in Crete"]
        for typed in ("boom", ""):
            asked = await slack.types(form, "city", typed)
            await slack.wait_until(lambda asked=asked: asked.acked)  # type: ignore[misc]
        assert [each["value"] for each in asked.answer["options"]] == ["Athens", "Atlantis in Crete", "Berlin"]
        await slack.submits(form, city=offered[0])
        assert (await bot.heard(CommandCall)).arguments == {"city": "at", "country": "Crete", "seat": "aisle"}


async def test_a_form_that_was_open_during_a_restart_is_still_understood() -> None:
    async with FakeSlack() as slack:
        async with connected(slack, commands=commands()):
            form = await opened(slack, "recipe Tea")
        async with connected(slack, thank, commands=commands()) as bot:
            await slack.submits(form, steps="boil")
            assert (await bot.heard(FormSubmitted)).values["title"] == "Tea"
            await slack.wait_until(lambda: slack.answers() == ["Thank you!"])


async def test_a_form_whose_command_is_gone_says_so_and_keeps_what_was_written() -> None:
    async with FakeSlack() as slack:
        async with connected(slack, commands=commands()):
            form = await opened(slack, "recipe")
        async with connected(slack, commands=[]):
            await slack.submits(form, title="Tea", steps="boil")
            await slack.wait_until(lambda: form.errors)
            assert form.errors == {"title": "The command of this form is no longer there."}
            assert form.open


async def test_a_form_that_slack_does_not_open_is_told_of_with_what_was_typed_and_a_way_back() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        slack.fails("views.open", error="expired_trigger_id")
        await slack.runs("/duologue", "recipe Tea")
        await slack.wait_until(lambda: whispers(slack))
        (told,) = whispers(slack)
        assert told.seen.startswith(
            "⚠️ I could not open the form. Please try again, or type it all: "
            "`/duologue recipe <title> <steps> [minutes] [easy|hard] [vegan]`"
        )
        assert "> title: Tea" in told.seen
        form = await shown(slack, await slack.presses(told, "Open the form again"))
        assert field(form, "title")["element"]["initial_value"] == "Tea"
        await slack.submits(form, steps="boil")
        event = await bot.heard(FormSubmitted)
        assert event.values["title"] == "Tea"
        assert "private" not in event.route.data


async def test_a_form_that_slack_opens_slowly_is_acknowledged_before() -> None:
    hasty = replace(QUICK, hear_within=0.05)
    async with FakeSlack() as slack, connected(slack, commands=commands(), timing=hasty):
        enough = asyncio.Event()

        async def wait() -> None:
            await enough.wait()

        slack.fails("views.open", do=wait)
        used = await slack.runs("/duologue", "recipe")
        await slack.wait_until(lambda: used.acked)
        assert used.view is None
        enough.set()
        assert (await shown(slack, used)).title == "/recipe"


async def test_what_a_command_does_not_take_comes_back_and_can_be_mended() -> None:
    async def refuse(adapter: SlackAdapter, event: AnyEvent) -> None:
        if isinstance(event, FormSubmitted):
            text = "⚠️ There is a recipe of that name." if event.values["title"] == "Tea" else "Written."
            await adapter.send(event.route, Reply(text, failed=text.startswith("⚠️")))

    async with FakeSlack() as slack, connected(slack, refuse, commands=commands()):
        form = await opened(slack, "recipe")
        await slack.submits(form, title="Tea", steps="boil", minutes=12)
        await slack.wait_until(lambda: whispers(slack))
        (told,) = whispers(slack)
        assert told.seen.startswith("⚠️ There is a recipe of that name.")
        assert "> steps: boil" in told.seen
        assert labels(told.blocks) == ["Open the form again"]
        again = await shown(slack, await slack.presses(told, "Open the form again"))
        assert field(again, "minutes")["element"]["initial_value"] == "12"
        await slack.submits(again, title="Coffee")
        await slack.wait_until(lambda: slack.answers() == ["Written."])


async def test_the_way_back_to_a_form_works_after_a_restart_though_empty() -> None:
    async with FakeSlack() as slack:
        slack.fails("views.open", error="expired_trigger_id")
        async with connected(slack, commands=commands()):
            await slack.runs("/duologue", "recipe Tea")
            await slack.wait_until(lambda: whispers(slack))
        async with connected(slack, commands=commands()):
            form = await shown(slack, await slack.presses(whispers(slack)[0], "Open the form again"))
            assert "initial_value" not in field(form, "title")["element"]


class Full(Listener):
    async def handle(self, event: AnyEvent) -> None:
        if isinstance(event, FormSubmitted):
            raise StoreUnavailable("the disk is full")
        await super().handle(event)


async def test_a_form_that_cannot_be_kept_stays_open_with_all_that_is_in_it() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands(), listens=Full):
        form = await opened(slack, "recipe")
        await slack.submits(form, title="Tea", steps="boil")
        await slack.wait_until(lambda: form.errors)
        assert form.open
        assert list(form.errors) == ["title"]


async def test_who_is_denied_gets_no_form() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands(), deny_users=(slack.ada.id,)):
        await slack.runs("/duologue", "recipe")
        await slack.wait_until(lambda: slack.answers(viewer=slack.ada) == ["I am not available here."])
        assert slack.form() is None


async def test_who_may_not_run_a_command_is_not_asked_to_fill_in_its_form() -> None:
    async with FakeSlack() as slack, connected(slack, commands=commands()) as bot:
        await slack.runs("/duologue", "ban")
        assert (await bot.heard(CommandCall)).command == "ban"
        assert slack.form() is None
        form = await shown(slack, await slack.runs("/duologue", "ban", author=slack.olga))
        assert form.title == "/ban"


async def test_a_long_text_is_given_back_whole_as_a_file() -> None:
    async def refuse(adapter: SlackAdapter, event: AnyEvent) -> None:
        await adapter.send(event.route, Reply("⚠️ No.", failed=True))

    async with FakeSlack() as slack, connected(slack, refuse, commands=commands()):
        form = await opened(slack, "recipe")
        steps = "boil " * 500
        await slack.submits(form, title="Tea", steps=steps)
        await slack.wait_until(lambda: [each for each in slack.world.files.values() if each.shared])
        (file,) = slack.world.files.values()
        assert steps.strip() in (file.content or b"").decode()
        assert not any(each.seen_by is None and each.channel is slack.general for each in file.shared)
