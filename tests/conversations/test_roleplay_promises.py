"""What a scene promises whoever plays in it: who is asked what, what is remembered, and that no scene is in another."""

from __future__ import annotations

from collections.abc import Sequence

from bot.api import Capabilities, Place, Prompt, User
from bot.errors import BadRequest
from bot.model.scripted import Say, Scripted
from bot.testing.bot import ANN, BOB, TestBot
from bot.testing.hand_clock import HandClock
from plugins.commands import plugin as commands
from plugins.roleplay import plugin as roleplay

STAGE = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True)
CARL = User("u-carl", "Carl")
ELSEWHERE = Place("fake", "workspace", "other")


def bot_with(*lines: object, clock: HandClock | None = None) -> TestBot:
    return TestBot(lines, plugins=[commands, roleplay], capabilities=STAGE, clock=clock)  # type: ignore[arg-type]


async def begins(bot: TestBot, line: str, place: Place | None = None) -> None:
    await bot.runs(f"/roleplay start {line}", user=BOB, place=place)
    await bot.presses("▶ Begin", user=BOB)


def lines(bot: TestBot, place: Place | None = None) -> list[str]:
    said = [each for each in bot.adapter.messages if each.own and each.author not in ("bot", "Narrator")]
    return [f"{each.author}: {each.text}" for each in said if each.place == (place or bot.place)]


def systems(prompts: Sequence[Prompt]) -> list[list[str]]:
    return [[each.text for each in prompt.messages if each.role == "system"] for prompt in prompts]


async def test_each_line_is_asked_with_one_system_message_that_holds_the_persona_and_nothing_that_changes() -> None:
    async with bot_with("One.", "Two.", "Three.", "Four.") as bot:
        await bot.runs("/persona create Ada You count everything.", user=BOB)
        await begins(bot, "Ada and a cat --turns=4 --pace=0")
        await bot.until("all lines were said")
        asked = systems(bot.model.prompts)
        assert [len(each) for each in asked] == [1] * 4
        assert all(prompt.messages[0].role == "system" for prompt in bot.model.prompts)
        assert [text.startswith("You count everything.") for (text,) in asked] == [True, False, True, False]
        assert asked[0] == asked[2]
        assert asked[1] == asked[3]


async def test_each_is_sent_its_own_lines_as_its_own_and_the_others_as_told() -> None:
    async with bot_with("One.", "Two.", "Three.") as bot:
        await begins(bot, 'a cat and a dog --turns=3 --pace=0 --opener="Dog: Hello?"')
        await bot.until("all lines were said")
        said = [(each.role, each.text) for each in bot.model.prompts[-1].messages[1:]]
        assert said == [
            ("user", "[The scene begins.]\n\nDog: Hello?"),
            ("assistant", "One."),
            ("user", "Dog: Two."),
        ]


async def test_a_line_that_failed_leaves_nothing_behind() -> None:
    async with bot_with("One.", BadRequest("no"), "Two.") as bot:
        await begins(bot, "a cat and a dog --turns=2 --pace=0")
        await bot.until("all lines were said")
        before, after = (prompt.messages for prompt in bot.model.prompts[1:])
        assert before == after
        kept = await bot.app.store.tree(bot.place)
        assert [(each.speaker, each.text) for each in kept][1:] == [("Cat", "One."), ("Dog", "Two.")]


ANSWERS = ("Sacramento.", "Salem.", "About 180,000 people.")


async def test_somebody_can_talk_with_one_persona_alone_and_it_follows() -> None:
    async with bot_with(*ANSWERS) as bot:
        await bot.runs("/persona create Ada You know all capitals.", user=BOB)
        # Nothing happens by itself before somebody has joined.
        await begins(bot, "a visitor and Ada --turns=3 --pace=600")
        await bot.until("The curtain rises.")
        await bot.runs("/roleplay join Visitor", user=CARL)
        asked = ("What is the capital of California?", "How about Oregon?", "How many live there?")
        for number, (question, answer) in enumerate(zip(asked, ANSWERS, strict=True), 1):
            await bot.runs("/roleplay next", user=BOB)
            await bot.until("⏸ Visitor is played by Carl", number)
            await bot.says(question, user=CARL)
            await bot.until(answer)
        await bot.until("all lines were said")
        told = [each.text.rpartition("Visitor: ")[2] for each in bot.model.prompts[-1].messages if each.role == "user"]
        assert told == list(asked)
        said = [each.text for each in bot.model.prompts[-1].messages if each.role == "assistant"]
        assert said == ["Sacramento.", "Salem."]


async def test_the_same_persona_on_two_stages_at_once_knows_each_from_the_other() -> None:
    """While a line hangs in one place, the other scene comes to its end."""

    said = iter(("One.", "Two.", "Three.", "Four."))

    def answer(prompt: Prompt) -> Say:
        told = str(prompt)
        assert ("milk" in told) != ("bones" in told)
        return Say("Here it is milk.", hang=True) if "milk" in told else Say(next(said))

    async with TestBot(Scripted(answer), plugins=[roleplay], capabilities=STAGE) as bot:
        await bot.runs("/persona create Ada You count everything.", user=BOB)
        await bot.runs("/roleplay start Ada and a cat --topic=milk --turns=1 --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB, wait=False)
        await bot.until("Here it is milk.")
        line = "/roleplay start Ada and a dog --topic=bones --turns=4 --pace=0"
        await bot.runs(line, user=BOB, place=ELSEWHERE, wait=False)
        await bot.until("🎭 **Ada · Dog**")
        await bot.presses("▶ Begin", user=BOB, wait=False)
        await bot.until("all lines were said")
        assert len(lines(bot, ELSEWHERE)) == 4
        assert lines(bot) == ["Ada: Here it is milk."]
        await bot.runs("/roleplay stop", user=BOB)


async def test_a_second_scene_in_the_same_place_begins_with_nothing_of_the_first() -> None:
    async with bot_with("Apples.", "Pears.", "Plums.") as bot:
        await begins(bot, "a cat and a dog --turns=2 --pace=0")
        await bot.until("all lines were said")
        await begins(bot, "a cat and a dog --turns=1 --pace=0")
        await bot.until("all lines were said", 2)
        assert "Apples" not in str(bot.model.prompts[-1])
        assert "Pears" not in str(bot.model.prompts[-1])


async def test_a_template_is_performed_about_a_topic() -> None:
    async with bot_with("Well.") as bot:
        await begins(bot, 'agent-client --turns=1 --pace=0 --topic="The novel is about cheese."')
        await bot.until("all lines were said")
        (system,) = systems(bot.model.prompts)[0]
        assert "The novel is about cheese." in system
        assert "The scene ends when the telephone rings" in system


async def test_a_model_directs_and_what_it_says_otherwise_is_not_heeded() -> None:
    async with bot_with("Cow.", "Moo.", "nobody knows", "Meow.") as bot:
        await begins(bot, "a cat, a dog and a cow --turns=2 --pace=0 --order=director")
        await bot.until("all lines were said")
        assert lines(bot) == ["Cow: Moo.", "Cat: Meow."]
        assert "You direct a scene. The cast: Cat, Dog, Cow." in str(bot.model.prompts[0])


async def test_between_two_lines_is_the_pace_and_it_can_be_cut_short() -> None:
    clock = HandClock()
    async with bot_with("One.", "Two.", "Three.", clock=clock) as bot:
        await begins(bot, "a cat and a dog --turns=3 --pace=7")
        for said in ("One.", "Two."):
            await clock.waits(7)
            await bot.idle()
            assert not any(said in line for line in lines(bot))
            clock.passes(7)
            await bot.until(said)
        await clock.waits(7)
        await bot.runs("/roleplay next", user=BOB)
        await bot.until("Three.")


async def test_each_is_played_by_its_own_model_and_parameters() -> None:
    async with bot_with("One.", "Two.") as bot:
        await bot.runs("/persona create Ada You count everything.", user=BOB)
        await bot.runs("/persona model ada scripted temperature=0.5", user=ANN)
        await begins(bot, "Ada and a cat --turns=2 --pace=0")
        await bot.until("all lines were said")
        ada, cat = (turn.model for turn in bot.model.turns)
        assert ada.parameters == {"temperature": 0.5}
        assert cat.parameters == {}


async def test_what_was_said_is_shown_with_the_names_of_those_who_said_it() -> None:
    async with bot_with("One.", "Two.") as bot:
        await bot.runs("/history", user=CARL)
        assert bot.shown_privately[-1] == "I remember nothing here yet. Say something!"
        await begins(bot, "a cat and a dog --turns=2 --pace=600")
        await bot.until("The curtain rises.")
        await bot.says("I bring milk.", user=CARL)
        await bot.runs("/roleplay next", user=BOB)
        await bot.until("One.")
        async with bot.app.runner.turn(bot.place):
            pass  # it is remembered
        await bot.runs("/history", user=CARL)
        told = [line.partition(" ")[2] for line in bot.shown_privately[-1].splitlines()]
        assert told[-3:] == ["**Narrator**: The curtain rises.", "**Carl**: I bring milk.", "**Cat**: One."]


async def test_a_small_model_that_never_ends_is_cut_at_a_sentence() -> None:
    begins_well = "I have counted every penny of it, captain, and the sum is short. You owe me a ship!"
    settings = {"memory": {"budget_tokens": 1600, "reserve_tokens": 200}}
    said = [f"{begins_well} And then I would say this, too. And this.", "No.\n\nDear captain, thank you for writing."]
    async with TestBot(said, plugins=[roleplay], capabilities=STAGE, settings=settings) as bot:
        await bot.runs("/roleplay start a cat and a dog --turns=2 --pace=0", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("all lines were said")
        assert [each.text for each in bot.adapter.messages if each.author in ("Cat", "Dog")] == [begins_well, "No."]
