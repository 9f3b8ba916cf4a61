"""The widget on the demo shop's page as its customer uses it: names for what the tests do and see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.bot.fake_edge import BOT, FakeEdge
from tests.services import need

AXE = BOT / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ANSWERED_WITHIN = 60_000  # milliseconds
# Notes what the policy forbade, from before the page's first script on.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the machine's Chromium; skips or fails where there is none (`tests/services.py`)."""
    program = need("browser")
    expect.set_options(timeout=15_000)  # of milliseconds: other tests may keep the machine busy
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Chat:
    """The widget as its customer uses it, on the pages of the edge at `url`."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.add_init_script(WATCH)
        self.node = page.locator("polydesk-chat")
        self.panel = self.node.locator(".panel")
        self.input = self.node.locator("textarea")
        self.log = self.node.get_by_role("log")
        self.messages = self.log.locator(".message")
        self.bots = self.log.locator(".message[data-from=bot]")
        self.bubbles = self.messages.locator(".bubble")

    def visit(self, market: str = "de-DE") -> Self:
        self.page.goto(f"{self.url}/shop/{market}")
        return self

    def open(self) -> Self:
        self.node.locator(".bubble-button").click()
        expect(self.node.locator(".panel[data-status=online]")).to_be_visible()
        return self

    def say(self, text: str) -> None:
        self.input.fill(text)
        self.input.press("Enter")

    def ask(self, text: str) -> None:
        """Say something and wait until the bot's turn is over."""
        before = self.bots.count()
        self.say(text)
        self.wait_for_answer(before)

    def press(self, title: str) -> None:
        """Press a quick reply and wait until the bot's turn is over."""
        before = self.bots.count()
        self.button(title).click()
        self.wait_for_answer(before)

    def wait_for_answer(self, before: int) -> None:
        """Wait until the bot has said more than so many messages, and its turn is over."""
        expect(self.bots).not_to_have_count(before, timeout=ANSWERED_WITHIN)
        expect(self.node.locator(".dots")).to_be_hidden(timeout=ANSWERED_WITHIN)

    def button(self, name: str) -> Locator:
        return self.node.get_by_role("button", name=name, exact=True)

    def expect_messages(self, *texts: str) -> None:
        """Exactly these messages stand here, in this order."""
        expect(self.bubbles).to_have_text(list(texts))

    def violations(self) -> list[str]:
        return list(self.page.evaluate("window.violations"))

    def axe(self) -> list[str]:
        """Run axe-core; one line for each violation. It comes in by the debugger; its styles do not count."""
        before = self.violations()
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        run = "(tags) => axe.run({ runOnly: tags })"
        found: list[dict[str, Any]] = self.page.evaluate(run, RULES)["violations"]
        self.page.evaluate("(before) => { window.violations = before; }", before)
        return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]


class ScriptedChat(Chat):
    """The same against the server that plays the edge, with a look at what that has got."""

    def __init__(self, page: Page, edge: FakeEdge) -> None:
        super().__init__(page, edge.url)
        self.edge = edge
        self.script = edge.script

    def received_texts(self) -> list[str]:
        return [body["message"] for body in self.script.received("user_uttered")]

    def stored_texts(self) -> list[str]:
        return [
            item["text"]
            for conversation in self.script.conversations.values()
            for item in conversation.items
            if item["from"] == "customer"
        ]
