"""Other answers and branches on Discord, by slash command, by button and in the menu of a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.discord.testing import Interaction
from plugins.commands import plugin as commands
from plugins.conversation import plugin as conversation
from tests.loopback.test_discord_exchanges import Table, table

PLUGINS = (commands, conversation)


async def ran(here: Table, command: str, **options: Any) -> Interaction:
    """With all that the bot does about it; nobody is left with "thinking"."""
    used = await here.discord.runs(command, **options)
    await here.until(lambda: used.texts)
    assert not any(message.loading and not message.deleted for message in used.messages)
    return used


async def test_an_answer_is_had_anew_and_branched_off(tmp_path: Path) -> None:
    async with table(tmp_path, "One.", "Two.", "Three.", "Four.", plugins=PLUGINS) as here:
        await here.bot.asked("@bot count")
        first = here.last
        again = await ran(here, "/regenerate")
        assert again.texts == ["I have answered anew, in the same place: it is answer 2 of 2 now."]
        assert first.text == "Two."
        assert "2/2" in here.buttons
        assert (await ran(here, "/variant", which="1")).texts == ["Answer 1 of 2 counts now."]
        assert first.text == "One."
        await here.bot.asked("@bot go on")
        forked = await ran(here, "/regenerate", message="4")
        assert forked.texts[0].startswith("Four.")
        assert "`/branch switch main` goes back" in forked.texts[0]
        assert first.text == "One."


async def test_branches_are_switched_by_button_and_made_in_the_menu(tmp_path: Path) -> None:
    async with table(tmp_path, "One.", "Two.", "Three.", plugins=PLUGINS) as here:
        mo = here.discord.account("Mo", may=["manage_messages"])
        await here.bot.asked("@bot count")
        first = here.last
        await here.bot.asked("@bot go on")
        second = here.last
        menu = await here.discord.uses("Branch or pin", first, author=mo)
        await here.until(lambda: menu.texts)
        assert menu.texts == ["Me: “One.”\nWhat shall I do?"]
        made = await here.discord.presses(menu.messages[0], "⑂ Branch from here", author=mo)
        await here.until(lambda: "branch 2" in here.last.text)
        assert not made.texts, "it is said to all"
        await here.until(lambda: first.components and not second.components)
        listed = await ran(here, "/branch list", author=mo)
        assert "● **branch 2** · we are here" in listed.texts[0]
        await here.discord.presses(listed.messages[0], "⑂ main", author=mo)
        await here.until(lambda: here.last.text == "⑂ We go on with **main**, from Me: “Two.”.")
        await here.until(lambda: second.components and not first.components)
        await here.bot.asked("@bot and now?")
        assert "go on" in str(here.model.seen[-1].body)


async def test_the_form_of_the_summary_holds_the_present_one(tmp_path: Path) -> None:
    async with table(tmp_path, "One.", plugins=PLUGINS) as here:
        mo = here.discord.account("Mo", may=["manage_messages"])
        await here.bot.asked("@bot count")
        opened = await here.discord.runs("/memory edit", author=mo)
        await here.until(lambda: opened.form)
        sent = await here.discord.fills(opened, summary="They count.")
        await here.until(lambda: sent.texts)
        opened = await here.discord.runs("/memory edit", author=mo)
        await here.until(lambda: opened.form)
        assert "They count." in str(opened.form)
