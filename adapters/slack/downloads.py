"""Files that people sent, read from Slack's own servers with the bot's token."""

from __future__ import annotations

import aiohttp
import yarl
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errors import translated
from adapters.slack.workspace import Workspace
from bot.api import Attachment, DeliveryError, DeliveryRefused, phrase, say

CHUNK = 64 * 1024
REDIRECTS, MOST_STEPS = (301, 302, 303, 307, 308), 4
SCOPE = "files:read"
# The token goes to these hosts alone.
HOSTS = frozenset({"files.slack.com", "files-origin.slack.com", "files.slack-gov.com"})
MANY_HOSTS = (".slack-files.com",)
# Documents that Slack shows and no file holds.
DOCUMENTS = ("application/vnd.slack-docs", "application/vnd.slack-list")
CANVAS = phrase("I cannot read canvases yet. Please paste what matters.")
NO_SCOPE = phrase(
    "I may not read files here: my app on Slack lacks the scope `files:read`. "
    "Whoever runs me can add it and install the app again."
)


async def download(
    client: AsyncWebClient, workspace: Workspace, attachment: Attachment, max_bytes: int, api_url: str
) -> bytes:
    """Raises DeliveryError; DeliveryRefused where sending the file again would not help."""
    why = declined(attachment, api_url)
    if why:
        raise DeliveryRefused(f"{attachment.media_type} is not read", public=why)
    if attachment.size > max_bytes:
        raise _too_large(attachment)
    if not workspace.may(SCOPE):
        raise DeliveryRefused("no scope for files", public=NO_SCOPE)
    with translated():
        async with aiohttp.ClientSession() as session:
            return await _read(session, client, attachment, max_bytes, api_url)


async def _read(
    session: aiohttp.ClientSession, client: AsyncWebClient, attachment: Attachment, max_bytes: int, api_url: str
) -> bytes:
    """Slack may lead from one of its hosts to another; whoever may not see a file is led to a page to log in."""
    headers, url = {"Authorization": f"Bearer {client.token}"}, yarl.URL(attachment.url)
    for _ in range(MOST_STEPS):
        async with session.get(url, headers=headers, proxy=client.proxy, allow_redirects=False) as response:
            if response.status not in REDIRECTS:
                return await _content(response, attachment, max_bytes)
            leads_to = response.headers.get("Location", "")
        try:
            url = url.join(yarl.URL(leads_to))
        except ValueError:
            break
        if not _is_slacks(str(url), api_url):
            break
    raise DeliveryRefused("led away from a file", public=NO_SCOPE)


def declined(attachment: Attachment, api_url: str) -> str:
    """Why a file is not read whatever is in it, or nothing."""
    if attachment.media_type in DOCUMENTS:
        return say(CANVAS)
    if not attachment.url:
        return say("I cannot read `{name}`.", name=attachment.name)
    if not _is_slacks(attachment.url, api_url):
        return say("I cannot read `{name}`: it is kept outside of Slack. Please upload it here.", name=attachment.name)
    return ""


async def _content(response: aiohttp.ClientResponse, attachment: Attachment, max_bytes: int) -> bytes:
    if response.status in (401, 403):
        raise DeliveryRefused(f"HTTP {response.status} for a file", public=NO_SCOPE)
    if response.status != 200:
        gone = say("`{name}` is no longer there.", name=attachment.name)
        raise DeliveryError(f"HTTP {response.status} for a file", public=gone)
    content = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        content += chunk
        if len(content) > max_bytes:
            raise _too_large(attachment)
    if response.content_type == "text/html" and len(content) != attachment.size:
        raise DeliveryRefused("a login page instead of a file", public=NO_SCOPE)
    return bytes(content)


def _too_large(attachment: Attachment) -> DeliveryError:
    return DeliveryError(f"{attachment.size} bytes", public=say("`{name}` is too large for me.", name=attachment.name))


def _is_slacks(address: str, api_url: str) -> bool:
    try:
        url = yarl.URL(address)
    except ValueError:
        return False
    host = url.host or ""
    if api_url and url.scheme == "http" and url.authority == yarl.URL(api_url).authority:
        return True
    return url.scheme == "https" and url.port == 443 and (host in HOSTS or host.endswith(MANY_HOSTS))
