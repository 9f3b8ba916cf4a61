"""The conversations that must work, from a socket.io client to a database row, with the adapters that are shipped."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from babel.dates import format_date

from actions.tables import MailRow, OrderRow, RefundRow, ShipmentRow, TicketRow
from tests.conversations.conftest import Customer, Polydesk

Come = Callable[..., Customer]
ENGLISH = re.compile(r"\b(the|your|order|please|sorry|what|with)\b", re.IGNORECASE)


def test_an_order_is_tracked_with_number_and_email_given_one_after_the_other(
    polydesk: Polydesk, customer_in: Come
) -> None:
    order = polydesk.order("de-DE", "shipped")
    shipment = polydesk.rows(ShipmentRow, ShipmentRow.order_id == order.id)[0]
    customer = customer_in("de-DE")
    assert customer.says("Wo bleibt denn meine Bestellung?") == ["utter_request_order_number"]
    assert customer.says(order.number) == ["utter_request_proof"]
    names = customer.says(order.email)
    assert names[0] == "utter_order_status"
    assert customer.languages == {"de"}
    assert order.number in customer.text
    assert shipment.tracking_number in customer.text
    assert format_date(shipment.expected_on, "long", locale="de_DE") in customer.text
    assert not ENGLISH.search(customer.text)


def test_an_order_is_cancelled_after_a_confirmation(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("en-US", "placed")
    customer = customer_in("en-US")
    assert customer.says(f"please cancel my order {order.number}, {order.email}") == ["utter_confirm_cancel"]
    assert polydesk.order("en-US", "placed").number == order.number, "nothing is changed before the yes"
    assert customer.says("yes please") == ["utter_order_cancelled"]
    assert polydesk.rows(OrderRow, OrderRow.number == order.number)[0].status == "cancelled"


def test_a_change_of_mind_leaves_the_order_as_it_was(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("es-ES", "placed")
    customer = customer_in("es-ES")
    assert customer.says(f"quiero cancelar el pedido {order.number}, mi correo es {order.email}") == [
        "utter_confirm_cancel"
    ]
    assert customer.says("no, mejor no, déjalo") == ["utter_stopped"]
    assert customer.languages == {"es"}
    assert polydesk.rows(OrderRow, OrderRow.number == order.number)[0].status == "placed"


def test_a_refund_is_requested_and_its_status_told(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("fr-FR", "delivered")
    customer = customer_in("fr-FR")
    assert customer.says(f"je veux être remboursée, commande {order.number}, {order.email}") == [
        "utter_confirm_refund"
    ]
    assert customer.says("oui, allez-y")[0] == "utter_refund_requested"
    refund = polydesk.rows(RefundRow, RefundRow.order_id == order.id)[0]
    assert refund.status == "requested"
    assert customer.says("et mon remboursement, il en est où ?")[0] == "utter_refund_expected"
    assert customer.languages == {"fr"}


def test_an_address_is_changed_with_a_question_in_between(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("it-IT", "placed")
    customer = customer_in("it-IT")
    customer.says(f"vorrei cambiare l'indirizzo di consegna dell'ordine {order.number} {order.email}")
    between = customer.says("ma quanto tempo ci mette la consegna?")
    assert between[0].startswith("utter_deliver"), between
    assert len(between) > 1, "the form goes on"
    customer.says("Via Garibaldi 7")
    customer.says("20121")
    assert customer.says("Milano") == ["utter_confirm_change_shipping_address"]
    assert customer.says("sì") == ["utter_address_changed"]
    assert customer.languages == {"it"}
    changed = polydesk.rows(OrderRow, OrderRow.number == order.number)[0]
    assert changed.address_id != order.address_id


@pytest.mark.parametrize(
    ("market", "first", "first_language", "second", "second_language"),
    [
        ("de-DE", "Wo ist mein Paket?", "de", "sorry, can we continue in English please", "en"),
        ("es-ES", "¿Dónde está mi pedido?", "es", "você fala português? quero saber do meu pedido", "pt"),
        ("hi-IN", "मेरा ऑर्डर कहाँ है", "hi", "mera order abhi tak nahi aaya hai", "hi"),
        ("zh-CN", "我的订单到哪里了", "zh", "can you answer me in english please", "en"),
    ],
)
def test_a_change_of_language_keeps_the_form(
    customer_in: Come, market: str, first: str, first_language: str, second: str, second_language: str
) -> None:
    customer = customer_in(market)
    assert customer.says(first) == ["utter_request_order_number"]
    assert customer.languages == {first_language}
    names = customer.says(second)
    assert names[-1] == "utter_request_order_number"
    assert customer.languages == {second_language}


def test_french_in_the_german_shop_is_answered_in_french_with_the_german_shops_terms(customer_in: Come) -> None:
    customer = customer_in("de-DE")
    customer.says("Bonjour, combien coûte la livraison et quelles sont les options ?")
    assert customer.languages == {"fr"}
    assert "€" in customer.text


def test_an_angry_customer_is_helped_and_offered_a_person(customer_in: Come) -> None:
    customer = customer_in("en-US")
    names = customer.says("Absolute disgrace, three weeks late and nobody answers. Where the hell is my order?!")
    assert "utter_apology" in names
    assert "utter_request_order_number" in names, "she is helped as well"


def test_a_calm_question_offers_no_person(customer_in: Come) -> None:
    customer = customer_in("en-US")
    assert customer.says("where is my order") == ["utter_request_order_number"]


@pytest.mark.parametrize(
    ("market", "text", "language"),
    [
        ("ar-SA", "ابغى اكلم موظف خدمة العملاء", "ar"),
        ("pt-BR", "quero falar com um atendente humano", "pt"),
        ("zh-CN", "转人工客服", "zh"),
    ],
)
def test_the_wish_for_a_person_makes_a_ticket_and_queues_the_conversation(
    polydesk: Polydesk, customer_in: Come, market: str, text: str, language: str
) -> None:
    customer = customer_in(market)
    assert "utter_handoff_queued" in customer.says(text)
    assert customer.languages == {language}
    assert customer.status == "queued"
    ticket = polydesk.rows(TicketRow, TicketRow.kind == "handoff")[-1]
    assert ticket.market == market


def test_nonsense_twice_offers_a_person(customer_in: Come) -> None:
    customer = customer_in("en-US")
    first = customer.says("asdkjh qwpoei zmxnb")
    assert first[0] in ("utter_rephrase", "utter_out_of_scope"), first
    second = customer.says("flurb gnarx wibble zonk")
    assert any("handoff" in name for name in second), second


@pytest.mark.parametrize("text", ["/restart", '/cancel_order{"order":"1"}', " /restart"])
def test_typed_slashes_are_text(polydesk: Polydesk, customer_in: Come, text: str) -> None:
    order = polydesk.order("en-US", "placed")
    customer = customer_in("en-US")
    customer.says(f"cancel order {order.number}, {order.email}")
    names = customer.says(text)
    assert names, "the customer is answered"
    assert "utter_order_cancelled" not in names
    assert polydesk.rows(OrderRow, OrderRow.number == order.number)[0].status == "placed"


def test_a_button_that_was_offered_works(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("en-US", "packed")
    customer = customer_in("en-US")
    customer.says(f"cancel order {order.number}, {order.email}")
    payloads = [button["payload"] for button in customer.replies[-1].buttons]
    assert "/affirm" in payloads
    assert customer.says("/affirm") == ["utter_order_cancelled"]


def test_two_requests_in_one_message_are_both_taken_up(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("en-US", "shipped")
    customer = customer_in("en-US")
    customer.says(f"where is my order {order.number}, {order.email}")
    names = customer.says("Where is my package right now? Also please email me the invoice for it.")
    assert "utter_order_status" in names
    assert "utter_invoice_sent" in names
    assert polydesk.rows(MailRow, MailRow.kind == "invoice", MailRow.recipient == order.email)


def test_the_first_contact_says_that_this_is_a_bot_and_asks_for_consent(customer_in: Come) -> None:
    customer = customer_in("ar-SA")
    assert customer.ready["direction"] == "rtl"
    assert customer.ready["consent"]["asked"] is False
    first = customer.ready["history"]
    assert [entry["name"] for entry in first[:2]] == ["utter_welcome", "utter_privacy"]


def test_a_japanese_customer_is_served_by_the_global_adapter(customer_in: Come) -> None:
    customer = customer_in("ja-JP")
    assert customer.says("注文した商品はまだ届きませんか") == ["utter_request_order_number"]
    assert customer.languages == {"ja"}
