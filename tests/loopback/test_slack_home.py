"""App Home: a page for each person, filled by commands, from which they can be called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from adapters.slack import home as home_module
from adapters.slack.testing import FakeSlack, View, labels
from bot.api import Context, Plugin, Reply, Text
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.slack_bot import connected
from tests.loopback.slack_whole_bot import WholeSlackBot, whole_slack_bot


class Order(BaseModel):
    bottles: int = Field(1, title="Bottles")


def read(view: View | None) -> str:
    """What stands on the page, one block a line."""
    return "\n".join(block["text"]["text"] for block in view.blocks if "text" in block) if view is not None else ""


def part(view: View | None, command: str) -> str:
    """What a command told, below its name."""
    assert view is not None
    texts = [str(block["text"]["text"]) for block in view.blocks if "text" in block]
    (found,) = [text for text in texts if text.startswith(f"*/duologue {command}*")]
    return found.partition("\n")[2]


async def opened(slack: FakeSlack, bot: WholeSlackBot, **who: Any) -> View:
    """The page once all that belongs there stands there."""
    await slack.opens_home(**who)
    return await filled(slack, bot, **who)


async def filled(slack: FakeSlack, bot: WholeSlackBot, **who: Any) -> View:
    account = who.get("author")

    def is_whole() -> View | None:
        view = slack.home(account)
        return view if view is not None and "\n…" not in read(view) else None

    return await bot.until(is_whole)


async def test_the_page_tells_who_the_bot_is_how_it_is_set_what_was_used_and_what_it_can_do(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("Hello.") as model, whole_slack_bot(tmp_path, slack, model) as bot:
        await bot.asked("hi", channel=slack.direct())
        view = await opened(slack, bot)
        assert "*I am Duologue.*" in read(view)
        assert "I answer with `openai:gpt-6-luna`" in part(view, "model")
        assert "tokens written: 0" not in part(view, "stats")
        assert "My system prompt" in part(view, "system show")
        assert "`/duologue ask &lt;question…&gt; [file]` – Ask me something" in read(view)
        assert "`!help`" in read(view)
        assert "Refresh" in labels(view.blocks)
        assert len(slack.answers(slack.direct())) == 1, "nothing of it is said in the chat"
        assert await bot.memory(slack.direct()) == []
        first, *_, last = view.history
        assert "…" in str(first)
        assert first["blocks"][0]["text"] == last["blocks"][0]["text"]


async def test_each_person_has_a_page_in_their_language(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model:
        bea = slack.account("Bea", locale="de-DE")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            german = await opened(slack, bot, author=bea)
            english = await opened(slack, bot)
            assert "*Ich bin Duologue.*" in read(german)
            assert "In unseren Direktnachrichten" in read(german)
            assert "erinnere" in part(german, "stats")
            assert "Aktualisieren" in labels(german.blocks)
            assert "*I am Duologue.*" in read(english)


async def test_a_page_that_is_opened_again_at_once_is_left_as_it_is(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model, whole_slack_bot(tmp_path, slack, model) as bot:
        view = await opened(slack, bot)
        shown = len(slack.called("views.publish"))
        for _ in range(3):
            await slack.opens_home()
        await slack.opens_home(tab="messages")
        await slack.presses(view, "Refresh")
        await bot.until(lambda: len(slack.called("views.publish")) >= shown + 2)
        await filled(slack, bot)
        assert len(slack.called("views.publish")) == shown + 2, "only what was asked for: while it loads, and then"


async def test_a_page_of_an_earlier_life_still_works(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("Hello.") as model:
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            view = await opened(slack, bot)
            assert "tokens written: 0" in part(view, "stats")
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await bot.asked("hi", channel=slack.direct())
            pressed = await slack.presses(view, "Refresh")
            await bot.until(lambda: "tokens written" in read(slack.home()) and "written: 0" not in read(slack.home()))
            assert pressed.acked
            changed = await slack.presses(view, "home:change:model")
            assert await bot.until(lambda: changed.view) is not None


async def test_what_a_form_changed_is_told_there(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("Arr!") as model, whole_slack_bot(tmp_path, slack, model) as bot:
        view = await opened(slack, bot)
        pressed = await slack.presses(view, "home:change:system set")
        form = await bot.until(lambda: pressed.view)
        assert form.title == "/system set"
        await slack.submits(form, text="You are a pirate.")
        await bot.until(lambda: "All right, from now on that is me." in read(slack.home()))
        view = await filled(slack, bot)
        assert "You are a pirate." in part(view, "system show")
        assert slack.answers(slack.direct(), viewer=slack.ada) == []
        await bot.asked("hello", channel=slack.direct())
        assert "pirate" in str(model.seen[-1].body["messages"])
        await slack.presses(view, "Refresh")
        await bot.until(lambda: "from now on that is me" not in read(slack.home()))


async def test_a_change_without_a_word_is_seen_there(tmp_path: Path) -> None:
    plugin, levels = Plugin("volume", "Volume."), [3]

    @plugin.command("volume", immediate=True, overview=True)
    async def volume(ctx: Context, level: int | None = None) -> str | None:
        """Show the volume, or change it."""
        if level is None:
            return f"It is {levels[-1]}."
        levels.append(level)
        return None

    async with (
        FakeSlack() as slack,
        FakeOpenAI() as model,
        whole_slack_bot(tmp_path, slack, model, plugins=(plugin,)) as bot,
    ):
        view = await opened(slack, bot)
        assert part(view, "volume") == "It is 3."
        pressed = await slack.presses(view, "Change")
        form = await bot.until(lambda: pressed.view)
        await slack.submits(form, level="11")
        await bot.until(lambda: part(slack.home(), "volume") == "It is 11.")


async def test_what_is_told_bit_by_bit_stands_there_once(tmp_path: Path) -> None:
    plugin = Plugin("weather", "Weather.")

    @plugin.command("weather", immediate=True, overview=True)
    async def weather(ctx: Context) -> None:
        """Tell the weather."""
        async with ctx.stream() as stream:
            await stream.write(Text("Sun, "))
            await asyncio.sleep(0.5)
            await stream.write(Text("then rain."))

    async with (
        FakeSlack() as slack,
        FakeOpenAI() as model,
        whole_slack_bot(tmp_path, slack, model, plugins=(plugin,)) as bot,
    ):
        view = await opened(slack, bot)
        assert part(view, "weather").count("Sun") == 1
        assert "Sun, then rain." in part(view, "weather")


async def test_what_is_wrong_with_a_change_is_told_there(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model, whole_slack_bot(tmp_path, slack, model) as bot:
        pressed = await slack.presses(await opened(slack, bot), "home:change:model")
        form = await bot.until(lambda: pressed.view)
        await slack.submits(form, name="nonsense:nothing")
        await bot.until(lambda: "There is no provider `nonsense`" in read(slack.home()))


async def test_a_form_that_cannot_be_opened_is_told_there(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI() as model, whole_slack_bot(tmp_path, slack, model) as bot:
        view = await opened(slack, bot)
        slack.fails("views.open", error="expired_trigger_id")
        await slack.presses(view, "home:change:model")
        await bot.until(lambda: "I could not open the form." in read(slack.home()))


async def test_commands_of_other_plugins_stand_there_and_what_they_do_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module, "PATIENCE", 0.2)
    plugin = Plugin("cellar", "Wine.")

    @plugin.command("cellar", form=Order, overview=True)
    async def cellar(ctx: Context, form: Order) -> str:
        """What lies in the cellar."""
        return "A <!channel> & " + "**bottle** of wine, " * 400

    @plugin.command("broken", immediate=True, overview=True)
    async def broken(ctx: Context) -> str:
        """Never works."""
        raise RuntimeError("broken")

    @plugin.command("silent", immediate=True, overview=True)
    async def silent(ctx: Context) -> None:
        """Says nothing."""

    @plugin.command("many", immediate=True, overview=True)
    async def many(ctx: Context) -> None:
        """Says much."""
        for number in range(3):
            await ctx.send(Reply(f"number {number}"))

    @plugin.command("poem", immediate=True, overview=True)
    async def poem(ctx: Context) -> AsyncIterator[str]:
        """Speaks slowly."""
        for word in ("Roses ", "are ", "red."):
            yield word

    for number in range(90):

        async def other(ctx: Context) -> str:
            """Says something that takes long to describe, again and again, so that the list of commands grows long."""
            return "x"

        plugin.command(f"other-{number}", immediate=True)(other)

    async with (
        FakeSlack() as slack,
        FakeOpenAI() as model,
        whole_slack_bot(tmp_path, slack, model, plugins=(plugin,)) as bot,
    ):
        view = await opened(slack, bot)
        assert part(view, "cellar").startswith("A &lt;!channel&gt; &amp; *bottle* of wine")
        assert "went wrong" in part(view, "broken")
        assert part(view, "silent") == ""
        assert part(view, "poem") == "Roses are red."
        assert part(view, "many") == "number 0\nnumber 1\nnumber 2"
        assert "other-89" in read(view)
        assert labels(view.blocks) == ["Change", "Refresh"]
        assert len(view.blocks) <= 100
        assert (slack.pinged, slack.answers(slack.direct(), viewer=slack.ada)) == ([], [])


async def test_what_takes_long_is_shown_when_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_module, "PATIENCE", 0.05)
    plugin, ready = Plugin("slow", "Slow."), asyncio.Event()

    @plugin.command("slow", overview=True)
    async def slow(ctx: Context) -> str:
        """Takes its time."""
        await ctx.reply("the first half")
        await ready.wait()
        return "the other half"

    async with (
        FakeSlack() as slack,
        FakeOpenAI() as model,
        whole_slack_bot(tmp_path, slack, model, plugins=(plugin,)) as bot,
    ):
        await slack.opens_home()
        await bot.until(lambda: slack.home() and part(slack.home(), "slow") == "the first half")
        ready.set()
        await bot.until(lambda: part(slack.home(), "slow") == "the first half\nthe other half")


async def test_whom_the_bot_does_not_answer_it_shows_nothing() -> None:
    async with FakeSlack() as slack, connected(slack, deny_users=(slack.ada.id,)):
        await slack.opens_home()
        await slack.wait_until(slack.home)
        assert read(slack.home()) == "I am not available here."
        assert labels(slack.home().blocks) == []  # type: ignore[union-attr] # it is there


async def test_where_nobody_may_write_to_it_alone_the_page_tells_what_it_can_do() -> None:
    async with FakeSlack() as slack, connected(slack, direct_messages=False):
        await slack.opens_home()
        await slack.wait_until(slack.home)
        assert "Mention me in a channel, and I answer you there." in read(slack.home())
        assert "In our direct messages" not in read(slack.home())


async def test_a_home_that_is_switched_off_disturbs_nobody() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        slack.fails("views.publish", error="not_enabled", times=9)
        opened = await slack.opens_home()
        await slack.wait_until(lambda: slack.called("views.publish"))
        assert opened is not None
        await slack.wait_until(lambda: opened.acked)
        assert listener.errors == []
