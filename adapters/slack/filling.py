"""Forms in people's hands: opened in time, filled in, refused beside a field, and opened again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue
from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.slack import SlackSettings, deeds, forms
from adapters.slack.calls import Calls
from adapters.slack.commands import usage
from adapters.slack.deeds import Body, Deed
from adapters.slack.drafts import Carried, Draft, Drafts, draft_data
from adapters.slack.hearing import Hearing, attachments, moment
from adapters.slack.knowing import FORM_WITHIN, LOOK_WITHIN, Knowing
from adapters.slack.people import People
from adapters.slack.places import place_of
from adapters.slack.workspace import Workspace
from bot.api import (
    BotError,
    ButtonId,
    Clock,
    Command,
    CommandCall,
    Commands,
    DeliveryError,
    FormSubmitted,
    Handle,
    Reply,
    Route,
    Target,
    User,
    phrase,
    speaking_to,
    tr,
)

log = logging.getLogger(__name__)

UNAVAILABLE = phrase("I am not available here.")
UNKNOWN_FORM = phrase("The command of this form is no longer there.")
LOST_TARGET = phrase("I no longer have the message that this was about. Please open its menu again.")
LOST_FORM = phrase("I no longer have what you wrote, apart from what you see above. Please call the command again.")
NO_FORM = phrase("I could not open the form. Please try again.")
NO_FORM_TYPE = phrase("I could not open the form. Please try again, or type it all: `{usage}`")


class Filling:
    def __init__(
        self,
        settings: SlackSettings,
        workspace: Workspace,
        calls: Calls,
        hearing: Hearing,
        people: People,
        knowing: Knowing,
        commands: Commands,
        handle: Handle,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._calls = calls
        self._hearing = hearing
        self._people = people
        self._knowing = knowing
        self._commands = commands
        self._handle = handle
        self._clock = clock
        self._drafts = Drafts(clock)

    # Opening

    async def open(self, deed: Deed, draft: Draft, command: Command) -> None:
        """Nothing else is waited for any more: the trigger dies soon."""
        key = self._drafts.keep(draft) if draft.values or draft.target else ""
        carried = Carried(draft, deed.place.channel, deed.place.thread or "", deeds.carried(deed), key)
        language = await self._knowing.language(deed)
        with speaking_to(language):
            view = forms.view(command, str(carried), draft.values, draft.target)
        try:
            await self._calls.now("views.open", trigger_id=deed.id, view=view)
        except DeliveryError as error:
            log.warning("the form of /%s could not be opened: %s", command.name, error)
            told = tr(language, NO_FORM)
            if command.target is None:
                told = tr(language, NO_FORM_TYPE, usage=usage(self._settings, command))
            # With what was typed, and a way to try again.
            deed = deed.knowing(form=draft_data(draft))
            self._knowing.tell(deed, self._drafts.given_back(Reply(f"⚠️ {told}", failed=True), deed.data, language))

    async def reopen(self, deed: Deed, id: ButtonId) -> str:
        """With what was written before, as long as that is still known; or why not."""
        key, name, about = (*id.args, "", "", "")[:3]
        draft = self._drafts.get(key)
        if draft is None:
            draft = Draft(name, {}, await self._read_again(deed.place.channel, about) if about else None)
        command = self._commands.find(draft.command)
        if command is None:
            return UNKNOWN_FORM if draft.command else LOST_FORM
        if command.target is not None and draft.target is None:
            return LOST_TARGET
        await self.open(deed, draft, command)
        return ""

    def given_back(self, route: Route, reply: Reply) -> Reply:
        """An error about a form, with what was written into it; any other reply as it is."""
        return self._drafts.given_back(reply, route.data) if reply.failed else reply

    async def target(self, message: Mapping[str, Any], channel: str, within: float) -> Target:
        """What a form or command is about, with whatever is known of people by then."""
        message = {**message, "channel": channel}
        target = await self._knowing.soon(self._hearing.target(message, channel), within)
        if target is not None:
            return target
        user = str(message.get("user") or message.get("bot_id") or "")
        author = self._people.known_person(user, place_of(self._workspace.team, channel))
        text = self._hearing.understood_text(message)
        return Target(str(message["ts"]), author, text, moment(str(message["ts"])), attachments(message))

    # Sent off

    async def submitted(self, body: Body, ack: AsyncAck) -> None:
        view = body["view"]
        carried = Carried.parse(str(view.get("private_metadata") or ""))
        if view.get("callback_id") != forms.CALLBACK or carried is None:
            return
        place = place_of(self._workspace.team, carried.channel, carried.thread)
        deed = deeds.of_form(body, self._workspace, self._clock.now(), place, carried.data)
        command = self._commands.find(carried.draft.command)
        if command is None or not self._hearing.allows(place, deed.user):
            await self._refuse(deed, view, ack, UNKNOWN_FORM if command is None else UNAVAILABLE)
            return
        kept = self._drafts.get(carried.key) or carried.draft
        values = forms.read(view, command, kept.values)
        deed = await self._knowing.around(deed, _people_in(values))
        values = {name: self._named(value, deed) for name, value in values.items()}
        with speaking_to(self._knowing.known_language(deed)):
            if wrong := forms.problems(command, values):
                await ack(response_action="errors", errors=wrong)
                return
        target = await self._whole_target(carried, kept)
        if command.target is not None and target is None:
            await self._refuse(deed, view, ack, LOST_TARGET)
            return
        await self._hand_over(deed, Draft(command.name, values, target), command, view, ack)

    async def _hand_over(
        self, deed: Deed, draft: Draft, command: Command, view: Mapping[str, Any], ack: AsyncAck
    ) -> None:
        try:
            await self._handle(self._event(deed.knowing(form=draft_data(draft)), draft, command))
        except Exception as error:
            log.exception("a form of /%s could not be taken", command.name)
            await self._refuse(deed, view, ack, error.public if isinstance(error, BotError) else BotError().public)

    def _event(self, deed: Deed, draft: Draft, command: Command) -> FormSubmitted | CommandCall:
        """What completes a call is a call."""
        user, language = self._knowing.person(deed), self._knowing.known_language(deed)
        if command.form is None:
            return CommandCall(
                id=deed.id,
                user=user,
                route=deed.route,
                at=deed.at,
                locale=language,
                command=command.name,
                arguments=draft.values,
                target=draft.target,
            )
        return FormSubmitted(
            id=deed.id,
            user=user,
            route=deed.route,
            at=deed.at,
            locale=language,
            command=command.name,
            values=draft.values,
            target=draft.target,
        )

    async def _refuse(self, deed: Deed, view: Mapping[str, Any], ack: AsyncAck, sentence: str) -> None:
        """On the form, which stays open with all that is in it."""
        fields = [block["block_id"] for block in view.get("blocks") or () if block.get("type") == "input"]
        if fields:
            told = tr(await self._knowing.language(deed), sentence)
            await ack(response_action="errors", errors={fields[0]: told.replace("`", "")})

    def _named(self, value: JsonValue, deed: Deed) -> JsonValue:
        match value:
            case {"id": str(id), "name": str()}:
                user = self._people.known_person(id, deed.place)
                return {"id": user.id, "name": user.name, "is_bot": user.is_bot}
        return value

    async def _whole_target(self, carried: Carried, kept: Draft) -> Target | None:
        """The message that a form is about: as it was, or read again, or as much as the form carried of it."""
        small = carried.draft.target
        if kept is not carried.draft or small is None or carried.draft.whole:
            return kept.target or small
        return await self._read_again(carried.channel, small.id) or small

    async def _read_again(self, channel: str, ts: str) -> Target | None:
        """None where that cannot be done at once."""
        if self._settings.distributed:
            return None
        reading = self._calls.now("conversations.replies", channel=channel, ts=ts, limit=1, inclusive=True)
        try:
            answer = await self._knowing.soon(reading, LOOK_WITHIN / 2)
        except DeliveryError as error:
            log.info("the message that a form was about cannot be read: %s", error)
            return None
        found = next((each for each in (answer or {}).get("messages") or () if each.get("ts") == ts), None)
        return await self.target(found, channel, FORM_WITHIN) if found is not None else None

    # While it is filled in

    async def options(self, body: Body) -> list[dict[str, Any]]:
        view = body.get("view") or {}
        carried = Carried.parse(str(view.get("private_metadata") or ""))
        command = self._commands.find(carried.draft.command) if carried is not None else None
        if carried is None or command is None:
            return []
        place = place_of(self._workspace.team, carried.channel, carried.thread)
        deed = deeds.of_form(body, self._workspace, self._clock.now(), place, carried.data)
        parameter = next((each for each in command.parameters if each.name == body.get("action_id")), None)
        if parameter is None or not self._hearing.allows(place, deed.user):
            return []
        await self._knowing.learn(deed, within=FORM_WITHIN)
        kept = self._drafts.get(carried.key) or carried.draft
        call = CommandCall(
            id=deed.id,
            user=self._knowing.person(deed),
            route=deed.route,
            at=deed.at,
            locale=self._knowing.known_language(deed),
            command=command.name,
            arguments={**kept.values, **forms.read(view, command, kept.values)},
        )
        return await forms.options(parameter, call, str(body.get("value") or ""))


def _people_in(values: Mapping[str, JsonValue]) -> list[User]:
    return [User(str(value["id"]), "") for value in values.values() if isinstance(value, dict) and "id" in value]
