"""Calling what plugins declared: commands, with the values they want, and buttons."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.commands import Command, Commands
from bot.context import EngineContext
from bot.errors import BotError, NotAllowed, UsageError
from bot.events import AnyEvent, ButtonPressed, CommandCall, Event, FormSubmitted
from bot.exchanges import Exchanges
from bot.house import Loaded
from bot.platform import Adapter
from bot.replies import Reply, Text
from bot.store import Claim, Store
from bot.turns import Turns
from bot.words import phrase, say, spoken_now, switch


class Calling:
    """Raises BotError with what to tell whoever called."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        plugins: Sequence[Loaded],
        commands: Commands,
        turns: Turns,
        exchanges: Exchanges,
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._plugins = {loaded.plugin.name: loaded for loaded in plugins}
        self._commands = commands
        self._turns = turns
        self._exchanges = exchanges

    def waits(self, event: CommandCall | ButtonPressed) -> bool:
        """Whether it waits for its turn; what nobody knows is told at once."""
        if isinstance(event, ButtonPressed):
            return any(event.action in loaded.plugin.waiting for loaded in self._plugins.values())
        found = self._commands.match(f"{event.command} {event.text or ''}")
        return found is not None and not found[0].immediate

    def is_private(self, event: AnyEvent) -> bool:
        """Whether what went wrong concerns only whoever pressed a button or called a command for themselves."""
        if isinstance(event, ButtonPressed):
            return True
        if not isinstance(event, CommandCall | FormSubmitted):
            return False
        command = self._commands.find(event.command)
        return command is not None and command.private

    async def command(self, event: CommandCall, claim: Claim) -> None:
        await self._turns.heed(event)
        command, line = self._called(event)
        given = [line.strip()] if event.arguments is None else event.arguments.values()
        self._check_allowed(command, event, bare=not any(value not in (None, "") for value in given))
        if claim.started:
            raise BotError(
                f"/{command.name} was interrupted by a restart",
                public=say(
                    "I was restarted while `/{command}` was running. It may have worked in part: "
                    "please check, and run it again if needed.",
                    command=command.name,
                ),
            )
        raw = command.parse(line, event.mentions) if event.arguments is None else event.arguments
        arguments = command.bind(raw)
        await self._store.begin(event.place, event.id)
        context = await self._turns.context(event, self._plugins[command.plugin])
        if command.private:
            # Only this person sees it, so theirs goes before the place's.
            switch(event.locale, spoken_now().code)
        await self._run(command, context, arguments)
        if not context.answered:
            await self._adapter(event).send(event.route, Reply("", private=command.private))

    def _called(self, event: CommandCall) -> tuple[Command, str]:
        """The command and its line of text; what was typed may name a group's command in its first two words."""
        command = self._commands.find(event.command)
        if command is not None:
            return command, event.text or ""
        line = f"{event.command} {event.text or ''}"
        found = self._commands.match(line)
        if found is None:
            raise UsageError(self._commands.unknown(line))
        return found

    async def _run(self, command: Command, context: EngineContext, arguments: Mapping[str, Any]) -> None:
        result: Any = command.callback(context, **arguments)
        if inspect.isasyncgen(result):
            async with context.stream() as stream:
                async for text in result:
                    await stream.write(Text(str(text)))
            return
        await self._give(await result, context, private=command.private)

    async def _give(self, returned: object, context: EngineContext, *, private: bool = False) -> None:
        """Show what a handler returned, if it returned anything."""
        reply = Reply(returned) if isinstance(returned, str) else returned
        if reply is not None and not isinstance(reply, Reply):
            kind = type(reply).__name__
            raise BotError(
                f"plugin {context.plugin} returned {kind}, where only str, Reply and None can be shown",
                public=say(
                    "The plugin `{plugin}` answered with something that I cannot show ({kind}).",
                    plugin=context.plugin,
                    kind=kind,
                ),
            )
        if isinstance(reply, Reply):
            await context.send(replace(reply, private=reply.private or private))

    def _check_allowed(self, command: Command, event: Event, *, bare: bool) -> None:
        if self._turns.may(event.user, command) or (command.look and bare):
            return
        public = phrase("Only moderators may use `/{command}` here. In a direct message with me, you may.")
        if command.look:
            public = phrase("Only moderators may change that here. `/{command}` alone shows how it is.")
        public = command.refusal or public
        raise NotAllowed(
            f"/{command.name} refused to {event.user.id}",
            public=say(public, command=command.name),
        )

    async def button(self, event: ButtonPressed) -> None:
        user = event.user
        allowed = {"anyone": True, "moderators": user.is_moderator, "asker": user.id == event.asker}
        if not (allowed[event.who] or user.is_moderator):
            await self._turns.heed(event)
            public = phrase("This button is for whoever asked, and for moderators.")
            if event.who == "moderators":
                public = phrase("This button is for moderators.")
            raise NotAllowed(f"{event.action} refused to {user.id}", public=public)
        if await self._exchanges.pressed(event):
            return
        for loaded in self._plugins.values():
            handler = loaded.plugin.buttons.get(event.action)
            if handler is not None:
                context = await self._turns.context(event, loaded)
                await self._give(await handler(context, *event.args), context)
                return
        raise UsageError("This button belongs to something I no longer know.")

    def _adapter(self, event: AnyEvent) -> Adapter:
        return self._adapters[event.place.platform]


def called_by(event: FormSubmitted) -> CommandCall:
    """The call that a filled form stands for."""
    return CommandCall(
        id=event.id,
        user=event.user,
        route=event.route,
        at=event.at,
        locale=event.locale,
        command=event.command,
        arguments=event.values,
        target=event.target,
    )
