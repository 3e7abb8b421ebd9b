"""What the adapter hears on a loopback Discord through the real discord.py client."""

from __future__ import annotations

import pytest

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import FakeDiscord, payloads
from bot.api import (
    AnyEvent,
    CommandCall,
    ConfigError,
    DeliveryError,
    Joined,
    Left,
    Message,
    MessageDeleted,
    MessageEdited,
    Online,
    Place,
    Reply,
    Route,
)
from bot.events import event_from_json, event_to_json
from tests.loopback.discord_bot import QUICK, connected, echo


async def test_a_mention_is_answered_with_a_reply_that_rings_nobody() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        question = await discord.says("hi @bot, meet @Olga")
        await discord.wait_until(lambda: discord.answers() == ["You said: hi, meet @Olga"])
        answer = discord.screen()[-1]
        assert answer.reply_to == question.id
        assert answer.nonce
        event = await bot.heard(Message)
        assert (event.id, event.user.name, event.addressed) == (str(question.id), "Ada", True)
        assert event.place == Place("discord", str(discord.guild.id), str(discord.general.id))
        assert [user.name for user in event.mentions] == ["Olga"]
        assert event_from_json(event_to_json(event)) == event
    assert discord.pinged == []
    assert discord.messages.sends_without_allowed_mentions == []


async def test_what_is_not_for_the_bot_is_heard_but_not_addressed() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says("just talking, @Olga")
        event = await bot.heard(Message)
        assert not event.addressed
        assert event.text == "just talking, @Olga"


async def test_a_direct_message_is_addressed_and_gives_its_person_all_rights() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        here = discord.direct()
        await discord.says("hello", channel=here)
        await discord.wait_until(lambda: discord.answers(here) == ["You said: hello"])
        event = await bot.heard(Message)
        assert event.place == Place("discord", "dm", str(here.id))
        assert event.user.permissions == {"admin"}


async def test_rights_in_a_channel_become_plain_names() -> None:
    async with FakeDiscord() as discord:
        mo = discord.account("Mo", may=["manage_messages"])
        async with connected(discord) as bot:
            await discord.says("one", author=mo)
            assert (await bot.heard(Message)).user.permissions == {"manage_messages"}
            await discord.says("two", author=discord.owner)
            assert "admin" in (await bot.heard(Message, 2)).user.permissions
            await discord.says("three")
            assert (await bot.heard(Message, 3)).user.permissions == frozenset()


async def test_a_reply_to_the_bot_is_addressed_and_carries_the_chain() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        await discord.says("@bot I like tea\nand cake")
        await discord.wait_until(discord.answers)
        await discord.says("why?", reply_to=discord.screen()[-1])
        event = await bot.heard(Message, 2)
        assert event.addressed
        assert event.in_reply_to == str(discord.screen()[1].id)
        assert event.text == "why?"
        assert event.quoted == "> Ada: I like tea\n> and cake\n\n> duologue: You said: I like tea\n> and cake"


async def test_a_reply_to_somebody_else_quotes_them_within_bounds() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        long = await discord.says("word " * 1000, author=discord.owner)
        await discord.says("@bot is that true?", reply_to=long)
        event = await bot.heard(Message, 2)
        assert event.text == "is that true?"
        assert event.quoted.startswith("> Olga: word word")
        assert event.quoted.endswith(" …")
        assert len(event.quoted) < 1700


async def test_a_thread_is_a_place_of_its_own_and_the_bots_own_thread_needs_no_mention() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        theirs = await discord.thread("Tea")
        own = await discord.thread("Cake", owner=discord.bot)
        await discord.says("hm", channel=theirs)
        event = await bot.heard(Message)
        assert event.place == Place("discord", str(discord.guild.id), str(discord.general.id), str(theirs.id))
        assert not event.addressed
        await discord.says("hello", channel=own)
        await discord.wait_until(lambda: discord.answers(own) == ["You said: hello"])
        assert discord.answers() == discord.answers(theirs) == []


async def test_the_bot_hears_neither_itself_nor_other_bots() -> None:
    async with FakeDiscord() as discord:
        robot = discord.account("Robot", is_bot=True)
        async with connected(discord, echo) as bot:
            await discord.says("@bot beep", author=robot)
            await discord.says("@bot hi")
            await discord.wait_until(discord.answers)
            await discord.says("last")
            assert (await bot.heard(Message, 2)).text == "last"
            assert [event.text for event in bot.of(Message)] == ["hi", "last"]
        async with connected(discord, listen_to_bots=True) as bot:
            await discord.says("@bot beep", author=robot)
            assert (await bot.heard(Message)).user.is_bot


@pytest.mark.parametrize(
    "settings",
    [
        lambda discord: {"deny_users": [discord.ada.id]},
        lambda discord: {"users": [discord.owner.id]},
        lambda discord: {"channels": [discord.world.new_id()]},
        lambda discord: {"deny_channels": [discord.general.id]},
        lambda discord: {"deny_guilds": [discord.guild.id]},
        lambda discord: {"guilds": [discord.world.new_id()]},
    ],
)
async def test_lists_say_who_is_heard_where(settings) -> None:  # type: ignore[no-untyped-def]  # one line each
    async with FakeDiscord() as discord, connected(discord, **settings(discord)) as bot:
        thread = await discord.thread("Tea")
        await discord.says("@bot one")
        await discord.says("@bot two", channel=thread)
        await discord.says("@bot three", channel=discord.direct(discord.owner), author=discord.owner)
        assert (await bot.heard(Message)).text == "three"
        assert len(bot.of(Message)) == 1


async def test_direct_messages_can_be_switched_off() -> None:
    async with FakeDiscord() as discord, connected(discord, direct_messages=False) as bot:
        await discord.says("psst", channel=discord.direct())
        await discord.says("aloud")
        assert (await bot.heard(Message)).text == "aloud"


async def test_edits_and_deletions_are_events() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        message = await discord.says("@bot helo")
        await bot.heard(Message)
        await discord.edits(message, "@bot hello")
        edited = await bot.heard(MessageEdited)
        assert (edited.message, edited.text, edited.user.name) == (str(message.id), "hello", "Ada")
        assert edited.id != str(message.id)
        await discord.deletes(message)
        deleted = await bot.heard(MessageDeleted)
        assert deleted.messages == (str(message.id),)
        assert deleted.place == edited.place


async def test_a_deletion_in_an_archived_thread_names_the_thread_and_where_it_hangs() -> None:
    async with FakeDiscord() as discord:
        thread = await discord.thread("tea")
        message, other = [await discord.says(text, channel=thread) for text in ("my secret", "another")]
        await discord.archives(thread)
        async with connected(discord) as bot:
            await discord.deletes(message)
            deleted = await bot.heard(MessageDeleted)
            assert deleted.messages == (str(message.id),)
            assert deleted.place == Place("discord", str(discord.guild.id), str(discord.general.id), str(thread.id))
            discord.fails(f"GET /channels/{thread.id}", status=403)
            await discord.deletes(other)
            assert (await bot.heard(MessageDeleted, 2)).messages == (str(other.id),)


async def test_who_joins_and_leaves_is_told_where_the_intent_is_on() -> None:
    async with FakeDiscord(members=True) as discord, connected(discord, member_events=True) as bot:
        newcomer = await discord.joins("Newt")
        assert (await bot.heard(Joined)).user.name == "Newt"
        await discord.leaves(newcomer)
        assert (await bot.heard(Left)).user.id == str(newcomer.id)


async def test_going_online_tells_the_newest_message_of_every_channel_and_thread() -> None:
    async with FakeDiscord() as discord:
        thread = await discord.thread("Tea")
        quiet, hidden = discord.channel("quiet"), discord.channel("hidden")
        await discord.denies("view_channel", hidden)
        await discord.says("unseen", channel=hidden)
        first, second = await discord.says("one"), await discord.says("two", channel=thread)
        async with connected(discord) as bot:
            online = await bot.heard(Online)
            guild, general = str(discord.guild.id), str(discord.general.id)
            assert online.latest == {
                str(Place("discord", guild, general)): str(first.id),
                str(Place("discord", guild, general, str(thread.id))): str(second.id),
            }
            assert not {str(quiet.id), str(hidden.id)} & {Place.parse(place).channel for place in online.latest}


async def test_history_reads_back_what_was_missed_and_marks_the_bots_own() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, echo):
            await discord.says("@bot one @everyone")
            await discord.wait_until(discord.answers)
        robot = discord.account("Robot", is_bot=True)
        first = discord.screen()[0]
        await discord.says("beep", author=robot)
        await discord.says("@bot two")
        async with connected(discord) as bot:
            route = Route(Place("discord", str(discord.guild.id), str(discord.general.id)))
            posted = await bot.adapter.history(route, str(first.id), 100)
            assert [(each.text, each.own) for each in posted] == [
                ("You said: one @everyone", True),
                ("beep", False),
                ("two", False),
            ]
            assert posted[0].in_reply_to == str(first.id)
            assert [each.event is not None for each in posted] == [False, False, True]
            await discord.says("@bot three")
            live = await bot.heard(Message)
            again = await bot.adapter.history(route, posted[-1].id, 1)
            assert again[0].event is not None
            assert (again[0].event.id, again[0].event.text, again[0].event.place) == (live.id, live.text, live.place)
            newest = await bot.adapter.history(route, None, 2)
            assert [each.text for each in newest] == ["two", "three"]


async def test_a_lost_gateway_is_resumed_without_losing_or_doubling_a_message() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        await discord.says("@bot one")
        await discord.wait_until(lambda: len(discord.answers()) == 1)
        await discord.gateway.close()
        await discord.says("@bot two")
        await discord.wait_until(lambda: len(discord.answers()) == 2)
        assert discord.gateway.resumed == 1
        await discord.says("@bot three")
        await discord.wait_until(lambda: len(discord.answers()) == 3)
        assert [event.text for event in bot.of(Message)] == ["one", "two", "three"]
        assert len(bot.of(Online)) == 1


async def test_a_session_that_cannot_be_resumed_is_told_as_a_gap() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        await discord.gateway.close(resumable=False)
        missed = await discord.says("@bot are you there?")
        online = await bot.heard(Online, 2)
        assert str(missed.id) in online.latest.values()
        assert bot.of(Message) == []
        posted = await bot.adapter.history(Route(Place.parse(next(iter(online.latest)))), None, 10)
        assert posted[-1].event is not None


async def test_files_are_offered_and_fetched_within_bounds() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.uploads("notes.txt", b"tea is hot", "@bot read this")
        event = await bot.heard(Message)
        (file,) = event.attachments
        assert (file.name, file.media_type, file.size) == ("notes.txt", "text/plain", 10)
        assert await bot.adapter.fetch(file, 10) == b"tea is hot"
        with pytest.raises(DeliveryError, match="10 bytes"):
            await bot.adapter.fetch(file, 9)
        discord.world.files.clear()
        with pytest.raises(DeliveryError) as gone:
            await bot.adapter.fetch(file, 10)
        assert gone.value.public == "`notes.txt` is no longer there."


async def test_files_are_read_from_discord_alone() -> None:
    from bot.api import Attachment

    adapter = DiscordAdapter(FakeDiscord().settings())
    for url in ("http://169.254.169.254/latest", "https://evil.example/cdn.discordapp.com", "file:///etc/passwd"):
        with pytest.raises(DeliveryError, match="not a file of Discord"):
            await adapter.fetch(Attachment("x", "text/plain", 1, url), 100)


@pytest.mark.parametrize("text", ["", "   \n ", "\u200b", "x" * 100_000, "\ud83d half \ude00", "\u202eright to left"])
async def test_odd_messages_are_heard_as_text(text: str) -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.says(f"@bot {text}")
        event = await bot.heard(Message)
        assert event.addressed
        assert event.text == text.replace("\ud83d", "�").replace("\ude00", "�").strip()
        assert event_from_json(event_to_json(event)) == event


async def test_without_the_message_content_intent_it_still_hears_what_is_meant_for_it() -> None:
    async with FakeDiscord(message_content=False) as discord, connected(discord, echo) as bot:
        await discord.says("secret talk")
        await discord.says("@bot hello")
        await discord.wait_until(lambda: discord.answers() == ["You said: hello"])
        assert [event.text for event in bot.of(Message)] == ["hello"]
        here = bot.of(Message)[0].route
        assert not bot.adapter.capabilities(here).hears_all
        assert bot.adapter.capabilities(Route(Place("discord", "dm", str(discord.direct().id)))).hears_all


async def test_stickers_polls_and_what_is_forwarded_are_heard() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        files = (await discord.uploads("tea.txt", b"hot", "look")).attachments
        await bot.heard(Message)
        question = await discord.says("@bot")
        await bot.heard(Message, 2)
        said = payloads.message_event(discord.world, question, content=True)
        forwarded = {"type": 0, "content": "see <@1>", "attachments": files, "embeds": [], "flags": 0, "mentions": []}
        forwarded |= {"timestamp": said["timestamp"], "edited_timestamp": None, "mention_roles": [], "components": []}
        poll = {
            "question": {"text": "Tea?"},
            "answers": [{"answer_id": 1, "poll_media": {"text": "Yes"}}],
            "expiry": None,
        }
        for number, more in enumerate(
            (
                {"sticker_items": [{"id": "5", "name": "Wave", "format_type": 1}]},
                {"poll": poll | {"expiry": payloads.now(), "allow_multiselect": False, "layout_type": 1}},
                {"message_snapshots": [{"message": forwarded}]},
            )
        ):
            await discord.gateway.dispatch("MESSAGE_CREATE", said | {"id": str(question.id + 1 + number)} | more)
        await bot.heard(Message, 5)
        assert [event.text for event in bot.of(Message)[2:]] == ["[Wave]", "**Tea?**\n- Yes", "see @somebody"]
        assert [file.name for file in bot.of(Message)[4].attachments] == ["tea.txt"]


async def test_an_event_that_cannot_be_read_costs_nothing_but_itself(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeDiscord() as discord, connected(discord, echo):
        await discord.gateway.dispatch("MESSAGE_CREATE", {"id": "1", "channel_id": str(discord.general.id)})
        await discord.says("@bot still there?")
        await discord.wait_until(lambda: discord.answers() == ["You said: still there?"])
        assert discord.gateway.resumed == 0
    assert "could not be read" in caplog.text


async def test_a_wrong_token_is_explained() -> None:
    async with FakeDiscord() as discord:
        settings = discord.settings().model_copy(update={"token": None})
        wrong = discord.settings()
        discord._server.token = discord.gateway._token = "another"

        async def ignore(event: AnyEvent) -> None:
            raise AssertionError(event)

        with pytest.raises(ConfigError, match="does not accept DISCORD_TOKEN"):
            await DiscordAdapter(wrong, timing=QUICK).run(ignore, [])
        with pytest.raises(ConfigError, match="DISCORD_TOKEN"):
            await DiscordAdapter(settings, timing=QUICK).run(ignore, [])


async def test_typed_commands_are_taken_where_switched_on_and_when_addressed() -> None:
    async with FakeDiscord() as discord, connected(discord, text_prefix="!") as bot:
        await discord.says("!unknown thing")
        assert (await bot.heard(Message)).text == "!unknown thing"
        await discord.says("@bot /help me @Olga")
        call = await bot.heard(CommandCall)
        assert (call.command, call.text, call.arguments) == ("help", "me @Olga", None)
        assert [user.name for user in call.mentions] == ["Olga"]
        await discord.says("@bot /usr/bin is a path")
        assert (await bot.heard(Message, 2)).text == "/usr/bin is a path"


async def test_a_private_reply_without_an_interaction_goes_as_a_direct_message() -> None:
    async def whisper(adapter: DiscordAdapter, event: Message) -> None:
        if event.addressed:
            await adapter.send(event.route, Reply("the secret", private=True))

    async with FakeDiscord() as discord, connected(discord, whisper) as bot:
        await discord.says("@bot tell me")
        await discord.wait_until(lambda: discord.answers(discord.direct()) == ["the secret"])
        assert discord.answers() == []
        discord.direct().locked = True
        await discord.says("@bot tell me again")
        await discord.wait_until(discord.answers)
        assert "secret" not in discord.answers()[0]
        assert bot.errors == []


async def test_a_channel_is_not_read_back_after_what_is_no_message() -> None:
    """What a plugin says about an edit or a newcomer is journaled under that event's id."""
    async with FakeDiscord() as discord, connected(discord) as bot:
        here = Route(Place("discord", str(discord.guild.id), str(discord.general.id)))
        with pytest.raises(DeliveryError, match="not the id of a message"):
            await bot.adapter.history(here, "123:joined:456", 5)
