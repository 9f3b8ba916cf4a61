"""Runs one turn in Rasa so that it happens once and whole, or not at all. Lives in the Rasa process.

Rasa swallows an action's failure and answers as if all were well, and its fail-safe tracker store falls back to memory;
here both become a `TurnFailed`, after which nothing of the turn is kept and the edge repeats it.
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from typing import Any

from rasa.core.actions.action import Action, ActionExecutionRejection
from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel, OutputChannel, UserMessage
from rasa.core.nlg.generator import NaturalLanguageGenerator
from rasa.core.policies.policy import PolicyPrediction
from rasa.core.processor import MessageProcessor
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, Event, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

NEXT_REQUEST = "next_request"
SECOND_REQUEST_SUFFIX = "+next"
CHANNEL_NAME = "polydesk"
# Seconds, for a whole turn; less than a lock in Redis lives (`bot/rasa_files.py`), so that none goes on without it.
TURN_WITHIN = 15.0
# Events, about seventy turns. Rasa reads, replays and hands on the whole session at each turn, and on a messaging
# channel a customer's conversation has no end.
LONG_SESSION = 500


class TurnFailed(BaseException):
    """An action failed, or the tracker was not stored. Not an `Exception`: Rasa would swallow that."""


@dataclass(frozen=True)
class Turn:
    """What the edge asks for: one message of one conversation, with the id by which it may be repeated."""

    sender: str
    text: str
    message_id: str
    metadata: dict[str, Any]


@dataclass
class TurnResult:
    """The replies of a turn, in order, and what was understood of the message."""

    replies: list[dict[str, Any]] = field(default_factory=list)
    parse_data: dict[str, Any] = field(default_factory=dict)


async def run_turn(agent: Agent, turn: Turn, *, within: float = TURN_WITHIN) -> TurnResult:
    """Run a turn, or return the stored result of one that was already run with this message id.

    Raises `TurnFailed`, also when it takes longer than so many seconds. A second request that the component found in
    the message is run as well once no form is active; until then it waits in the tracker's slot.
    """
    async with agent.lock_store.lock(turn.sender):
        try:
            async with asyncio.timeout(within):
                return _result(await _run(StrictProcessor.over(agent), turn), turn.message_id)
        except TimeoutError as error:
            raise TurnFailed(f"not done in {within:.0f} s") from error


async def understand(agent: Agent, turn: Turn) -> dict[str, Any]:
    """Return what a message is taken for, and keep nothing of it: it is a person's to answer, not the bot's."""
    tracker = await agent.processor.get_tracker(turn.sender)
    message = UserMessage(turn.text, None, turn.sender, None, CHANNEL_NAME, turn.message_id, turn.metadata)
    understood: dict[str, Any] = await agent.processor.parse_message(message, tracker)
    return understood


async def _run(processor: StrictProcessor, turn: Turn) -> DialogueStateTracker:
    tracker: DialogueStateTracker = await processor.get_tracker(turn.sender)
    if not _events_of(tracker, turn.message_id):
        tracker = await processor.run_message(turn, turn.text, turn.message_id, turn.metadata)
    waiting = tracker.get_slot(NEXT_REQUEST)
    if waiting and not tracker.active_loop_name:
        metadata = {**turn.metadata, "button": False}
        tracker = await processor.run_message(turn, waiting, turn.message_id + SECOND_REQUEST_SUFFIX, metadata)
    return tracker


class StrictProcessor(MessageProcessor):  # type: ignore[misc]
    """Rasa's processor for one turn of a locked conversation, with failures that are failures.

    `stored` is the tracker as it was stored last.
    """

    stored: DialogueStateTracker
    _read: DialogueStateTracker | None = None

    @classmethod
    def over(cls, agent: Agent) -> StrictProcessor:
        """Return a strict view of the agent's processor; they share everything but the class."""
        strict: StrictProcessor = copy.copy(agent.processor)
        strict.__class__ = cls
        # The fail-safe store calls this instead of falling back to memory, which would forget the turn.
        agent.tracker_store._on_tracker_store_error = _raise
        return strict

    async def run_message(
        self, turn: Turn, text: str, message_id: str, metadata: dict[str, Any]
    ) -> DialogueStateTracker:
        """Handle one message and return the stored tracker."""
        message = UserMessage(text, CollectingOutputChannel(), turn.sender, None, CHANNEL_NAME, message_id, metadata)
        try:
            await self.handle_message(message)
        except TurnFailed:
            raise
        except Exception as error:
            raise TurnFailed(f"{type(error).__name__}") from error
        return self.stored

    async def get_tracker(self, conversation_id: str) -> DialogueStateTracker:
        """Return the tracker, read once until it is stored: Rasa reads it three times, and nobody else writes it."""
        if self._read is None:
            self._read = await super().get_tracker(conversation_id)
        return self._read

    async def save_tracker(self, tracker: DialogueStateTracker) -> None:
        """Store a turn together with the second request found in it: between two stores a process may die."""
        latest = tracker.get_last_event_for(UserUttered)
        is_second = bool(latest) and str(latest.message_id).endswith(SECOND_REQUEST_SUFFIX)
        rest = latest.parse_data.get("rest") if latest and not is_second else None
        if rest or is_second:
            tracker.update(SlotSet(NEXT_REQUEST, rest))
        await super().save_tracker(tracker)
        self.stored, self._read = tracker, None

    def _has_session_expired(self, tracker: DialogueStateTracker) -> bool:
        """Have Rasa begin a new session, which keeps the slots, also after a long one, unless a form is under way.

        The turn with which it begins still sees the old one, and so what it answers.
        """
        is_long = len(tracker.events) > LONG_SESSION and not tracker.active_loop_name
        return is_long or bool(super()._has_session_expired(tracker))

    async def _run_action(
        self,
        action: Action,
        tracker: DialogueStateTracker,
        output_channel: OutputChannel,
        nlg: NaturalLanguageGenerator,
        prediction: PolicyPrediction,
    ) -> bool:
        return bool(await super()._run_action(StrictAction(action), tracker, output_channel, nlg, prediction))


class StrictAction(Action):  # type: ignore[misc]
    """An action whose failure ends the turn."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def name(self) -> str:
        """Return the action's own name."""
        return str(self.action.name())

    def event_for_successful_execution(self, prediction: PolicyPrediction) -> Event:
        """Return the action's own event (a form's differs from a plain action's)."""
        return self.action.event_for_successful_execution(prediction)

    async def run(
        self,
        output_channel: OutputChannel,
        nlg: NaturalLanguageGenerator,
        tracker: DialogueStateTracker,
        domain: Domain,
    ) -> list[Event]:
        """Run the action; a rejection is part of the dialogue, every other failure is a `TurnFailed`."""
        try:
            events: list[Event] = await self.action.run(output_channel, nlg, tracker, domain)
        except ActionExecutionRejection:
            raise
        except Exception as error:
            raise TurnFailed(f"{self.name()}: {type(error).__name__}") from error
        return events


def _raise(error: Exception) -> None:
    raise TurnFailed(f"tracker store: {type(error).__name__}") from error


def _events_of(tracker: DialogueStateTracker, message_id: str) -> list[Event]:
    """Return the events from the user message with this id (and the second request in it) to the next user message."""
    events: list[Event] = []
    inside = False
    for event in tracker.events:
        if isinstance(event, UserUttered):
            inside = event.message_id in (message_id, message_id + SECOND_REQUEST_SUFFIX)
        if inside:
            events.append(event)
    return events


def _result(tracker: DialogueStateTracker, message_id: str) -> TurnResult:
    result = TurnResult()
    for event in _events_of(tracker, message_id):
        if isinstance(event, UserUttered) and event.message_id == message_id:
            result.parse_data = event.parse_data
        elif isinstance(event, BotUttered):
            reply = _reply(event)
            if reply:
                result.replies.append(reply)
    return result


def _reply(event: BotUttered) -> dict[str, Any] | None:
    data, metadata = event.data or {}, event.metadata or {}
    custom = data.get("custom") or {}
    if not event.text and not custom:
        return None
    reply: dict[str, Any] = {
        "name": metadata.get("name") or "",
        "language": metadata.get("language") or "",
        "text": event.text or "",
        "buttons": data.get("buttons") or [],
    }
    if data.get("image"):
        reply["image"] = data["image"]
    if "handoff" in custom:
        reply["handoff"] = custom["handoff"]
    return reply
