"""Files that people send on Slack: what becomes of them on the way to the model, and what people are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.slack.downloads import download
from adapters.slack.testing import SCOPES, FakeSlack
from adapters.slack.workspace import asked as asked_who
from bot.api import Attachment, DeliveryError, DeliveryRefused
from bot.api import Message as Heard
from bot.testing.openai_server import FakeOpenAI
from tests.loopback.slack_bot import connected
from tests.loopback.slack_whole_bot import WholeSlackBot, whole_slack_bot
from tests.samples import pdf, png


@asynccontextmanager
async def asked_with(
    folder: Path, model: FakeOpenAI, name: str, content: bytes, *, text: str = "Look:", slack: FakeSlack | None = None
) -> AsyncIterator[tuple[FakeSlack, WholeSlackBot]]:
    """Somebody has sent a file in a direct message and read the answer."""
    async with slack or FakeSlack() as workspace, model, whole_slack_bot(folder, workspace, model) as bot:
        await workspace.uploads(name, content, text, channel=workspace.direct())
        await bot.until(bot.own)
        await bot.idle()
        yield workspace, bot


def question(model: FakeOpenAI) -> str:
    """What the model was asked last."""
    return str(model.seen[-1].body["messages"][-1]["content"])  # type: ignore[index, call-overload] # a chat request


async def test_a_picture_is_seen(tmp_path: Path) -> None:
    model = FakeOpenAI("A cat.")
    async with asked_with(tmp_path, model, "cat.png", png(7, 7)) as (slack, bot):
        assert bot.newest.seen == "A cat."
        assert "data:image/png;base64," in question(model)
        assert len(slack.called("files.download")) == 1


async def test_text_is_read(tmp_path: Path) -> None:
    model = FakeOpenAI("It says milk.")
    async with asked_with(tmp_path, model, "shopping list.txt", "Mülk & eggs".encode()) as (_, bot):
        assert bot.newest.seen == "It says milk."
        assert "shopping list.txt:\n```\nMülk & eggs\n```" in question(model)


async def test_the_text_of_a_pdf_is_read(tmp_path: Path) -> None:
    model = FakeOpenAI("Tea.")
    async with asked_with(tmp_path, model, "form.pdf", pdf("Tea is hot", pages=2)) as (_, bot):
        assert bot.newest.seen == "Tea."
        assert "form.pdf (2 pages):\n```\nTea is hot" in question(model)


async def test_what_is_too_large_is_not_loaded(tmp_path: Path) -> None:
    model = FakeOpenAI("Too much for me.")
    async with asked_with(tmp_path, model, "log.txt", b"x" * 300_001) as (slack, bot):
        assert "This is too large for me: log.txt." in bot.newest.seen
        assert slack.called("files.download") == []


async def test_a_file_that_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    model = FakeOpenAI("I see nothing.")
    slack = FakeSlack()
    slack.fails("files.download", status=404)
    async with asked_with(tmp_path, model, "cat.png", png(), slack=slack) as (_, bot):
        assert "I could not load this: cat.png. Please send it again." in bot.newest.seen


async def test_without_the_scope_for_files_people_are_told_which_one_it_is(tmp_path: Path) -> None:
    model = FakeOpenAI("I see nothing.")
    slack = FakeSlack(scopes=SCOPES - {"files:read"})
    async with asked_with(tmp_path, model, "cat.png", png(), slack=slack) as (slack, bot):
        assert "lacks the scope `files:read`" in bot.newest.seen
        assert slack.called("files.download") == []


async def test_a_canvas_is_declined(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("What is in it?") as model:
        async with whole_slack_bot(tmp_path, slack, model) as bot:
            await slack.shares_document("Plans", "@bot what do you think of this?")
            await bot.until(bot.own)
            await bot.idle()
            assert "I cannot read canvases yet. Please paste what matters." in bot.newest.seen
            assert bot.newest.seen.startswith("What is in it?")
            await slack.shares_document("Plans", channel=slack.direct())
            await bot.until(lambda: bot.newest.channel is slack.direct())
            assert bot.newest.seen == "I cannot read canvases yet. Please paste what matters."
            assert slack.called("files.download") == []
        assert len(model.seen) == 1


async def test_what_is_kept_elsewhere_is_declined(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeOpenAI("No.") as model, whole_slack_bot(tmp_path, slack, model) as bot:
        await slack.shares_document("a.txt", channel=slack.direct(), url="https://docs.example.com/a.txt")
        await bot.until(bot.own)
        assert bot.newest.seen == "I cannot read `a.txt`: it is kept outside of Slack. Please upload it here."


# Fetching


@pytest.mark.parametrize(
    "url",
    [
        "https://files.slack.com.example.org/a.txt",
        "https://example.org/files.slack.com/a.txt",
        "http://files.slack.com/a.txt",
        "https://files.slack.com:8443/a.txt",
        "https://user@example.org/a.txt",
        "https://slack-files.com.example.org/a.txt",
        "file:///etc/passwd",
        "nonsense",
        "https://[",
        "",
    ],
)
async def test_the_token_goes_to_slack_alone(url: str) -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        with pytest.raises(DeliveryRefused) as refused:
            await listener.adapter.fetch(Attachment("a.txt", "text/plain", 5, url), 100)
        assert "a.txt" in refused.value.public


async def test_redirects_are_followed_within_slack_alone() -> None:
    """The token would go along."""
    asked: list[str] = []

    async def answered(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        where = {"/away": str(elsewhere.make_url("/secrets")), "/round": "/round", "/near": "/here", "/odd": "http://["}
        if request.path in where:
            return web.Response(status=302, headers={"Location": where[request.path]})
        return web.Response(body=b"hello", content_type="text/plain")

    app = web.Application()
    app.router.add_get("/{path}", answered)
    other = web.Application()
    other.router.add_get("/{path}", answered)
    async with TestServer(app) as server, TestServer(other) as elsewhere, FakeSlack() as slack:
        workspace, api_url = await asked_who(slack.client()), str(server.make_url("/"))

        async def fetched(path: str) -> bytes:
            file = Attachment("a.txt", "text/plain", 5, str(server.make_url(path)))
            return await download(slack.client(), workspace, file, 100, api_url)

        assert await fetched("/near") == b"hello"
        for path in ("/away", "/odd", "/round"):
            with pytest.raises(DeliveryRefused):
                await fetched(path)
        assert asked == ["/near", "/here", "/away", "/odd", *["/round"] * 4], "the secrets were never asked for"


async def test_whatever_size_a_file_claims_no_more_than_that_is_read() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        await slack.uploads("a.txt", b"x" * 5000, channel=slack.direct())
        file = (await listener.heard(Heard)).attachments[0]
        for size in (5000, 10):
            with pytest.raises(DeliveryError) as refused:
                await listener.adapter.fetch(replace(file, size=size), 100)
            assert refused.value.public == "`a.txt` is too large for me."
        assert await listener.adapter.fetch(file, 5000) == b"x" * 5000


async def test_a_login_page_is_no_file_and_a_page_is() -> None:
    async with FakeSlack() as slack, connected(slack) as listener:
        await slack.uploads("page.html", b"<html>hello</html>", channel=slack.direct())
        file = (await listener.heard(Heard)).attachments[0]
        assert await listener.adapter.fetch(file, 5000) == b"<html>hello</html>"
        slack.scopes -= {"files:read"}
        with pytest.raises(DeliveryRefused) as refused:
            await listener.adapter.fetch(file, 5000)
        assert "`files:read`" in refused.value.public
