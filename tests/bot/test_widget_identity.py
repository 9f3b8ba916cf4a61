"""The shop's word for its customer, as the page gives it to the widget, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.bot.chat_page import ScriptedChat, chromium
from tests.bot.fake_edge import Script, running

pytestmark = pytest.mark.browser

SET = "(node, token) => node.setAttribute('identity', token)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def chat(browser: Browser) -> Iterator[ScriptedChat]:
    with running(Script(greeting=[{"text": "Guten Tag.", "name": "utter_welcome"}])) as edge:
        context = browser.new_context()
        chat = ScriptedChat(context.new_page(), edge)
        yield chat
        context.close()
        assert chat.errors == []


def shown(chat: ScriptedChat) -> list[Any]:
    """Return the identities of the session requests so far."""
    return [body["metadata"].get("identity") for body in chat.script.received("session_request")]


def test_the_attribute_is_shown_with_the_session_request_and_a_new_one_at_once(chat: ScriptedChat) -> None:
    chat.visit()
    chat.node.evaluate(SET, "annas.token")
    chat.open().say("Hallo")
    chat.expect_messages("Guten Tag.", "Hallo", "Answer to: Hallo")
    chat.node.evaluate(SET, "annas.newer")
    chat.say("Noch da?")
    chat.expect_messages("Guten Tag.", "Hallo", "Answer to: Hallo", "Noch da?", "Answer to: Noch da?")

    assert shown(chat) == ["annas.token", "annas.newer"]
    assert all("identity" not in body["metadata"] for body in chat.script.received("user_uttered"))


def test_the_property_keeps_the_token_out_of_the_page(chat: ScriptedChat) -> None:
    chat.visit()
    chat.node.evaluate("node => { node.identity = 'annas.token'; }")
    chat.open()

    assert shown(chat) == ["annas.token"]
    assert "annas.token" not in chat.page.content()


def test_who_signs_out_leaves_no_conversation_behind(chat: ScriptedChat) -> None:
    chat.visit()
    chat.node.evaluate(SET, "annas.token")
    chat.open().say("Mein Geheimnis")
    chat.expect_messages("Guten Tag.", "Mein Geheimnis", "Answer to: Mein Geheimnis")
    chat.node.evaluate("node => node.removeAttribute('identity')")
    chat.expect_messages("Guten Tag.")

    assert shown(chat) == ["annas.token", None]
    assert "session_id" not in chat.script.received("session_request")[-1]
