"""How a form asks, listens, steps aside and goes on: the base of every `validate_…_form` action.

Rasa runs the form's `validate_` action each time the form is started, answered, or gone back to after another matter.
It alone decides what is asked next (`requested_slot`), and asks. Returning no events rejects the message: Rasa's rules
then answer it by its intent and come back to the form.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from rasa_sdk.events import EventType, SlotSet

from actions.action import HANDOFF_OFFERED, ShopAction, Speaker
from actions.turn import CHOICE_INTENT, Turn

REQUESTED = "requested_slot"
CONFIRMED = "confirmed"
SUSPENDED = "suspended_form"

# Replies that offer a person. While one that asks yes or no is open, the form does not ask on top of it.
QUESTIONS_OF_OFFER = frozenset({"utter_offer_handoff", "utter_offer_handoff_unidentified", "utter_registration_hints"})
OFFERS = QUESTIONS_OF_OFFER | {"utter_apology"}
# After these the customer is left in peace until she writes again.
LAST_WORDS = frozenset({"contact_human_agent", "goodbye"})
# A customer who is asked for a name or a street may write anything; only a message like this is not the answer.
CERTAIN = 0.9
# From this confidence on a yes is one that something may be done for that cannot be undone.
CLEAR = 0.7
NOT_UNDERSTOOD = frozenset({"", "nlu_fallback"})

Slots = dict[str, Any]


class Form(ShopAction):
    """One task's questions.

    `form` is its name in the domain, `intent` the one that starts it, `own_slots` what it asks and forgets when it
    starts anew or is stopped. A form that only `looks_up` gives the floor back to the one that it interrupted.
    """

    form: ClassVar[str]
    intent: ClassVar[str]
    own_slots: ClassVar[tuple[str, ...]] = ()
    free_text_slots: ClassVar[tuple[str, ...]] = ()
    looks_up: ClassVar[bool] = False

    def name(self) -> str:
        """The action's name in the domain."""
        return f"validate_{self.form}"

    @abstractmethod
    def read(self, turn: Turn, slots: Slots) -> Slots:
        """Return the slots that the message fills or corrects; `slots` is what is known so far."""

    @abstractmethod
    def ask_next(self, speaker: Speaker, turn: Turn, slots: Slots) -> str | None:
        """Ask for what is missing and return its slot, or return None when the form has ended. May change `slots`."""

    def read_start(self, turn: Turn, slots: Slots) -> Slots:
        """Return the slots that the message that started the form fills."""
        return self.read(turn, slots)

    def stopped(self, turn: Turn) -> str:
        """Return the reply to a no that ends the form."""
        return "utter_stopped"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Take in the message and ask on."""
        phase = turn.phase(self.form)
        if phase == "started":
            return self._start(speaker, turn)
        if phase == "resumed":
            return self._resume(speaker, turn)
        return self._answer(speaker, turn)

    def _start(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        slots = {**turn.slots, REQUESTED: None}
        if slots.get(SUSPENDED) == self.form:
            slots[SUSPENDED] = None
            return self._go_on(speaker, turn, slots)
        slots.update(dict.fromkeys(self.own_slots))
        slots[SUSPENDED] = turn.interrupted_form if self.looks_up and turn.interrupted_form != self.form else None
        slots.update(self.read_start(turn, slots))
        return self.apologise(speaker, turn) + self._go_on(speaker, turn, slots)

    def _resume(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        if turn.intent in LAST_WORDS or turn.replies_now & (QUESTIONS_OF_OFFER | {"utter_handoff_queued"}):
            return [SlotSet(REQUESTED, turn.requested)]
        return self._go_on(speaker, turn, dict(turn.slots))

    def _answer(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        slots = dict(turn.slots)
        if self._answers_an_offer(turn):
            return []
        changes = {} if self._interrupts(turn) else self.read(turn, slots)
        if turn.requested == CONFIRMED and not changes and self._is_unclear(turn):
            speaker.say("utter_needs_clear_yes")
            return self.apologise(speaker, turn) + self._go_on(speaker, turn, slots)
        reply = self._yes_or_no(turn)
        if reply == "affirm" and turn.requested == CONFIRMED and not changes:
            changes = {CONFIRMED: True}
        if changes:
            slots.update(changes)
        elif reply == "deny":
            speaker.say(self.stopped(turn))
            slots.update(dict.fromkeys(self.own_slots), **{REQUESTED: None})
            return self._changed(turn, slots)
        elif turn.intent not in {self.intent, CHOICE_INTENT, "affirm"}:
            return []
        return self.apologise(speaker, turn) + self._go_on(speaker, turn, slots)

    def _go_on(self, speaker: Speaker, turn: Turn, slots: Slots) -> list[EventType]:
        slots[REQUESTED] = self.ask_next(speaker, turn, slots)
        return self._changed(turn, slots)

    def _changed(self, turn: Turn, slots: Slots) -> list[EventType]:
        """Return slot events for what differs; never none, for Rasa would take that as a rejection."""
        changed: list[EventType] = [
            SlotSet(slot, value)
            for slot, value in slots.items()
            if slot not in {REQUESTED, HANDOFF_OFFERED} and value != turn.slots.get(slot)
        ]
        return [*changed, SlotSet(SUSPENDED, slots.get(SUSPENDED)), SlotSet(REQUESTED, slots[REQUESTED])]

    def _answers_an_offer(self, turn: Turn) -> bool:
        if turn.intent not in {"affirm", "deny"}:
            return False
        if turn.replies_before & QUESTIONS_OF_OFFER:
            return True
        return turn.intent == "affirm" and turn.requested != CONFIRMED and bool(turn.replies_before & OFFERS)

    def _yes_or_no(self, turn: Turn) -> str | None:
        """Return "affirm" or "deny"; the form's own wish with a yes or no before it ("yes, cancel it") is that."""
        said = turn.opening if turn.intent == self.intent else turn.intent
        return said if said in {"affirm", "deny"} else None

    def _is_unclear(self, turn: Turn) -> bool:
        """Tell whether an answer to "shall I?" is neither yes nor no: a question, a maybe, or hardly a yes.

        Another matter that begins with a maybe ("not sure, where is it?") is that matter.
        """
        if turn.pressed:
            return False
        reply = self._yes_or_no(turn)
        if turn.hesitates and turn.opening != "deny":
            return reply is not None or turn.intent in NOT_UNDERSTOOD | {self.intent}
        if turn.asks:
            return reply is not None
        return reply == turn.intent == "affirm" and turn.confidence < CLEAR

    def _interrupts(self, turn: Turn) -> bool:
        """Tell whether a message is another matter although free text was asked for."""
        if turn.requested not in self.free_text_slots:
            return False
        if turn.pressed or turn.intent == "deny":
            return True
        known = turn.intent not in NOT_UNDERSTOOD | {self.intent}
        return turn.asks or (known and turn.confidence >= CERTAIN)
