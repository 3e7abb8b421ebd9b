"""A real browser without a window, driven over its own protocol: what it loads, what runs, and what it shows."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # Nothing but this machine can be found, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")


def installed() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium(program: str, folder: Path) -> Iterator[str]:
    """Runs it; gives the address at which it is driven."""
    options = [*OPTIONS, f"--user-data-dir={folder}"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    process = subprocess.Popen(
        [program, *options],
        env={**os.environ, "HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if found := LISTENING.search(line):
                break
        else:
            raise AssertionError(f"{program} did not start:\n{''.join(said)}")
        rest = threading.Thread(target=process.stderr.read, daemon=True)
        rest.start()
        try:
            yield found[1]
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            rest.join()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


class Page:
    """One tab. `events` are kept as they come, by name."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session = ""
        self._number = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._came = asyncio.Condition()
        self._closing: list[asyncio.Task[dict[str, Any]]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []

    async def begin(self) -> None:
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.setLifecycleEventsEnabled", enabled=True)

    async def listen(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
                continue
            async with self._came:
                self.events.append((told["method"], told.get("params", {})))
                self._came.notify_all()
            if told["method"] == "Page.javascriptDialogOpening":
                # Until it is answered the page stands still.
                self._closing.append(asyncio.create_task(self.call("Page.handleJavaScriptDialog", accept=False)))

    async def call(self, method: str, /, **arguments: Any) -> dict[str, Any]:
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        sent: dict[str, Any] = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            sent["sessionId"] = self._session
        await self._socket.send_json(sent)
        told = await answer
        assert "error" not in told, f"{method}: {told.get('error')}"
        result: dict[str, Any] = told["result"]
        return result

    async def open(self, file: Path, until: str = "load") -> None:
        """`networkIdle`: until nothing was loading for half a second."""
        self.events.clear()
        loader = (await self.call("Page.navigate", url=file.as_uri()))["loaderId"]

        def is_there() -> bool:
            return any(
                name == "Page.lifecycleEvent" and event["name"] == until and event["loaderId"] == loader
                for name, event in self.events
            )

        async with self._came:
            await self._came.wait_for(is_there)

    def told(self, name: str) -> list[dict[str, Any]]:
        return [event for each, event in self.events if each == name]

    @property
    def loaded(self) -> list[str]:
        return [event["request"]["url"] for event in self.told("Network.requestWillBeSent")]

    async def js(self, expression: str) -> Any:
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def see(self, *, media: str = "", scheme: str = "light", width: int = 1100) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", media=media, features=features)
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )

    async def pdf(self) -> bytes:
        return base64.b64decode((await self.call("Page.printToPDF", printBackground=False))["data"])


@asynccontextmanager
async def tab(address: str) -> AsyncIterator[Page]:
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
        page = Page(socket)
        listening = asyncio.create_task(page.listen())
        try:
            await page.begin()
            yield page
        finally:
            await socket.close()
            await listening
