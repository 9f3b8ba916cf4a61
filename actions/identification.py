"""Who is asking: an order's number together with the e-mail or the postcode that belong to it.

Shared by every form that tells or changes something personal, and asked once in a conversation. Number and proof stay
in the slots and are checked against the shop each time, so that no slot alone opens an order.
"""

from __future__ import annotations

from abc import abstractmethod

from rasa_sdk.events import EventType

from actions import typed
from actions.action import ShopAction, Speaker, identified_order
from actions.form import CONFIRMED, Form, Slots
from actions.shop import Order
from actions.turn import Turn

NUMBER = "order_number"
PROOF = "email"
REFUSED = "pair_refused"
WRONG_TRIES = "wrong_tries"
MOST_TRIES = 3


class IdentifiedForm(Form):
    """A form that first learns which order it is about, and that the customer may know about it."""

    def read(self, turn: Turn, slots: Slots) -> Slots:
        """Read number and proof, or a correction of them, and then what the form itself asks."""
        if turn.requested == NUMBER:
            return _read_number(turn, slots) | _read_proof(turn, slots, number_is_asked=True)
        if turn.requested == PROOF:
            return _correction(turn, slots) or _read_proof(turn, slots, number_is_asked=False)
        if turn.requested == CONFIRMED:
            own = self.read_own(turn, slots)
            return own or _correction(turn, slots) | _email(turn, slots)
        return self.read_own(turn, slots)

    def read_start(self, turn: Turn, slots: Slots) -> Slots:
        """Read what stands in the first message; a lone postcode is the proof of an order named with it."""
        found = _email(turn, slots)
        for number in turn.values("order_number")[:1]:
            found |= _new_number(number, slots)
        postcodes = turn.values("postcode")
        if postcodes and NUMBER in found and PROOF not in found:
            found |= _new_proof("postcode", postcodes[0], slots)
        return found

    def ask_next(self, speaker: Speaker, turn: Turn, slots: Slots) -> str | None:
        """Ask for number and proof until they belong together, then what the form itself needs."""
        order = None if slots.get(REFUSED) else identified_order(self.shop, slots)
        if order is not None:
            slots[WRONG_TRIES] = 0
            return self.ask_own(speaker, turn, slots, order)
        tries = int(slots.get(WRONG_TRIES) or 0)
        proof = slots.get("email") or slots.get("postcode")
        if slots.get(NUMBER) and proof and not slots.get(REFUSED):
            tries += 1
            slots.update({WRONG_TRIES: tries, REFUSED: True})
        if tries >= MOST_TRIES:
            speaker.say("utter_offer_handoff_unidentified")
            return None
        if slots.get(REFUSED):
            speaker.say("utter_not_identified")
            return NUMBER
        if not slots.get(NUMBER):
            speaker.say("utter_request_order_number")
            return NUMBER
        speaker.say("utter_request_proof", order=slots[NUMBER])
        return PROOF

    def read_own(self, turn: Turn, slots: Slots) -> Slots:  # noqa: ARG002
        """Return what the message says about the form's own questions."""
        return {}

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:  # noqa: ARG002
        """Ask the form's own questions about the identified order; None when there is none left."""
        return None


class OrderAction(ShopAction):
    """What is told or done once the order is known; silent if the form was left without."""

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Act on the identified order."""
        order = None if turn.slots.get(REFUSED) else identified_order(self.shop, turn.slots)
        if order is not None:
            self.act_on(speaker, turn, order)
        return []

    @abstractmethod
    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Tell or do it."""


def _read_number(turn: Turn, slots: Slots) -> Slots:
    numbers = turn.values("order_number")
    # After a refusal the postcode may be what is corrected; before, digits alone are the number that was asked for.
    unlabelled = [] if slots.get(REFUSED) and turn.values("postcode") else [typed.order_number(turn.text)]
    return next((_new_number(number, slots) for number in [*numbers, *unlabelled] if number), {})


def _read_proof(turn: Turn, slots: Slots, *, number_is_asked: bool) -> Slots:
    given = _email(turn, slots)
    if given:
        return given
    labelled = turn.values("postcode")
    if number_is_asked:
        meant = labelled if turn.values("order_number") or slots.get(REFUSED) else []
        return _new_proof("postcode", meant[0], slots) if meant else {}
    unlabelled = [*turn.values("order_number"), typed.postcode(turn.text)]
    return next((_new_proof("postcode", code, slots) for code in [*labelled, *unlabelled] if code), {})


def _correction(turn: Turn, slots: Slots) -> Slots:
    """Read another order number; bare digits are not one where a postcode was asked for."""
    numbers = turn.values("order_number")
    if not numbers or typed.plain(turn.text) == typed.plain(numbers[0]):
        return {}
    corrected = _new_number(numbers[0], slots)
    return corrected | _email(turn, slots) if corrected else {}


def _email(turn: Turn, slots: Slots) -> Slots:
    emails = [*turn.values("email"), typed.email(turn.text)]
    return _new_proof("email", emails[0], slots) if emails[0] else {}


def _new_number(number: str, slots: Slots) -> Slots:
    known = typed.plain(str(slots.get(NUMBER) or "")).lstrip("#")
    given = typed.plain(number).lstrip("#")
    return {} if given == known and not slots.get(REFUSED) else {NUMBER: given, REFUSED: False}


def _new_proof(kind: str, value: str, slots: Slots) -> Slots:
    if slots.get(kind) == value and not slots.get(REFUSED):
        return {}
    return {"email": None, "postcode": None, kind: value, REFUSED: False}
