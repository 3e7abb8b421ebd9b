"""The fake Discord is as strict as the real one: limits, validation, permissions, faults."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from adapters.discord.testing import Channel, FakeDiscord
from adapters.discord.testing.limits import AnyWindow, FixedWindow, Limit, SlidingWindow

FIVE = Limit("messages", 5, 5.0)


class Caller:
    """A bot without a library."""

    def __init__(self, discord: FakeDiscord, session: aiohttp.ClientSession) -> None:
        self._discord = discord
        self._session = session
        self.headers: dict[str, str] = {}

    async def __call__(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {token or self._discord.token}"}
        async with self._session.request(method, self._discord.rest + path, json=body, headers=headers) as response:
            self.headers = dict(response.headers)
            return response.status, await response.json() if response.content_length else None

    async def post(self, channel: Channel, **body: Any) -> tuple[int, Any]:
        return await self("POST", f"/channels/{channel.id}/messages", body)


@asynccontextmanager
async def calling(**how: Any) -> AsyncIterator[tuple[FakeDiscord, Caller]]:
    async with FakeDiscord(**how) as discord, aiohttp.ClientSession() as session:
        yield discord, Caller(discord, session)


def test_a_sliding_window_gives_back_one_at_a_time() -> None:
    window = SlidingWindow(FIVE)
    assert [window.take(10.0).remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    refused = window.take(10.5)
    assert (refused.retry_after, refused.reset_after) == (0.5, 4.5)
    taken = window.take(11.0)
    assert (taken.retry_after, taken.remaining, taken.reset_after) == (None, 0, 5.0)


def test_a_fixed_window_gives_everything_back_at_its_end() -> None:
    window = FixedWindow(FIVE)
    assert [window.take(10.0 + second).reset_after for second in range(5)] == [5.0, 4.0, 3.0, 2.0, 1.0]
    assert window.take(14.5).retry_after == 0.5
    assert window.take(15.0).remaining == 4


def test_the_whole_bot_is_limited_in_any_second() -> None:
    window = AnyWindow(Limit("global", 50, 1.0))
    assert all(window.take(10.0 + number / 100).retry_after is None for number in range(50))
    assert window.take(10.9).retry_after == pytest.approx(0.1)
    assert window.take(11.005).retry_after is None


@pytest.mark.parametrize("window", ["sliding", "fixed"])
async def test_creates_and_edits_share_a_hash_and_count_apart(window: str) -> None:
    async with calling(window=window) as (discord, call):
        hashes, left = [], []
        for _ in range(5):
            _, message = await call.post(discord.general, content="x")
            hashes.append(call.headers["X-RateLimit-Bucket"])
            left.append(call.headers["X-RateLimit-Remaining"])
        await call("PATCH", f"/channels/{discord.general.id}/messages/{message['id']}", {"content": "y"})
        assert {*hashes, call.headers["X-RateLimit-Bucket"]} == {hashes[0]}
        assert (left, call.headers["X-RateLimit-Remaining"]) == (["4", "3", "2", "1", "0"], "4")
        status, body = await call.post(discord.general, content="one too many")
        assert (status, body["global"], call.headers["X-RateLimit-Scope"]) == (429, False, "user")
        assert call.headers["Via"]
        assert 0 < body["retry_after"] <= 5
        assert len(discord.answers()) == 5
        assert (await call.post(discord.channel("other"), content="elsewhere"))[0] == 200
        assert [refused.path for refused in discord.refused] == [f"/channels/{discord.general.id}/messages"]


async def test_more_than_fifty_calls_a_second_are_refused_for_the_whole_bot() -> None:
    async with calling(per_second=3) as (discord, call):
        statuses = [(await call("GET", "/users/@me"))[0] for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert call.headers["X-RateLimit-Global"] == "true"
        assert discord.refused[0].scope == "global"


async def test_calls_fail_by_the_lots_of_a_seed() -> None:
    async def statuses(seed: int) -> list[int]:
        async with calling() as (discord, call):
            discord.limits.enforced = False
            for status in (429, 500):
                discord.fails_by_chance(status, 0.2, random.Random(seed + status))
            return [(await call.post(discord.general, content=str(number)))[0] for number in range(60)]

    first = await statuses(1)
    assert {*first} == {200, 429, 500}
    assert first.count(200) > 20
    assert await statuses(1) == first
    assert await statuses(2) != first


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": ""}, 50006),
        ({"content": "  \n"}, 50006),
        ({}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"content": 5}, 50035),
        ({"content": "half \ud83d"}, 50109),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "message_reference": {"message_id": "1"}}, 50035),
        ({"content": "x", "components": [{"type": 1, "components": [{"type": 2, "custom_id": "i" * 101}]}]}, 50035),
    ],
)
async def test_what_discord_refuses_is_refused(body: dict[str, Any], code: int) -> None:
    async with calling() as (discord, call):
        status, answer = await call.post(discord.general, **body)
        assert (status, answer["code"]) == (400, code)
        assert discord.screen() == []


async def test_what_discord_changes_is_changed() -> None:
    async with calling() as (discord, call):
        _, message = await call.post(discord.general, content="  padded \n")
        assert message["content"] == "padded"
        _, again = await call.post(discord.general, content="one", nonce="n", enforce_nonce=True)
        _, same = await call.post(discord.general, content="two", nonce="n", enforce_nonce=True)
        assert (same["id"], same["content"]) == (again["id"], "one")
        reference = {"message_id": "1", "fail_if_not_exists": False}
        _, reply = await call.post(discord.general, content="to nobody", message_reference=reference)
        assert reply["type"] == 0


async def test_a_send_or_edit_without_allowed_mentions_is_found_out() -> None:
    async with calling() as (discord, call):
        _, message = await call.post(discord.general, content="hi", allowed_mentions={"parse": []})
        await call(
            "PATCH", f"/channels/{discord.general.id}/messages/{message['id']}", {"content": f"<@{discord.ada.id}>"}
        )
        assert [str(each.id) for each in discord.messages.edits_without_allowed_mentions] == [message["id"]]
        assert discord.pinged == [str(discord.ada.id)]
        await call.post(discord.general, content="hi")
        assert len(discord.messages.sends_without_allowed_mentions) == 1


async def test_rights_and_places_are_checked() -> None:
    async with calling() as (discord, call):
        theirs = await discord.says("mine")
        path = f"/channels/{discord.general.id}/messages/"
        assert (await call("PATCH", f"{path}{theirs.id}", {"content": "no"}))[1]["code"] == 50005
        assert (await call("DELETE", f"{path}{theirs.id}"))[1]["code"] == 50013
        assert (await call("PATCH", f"{path}1", {"content": "no"}))[1]["code"] == 10008
        assert (await call("POST", "/channels/1/messages", {"content": "no"}))[1]["code"] == 10003
        await discord.denies("send_messages")
        assert (await call.post(discord.general, content="no"))[1]["code"] == 50013
        await discord.allows("send_messages")
        assert (await call.post(discord.general, content="yes"))[0] == 200
        await discord.denies("view_channel")
        assert (await call.post(discord.general, content="no"))[1]["code"] == 50001
        assert (await call("GET", "/users/@me", token="wrong"))[0] == 401
        assert (await call("GET", "/nowhere"))[0] == 404


async def test_one_webhook_speaks_under_many_names() -> None:
    async with calling() as (discord, call):
        path = f"/channels/{discord.general.id}/webhooks"
        assert (await call("POST", path, {"name": "stage"}))[1]["code"] == 50013
        await discord.allows("manage_webhooks")
        hook = (await call("POST", path, {"name": "stage"}))[1]
        address = f"/webhooks/{hook['id']}/{hook['token']}"
        for name in ("Ann", "Bo"):
            await call("POST", f"{address}?wait=true", {"content": "hello", "username": name})
        assert [(message.name, message.text) for message in discord.screen()] == [("Ann", "hello"), ("Bo", "hello")]
        message = discord.screen()[0]
        await call("PATCH", f"{address}/messages/{message.id}", {"content": "bye"})
        assert [state.text for state in message.states] == ["hello", "bye"]
        assert (await call("POST", address, {"content": "x", "username": "Discord"}))[1]["code"] == 50035
        assert (await call("POST", f"/webhooks/{hook['id']}/wrong", {"content": "x"}))[1]["code"] == 50027
        assert len((await call("GET", path))[1]) == 1


async def test_commands_are_checked_as_discord_checks_them() -> None:
    async with calling() as (discord, call):
        discord.limits.enforced = False
        path = f"/applications/{discord.bot.id}/commands"
        good = {
            "name": "roll",
            "description": "Roll",
            "options": [{"type": 4, "name": "sides", "description": "Faces"}],
        }
        first = (await call("PUT", path, [good]))[1]
        assert (await call("PUT", path, [good]))[1][0]["id"] == first[0]["id"]
        required = [{"type": 3, "name": "b", "description": "b", "required": True}]
        for change in ({"name": "Roll"}, {"name": "a b"}, {"description": ""}, {"description": "x" * 101}):
            assert (await call("PUT", path, [good | change]))[0] == 400
        assert (await call("PUT", path, [good | {"options": good["options"] + required}]))[0] == 400  # type: ignore[operator]  # JSON


async def test_faults_come_when_they_were_scripted_to() -> None:
    async with calling() as (discord, call):
        discord.fails("POST /channels/*/messages", status=500, skip=1)
        assert [(await call.post(discord.general, content="x"))[0] for _ in range(3)] == [200, 500, 200]
        happened: list[str] = []

        async def note() -> None:
            happened.append("before")

        discord.fails("GET /users/@me", do=note)
        assert (await call("GET", "/users/@me"))[0] == 200
        assert happened == ["before"]
        discord.fails("POST /channels/*/messages", drop=True, acted=True)
        with pytest.raises(aiohttp.ClientError):
            await call.post(discord.general, content="did it arrive?")
        assert discord.answers()[-1] == "did it arrive?"


async def test_addresses_of_files_end_and_are_signed_anew() -> None:
    async with calling() as (discord, call):
        message = await discord.uploads("notes.txt", b"hello")
        path = f"/channels/{discord.general.id}/messages/{message.id}"

        async def fetched() -> int:
            address = (await call("GET", path))[1]["attachments"][0]["url"]
            async with aiohttp.ClientSession() as session, session.get(address) as response:
                return response.status

        assert await fetched() == 200
        discord.world.signed_for = -1.0
        assert await fetched() == 404


async def test_emojis_of_the_application_are_checked_as_discord_checks_them() -> None:
    async with calling() as (discord, call):
        path = f"/applications/{discord.bot.id}/emojis"
        image = "data:image/png;base64,iVBORw0KGgo="
        made = (await call("POST", path, {"name": "face", "image": image}))[1]
        assert (await call("POST", path, {"name": "face", "image": image}))[1]["code"] == 50035
        assert (await call("POST", path, {"name": "f", "image": image}))[1]["code"] == 50035
        assert (await call("POST", path, {"name": "other", "image": "iVBORw0KGgo="}))[1]["code"] == 50035
        large = "data:image/png;base64," + "AAAA" * 100_000
        assert (await call("POST", path, {"name": "large", "image": large}))[1]["code"] == 50138
        discord.emojis.most = 1
        assert (await call("POST", path, {"name": "other", "image": image}))[1]["code"] == 30008
        assert [each["name"] for each in (await call("GET", path))[1]["items"]] == ["face"]
        assert (await call("DELETE", f"{path}/{made['id']}"))[0] == 204
        assert (await call("GET", f"{path}/{made['id']}"))[1]["code"] == 10014


async def test_webhooks_know_whose_they_are_and_refuse_what_discord_refuses() -> None:
    async with calling() as (discord, call):
        await discord.allows("manage_webhooks")
        path = f"/channels/{discord.general.id}/webhooks"
        hook = (await call("POST", path, {"name": "stage"}))[1]
        address = f"/webhooks/{hook['id']}/{hook['token']}"
        refused = await call("POST", address, {"content": "x", "avatar_url": "ftp://example.org/a.png"})
        assert refused[1]["code"] == 50035
        said = (await call("POST", f"{address}?wait=true", {"content": "x"}))[1]
        assert (said["webhook_id"], said["application_id"]) == (hook["id"], str(discord.bot.id))
        assert (await call("DELETE", f"/channels/{discord.general.id}/messages/{said['id']}"))[1]["code"] == 50013
        discord.crowds_with_webhooks()
        assert (await call("POST", path, {"name": "one more"}))[1]["code"] == 30007
        listed = (await call("GET", path))[1]
        assert len(listed) == 15
        assert sum(each["application_id"] == str(discord.bot.id) for each in listed) == 1
        discord.deletes_webhook(discord.webhooks[0])
        assert (await call("PATCH", f"{address}/messages/{said['id']}", {"content": "y"}))[1]["code"] == 10015
