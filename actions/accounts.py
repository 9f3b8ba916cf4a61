"""Accounts: opening one, its password, its e-mail, its kind, and deleting it."""

from __future__ import annotations

from typing import ClassVar

from rasa_sdk.events import EventType

from actions import typed
from actions.action import ShopAction, Speaker, masked
from actions.form import CONFIRMED, Form, Slots
from actions.identification import AccountAction, IdentifiedForm
from actions.shop import NotAllowed, Order
from actions.turn import Turn

EMAIL = "account_email"
NEW_EMAIL = "new_email"
KIND = "account_kind"


class EmailForm(Form):
    """A form that needs nothing but an e-mail address; one that was named before is taken up."""

    own_slots: ClassVar[tuple[str, ...]] = (EMAIL,)

    def read_start(self, turn: Turn, slots: Slots) -> Slots:
        """Read the e-mail that the first message names, else the one named for an order or signed by the shop."""
        known = slots.get("email") or turn.verified_email
        return ({EMAIL: known} if known else {}) | self.read(turn, slots)

    def read(self, turn: Turn, slots: Slots) -> Slots:
        """Read an e-mail."""
        email = _email(turn)
        return {EMAIL: email} if email else {}

    def ask_next(self, speaker: Speaker, turn: Turn, slots: Slots) -> str | None:
        """Ask for the e-mail."""
        if slots.get(EMAIL):
            return None
        speaker.say("utter_request_email")
        return EMAIL


class CreateAccountForm(EmailForm):
    """For which e-mail an account is to be opened."""

    form = "create_account_form"
    intent = "create_account"


class CreateAccount(ShopAction):
    """Opens an account."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_create_account"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Open the account; says the same whether or not there is one, for the mail goes to its owner alone."""
        email = turn.slots.get(EMAIL)
        if not email:
            return []
        try:
            self.shop.create_account(email, self.market(turn).code, key=self.key(turn))
        except NotAllowed as refusal:
            # That an account exists is its owner's business: she gets a link by mail, whoever asks.
            if refusal.reason != "exists":
                raise
            self.shop.send_password_reset(email, key=f"{self.key(turn)}:exists")
        speaker.say("utter_account_created", email=email)
        return []


class RecoverPasswordForm(EmailForm):
    """Whose password is to be set anew."""

    form = "recover_password_form"
    intent = "recover_password"


class RecoverPassword(ShopAction):
    """Sends a reset link."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_recover_password"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Send the link; does not tell whether the account exists."""
        email = turn.slots.get(EMAIL)
        if email:
            self.shop.send_password_reset(email, key=self.key(turn))
            speaker.say("utter_password_reset_sent", email=email)
        return []


class EditAccountForm(IdentifiedForm):
    """Which e-mail an account is to have instead."""

    form = "edit_account_form"
    intent = "edit_account"
    needs_email = True
    own_slots = (NEW_EMAIL, CONFIRMED)

    def read_start(self, turn: Turn, slots: Slots) -> Slots:
        """Read the first message: its last e-mail is the new one, for the old is what the customer is asked for."""
        emails = turn.values("email")
        found = super().read_start(turn, slots)
        if len(emails) == 1:
            return {slot: value for slot, value in found.items() if slot not in {"email", "postcode"}} | {
                NEW_EMAIL: emails[0]
            }
        return found | ({NEW_EMAIL: emails[-1]} if emails else {})

    def read_own(self, turn: Turn, slots: Slots) -> Slots:
        """Read the new e-mail, or a correction of it."""
        email = _email(turn)
        return {NEW_EMAIL: email} if email else {}

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask for the new e-mail and a yes."""
        if not slots.get(NEW_EMAIL):
            speaker.say("utter_request_new_email")
            return NEW_EMAIL
        if slots.get(CONFIRMED):
            return None
        speaker.say("utter_confirm_new_email", email=masked(order.email), new_email=slots[NEW_EMAIL])
        return CONFIRMED


class EditAccount(AccountAction):
    """Gives the account of the identified order another e-mail."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_edit_account"

    def act_on_account(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Change the e-mail if that was confirmed."""
        if not turn.slots.get(CONFIRMED):
            return
        self.shop.change_account_email(order.email, turn.slots[NEW_EMAIL], key=self.key(turn))
        speaker.say("utter_email_changed", new_email=turn.slots[NEW_EMAIL])


class SwitchAccountForm(IdentifiedForm):
    """Which kind of account is wanted."""

    form = "switch_account_form"
    intent = "switch_account"
    needs_email = True
    own_slots = (KIND,)

    def read_own(self, turn: Turn, slots: Slots) -> Slots:
        """Read the kind, pressed or typed as the button says it."""
        kind = turn.choice()
        return {KIND: kind} if kind in {"private", "business"} else {}

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask for the kind."""
        if slots.get(KIND):
            return None
        speaker.say("utter_request_account_kind")
        return KIND


class SwitchAccount(AccountAction):
    """Turns the account of the identified order into the other kind."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_switch_account"

    def act_on_account(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Switch if a kind was named."""
        kind = turn.slots.get(KIND)
        if not kind:
            return
        self.shop.switch_account(order.email, kind, key=self.key(turn))
        speaker.say("utter_account_switched", kind=f"account_{kind}")


class DeleteAccountForm(IdentifiedForm):
    """Whose account is to be deleted, and whether really."""

    form = "delete_account_form"
    intent = "delete_account"
    needs_email = True
    own_slots = (CONFIRMED,)

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask for a yes."""
        if slots.get(CONFIRMED):
            return None
        speaker.say("utter_confirm_delete_account", email=masked(order.email))
        return CONFIRMED


class DeleteAccount(AccountAction):
    """Deletes the account of the identified order."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_delete_account"

    def act_on_account(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Delete if that was confirmed."""
        if not turn.slots.get(CONFIRMED):
            return
        self.shop.delete_account(order.email, key=self.key(turn))
        speaker.say("utter_account_deleted", email=masked(order.email))


def _email(turn: Turn) -> str | None:
    emails = [*turn.values("email"), typed.email(turn.text)]
    return emails[0]
