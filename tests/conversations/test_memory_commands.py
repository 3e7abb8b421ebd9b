"""What is kept in mind, as people see and change it: summaries, pinned messages, and what is forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.api import Capabilities, Place, User
from bot.model.scripted import Scripted
from bot.testing.bot import ANN, BOB, TestBot
from plugins.commands import plugin as commands
from plugins.conversation import plugin as conversation
from plugins.conversation.naming import pins_here
from tests.conversations.test_summaries import LONG, SMALL, Memories, system_of, talk

CARL = User("u-carl", "Carl")
FORMS = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, forms=True)


def bot_with(model: Scripted | list[str], *, folder: Path | None = None, **more: Any) -> TestBot:
    return TestBot(model, plugins=(commands, conversation), folder=folder, **more)


async def told(bot: TestBot, line: str, *, user: User = ANN, place: Place | None = None, locale: str = "") -> str:
    before = len(bot.adapter.messages)
    await bot.runs(line, user=user, place=place, locale=locale)
    return "\n".join(message.text for message in bot.adapter.messages[before:])


async def test_the_summary_is_shown_edited_and_read() -> None:
    memories = Memories()
    model = Scripted(memories)
    async with bot_with(model, settings=SMALL) as bot:
        assert "all of it is still read word by word" in await told(bot, "/memory show")
        assert "Nothing was said yet." in bot.last.text
        await talk(bot, 0, 6)
        shown = await told(bot, "/memory show")
        assert bot.last.private
        assert f"> memory {len(memories.asked)}\n-# written by `scripted`" in shown
        assert "Older ones only in short." in shown
        assert "I keep that in mind" in await told(bot, "/memory edit They are counting\nmessages.")
        shown = await told(bot, "/memory show")
        assert "> They are counting\n> messages.\n-# written by a person" in shown
        await bot.says("And now?")
        assert "What was said before:\nThey are counting\nmessages." in system_of(model)
        await talk(bot, 6, 12)
        assert "The memory so far:\nThey are counting\nmessages." in "".join(memories.read)
        # Without a form there is nothing to fill in.
        assert "Write it as it should be" in await told(bot, "/memory edit")


async def test_a_form_holds_the_present_summary_and_may_be_emptied() -> None:
    memories = Memories()
    async with bot_with(Scripted(memories), settings=SMALL, capabilities=FORMS) as bot:
        await talk(bot, 0, 6)
        command = next(each for each in bot.adapter.commands if each.name == "memory edit")
        assert command.fills is not None
        asked = await bot.says("Hm?")
        assert await command.fills(asked) == {"summary": f"memory {len(memories.asked)}"}
        assert await command.fills(replace(asked, user=BOB)) == {}, "whoever may not change it sees nothing of it"
        await bot.fills("memory edit", summary="Only this.")
        assert "> Only this." in await told(bot, "/memory show")
        await bot.fills("memory edit")
        assert "My summary is empty now." in bot.last.text
        assert "My summary is empty." in await told(bot, "/memory show")


async def test_what_is_forgotten_is_never_read_again() -> None:
    memories = Memories()
    model = Scripted(memories)
    async with bot_with(model, settings=SMALL) as bot:
        secret = await bot.says(f"The word is swordfish. {LONG}", user=BOB)
        await talk(bot, 0, 6)
        assert "swordfish" in memories.read[0]
        so_far, prompts = len(memories.asked), len(model.prompts)
        assert "🗑 Forgotten: Bob: “The word is swordfish." in await told(bot, f"/memory forget {secret.id}", user=BOB)
        assert bot.last.private
        assert "Nothing yet" in await told(bot, "/memory show")
        await talk(bot, 6, 8)
        assert len(memories.asked) > so_far, "the summary is made anew"
        assert all("swordfish" not in str(prompt.messages) for prompt in model.prompts[prompts:])
        assert "swordfish" not in await told(bot, "/memory show")
        assert "forgotten already" in await told(bot, f"/memory forget {secret.id}", user=BOB)


async def test_an_answer_is_forgotten_with_its_variants() -> None:
    async with bot_with(["Under the mat.", "Under the stone.", "What key?"]) as bot:
        await bot.says("Where is the key?", user=BOB)
        await bot.presses("+again", user=BOB)
        await bot.runs("/memory forget 1", user=BOB)
        assert "stone" not in str(await bot.app.store.tree(bot.place))
        assert "mat" not in str(await bot.app.store.tree(bot.place))
        assert "not answered anything" in await told(bot, "/regenerate")


async def test_who_may_forget_what() -> None:
    async with bot_with(["One.", "Two."]) as bot:
        await bot.says("Count.", user=BOB)
        for name in ("1", "2"):
            assert "Only whoever said it" in await told(bot, f"/memory forget {name}", user=CARL)
        for line in ("/memory pin 1", "/memory unpin 1", "/memory edit Hello."):
            assert "Only moderators" in await told(bot, line, user=BOB)
        assert "Forgotten: Me: “One.”" in await told(bot, "/memory forget 1", user=BOB)
        assert "Forgotten: Bob: “Count.”" in await told(bot, "/memory forget 1")


async def test_pinned_messages_are_read_however_old_they_are() -> None:
    model = Scripted(Memories())
    async with bot_with(model, settings=SMALL) as bot:
        await bot.says("My dog is called Argos.", user=BOB)
        assert await told(bot, "/memory pin 2") == "📌 Pinned: Bob: “My dog is called Argos.”"
        assert "pinned already" in await told(bot, "/memory pin 2")
        await talk(bot, 0, 6)
        assert "Keep in mind:\n- Bob: My dog is called Argos." in system_of(model)
        assert "- `p1` Bob: “My dog is called Argos.”" in await told(bot, "/memory show")
        context = await bot.app.turns.context_of(await bot.says("Hm?"), "conversation")
        assert await pins_here(context, "dog") == ["p1 · Bob: My dog is called Argos."]
        assert "no pinned message `p2`" in await told(bot, "/memory unpin p2")
        assert "not pinned" in await told(bot, "/memory unpin 1")
        assert "No longer pinned: Bob" in await told(bot, "/memory unpin p1 · Bob: My dog is called Argos.")
        await bot.says("And now?")
        assert "Argos" not in system_of(model)


async def test_what_is_kept_in_mind_belongs_to_the_branch(tmp_path: Path) -> None:
    async with bot_with(["One.", "Two.", "Three."], folder=tmp_path) as bot:
        await bot.says("My dog is called Argos.")
        await bot.says("On.")
        await bot.runs("/branch from 3")
        await bot.runs("/memory pin 2")
        await bot.runs("/memory edit They talk of a dog.")
        await bot.runs("/branch switch main")
        shown = await told(bot, "/memory show")
        assert "Argos" not in shown
        assert "They talk of a dog" not in shown
        adapter = bot.adapter
    async with bot_with(["Four."], folder=tmp_path, adapter=adapter) as bot:
        await bot.runs("/branch switch branch 2")
        shown = await told(bot, "/memory show")
        assert "Argos" in shown
        assert "> They talk of a dog." in shown
        await bot.says("And?")
        assert "They talk of a dog." in bot.model.prompts[-1].messages[0].text


async def test_so_many_can_be_pinned_and_no_more() -> None:
    async with bot_with(["Yes."] * 30) as bot:
        for number in range(11):
            await bot.says(f"Number {number}.")
        for number in range(1, 21):
            await bot.runs(f"/memory pin {number}")
        assert "More than 20 messages cannot be pinned" in await told(bot, "/memory pin 21")
        assert len(await told(bot, "/memory show")) < 4000


async def test_nothing_said_has_no_summary_to_be_written() -> None:
    async with bot_with([]) as bot:
        assert "Nothing was said here yet." in await told(bot, "/memory edit They plan a trip.")


async def test_memory_speaks_german() -> None:
    async with bot_with(["Ja."]) as bot:
        await bot.says("Mein Hund heißt Argos.", user=BOB)
        await bot.runs("/memory pin 2", locale="de")
        shown = await told(bot, "/memory show", locale="de")
        assert "**Angeheftet**\n- `p1` Bob: „Mein Hund heißt Argos.“" in shown
        assert "Die neuesten 2 Nachrichten" in shown


async def test_what_is_only_known_in_short_can_still_be_looked_up_and_named() -> None:
    async with bot_with(Scripted(Memories()), settings=SMALL) as bot:
        await talk(bot, 0, 8)
        assert "Older ones only in short." in await told(bot, "/memory show")
        assert "`16` **Ann**: Message 0." in await told(bot, "/history 50")
        assert "📌 Pinned: Ann: “Message 0." in await told(bot, "/memory pin 16")
        assert "We are back before Ann: “Message 0." in await told(bot, "/rewind 8")
        assert "nothing here yet" in await told(bot, "/history")
