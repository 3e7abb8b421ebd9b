"""What characters remember: of a long scene what no longer fits, and of other scenes only if told to."""

from __future__ import annotations

import random

from bot.api import Capabilities, Context, Plugin, Prompt
from bot.errors import BadRequest
from bot.model.scripted import Answer, Scripted
from bot.testing.bot import BOB, TestBot
from plugins.roleplay import plugin as roleplay
from plugins.roleplay.memory import Learned, learn, recalled
from plugins.roleplay.personas import Persona, reading
from plugins.roleplay.scene import Role, Scene, SceneLine
from plugins.roleplay.settings import RoleplaySettings

STAGE = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True)


def long_lines(count: int) -> list[str]:
    """None like another."""
    dice = random.Random(7)
    return [" ".join("".join(dice.choices("aeiourstlmn", k=6)) for _ in range(40)) + " zzz." for _ in range(count)]


def performing(summary: str | Exception) -> TestBot:
    """A bot with little room, whose model says long lines, and this when it is asked for a summary."""
    said = iter(long_lines(40))

    def answer(prompt: Prompt) -> Answer:
        return summary if "Tell in at most eight" in str(prompt) else next(said)

    settings = {"memory": {"budget_tokens": 1300, "reserve_tokens": 200}}
    return TestBot(Scripted(answer), plugins=[roleplay], capabilities=STAGE, settings=settings)


async def performs(bot: TestBot) -> list[str]:
    """All that was shown of a long scene."""
    await bot.runs("/roleplay start a cat and a dog --turns=16 --pace=0", user=BOB)
    await bot.presses("▶ Begin", user=BOB)
    await bot.until("The scene is over: all lines were said")
    return [message.text for message in bot.adapter.messages if message.own]


async def test_what_no_longer_fits_is_summarised_for_everybody() -> None:
    async with performing("They told each other stories of paper.") as bot:
        shown = await performs(bot)
        assert "They told each other stories of paper." not in shown
        asked = [at for at, prompt in enumerate(bot.model.prompts) if "Tell in at most eight" in str(prompt)]
        assert asked
        assert "[What happened before: They told each other" in str(bot.model.prompts[-1])
        assert "What happened before" not in str(bot.model.prompts[: asked[0]])


async def test_a_scene_goes_on_without_a_summary_when_there_can_be_none() -> None:
    async with performing(BadRequest("no")) as bot:
        assert sum("zzz." in text for text in await performs(bot)) == 16
        assert "What happened before" not in str(bot.model.prompts)


async def test_a_small_model_speaks_at_a_higher_temperature_unless_somebody_chose_one() -> None:
    little = {"memory": {"budget_tokens": 1600, "reserve_tokens": 200}}
    chosen = {"model": {"provider": "scripted", "name": "scripted", "parameters": {"temperature": 0.1}}}
    for settings, temperature in (({}, None), (little, 0.8), (little | chosen, 0.1)):
        bot = TestBot(Scripted(["Meow.", "Woof."]), plugins=[roleplay], capabilities=STAGE, settings=settings)
        async with bot:
            await bot.runs("/roleplay start a cat and a dog --turns=2 --pace=0", user=BOB)
            await bot.presses("▶ Begin", user=BOB)
            await bot.until("The scene is over")
            assert {turn.model.parameters.get("temperature") for turn in bot.model.turns} == {temperature}


async def test_a_persona_keeps_what_it_learned_only_if_told_to() -> None:
    kept: list[tuple[str, ...]] = []
    ada = Role(id="a", name="Ada", prompt="", persona="ada", remembers=True)
    bo = Role(id="b", name="Bo", prompt="", persona="bo")
    scene = Scene(roles=(ada, bo), root=1)
    lines = [SceneLine(2, "Ada", "It rains.", role="a"), SceneLine(3, "Bo", "I owe you a coat.", role="b")]

    async def at_the_end(ctx: Context) -> None:
        """Of a scene."""
        await ctx.save(Persona(id="ada", name="Ada", keeps_memory=True), scope="workspace", key="ada")
        await learn(ctx, scene, lines)
        kept.extend([await recalled(ctx, "ada"), await recalled(ctx, "bo")])
        await learn(ctx, scene, lines)
        kept.append(await recalled(ctx, "ada"))

    plugin = Plugin("theatre", "Ends scenes.", settings=RoleplaySettings, lifespan=reading)
    plugin.command()(at_the_end)
    answers = ["- Bo owes Ada a coat.\n\n* It rains a lot here.", "It rains a lot here.\nA third thing."]
    async with TestBot(answers, plugins=[plugin]) as bot:
        await bot.runs("/at_the_end")
        assert kept[:2] == [("Bo owes Ada a coat.", "It rains a lot here."), ()]
        assert kept[2] == ("Bo owes Ada a coat.", "It rains a lot here.", "A third thing.")
        assert "Bo: I owe you a coat." in str(bot.model.prompts[0])
        assert Learned(notes=kept[2]).notes == kept[2]


async def test_what_was_learned_is_kept_of_a_scene_that_somebody_ends() -> None:
    def answer(prompt: Prompt) -> Answer:
        return "The dog owes me a fish." if "still know from it" in str(prompt) else "I owe you a fish."

    async with TestBot(Scripted(answer), plugins=[roleplay], capabilities=STAGE) as bot:
        persona = Persona(id="cat", name="Cat", prompt="You are a cat.", keeps_memory=True)
        kept = "workspace:fake:workspace", "Persona:cat"
        await bot.app.store.save_state("roleplay", *kept, persona.model_dump(mode="json"))
        await bot.runs("/roleplay start Cat and a dog --turns=9 --pace=600", user=BOB)
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The curtain rises.")
        await bot.idle()
        await bot.runs("/roleplay next", user=BOB)
        await bot.until("I owe you a fish.")
        await bot.runs("/roleplay stop", user=BOB)
        await bot.until("somebody ended it")
        for _ in range(2_000):
            if learned := await bot.app.store.load_state("roleplay", "workspace:fake:workspace", "Learned:cat"):
                break
        assert learned is not None
        assert learned[0] == {"notes": ["The dog owes me a fish."]}
