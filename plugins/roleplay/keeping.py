"""The templates of a server: listing and showing them, keeping scenes as new ones, and giving them out as files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel

from bot.api import (
    Arg,
    Attachment,
    Button,
    Context,
    DeliveryError,
    File,
    NotAllowed,
    Reply,
    UsageError,
    clip,
    counted,
    phrase,
    say,
)
from plugins.roleplay.casting import templates_here
from plugins.roleplay.declared import plugin, roleplay
from plugins.roleplay.personas import home, literally, may_make
from plugins.roleplay.scene import Performed, Scene
from plugins.roleplay.stage import scene_job
from plugins.roleplay.templates import (
    LONGEST_NAME,
    MAX_TEXT,
    Template,
    as_json,
    as_toml,
    built_in,
    find,
    from_scene,
    template_in,
)

log = logging.getLogger(__name__)

PER_PAGE = 10
MOST_TEMPLATES = 100
MOST_SUGGESTIONS = 25
ENDINGS = (".toml", ".json")
# Messages that are looked back at for a file.
LOOKS_BACK = 20


class Saved(BaseModel):
    """Who saved a template, by the template's id."""

    by: str
    name: str


async def _names(ctx: Context, typed: str) -> Sequence[str]:
    wanted = typed.strip().casefold()
    every = (await templates_here(ctx)).values()
    return [each.id for each in every if wanted in each.id or wanted in each.title.casefold()][:MOST_SUGGESTIONS]


async def _own_names(ctx: Context, typed: str) -> Sequence[str]:
    wanted = typed.strip().casefold()
    own = (await _own(ctx)).values()
    return [each.id for each in own if wanted in each.id or wanted in each.title.casefold()][:MOST_SUGGESTIONS]


@roleplay.command("templates", private=True, immediate=True)
async def templates(
    ctx: Context,
    template: Annotated[
        str, Arg("Which one to show; none = list them", max_length=2 * LONGEST_NAME, complete=_names, rest=True)
    ] = "",
    page: Annotated[int, Arg("Which page of the list", ge=1, le=100)] = 1,
    file: Annotated[Literal["toml", "json"] | None, Arg("Get the template as a file")] = None,
) -> Reply:
    """List the templates of scenes, show one, or get it as a file."""
    every = await templates_here(ctx)
    if not template.strip() or template.strip().isdecimal():
        return _page(ctx, every, int(template) if template.strip()[:3].isdecimal() else page)
    found = find(template, every)
    if file is None:
        return Reply(_shown(found))
    text = as_toml(found) if file == "toml" else as_json(found)
    media_type = "application/toml" if file == "toml" else "application/json"
    told = say("Here is **{title}**. `/roleplay save` takes such files in.", title=literally(found.title))
    content = text.encode()
    if len(content) > ctx.capabilities.max_file_bytes:
        raise UsageError(say("I cannot send files of {size:,} kB here.", size=len(content) // 1000 + 1))
    return Reply(told, files=(File(f"{found.id}.{file}", content, media_type),))


@plugin.button("templates")
async def press_page(ctx: Context, page: str) -> Reply:
    reply = _page(ctx, await templates_here(ctx), int(page) if page.isdecimal() else 1)
    return Reply(reply.text, buttons=reply.buttons, private=True)


def _page(ctx: Context, every: Mapping[str, Template], page: int) -> Reply:
    ids = sorted(every, key=lambda id: every[id].title.casefold())
    pages = max(1, -(-len(ids) // PER_PAGE))
    page = min(max(page, 1), pages)
    lines = [counted(len(ids), "{count} template is here:", "{count:,} templates are here:")]
    for id in ids[(page - 1) * PER_PAGE : page * PER_PAGE]:
        about = f" — {literally(every[id].description)}" if every[id].description else ""
        lines.append(f"- **{literally(every[id].title)}** (`{id}`){about}")
    how = say("Page {page} of {pages}. `/roleplay start {id}` performs one.", page=page, pages=pages, id=ids[0])
    lines.append(f"-# {how}")
    if page == pages:
        return Reply("\n".join(lines))
    if not ctx.capabilities.buttons:
        lines.append("-# " + say("`/roleplay templates {page}` shows the next page.", page=page + 1))
    return Reply("\n".join(lines), buttons=(Button("templates", say("Next page"), (str(page + 1),), who="anyone"),))


def _shown(template: Template) -> str:
    lines = [f"**{literally(template.title)}** (`{template.id}`)", literally(template.description), template.stage]
    for role in template.roles:
        about = role.description or (say("played by {player}", player=f"`{role.persona}`") if role.persona else "")
        lines.append(f"- **{literally(role.name)}**" + (f" — {literally(about)}" if about else ""))
    opens = template.role(template.opener_by)
    if opens is not None:
        lines.append(say("{name} begins: “{text}”", name=literally(opens.name), text=clip(template.opener, 300)))
    small = [counted(template.turns, "{count} line", "{count} lines"), *template.tags]
    lines += ["-# " + ", ".join(small), "-# " + say("`/roleplay start {id}` performs it.", id=template.id)]
    return "\n".join(line for line in lines if line)


@roleplay.command("save")
async def save(
    ctx: Context,
    title: Annotated[str, Arg("What the new template is called", max_length=LONGEST_NAME, rest=True)] = "",
    file: Annotated[Attachment | None, Arg("A template as a file: TOML or JSON")] = None,
) -> str:
    """Keep the scene that is or was performed here as a template, or take one in from a file."""
    if not may_make(ctx):
        raise NotAllowed("may not save templates", public=phrase("Only moderators may save templates here."))
    name = " ".join(title.split())
    if file is None and name:
        return await _keep(ctx, from_scene(await _scene(ctx), name))
    attachment = file or await _dropped(ctx)
    if attachment is None:
        raise UsageError(
            say("Say what the scene is to be called: `/roleplay save A late book`. Or attach a template as a file.")
        )
    content = await ctx.fetch(attachment, MAX_TEXT)
    found = await asyncio.to_thread(template_in, content)
    return await _keep(ctx, found)


@roleplay.command("forget")
async def forget(
    ctx: Context,
    template: Annotated[str, Arg("Which template", max_length=2 * LONGEST_NAME, complete=_own_names, rest=True)],
) -> str:
    """Forget a template that was saved here."""
    found = find(template, await templates_here(ctx))
    if found.id not in await _own(ctx):
        raise UsageError(
            say("{title} comes with the bot, so it cannot be forgotten here.", title=literally(found.title))
        )
    await _check_owner(ctx, found)
    await ctx.forget_state(Template, scope=home(ctx), key=found.id)
    await ctx.forget_state(Saved, scope=home(ctx), key=found.id)
    told = say("🗑 The template **{title}** is gone.", title=literally(found.title))
    if found.id in await asyncio.to_thread(built_in):
        told += " " + say("The one that comes with the bot is back.")
    return told


# Inside.


async def _own(ctx: Context) -> Mapping[str, Template]:
    return await ctx.load_all(Template, scope=home(ctx))


async def _scene(ctx: Context) -> Scene:
    """The one that is performed here, else the last one."""
    standing = await ctx.job(scene_job)
    if standing is not None:
        scene: Scene = standing.state
        return scene
    performed = await ctx.load(Performed)
    if performed is None:
        raise UsageError(say("No scene was performed here yet. Begin one: `/roleplay start`."))
    return performed.scene


async def _keep(ctx: Context, template: Template) -> str:
    own = await _own(ctx)
    same = own.get(template.id)
    if same is not None:
        await _check_owner(ctx, same)
    elif len(own) >= MOST_TEMPLATES:
        raise UsageError(
            say("There are {most} templates here already. Forget one first: `/roleplay forget`.", most=MOST_TEMPLATES)
        )
    await ctx.save(template, scope=home(ctx), key=template.id)
    await ctx.save(Saved(by=ctx.user.id, name=clip(ctx.user.name, LONGEST_NAME)), scope=home(ctx), key=template.id)
    title, id = literally(template.title), template.id
    if same is not None:
        return say("💾 The template **{title}** is changed: `/roleplay start {id}` performs it.", title=title, id=id)
    return say("💾 **{title}** is a template now: `/roleplay start {id}` performs it.", title=title, id=id)


async def _check_owner(ctx: Context, template: Template) -> None:
    saved = await ctx.load(Saved, scope=home(ctx), key=template.id)
    if ctx.user.leads or (saved is not None and saved.by == ctx.user.id):
        return
    name = literally(saved.name) if saved is not None else "?"
    raise NotAllowed(
        "not their template",
        public=say(
            "Only {name}, who saved {title}, and moderators may do that.", name=name, title=literally(template.title)
        ),
    )


async def _dropped(ctx: Context) -> Attachment | None:
    """The newest file of this person here that may be a template."""
    try:
        posted = await ctx.history(limit=LOOKS_BACK)
    except DeliveryError as error:
        log.info("cannot look back for a template: %r", error)
        return None
    for each in reversed(posted):
        files = each.event.attachments if each.event is not None and each.author.id == ctx.user.id else ()
        for attachment in files:
            if attachment.name.lower().endswith(ENDINGS):
                return attachment
    return None
