"""Slack's requests over HTTP: only Slack is heard, nothing else learns anything, and speakers' pictures are shown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
from typing import Any

import aiohttp
import pytest

from adapters.slack import web
from adapters.slack.testing import FakeSlack
from adapters.slack.testing.hooks import FORM, JSON, signature
from adapters.slack.web import MOST_BYTES
from bot.api import ConfigError
from tests.loopback.slack_ears import Ears, Gate, by_http, door_of, running

MENTION = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "app_mention", "text": "hello"}}
IMPROPER: list[dict[str, str]] = [
    {},
    {"X_Slack_Signature": "v0=00"},
    {"X_Slack_Signature": "v0=00", "X_Slack_Request_Timestamp": "now"},
    {"X_Slack_Signature": "v0=00", "X_Slack_Request_Timestamp": "9" * 5000},
    {"X_Slack_Signature": "ü", "X_Slack_Request_Timestamp": str(int(time.time()))},
    {"X_Slack_Signature": "", "X_Slack_Request_Timestamp": ""},
]
ODD_BODIES = [
    (b"no json", JSON),
    (b"[1, 2]", JSON),
    (b"[" * 100_000, JSON),
    (b"{}", "text/plain"),
    (b"&".join(b"a=1" for _ in range(1000)), FORM),
]
NOTHING_THERE = [
    ("GET", "/slack/events", 405),
    ("PUT", "/slack/events", 405),
    ("POST", "/slack/pictures/a", 405),
    ("GET", "/", 404),
    ("POST", "/slack/events/", 404),
    ("POST", "/slack/install", 404),
    ("GET", "/slack/pictures/", 404),
    ("GET", "/slack/pictures/..%2f..%2fbot.toml", 404),
]
PNG = b"\x89PNG\r\n\x1a\n picture"


class Album:
    """Pictures by name."""

    def __init__(self) -> None:
        self.of: dict[str, tuple[bytes, str]] = {}
        self.asked: list[str] = []

    async def picture(self, blob: str) -> tuple[bytes, str] | None:
        self.asked.append(blob)
        return self.of.get(blob)


async def asks(
    door: Any, path: str = "/slack/events", method: str = "POST", body: bytes = b"", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """A request of anybody."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{door.port}{path}", data=body, headers=told) as response,
    ):
        return response.status, await response.read(), {name.lower(): each for name, each in response.headers.items()}


def signed(slack: FakeSlack, body: bytes, at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    return {
        "X_Slack_Request_Timestamp": timestamp,
        "X_Slack_Signature": signature(slack.signing_secret, timestamp, body.decode("latin-1")),
    }


# Who asks


async def test_a_request_of_somebody_else_is_not_heard() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_http(slack, ears) as door:
        forged = await slack.forges(MENTION)
        old = await slack.forges(MENTION, secret=slack.signing_secret, age=301)
        early = await slack.forges(MENTION, secret=slack.signing_secret, age=-301)
        assert [(each.status, each.text) for each in (forged, old, early)] == [(401, "")] * 3
        assert (await slack.forges(MENTION, secret=slack.signing_secret, age=280)).status == 200
        assert len(ears.heard) == 1
        assert (door.status["taken"], door.status["refused"]) == (2, 3)


async def test_a_request_without_a_proper_signature_is_refused() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_http(slack, ears) as door:
        for headers in IMPROPER:
            for body in (json.dumps(MENTION).encode(), b'{"type": "url_verification", "challenge": "c"}', b"\xff\xfe"):
                status, text, told = await asks(door, body=body, Content_Type=JSON, **headers)
                assert (status, text) == (401, b""), headers
                assert "server" not in told
        assert ears.heard == []


async def test_two_signatures_are_none() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_http(slack, ears) as door, aiohttp.ClientSession() as session:
        body = json.dumps(MENTION).encode()
        headers = [(name.replace("_", "-"), value) for name, value in signed(slack, body).items()]
        headers += [("X-Slack-Signature", "v0=00"), ("Content-Type", JSON)]
        async with session.post(f"http://127.0.0.1:{door.port}/slack/events", data=body, headers=headers) as response:
            assert response.status == 401
        assert ears.heard == []


async def test_what_slack_never_sends_is_a_bad_request() -> None:
    async with FakeSlack() as slack, by_http(slack, Ears()) as door:
        for body, kind in ODD_BODIES:
            status, text, _ = await asks(door, body=body, Content_Type=kind, **signed(slack, body))
            assert (status, text) == (400, b""), body[:20]


@pytest.mark.parametrize("told", ["length", "chunks", "wrong"])
async def test_a_body_is_bounded(told: str) -> None:
    async with FakeSlack() as slack, by_http(slack, Ears()) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        head = "POST /slack/events HTTP/1.1\r\nHost: x\r\nX-Slack-Signature: v0=1\r\nX-Slack-Request-Timestamp: 1\r\n"
        if told == "length":
            writer.write(f"{head}Content-Length: {MOST_BYTES + 1}\r\n\r\n".encode())
        elif told == "chunks":
            size = MOST_BYTES // 8 + 1
            writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(8):
                writer.write(f"{size:x}\r\n".encode() + b"a" * size + b"\r\n")
        else:
            writer.write(f"{head}Content-Length: {'9' * 30}\r\n\r\n".encode())
        answer = await reader.readline()
        assert b" 413 " in answer or b" 400 " in answer
        writer.close()
        assert slack.deliveries == []
        assert door.connected


async def test_large_bodies_of_strangers_are_not_all_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_LARGE", 1)
    async with FakeSlack() as slack, by_http(slack, Ears()) as door:
        head = "POST /slack/events HTTP/1.1\r\nHost: x\r\nX-Slack-Signature: v0=1\r\nX-Slack-Request-Timestamp: 1\r\n"
        size = MOST_BYTES // 2
        strangers = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
        for _, writer in strangers:
            writer.write(f"{head}Content-Length: {size}\r\n\r\n".encode() + b"a" * (size - 1))
            await writer.drain()
            # What Slack mostly sends has its room.
            assert (await slack.forges(MENTION, secret=slack.signing_secret)).status == 200
        (reader, writer), (other, waiting) = strangers
        waiting.write(b"a")
        answer = asyncio.create_task(other.readline())
        done, _ = await asyncio.wait({answer}, timeout=0.2)
        assert done == set()
        writer.write(b"a")
        assert (b" 401 " in await reader.readline(), b" 401 " in await answer) == (True, True)
        writer.close()
        waiting.close()


async def test_nobody_is_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", 0.01)
    async with FakeSlack() as slack, by_http(slack, Ears()) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        head = "POST /slack/events HTTP/1.1\r\nHost: x\r\nX-Slack-Signature: v0=1\r\nX-Slack-Request-Timestamp: 1\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\nhalf".encode())
        assert b" 408 " in await reader.readline()
        writer.close()


async def test_whoever_asks_nothing_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(web, "IDLE_SECONDS", 0.05)
    async with FakeSlack() as slack, by_http(slack, Ears()) as door:
        begun = (b"", b"POST /slack/events HTTP/1.1\r\nHost: x\r\nX-A: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET")
        knocking = [await asyncio.open_connection("127.0.0.1", door.port) for _ in begun]
        for (reader, writer), head in zip(knocking, begun, strict=True):
            writer.write(head)
            async with asyncio.timeout(10):
                with contextlib.suppress(ConnectionResetError):
                    await reader.read()
            writer.close()
        assert (await slack.forges(MENTION, secret=slack.signing_secret)).status == 200


async def test_a_request_that_takes_long_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    ears, gate = Ears(), Gate()
    ears.answers["app_mention"] = gate
    async with FakeSlack() as slack, by_http(slack, ears):
        monkeypatch.setattr(web, "IDLE_SECONDS", 0.5)
        asked = asyncio.create_task(slack.forges(MENTION, secret=slack.signing_secret))
        await gate.waiting.wait()
        monkeypatch.setattr(web, "IDLE_SECONDS", 3600)
        asyncio.get_running_loop().call_later(0.6, gate.open.set)
        assert (await asked).status == 200


async def test_there_is_nothing_else() -> None:
    async with FakeSlack() as slack, by_http(slack, Ears()) as door:
        for method, path, status in NOTHING_THERE:
            told, body, _ = await asks(door, path, method)
            assert (told, body) == (status, b""), path


# What Slack asks


async def test_retries_are_taken_like_the_first() -> None:
    ears = Ears()
    async with FakeSlack() as slack, by_http(slack, ears):
        await slack.says("hello")
        await slack.wait_until(lambda: slack.deliveries[0].acked)
        again = await slack.sends_again(slack.deliveries[0])
        assert (again.status, again.number) == (200, 1)
        assert ears.texts == ["hello", "hello"]


async def test_what_comes_while_the_bot_is_away_comes_again() -> None:
    ears = Ears()
    async with FakeSlack() as slack:
        async with by_http(slack, ears) as door:
            port = door.port
        await slack.says("anybody?")
        await slack.wait_until(
            lambda: [each.failed for each in slack.deliveries[0].attempts] == ["connection_failed"] * 2
        )
        async with by_http(slack, ears, port=port):
            await slack.catches_up()
            assert slack.deliveries[0].acked


async def test_slack_looks_whether_the_address_is_safe() -> None:
    async with FakeSlack() as slack, by_http(slack, Ears()) as door:
        status, text, _ = await asks(
            door, body=b"ssl_check=1&token=x", Content_Type=FORM, **signed(slack, b"ssl_check=1&token=x")
        )
        assert (status, text) == (200, b"")


async def test_what_was_begun_is_answered_before_the_bot_stops() -> None:
    ears, gate = Ears(), Gate()
    ears.answers["message"] = gate
    async with FakeSlack() as slack:
        door = door_of(slack, ears)
        run = asyncio.create_task(door.run())
        await ears.came_online()
        slack.hooks.url = f"http://127.0.0.1:{door.port}/slack/events"
        await slack.says("hello")
        await gate.waiting.wait()
        run.cancel()
        gate.open.set()
        await asyncio.gather(run, return_exceptions=True)
        await slack.wait_until(lambda: slack.deliveries[0].acked)
        assert not door.connected
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", door.port)


async def test_a_mistake_of_ours_tells_nobody_more_than_that() -> None:
    class Torn:
        async def picture(self, blob: str) -> None:
            raise ZeroDivisionError("secret detail")

    async with FakeSlack() as slack, by_http(slack, Ears(), Torn()) as door:
        status, body, _ = await asks(door, "/slack/pictures/abc", "GET")
        assert (status, body) == (500, b"")


# Pictures


async def test_pictures_of_speakers_are_shown() -> None:
    album = Album()
    album.of["b1"] = PNG, "image/png"
    async with FakeSlack() as slack, by_http(slack, Ears(), album) as door:
        status, body, headers = await asks(door, "/slack/pictures/b1", "GET")
        assert (status, body, headers["content-type"]) == (200, PNG, "image/png")
        assert headers["x-content-type-options"] == "nosniff"
        assert "cache-control" in headers
        status, body, headers = await asks(door, "/slack/pictures/b1", "HEAD")
        assert (status, body, headers["content-length"]) == (200, b"", str(len(PNG)))


async def test_only_pictures_are_shown() -> None:
    album = Album()
    album.of |= {"page": (b"<script>", "text/html"), "drawing": (b"<svg/>", "image/svg+xml")}
    async with FakeSlack() as slack, by_http(slack, Ears(), album) as door:
        for name in ("page", "drawing", "unknown"):
            assert (await asks(door, f"/slack/pictures/{name}", "GET"))[:2] == (404, b"")
        for odd in ("a/b", "%00", "a" * 200, "ä"):
            assert (await asks(door, f"/slack/pictures/{odd}", "GET"))[0] == 404
        assert album.asked == ["page", "drawing", "unknown"]


# Where it listens


async def test_a_port_that_is_taken_is_told() -> None:
    async with FakeSlack() as slack:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            ears = Ears()
            door = door_of(slack, ears, port=taken.getsockname()[1])
            with pytest.raises(ConfigError) as refused:
                async with running(door, ears):
                    pass
        assert "slack.port" in refused.value.public


@pytest.mark.parametrize("host", ["192.0.2.1", "::ffff:192.0.2.1"])
async def test_an_address_of_another_machine_is_told(host: str) -> None:
    async with FakeSlack() as slack:
        ears = Ears()
        with pytest.raises(ConfigError) as refused:
            async with running(door_of(slack, ears, host=host), ears):
                pass
        assert "slack.host" in refused.value.public


async def test_without_the_secret_it_does_not_listen() -> None:
    async with FakeSlack() as slack:
        ears = Ears()
        with pytest.raises(ConfigError) as refused:
            async with running(door_of(slack, ears, signing_secret=None), ears):
                pass
        assert "SLACK_SIGNING_SECRET" in refused.value.public


@pytest.mark.parametrize("passed_on", ["/bot", ""])
async def test_it_may_stand_below_a_path_of_the_public_address(passed_on: str) -> None:
    album = Album()
    album.of["b1"] = PNG, "image/png"
    ears = Ears()
    async with FakeSlack() as slack, by_http(slack, ears, album, public_url="https://example.org/bot/") as door:
        slack.hooks.url = f"http://127.0.0.1:{door.port}{passed_on}/slack/events"
        await slack.says("hello")
        await slack.wait_until(lambda: slack.deliveries[0].acked)
        assert (await asks(door, f"{passed_on}/slack/pictures/b1", "GET"))[1] == PNG


async def test_it_can_be_mounted_in_another_application() -> None:
    """Below a path of its own, by whoever speaks ASGI."""
    ears = Ears()
    async with FakeSlack() as slack:
        door = door_of(slack, ears)
        body = json.dumps(MENTION).encode()
        headers = [
            (name.replace("_", "-").lower().encode(), value.encode()) for name, value in signed(slack, body).items()
        ]
        scope = {"type": "http", "method": "POST", "path": "/bot/slack/events", "root_path": "/bot"}
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await door.asgi({**scope, "headers": [*headers, (b"content-type", b"application/json")]}, receive, send)
        assert (sent[0]["status"], len(ears.heard)) == (200, 1)
        asked = iter(["lifespan.startup", "lifespan.shutdown"])

        async def lives() -> Any:
            return {"type": next(asked)}

        sent.clear()
        await door.asgi({"type": "lifespan"}, lives, send)
        assert [each["type"] for each in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_whoever_goes_away_in_the_middle_is_no_trouble() -> None:
    async with FakeSlack() as slack, by_http(slack, Ears()) as door:
        for head in ("POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n", "GARBAGE\r\n\r\n", ""):
            _, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(f"{head}X-Slack-Signature: a\r\nX-Slack-Request-Timestamp: 1\r\n\r\nhalf".encode())
            await writer.drain()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()
        await slack.says("hello")
        await slack.wait_until(lambda: slack.deliveries[0].acked)
