"""The console and the widget together in a real Chromium: a conversation changes hands, attacks, how it reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from actions.database import transaction
from bot.console.canned import Canned
from bot.handoff import Agent
from bot.outbox import Outbox
from bot.rasa_client import Button
from bot.tables import conversations
from bot.texts import load_texts
from tests.bot.agents_for_tests import PASSWORD, QUICK, Desk
from tests.bot.chat_page import AXE, RULES, WATCH
from tests.bot.console.payloads import PAYLOADS
from tests.bot.edge_for_tests import Edge, edge_on
from tests.bot.fake_rasa import FakeRasa, reply, turn
from tests.services import need

pytestmark = pytest.mark.browser

TEXTS = load_texts()
WISH = "Ich möchte mit einem Menschen sprechen"
ARABIC = "أريد التحدث إلى موظف"
NEWEST_ABOVE_THE_BOX = """(text) => {
  const newest = [...document.querySelectorAll(".said")].at(-1);
  const { top, bottom } = newest.getBoundingClientRect();
  const box = document.querySelector(".composer").getBoundingClientRect();
  return newest.textContent.includes(text) && top >= 0 && bottom <= box.top && box.bottom <= innerHeight;
}"""
PHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = need("browser")
    expect.set_options(timeout=30_000)  # of milliseconds: other tests may keep the machine busy
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def edge(database: str, rasa: FakeRasa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    monkeypatch.setattr("bot.console.accounts.PasswordHasher", lambda: QUICK)
    queued = reply("Ich gebe Sie weiter.", handoff={"ticket": "T1", "reason": "wish"})
    rasa.script[WISH] = turn(queued)
    rasa.script[ARABIC] = turn({**queued, "language": "ar"}, language="ar")
    with edge_on(database, rasa, tmp_path, texts=TEXTS) as running:
        yield running


@pytest.fixture
def desk(edge: Edge) -> Desk:
    return Desk(edge.engine)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Give a browser that notes every error, and what the policy had to forbid."""
    context = chromium.new_context(viewport={"width": 1360, "height": 860}, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    context.add_init_script(WATCH)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    for page in context.pages:
        assert page.evaluate("window.violations") == []
    context.close()
    assert errors == []


class Customer:
    """Somebody with the shop's page open."""

    def __init__(self, context: BrowserContext, edge: Edge) -> None:
        self.page = context.new_page()
        self.page.goto(f"{edge.url}/shop/de-DE")
        self.node = self.page.locator("polydesk-chat")
        self.log = self.node.get_by_role("log")

    def open(self) -> Customer:
        self.node.locator(".bubble-button").click()
        expect(self.node.locator(".panel[data-status=online]")).to_be_visible()
        return self

    def says(self, text: str) -> None:
        self.node.locator("textarea").fill(text)
        self.node.locator("textarea").press("Enter")

    def sees(self, text: str) -> None:
        expect(self.log.locator(".bubble", has_text=text).last).to_be_visible()


def sign_in(context: BrowserContext, edge: Edge, name: str) -> Page:
    page = context.new_page()
    page.goto(f"{edge.url}/console/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.locator("#queue")).to_be_visible()
    return page


def axe(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate("(tags) => axe.run({ runOnly: tags })", RULES)["violations"]
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]


def test_a_conversation_goes_to_an_agent_and_back_while_both_look_on(
    context: BrowserContext, edge: Edge, desk: Desk
) -> None:
    desk.agent("Anna")
    agent = sign_in(context, edge, "Anna")
    customer = Customer(context, edge).open()
    customer.says(WISH)
    agent.locator("#queue a", has_text=WISH).click()  # it comes up by itself
    agent.get_by_role("button", name="Take conversation").click()
    customer.sees(TEXTS.edge("de", "handoff_joined", agent="Anna"))

    agent.get_by_label("Insert a canned reply").select_option(label="Hello")
    box = agent.get_by_label("Reply to the customer")
    expect(box).to_have_value(TEXTS.of("de").canned["hello"])
    box.fill("Guten Tag, hier ist Anna.")
    box.press("Control+Enter")
    customer.sees("Guten Tag, hier ist Anna.")
    expect(box).to_have_value("")
    expect(agent.locator(".said.agent")).to_contain_text("Guten Tag, hier ist Anna.")

    customer.says("Wie schön, ein Mensch!")
    expect(agent.locator(".said.customer").last).to_contain_text("Wie schön, ein Mensch!")
    assert "Wie schön, ein Mensch!" not in edge.rasa.texts()

    agent.get_by_role("button", name="Back to the bot").click()
    customer.sees(TEXTS.edge("de", "handoff_handed_back"))
    customer.says("Wo ist mein Paket?")
    customer.sees("echo Wo ist mein Paket?")
    changes = [reason for before, after, reason in desk.history(_only_conversation(desk)) if before != after]
    assert changes == ["wish", "claimed", "handed_back"]


def test_none_of_60_attacks_runs_in_the_pages_of_customers_and_agents(
    context: BrowserContext, edge: Edge, desk: Desk
) -> None:
    assert len(set(PAYLOADS)) == 60
    dialogs: list[str] = []
    context.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    customer = Customer(context, edge).open()
    customer.says("Hallo")
    customer.sees("echo Hallo")
    key = _only_conversation(desk)
    name = PAYLOADS[14]
    attacker = desk.agent(name, "admin")
    _attack(desk, key, attacker)

    agent = sign_in(context, edge, name)
    for path in ("/?view=mine", f"/conversations/{key}", "/team", "/canned?language=de"):
        agent.goto(f"{edge.url}/console{path}")
        assert agent.evaluate("window.__xss") is None, path
        assert agent.locator("a[href^=javascript]").count() == 0, path
    agent.goto(f"{edge.url}/console/conversations/{key}")
    for kind in ("customer", "bot", "agent"):
        shown = agent.locator(f".said.{kind} .text").all_text_contents()
        assert set(PAYLOADS) <= set(shown), f"all that {kind} said stands there as it was written"
    assert set(PAYLOADS) <= set(agent.locator(".note .text").all_text_contents())
    assert agent.evaluate("window.__xss") is None

    customer.page.reload()
    customer.open()
    customer.sees(PAYLOADS[-1])
    assert set(PAYLOADS) <= set(customer.log.locator(".bubble .text").all_text_contents())
    assert customer.page.evaluate("window.__xss") is None
    assert customer.node.locator("a[href^=javascript]").count() == 0
    assert dialogs == []


def _attack(desk: Desk, key: str, attacker: Agent) -> None:
    """Put every payload wherever somebody's words go."""
    desk.handoff.queue(key, reason=PAYLOADS[7], ticket=PAYLOADS[8])
    desk.handoff.claim(key, attacker)
    canned = Canned(desk.engine, desk.texts)
    for payload in PAYLOADS:
        desk.customer_writes(key, payload)
        with transaction(desk.engine) as session:
            button = Button(payload, payload)
            words = {"name": payload, "language": "de", "text": payload, "buttons": [button]}
            Outbox.say(session, key, author="bot", **words)
        desk.handoff.reply(key, attacker, payload)
        desk.handoff.note(key, attacker, payload)
        canned.add("de", payload[:80], payload, attacker)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_no_barriers_in_light_and_dark_wide_and_narrow(
    chromium: Browser, edge: Edge, desk: Desk, scheme: Any
) -> None:
    admin = desk.agent("Ada", "admin")
    key = desk.conversation()
    desk.customer_writes(key, ARABIC)
    desk.handoff.claim(key, admin)
    desk.handoff.reply(key, admin, "Guten Tag")
    desk.handoff.note(key, admin, "a note")
    desk.conversation(reason="negative")
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 1360, "height": 860})
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(f"{edge.url}/console/")
    assert axe(page) == []
    page.close()
    page = sign_in(context, edge, "Ada")
    for path in ("/", f"/conversations/{key}", "/team", "/canned", "/password"):
        for size in ({"width": 1360, "height": 860}, PHONE):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.goto(f"{edge.url}/console{path}")
            assert axe(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} at {size}"
        assert page.evaluate("window.violations") == []
    page.goto(f"{edge.url}/console/conversations/{key}")
    arabic = page.locator(".text", has_text=ARABIC)
    assert arabic.evaluate("node => getComputedStyle(node).direction") == "rtl"
    context.close()


def test_on_a_phone_the_newest_message_stands_above_the_reply_box(
    context: BrowserContext, edge: Edge, desk: Desk
) -> None:
    key = desk.conversation()
    desk.handoff.claim(key, desk.agent("Anna"))
    for number in range(12):
        desk.customer_writes(key, f"message {number}")
    page = sign_in(context, edge, "Anna")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"{edge.url}/console/conversations/{key}")
    page.wait_for_function(NEWEST_ABOVE_THE_BOX, arg="message 11")
    desk.customer_writes(key, "and one more")
    page.wait_for_function(NEWEST_ABOVE_THE_BOX, arg="and one more")


def _only_conversation(desk: Desk) -> str:
    (row,) = desk.rows(conversations)
    return str(row.id)
