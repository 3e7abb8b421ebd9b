"""The bot comes to servers and leaves them, hears reactions and edits, and says what Discord hides from it."""

from __future__ import annotations

from pathlib import Path

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.testing import Channel, FakeDiscord
from adapters.discord.testing.world import PERMISSIONS, Guild
from bot.api import Joined, Left, Message, MessageEdited, Online, Place, Reacted, Reply, Speaker
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.discord_bot import connected, echo
from tests.loopback.whole_bot import prompt_of, whole_bot


def strange(discord: FakeDiscord, name: str) -> tuple[Guild, Channel]:
    """A server that the bot has nothing to do with yet."""
    guild, lobby = discord.servers.of(discord.owner, name)
    del discord.world.guilds[guild.id]
    return guild, lobby


# Servers


async def test_being_invited_is_told_with_the_first_channel_where_it_may_write() -> None:
    async with FakeDiscord() as discord:
        guild, lobby = strange(discord, "Cafe")
        rules = discord.world.add_channel(Channel(discord.world.new_id(), "talk", guild=guild))
        lobby.overwrites[guild.id] = (0, PERMISSIONS["send_messages"])
        async with connected(discord) as bot:
            await discord.servers.invites(guild)
            joined = await bot.heard(Joined)
            assert joined.is_me
            assert joined.user.name == "duologue"
            assert joined.place == Place("discord", str(guild.id), str(rules.id))
            await discord.says("@bot hello", channel=rules, author=discord.owner)
            assert (await bot.heard(Message)).place == joined.place


async def test_the_channel_for_newcomers_is_preferred() -> None:
    async with FakeDiscord() as discord:
        guild, _ = strange(discord, "Cafe")
        guild.greets_in = discord.world.add_channel(Channel(discord.world.new_id(), "hello", guild=guild))
        async with connected(discord) as bot:
            await discord.servers.invites(guild)
            assert (await bot.heard(Joined)).place.channel == str(guild.greets_in.id)


async def test_neither_a_start_nor_an_outage_is_a_coming() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.servers.goes_down(discord.guild)
        missed = await discord.says("@bot did you miss this?")
        await discord.servers.comes_back(discord.guild)
        online = await bot.heard(Online, 2)
        assert set(online.latest.values()) == {str(missed.id)}
        await discord.gateway.close(resumable=False)
        await bot.heard(Online, 3)
        assert bot.of(Joined) == bot.of(Left) == []


async def test_being_thrown_out_is_told() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        await discord.servers.throws_out(discord.guild)
        left = await bot.heard(Left)
        assert left.is_me
        assert left.place.workspace == str(discord.guild.id)
        assert bot.of(Joined) == []


async def test_servers_that_came_and_went_in_a_gap_are_told_when_it_ends() -> None:
    async with FakeDiscord() as discord:
        cafe, _ = strange(discord, "Cafe")
        async with connected(discord) as bot:
            discord.gateway.open = False
            await discord.gateway.close(resumable=False)
            discord.world.guilds[cafe.id] = cafe
            del discord.world.guilds[discord.guild.id]
            discord.gateway.open = True
            assert (await bot.heard(Joined)).place.workspace == str(cafe.id)
            assert (await bot.heard(Left)).place.workspace == str(discord.guild.id)
            online = await bot.heard(Online, 2)
            assert online.latest == {}


# Reactions


async def test_reactions_to_its_own_messages_are_heard_and_no_others() -> None:
    async with FakeDiscord() as discord, connected(discord, echo) as bot:
        theirs = await discord.says("@bot hello")
        await discord.wait_until(discord.answers)
        own = discord.screen()[-1]
        await discord.servers.reacts(theirs, "🎉", discord.ada)
        await discord.servers.reacts(own, "👍", discord.ada)
        await discord.servers.reacts(own, "👍", discord.ada, added=False)
        await discord.servers.reacts(own, "🤖", discord.bot)
        last = await bot.heard(Reacted, 2)
        assert (last.message, last.emoji, last.added) == (str(own.id), "👍", False)
        first = bot.of(Reacted)[0]
        assert (first.user.name, first.added) == ("Ada", True)
        assert first.place == Place("discord", str(discord.guild.id), str(discord.general.id))
        assert len({event.id for event in bot.of(Reacted)}) == 2


async def test_a_reaction_to_one_of_its_faces_is_heard() -> None:
    async def play(adapter: DiscordAdapter, event: Message) -> None:
        if event.addressed:
            await adapter.send(event.route, Reply("Good day.", speaker=Speaker("ann", "Ann")))

    async with FakeDiscord() as discord:
        await discord.allows("manage_webhooks")
        async with connected(discord, play) as bot:
            await discord.says("@bot hello")
            await discord.wait_until(discord.answers)
            face = discord.screen()[-1]
            assert face.webhook is not None
            await discord.servers.reacts(face, "👍", discord.ada)
            assert (await bot.heard(Reacted)).message == str(face.id)


async def test_a_reaction_to_what_was_said_before_a_restart_is_heard() -> None:
    async with FakeDiscord() as discord:
        async with connected(discord, echo):
            await discord.says("hello", channel=discord.direct())
            await discord.wait_until(lambda: discord.answers(discord.direct()))
        async with connected(discord) as bot:
            await discord.servers.reacts(discord.screen(discord.direct())[-1], "❤️", discord.ada)
            assert (await bot.heard(Reacted)).user.id == str(discord.ada.id)


# Edits


async def test_a_mention_that_is_added_later_makes_a_question_once() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        message = await discord.says("what is tea?")
        await bot.heard(Message)
        await discord.edits(message, "@bot what is tea?")
        edited = await bot.heard(MessageEdited)
        assert edited.question is not None
        assert (edited.question.id, edited.question.text, edited.question.addressed) == (
            str(message.id),
            "what is tea?",
            True,
        )
        for text in ("@bot what is green tea?", "what is tea?", "@bot what is tea?"):
            await discord.edits(message, text)
        await bot.heard(MessageEdited, 4)
        assert [event.question is not None for event in bot.of(MessageEdited)] == [True, False, False, False]


async def test_an_edit_that_only_changes_a_question_asks_nothing_by_itself() -> None:
    async with FakeDiscord() as discord, connected(discord) as bot:
        message = await discord.says("@bot what is te?")
        await bot.heard(Message)
        await discord.edits(message, "@bot what is tea?")
        assert (await bot.heard(MessageEdited)).question is None


async def test_an_edit_in_the_same_moment_asks_once(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("Hot leaves.") as model, whole_bot(tmp_path, discord, model) as bot:
        await discord.edits(await discord.says("what is tea?"), "@bot what is tea?")
        await bot.until(discord.answers)
        await bot.idle()
        await bot.asked("@bot thanks")
        assert discord.answers() == ["Hot leaves.", "Hot leaves."]


async def test_a_forgotten_mention_is_answered_and_remembered_once(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("Hot leaves.") as model, whole_bot(tmp_path, discord, model) as bot:
        message = await discord.says("what is tea?")
        await bot.asked("hello", channel=discord.direct())
        await discord.edits(message, "@bot what is tea?")
        await bot.until(lambda: discord.answers() == ["Hot leaves."])
        await bot.idle()
        assert discord.screen()[-1].reply_to == message.id
        path = await bot.tree()
        alive = [(each.role, each.text) for each in path if each.status == "complete"]
        assert alive == [("user", "what is tea?"), ("assistant", "Hot leaves.")]


# Replies, and what the message content intent hides


async def test_what_is_remembered_anyway_is_not_quoted_again(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("Hot leaves.") as model, whole_bot(tmp_path, discord, model) as bot:
        await bot.asked("@bot what is tea?")
        await bot.asked("and green tea?", reply_to=discord.screen()[-1])
        assert "> duologue" not in prompt_of(model.seen[-1])[-1]


async def test_what_was_said_before_the_bot_came_is_quoted(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeOpenAI("It is.") as model:
        early = await discord.says("Tea is hot", author=discord.owner)
        async with whole_bot(tmp_path, discord, model) as bot:
            await bot.asked("@bot is that so?", reply_to=early)
            assert "> Olga: Tea is hot" in prompt_of(model.seen[-1])[-1]
            # A mention alone asks about what it replies to.
            await bot.asked("@bot", reply_to=early)
            assert "> Olga: Tea is hot" in prompt_of(model.seen[-1])[-1]


async def test_without_the_intent_mentions_replies_direct_messages_and_their_edits_still_work() -> None:
    async with FakeDiscord(message_content=False) as discord, connected(discord, echo) as bot:
        overheard = await discord.says("secret")
        question = await discord.says("@bot one")
        await discord.wait_until(lambda: len(discord.answers()) == 1)
        await discord.says("two", reply_to=discord.screen()[-1])
        await discord.says("three", channel=discord.direct())
        await bot.heard(Message, 3)
        assert {event.text for event in bot.of(Message)} == {"one", "two", "three"}
        await discord.edits(overheard, "more secret")
        await discord.edits(question, "@bot one!")
        assert (await bot.heard(MessageEdited)).text == "one!"
        await discord.edits(overheard, "@bot no longer secret")
        assert (await bot.heard(MessageEdited, 2)).question is not None
        assert len(bot.of(MessageEdited)) == 2


async def test_without_the_intent_it_says_once_per_channel_what_it_cannot_see() -> None:
    async with FakeDiscord(message_content=False) as discord, connected(discord) as bot:
        hidden = await discord.says("Tea is cold", author=discord.owner)
        await discord.says("@bot is that so?", reply_to=hidden)
        await discord.wait_until(discord.answers)
        event = await bot.heard(Message)
        assert (event.text, event.quoted) == ("is that so?", "> Olga: (a message that I may not read)")
        await discord.says("@bot and this?", reply_to=hidden)
        await bot.heard(Message, 2)
        (said,) = discord.answers()
        assert "shows me only messages that mention me" in said
        assert f"https://discord.com/developers/applications/{discord.bot.id}/bot" in said


async def test_a_reply_that_pings_nobody_cannot_be_read_and_that_is_said() -> None:
    async with FakeDiscord(message_content=False) as discord, connected(discord, echo) as bot:
        await discord.says("@bot hello")
        await discord.wait_until(discord.answers)
        own = discord.screen()[-1]
        await discord.says("quietly", reply_to=own, silent=True)
        await discord.wait_until(lambda: len(discord.answers()) == 2)
        assert "Message Content Intent" in discord.answers()[1]
        assert len(bot.of(Message)) == 1
