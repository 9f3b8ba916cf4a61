"""Whole conversations through providers: kinds, refusals, verification, agents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.responses import Response

from bot.rates import TRUSTED
from bot.tables import conversations, messages
from tests.bot.channels.conftest import Shop, open_shop
from tests.bot.channels.played import (
    PLAYED,
    VARIABLES,
    messenger_body,
    messenger_event,
    slack_body,
    slack_message,
    telegram_body,
    telegram_message,
    twilio_body,
    whatsapp_body,
    whatsapp_message,
)
from tests.bot.fake_rasa import FakeRasa, reply, turn

BUTTONS = [{"title": "Ja", "payload": "/affirm"}, {"title": "Nein", "payload": "/deny"}]


def test_all_messages_of_a_batch_are_stored_and_answered_in_order(shop: Shop) -> None:
    batch = [whatsapp_message(f"wamid.{number}", text={"body": str(number)}) for number in range(10)]

    shop.hears("whatsapp", whatsapp_body(*batch))

    assert [sent.text for sent in shop.apis.wait_for(10)] == [f"echo {number}" for number in range(10)]


@pytest.mark.parametrize("kind", ["image", "voice", "location", "other"])
def test_what_the_bot_cannot_read_is_kept_and_answered_in_the_customers_language(shop: Shop, kind: str) -> None:
    name = {"image": "image", "voice": "audio", "location": "location", "other": "sticker"}[kind]

    shop.hears("whatsapp", whatsapp_body(whatsapp_message("wamid.1", **{name: {"id": "MEDIA"}})))

    [sent] = shop.apis.wait_for(1)
    [stored] = shop.edge.rows(messages)
    assert sent.text == f"got_{kind} in de"
    assert (stored.kind, stored.attachment) == (kind, {"type": name, "content": {"id": "MEDIA"}})
    assert shop.rasa.asked == []


def test_a_text_that_is_too_long_is_kept_and_refused_politely(shop: Shop) -> None:
    text = "ä" * 2001
    shop.hears("telegram", telegram_body(1, message=telegram_message(text=text)))

    [sent] = shop.apis.wait_for(1)
    assert sent.text == "too_long in de"
    assert [row.text for row in shop.edge.rows(messages)] == [text]
    assert shop.rasa.asked == []


def test_a_pressed_button_reaches_rasa_as_the_button_that_was_offered(shop: Shop) -> None:
    shop.rasa.script["Hallo"] = turn(reply("Stornieren?", buttons=BUTTONS))
    shop.hears("whatsapp", whatsapp_body(whatsapp_message("wamid.1", text={"body": "Hallo"})))
    shop.apis.wait_for(1)
    pressed = {"interactive": {"type": "button_reply", "button_reply": {"id": "/deny", "title": "Nein"}}}

    shop.hears("whatsapp", whatsapp_body(whatsapp_message("wamid.2", **pressed)))
    shop.apis.wait_for(2)

    assert shop.rasa.texts() == ["Hallo", "/deny"]
    assert shop.rasa.asked[1]["metadata"]["button"] is True


def test_a_button_of_an_older_turn_is_what_stands_on_it(shop: Shop) -> None:
    pressed = {"interactive": {"type": "button_reply", "button_reply": {"id": "/affirm", "title": "Ja, gerne"}}}

    shop.hears("whatsapp", whatsapp_body(whatsapp_message("wamid.1", **pressed)))
    shop.apis.wait_for(1)

    assert shop.rasa.texts() == ["Ja, gerne"]
    assert shop.rasa.asked[0]["metadata"]["button"] is False


def test_the_market_is_the_accounts_and_the_hint_the_apps(shop: Shop) -> None:
    shop.hears("telegram", telegram_body(1, message=telegram_message(text="Hallo")))
    shop.apis.wait_for(1)

    assert shop.rasa.asked[0]["metadata"] == {"market": "de-DE", "language_hint": "de", "button": False}


@pytest.mark.parametrize("channel", ["whatsapp", "messenger"])
def test_meta_verifies_the_address_with_our_token(shop: Shop, channel: str) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    known = {**query, "hub.verify_token": VARIABLES[f"{channel.upper()}_VERIFY_TOKEN"]}
    path = PLAYED[channel].path

    answer = shop.edge.http.get(path, params=known)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    assert shop.edge.http.get(path, params={**query, "hub.verify_token": "guessed"}).status_code == 403
    assert shop.edge.http.get(path).status_code == 403


def test_wechat_verifies_the_address_with_our_signature(shop: Shop) -> None:
    request = PLAYED["wechat"].signed(b"")
    query = {**request.query, "echostr": "5836487382"}

    assert shop.edge.http.get(request.path, params=query).text == "5836487382"
    assert shop.edge.http.get(request.path, params={**query, "signature": "0" * 40}).status_code == 403


def test_slack_verifies_the_address_and_gets_its_challenge(shop: Shop) -> None:
    body = json.dumps({"token": "t", "challenge": "3eZbrw1aBm2rZgRN", "type": "url_verification"}).encode()

    assert shop.hears("slack", body).json() == {"challenge": "3eZbrw1aBm2rZgRN"}


def test_slacks_retry_of_an_event_is_answered_once_and_at_once(shop: Shop) -> None:
    shop.rasa.go_on.clear()  # a turn takes longer than Slack's three seconds
    body = slack_body(slack_message("1.1", text="Hallo"))

    shop.hears("slack", body)
    shop.hears("slack", body)
    assert shop.apis.sent == [], "both were acknowledged before there was an answer"
    shop.rasa.go_on.set()
    shop.apis.wait_for_text("echo Hallo")

    assert shop.rasa.texts() == ["Hallo"]


def test_twilio_is_acknowledged_with_empty_twiml(shop: Shop) -> None:
    answer = shop.hears("twilio", twilio_body("SM1", Body="Hallo"))

    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.text.endswith("<Response/>")


def test_who_starts_telegrams_bot_is_greeted_once(shop: Shop) -> None:
    shop.hears("telegram", telegram_body(1, message=telegram_message(text="/start")))

    [sent] = shop.apis.wait_for(1)
    assert (sent.text, sent.buttons) == ("Hallo", (("Verfolgen", "/track_order"),))
    shop.hears("telegram", telegram_body(1, message=telegram_message(text="/start")))
    shop.hears("telegram", telegram_body(2, message=telegram_message(text="Hallo")))
    shop.apis.wait_for_text("echo Hallo")


def test_a_pressed_button_of_telegram_stops_spinning(shop: Shop) -> None:
    query = {"id": "42", "from": {"id": 1}, "data": "/affirm", "message": telegram_message(text="?")}

    answer = shop.hears("telegram", telegram_body(1, callback_query=query))

    assert answer.json() == {"method": "answerCallbackQuery", "callback_query_id": "42"}


def test_instagram_is_answered_at_its_own_id(shop: Shop) -> None:
    event = messenger_event("17841400000000000", message={"mid": "m_1", "text": "Hallo"})

    shop.hears("messenger", messenger_body(event, page="instagram"))

    [sent] = shop.apis.wait_for(1)
    assert sent.to == "17841400000000000"


def test_an_agents_conversation_is_stored_and_the_bot_is_silent(shop: Shop) -> None:
    shop.hears("telegram", telegram_body(1, message=telegram_message(text="Hallo")))
    shop.apis.wait_for(1)
    with shop.edge.engine.begin() as connection:
        connection.execute(conversations.update().values(status="agent"))

    shop.hears("telegram", telegram_body(2, message=telegram_message(text="Noch da?")))

    assert [row.state for row in shop.edge.rows(messages)] == ["done", "agent"]
    assert shop.rasa.texts() == ["Hallo"]


def test_a_provider_that_refuses_for_now_gets_the_reply_later(shop: Shop) -> None:
    shop.apis.answers["telegram"] = [Response(status_code=429, headers={"retry-after": "1"}), Response(status_code=500)]

    shop.hears("telegram", telegram_body(1, message=telegram_message(text="Hallo")))

    [sent] = shop.apis.wait_for(1)
    assert sent.text == "echo Hallo"
    assert shop.apis.calls["telegram"] == 3


def test_too_many_messages_of_one_sender_are_kept_and_refused_politely(
    database: str, rasa: FakeRasa, tmp_path: Path
) -> None:
    with open_shop(database, rasa, tmp_path, sender_rate=1) as shop:
        for number in range(TRUSTED + 2):
            shop.hears("telegram", telegram_body(number, message=telegram_message(text=f"{number}")))
        texts = [sent.text for sent in shop.apis.wait_for(TRUSTED + 2)]

        assert texts == [*(f"echo {number}" for number in range(TRUSTED)), "too_many in de", "too_many in de"]
        assert len(shop.edge.rows(messages)) == TRUSTED + 2
