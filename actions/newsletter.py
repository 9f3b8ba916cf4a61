"""The newsletter: getting it, and getting rid of it."""

from __future__ import annotations

from rasa_sdk.events import EventType

from actions.accounts import EMAIL, EmailForm
from actions.action import ShopAction, Speaker
from actions.form import Slots
from actions.turn import Turn
from nlu.signs import newsletter_wish

WISH = "newsletter_wish"


class NewsletterForm(EmailForm):
    """Whether the newsletter is wanted or not any more, and at which e-mail."""

    form = "newsletter_form"
    intent = "newsletter_subscription"
    own_slots = (WISH, EMAIL)

    def read(self, turn: Turn, slots: Slots) -> Slots:
        """Read the wish, pressed, typed as the button says it or in other words, and an e-mail."""
        wish = turn.choice()
        if wish is None and not turn.pressed and (turn.intent == self.intent or turn.requested == WISH):
            wish = newsletter_wish(turn.text)
        found = super().read(turn, slots)
        return {WISH: wish, **found} if wish in {"subscribe", "unsubscribe"} else found

    def ask_next(self, speaker: Speaker, turn: Turn, slots: Slots) -> str | None:
        """Ask for the wish, then for the e-mail."""
        if not slots.get(WISH):
            speaker.say("utter_request_newsletter_wish")
            return WISH
        return super().ask_next(speaker, turn, slots)


class Newsletter(ShopAction):
    """Starts or ends the newsletter."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_newsletter"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Do what was wished, if the form was not left without."""
        wish, email = turn.slots.get(WISH), turn.slots.get(EMAIL)
        if not (wish and email):
            return []
        if wish == "subscribe":
            self.shop.subscribe(email, self.market(turn).code, key=self.key(turn))
            speaker.say("utter_subscribed", email=email)
        else:
            self.shop.unsubscribe(email, key=self.key(turn))
            speaker.say("utter_unsubscribed", email=email)
        return []
