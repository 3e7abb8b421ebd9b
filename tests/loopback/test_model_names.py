"""Names of models are suggested at every letter that somebody types: the provider must not be asked as often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from bot.model import OpenAISettings, Provider, open_provider

LISTED = b'{"object": "list", "data": [{"id": "gpt-test", "object": "model", "created": 1, "owned_by": "me"}]}'


class Server:
    """Answers with what it is told, once it is let."""

    def __init__(self, status: int, body: bytes) -> None:
        self.asked = 0
        self.reached, self.let = asyncio.Event(), asyncio.Event()
        self._answer = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
            status,
            len(body),
            body,
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        self.reached.set()
        await self.let.wait()
        writer.write(self._answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def provider(server: Server) -> AsyncIterator[Provider]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    key = SecretStr("sk-a-key-for-tests")
    provider = open_provider(OpenAISettings(name="compatible", base_url=f"http://127.0.0.1:{port}/v1", api_key=key))
    try:
        yield provider
    finally:
        await provider.aclose()
        listening.close()
        await listening.wait_closed()


async def test_all_who_type_at_once_wait_for_one_list() -> None:
    server = Server(200, LISTED)
    async with provider(server) as asked:
        typing = [asyncio.create_task(asked.known_models()) for _ in range(5)]
        impatient = asyncio.create_task(asked.known_models())
        await server.reached.wait()
        impatient.cancel()
        server.let.set()
        assert await asyncio.gather(*typing) == [("gpt-test",)] * 5
        assert await asked.known_models() == ("gpt-test",)
        assert server.asked == 1


async def test_a_provider_that_fails_is_not_asked_again_at_every_letter() -> None:
    server = Server(500, b"{}")
    server.let.set()
    async with provider(server) as asked:
        for _ in range(5):
            assert await asked.known_models() == ()
        assert server.asked == 1
        assert not (await asked.check()).ok
        assert server.asked == 2


async def test_a_list_that_does_not_come_holds_up_no_end() -> None:
    server = Server(200, LISTED)
    async with provider(server) as asked:
        typing = asyncio.create_task(asked.known_models())
        await server.reached.wait()
        typing.cancel()
    server.let.set()
