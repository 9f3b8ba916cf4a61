"""The widget on the demo shop's page as its customer uses it: names for what the tests do and see."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.bot.fake_edge import BOT, FakeEdge

AXE = BOT / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Notes what the policy forbade, from before the page's first script on.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


class Chat:
    """The widget as its customer uses it."""

    def __init__(self, page: Page, edge: FakeEdge) -> None:
        self.page = page
        self.edge = edge
        self.script = edge.script
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.add_init_script(WATCH)
        self.node = page.locator("polydesk-chat")
        self.input = self.node.locator("textarea")
        self.log = self.node.get_by_role("log")
        self.messages = self.log.locator(".message")

    def visit(self, market: str = "de-DE") -> Chat:
        self.page.goto(f"{self.edge.url}/shop/{market}")
        return self

    def open(self) -> Chat:
        self.node.locator(".bubble-button").click()
        expect(self.node.locator(".panel[data-status=online]")).to_be_visible()
        return self

    def say(self, text: str) -> None:
        self.input.fill(text)
        self.input.press("Enter")

    def button(self, name: str) -> Locator:
        return self.node.get_by_role("button", name=name, exact=True)

    def expect_messages(self, *texts: str) -> None:
        """Exactly these messages stand here, in this order."""
        expect(self.messages.locator(".bubble")).to_have_text(list(texts))

    def received_texts(self) -> list[str]:
        return [body["message"] for body in self.script.received("user_uttered")]

    def stored_texts(self) -> list[str]:
        return [
            item["text"]
            for conversation in self.script.conversations.values()
            for item in conversation.items
            if item["from"] == "customer"
        ]

    def violations(self) -> list[str]:
        return list(self.page.evaluate("window.violations"))

    def axe(self) -> list[str]:
        """Run axe-core; one line for each violation. It comes in by the debugger, which no policy concerns."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        run = "(tags) => axe.run({ runOnly: tags })"
        found: list[dict[str, Any]] = self.page.evaluate(run, RULES)["violations"]
        return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]
