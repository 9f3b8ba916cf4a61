"""`python -m tests.benchmarks.screenshots`: pictures of a German and an Arabic conversation, for the README.

Starts a Polydesk of its own, talks to it in Chromium as a customer does, and writes `docs/figures/conversation-*.png`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.bot.chat_page import Chat, chromium
from tests.conversations.polydesk import Polydesk, running_polydesk

FIGURES = Path("docs/figures")
WINDOW = {"width": 960, "height": 780}
# What is said in a market about an order that is on its way.
CONVERSATIONS = {
    "de-DE": ("Hallo, wo bleibt denn meine Bestellung?", "{number}, {email}", "Und bis wann kann ich sie zurückgeben?"),
    "ar-SA": ("السلام عليكم وين طلبي", "{number}، {email}", "وكم يستغرق التوصيل عادة؟"),
}


def main() -> int:
    """Hold the conversations and take the pictures."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="polydesk-pictures-") as folder,
        running_polydesk(Path(folder)) as polydesk,
        chromium() as browser,
    ):
        for market, lines in CONVERSATIONS.items():
            picture = FIGURES / f"conversation-{market[:2]}.png"
            take_picture(browser, polydesk, market, lines, picture)
            sys.stdout.write(f"{picture} is written.\n")
    return 0


def take_picture(browser: Browser, polydesk: Polydesk, market: str, lines: tuple[str, ...], picture: Path) -> None:
    """Say the lines on the market's page and take a picture of the window."""
    order = polydesk.order(market, "shipped")
    context = browser.new_context(viewport=WINDOW, reduced_motion="reduce")
    chat = Chat(context.new_page(), polydesk.url).visit(market).open()
    for line in lines:
        chat.ask(line.format(number=order.number, email=order.email))
    chat.page.mouse.move(0, 0)
    chat.page.screenshot(path=picture)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
