"""Giving a conversation to a person: on request, on offer, and how else the team is reached."""

from __future__ import annotations

from rasa_sdk.events import EventType, SlotSet

from actions.action import HANDOFF_OFFERED, ShopAction, Speaker, asks_team
from actions.form import OFFERS, QUESTIONS_OF_OFFER
from actions.shop import TicketKind
from actions.turn import Turn

ANYTHING_ELSE = "utter_what_next"
NEARLY_OVER = frozenset({ANYTHING_ELSE, "utter_thank"})
# What accepting an offer opens: the kind of ticket and the reason told to the team.
ACCEPTED: dict[str, tuple[TicketKind, str]] = {
    "utter_offer_handoff": ("handoff", "not_understood"),
    "utter_offer_handoff_unidentified": ("handoff", "not_identified"),
    "utter_registration_hints": ("registration_problem", "registration_failed"),
    "utter_apology": ("handoff", "negative"),
}
# The reference that the customer was told last, and when; within so many seconds it is still the same matter.
TICKET = "handoff_ticket"
SAME_MATTER = 7 * 24 * 3600.0
# Tells the edge that the customer wants no person; who was queued for an offer alone is queued no longer.
DECLINED = "declined"


class HandoffAction(ShopAction):
    """An action that may queue the conversation for a person."""

    def hand_off(self, speaker: Speaker, turn: Turn, kind: TicketKind, reason: str) -> list[EventType]:
        """Tell the customer her ticket's reference, and the edge; who waits already has one and gets no second."""
        ticket = turn.slots.get(TICKET)
        if not ticket or turn.at - ticket["at"] > SAME_MATTER:
            opened = self.shop.open_ticket(
                kind, conversation=turn.conversation, market=self.market(turn).code, reason=reason, key=self.key(turn)
            )
            ticket = {"reference": opened.reference, "at": turn.at}
        custom = asks_team(reason, ticket=ticket["reference"])
        speaker.say("utter_handoff_queued", reference=ticket["reference"], custom=custom)
        return [SlotSet(HANDOFF_OFFERED, True), SlotSet(TICKET, ticket)]


class Handoff(HandoffAction):
    """Queues the conversation at once: the customer asked for a person."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_handoff"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Hand off."""
        return self.hand_off(speaker, turn, "handoff", "wish")


class Affirm(HandoffAction):
    """Answers a yes outside of a form: to an offered person, or to nothing in particular."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_affirm"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Hand off if that was offered; a maybe is asked again; whoever wants something else is told what there is."""
        offer = next((offer for offer in ACCEPTED if offer in turn.replies_before), None)
        if turn.asks or turn.hesitates:
            speaker.say(offer if offer in QUESTIONS_OF_OFFER else "utter_rephrase")
            return []
        if offer is not None:
            kind, reason = ACCEPTED[offer]
            why_offered = turn.slots.get(HANDOFF_OFFERED)
            if offer == "utter_apology" and isinstance(why_offered, str):
                reason = why_offered
            return self.hand_off(speaker, turn, kind, reason)
        speaker.say("utter_what_can_you_do" if ANYTHING_ELSE in turn.replies_before else ANYTHING_ELSE)
        return []


class Deny(ShopAction):
    """Answers a no outside of a form."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_deny"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Take the offer back if there was one; whoever wants nothing else is wished a good day."""
        if turn.replies_before & OFFERS:
            speaker.say("utter_handoff_declined", custom=asks_team(DECLINED))
            return [SlotSet(HANDOFF_OFFERED, True)]
        speaker.say("utter_goodbye" if turn.replies_before & NEARLY_OVER else ANYTHING_ELSE)
        return []


class Contact(ShopAction):
    """Tells how the market's customer service is reached."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_contact"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Name phone, e-mail and hours."""
        contact = self.market(turn).contact
        speaker.say("utter_contact", phone=contact.phone, email=contact.email, **contact.hours)
        return []
