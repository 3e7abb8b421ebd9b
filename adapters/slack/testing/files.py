"""Files: uploading in three steps, and downloading what is private with the bot's token."""

from __future__ import annotations

import time

from aiohttp import web

from adapters.slack.testing import payloads
from adapters.slack.testing.messages import Messages
from adapters.slack.testing.server import LOGIN_PAGE, Call, Endpoint, Server, needed
from adapters.slack.testing.world import Account, ApiError, File, Json, World

MAX_SNIPPET = 1024 * 1024
MAX_ALT = 1_000


class Files:
    def __init__(self, world: World, server: Server, messages: Messages) -> None:
        self.origin = ""
        self._world = world
        self._server = server
        self._messages = messages
        self._sizes: dict[str, int] = {}

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("files.getUploadURLExternal", self._reserve, "t4", ("files:write",), reads_json=False),
            Endpoint("files.completeUploadExternal", self._complete, "t4", ("files:write",)),
            Endpoint("files.info", self._info, "t4", ("files:read",), reads_json=False),
        ]

    def add(self, name: str, content: bytes | None, owner: Account) -> File:
        id = self._world.new_id("F")
        file = File(id, name, content, owner, url=f"{self.origin}/files-pri/{self._world.team}-{id}/{name}")
        self._world.files[id] = file
        return file

    async def _reserve(self, args: Json) -> Json:
        name = needed(args, "filename")[0]
        length = str(args.get("length") or "0")
        if not length.isdecimal() or int(length) == 0:
            raise ApiError("missing_argument")
        if args.get("snippet_type") and int(length) > MAX_SNIPPET:
            raise ApiError("snippet_too_large")
        if len(str(args.get("alt_txt", ""))) > MAX_ALT:
            raise ApiError("alt_txt_too_large")
        file = self.add(name, None, self._world.bot)
        file.alt = str(args.get("alt_txt", ""))
        self._sizes[file.id] = int(length)
        return {"upload_url": f"{self.origin}/upload/v1/{file.id}", "file_id": file.id}

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """The second step; the address is the key."""
        file = self._world.files.get(request.match_info["id"])
        content = await _content(request)
        call = Call("files.upload", {"file": request.match_info["id"], "size": len(content)}, time.monotonic())

        async def work() -> web.StreamResponse:
            if file is None or file.content is not None or len(content) != self._sizes[file.id]:
                return web.Response(status=400, text="invalid upload")
            file.content = content
            return web.Response(text=f"OK - {len(content)}")

        return await self._server.answer(call, request, work)

    async def _complete(self, args: Json) -> Json:
        listed = args.get("files")
        if not isinstance(listed, list) or not listed:
            raise ApiError("invalid_arguments")
        found = [self._world.files.get(str(each.get("id"))) for each in listed]
        files = [file for file in found if file is not None and file.content is not None and not file.shared]
        if len(files) < len(listed):
            raise ApiError("file_not_found")
        for file, each in zip(files, listed, strict=True):
            file.title = str(each.get("title") or file.name)
        told = [payloads.file_json(file) for file in files]
        channels = str(args.get("channel_id") or args.get("channels") or "").split(",")
        for id in filter(None, channels):
            channel = self._messages.where({"channel": id})
            message = self._messages.add(
                channel,
                self._world.bot,
                str(args.get("initial_comment") or ""),
                thread_ts=self._messages.thread_of(args, channel),
                subtype="file_share",
                files=files,
            )
            self._messages.announce(message)
        return {"files": told}

    async def _info(self, args: Json) -> Json:
        file = self._world.files.get(needed(args, "file")[0])
        if file is None or file.content is None:
            raise ApiError("file_not_found")
        if file.deleted:
            raise ApiError("file_deleted")
        return {"file": payloads.file_json(file), "comments": []}

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Without the token, or without `files:read`, Slack shows its login page, and says 200."""
        file = self._world.files.get(request.match_info["key"].partition("-")[2])
        call = Call("files.download", {"file": request.match_info["key"]}, time.monotonic())

        async def work() -> web.StreamResponse:
            if not self._server.allowed(request) or "files:read" not in self._server.scopes:
                call.error = "not_authed"
                return web.Response(text=LOGIN_PAGE, content_type="text/html")
            if file is None or file.deleted or file.content is None:
                return web.Response(status=404, text="Not Found")
            kind = payloads.file_json(file)["mimetype"]
            return web.Response(body=file.content, content_type=kind)

        return await self._server.answer(call, request, work)


async def _content(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    form = await request.post()
    parts = (part.file.read() for part in form.values() if isinstance(part, web.FileField))
    return next(parts, b"")
