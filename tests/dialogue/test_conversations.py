"""Whole conversations: which replies are given, and what is in the database afterwards."""

from __future__ import annotations

import pytest

from actions import tables
from bot.rasa_turn import TurnFailed
from tests.dialogue.conftest import ActionServer, Customer
from tests.dialogue.shop_data import ANNA, DELIVERED, EVA, GUEST, PLACED, POSTCODE, SHIPPED, UNPAID


def status(customer: Customer, number: str) -> str:
    return str(customer.row(tables.OrderRow, number=number).status)


def test_an_order_is_tracked_with_number_and_email_given_one_after_the_other(customer: Customer) -> None:
    assert customer.says("greet: hi") == ["utter_greet"]
    assert customer.says("track_order: where is my parcel") == ["utter_request_order_number"]
    assert customer.says(f"{SHIPPED}") == ["utter_request_proof"]
    assert customer.says(f"{ANNA}") == ["utter_order_status", "utter_shipment_expected"]
    assert SHIPPED in customer.text
    assert f"T{SHIPPED}" in customer.text


def test_everything_may_stand_in_the_first_message(customer: Customer) -> None:
    assert customer.says(f"track_order: track {SHIPPED} {ANNA}") == ["utter_order_status", "utter_shipment_expected"]


def test_a_postcode_proves_an_order_as_well(customer: Customer) -> None:
    assert customer.says(f"track_order: {SHIPPED}") == ["utter_request_proof"]
    assert customer.says(f"my postcode is {POSTCODE}") == ["utter_order_status", "utter_shipment_expected"]


def test_a_number_in_other_digits_is_understood(customer: Customer) -> None:
    assert customer.says("track_order: ٢٠٤٥١١") == ["utter_request_proof"]
    assert customer.says("１０１１５") == ["utter_order_status", "utter_shipment_expected"]


def test_a_bare_order_number_or_email_is_tracked(customer: Customer) -> None:
    assert customer.says(SHIPPED) == ["utter_request_proof"]
    assert customer.says(ANNA) == ["utter_order_status", "utter_shipment_expected"]
    other = customer.another()
    assert other.says(ANNA) == ["utter_request_order_number"]
    assert other.says(SHIPPED) == ["utter_order_status", "utter_shipment_expected"]


def test_who_has_no_order_number_is_pointed_to_the_team(customer: Customer) -> None:
    customer.says("track_order: where is it")
    assert customer.says("deny: I don't have it") == ["utter_stopped_unidentified"]
    assert customer.says("deny: no") == ["utter_what_next"], "the form is over"


def test_a_no_to_anything_else_is_a_goodbye_and_a_yes_is_told_what_there_is(customer: Customer) -> None:
    assert customer.says("affirm: ok") == ["utter_what_next"]
    assert customer.says("affirm: yes") == ["utter_what_can_you_do"]
    assert customer.says("affirm: ok") == ["utter_what_next"]
    assert customer.says("deny: no") == ["utter_goodbye"]
    customer.says("thank: thanks a lot")
    assert customer.says("deny: no, that was all") == ["utter_goodbye"]


def test_who_is_identified_is_not_asked_again(customer: Customer) -> None:
    customer.says(f"track_order: {SHIPPED} {ANNA}")
    assert customer.says("check_invoice: and the bill?") == ["utter_invoice"]
    assert customer.says("get_invoice: send it") == ["utter_invoice_sent"]
    assert customer.rows(tables.MailRow, kind="invoice", recipient=ANNA) == 1
    assert ANNA not in customer.text, "the e-mail on file is told to nobody"


def test_nothing_is_told_for_a_wrong_pair_and_the_answer_does_not_say_what_was_wrong(customer: Customer) -> None:
    wrong_email = customer.says(f"track_order: {SHIPPED} {EVA}"), customer.text
    other = customer.another()
    wrong_number = other.says(f"track_order: 999999 {ANNA}"), other.text
    assert wrong_email == wrong_number
    assert wrong_email[0] == ["utter_not_identified"]


def test_a_wrong_pair_can_be_corrected_one_part_at_a_time(customer: Customer) -> None:
    customer.says(f"track_order: {SHIPPED} {EVA}")
    assert customer.says(f"sorry, {ANNA}") == ["utter_order_status", "utter_shipment_expected"]


def test_after_three_wrong_tries_a_person_is_offered_and_no_more_is_tried(customer: Customer) -> None:
    customer.says(f"track_order: 999999 {ANNA}")
    customer.says("999998")
    assert customer.says("999997") == ["utter_offer_handoff_unidentified"]
    assert customer.says(f"track_order: {SHIPPED} {ANNA}") == ["utter_offer_handoff_unidentified"]
    assert customer.says("affirm: yes")[0] == "utter_handoff_queued"
    assert customer.row(tables.TicketRow, kind="handoff").reason == "not_identified"


def test_an_order_is_cancelled_after_a_yes(customer: Customer) -> None:
    assert customer.says(f"cancel_order: {PLACED} {ANNA}") == ["utter_confirm_cancel"]
    assert status(customer, PLACED) == "placed"
    assert customer.says("/affirm") == ["utter_order_cancelled"]
    assert status(customer, PLACED) == "cancelled"


def test_a_change_of_mind_is_accepted(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    assert customer.says("deny: no, leave it") == ["utter_stopped"]
    assert status(customer, PLACED) == "placed"
    assert customer.says("affirm: yes") == ["utter_what_next"]
    assert status(customer, PLACED) == "placed"


ASKED_AGAIN = ["utter_needs_clear_yes", "utter_confirm_cancel"]


def test_a_question_and_a_maybe_are_no_yes_and_no_no(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    for unclear in ("affirm: what?", "deny: is it late?", "affirm: vielleicht", "deny: não sei", "maybe", "我再想想"):
        assert customer.says(unclear) == ASKED_AGAIN
        assert PLACED in customer.text, "it is said once more what would happen"
    assert status(customer, PLACED) == "placed"
    assert customer.says("affirm: yes") == ["utter_order_cancelled"]


def test_a_question_instead_of_a_yes_is_answered_and_the_confirmation_goes_on(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    for question in ("track_order+deny: no wait where is my order", "track_order: not sure, is it late?"):
        assert customer.says(question) == ["utter_order_status", "utter_confirm_cancel"]
    assert customer.says("delivery_options: maybe, what is shipping")[-1] == "utter_confirm_cancel"
    assert customer.says("affirm: yes") == ["utter_order_cancelled"]


def test_a_yes_or_no_with_the_wish_repeated_is_one(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    assert customer.says("cancel_order+deny: no dont cancel it") == ["utter_stopped"]
    customer.says("cancel_order: after all")
    assert customer.says("cancel_order+affirm: yes cancel it?") == ASKED_AGAIN, "a question is no yes"
    assert customer.says("cancel_order+affirm: yes cancel it") == ["utter_order_cancelled"]


def test_a_street_is_corrected_at_the_confirmation_and_an_email_is_none(customer: Customer) -> None:
    customer.says(f"change_shipping_address: {PLACED} {ANNA}")
    assert customer.says(f"my mail is {ANNA}")[-1] == "utter_request_street"
    assert customer.says("Lindenweg 3, 80331 München") == ["utter_confirm_change_shipping_address"]
    assert customer.says("deny: no, Lindenweg 5") == ["utter_confirm_change_shipping_address"]
    assert "Lindenweg 5, 80331 München" in customer.text


def test_wanting_to_cancel_once_more_is_no_yes(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    assert customer.says("cancel_order: dont cancel it") == ["utter_confirm_cancel"]
    assert status(customer, PLACED) == "placed"


def test_a_shipped_order_is_not_cancelled(customer: Customer) -> None:
    assert customer.says(f"cancel_order: {SHIPPED} {ANNA}") == ["utter_cancel_too_late"]


def test_the_number_is_corrected_before_and_at_the_confirmation(customer: Customer) -> None:
    customer.says(f"cancel_order: {SHIPPED}")
    assert customer.says(f"deny: no, the number is {UNPAID}") == ["utter_request_proof"]
    assert customer.says(f"{ANNA}") == ["utter_confirm_cancel"]
    assert customer.says(f"deny: no, {PLACED}") == ["utter_confirm_cancel"]
    assert PLACED in customer.text
    customer.says("affirm: yes")
    assert (status(customer, PLACED), status(customer, UNPAID)) == ("cancelled", "placed")


def test_a_refund_is_requested_after_a_yes_and_then_tracked(customer: Customer) -> None:
    assert customer.says(f"get_refund: {DELIVERED} {EVA}") == ["utter_confirm_refund"]
    assert customer.says("affirm: yes") == ["utter_refund_requested", "utter_refund_time"]
    assert customer.row(tables.RefundRow).status == "requested"
    assert customer.says("track_refund: where is it") == ["utter_refund_expected"]
    assert customer.says("get_refund: once more") == ["utter_refund_expected"]
    assert customer.rows(tables.RefundRow) == 1


def test_an_address_is_changed_with_a_question_in_between(customer: Customer) -> None:
    assert customer.says(f"change_shipping_address: I moved, {PLACED}") == ["utter_request_proof"]
    assert customer.says(f"{ANNA}") == ["utter_request_street"]
    answered = customer.says("delivery_period: how long does delivery take?")
    assert answered == ["utter_delivery_period", "utter_delivery_period", "utter_request_street"]
    assert customer.says("Lindenweg 3") == ["utter_request_postcode"]
    assert customer.says("check_refund_policy: can I return it?")[-1] == "utter_request_postcode"
    assert customer.says("80331 München") == ["utter_confirm_change_shipping_address"]
    assert customer.says("affirm: yes") == ["utter_address_changed"]
    order = customer.row(tables.OrderRow, number=PLACED)
    address = customer.row(tables.AddressRow, id=order.address_id)
    assert (address.street, address.postcode, address.city) == ("Lindenweg 3", "80331", "München")


def test_a_whole_address_in_one_message_is_taken_apart_and_its_postcode_corrected(customer: Customer) -> None:
    customer.says(f"change_shipping_address: {PLACED} {POSTCODE}")
    customer.says(f"{ANNA}")
    assert customer.says("Lindenweg 3, 80331 München") == ["utter_confirm_change_shipping_address"]
    assert customer.says("deny: no, 80333") == ["utter_confirm_change_shipping_address"]
    assert "80333" in customer.text
    assert customer.says("affirm: yes") == ["utter_address_changed"]


def test_a_postcode_that_was_the_proof_stays_one_after_it_was_changed(customer: Customer) -> None:
    customer.says(f"track_order: {PLACED} {POSTCODE}")
    customer.says("change_shipping_address: elsewhere")
    customer.says("Lindenweg 3, 80331 München")
    customer.says("affirm: yes")
    assert customer.says("track_order: and now?") == ["utter_order_status"]


def test_an_additional_address_is_saved_with_the_account(customer: Customer) -> None:
    customer.says(f"set_up_shipping_address: {PLACED} {ANNA}")
    assert customer.says("Gasse 5, 80331 München") == ["utter_confirm_set_up_shipping_address"]
    assert customer.says("affirm: yes") == ["utter_address_added"]
    assert customer.rows(tables.AddressRow, street="Gasse 5") == 1


def test_a_quantity_is_changed_by_buttons_and_digits(customer: Customer) -> None:
    assert customer.says(f"change_order: {PLACED} {ANNA}") == ["utter_request_line"]
    assert {"title": "Rug", "payload": '/choose{"choice": "2"}'} in customer.replies[0]["buttons"]
    assert customer.says('/choose{"choice": "2"}') == ["utter_request_quantity"]
    assert customer.says("3 please") == ["utter_confirm_change"]
    assert customer.says("affirm: ok") == ["utter_order_changed"]
    assert customer.row(tables.ItemRow, line=2, quantity=3)


def test_what_stands_on_a_button_may_be_typed(customer: Customer) -> None:
    customer.says(f"change_order: {PLACED} {ANNA}")
    assert customer.says("lamp (RED)") == ["utter_request_quantity"]


def test_a_look_up_in_the_middle_of_a_form_is_answered_and_the_form_goes_on(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    assert customer.says("track_order: where is it?") == ["utter_order_status", "utter_confirm_cancel"]
    assert customer.says("affirm: yes") == ["utter_order_cancelled"]


def test_another_task_takes_the_place_of_the_form_and_the_identification_is_kept(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    assert customer.says("change_shipping_address: rather send it elsewhere") == ["utter_request_street"]
    assert customer.says("Lindenweg 3, 80331 München") == ["utter_confirm_change_shipping_address"]
    assert customer.says("affirm: yes") == ["utter_address_changed"]
    assert status(customer, PLACED) == "placed"


def test_small_talk_does_not_break_a_form(customer: Customer) -> None:
    customer.says("cancel_order: stop it")
    for intent in ("greet", "thank", "bot_challenge", "what_can_you_do"):
        assert customer.says(f"{intent}: …") == [f"utter_{intent}", "utter_request_order_number"]


def test_two_misunderstandings_in_a_row_offer_a_person(customer: Customer) -> None:
    assert customer.says("asdf") == ["utter_rephrase"]
    assert customer.says("the weather") == ["utter_offer_handoff"]
    assert customer.says("affirm: yes")[0] == "utter_handoff_queued"
    assert customer.row(tables.TicketRow).reason == "not_understood"


def test_a_misunderstanding_that_was_cleared_up_does_not_count(customer: Customer) -> None:
    assert customer.says("the weather") == ["utter_out_of_scope"]
    customer.says("greet: hi")
    assert customer.says("asdf") == ["utter_rephrase"]


def test_an_offer_in_a_form_is_not_taken_for_the_confirmation(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    assert customer.says("asdf") == ["utter_rephrase", "utter_confirm_cancel"]
    assert customer.says("asdf") == ["utter_offer_handoff"]
    assert customer.says("affirm: yes")[0] == "utter_handoff_queued"
    assert status(customer, PLACED) == "placed"


def test_a_declined_offer_leads_back_to_the_form(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    customer.says("asdf")
    customer.says("asdf")
    assert customer.says("deny: no") == ["utter_handoff_declined", "utter_confirm_cancel"]


def test_an_angry_customer_is_helped_and_offered_a_person_once(customer: Customer) -> None:
    assert customer.says("track_order/angry: WHERE IS IT") == ["utter_apology", "utter_request_order_number"]
    assert customer.says(f"x/angry: {SHIPPED} {ANNA}") == ["utter_order_status", "utter_shipment_expected"]


def test_two_annoyed_messages_in_a_row_offer_a_person(customer: Customer) -> None:
    assert customer.says("delivery_period/annoyed: how long") == ["utter_delivery_period", "utter_delivery_period"]
    assert customer.says("check_refund_policy/annoyed: hm")[-1] == "utter_apology"
    assert customer.says("affirm: yes")[0] == "utter_handoff_queued"
    assert customer.row(tables.TicketRow).reason == "repeated_negative"


def test_calm_questions_never_offer_a_person(customer: Customer) -> None:
    for _ in range(3):
        assert customer.says("track_order: where is my order") == ["utter_request_order_number"]


def test_the_wish_for_a_person_is_met_at_once_and_the_form_is_kept(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED}")
    assert customer.says("contact_human_agent: a person please")[0] == "utter_handoff_queued"
    ticket = customer.row(tables.TicketRow, kind="handoff")
    handoffs = [reply["handoff"] for reply in customer.replies if "handoff" in reply]
    assert handoffs == [{"ticket": f"T{500_000 + ticket.id}", "reason": "wish"}]
    assert customer.says(f"{ANNA}") == ["utter_confirm_cancel"]


def test_a_second_wish_for_a_person_is_told_the_same_reference(customer: Customer) -> None:
    assert customer.says("contact_human_agent: a person please") == ["utter_handoff_queued"]
    told = customer.text
    customer.says("delivery_period: and how long does it take")
    assert customer.says("contact_human_agent: PERSON") == ["utter_handoff_queued"]
    assert customer.text == told
    customer.says("asdf")
    customer.says("asdf")
    assert customer.says("affirm: yes") == ["utter_handoff_queued"]
    assert customer.text == told
    assert customer.rows(tables.TicketRow) == 1


def test_typed_slashes_are_no_commands_for_the_dialogue(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    assert customer.says("\u2060/affirm") == ["utter_rephrase", "utter_confirm_cancel"]
    assert status(customer, PLACED) == "placed"


def test_accounts_are_opened_changed_and_deleted(customer: Customer) -> None:
    assert customer.says("create_account: for me@example.net") == ["utter_account_created"]
    assert customer.rows(tables.CustomerRow, email="me@example.net") == 1
    assert customer.says(f"edit_account: my mail is eva2@example.org now, {DELIVERED}") == ["utter_request_proof"]
    assert customer.says(f"{EVA}") == ["utter_confirm_new_email"]
    assert customer.says("affirm: yes") == ["utter_email_changed"]
    assert customer.rows(tables.CustomerRow, email="eva2@example.org") == 1
    assert customer.says("switch_account: business please") == ["utter_request_account_kind"]
    assert customer.says("geschäftlich") == ["utter_account_switched"]
    assert customer.row(tables.CustomerRow, email="eva2@example.org").kind == "business"
    assert customer.says("delete_account: delete everything") == ["utter_confirm_delete_account"]
    assert customer.says("affirm: yes") == ["utter_account_deleted"]
    assert customer.rows(tables.CustomerRow, email="eva2@example.org") == 0


def test_a_postcode_is_not_enough_for_an_account(customer: Customer) -> None:
    assert customer.says(f"delete_account: {DELIVERED} {POSTCODE}") == ["utter_request_account_email"]
    assert customer.says(f"{EVA}") == ["utter_confirm_delete_account"]


def test_an_open_order_keeps_its_account(customer: Customer) -> None:
    customer.says(f"delete_account: {PLACED} {ANNA}")
    assert customer.says("affirm: yes") == ["utter_not_allowed"]
    assert customer.rows(tables.CustomerRow, email=ANNA) == 1


def test_a_guest_has_no_account_to_delete(customer: Customer) -> None:
    customer.says(f"delete_account: {GUEST} guest@example.com")
    assert customer.says("affirm: yes") == ["utter_no_account"]


def test_opening_an_account_does_not_tell_that_there_is_one(customer: Customer) -> None:
    assert customer.says(f"create_account: {ANNA}") == ["utter_account_created"]
    assert customer.rows(tables.MailRow, kind="password_reset", recipient=ANNA) == 1


def test_a_password_link_is_sent(customer: Customer) -> None:
    assert customer.says("recover_password: forgot it") == ["utter_request_email"]
    assert customer.says(f"{ANNA}") == ["utter_password_reset_sent"]
    assert customer.rows(tables.MailRow, kind="password_reset", recipient=ANNA) == 1


def test_the_newsletter_is_ended(customer: Customer) -> None:
    assert customer.says("newsletter_subscription: about the newsletter") == ["utter_request_newsletter_wish"]
    assert customer.says('/choose{"choice": "subscribe"}') == ["utter_request_email"]
    assert customer.says(f"{ANNA}") == ["utter_subscribed"]
    assert customer.says(f"newsletter_subscription: no more for {ANNA}") == ["utter_unsubscribed"]
    assert customer.row(tables.SubscriptionRow, email=ANNA).status == "ended"


def test_a_review_is_stored_with_its_stars(customer: Customer) -> None:
    assert customer.says("review: I have an opinion") == ["utter_request_stars"]
    assert customer.says("7") == ["utter_rephrase", "utter_request_stars"]
    assert customer.says("4") == ["utter_review_thanks"]
    assert customer.row(tables.ReviewRow).stars == 4


def test_a_payment_that_was_charged_twice_is_told_and_given_to_the_team(customer: Customer) -> None:
    assert customer.says(f"payment_issue: {UNPAID} {ANNA}") == ["utter_payment_charged_twice", "utter_payment_ticket"]
    assert customer.row(tables.TicketRow, kind="payment_issue").reason == "charged_twice"


def test_a_complaint_gets_a_reference(customer: Customer) -> None:
    assert customer.says("complaint: your courier was rude") == ["utter_complaint_recorded"]
    assert customer.rows(tables.TicketRow, kind="complaint") == 1


def test_trouble_with_signing_up_gets_hints_and_if_wanted_a_ticket(customer: Customer) -> None:
    assert customer.says("registration_problems: no mail came") == ["utter_registration_hints"]
    assert customer.says("affirm: yes")[0] == "utter_handoff_queued"
    assert customer.rows(tables.TicketRow, kind="registration_problem") == 1


@pytest.mark.parametrize(
    ("intent", "reply", "fact"),
    [
        ("place_order", "utter_place_order", "https://shop.example/"),
        ("check_cancellation_fee", "utter_cancellation_free", "30"),
        ("delivery_options", "utter_delivery_option", "4,90"),
        ("delivery_options", "utter_delivery_free", "50,00"),
        ("delivery_period", "utter_delivery_period", "4"),
        ("check_payment_methods", "utter_payment_methods", "Klarna"),
        ("check_refund_policy", "utter_return_window", "30"),
        ("contact_customer_service", "utter_contact", "+49"),
    ],
)
def test_questions_are_answered_from_the_terms_of_the_market(
    customer: Customer, intent: str, reply: str, fact: str
) -> None:
    assert reply in customer.says(f"{intent}: …")
    assert fact in customer.text


def test_a_turn_whose_action_server_is_dead_fails_and_leaves_nothing_behind(
    customer: Customer, action_server: ActionServer
) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    action_server.stop()
    with pytest.raises(TurnFailed):
        customer.says("affirm: yes")
    assert status(customer, PLACED) == "placed"
