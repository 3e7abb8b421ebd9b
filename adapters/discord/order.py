"""Who may be answered where: the lists of the settings, and the roles that people hold."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import discord

from adapters.discord import DiscordSettings
from adapters.discord.errors import CALL_ERRORS
from bot.api import Place

log = logging.getLogger(__name__)

DIRECT: Final = "dm"
# How many people's roles are known at once, and for how many seconds what was asked for counts.
KNOWN_PEOPLE = 10_000
KNOWN_SECONDS = 600.0


class Order:
    """What is denied stays denied; a list that is empty allows all.

    A message on a server carries its author's roles. Direct messages do not, and neither do messages that are read
    back: there Discord is asked once in ten minutes, on the servers that have one of the listed roles.
    """

    def __init__(self, client: discord.Client, settings: DiscordSettings) -> None:
        self._client = client
        self._settings = settings
        self._listed = {*settings.roles, *settings.deny_roles}
        self._asking: dict[tuple[int, int], asyncio.Lock] = {}
        self._known: OrderedDict[tuple[int, int], tuple[float, frozenset[int]]] = OrderedDict()

    def allows(self, place: Place, user: discord.abc.Snowflake) -> bool:
        """Whether this person may be answered in this place."""
        settings = self._settings
        if user.id in settings.deny_users or (settings.users and user.id not in settings.users):
            return False
        return self._allows_roles(place, user) and self.allows_in(place)

    def allows_in(self, place: Place) -> bool:
        """Whether anybody may be answered in this place."""
        settings = self._settings
        if place.workspace == DIRECT:
            return settings.direct_messages
        guild = int(place.workspace)
        channels = {int(place.channel), int(place.thread or place.channel)}
        if guild in settings.deny_guilds or channels & {*settings.deny_channels}:
            return False
        return (not settings.guilds or guild in settings.guilds) and (
            not settings.channels or bool(channels & {*settings.channels})
        )

    async def learn(self, place: Place, people: Iterable[discord.abc.Snowflake]) -> None:
        """Ask for the roles that `allows` will need and nobody has told yet."""
        if not self._listed:
            return
        for user in {each.id: each for each in people}.values():
            for guild in self._guilds_of(place):
                if not _tells_roles(user, guild.id):
                    await self._learn(guild, user)

    def _allows_roles(self, place: Place, user: discord.abc.Snowflake) -> bool:
        settings = self._settings
        if not self._listed:
            return True
        held = self._held(place, user)
        if held & {*settings.deny_roles}:
            return False
        return not settings.roles or bool(held & {*settings.roles})

    def _held(self, place: Place, user: discord.abc.Snowflake) -> frozenset[int]:
        held: frozenset[int] = frozenset()
        for guild in self._guilds_of(place):
            if isinstance(user, discord.Member) and _tells_roles(user, guild.id):
                roles = frozenset(role.id for role in user.roles)
                self._remember(guild.id, user.id, roles)
                held |= roles
            else:
                held |= self._remembered(guild.id, user.id) or frozenset()
        return held

    def _guilds_of(self, place: Place) -> Sequence[discord.Guild]:
        """Where the roles that count here are held."""
        if place.workspace != DIRECT:
            guild = self._client.get_guild(int(place.workspace))
            return [guild] if guild is not None else []
        return [guild for guild in self._client.guilds if any(guild.get_role(role) for role in self._listed)]

    async def _learn(self, guild: discord.Guild, user: discord.abc.Snowflake) -> None:
        """Whoever writes twice in a moment is asked about once."""
        key = (guild.id, user.id)
        asking = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with asking:
                if self._remembered(*key) is None:
                    await self._ask(guild, user)
        finally:
            self._asking.pop(key, None)

    async def _ask(self, guild: discord.Guild, user: discord.abc.Snowflake) -> None:
        try:
            member = await guild.fetch_member(user.id)
        except discord.NotFound:
            self._remember(guild.id, user.id, frozenset())
        except CALL_ERRORS as error:
            log.warning("the roles of somebody could not be asked for: %s", error)
        else:
            self._remember(guild.id, user.id, frozenset(role.id for role in member.roles))

    def _remember(self, guild: int, user: int, roles: frozenset[int]) -> None:
        self._known[guild, user] = (time.monotonic(), roles)
        self._known.move_to_end((guild, user))
        if len(self._known) > KNOWN_PEOPLE:
            self._known.popitem(last=False)

    def _remembered(self, guild: int, user: int) -> frozenset[int] | None:
        at, roles = self._known.get((guild, user), (0.0, None))
        return roles if time.monotonic() - at < KNOWN_SECONDS else None


def _tells_roles(user: discord.abc.Snowflake, guild: int) -> bool:
    return isinstance(user, discord.Member) and user.guild.id == guild
