"""How replies are put into what a channel can show: pieces within its limits, buttons, or numbered text.

Nothing is cut off: a text that is too long goes on in the next piece, from the end of a sentence where there is one,
and buttons that the channel has no room for become a numbered list, from which the customer may choose by number.
Touches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import regex  # type: ignore[import-untyped]

from bot.outbox import Outgoing

Button = Mapping[str, str]  # title, payload

SENTENCE_END = re.compile(r"[.!?…؟।]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”’）]*|\n")
NUMBER = re.compile(r"\W*(\d{1,2})\W*")
CHARACTERS = regex.compile(r"\X")  # as people count them: an emoji with its parts is one


def utf16(text: str) -> int:
    """Count as providers do whose strings are UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def utf8(text: str) -> int:
    """Count bytes."""
    return len(text.encode())


@dataclass(frozen=True)
class Form:
    """What one message of a channel can hold.

    `text` and `text_with_buttons` are limits in the unit of `measure`; `title` is in characters and `payload` in bytes.
    Without `buttons` the channel has none.
    """

    text: int
    measure: Callable[[str], int] = len
    buttons: int = 0
    title: int = 0
    payload: int = 0
    text_with_buttons: int | None = None

    def shows(self, buttons: Sequence[Button]) -> bool:
        """Whether all of these can be buttons."""
        return len(buttons) <= self.buttons and all(
            len(button["title"]) <= self.title and utf8(button["payload"]) <= self.payload for button in buttons
        )


@dataclass(frozen=True)
class Piece:
    """One message to a provider. `key` is the same at each try: the conversation, the reply and the piece's number."""

    key: str
    text: str
    buttons: Sequence[Button] = ()


def lay_out(reply: Outgoing, form: Form, *, conversation: str) -> list[Piece]:
    """Put a reply into pieces; its buttons stand with the last one."""
    text = "\n".join(part for part in (reply.text, reply.image) if part)
    has_buttons = bool(reply.buttons) and bool(text) and form.shows(reply.buttons)
    if reply.buttons and not has_buttons:
        text = numbered(text, reply.buttons)
    texts = split(text, form.text, form.measure)
    if has_buttons and form.text_with_buttons:
        texts[-1:] = split(texts[-1], form.text_with_buttons, form.measure)
    last = len(texts) - 1
    return [
        Piece(f"{conversation}-{reply.number}-{number}", each, reply.buttons if has_buttons and number == last else ())
        for number, each in enumerate(texts)
    ]


def numbered(text: str, buttons: Sequence[Button]) -> str:
    """Write buttons as a numbered list below the text."""
    choices = "\n".join(f"{number}. {button['title']}" for number, button in enumerate(buttons, start=1))
    return f"{text}\n\n{choices}" if text else choices


def chosen(text: str, buttons: Sequence[Button]) -> Button | None:
    """Return the button whose number a customer wrote (`2`, `2.`, `(٢)`), or None."""
    match = NUMBER.fullmatch(text)
    number = int(match[1]) if match else 0
    return buttons[number - 1] if 1 <= number <= len(buttons) else None


def split(text: str, limit: int, measure: Callable[[str], int] = len) -> list[str]:
    """Split a text into pieces within a limit, at the end of a sentence, else of a word, else of a character."""
    pieces = []
    rest = text.strip()
    while measure(rest) > limit:
        cut = _cut(rest, limit, measure)
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*pieces, rest]


def _cut(text: str, limit: int, measure: Callable[[str], int]) -> int:
    """Return where the first piece ends: at least one character on, even if that is over the limit."""
    longest, used = 0, 0
    for character in CHARACTERS.finditer(text):
        used += measure(character[0])
        if used > limit and longest:
            break
        longest = character.end()
    # One further, so that a sentence which just fits is seen to have ended.
    ends = [match.end() for match in SENTENCE_END.finditer(text[: longest + 1]) if match.end() <= longest]
    # A piece of a few words only, and then the middle of a sentence, would read worse than a break between words.
    if ends and ends[-1] >= longest // 3:
        return ends[-1]
    space = max(text.rfind(" ", 0, longest + 1), text.rfind("\n", 0, longest + 1))
    return space if space > 0 else longest
