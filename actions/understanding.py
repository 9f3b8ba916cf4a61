"""What happens when a message was not understood, and at the end of every answer."""

from __future__ import annotations

from rasa_sdk.events import EventType, FollowupAction

from actions.action import ShopAction, Speaker, asks_team
from actions.form import SUSPENDED
from actions.turn import Turn

# What a customer most often wants who sends an order's number, or her e-mail, and no word.
FORM_OF_A_BARE_NUMBER = "track_order_form"
NOT_UNDERSTOOD = frozenset({"utter_rephrase", "utter_out_of_scope", "utter_offer_handoff"})
SURELY_OUT_OF_SCOPE = 0.8


class NotUnderstood(ShopAction):
    """Asks to say it in other words, names what the bot can do, or offers a person the second time in a row."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_not_understood"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Say which of the three it is; an order's number or an e-mail without a request tells where the order is."""
        if not turn.active_form and (turn.values("order_number") or turn.values("email")):
            return [FollowupAction(FORM_OF_A_BARE_NUMBER)]
        if turn.replies_before & NOT_UNDERSTOOD:
            speaker.say("utter_offer_handoff", custom=asks_team("not_understood"))
        elif turn.out_of_scope >= SURELY_OUT_OF_SCOPE:
            speaker.say("utter_out_of_scope")
        else:
            speaker.say("utter_rephrase")
        return []


class RoundOff(ShopAction):
    """Ends an answer: offers an upset customer a person, and goes back to the form that a look-up interrupted."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_round_off"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Apologise if need be, and go on."""
        events = self.apologise(speaker, turn)
        suspended = turn.slots.get(SUSPENDED)
        if suspended and not turn.active_form:
            events.append(FollowupAction(suspended))
        return events
