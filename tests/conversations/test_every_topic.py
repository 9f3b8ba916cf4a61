"""Every topic beside orders, once, in one language or another: reply names, language, understanding, database rows."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from actions.tables import (
    CustomerRow,
    InvoiceRow,
    MailRow,
    OrderRow,
    ReviewRow,
    SubscriptionRow,
    TicketRow,
)
from tests.conversations.conftest import Customer
from tests.conversations.polydesk import Polydesk

Come = Callable[..., Customer]


def test_an_invoice_is_sent_to_the_address_on_file(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("es-ES", "delivered")
    customer = customer_in("es-ES")
    said = customer.says(f"¿me podéis enviar la factura del pedido {order.number}? mi correo es {order.email}")
    assert said == ["utter_invoice_sent"]
    assert customer.languages == {"es"}
    assert polydesk.rows(MailRow, MailRow.kind == "invoice", MailRow.recipient == order.email)


def test_an_invoice_is_told_with_its_number_and_sum(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("en-US", "shipped")
    invoice = polydesk.rows(InvoiceRow, InvoiceRow.order_id == order.id)[0]
    customer = customer_in("en-US")
    assert customer.says("can I check the invoice of my order") == ["utter_request_order_number"]
    assert customer.says(f"{order.number} {order.email}") == ["utter_invoice"]
    assert invoice.number in customer.text
    assert f"${invoice.total:,.2f}" in customer.text


def test_there_is_no_invoice_before_the_order_is_sent(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("de-DE", "placed")
    customer = customer_in("de-DE")
    customer.says(f"Schicken Sie mir bitte die Rechnung zur Bestellung {order.number}, {order.email}")
    assert customer.replies[0].name in ("utter_no_invoice", "utter_not_allowed")
    assert customer.languages == {"de"}
    assert not polydesk.rows(MailRow, MailRow.kind == "invoice", MailRow.recipient == order.email)


def test_a_payment_that_was_taken_twice_is_told_and_given_to_the_team(polydesk: Polydesk, customer_in: Come) -> None:
    order = polydesk.order("fr-FR", "shipped", payment="charged_twice")
    customer = customer_in("fr-FR")
    names = customer.says(f"j'ai été débité deux fois pour la commande {order.number}, mon mail : {order.email}")
    assert [name for name in names if name.startswith("utter_payment")] == [
        "utter_payment_charged_twice",
        "utter_payment_ticket",
    ]
    assert customer.languages == {"fr"}
    ticket = polydesk.rows(TicketRow, TicketRow.conversation == customer.conversation)[0]
    assert (ticket.kind, ticket.reason) == ("payment_issue", "charged_twice")


@pytest.mark.parametrize(
    ("market", "text", "name", "fact"),
    [
        ("pt-BR", "quais são as formas de pagamento que vocês aceitam?", "utter_payment_methods", "Pix"),
        ("it-IT", "quali opzioni di spedizione avete e quanto costano?", "utter_delivery_option", "€"),
        ("hi-IN", "डिलीवरी में कितने दिन लगते हैं?", "utter_delivery_period", "कार्य दिवस"),
        ("ar-SA", "ما هي سياسة استرجاع المبلغ عندكم؟", "utter_return_window", "يوم"),
        ("zh-CN", "取消订单要收手续费吗？", "utter_cancellation_free", "取消"),
        ("de-DE", "Wie kann ich bei euch etwas bestellen?", "utter_place_order", "/shop/de-DE"),
        ("fr-FR", "comment joindre votre service client par téléphone ?", "utter_contact", "+33"),
        ("es-ES", "¿qué puedes hacer por mí?", "utter_what_can_you_do", "pedidos"),
        ("en-US", "am I talking to a robot?", "utter_bot_challenge", "bot"),
    ],
)
def test_a_question_is_answered_from_the_markets_terms(
    customer_in: Come, market: str, text: str, name: str, fact: str
) -> None:
    customer = customer_in(market)
    assert name in customer.says(text)
    assert customer.languages == {market[:2]}
    assert fact in customer.text


def test_an_account_is_opened(polydesk: Polydesk, customer_in: Come) -> None:
    customer = customer_in("pt-BR")
    assert customer.says("quero criar uma conta na loja") == ["utter_request_email"]
    assert customer.says("nova.cliente@example.com") == ["utter_account_created"]
    assert customer.languages == {"pt"}
    assert polydesk.rows(CustomerRow, CustomerRow.email == "nova.cliente@example.com")[0].market == "pt-BR"


def test_a_forgotten_password_gets_a_link(polydesk: Polydesk, customer_in: Come) -> None:
    account = polydesk.rows(CustomerRow, CustomerRow.market == "ar-SA")[0]
    customer = customer_in("ar-SA")
    assert customer.says("نسيت كلمة المرور") == ["utter_request_email"]
    assert customer.says(account.email) == ["utter_password_reset_sent"]
    assert customer.languages == {"ar"}
    assert polydesk.rows(MailRow, MailRow.kind == "password_reset", MailRow.recipient == account.email)


def test_an_accounts_email_is_changed_after_a_yes(polydesk: Polydesk, customer_in: Come) -> None:
    order = with_account(polydesk, "en-US")
    customer = customer_in("en-US")
    assert customer.says("I need to change the email address of my account") == ["utter_request_order_number"]
    customer.says(order.number)
    assert customer.says(order.email) == ["utter_request_new_email"]
    assert customer.says("moved.house@example.net") == ["utter_confirm_new_email"]
    assert not polydesk.rows(CustomerRow, CustomerRow.email == "moved.house@example.net")
    assert customer.says("yes, exactly") == ["utter_email_changed"]
    assert polydesk.rows(CustomerRow, CustomerRow.email == "moved.house@example.net")


def test_an_account_stays_when_its_owner_thinks_better_of_it(polydesk: Polydesk, customer_in: Come) -> None:
    order = with_account(polydesk, "de-DE")
    customer = customer_in("de-DE")
    said = customer.says(f"Bitte löschen Sie mein Kundenkonto. Bestellung {order.number}, {order.email}")
    assert said == ["utter_confirm_delete_account"]
    assert customer.says("Nein, doch lieber nicht.") == ["utter_stopped"]
    assert polydesk.rows(CustomerRow, CustomerRow.email == order.email)


def test_the_newsletter_is_ended_by_saying_so(polydesk: Polydesk, customer_in: Come) -> None:
    french = polydesk.rows(SubscriptionRow, SubscriptionRow.market == "fr-FR", SubscriptionRow.status == "active")
    email = french[0].email
    customer = customer_in("fr-FR")
    assert customer.says("je veux me désinscrire de votre newsletter") == ["utter_request_email"]
    assert customer.says(email) == ["utter_unsubscribed"]
    assert polydesk.rows(SubscriptionRow, SubscriptionRow.email == email)[0].status == "ended"


def test_a_complaint_is_put_on_record(polydesk: Polydesk, customer_in: Come) -> None:
    customer = customer_in("hi-IN")
    assert "utter_complaint_recorded" in customer.says("मुझे आपकी सेवा के बारे में शिकायत दर्ज करनी है")
    assert customer.languages == {"hi"}
    ticket = polydesk.rows(TicketRow, TicketRow.conversation == customer.conversation)[0]
    assert ticket.kind == "complaint"
    assert re.search(rf"T\d*{ticket.id}\b", customer.text), "its reference is told"


def test_a_review_is_stored_with_its_stars(polydesk: Polydesk, customer_in: Come) -> None:
    customer = customer_in("it-IT")
    assert customer.says("vorrei lasciare una recensione") == ["utter_request_stars"]
    assert customer.says("5") == ["utter_review_thanks"]
    assert [row.stars for row in polydesk.rows(ReviewRow, ReviewRow.conversation == customer.conversation)] == [5]


def with_account(polydesk: Polydesk, market: str) -> OrderRow:
    """Return an order that was delivered to somebody with an account."""
    known = polydesk.rows(CustomerRow, CustomerRow.market == market)
    emails = [account.email for account in known]
    orders = polydesk.rows(
        OrderRow, OrderRow.market == market, OrderRow.status == "delivered", OrderRow.email.in_(emails)
    )
    return min(orders, key=lambda order: order.id)
