"""The bot's own sentences in the language of whoever it speaks to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.api import Capabilities, Context, Plugin, UsageError, counted, say
from bot.errors import NoQuota
from bot.model.scripted import Say
from bot.testing.bot import ANN, BOB, TestBot
from plugins.commands import plugin


@pytest.fixture
async def bot() -> AsyncIterator[TestBot]:
    async with TestBot(["Hello!"], plugins=[plugin]) as bot:
        yield bot


async def test_a_german_client_gets_german_errors(bot: TestBot) -> None:
    await bot.runs("/history 99", locale="de")
    assert bot.shown_privately[-1] == (
        "⚠️ Für `count` geht `99` nicht. Erlaubt ist: eine ganze Zahl von 1 bis 50.\nSo geht’s: `/history [count]`"
    )
    await bot.runs("/system set Pirate", user=BOB, locale="de")
    assert "`/system set` darf hier nur die Moderation verwenden." in bot.shown_privately[-1]
    await bot.runs("/histori", locale="de-AT")
    assert "Meinst du `/history`? `/help` zeigt alle." in bot.shown_privately[-1]


async def test_at_the_same_place_others_are_answered_in_english(bot: TestBot) -> None:
    await bot.runs("/history", locale="de")
    await bot.runs("/history", locale="en-GB")
    await bot.runs("/history", locale="pt-BR")
    assert bot.shown_privately == [
        "Hier erinnere ich mich noch an nichts. Sag etwas!",
        "I remember nothing here yet. Say something!",
        "I remember nothing here yet. Say something!",
    ]


async def test_a_place_has_a_language_of_its_own(bot: TestBot) -> None:
    await bot.runs("/language deutsch")
    assert bot.last.text.startswith("Ab jetzt spreche ich hier Deutsch.")
    await bot.says(" ")
    assert bot.last.text == "Ich höre. Worüber möchtest du sprechen?"
    await bot.runs("/stop", locale="en-US")
    assert bot.last.text == "Ich schreibe gerade nichts."  # all see it, so the place's own language goes first
    await bot.runs("/context", locale="en-US")
    assert bot.last.text.startswith("My next request:")  # only this person sees it
    await bot.runs("/language default", locale="en-US")
    await bot.runs("/stop", locale="en-US")
    assert bot.last.text == "I am not writing anything right now."


async def test_the_language_is_shown_and_unknown_ones_are_refused(bot: TestBot) -> None:
    await bot.runs("/language")
    assert bot.last.text.startswith("Here I speak English. People whose app is in another language")
    assert "I know `en` (English), `de` (Deutsch)." in bot.last.text
    await bot.runs("/language Klingon")
    assert "I do not speak `Klingon` yet." in bot.shown_privately[-1]
    await bot.runs("/language de", user=BOB)
    assert "Only moderators may change that here. `/language` alone shows how it is." in bot.shown_privately[-1]


async def test_whoever_runs_the_bot_sets_the_language_of_all_places() -> None:
    async with TestBot([NoQuota("empty")], plugins=[plugin], settings={"answers": {"language": "de"}}) as bot:
        await bot.says("Hallo")
        assert "kein Guthaben mehr" in bot.last.text
        await bot.runs("/language")
        assert bot.last.text.startswith("Hier spreche ich Deutsch.")


async def test_between_the_two_of_us_the_language_of_the_app_is_remembered() -> None:
    direct = Capabilities(direct=True, private=True, max_chars=2000)
    async with TestBot([Say("", reason="stop")] * 2, plugins=[plugin], capabilities=direct) as bot:
        await bot.says("Na?")
        assert bot.last.text == "[I have nothing to say to that.]"
        await bot.runs("/stop", locale="de")
        await bot.says("Und jetzt?")  # messages do not tell a language
        assert bot.last.text == "[Dazu habe ich nichts zu sagen.]"


async def test_between_the_two_of_us_limits_are_told_in_the_language_of_the_app() -> None:
    direct = Capabilities(direct=True, private=True, max_chars=2000)
    for limit, told in {
        "questions_per_minute": "⚠️ Du darfst mir 1 Frage pro Minute stellen. Komm bitte in ",
        "tokens_per_day": "⚠️ Deine Tokens für heute sind aufgebraucht. Komm bitte morgen um 00:00 Uhr (UTC) wieder.",
    }.items():
        settings = {"limits": {limit: 1}}
        async with TestBot(["Ja."], plugins=[plugin], capabilities=direct, settings=settings) as bot:
            await bot.runs("/stop", locale="de", user=BOB)
            await bot.says("Na?", user=BOB)
            await bot.says("Und jetzt?", user=BOB)  # messages do not tell a language
            assert bot.shown_privately[-1].startswith(told)


async def test_marks_and_notices_of_an_answer_are_translated() -> None:
    settings = {"memory": {"budget_tokens": 512, "reserve_tokens": 64}}
    async with TestBot([Say("", reason="stop"), "Ja."], plugins=[plugin], settings=settings) as bot:
        await bot.runs("/language de")
        await bot.says("Und?")
        assert bot.last.text == "[Dazu habe ich nichts zu sagen.]"
        await bot.says("wort " * 3000)
        assert "mehr als ich auf einmal lesen kann" in bot.last.text


async def test_numbers_are_written_as_people_write_them() -> None:
    async with TestBot(plugins=[plugin]) as bot:
        await bot.runs("/params set temperature 0,9", locale="de")
        assert bot.last.text == "`temperature` ist jetzt 0,9."
        await bot.runs("/context", locale="de")
        assert " von 14.976 Tokens." in bot.last.text


async def test_help_is_german_too() -> None:
    capabilities = Capabilities(private=True, menus=True, max_chars=2000)
    async with TestBot(plugins=[plugin], capabilities=capabilities) as bot:
        await bot.runs("/help", locale="de")
        assert len(bot.shown_privately) == 1
        text = bot.shown_privately[-1]
        assert "**Gedächtnis**\n- `/history [count]` – Zeigt die letzten Nachrichten, an die ich mich erinnere." in text
        assert "**Dazu etwas fragen**" in text
        await bot.runs("/help history", locale="de")
        expected = "- `count`: Wie viele Nachrichten (eine ganze Zahl von 1 bis 50); 10, wenn du es weglässt."
        assert expected in bot.shown_privately[-1]


async def test_adapters_are_told_names_and_descriptions(bot: TestBot) -> None:
    told = {command.name: command for command in bot.adapter.commands}
    assert told["ask_about_this"].names == {"de": "Dazu etwas fragen"}
    assert told["history"].names == {}
    assert told["history"].descriptions == {"de": "Zeigt die letzten Nachrichten, an die ich mich erinnere."}
    assert told["history"].parameters[0].descriptions == {"de": "Wie viele Nachrichten"}


# Plugins bring their own.


def bakery(locales: Path | None = None) -> Plugin:
    bakery = Plugin("bakery", "Cakes", locales=locales)

    @bakery.command()
    async def bake(ctx: Context, count: int = 1) -> str:
        """Bake cakes."""
        if count > 1000:
            raise UsageError(say("Nobody eats that many."))
        return counted(count, "Here is {count} cake.", "Here are {count:,} cakes.")

    return bakery


async def test_a_plugin_brings_a_folder_of_catalogs(tmp_path: Path) -> None:
    (tmp_path / "fr.toml").write_text(
        '[language]\nname = "Français"\nthousands = "\u202f"\ndecimal = ","\n[sentences]\n'
        '"/bake" = "/cuire"\n"Bake cakes." = "Cuire des gâteaux."\n'
        '"Nobody eats that many." = "Personne ne mange autant."\n'
        '"Here is {count} cake." = "Voici {count} gâteau."\n"Here are {count:,} cakes." = "Voici {count:,} gâteaux."\n',
        "utf-8",
    )
    async with TestBot(plugins=[plugin, bakery(tmp_path)]) as bot:
        await bot.runs("/bake 1000", locale="fr")
        assert bot.last.text == "Voici 1\u202f000 gâteaux."
        await bot.runs("/bake 2000", locale="fr")
        assert bot.shown_privately[-1] == "⚠️ Personne ne mange autant."
        await bot.runs("/bake", locale="de")
        assert bot.last.text == "Here is 1 cake."
        command = next(command for command in bot.adapter.commands if command.name == "bake")
        assert command.names == {"fr": "cuire"}
        await bot.runs("/language français")
        assert bot.last.text.startswith("From now on I speak English here.")  # nobody translated that yet


async def test_a_plugin_translates_a_few_sentences_in_the_code() -> None:
    cakes = bakery()
    cakes.translate("de", {"Here is {count} cake.": "Hier ist {count} Kuchen."})
    async with TestBot(plugins=[cakes]) as bot:
        await bot.runs("/bake", locale="de", user=ANN)
        assert bot.last.text == "Hier ist 1 Kuchen."
