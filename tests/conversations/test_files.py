"""What happens to pictures and other files, as people see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from bot.events import Attachment, MessageDeleted, Route
from bot.model.scripted import Scripted
from bot.plugin import Plugin
from bot.replies import Done, Piece, Text
from bot.store import pictures
from bot.testing.bot import ANN, BOB, TestBot
from bot.turn import Prompt, Turn
from tests.samples import pdf, png


def sends(bot: TestBot, name: str, content: bytes, media_type: str = "") -> Attachment:
    bot.adapter.files[name] = content
    return Attachment(name, media_type or "image/png", len(content), name)


def seen(prompt: Prompt) -> list[bytes | None]:
    """The pictures that the model was shown."""
    return [picture.content for message in prompt.messages for picture in message.images]


async def test_a_picture_is_seen_and_remembered() -> None:
    async with TestBot(["A cat.", "Still a cat."]) as bot:
        await bot.says("Who is this?", attachments=(sends(bot, "cat.png", png(7, 7)),))
        bot.adapter.files.clear()
        await bot.says("Are you sure?")
        assert bot.screen == ["Ann: Who is this?", "bot: A cat.", "Ann: Are you sure?", "bot: Still a cat."]
        assert [seen(prompt) for prompt in bot.model.prompts] == [[png(7, 7)], [png(7, 7)]]


async def test_a_picture_alone_is_a_question() -> None:
    async with TestBot(["A cat!"]) as bot:
        await bot.says("", attachments=(sends(bot, "cat.png", png()),))
        assert bot.screen[-1] == "bot: A cat!"
        assert seen(bot.model.prompts[0]) == [png()]


async def test_a_model_that_cannot_see_does_not_pretend_to() -> None:
    async with TestBot(Scripted(["Describe it to me!"], sees=False)) as bot:
        await bot.says("Who is this?", attachments=(sends(bot, "cat.png", png()), sends(bot, "*dog*.png", png(2, 2))))
        notice = "[I cannot see pictures with this model: cat.png, `*dog*.png`.]"
        assert bot.screen[-1] == f"bot: Describe it to me!\n{notice}"
        assert seen(bot.model.prompts[0]) == []
        assert "(attached picture: cat.png; you cannot see it)" in bot.model.prompts[0].messages[-1].text


async def test_a_second_answer_sees_the_same(tmp_path: Path) -> None:
    """The picture comes from memory, also after a restart: the platform's copy may be gone."""
    async with TestBot(["A dog."], folder=tmp_path) as bot:
        await bot.says("Who is this?", attachments=(sends(bot, "cat.png", png()),))
    async with TestBot(["A cat."], folder=tmp_path) as bot:
        await bot.says("Look again.")
        assert seen(bot.model.prompts[0]) == [png()]


async def test_the_same_answer_anew_sees_the_same() -> None:
    async with TestBot(["A dog.", "A cat."]) as bot:
        await bot.says("Who is this?", attachments=(sends(bot, "cat.png", png()),))
        again = next(button for button in bot.last.buttons if button.action == "+again")
        await bot.presses(again.action, *again.args, message=bot.last.id)
        assert [seen(prompt) for prompt in bot.model.prompts] == [[png()], [png()]]


async def test_a_deleted_message_takes_its_picture_along() -> None:
    async with TestBot(["A cat.", "I see none."]) as bot:
        shown = await bot.says("Who is this?", attachments=(sends(bot, "cat.png", png()),))
        deleted = MessageDeleted(id="d", user=ANN, route=Route(bot.place), at=bot.clock.now(), messages=(shown.id,))
        await bot.hears(deleted)
        await bot.says("What did I show you?")
        assert seen(bot.model.prompts[-1]) == []
        store, later = bot.app.store, bot.clock.now() + timedelta(days=1)
        assert await store._db.write(lambda c: pictures.prune(c, later, 10)) == 1


async def test_a_voice_message_is_declined_without_asking_the_model() -> None:
    async with TestBot(["Fine, thank you."]) as bot:
        await bot.says("", attachments=(sends(bot, "voice-message.ogg", b"OggS", "audio/ogg"),))
        assert bot.screen[-1] == "bot: I cannot listen to voice messages or other sound yet: voice-message.ogg."
        assert bot.model.prompts == []
        await bot.says("How are you?")
        assert "voice-message.ogg; sound; you cannot hear it" in bot.model.prompts[0].messages[-2].text


async def test_what_cannot_be_read_is_named_once_under_the_answer() -> None:
    async with TestBot(["Nice film."]) as bot:
        files = (
            sends(bot, "film.mp4", b"\0", "video/mp4"),
            sends(bot, "all.zip", b"PK", "application/zip"),
            sends(bot, "form.pdf", b"%PDF-1.4", "application/pdf"),
            sends(bot, "notes.txt", b"milk", "text/plain"),
        )
        await bot.says("Look:", attachments=files)
        assert bot.screen[-1] == (
            "bot: Nice film.\n[I cannot watch videos yet: film.mp4. I cannot open this kind of file: all.zip. "
            "This seems to be damaged, so I could not open it: form.pdf.]"
        )
        assert "milk" in bot.model.prompts[0].messages[-1].text


async def test_a_pdf_is_read() -> None:
    async with TestBot(["Tea, it says."]) as bot:
        await bot.says("Read this.", attachments=(sends(bot, "form.pdf", pdf("Tea is hot"), "application/pdf"),))
        assert "form.pdf (1 page):\n```\nTea is hot\n```" in bot.model.prompts[0].messages[-1].text


async def test_a_reply_to_a_picture_asks_about_it() -> None:
    async with TestBot(["Your cat, Bob."]) as bot:
        shown = await bot.says("My cat", user=BOB, addressed=False, attachments=(sends(bot, "cat.png", png()),))
        await bot.says("Who is that?", in_reply_to=shown.id)
        assert seen(bot.model.prompts[0]) == [png()]
        assert bot.model.prompts[0].messages[-1].text.endswith("Who is that?\n\n(picture: cat.png)")


async def test_files_of_messages_answered_together_are_all_told_of() -> None:
    settings = {"answers": {"busy": "merge", "merge_wait": 0.5}}
    async with TestBot(["Two files, none for me."], settings=settings) as bot:
        await bot.says("Look:", attachments=(sends(bot, "film.mp4", b"0", "video/mp4"),), wait=False)
        await bot.says("", attachments=(sends(bot, "all.zip", b"PK", "application/zip"),))
        assert len(bot.model.prompts) == 1
        assert "film.mp4" in bot.last.text
        assert "all.zip" in bot.last.text


async def test_a_plugins_model_sees_where_it_says_so() -> None:
    plugin = Plugin("eyes", "Sees")

    async def count(turn: Turn) -> AsyncIterator[Piece]:
        yield Text(f"{sum(len(message.images) for message in turn.prompt.messages)} pictures")
        yield Done("stop")

    plugin.model("seeing", sees=True)(count)
    plugin.model("blind")(count)
    for name, says in (
        ("seeing", "bot: 1 pictures"),
        ("blind", "bot: 0 pictures\n[I cannot see pictures with this model: cat.png.]"),
    ):
        async with TestBot(plugins=[plugin], settings={"model": {"provider": name, "name": ""}}) as bot:
            await bot.says("Count.", attachments=(sends(bot, "cat.png", png()),))
            assert bot.screen[-1] == says


async def test_pictures_of_others_are_not_fetched() -> None:
    async with TestBot(["No idea."]) as bot:
        await bot.says("My cat", user=BOB, addressed=False, attachments=(sends(bot, "cat.png", png()),))
        await bot.says("Who is that?")
        assert seen(bot.model.prompts[0]) == []
        assert "(picture: cat.png; not shown to you)" in bot.model.prompts[0].messages[-2].text
