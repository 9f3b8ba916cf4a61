"""What customers think: reviews with stars, and complaints."""

from __future__ import annotations

from rasa_sdk.events import EventType

from actions import typed
from actions.action import ShopAction, Speaker, identified_order
from actions.form import Form, Slots
from actions.turn import Turn

STARS = "stars"
FEWEST, MOST = 1, 5


class ReviewForm(Form):
    """How many stars the shop gets."""

    form = "review_form"
    intent = "review"
    own_slots = (STARS,)

    def read_start(self, turn: Turn, slots: Slots) -> Slots:
        """Read nothing: a number in a first message may count anything."""
        return {}

    def read(self, turn: Turn, slots: Slots) -> Slots:
        """Read the stars, pressed or typed."""
        stars = typed.small_number(turn.choice() or turn.text)
        return {STARS: stars} if stars is not None and FEWEST <= stars <= MOST else {}

    def ask_next(self, speaker: Speaker, turn: Turn, slots: Slots) -> str | None:
        """Ask for the stars."""
        if slots.get(STARS):
            return None
        speaker.say("utter_request_stars")
        return STARS


class Review(ShopAction):
    """Stores a review."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_review"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Store the stars, if the form was not left without."""
        stars = turn.slots.get(STARS)
        if not stars:
            return []
        order = identified_order(self.shop, turn.slots)
        self.shop.add_review(
            self.market(turn).code,
            int(stars),
            conversation=turn.conversation,
            order=order.number if order else None,
            key=self.key(turn),
        )
        speaker.say("utter_review_thanks", stars=int(stars))
        return []


class Complaint(ShopAction):
    """Puts a complaint on record."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_complaint"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Open a ticket and tell its reference."""
        ticket = self.shop.open_ticket(
            "complaint",
            conversation=turn.conversation,
            market=self.market(turn).code,
            reason="complaint",
            key=self.key(turn),
        )
        speaker.say("utter_complaint_recorded", reference=ticket.reference)
        return []
