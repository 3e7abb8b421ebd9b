"""`/privacy`: what is kept about somebody, and having it forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.api import Attachment, Capabilities, Context, PersonForgotten, Place, Plugin, User
from bot.loading import load_plugin
from bot.model.scripted import Say, Scripted
from bot.store import NewMessage
from bot.store.places import Whose
from bot.testing.bot import ANN, BOB, TestBot
from bot.turn import Usage
from plugins.privacy import plugin as privacy
from plugins.roleplay import plugin as roleplay
from plugins.roleplay.memory import Learned
from plugins.roleplay.personas import Persona

EVE = User("u-eve", "Eve")
ELSEWHERE = Place("fake", "other", "there")
FILES = Capabilities(edits=True, private=True, buttons=True, max_file_bytes=1_000_000)


def talking() -> Scripted:
    return Scripted(lambda prompt: Say("An answer.", usage=Usage(100, 10)))


def files(bot: TestBot) -> Sequence[dict[str, Any]]:
    return [json.loads(content) for content in contents(bot)]


def contents(bot: TestBot) -> Sequence[bytes]:
    replies = [message.reply for message in bot.adapter.messages if message.reply is not None]
    assert all(reply.private for reply in replies if reply.files)
    return [file.content for reply in replies for file in reply.files]


async def kept(bot: TestBot, place: Place | None = None) -> list[str]:
    return [message.text for message in await bot.app.store.tree(place or bot.place)]


def written_to(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("test.db"))


async def gone(bot: TestBot) -> None:
    await bot.idle()
    await bot.app.forgetting.idle()


# Giving out


async def test_people_get_all_that_is_kept_about_them_and_nothing_of_others() -> None:
    async with TestBot(talking(), plugins=[privacy, roleplay], capabilities=FILES) as bot:
        await bot.says("what I said", user=BOB)
        await bot.says("what Eve said", user=EVE)
        await bot.says("over there", user=BOB, place=ELSEWHERE)
        await bot.app.store.save_state("roleplay", f"user:fake:{BOB.id}", "Persona:x", {"name": "X"})
        await bot.app.store.save_state("roleplay", "workspace:fake:workspace", "Saved:t", {"by": BOB.id, "name": "Bob"})
        await bot.runs("/privacy show", user=BOB)
        assert "- 2 messages that you wrote, in 2 places" in bot.last.text
        assert "- 2 notes of my plugins" in bot.last.text
        await bot.runs("/privacy export", user=BOB)
        assert bot.last.private
        (found,) = files(bot)
        assert (found["kind"], found["version"]) == ("duologue personal data", 1)
        assert found["person"] == {"id": BOB.id, "name": "Bob"}
        assert [(one["place"], one["text"]) for one in found["messages"]] == [
            (str(bot.place), "what I said"),
            (str(ELSEWHERE), "over there"),
        ]
        assert found["usage"]["by_model"][0]["calls"] == 2
        assert [one["key"] for one in found["kept"]] == ["Persona:x", "Saved:t"]
        assert "Eve" not in json.dumps(found)


async def test_what_does_not_fit_into_one_file_comes_in_several() -> None:
    small = replace(FILES, max_file_bytes=20_000)
    async with TestBot(talking(), plugins=[privacy], capabilities=small) as bot:
        for number in range(60):
            said = NewMessage("user", f"{number} ä " + "word " * 200, BOB.id, "Bob")
            await bot.app.store.remember(bot.place, said)
        await bot.runs("/privacy export", user=BOB)
        found = files(bot)
        assert len(found) > 3
        texts = [one["text"].split()[0] for part in found for one in part["messages"]]
        assert texts == [str(number) for number in range(60)]
        assert all(len(content) <= 20_000 for content in contents(bot))


async def test_where_files_cannot_be_sent_it_is_said() -> None:
    async with TestBot(talking(), plugins=[privacy], capabilities=replace(FILES, max_file_bytes=0)) as bot:
        await bot.runs("/privacy export", user=BOB)
        assert bot.last.text.startswith("⚠️ I cannot send files here.")


# Forgetting


async def test_somebody_is_forgotten_after_a_look_and_the_answers_stay() -> None:
    async with TestBot(talking(), plugins=[privacy], capabilities=FILES) as bot:
        await bot.says("my secret", user=BOB)
        await bot.says("not mine", user=EVE)
        await bot.says("my other secret", user=BOB, place=ELSEWHERE)
        await bot.runs("/privacy delete", user=BOB)
        assert bot.last.private
        assert "My own answers stay" in bot.last.text
        assert await kept(bot) == ["my secret", "An answer.", "not mine", "An answer."]
        await bot.presses("Forget me", user=BOB)
        await gone(bot)
        assert bot.last.text.startswith("I have forgotten 2 messages of yours.")
        assert await kept(bot) == ["", "An answer.", "not mine", "An answer."]
        assert await kept(bot, ELSEWHERE) == ["", "An answer."]
        assert await bot.app.store.persons.begun() == []
        await bot.runs("/privacy show", user=BOB)
        assert "- 0 messages that you wrote\n" in bot.last.text
        assert ": 0 calls" in bot.last.text
        await bot.says("I am back", user=BOB)
        assert (await kept(bot))[-2:] == ["I am back", "An answer."]


async def test_nobody_is_forgotten_with_the_button_of_somebody_else() -> None:
    async with TestBot(talking(), plugins=[privacy], capabilities=FILES) as bot:
        await bot.says("mine", user=ANN)
        await bot.runs("/privacy delete", user=BOB)
        await bot.presses("Forget me", user=ANN)
        await gone(bot)
        assert bot.last.text.startswith("⚠️ ")
        assert await kept(bot) == ["mine", "An answer."]


async def test_without_buttons_a_word_does_it() -> None:
    plain = replace(FILES, buttons=False)
    async with TestBot(talking(), plugins=[privacy], capabilities=plain) as bot:
        await bot.says("mine", user=BOB)
        await bot.runs("/privacy delete", user=BOB)
        assert "If you are sure: `/privacy delete yes`." in bot.last.text
        await bot.runs("/privacy delete yes", user=BOB)
        await gone(bot)
        assert await kept(bot) == ["", "An answer."]


async def test_what_a_stop_interrupted_goes_on_at_the_next_start(tmp_path: Path) -> None:
    async with TestBot(talking(), plugins=[privacy], folder=tmp_path) as bot:
        await bot.says("mine", user=BOB)
        await bot.app.store.persons.begin("fake", BOB.id)
    async with TestBot(talking(), plugins=[privacy], folder=tmp_path) as bot:
        while await bot.app.store.persons.begun():
            await bot.app.forgetting.idle()
            await asyncio.sleep(0)
        assert await kept(bot) == ["", "An answer."]


async def test_a_budget_does_not_begin_anew_with_being_forgotten() -> None:
    settings = {"limits": {"tokens_per_day": 100, "moderators": False}}
    async with TestBot(talking(), plugins=[privacy], settings=settings, capabilities=FILES) as bot:
        await bot.says("hi", user=BOB)
        await bot.runs("/privacy delete yes", user=BOB)
        await gone(bot)
        await bot.says("hi", user=BOB)
        assert "You have used up your tokens for today." in bot.last.text


async def test_plugins_are_told_in_each_place_where_somebody_had_been() -> None:
    told: list[tuple[Place, str, bool]] = []
    plugin = Plugin("told", "Is told")

    @plugin.on(PersonForgotten)
    async def heard(ctx: Context) -> None:
        assert isinstance(ctx.event, PersonForgotten)
        told.append((ctx.place, ctx.user.id, ctx.event.staged))

    async with TestBot(talking(), plugins=[privacy, plugin], capabilities=FILES) as bot:
        await bot.says("here", user=BOB)
        await bot.says("and there", user=BOB, place=ELSEWHERE)
        await bot.says("elsewhere", user=EVE, place=Place("fake", "workspace", "third"))
        line = NewMessage("assistant", "A line.", speaker="Ada", scene=1)
        await bot.app.store.remember(ELSEWHERE, line)
        await bot.runs("/privacy delete yes", user=BOB)
        await gone(bot)
    assert told == [(bot.place, BOB.id, False), (ELSEWHERE, BOB.id, True)]


async def test_personas_forget_what_they_learned_and_who_made_them() -> None:
    async with TestBot(talking(), plugins=[privacy, roleplay], capabilities=FILES) as bot:
        store, scope = bot.app.store, "workspace:fake:workspace"
        made = Persona(id="ada", name="Ada", prompt="You are Ada.", made_by=BOB.id, maker="Bob")
        await store.save_state("roleplay", scope, "Persona:ada", made.model_dump(mode="json"))
        await store.save_state(
            "roleplay", scope, "Learned:ada", Learned(notes=("Bob is afraid of cats.",)).model_dump()
        )
        await bot.says("I am afraid of cats", user=BOB)
        await store.remember(bot.place, NewMessage("assistant", "A line.", speaker="Ada", scene=1))
        await bot.runs("/privacy delete yes", user=BOB)
        await gone(bot)
        assert await store.load_states("roleplay", scope, "Learned:") == {}
        (left,) = (await store.load_states("roleplay", scope, "Persona:")).values()
        assert Persona.model_validate(left) == made.model_copy(update={"made_by": "", "maker": ""})


async def test_who_never_wrote_anything_is_forgotten_by_plugins_too() -> None:
    async with TestBot(talking(), plugins=[privacy, roleplay], capabilities=FILES) as bot:
        store, scope = bot.app.store, "workspace:fake:other"
        made = Persona(id="ada", name="Ada", prompt="You are Ada.", made_by=BOB.id, maker="Bob")
        await store.save_state("roleplay", scope, "Persona:ada", made.model_dump(mode="json"))
        await bot.runs("/privacy delete yes", user=BOB)
        await gone(bot)
        (left,) = (await store.load_states("roleplay", scope, "Persona:")).values()
        assert Persona.model_validate(left) == made.model_copy(update={"made_by": "", "maker": ""})


async def test_an_answer_that_is_being_written_does_not_name_them_afterwards() -> None:
    script = Scripted([Say("It goes on and on", hang=True), "Hello, Eve!"])
    plugins = [privacy, load_plugin("commands", Path())]
    async with TestBot(script, plugins=plugins, capabilities=FILES) as bot:
        await bot.says("a secret", user=BOB, wait=False)
        await bot.until("It goes on")
        await bot.runs("/privacy delete yes", user=BOB, wait=False)
        await bot.until("I have forgotten 1 message of yours.")
        await bot.runs("/stop", wait=False)
        await gone(bot)
        await bot.says("hello", user=EVE)
        assert await bot.app.store.spent("fake", Whose(user=BOB.id)) == ()
        (all_of_it,) = await bot.app.store.spent("fake", Whose(workspace="workspace"))
        assert all_of_it.calls == 2


async def test_files_that_somebody_sent_go_with_them() -> None:
    async with TestBot(talking(), plugins=[privacy], capabilities=FILES) as bot:
        note = Attachment("note.txt", "text/plain", 20, "fake://note")
        bot.adapter.files[note.url] = b"a secret in a file"
        await bot.says("read this", user=BOB, attachments=(note,))
        assert "a secret in a file" in str(await kept(bot))
        await bot.runs("/privacy delete yes", user=BOB)
        await gone(bot)
        assert "a secret in a file" not in str(await bot.app.store.tree(bot.place))


async def test_it_speaks_german() -> None:
    async with TestBot(talking(), plugins=[privacy], settings={"answers": {"language": "de"}}) as bot:
        await bot.says("hallo", user=BOB)
        await bot.runs("/privacy delete yes", user=BOB)
        await gone(bot)
        assert bot.last.text.startswith("Ich habe 1 Nachricht von dir vergessen.")


async def test_what_somebody_directed_is_forgotten_with_them(tmp_path: Path) -> None:
    """What a scene is about, what they let the narrator say and whispered: it is nowhere in the file any more."""
    words = [b"SECRETTOPIC", b"SECRETWORD", b"SECRETEVENT", b"SECRETWHISPER"]
    lines = Scripted(["A first line.", "A second one."])
    async with TestBot(lines, plugins=[privacy, roleplay], capabilities=FILES, folder=tmp_path) as bot:
        start = "/roleplay start a cat and a dog --topic=SECRETTOPIC --turns=4 --pace=0 --order=manual"
        await bot.runs(start, user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("Who speaks next?")
        await bot.runs("/roleplay narrate SECRETWORD", user=BOB)
        await bot.runs("/roleplay event SECRETEVENT", user=BOB)
        await bot.runs("/roleplay whisper cat SECRETWHISPER", user=BOB)
        await bot.idle()
        assert any("SECRETWORD" in text for text in await kept(bot))
        assert [word for word in words if word in written_to(tmp_path)] == words
        await bot.runs("/privacy export", user=BOB)
        assert "SECRETWORD" in json.dumps(files(bot))
        await bot.runs("/privacy delete yes", user=BOB)
        await gone(bot)
    assert [word for word in words if word in written_to(tmp_path)] == []
