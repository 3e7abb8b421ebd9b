"""What people do with commands, buttons and forms on the fake Discord."""

from __future__ import annotations

from typing import Any

from adapters.discord.testing import components, payloads, people
from adapters.discord.testing.gateway import Gateway
from adapters.discord.testing.webhooks import ByToken, Interaction
from adapters.discord.testing.world import DIRECT, GROUP, Account, Channel, Guild, Json, Message, World


class Hands:
    """The part of `FakeDiscord` that is used with the mouse."""

    world: World
    general: Channel
    ada: Account
    gateway: Gateway
    _by_token: ByToken

    # Where the bot is a guest

    def group(self, name: str, *members: Account, owner: Account | None = None) -> Channel:
        """A group of people, which no bot can join; who has installed it for themselves may use it there."""
        everybody = tuple({account.id: account for account in (owner or self.ada, *members)}.values())
        group = Channel(self.world.new_id(), name, GROUP, owner=owner or self.ada, people=everybody, without_bot=True)
        return self.world.add_channel(group)

    def direct_between(self, one: Account, other: Account) -> Channel:
        channel = Channel(self.world.new_id(), other.name, DIRECT, people=(one, other), without_bot=True)
        return self.world.add_channel(channel)

    def foreign_guild(self, name: str, *members: Account) -> tuple[Guild, Channel]:
        """A server that the bot is no member of, and its first channel."""
        owner = self.world.add_account("Otto")
        guild = self.world.add_guild(name, owner)
        del guild.members[self.world.bot.id]
        guild.members |= {account.id: set() for account in (self.ada, *members)}
        return guild, self.world.add_channel(Channel(self.world.new_id(), "lobby", guild=guild))

    # Commands

    async def runs(
        self, command: str, /, *, channel: Channel | None = None, author: Account | None = None, **options: Any
    ) -> Interaction:
        """`/roll` with options, as picked in the client. Raises NotOffered for what the client would refuse."""
        where, who = channel or self.general, author or self.ada
        found, words = people.find_command(self.world, where, command, locale=who.locale)
        picked = people.fill(self.world, found, words, options)
        data = {"id": found["id"], "name": found["name"], "type": 1, "options": picked.options}
        interaction = people.new_interaction(self.world, 2, found["name"], who, where)
        return await self._interact(interaction, data | {"resolved": picked.resolved})

    async def types(
        self,
        command: str,
        option: str,
        typed: str,
        /,
        *,
        author: Account | None = None,
        channel: Channel | None = None,
        **options: Any,
    ) -> Interaction:
        """Half a value of an option; the suggestions come as `choices`."""
        where, who = channel or self.general, author or self.ada
        found, words = people.find_command(self.world, where, command, locale=who.locale)
        picked = people.fill(self.world, found, words, {**options, option: typed}, focused=option)
        data = {"id": found["id"], "name": found["name"], "type": 1, "options": picked.options}
        return await self._interact(people.new_interaction(self.world, 4, found["name"], who, where), data)

    async def uses(self, menu: str, message: Message, *, author: Account | None = None) -> Interaction:
        """An entry of a message's context menu. Discord sends the message along with its text, whatever the bot may
        read otherwise."""
        who = author or self.ada
        found, _ = people.find_command(self.world, message.channel, menu, kind=3, locale=who.locale)
        data = {
            "id": found["id"],
            "name": found["name"],
            "type": 3,
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): payloads.message_json(self.world, message)}},
        }
        interaction = people.new_interaction(self.world, 2, found["name"], who, message.channel)
        return await self._interact(interaction, data)

    # Buttons and forms

    async def presses(self, message: Message, label: str, *, author: Account | None = None) -> Interaction:
        """A button by its label or custom id, also under a message that was deleted a moment ago."""
        who = author or self.ada
        if message.seen_by not in (None, who):
            raise components.NotOffered(f"{who.name} does not see this message")
        data = components.button_data(message.components, label)
        interaction = people.new_interaction(self.world, 3, label, who, message.channel)
        interaction.source = message
        return await self._interact(interaction, data)

    async def fills(self, opened: Interaction, /, **values: Any) -> Interaction:
        """Send off the form that an interaction opened, with values by custom id; the others stay as they are shown.
        It may be sent again and again, as people may whose connection was lost."""
        if opened.form is None:
            raise components.NotOffered(f"{opened.name} opened no form")
        data = components.form_data(opened.form, values)
        interaction = people.new_interaction(self.world, 5, opened.name, opened.user, opened.channel)
        interaction.source = opened.source
        return await self._interact(interaction, data)

    async def _interact(self, interaction: Interaction, data: Json) -> Interaction:
        self._by_token.interactions[interaction.token] = interaction
        body = people.interaction_json(self.world, interaction, data)
        if interaction.source is not None:
            body["message"] = payloads.message_json(self.world, interaction.source)
        await self.gateway.dispatch("INTERACTION_CREATE", body)
        return interaction
