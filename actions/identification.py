"""Who is asking: an order's number together with the e-mail or the postcode that belong to it.

Shared by every form that tells or changes something personal, and asked once in a conversation. Number and proof stay
in the slots and are checked against the shop each time, so that no slot alone opens an order. What the shop has signed
about the customer is not asked: her e-mail is the proof of her own orders, and of no other.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import ClassVar

from rasa_sdk.events import EventType

from actions import typed
from actions.action import ShopAction, Speaker, identified_order
from actions.form import CONFIRMED, Form, Slots
from actions.shop import Order
from actions.turn import CHOICE_INTENT, Turn

NUMBER = "order_number"
PROOF = "email"
REFUSED = "pair_refused"
WRONG_TRIES = "wrong_tries"
MOST_TRIES = 3
BUTTONS = 5  # orders that are offered


class IdentifiedForm(Form):
    """A form that first learns which order it is about, and that the customer may know about it.

    Unless `postcode_may_be_proof` is off, a postcode beside the order's number in the first message is its proof.
    What concerns the whole account `needs_email`: a postcode alone stands on every parcel.
    """

    postcode_may_be_proof: ClassVar[bool] = True
    needs_email: ClassVar[bool] = False

    def read(self, turn: Turn, slots: Slots) -> Slots:
        """Read number and proof, or a correction of them, and then what the form itself asks."""
        if turn.requested == NUMBER:
            return _answer_to_number(turn, slots)
        if turn.requested == PROOF:
            return _answer_to_proof(turn, slots)
        own = self.read_own(turn, slots)
        if own or turn.requested != CONFIRMED:
            return own
        number, _ = _number_and_postcode(turn)
        return _new_number(number, slots) | _email(turn, slots)

    def read_start(self, turn: Turn, slots: Slots) -> Slots:
        """Read what stands in the first message."""
        number, postcode = _number_and_postcode(turn)
        email = _email(turn, slots)
        proof = email or (_new_proof("postcode", postcode, slots) if number and self.postcode_may_be_proof else {})
        return _new_number(number, slots) | proof

    def ask_next(self, speaker: Speaker, turn: Turn, slots: Slots) -> str | None:
        """Ask for number and proof until they belong together, then what the form itself needs."""
        _fill_in_verified(turn, slots, needs_email=self.needs_email)
        tries = int(slots.get(WRONG_TRIES) or 0)
        if tries < MOST_TRIES and not slots.get(REFUSED):
            order = identified_order(self.shop, slots)
            if order is not None and self.needs_email and not slots.get("email"):
                speaker.say("utter_request_account_email", order=order.number)
                return PROOF
            if order is not None:
                return self.ask_own(speaker, turn, slots, order)
            if slots.get(NUMBER) and (slots.get("email") or slots.get("postcode")):
                tries += 1
                slots.update({WRONG_TRIES: tries, REFUSED: True})
        if tries >= MOST_TRIES:
            slots[REFUSED] = True
            speaker.say("utter_offer_handoff_unidentified")
            return None
        if slots.get(REFUSED):
            speaker.say("utter_not_identified")
            return NUMBER
        if not slots.get(NUMBER):
            speaker.say(
                "utter_request_order_number", buttons=[_button(each) for each in turn.verified_orders[:BUTTONS]]
            )
            return NUMBER
        speaker.say("utter_request_proof", order=slots[NUMBER])
        return PROOF

    def stopped(self, turn: Turn) -> str:
        """Return the reply to a no; who says it when asked for a number may not have it at hand."""
        return "utter_stopped_unidentified" if turn.requested in {NUMBER, PROOF} else super().stopped(turn)

    def read_own(self, turn: Turn, slots: Slots) -> Slots:
        """Return what the message says about the form's own questions."""
        return {}

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask the form's own questions about the identified order; None when there is none left."""
        return None


class OrderAction(ShopAction):
    """What is told or done once the order is known; silent if the form was left without."""

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Act on the identified order."""
        order = None if turn.slots.get(REFUSED) else identified_order(self.shop, turn.slots)
        return [] if order is None else self.act_on(speaker, turn, order) or []

    @abstractmethod
    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> list[EventType] | None:
        """Tell or do it; may return events."""


class AccountAction(OrderAction):
    """What is done with the account of the identified order, for somebody who knows its e-mail."""

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Act on the account, or tell that the order was placed without one."""
        if not turn.slots.get("email"):
            return
        try:
            self.act_on_account(speaker, turn, order)
        except LookupError:
            speaker.say("utter_no_account")

    @abstractmethod
    def act_on_account(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Do it; raises LookupError if there is no account."""


def _fill_in_verified(turn: Turn, slots: Slots, *, needs_email: bool) -> None:
    """Take up what the shop has signed, where the customer has said nothing else: her e-mail, and her only order."""
    if len(turn.verified_orders) == 1 and not slots.get(NUMBER):
        slots[NUMBER] = turn.verified_orders[0]
    if turn.verified_email and not slots.get("email") and (needs_email or not slots.get("postcode")):
        slots.update(email=turn.verified_email, postcode=None)


def _answer_to_number(turn: Turn, slots: Slots) -> Slots:
    number, postcode = _number_and_postcode(turn)
    found = _new_number(number or turn.choice() or typed.order_number(turn.text), slots)
    # A postcode alone corrects the proof once a pair was refused.
    proof = _new_proof("postcode", postcode, slots) if number or slots.get(REFUSED) else {}
    return found | (_email(turn, slots) or proof)


def _answer_to_proof(turn: Turn, slots: Slots) -> Slots:
    """Read an e-mail or a postcode; digits are another order number only after a no, or if like the known one."""
    number, postcode = _number_and_postcode(turn)
    email = _email(turn, slots)
    if number and (turn.intent == "deny" or typed.resemble(number, str(slots.get(NUMBER)))):
        corrected = _new_number(number, slots)
        if corrected or email:
            return corrected | (email or _new_proof("postcode", postcode, slots))
    return email or _new_proof("postcode", postcode or number or typed.postcode(turn.text), slots)


def _number_and_postcode(turn: Turn) -> tuple[str | None, str | None]:
    """Tell an order's number from a postcode; five or six digits are found as both, and the longer is the order's."""
    number = max(turn.found("order_number"), key=lambda found: len(found["value"]), default=None)
    postcodes = (found["value"] for found in turn.found("postcode") if not number or found["start"] != number["start"])
    return (number["value"] if number else None), next(postcodes, None)


def _email(turn: Turn, slots: Slots) -> Slots:
    emails = turn.values("email")
    return _new_proof("email", emails[0] if emails else typed.email(turn.text), slots)


def _new_number(number: str | None, slots: Slots) -> Slots:
    if not number or (number == slots.get(NUMBER) and not slots.get(REFUSED)):
        return {}
    return {NUMBER: number, REFUSED: False}


def _new_proof(kind: str, value: str | None, slots: Slots) -> Slots:
    if not value or (value == slots.get(kind) and not slots.get(REFUSED)):
        return {}
    return {"email": None, "postcode": None, kind: value, REFUSED: False}


def _button(number: str) -> dict[str, str]:
    return {"title": number, "payload": f"/{CHOICE_INTENT}" + json.dumps({"choice": number})}
