"""Whole conversations in a real Chromium: the shop's page, the widget, the edge, Rasa, the actions, the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from actions.tables import OrderRow, ShipmentRow
from bot.tables import messages
from bot.texts import load_texts
from tests.benchmarks.kills import child
from tests.bot.chat_page import ANSWERED_WITHIN, Chat, chromium
from tests.conversations.polydesk import Polydesk

pytestmark = pytest.mark.browser

TEXTS = load_texts()
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
ENGLISH = re.compile(r"\b(the|your|please|sorry|what|with)\b", re.IGNORECASE)
WHERE_IS_IT = {
    "en-US": "where is my order?",
    "de-DE": "Wo bleibt meine Bestellung?",
    "ar-SA": "وين طلبي؟ ما وصل إلى الآن",
    "hi-IN": "मेरा ऑर्डर कहाँ है?",
    "zh-CN": "我的订单到哪里了？",
}
Open = Callable[..., Chat]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def open_chat(browser: Browser, polydesk: Polydesk) -> Iterator[Open]:
    """Open the chat on a market's page, in a browser of its own; no script of ours may fail and no policy be broken."""
    chats: list[Chat] = []

    def open_chat(market: str, **context: Any) -> Chat:
        settings = {"viewport": DESKTOP, "reduced_motion": "reduce", **context}
        chats.append(Chat(browser.new_context(**settings).new_page(), polydesk.url))
        return chats[-1].visit(market).open()

    yield open_chat
    for chat in chats:
        assert chat.violations() == []
        chat.page.context.close()
        assert chat.errors == []


@pytest.mark.parametrize("market", WHERE_IS_IT)
def test_an_order_is_tracked_and_the_conversation_stands_there_after_a_reload(
    polydesk: Polydesk, open_chat: Open, market: str
) -> None:
    order = polydesk.order(market, "shipped")
    shipment = polydesk.rows(ShipmentRow, ShipmentRow.order_id == order.id)[0]
    language = market[:2]
    chat = open_chat(market)
    expect(chat.panel).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    chat.ask(WHERE_IS_IT[market])
    chat.ask(order.number)
    chat.ask(order.email)
    expect(chat.log).to_contain_text(shipment.tracking_number)
    expect(chat.log.locator(f".message[data-from=bot] [lang={language}]")).to_have_count(chat.bots.count())
    said = chat.bubbles.all_text_contents()
    if language != "en":
        assert not ENGLISH.search("\n".join(said))
    assert chat.axe() == []

    chat.visit(market).open()
    expect(chat.bubbles).to_have_text(said)


def test_an_order_is_cancelled_with_buttons_alone_after_the_number(polydesk: Polydesk, open_chat: Open) -> None:
    order = polydesk.order("fr-FR", "placed")
    buttons = TEXTS.of("fr").buttons
    chat = open_chat("fr-FR")
    chat.press(buttons["cancel_order"])
    chat.ask(f"{order.number}, {order.email}")
    assert polydesk.rows(OrderRow, OrderRow.id == order.id)[0].status == "placed"
    chat.press(buttons["yes"])
    assert polydesk.rows(OrderRow, OrderRow.id == order.id)[0].status == "cancelled"
    expect(chat.button(buttons["yes"])).to_have_count(0)


def test_nothing_is_lost_or_doubled_when_the_edge_is_killed(polydesk: Polydesk, open_chat: Open) -> None:
    chat = open_chat("de-DE")
    chat.ask("Welche Zahlungsarten gibt es?")
    before = chat.bots.count()
    edge = child(polydesk.launcher, "edge")
    assert edge is not None
    edge.kill()
    question = "Wie lange dauert der Versand?"
    chat.say(question)
    expect(chat.node.locator(".notice")).to_have_text(TEXTS.widget("de")["reconnecting"], timeout=ANSWERED_WITHIN)
    chat.wait_for_answer(before)
    expect(chat.node.locator(".notice")).to_be_hidden()
    said = chat.bubbles.all_text_contents()
    assert said.count(question) == 1
    stored = polydesk.rows(messages, messages.c.text == question)
    assert len({row.conversation_id for row in stored}) == len(stored), "no conversation has it twice"

    chat.visit("de-DE").open()
    expect(chat.bubbles).to_have_text(said)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_shops_page_and_in_the_chat(
    open_chat: Open, scheme: str, viewport: dict[str, int]
) -> None:
    chat = open_chat("ar-SA", color_scheme=scheme, viewport=viewport, has_touch=viewport is PHONE)
    chat.ask("كم يستغرق التوصيل؟")
    assert chat.axe() == []
    if viewport is PHONE:
        assert chat.panel.bounding_box() == {"x": 0, "y": 0, **PHONE}
    chat.page.keyboard.press("Escape")
    assert chat.axe() == []
