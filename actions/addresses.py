"""Delivery addresses: another one for an order, an additional one for an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa_sdk.events import EventType, SlotSet

from actions import typed
from actions.action import Speaker
from actions.form import CONFIRMED, Slots
from actions.identification import AccountAction, IdentifiedForm, OrderAction
from actions.orders import NOT_LEFT
from actions.shop import Address, Order
from actions.turn import Turn

STREET = "new_street"
POSTCODE = "new_postcode"
CITY = "new_city"
PARTS = (STREET, POSTCODE, CITY)


class AddressForm(IdentifiedForm):
    """A form that asks for an address, in one message or part by part."""

    own_slots = (*PARTS, CONFIRMED)
    free_text_slots = (STREET, CITY)
    postcode_may_be_proof = False

    def read_own(self, turn: Turn, slots: Slots) -> Slots:
        """Read the part that was asked for and whatever else of the address stands with it."""
        if turn.requested == STREET:
            return _read_address(turn)
        if turn.requested == POSTCODE:
            return _read_postcode(turn)
        if turn.requested == CITY:
            city = typed.line(turn.text)
            return {CITY: city} if city else {}
        return _corrected_postcode(turn, slots) or _corrected_street(turn)

    def ask_address(self, speaker: Speaker, slots: Slots) -> str | None:
        """Ask for the first part that is missing."""
        part = next((part for part in PARTS if not slots.get(part)), None)
        if part is not None:
            speaker.say(f"utter_request_{part.removeprefix('new_')}")
        return part

    def ask_yes(self, speaker: Speaker, slots: Slots, order: Order) -> str:
        """Ask for a yes with the whole address."""
        address = _address(slots, order)
        speaker.say(f"utter_confirm_{self.intent}", order=order.number, **_facts(address))
        return CONFIRMED


class ChangeAddressForm(AddressForm):
    """Where an order that has not left is to go instead."""

    form = "change_address_form"
    intent = "change_shipping_address"

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask for the address and a yes; end where the order has already left."""
        if slots.get(CONFIRMED):
            return None
        if order.status not in NOT_LEFT:
            speaker.say("utter_change_too_late", order=order.number, status=f"order_{order.status}")
            return None
        return self.ask_address(speaker, slots) or self.ask_yes(speaker, slots, order)


class ChangeAddress(OrderAction):
    """Sends the order to the new address."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_change_address"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> list[EventType]:
        """Change the address if that was confirmed; a postcode that was the proof is replaced by the new one."""
        if not turn.slots.get(CONFIRMED):
            return []
        address = _address(turn.slots, order)
        self.shop.change_shipping_address(order.number, address, key=self.key(turn))
        speaker.say("utter_address_changed", order=order.number, **_facts(address))
        return [SlotSet("postcode", address.postcode)] if turn.slots.get("postcode") else []


class AddAddressForm(AddressForm):
    """Which address is to be saved with the account."""

    form = "add_address_form"
    intent = "set_up_shipping_address"
    needs_email = True

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask for the address and a yes."""
        if slots.get(CONFIRMED):
            return None
        return self.ask_address(speaker, slots) or self.ask_yes(speaker, slots, order)


class AddAddress(AccountAction):
    """Saves an additional address with the account of the identified order."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_add_address"

    def act_on_account(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Save the address if that was confirmed."""
        if not turn.slots.get(CONFIRMED):
            return
        address = _address(turn.slots, order)
        self.shop.add_shipping_address(order.email, address, key=self.key(turn))
        speaker.say("utter_address_added", **_facts(address))


def _read_address(turn: Turn) -> Slots:
    codes = turn.found("postcode")
    text = turn.text
    # The postcode as it stands in the text: the entity's value is normalised.
    code = text[codes[-1]["start"] : codes[-1]["end"]] if codes else None
    parts = typed.address(text, code)
    return {
        slot: value for slot, value in ((STREET, parts.street), (POSTCODE, parts.postcode), (CITY, parts.city)) if value
    }


def _read_postcode(turn: Turn) -> Slots:
    parts = _read_address(turn)
    if POSTCODE not in parts:
        code = typed.postcode(turn.text)
        return {POSTCODE: code} if code else {}
    # "10115 Berlin": what stands beside a postcode that was asked for is the city, not the street.
    beside = parts.get(CITY) or parts.get(STREET)
    return {POSTCODE: parts[POSTCODE]} | ({CITY: beside} if beside else {})


def _corrected_postcode(turn: Turn, slots: Slots) -> Slots:
    codes = turn.values("postcode")
    return {POSTCODE: codes[-1]} if codes and not typed.resemble(codes[-1], str(slots.get("order_number"))) else {}


def _corrected_street(turn: Turn) -> Slots:
    """Read "no, Calle Mayor 7": what follows the no, if it has a number as streets do."""
    after = typed.COMMA.split(turn.text, maxsplit=1)[1:] if turn.intent == "deny" else []
    street = typed.line(after[0]) if after else None
    return {STREET: street} if street and any(char.isdigit() for char in street) else {}


def _address(slots: Mapping[str, Any], order: Order) -> Address:
    on_file = order.address
    return Address(on_file.name, slots[STREET], slots[POSTCODE], slots[CITY], on_file.country)


def _facts(address: Address) -> dict[str, Any]:
    return {"street": address.street, "postcode": address.postcode, "city": address.city}
