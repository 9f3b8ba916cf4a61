"""Telling where an order is, changing it, and how to place one."""

from __future__ import annotations

import json
from typing import Any

from rasa_sdk.events import EventType

from actions import typed
from actions.action import ShopAction, Speaker
from actions.form import CONFIRMED, Slots
from actions.identification import IdentifiedForm, OrderAction
from actions.shop import Item, Order, Shipment
from actions.turn import CHOICE_INTENT, Turn

LINE = "line"
QUANTITY = "quantity"
NOT_LEFT = frozenset({"placed", "packed"})


class TrackOrderForm(IdentifiedForm):
    """Which order is to be tracked."""

    form = "track_order_form"
    intent = "track_order"
    looks_up = True


class TrackOrder(OrderAction):
    """Tells an order's status and where its parcels are."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_track_order"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Tell the order's status, then each parcel's."""
        speaker.say(
            "utter_order_status",
            order=order.number,
            status=f"order_{order.status}",
            placed_on=order.placed_on,
            total=order.total,
        )
        if order.status in {"cancelled", "returned"}:
            return
        for shipment in order.shipments:
            _tell_shipment(speaker, shipment)


class ChangeOrderForm(IdentifiedForm):
    """Which item of an order is wanted how many times."""

    form = "change_order_form"
    intent = "change_order"
    own_slots = (LINE, QUANTITY, CONFIRMED)

    def read_own(self, turn: Turn, slots: Slots) -> Slots:
        """Read a line or a quantity, as a button or in digits."""
        if turn.requested not in {LINE, QUANTITY}:
            return {}
        chosen = turn.choice()
        number = int(chosen) if chosen and chosen.isdigit() else typed.small_number(turn.text)
        return {} if number is None else {turn.requested: number}

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask for item, quantity and a yes; end where the order has already left."""
        if slots.get(CONFIRMED):
            return None
        if order.status not in NOT_LEFT:
            speaker.say("utter_change_too_late", order=order.number, status=f"order_{order.status}")
            return None
        if len(order.items) == 1:
            slots[LINE] = order.items[0].line
        item = next((item for item in order.items if item.line == slots.get(LINE)), None)
        if item is None:
            slots[LINE] = None
            speaker.say("utter_request_line", order=order.number, buttons=[_button(item) for item in order.items])
            return LINE
        if slots.get(QUANTITY) is None:
            speaker.say("utter_request_quantity", item=_title(item), quantity=item.quantity)
            return QUANTITY
        if slots[QUANTITY] == item.quantity:
            slots[QUANTITY] = None
            speaker.say("utter_quantity_as_it_is", item=_title(item), quantity=item.quantity)
            return QUANTITY
        speaker.say("utter_confirm_change", order=order.number, item=_title(item), quantity=slots[QUANTITY])
        return CONFIRMED


class ChangeOrder(OrderAction):
    """Sets the quantity that the form learned."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_change_order"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Change the order if that was confirmed."""
        if not turn.slots.get(CONFIRMED):
            return
        line, quantity = int(turn.slots[LINE]), int(turn.slots[QUANTITY])
        changed = self.shop.change_quantity(order.number, line, quantity, key=self.key(turn))
        speaker.say("utter_order_changed", order=changed.number, total=changed.total)


class PlaceOrder(ShopAction):
    """Tells how to buy."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_place_order"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Name the shop's page."""
        speaker.say("utter_place_order", shop_url=self.shop_url.replace("{market}", self.market(turn).code))
        return []


def _tell_shipment(speaker: Speaker, shipment: Shipment) -> None:
    parcel: dict[str, Any] = {"carrier": shipment.carrier, "tracking_number": shipment.tracking_number}
    if shipment.status == "delivered" and shipment.delivered_on:
        speaker.say("utter_shipment_delivered", delivered_on=shipment.delivered_on, **parcel)
    elif shipment.status in {"held", "lost"}:
        speaker.say("utter_shipment_trouble", status=f"shipment_{shipment.status}", **parcel)
    elif shipment.expected_on:
        status = f"shipment_{shipment.status}"
        speaker.say("utter_shipment_expected", status=status, expected_on=shipment.expected_on, **parcel)
    else:
        speaker.say("utter_shipment_undated", status=f"shipment_{shipment.status}", **parcel)


def _title(item: Item) -> str:
    return f"{item.product} ({item.variant})" if item.variant else item.product


def _button(item: Item) -> dict[str, str]:
    return {"title": _title(item), "payload": f"/{CHOICE_INTENT}" + json.dumps({"choice": str(item.line)})}
