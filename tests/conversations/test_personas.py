"""Personas as people meet them: made, changed and tried in chat, or dropped into it as a character card."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.api import Attachment, Button, Capabilities, User, WrongKey, button_id
from bot.buttons import MAX_ID
from bot.testing.bot import ANN, BOB, TestBot
from bot.testing.hand_clock import HandClock
from plugins.roleplay import plugin as roleplay
from plugins.roleplay.cards import as_json, as_png, card_of, read_card
from plugins.roleplay.cards.png import chunks_of, plain

CAN = {"max_chars": 2000, "edits": True, "private": True, "buttons": True, "speakers": True}
STAGE = Capabilities(**CAN, max_file_bytes=1_000_000)
CAROL = User("u-carol", "Carol")
OWNER = User("u-owner", "Otto", permissions=frozenset({"own_channel"}))
FACE = "https://faces.example/ada.png"
PICTURE = plain(3, 2, (10, 200, 30))
ADA: dict[str, Any] = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Ada",
        "description": "{{char}} counts everything that {{user}} does.",
        "personality": "Exact and kind. Never late.",
        "scenario": "{{char}} and {{user}} sit in a study full of brass.",
        "first_mes": "Good day, {{user}}. I counted your steps.",
        "mes_example": "<START>\n{{user}}: Hi\n{{char}}: One.",
        "creator_notes": "For people.",
        "system_prompt": "Stay in London.",
        "post_history_instructions": "Be brief.",
        "alternate_greetings": [],
        "tags": ["maths"],
        "creator": "Charles",
        "character_version": "1.2",
        "extensions": {"a/program": {"depth": [1, {"unknown": None}]}},
        "character_book": {"entries": [{"keys": ["engine"], "content": "It counts.", "insertion_order": 1}]},
    },
}


def bot_with(*answers: Any, capabilities: Capabilities = STAGE, folder: Path | None = None, **changes: Any) -> TestBot:
    sections = {"plugins": {"roleplay": {"personas": None, **changes}}}
    return TestBot(answers, plugins=[roleplay], capabilities=capabilities, folder=folder, settings=sections)


def named(name: str, **changes: Any) -> dict[str, Any]:
    return {**ADA, "data": {**ADA["data"], "name": name, **changes}}


def attached(bot: TestBot, content: bytes, name: str = "ada.png") -> Attachment:
    url = f"https://files.example/{len(bot.adapter.files)}/{name}"
    bot.adapter.files[url] = content
    return Attachment(name, "application/octet-stream", len(content), url)


def card_png(raw: dict[str, Any] = ADA) -> bytes:
    return as_png(card_of(raw, PICTURE))


async def drops(bot: TestBot, *contents: bytes, text: str = "", name: str = "ada.png", user: User = BOB) -> None:
    files = tuple(attached(bot, content, name) for content in contents)
    await bot.says(text, attachments=files, addressed=False, user=user)


async def imports(bot: TestBot, raw: dict[str, Any] = ADA, user: User = BOB) -> None:
    await drops(bot, card_png(raw), user=user)
    await bot.presses("Import", user=user)


def exported(bot: TestBot) -> bytes:
    assert bot.last.reply is not None
    (file,) = bot.last.reply.files
    return file.content


# Made in chat.


async def test_a_persona_is_made_with_a_form() -> None:
    async with bot_with() as bot:
        await bot.fills(
            "persona create",
            name="Ada",
            prompt="You are Ada. You count.",
            description="Counts",
            greeting="One!",
            face=FACE,
            user=BOB,
        )
        assert bot.last.text.startswith("✨ **Ada** is here now.")
        await bot.runs("/persona show ada", user=CAROL)
        shown = bot.shown_privately[-1].splitlines()
        assert shown[:5] == [
            "**Ada** (`ada`)",
            "Counts",
            "Made by Bob.",
            "Played by whatever model answers where they play.",
            "> You are Ada. You count.",
        ]
        assert shown[-2:] == ["Begins with:", "> One!"]


async def test_a_persona_is_made_by_typing_and_listed() -> None:
    async with bot_with() as bot:
        await bot.runs('/persona create "Captain Hook" You are a pirate -- a sad one. --description="Arr"', user=BOB)
        await bot.runs("/persona create Ada You count.", user=CAROL)
        await bot.runs("/persona list", user=BOB)
        assert bot.shown_privately[-1] == (
            "2 personas are here:\n- **Ada** (`ada`)\n- **Captain Hook** (`captain-hook`) — Arr"
        )
        await bot.runs("/persona show captain hook", user=BOB)
        assert "> You are a pirate -- a sad one." in bot.shown_privately[-1]


async def test_what_cannot_be_a_persona_is_told() -> None:
    async with bot_with() as bot:
        await bot.runs("/persona create Ada Counts --face=http://faces.example/ada.png")
        assert "begins with `https://`" in bot.last.text
        await bot.runs("/persona create Narrator Tells.")
        assert "that is who tells what happens" in bot.last.text
        await bot.runs("/persona create Ada Counts.")
        await bot.runs("/persona create ada Counts again.")
        assert "Ada is here already." in bot.last.text
        await bot.runs("/persona show Adda")
        assert "There is no persona called “Adda”. Did you mean Ada (`ada`)?" in bot.shown_privately[-1]
        await bot.runs("/persona list")
        assert bot.shown_privately[-1].startswith("1 persona is here:")


async def test_only_whoever_made_it_and_moderators_change_it() -> None:
    async with bot_with() as bot:
        await bot.runs("/persona create Ada Counts.", user=BOB)
        # A channel of one's own does not make one a moderator of what all channels share.
        for user, line in product((CAROL, OWNER), ("/persona edit ada --name=Eve", "/persona delete ada")):
            await bot.runs(line, user=user)
            assert "Only Bob, who made Ada, and moderators may do that." in bot.last.text
        await bot.runs("/persona edit ada --name=Eve --greeting=Hello!", user=BOB)
        assert bot.last.text == "✏️ **Eve** is changed."
        await bot.runs("/persona edit eve --greeting=-", user=ANN)
        await bot.runs("/persona show ada")
        assert bot.shown_privately[-1].startswith("**Eve** (`ada`)")
        assert "Begins with" not in bot.shown_privately[-1]
        await bot.runs("/persona delete eve", user=BOB)
        assert bot.last.text == "🗑 **Eve** is gone."
        await bot.runs("/persona list")
        assert bot.shown_privately[-1].startswith("There are no personas here yet.")


async def test_a_server_may_leave_it_to_its_moderators() -> None:
    async with bot_with(who="moderators") as bot:
        await bot.runs("/persona create Ada Counts.", user=BOB)
        assert "Only moderators may make personas here." in bot.last.text
        await drops(bot, card_png())
        assert bot.buttons == []
        await bot.runs("/persona create Ada Counts.", user=ANN)
        assert bot.last.text.startswith("✨ **Ada** is here now.")


async def test_what_somebody_makes_alone_with_the_bot_is_theirs() -> None:
    async with bot_with(capabilities=Capabilities(**CAN, direct=True)) as bot:
        await bot.runs("/persona create Ada Counts.", user=BOB)
        await bot.runs("/persona list", user=CAROL)
        assert bot.shown_privately[-1].startswith("There are no personas here yet.")


async def test_a_persona_says_a_line_under_its_name_and_face() -> None:
    async with bot_with("Ada: Good day, I am Ada.") as bot:
        await bot.runs(f"/persona create Ada You are Ada, who counts. --face={FACE}", user=BOB)
        await bot.runs("/persona preview Ada", user=BOB)
        assert bot.screen[-1] == "Ada: Good day, I am Ada."
        assert bot.last.reply is not None
        assert bot.last.reply.speaker is not None
        assert bot.last.reply.speaker.avatar == FACE
        assert bot.model.prompts[0].messages[0].text.startswith("You are Ada, who counts.")


async def test_an_error_is_no_line_of_a_persona() -> None:
    async with bot_with(WrongKey("gone")) as bot:
        await bot.runs("/persona create Ada Counts.", user=BOB)
        await bot.runs("/persona preview Ada", user=BOB)
        assert not any(line.startswith("Ada:") for line in bot.screen)


async def test_a_picture_that_somebody_sends_becomes_the_face() -> None:
    async with bot_with() as bot:
        await bot.runs("/persona create Ada Counts.", user=BOB)
        picture = attached(bot, PICTURE)
        given = {"name": picture.name, "media_type": "image/png", "size": picture.size, "url": picture.url}
        await bot.fills("persona edit", persona="ada", picture=given, user=BOB)
        assert bot.last.text == "✏️ **Ada** is changed."
        await bot.runs("/persona export ada", user=CAROL)
        assert read_card(exported(bot)).picture is not None
        assert [each.data for each in chunks_of(exported(bot)) if each.kind == b"IDAT"] == [
            each.data for each in chunks_of(PICTURE) if each.kind == b"IDAT"
        ]


async def test_the_picture_of_a_persona_that_is_gone_goes_too() -> None:
    clock = HandClock()
    async with TestBot(
        [], plugins=[roleplay], capabilities=STAGE, settings={"plugins": {"roleplay": {"personas": None}}}, clock=clock
    ) as bot:
        await imports(bot, named("Ada"))
        await imports(bot, named("Eve"))
        blob = (await bot.app.store.load_state("roleplay", "workspace:fake:workspace", "Persona:ada") or ({}, 0))[0]
        face = str(blob["face"]) if isinstance(blob, dict) else ""

        async def is_kept() -> bool:
            """A week later."""
            clock.passes(7 * 24 * 3_600)
            await bot.app.store._prune()
            return await bot.app.store.get_blob(face) is not None

        assert await is_kept()
        await bot.runs("/persona delete ada", user=BOB)
        assert await is_kept(), "Eve has the same face"
        await bot.runs(f"/persona edit eve --face={FACE}", user=BOB)
        assert await is_kept(), "it goes back into Eve's card"
        await bot.runs("/persona delete eve", user=BOB)
        assert not await is_kept()


async def test_a_persona_has_a_model_of_its_own() -> None:
    async with bot_with("Hello.") as bot:
        await bot.runs("/persona create Ada Counts.", user=BOB)
        await bot.runs("/persona model ada scripted temperature=0.5", user=BOB)
        assert "Only moderators may use" in bot.last.text
        await bot.runs("/persona model ada nobody:other", user=ANN)
        assert "There is no provider `nobody`." in bot.last.text
        await bot.runs("/persona model ada scripted temperature=9", user=ANN)
        assert "temperature" in bot.last.text
        await bot.runs("/persona model ada scripted temperature=0.5 max_tokens=50", user=ANN)
        assert bot.last.text == "Ada is played by `scripted:scripted` (temperature 0.5, max_tokens 50)."
        await bot.runs("/persona preview ada", user=BOB)
        assert bot.model.turns[-1].model.parameters["temperature"] == 0.5
        await bot.runs("/persona model ada default", user=ANN)
        assert bot.last.text == "Ada is played by whatever model answers where they play."


# From files.


async def test_personas_from_files_are_there_for_everybody(tmp_path: Path) -> None:
    (tmp_path / "ada.toml").write_text('name = "Ada"\nprompt = "From a file."\ngreeting = "One."\n')
    (tmp_path / "broken.toml").write_text('name = "Broken"\nprommpt = "?"\n')
    async with bot_with(personas=str(tmp_path)) as bot:
        await bot.runs("/persona list", user=BOB)
        assert bot.shown_privately[-1] == "1 persona is here:\n- **Ada** (`ada`)"
        await bot.runs("/persona edit ada --name=Eve", user=ANN)
        assert "Ada is there for everybody and cannot be changed from here." in bot.last.text
        await bot.runs("/persona create Ada One of our own.", user=BOB)
        await bot.runs("/persona show ada", user=BOB)
        assert "> One of our own." in bot.shown_privately[-1]
        await bot.runs("/persona delete ada", user=BOB)
        assert "The one that comes with the bot is back." in bot.last.text
        await bot.runs("/persona show ada", user=BOB)
        assert "> From a file." in bot.shown_privately[-1]


# Dropped as a card.


async def test_a_dropped_card_is_offered_and_plays(tmp_path: Path) -> None:
    async with bot_with(folder=tmp_path) as bot:
        await drops(bot, card_png())
        assert bot.last.text == "🃏 This is a card of **Ada**, by Charles."
        assert bot.buttons == ["Import", "Not now"]
        adapter = bot.adapter
    async with TestBot(
        ["Fascinating.", "Two."],
        plugins=[roleplay],
        adapter=adapter,
        folder=tmp_path,
        settings={"plugins": {"roleplay": {"personas": None}}},
    ) as bot:
        await bot.presses("Import", user=BOB)
        assert bot.last.text.startswith("✨ **Ada** is here now.")
        assert bot.buttons == []
        await bot.runs("/persona show ada", user=BOB)
        shown = bot.shown_privately[-1]
        assert shown.startswith("**Ada** (`ada`)\nExact and kind.\nFrom a card by Charles, brought by Bob.")
        assert shown.endswith("Whoever made the card says:\n> For people.")
        await bot.runs("/roleplay start Ada and a cat --turns=2 --pace=0", user=BOB)
        assert bot.last.text.startswith("🎭 **Ada · Cat**\nAda and Cat sit in a study full of brass.")
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The scene is over")
        own = [f"{each.author}: {each.text}" for each in bot.adapter.messages if each.own and each.author != "bot"]
        assert own == ["Ada: Good day, Cat. I counted your steps.", "Cat: Fascinating.", "Ada: Two."]
        system = bot.model.prompts[1].messages[0].text
        assert system.startswith(
            "Stay in London.\n\nAda counts everything that Cat does.\n\nPersonality: Exact and kind."
        )
        assert "For people" not in str(bot.model.prompts)
        assert "1.2" not in str(bot.model.prompts)
        assert bot.model.prompts[1].messages[-1].text.endswith("Be brief.")


async def test_a_topic_goes_before_the_place_of_a_card() -> None:
    async with bot_with() as bot:
        await imports(bot)
        await bot.runs('/roleplay start Ada and a cat --topic="A ball at court."', user=BOB)
        assert "A ball at court." in bot.last.text
        assert "brass" not in bot.last.text


async def test_two_dropped_cards_play_with_each_other_and_their_pictures() -> None:
    async with bot_with("Hm.", "Ha.") as bot:
        await drops(bot, card_png(), card_png(named("Bob", first_mes="", scenario="")))
        for _ in range(2):
            await bot.presses("Import", user=BOB)
        await bot.runs("/roleplay start Ada and Bob --turns=2 --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The scene is over")
        faces = {each.reply.speaker.name: each.reply.speaker.avatar for each in bot.adapter.messages
                 if each.reply is not None and each.reply.speaker is not None}  # fmt: skip
        assert set(faces) == {"Ada", "Bob"}
        assert all(faces.values())


async def test_all_cards_that_were_dropped_at_once_are_imported_by_one_command() -> None:
    async with bot_with() as bot:
        await drops(bot, card_png(), card_png(named("Bob")), b"no card")
        await bot.runs("/persona import", user=BOB)
        ada, bob, broken = bot.last.text.splitlines()
        assert ada.startswith("✨ **Ada** is here now.")
        assert bob.startswith("✨ **Bob** is here now.")
        assert "card" in broken


async def test_only_whoever_dropped_a_card_and_moderators_take_it_in() -> None:
    async with bot_with() as bot:
        await drops(bot, card_png(), user=BOB)
        await bot.presses("Import", user=CAROL)
        assert "This button is for whoever asked, and for moderators." in bot.shown_privately[-1]
        await bot.presses("Import", user=ANN)
        assert bot.last.text.startswith("✨ **Ada** is here now.")


async def test_an_offer_that_is_too_old_says_so() -> None:
    async with bot_with() as bot:
        await drops(bot, card_png())
        await bot.presses("take-card", base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="), message=bot.last.id)
        assert "I no longer have this card. Please drop it here again." in bot.shown_privately[-1]
        assert bot.buttons == []


async def test_a_card_is_let_be() -> None:
    async with bot_with() as bot:
        await drops(bot, card_png())
        await bot.presses("Not now", user=BOB)
        assert bot.buttons == []
        await bot.runs("/persona list", user=BOB)
        assert bot.shown_privately[-1].startswith("There are no personas here yet.")


async def test_the_same_card_is_not_taken_in_twice_but_another_of_that_name_is() -> None:
    async with bot_with() as bot:
        await imports(bot)
        await imports(bot)
        assert bot.last.text == "**Ada** is here already: `/persona show ada`."
        await imports(bot, named("Ada", description="Somebody else."))
        assert "`/persona preview ada-2`" in bot.last.text


async def test_files_that_are_no_cards_are_left_alone() -> None:
    async with bot_with("I saw your files.") as bot:
        contents = {
            "photo.png": PICTURE,
            "broken.png": card_png()[:60],
            "package.json": b'{"name": "left-pad", "version": "1.0.0"}',
            "notes.json": b"{",
            "list.json": b"[1, 2]",
            "bomb.charx": b"PK\x03\x04nonsense",
        }
        for name, content in contents.items():
            await drops(bot, content, name=name)
        assert [each for each in bot.adapter.messages if each.own] == []
        await bot.says("What is this?", attachments=(attached(bot, PICTURE, "photo.png"),))
        assert bot.last.text == "I saw your files."


async def test_a_card_with_a_question_is_offered_and_the_question_answered() -> None:
    async with bot_with("It is a card.") as bot:
        await bot.says("What is this?", attachments=(attached(bot, json.dumps(ADA).encode(), "ada.json"),))
        texts = [each.text for each in bot.adapter.messages if each.own]
        assert texts == ["🃏 This is a card of **Ada**, by Charles.", "It is a card."]


async def test_cards_need_not_be_noticed() -> None:
    async with bot_with(notice_cards=False) as bot:
        await drops(bot, card_png())
        assert [each for each in bot.adapter.messages if each.own] == []
        await bot.runs("/persona import", user=BOB)
        assert bot.last.text.startswith("✨ **Ada** is here now.")


def charx(raw: dict[str, Any]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("card.json", json.dumps(raw))
        file.writestr("assets/icon/main.png", PICTURE)
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ada.png", card_png()),
        ("ada.json", as_json(card_of(ADA))),
        ("ada.charx", charx(ADA)),
        ("old.json", json.dumps({"char_name": "Ada", "char_persona": "Counts.", "char_greeting": "One."}).encode()),
    ],
)
async def test_every_kind_of_card_is_imported_by_command(name: str, content: bytes) -> None:
    async with bot_with() as bot:
        file = attached(bot, content, name)
        given = {"name": name, "media_type": file.media_type, "size": file.size, "url": file.url}
        await bot.fills("persona import", card=given, user=BOB)
        assert bot.last.text.startswith("✨ **Ada** is here now.")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PICTURE, "There is no character in this picture."),
        (card_png()[:60], "This PNG file is broken"),
        (b"{", "it holds neither a card nor JSON"),
        (b"[1]", "This card holds no character"),
        (b'{"name": ""}', "This card has no name in it"),
        (b'{"name": "Narrator"}', "that is who tells what happens"),
        (b"PK\x03\x04nonsense", "This archive is broken"),
    ],
)
async def test_an_import_says_what_is_wrong(content: bytes, says: str) -> None:
    async with bot_with() as bot:
        await drops(bot, content, name="ada.png")
        await bot.runs("/persona import", user=BOB)
        assert says in bot.last.text


async def test_without_a_card_there_is_nothing_to_import() -> None:
    async with bot_with() as bot:
        await bot.runs("/persona import", user=BOB)
        assert "Attach a character card, or drop its file here" in bot.last.text


async def test_a_card_for_adults_plays_where_only_they_are() -> None:
    async with bot_with() as bot:
        await imports(bot, named("Eve", tags=["NSFW", "romance"]))
        assert "🔞" in bot.last.text
        for line in ("/roleplay start Eve and a cat", "/persona preview eve"):
            await bot.runs(line, user=BOB)
            assert "Eve may only be played in channels that are marked for adults." in bot.last.text
    async with bot_with(capabilities=Capabilities(**CAN, age_restricted=True)) as bot:
        await imports(bot, named("Eve", tags=["NSFW", "romance"]))
        await bot.runs("/roleplay start Eve and a cat", user=BOB)
        assert bot.last.text.startswith("🎭 **Eve · Cat**")


async def test_a_scene_with_a_card_for_adults_that_is_kept_plays_where_only_they_are(tmp_path: Path) -> None:
    async with bot_with("Hello.", capabilities=Capabilities(**CAN, age_restricted=True), folder=tmp_path) as bot:
        await imports(bot, named("Eve", tags=["NSFW", "romance"]))
        await bot.runs("/roleplay start Eve and a cat --turns=1 --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("🎬")
        await bot.runs("/roleplay save The Garden", user=BOB)
        await bot.runs("/persona delete eve", user=BOB)
        if bot.buttons:
            await bot.presses(bot.buttons[0], user=BOB)
        await bot.runs("/persona list", user=BOB)
        assert "eve" not in bot.last.text
        await bot.runs("/roleplay start the-garden", user=BOB)
        assert bot.last.text.startswith("🎭 **The Garden**")
    async with bot_with(folder=tmp_path) as bot:
        await bot.runs("/roleplay start the-garden", user=BOB)
        assert "Eve may only be played in channels that are marked for adults." in bot.last.text


async def test_a_long_card_is_warned_of() -> None:
    async with bot_with() as bot:
        await imports(bot, named("Long", description="A word of many. " * 1_000))
        assert "⚠️ Its texts are about" in bot.last.text


# And given back.


@pytest.mark.parametrize("raw", [ADA, {**ADA, "name": "an older copy", "unknown": [1, 2.5]}, {"name": "Ada", "x": "y"}])
async def test_a_card_comes_back_as_it_went_in(raw: dict[str, Any]) -> None:
    async with bot_with() as bot:
        await imports(bot, raw)
        await bot.runs("/persona export ada", user=CAROL)
        card = read_card(exported(bot))
        assert card.raw == raw
        assert [each for each in chunks_of(exported(bot)) if each.kind != b"tEXt"] == list(chunks_of(PICTURE))
        await bot.runs("/persona export ada json", user=CAROL)
        assert json.loads(exported(bot)) == raw


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
datas = st.builds(
    lambda name, data: {**data, "name": name},
    st.text("abc äÖ🦊.", min_size=1, max_size=20).filter(lambda name: name.strip() != ""),
    st.dictionaries(st.sampled_from([*ADA["data"], "unknown"]), values, max_size=8),
)
raws = datas | datas.map(lambda data: {"spec": "chara_card_v3", "spec_version": "3.0", "data": data})


@given(st.lists(raws, min_size=1, max_size=5))
@settings(max_examples=8, deadline=None)
def test_any_card_comes_back_as_it_went_in(cards: list[dict[str, Any]]) -> None:
    async def there_and_back() -> None:
        async with bot_with() as bot:
            for raw in cards:
                await drops(bot, json.dumps(raw).encode(), name="some.json")
                await bot.runs("/persona import", user=BOB)
                found = re.search(r"`/persona (?:preview|show) (\S+)`", bot.last.text)
                assert found is not None, bot.last.text
                for kind in ("png", "json"):
                    await bot.runs(f"/persona export {found[1]} {kind}", user=BOB)
                    assert read_card(exported(bot)).raw == raw

    asyncio.run(there_and_back())


async def test_what_was_edited_stands_in_the_card_and_nothing_else_is_touched() -> None:
    async with bot_with() as bot:
        await imports(bot, {**ADA, "name": "Ada", "first_mes": "an older copy"})
        await bot.runs('/persona edit ada --name=Eve --prompt="Counts no more." --greeting=Bye', user=BOB)
        await bot.runs("/persona edit eve --description=Retired", user=BOB)
        await bot.runs("/persona export eve json", user=BOB)
        changed = named("Eve", description="Counts no more.", first_mes="Bye")
        assert json.loads(exported(bot)) == {**changed, "name": "Eve", "first_mes": "Bye"}
        await bot.runs("/persona show eve", user=BOB)
        assert "\nRetired\n" in bot.shown_privately[-1]
        assert "> Counts no more." in bot.shown_privately[-1]


async def test_what_was_made_here_becomes_a_card() -> None:
    async with bot_with() as bot:
        await bot.runs("/persona create Ada You count. --greeting=One! --description=Counts", user=BOB)
        await bot.runs("/persona export ada", user=BOB)
        card = read_card(exported(bot))
        assert (card.raw["spec"], card.name, card.description) == ("chara_card_v2", "Ada", "You count.")
        assert (card.greeting, card.notes, card.creator) == ("One!", "Counts", "Bob")


async def test_a_scene_goes_on_when_its_persona_is_deleted() -> None:
    async with bot_with("Meow.", "Two.", "Purr.") as bot:
        await imports(bot)
        await bot.runs("/roleplay start Ada and a cat --turns=3 --pace=0", user=BOB)
        await bot.runs("/persona delete ada", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("all lines were said")
        own = [f"{each.author}: {each.text}" for each in bot.adapter.messages if each.own and each.author != "bot"]
        assert own[1:] == ["Cat: Meow.", "Ada: Two.", "Cat: Purr."]
        assert bot.model.prompts[1].messages[0].text.count("counts everything") == 1


async def test_a_persona_keeps_what_it_learned_only_if_told_to() -> None:
    async with bot_with("Meow.", "Two.", "The cat owes me a fish.", "Purr.") as bot:
        await bot.runs("/persona create Ada Counts.", user=BOB)
        await bot.runs("/persona edit ada --memory=yes", user=BOB)
        await bot.runs("/roleplay start a cat and Ada --turns=2 --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("all lines were said")
        await bot.runs("/persona edit ada --greeting=-", user=BOB)  # waits until the scene is done with
        await bot.runs("/persona show ada", user=BOB)
        assert bot.shown_privately[-1].endswith("Keeps what it learns in scenes:\n- The cat owes me a fish.")
        await bot.runs("/roleplay start Ada and a dog --turns=1 --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("Purr.")
        assert "[Ada alone knows: The cat owes me a fish.]" in bot.model.prompts[3].messages[-1].text
        await bot.runs("/persona edit ada --memory=no", user=BOB)
        await bot.runs("/persona edit ada --memory=yes", user=BOB)
        await bot.runs("/persona show ada", user=BOB)
        assert bot.shown_privately[-1].endswith("- nothing yet")


async def test_a_template_is_named_with_all_its_words() -> None:
    async with bot_with() as bot:
        await bot.runs("/roleplay start doctor-patient", user=BOB)
        assert bot.buttons == ["▶ Begin", "✖ Not now"]
        await bot.runs("/roleplay start docter-patient", user=BOB)
        assert "Did you mean `doctor-patient`" in bot.last.text
        await bot.runs("/persona create Ada Counts.", user=BOB)
        await bot.runs("/roleplay start Ada", user=BOB)
        assert "Ada does not play alone" in bot.last.text
        await bot.runs("/roleplay start Ada and ada", user=BOB)
        assert bot.last.text.startswith("🎭 **Ada · Ada 2**")


async def test_a_name_with_and_in_it_is_one_when_it_is_known_or_quoted() -> None:
    async with bot_with() as bot:
        await bot.runs('/persona create "Salt and Pepper" Two in one.', user=BOB)
        await bot.runs("/roleplay start Salt and Pepper and a cat", user=BOB)
        assert bot.last.text.startswith("🎭 **Salt and Pepper · Cat**")
        await bot.runs('/roleplay start "Romeo and Juliet\'s Nurse" and Mercutio --turns=3', user=BOB)
        assert bot.last.text.startswith("🎭 **Romeo and Juliet's Nurse · Mercutio**\n")
        assert "needs quotes" not in bot.last.text
        await bot.runs("/roleplay start Romeo and Juliet's Nurse and Mercutio", user=BOB)
        assert bot.last.text.startswith("🎭 **Romeo · Juliet's Nurse · Mercutio**\n")
        told = 'A name with “and” in it needs quotes: `/roleplay start "Salt and Pepper" and Ada`.'
        assert f"-# {told}" in bot.last.text
        await bot.runs("/roleplay start a and b and c and d and e and f and g", user=BOB)
        assert bot.last.text.endswith(f"At most 6 can be on stage. {told}")
        await bot.runs("/roleplay start a cat and a dog --lines=5")
        assert bot.last.text.endswith("I do not know `--lines`. `/help roleplay start` tells what there is.")


async def test_a_scene_that_was_saved_says_who_a_persona_is_once() -> None:
    async with bot_with("Meow.", "Two.", "Meow!", "Three.") as bot:
        await bot.runs("/persona create Ada Counts everything.", user=BOB)
        await bot.runs("/roleplay start a cat and Ada --turns=2 --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("all lines were said")
        await bot.runs("/roleplay save Counting", user=BOB)
        await bot.runs("/roleplay start counting --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("all lines were said", 2)
        told = [prompt.messages[0].text for prompt in bot.model.prompts]
        assert [each.count("Counts everything.") for each in told] == [0, 1, 0, 1]


def test_the_id_of_an_offer_fits_below_any_button() -> None:
    carried = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    assert len(button_id(Button("take-card", "Import", (carried,)), "9" * 20)) <= MAX_ID
