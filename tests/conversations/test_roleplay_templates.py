"""Every template that comes with the bot goes on stage, and its first line is said by whom it belongs to."""

from __future__ import annotations

import pytest

from bot.api import Capabilities
from bot.testing.bot import BOB, TestBot
from plugins.roleplay import plugin as roleplay
from plugins.roleplay.templates import Template, built_in

STAGE = Capabilities(max_chars=2000, edits=True, private=True, buttons=True, speakers=True)


@pytest.mark.parametrize("template", built_in().values(), ids=lambda each: each.id)
async def test_a_template_goes_on_stage(template: Template) -> None:
    first = template.role(template.opener_by)
    [second] = [role for role in template.roles if role is not first]
    assert first is not None
    async with TestBot(["So be it."], plugins=[roleplay], capabilities=STAGE) as bot:
        await bot.runs(f"/roleplay start {template.title} --turns=1 --pace=0", user=BOB)
        look = bot.last.text
        assert bot.model.prompts == []
        assert template.title in look
        assert template.setting in look
        for role in template.roles:
            assert f"**{role.name}** — {role.description}" in look
            assert role.prompt[100:180] not in look
        await bot.presses("▶ Begin", user=BOB)
        await bot.until("The scene is over")
        said = [(each.author, each.text) for each in bot.adapter.messages if each.own and each.author != "bot"]
        assert said == [(first.name, template.opener), (second.name, "So be it.")]
        [prompt] = bot.model.prompts
        told, newest = prompt.messages[0].text, prompt.messages[-1].text
        assert told.startswith(f"You are {second.name}")
        assert template.setting in told
        assert template.ending in told
        assert "{{" not in told
        assert first.prompt[100:180] not in told
        assert f"{first.name}: {template.opener}" in newest
