"""What people do with commands, buttons and forms, as events: acknowledged in time, answered in the right place."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import discord
from discord import ui
from pydantic import JsonValue

from adapters.discord import buttons
from adapters.discord import commands as registry
from adapters.discord.errors import ALREADY_ACKNOWLEDGED, CALL_ERRORS
from adapters.discord.forms import REOPEN, Draft, FormId, Modal, draft_data, opens_form, read
from adapters.discord.hearing import Hearing, channel_id, place_of, user_of
from adapters.discord.markup import length, to_discord
from adapters.discord.replying import Pending, Replies
from adapters.discord.sending import MAX_CHARS, as_files
from bot.api import (
    ButtonId,
    ButtonPressed,
    Command,
    CommandCall,
    DeliveryError,
    FormSubmitted,
    Handle,
    Place,
    Reply,
    Route,
    Target,
    UsageError,
    User,
    clip,
    phrase,
    speaking_to,
    tr,
)

log = logging.getLogger(__name__)

AnyInteraction: TypeAlias = discord.Interaction[Any]

# As `button_id` writes them.
KNOWN_IDS = re.compile(r"d1/.*")
# Seconds in which a second press of the same button is the hand's, not the head's.
DOUBLE, MOST_PRESSES = timedelta(seconds=0.7), 500
UNAVAILABLE = phrase("I am not available here.")
UNKNOWN_BUTTON = phrase("This button is of no use any more. Please ask me again.")
UNKNOWN_FORM = phrase("The command of this form is no longer there.")
LOST_TARGET = phrase("I no longer have the message that this was about. Please open its menu again.")
LOST_FORM = phrase("I no longer have what you wrote, apart from what you see above. Please call the command again.")
NO_FORM = phrase("I could not open the form. Please try again.")
TWICE = phrase("Once is enough: I am at it already.")


class Pressed(ui.DynamicItem[ui.Button[Any]], template=KNOWN_IDS):
    """Any button of this bot, whichever process put it there: what it means is in its id."""

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[Any], match: Any, /) -> Pressed:
        assert isinstance(item, ui.Button)
        return cls(item)

    async def callback(self, interaction: AnyInteraction) -> None:
        interaction.client.dispatch("press", interaction, buttons.pressed(self.custom_id))


@dataclass(frozen=True, slots=True)
class Where:
    """`is_guest` says that the bot has no way of its own there: it is no member and somebody brought it along, or it
    may not see the channel."""

    place: Place
    is_guest: bool
    user: User


class Interacting:
    """Turns interactions into events. Every one is answered within Discord's three seconds, whatever happens."""

    def __init__(self, hearing: Hearing, commands: Sequence[Command], replies: Replies, hand_over: Handle) -> None:
        self._hearing = hearing
        self._commands = commands
        self._replies = replies
        self._forms = replies.forms
        self._hand_over = hand_over
        self._last_press: dict[tuple[int, int, str], datetime] = {}

    async def heard(self, interaction: AnyInteraction) -> None:
        """Anything but a press of a button that is known by its id."""
        data: Any = interaction.data or {}
        match interaction.type:
            case discord.InteractionType.autocomplete:
                command, call = self._call_of(interaction)
                if self._hearing.allows(call.place, interaction.user):
                    await registry.suggest(interaction, command, call)
            case discord.InteractionType.application_command:
                await self._called(interaction)
            case discord.InteractionType.modal_submit:
                await self._submitted(interaction)
            case discord.InteractionType.component if not KNOWN_IDS.fullmatch(str(data.get("custom_id"))):
                await self.pressed(interaction, None)

    # Commands and menus

    async def _called(self, interaction: AnyInteraction) -> None:
        command, call = self._call_of(interaction)
        given = call.arguments or {}
        if call.target is not None:
            self._forms.keep_target(call.target)
        allowed = self._hearing.allows(call.place, interaction.user)
        if allowed and command is not None and _asks(command, call):
            given = {**(await command.fills(call) if command.fills is not None else {}), **given}
            await self._open(interaction, command, Draft(command.name, given, call.target.id if call.target else ""))
            return
        pending = self._begin(interaction, private=command is not None and command.private)
        if not allowed:
            await self._say(pending, interaction, UNAVAILABLE)
            return
        await self._hand_over(replace(call, route=Route(call.place, {**call.route.data, **pending.data})))

    def _call_of(self, interaction: AnyInteraction) -> tuple[Command | None, CommandCall]:
        """What an interaction asks for; while it is being typed, a value may be half of one."""
        data: Any = interaction.data or {}
        name, command, options = registry.called(data, self._commands)
        where, resolved = _where(interaction), data.get("resolved") or {}
        return command, CommandCall(
            id=str(interaction.id),
            user=where.user,
            route=Route(where.place, {"user": str(interaction.user.id)}),
            at=interaction.created_at,
            locale=_locale(interaction),
            command=name,
            arguments=registry.arguments(options, resolved),
            target=self._target_of(interaction, resolved.get("messages", {}).get(str(data.get("target_id")))),
        )

    def _target_of(self, interaction: AnyInteraction, message: Any) -> Target | None:
        """The message that a menu was opened on; Discord sends its text along whatever the bot may read otherwise."""
        if message is None or interaction.channel is None:
            return None
        channel: Any = interaction.channel
        state = interaction.client._connection  # discord.py builds messages out of nothing else
        return self._hearing.target(discord.Message(state=state, channel=channel, data=message))

    # Buttons

    async def pressed(self, interaction: AnyInteraction, id: ButtonId | None) -> None:
        """`id` is None for a button that this version of the bot does not know."""
        where, pressed = _where(interaction), _message_id(interaction)
        allowed = self._hearing.allows(where.place, interaction.user)
        if id is not None and id.action == REOPEN and allowed:
            await self._reopen(interaction, id)
            return
        pending = self._begin(interaction, more={"pressed": pressed})
        if not allowed or id is None or self._is_double(interaction, pressed):
            sentence = TWICE if allowed and id is not None else UNKNOWN_BUTTON if allowed else UNAVAILABLE
            await self._say(pending, interaction, sentence)
            return
        await self._hand_over(
            ButtonPressed(
                id=str(interaction.id),
                user=where.user,
                route=Route(where.place, {"user": str(interaction.user.id), **pending.data}),
                at=interaction.created_at,
                locale=_locale(interaction),
                action=id.action,
                args=id.args,
                message=pressed,
                who=id.who,
                asker=id.asker,
            )
        )

    def _is_double(self, interaction: AnyInteraction, message: str) -> bool:
        data: Any = interaction.data or {}
        key = (int(message or 0), interaction.user.id, str(data.get("custom_id")))
        before = self._last_press.pop(key, None)
        self._last_press[key] = interaction.created_at
        while len(self._last_press) > MOST_PRESSES:
            del self._last_press[next(iter(self._last_press))]
        return before is not None and interaction.created_at - before < DOUBLE

    # Forms

    async def _open(self, interaction: AnyInteraction, command: Command, draft: Draft) -> None:
        key = self._forms.keep(draft) if draft.values else ""
        with speaking_to(_locale(interaction)):
            form = Modal(command, FormId(command.name, draft.target, key), draft.values)
        try:
            await interaction.response.send_modal(form)
        except CALL_ERRORS as error:
            if getattr(error, "code", None) == ALREADY_ACKNOWLEDGED:
                return  # another process of this bot was faster
            log.warning("the form of /%s could not be opened: %s", command.name, error)
            pending = self._begin(interaction, more=draft_data(draft) if draft.values else {})
            await self._say(pending, interaction, NO_FORM)

    async def _reopen(self, interaction: AnyInteraction, id: ButtonId) -> None:
        """With what was written before, as long as that is still known."""
        key, name, target = (*id.args, "", "", "")[:3]
        draft = self._forms.draft(key) or Draft(name, {}, target)
        command = self._command(draft.command)
        if command is None or command.form is None:
            pending = self._begin(interaction, more={"pressed": _message_id(interaction)})
            await self._say(pending, interaction, UNKNOWN_FORM if draft.command else LOST_FORM)
            return
        await self._open(interaction, command, draft)

    async def _submitted(self, interaction: AnyInteraction) -> None:
        data: Any = interaction.data or {}
        where = _where(interaction)
        id = FormId.parse(str(data.get("custom_id"))) or FormId("")
        command = self._command(id.command)
        kept = self._forms.draft(id.key)
        before = kept.values if kept is not None and kept.command == id.command else {}
        draft = Draft(id.command, read(data, command, before), id.target)
        pending = self._begin(interaction, private=command is not None and command.private, more=draft_data(draft))
        if command is None or not self._hearing.allows(where.place, interaction.user):
            await self._say(pending, interaction, UNKNOWN_FORM if command is None else UNAVAILABLE)
        elif problem := _problem(command, draft.values, _locale(interaction)):
            await self._say(pending, interaction, problem)
        elif (target := await self._target(interaction, id.target, where)) is None and id.target:
            await self._say(pending, interaction, LOST_TARGET)
        else:
            await self._hand_over(
                FormSubmitted(
                    id=str(interaction.id),
                    user=where.user,
                    route=Route(where.place, {"user": str(interaction.user.id), **pending.data}),
                    at=interaction.created_at,
                    locale=_locale(interaction),
                    command=command.name,
                    values=draft.values,
                    target=target,
                )
            )

    async def _target(self, interaction: AnyInteraction, id: str, where: Where) -> Target | None:
        """The message that the form was opened on; after a restart it is read again, where the bot may."""
        known = self._forms.target(id) if id else None
        if known is not None or not id.isdecimal() or where.is_guest:
            return known
        try:
            channel = interaction.client.get_partial_messageable(channel_id(where.place))
            return self._hearing.target(await channel.fetch_message(int(id)))
        except CALL_ERRORS as error:
            log.info("the message that a form was about cannot be read: %s", error)
            return None

    # Answering

    def _command(self, name: str) -> Command | None:
        return next((each for each in self._commands if each.name == name), None)

    def _begin(
        self, interaction: AnyInteraction, *, private: bool = False, more: Mapping[str, JsonValue] | None = None
    ) -> Pending:
        data = {**(more or {}), "bytes": interaction.filesize_limit}
        if _where(interaction).is_guest:
            data["guest"] = True
        return self._replies.begin(interaction, private=private, more=data)

    async def _say(self, pending: Pending, interaction: AnyInteraction, sentence: str) -> None:
        """To this person alone; with what they wrote, if it was a form."""
        locale = _locale(interaction)
        reply = self._forms.given_back(Reply(f"⚠️ {tr(locale, sentence)}"), pending.data, locale)
        rows = buttons.components(reply.buttons, str(interaction.user.id))
        text = to_discord(clip(reply.text, MAX_CHARS, length))
        try:
            await pending.post(text, private=True, files=as_files(reply.files), components=rows)
        except DeliveryError as error:
            log.info("somebody could not be told: %s", error)


def _asks(command: Command, call: CommandCall) -> bool:
    """Whether to open the form. Who may not run the command is told so before they have written anything."""
    may = command.who != "moderators" or call.user.is_moderator
    from_menu = call.target is not None and command.form is not None
    return may and (from_menu or opens_form(command, call.arguments or {}))


def _where(interaction: AnyInteraction) -> Where:
    guild, channel = interaction.guild_id, interaction.channel
    if guild is not None:
        is_guest = interaction.client.get_guild(guild) is None or not interaction.app_permissions.view_channel
        is_direct = False
    else:
        is_guest = interaction.context.private_channel or isinstance(channel, discord.GroupChannel)
        # A group listens to its owner, and a conversation of two to both.
        is_direct = not isinstance(channel, discord.GroupChannel) or channel.owner_id == interaction.user.id
    place = place_of(channel, interaction.channel_id or 0, guild)
    return Where(place, is_guest, user_of(interaction.user, interaction.permissions, direct=is_direct))


def _message_id(interaction: AnyInteraction) -> str:
    return "" if interaction.message is None else str(interaction.message.id)


def _locale(interaction: AnyInteraction) -> str:
    return str(getattr(interaction.locale, "value", interaction.locale))


def _problem(command: Command, values: Mapping[str, JsonValue], locale: str) -> str | None:
    """What is wrong with a form. Whatever else a check raises, the core meets again and tells."""
    try:
        with speaking_to(locale):
            command.bind(values)
    except UsageError as error:
        return str(error)
    except Exception:
        log.debug("a check of /%s failed", command.name, exc_info=True)
    return None
