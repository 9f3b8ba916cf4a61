"""The conversations that must work, from a socket.io client to a database row, with the adapters that are shipped."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from babel.dates import format_date

from actions.tables import AddressRow, MailRow, OrderRow, RefundRow, ShipmentRow, TicketRow
from tests.conversations.conftest import Customer
from tests.conversations.polydesk import Polydesk

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
    assert customer.says(f"je veux être remboursée, commande {order.number}, {order.email}") == ["utter_confirm_refund"]
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
    ("market", "first", "second", "language", "date"),
    [
        ("de-DE", "Wo ist mein Paket?", "sorry, can we continue in English please", "en", "en"),
        ("es-ES", "¿Dónde está mi pedido?", "você fala português? quero saber do meu pedido", "pt", "pt"),
        ("hi-IN", "मेरा ऑर्डर कहाँ है", "mera order abhi tak nahi aaya hai", "hi", "hi_IN"),
        ("zh-CN", "我的订单到哪里了", "can you answer me in english please", "en", "en"),
    ],
    ids=["de to en", "es to pt", "Devanagari to Hinglish", "zh to en"],
)
def test_a_change_of_language_keeps_the_form_and_the_facts_come_in_the_new_one(
    polydesk: Polydesk, customer_in: Come, market: str, first: str, second: str, language: str, date: str
) -> None:
    order = polydesk.order(market, "shipped")
    shipment = polydesk.rows(ShipmentRow, ShipmentRow.order_id == order.id)[0]
    customer = customer_in(market)
    assert customer.says(first) == ["utter_request_order_number"]
    assert customer.languages == {market[:2]}
    assert customer.says(second)[-1] == "utter_request_order_number"
    assert customer.languages == {language}
    assert customer.understood.language == language
    assert customer.says(order.number) == ["utter_request_proof"]
    assert customer.says(order.email)[0] == "utter_order_status"
    assert customer.languages == {language}, "neither a number nor an e-mail is a language"
    assert shipment.tracking_number in customer.text
    assert format_date(shipment.expected_on, "long", locale=date) in customer.text


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


def test_thumbs_are_yes_and_no_and_no_anger(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("it-IT", "packed")
    customer = customer_in("it-IT")
    customer.says(f"annulla l'ordine {order.number}, {order.email}")
    assert customer.says("👎") == ["utter_stopped"]
    customer.says("annulla l'ordine")
    assert customer.says("👍🏽") == ["utter_order_cancelled"]


def test_a_yes_with_the_wish_repeated_is_a_yes(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("zh-CN", "packed")
    customer = customer_in("zh-CN")
    customer.says(f"我要取消订单 {order.number} {order.email}")
    assert customer.says("取消会怎么样？")[-1] == "utter_confirm_cancel"
    assert customer.says("是的，取消") == ["utter_order_cancelled"]


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
    assert f"{customer.polydesk.url}/shop/ar-SA/privacy" in first[1]["text"], "an address that can be followed"


def test_a_japanese_customer_is_served_by_the_global_adapter(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("ja-JP", "shipped")
    customer = customer_in("ja-JP")
    assert customer.says("注文した商品はまだ届きませんか") == ["utter_request_order_number"]
    assert (customer.understood.adapter, customer.understood.language) == ("global", "ja")
    assert customer.says(f"{order.number} {order.email}")[0] == "utter_order_status"
    assert customer.languages == {"ja"}
    assert "￥" in customer.text or "¥" in customer.text


def test_a_bare_email_and_a_bare_number_are_enough_to_track_an_order(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("ar-SA", "shipped")
    customer = customer_in("ar-SA")
    assert customer.says(order.email) == ["utter_request_order_number"]
    arabic_digits = order.number.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert customer.says(arabic_digits)[0] == "utter_order_status"
    assert customer.languages == {"ar"}


def test_a_wrong_order_number_is_corrected_within_the_form(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("pt-BR", "shipped")
    customer = customer_in("pt-BR")
    wrong = f"{int(order.number) + 1}"
    assert customer.says(f"cadê meu pedido {wrong}? meu e-mail é {order.email}") == ["utter_not_identified"]
    assert not polydesk.rows(OrderRow, OrderRow.number == wrong)
    assert customer.says(f"desculpa, o certo é {order.number}")[0] == "utter_order_status"
    assert order.number in customer.text
    assert customer.languages == {"pt"}


def test_a_postcode_is_corrected_at_the_confirmation(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("de-DE", "placed")
    customer = customer_in("de-DE")
    customer.says(f"Ich möchte die Lieferadresse ändern, Bestellung {order.number}, {order.email}")
    assert customer.says("Lindenweg 3, 80331 München") == ["utter_confirm_change_shipping_address"]
    assert customer.says("Nein, die Postleitzahl ist 80333") == ["utter_confirm_change_shipping_address"]
    assert "80333 München" in customer.text
    assert customer.says("Ja, genau") == ["utter_address_changed"]
    changed = polydesk.rows(OrderRow, OrderRow.number == order.number)[0]
    assert polydesk.rows(AddressRow, AddressRow.id == changed.address_id)[0].postcode == "80333"
