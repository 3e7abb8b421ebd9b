"""What a scene asks of a model besides its lines: within its budget, and counted to it."""

from __future__ import annotations

from bot.api import Context, ModelChoice, Prompt, PromptMessage, Usage
from plugins.roleplay.scene import Scene


async def asked(
    ctx: Context, scene: Scene, text: str, *, answer_tokens: int, model: ModelChoice | None = None
) -> tuple[str, Scene]:
    """The answer, and the scene with what it took. Nothing is asked where as much as that is not left of the budget.
    Raises BotError."""
    choice = model or ctx.conversation.model
    question = ctx.models.count(text)
    if _paid(ctx, scene, choice, question, answer_tokens).is_over_budget:
        return "", scene
    answer = await ctx.ask(Prompt((PromptMessage("user", text),)), model=model)
    return answer.strip(), _paid(ctx, scene, choice, question, ctx.models.count(answer))


def _paid(ctx: Context, scene: Scene, choice: ModelChoice, question: int, answer: int) -> Scene:
    cost = ctx.models.cost(choice, Usage(question, answer))
    return scene.spent(question + answer, float(cost or 0))
