"""The widget in a real Chromium, against a server that plays the edge and can be made to lose things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bot.texts import load_texts
from tests.bot.chat_page import ScriptedChat, chromium
from tests.bot.fake_edge import BOT, FakeEdge, Script, running

pytestmark = pytest.mark.browser

DE = load_texts().widget("de")
ATTACK = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>{{7*7}}'
GREETING: list[dict[str, Any]] = [
    {"text": "Guten Tag, ich bin ein Bot.", "name": "utter_welcome"},
    {
        "text": "Womit kann ich helfen?",
        "name": "utter_what_can_you_do",
        "buttons": [{"title": "Bestellung verfolgen", "payload": "/track_order"}],
    },
]
OPENING = [reply["text"] for reply in GREETING]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def edge() -> Iterator[FakeEdge]:
    with running(Script(greeting=[dict(reply) for reply in GREETING])) as fake:
        yield fake


@pytest.fixture
def chat(browser: Browser, edge: FakeEdge) -> Iterator[ScriptedChat]:
    context = browser.new_context(viewport={"width": 1200, "height": 860}, reduced_motion="reduce")
    chat = ScriptedChat(context.new_page(), edge)
    yield chat
    context.close()
    assert chat.errors == []


def test_nothing_is_asked_of_the_server_before_the_chat_is_opened(chat: ScriptedChat) -> None:
    chat.visit()
    expect(chat.button(DE["open_chat"])).to_be_visible()
    assert chat.script.received("session_request") == []


def test_a_message_is_sent_with_market_and_id_and_its_answer_is_shown(chat: ScriptedChat) -> None:
    chat.visit().open().say("Wo ist mein Paket?")
    chat.expect_messages(*OPENING, "Wo ist mein Paket?", "Answer to: Wo ist mein Paket?")
    (body,) = chat.script.received("user_uttered")
    assert body["metadata"]["market"] == "de-DE"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", body["metadata"]["message_id"])


def test_a_message_id_can_be_made_without_random_uuid_as_on_plain_http(chat: ScriptedChat) -> None:
    chat.page.add_init_script("delete Crypto.prototype.randomUUID")
    chat.visit().open().say("Hallo")
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    (body,) = chat.script.received("user_uttered")
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", body["metadata"]["message_id"]
    )


def test_a_quick_reply_sends_its_payload_and_shows_its_title_also_after_a_reload(chat: ScriptedChat) -> None:
    chat.visit().open().button("Bestellung verfolgen").click()
    shown = [*OPENING, "Bestellung verfolgen", "Answer to: /track_order"]
    chat.expect_messages(*shown)
    assert chat.received_texts() == ["/track_order"]
    expect(chat.button("Bestellung verfolgen")).to_have_count(0)
    chat.visit().open()
    chat.expect_messages(*shown)


def test_the_history_stands_there_after_a_reload_in_the_same_conversation(chat: ScriptedChat) -> None:
    chat.visit().open().say("Hallo")
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    chat.visit().open()
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    assert len(chat.script.conversations) == 1


def test_each_market_has_a_conversation_of_its_own(chat: ScriptedChat) -> None:
    chat.visit().open().say("Hallo")
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    chat.visit("fr-FR").open()
    chat.expect_messages(*OPENING)


def test_nothing_is_lost_or_doubled_when_the_server_goes_away_in_the_middle(chat: ScriptedChat) -> None:
    chat.visit().open().say("eins")
    chat.expect_messages(*OPENING, "eins", "Answer to: eins")
    chat.edge.stop()
    expect(chat.node.locator(".notice")).to_have_text(DE["reconnecting"])
    chat.say("zwei")
    chat.say("drei")
    expect(chat.messages.last).to_contain_text(DE["waiting"])
    chat.edge.start()
    answers = ["Answer to: zwei", "Answer to: drei"]
    for text in answers:
        expect(chat.log.get_by_text(text, exact=True)).to_have_count(1, timeout=30_000)
    expect(chat.messages).to_have_count(len(OPENING) + 6)
    assert chat.stored_texts() == ["eins", "zwei", "drei"]
    expect(chat.node.locator(".notice")).to_be_hidden()


def test_a_message_whose_acknowledgement_was_lost_is_sent_again_under_its_id(chat: ScriptedChat) -> None:
    chat.visit().open()
    chat.expect_messages(*OPENING)
    chat.script.break_before_acknowledging = True
    chat.say("Hallo")
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    first, second = chat.script.received("user_uttered")
    assert first["metadata"]["message_id"] == second["metadata"]["message_id"]
    assert chat.stored_texts() == ["Hallo"]


def test_a_reply_that_was_lost_on_its_way_comes_after_reconnecting(chat: ScriptedChat) -> None:
    chat.visit().open()
    chat.expect_messages(*OPENING)
    chat.script.break_before_delivering = True
    chat.say("Hallo")
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    assert chat.received_texts() == ["Hallo"]
    assert chat.script.received("polydesk_resume") == [{"last_id": 2}, {"last_id": 4}]


def test_a_reply_that_comes_twice_is_shown_once(chat: ScriptedChat) -> None:
    chat.script.deliver_twice = True
    chat.visit().open().say("eins")
    chat.say("zwei")
    expect(chat.log.get_by_text("Answer to: zwei", exact=True)).to_have_count(1)
    expect(chat.messages).to_have_count(len(OPENING) + 4)


def test_what_was_not_sent_survives_a_reload(chat: ScriptedChat) -> None:
    chat.visit().open()
    chat.expect_messages(*OPENING)
    chat.page.route("**/socket.io/**", lambda route: route.abort())
    chat.edge.stop()
    chat.say("unterwegs geschrieben")
    expect(chat.messages.last).to_contain_text(DE["waiting"])
    chat.page.unroute_all()
    chat.edge.start()
    chat.visit().open()
    chat.expect_messages(*OPENING, "unterwegs geschrieben", "Answer to: unterwegs geschrieben")
    assert chat.stored_texts() == ["unterwegs geschrieben"]


def test_a_refused_message_says_so_and_can_be_sent_again(chat: ScriptedChat) -> None:
    chat.visit().open()
    chat.script.refusal = "Bitte etwas langsamer."
    chat.say("Hallo")
    expect(chat.messages.last).to_contain_text("Bitte etwas langsamer.")
    chat.button(DE["try_again"]).click()
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    expect(chat.log).not_to_contain_text("Bitte etwas langsamer.")


def test_a_refused_session_is_explained_and_asked_for_again(chat: ScriptedChat) -> None:
    chat.script.session_refusal = "Gerade ist zu viel los."
    chat.visit().node.locator(".bubble-button").click()
    expect(chat.node.locator(".notice")).to_have_text("Gerade ist zu viel los.")
    chat.say("Hallo")
    expect(chat.messages.last).to_contain_text("Answer to: Hallo")
    expect(chat.node.locator(".notice")).to_be_hidden()


def test_a_text_over_the_limit_is_counted_and_not_sent(chat: ScriptedChat) -> None:
    chat.visit().open().input.fill("x" * 2001)
    expect(chat.node.locator(".counter")).to_have_text(DE["characters"].format(count=2001, limit=2000))
    chat.input.press("Enter")
    expect(chat.button(DE["send"])).to_be_disabled()
    chat.input.fill("x" * 2000)
    chat.input.press("Enter")
    expect(chat.input).to_have_value("")
    expect(chat.messages).to_have_count(len(OPENING) + 2)
    assert chat.received_texts() == ["x" * 2000]


def test_the_bot_is_seen_typing_until_its_turn_is_done(chat: ScriptedChat) -> None:
    chat.visit().open()
    chat.script.may_answer.clear()
    chat.say("Hallo")
    expect(chat.node.locator(".dots")).to_be_visible()
    expect(chat.node.get_by_role("status").filter(has_text=DE["typing"])).to_have_count(1)
    chat.script.may_answer.set()
    expect(chat.messages.last).to_contain_text("Answer to: Hallo")
    expect(chat.node.locator(".dots")).to_be_hidden()


def test_what_anyone_writes_is_text_and_never_markup(chat: ScriptedChat) -> None:
    chat.script.answers[ATTACK] = [
        {"text": ATTACK, "buttons": [{"title": ATTACK, "payload": "/x"}]},
        {"text": "javascript:alert(1) http://unsafe.example data:text/html,x"},
    ]
    chat.visit().open().say(ATTACK)
    chat.expect_messages(*OPENING, ATTACK, ATTACK, "javascript:alert(1) http://unsafe.example data:text/html,x")
    expect(chat.log.locator(".choice")).to_have_text([ATTACK])
    expect(chat.log.locator("script, img, a")).to_have_count(0)
    chat.visit().open()
    expect(chat.messages).to_have_count(len(OPENING) + 3)
    expect(chat.log.locator("script, img, a")).to_have_count(0)
    assert chat.page.evaluate("window.hacked") is None


def test_what_is_said_within_a_minute_has_one_time_below_the_last(chat: ScriptedChat) -> None:
    chat.page.clock.set_fixed_time("2026-11-24T12:05:00")
    chat.visit().open()
    times = chat.log.locator("time")
    expect(times).to_have_count(1)  # the greeting's, of another day
    chat.say("eins")
    chat.expect_messages(*OPENING, "eins", "Answer to: eins")
    expect(times).to_have_count(2)
    expect(times.last).to_have_text("12:05")
    expect(chat.messages.last.locator("time")).to_have_count(1)
    chat.page.clock.set_fixed_time("2026-11-24T12:07:00")
    chat.say("zwei")
    chat.expect_messages(*OPENING, "eins", "Answer to: eins", "zwei", "Answer to: zwei")
    expect(times).to_have_text([re.compile(r".+"), "12:05", "12:07"])


def test_secure_addresses_in_the_bots_text_become_links(chat: ScriptedChat) -> None:
    text = "Siehe https://shop.example/a?b=1, oder (https://shop.example/c). Nicht http://shop.example/d"
    chat.script.answers["Link?"] = [{"text": text}]
    chat.visit().open().say("Link?")
    links = chat.log.get_by_role("link")
    expect(links).to_have_text(["https://shop.example/a?b=1", "https://shop.example/c"])
    expect(links.first).to_have_attribute("rel", "noopener")


def test_consent_is_asked_once_below_the_greeting_and_no_answer_blocks_nothing(chat: ScriptedChat) -> None:
    chat.visit().open()
    expect(chat.log.get_by_text(DE["consent_question"])).to_be_visible()
    assert "consent" in (chat.log.locator(":scope > *").last.get_attribute("class") or "")
    chat.say("Hallo")
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    assert chat.script.received("polydesk_consent") == []
    chat.button(DE["consent_yes"]).click()
    expect(chat.log).to_contain_text(DE["consent_thanks_yes"])
    chat.visit().open()
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    expect(chat.log.get_by_text(DE["consent_question"])).to_have_count(0)
    assert chat.script.received("polydesk_consent") == [{"given": True}]


def test_an_answer_can_be_rated(chat: ScriptedChat) -> None:
    chat.visit().open().say("Hallo")
    chat.expect_messages(*OPENING, "Hallo", "Answer to: Hallo")
    thumb = chat.messages.last.get_by_role("button", name=DE["rate_good"], exact=True)
    chat.messages.last.hover()
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    expect(chat.log.locator(".thumbs")).to_have_count(1)  # nobody is asked to rate the greeting
    chat.say("Danke")  # on the same socket after the rating, so that its answer means that the rating has come
    expect(chat.messages.last).to_contain_text("Answer to: Danke")
    assert chat.script.received("polydesk_rate") == [{"id": 4, "value": 1}]


def test_talking_to_a_person_sends_a_sentence_in_the_language(chat: ScriptedChat) -> None:
    chat.visit("fr-FR").open()
    texts = load_texts().widget("fr")
    chat.button(texts["talk_to_person"]).click()
    chat.expect_messages(*OPENING, texts["talk_to_person_message"], f"Answer to: {texts['talk_to_person_message']}")
    assert chat.received_texts() == [texts["talk_to_person_message"]]


def test_a_goodbye_asks_for_a_score(chat: ScriptedChat) -> None:
    chat.script.answers["Tschüss"] = [{"text": "Auf Wiedersehen!", "name": "utter_goodbye"}]
    chat.visit().open().say("Tschüss")
    chat.button(DE["score_option"].format(score=4)).click()
    expect(chat.log).to_contain_text(DE["score_thanks"])
    chat.say("Doch noch etwas")
    expect(chat.messages.last).to_contain_text("Answer to: Doch noch etwas")
    assert chat.script.received("polydesk_score") == [{"score": 4}]


def test_ending_the_conversation_asks_for_a_score_and_forgets_the_conversation(chat: ScriptedChat) -> None:
    chat.visit().open().say("Hallo")
    expect(chat.messages.last).to_contain_text("Answer to: Hallo")
    chat.button(DE["end_chat"]).click()
    chat.button(DE["score_option"].format(score=2)).click()
    chat.button(DE["new_chat"]).click()
    chat.expect_messages(*OPENING)
    assert chat.script.received("polydesk_score") == [{"score": 2}]
    assert len(chat.script.conversations) == 2


def test_arabic_runs_from_right_to_left_and_each_message_in_its_own_direction(chat: ScriptedChat) -> None:
    chat.visit("ar-SA").open().say("Where is my order?")
    expect(chat.node.locator(".panel")).to_have_attribute("dir", "rtl")
    expect(chat.node.locator(".panel")).to_have_attribute("lang", "ar")
    own = chat.log.locator(".message[data-from=customer]")
    expect(own.locator(".text")).to_have_css("direction", "ltr")
    bubble, log = own.locator(".bubble").bounding_box(), chat.log.bounding_box()
    assert bubble and log
    assert bubble["x"] - log["x"] < 40  # the customer's own words stand on the left
    panel = chat.node.locator(".panel").bounding_box()
    assert panel and panel["x"] < 100


def test_on_a_phone_the_panel_fills_the_screen(browser: Browser, edge: FakeEdge) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "has_touch": True, "is_mobile": True}
    context = browser.new_context(**phone, reduced_motion="reduce")
    chat = ScriptedChat(context.new_page(), edge).visit().open()
    chat.say("Hallo")
    expect(chat.messages.last.locator(".thumbs")).to_have_css("opacity", "1")
    assert chat.node.locator(".panel").bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 760}
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("market", ["de-DE", "ar-SA"])
def test_axe_finds_nothing_in_page_and_open_panel(chat: ScriptedChat, scheme: Any, market: str) -> None:
    chat.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    chat.script.answers["Tschüss"] = [{"text": "Auf Wiedersehen!", "name": "utter_goodbye"}]
    chat.visit(market)
    assert chat.axe() == []
    chat.open().ask("Tschüss")
    chat.script.refusal = "Bitte etwas langsamer."
    chat.say("Hallo")
    expect(chat.messages.last).to_contain_text("Bitte etwas langsamer.")
    chat.messages.nth(3).hover()
    chat.input.fill("x" * 2001)
    assert chat.axe() == []


def test_everything_can_be_done_with_the_keyboard(chat: ScriptedChat) -> None:
    chat.visit()
    keyboard = chat.page.keyboard
    chat.button(DE["open_chat"]).focus()
    keyboard.press("Enter")
    expect(chat.input).to_be_focused()
    expect(chat.button(DE["consent_no"])).to_be_visible()
    keyboard.type("Zeile 1")
    keyboard.press("Shift+Enter")
    keyboard.type("Zeile 2")
    keyboard.press("Enter")
    expect(chat.messages.last).to_contain_text("Answer to: Zeile 1\nZeile 2")
    expect(chat.input).to_be_focused()
    keyboard.press("Shift+Tab")  # the thumbs of the last answer
    keyboard.press("Shift+Tab")
    expect(chat.messages.last.get_by_role("button", name=DE["rate_good"], exact=True)).to_be_focused()
    keyboard.press("Enter")
    expect(chat.messages.last.get_by_role("button", name=DE["rate_good"], exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    keyboard.press("Shift+Tab")  # the question for consent
    keyboard.press("Enter")
    expect(chat.log).to_contain_text(DE["consent_thanks_yes"])
    keyboard.press("Escape")
    expect(chat.button(DE["open_chat"])).to_be_focused()
    expect(chat.input).to_be_hidden()


def test_enter_while_composing_a_word_sends_nothing(chat: ScriptedChat) -> None:
    chat.visit("ja-JP").open().input.fill("ちゅうもん")
    chat.input.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(chat.input).to_have_value("ちゅうもん")
    chat.input.press("Enter")
    expect(chat.messages.last).to_contain_text("Answer to: ちゅうもん")
    assert chat.received_texts() == ["ちゅうもん"]


def test_the_transcript_is_a_live_region_that_keeps_quiet_about_history(chat: ScriptedChat) -> None:
    chat.visit().open()
    expect(chat.log).to_have_attribute("aria-live", "polite")
    expect(chat.log).to_have_attribute("aria-label", DE["log_label"])


def test_a_strict_policy_is_kept(chat: ScriptedChat) -> None:
    chat.script.answers["Tschüss"] = [{"text": "https://shop.example", "name": "utter_goodbye"}]
    response = chat.page.goto(f"{chat.edge.url}/shop/de-DE")
    assert response and "default-src 'none'" in response.headers["content-security-policy"]
    chat.open().ask("Tschüss")
    chat.button(DE["score_option"].format(score=5)).click()
    chat.page.locator(".markets summary").click()
    assert chat.violations() == []


def test_the_host_page_opens_it_by_attribute_and_hears_its_events(chat: ScriptedChat) -> None:
    chat.page.add_init_script(
        "window.heard = []; for (const type of ['open', 'close', 'ready', 'message'])"
        " addEventListener('polydesk-' + type, (event) => heard.push([event.type, event.detail]));"
    )
    chat.visit().page.locator("[data-open-chat]").click()
    expect(chat.input).to_be_focused()
    chat.say("geheim")
    expect(chat.messages.last).to_contain_text("Answer to: geheim")
    chat.node.evaluate("(node) => node.removeAttribute('open')")
    expect(chat.node.locator(".panel")).to_be_hidden()
    heard = chat.page.evaluate("heard")
    assert heard[0][0] == "polydesk-open"
    assert ["polydesk-ready", {"market": "de-DE", "language": "de"}] in heard
    assert ["polydesk-message", {"from": "bot", "name": "utter_answer"}] in heard
    assert heard[-1][0] == "polydesk-close"
    assert "geheim" not in str(heard)


def test_a_reply_that_comes_while_the_panel_is_closed_marks_the_bubble(chat: ScriptedChat) -> None:
    chat.visit().open().say("Hallo")
    expect(chat.messages.last).to_contain_text("Answer to: Hallo")
    chat.script.may_answer.clear()
    chat.say("Und?")
    expect(chat.node.locator(".dots")).to_be_visible()
    chat.page.keyboard.press("Escape")
    chat.script.may_answer.set()
    bubble = chat.button(f"{DE['open_chat']} – {DE['new_message']}")
    expect(bubble).to_be_visible()
    bubble.click()
    expect(chat.messages.last).to_contain_text("Answer to: Und?")
    chat.page.keyboard.press("Escape")
    expect(chat.button(DE["open_chat"])).to_be_visible()


def test_no_file_of_the_widget_makes_markup_from_text() -> None:
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\b")
    files = sorted(Path(BOT / "widget").glob("*.js"))
    assert files
    assert [file.name for file in files if forbidden.search(file.read_text(encoding="utf-8"))] == []
