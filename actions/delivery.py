"""Ways and times of delivery in a market."""

from __future__ import annotations

from rasa_sdk.events import EventType

from actions.action import ShopAction, Speaker
from actions.turn import Turn


class DeliveryOptions(ShopAction):
    """Tells the ways of delivery, their prices and times."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_delivery_options"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Name the country, each way, and from when on delivery is free."""
        market = self.market(turn)
        terms = self.shop.terms(market.code)
        speaker.say("utter_delivery_country", country=market.name)
        for option in terms.delivery:
            speaker.say(
                "utter_delivery_option",
                way=f"delivery_{option.name}",
                price=option.price,
                days=[option.days_min, option.days_max],
                days_max=option.days_max,
            )
        speaker.say("utter_delivery_free", free_from=terms.free_from)
        return []


class DeliveryPeriod(ShopAction):
    """Tells how long each way of delivery takes."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_delivery_period"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Tell each way's working days."""
        for option in self.shop.terms(self.market(turn).code).delivery:
            speaker.say(
                "utter_delivery_period",
                way=f"delivery_{option.name}",
                days=[option.days_min, option.days_max],
                days_max=option.days_max,
            )
        return []
