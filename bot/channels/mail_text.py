"""Reads a mail: who wrote, and what she wrote herself, without what she quotes and her signature. Touches nothing.

Robots' mail is left out: answering an out-of-office note would begin a talk of two machines that never ends.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr
from html.parser import HTMLParser
from typing import Any

from bot.channels.provider import Received
from bot.inbox import Kind

ROBOTS = re.compile(r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?)\b", re.IGNORECASE)
BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
# Where the mail that is answered begins: a line of its own, or the head of it, which names an address.
BEGINS = re.compile(r"\s*(-{2,}[^-].*[^-]-{2,}|_{10,})\s*")
HEAD = re.compile(r"\s*\*?(From|Von|De|Da|Van|差出人|发件人|寄件者|प्रेषक|من)\*?\s?[:：].*@.*")
SKIPPED = frozenset({"script", "style", "head", "blockquote"})
BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3"})
KINDS: dict[str, Kind] = {"image": "image", "audio": "voice"}


def read_mail(raw: bytes, *, own: str) -> Received | None:
    """Return a mail's message, None for one that no person wrote; `own` is our address."""
    message = message_from_bytes(raw)
    sender = parseaddr(_header(message, "From"))[1].lower()
    if not sender or sender == own.lower() or _is_automatic(message, sender):
        return None
    message_id = _header(message, "Message-ID") or hashlib.sha256(raw).hexdigest()
    text = newest(_text(message))
    files = list(_files(message))
    attachment: dict[str, Any] = {
        "subject": _header(message, "Subject"),
        "message_id": message_id,
        "references": _header(message, "References"),
        "files": files,
    }
    kind: Kind = "text" if text or not files else KINDS.get(files[0]["type"].partition("/")[0], "other")
    return Received(sender, message_id, text=text, kind=kind, attachment={"type": "mail", "content": attachment})


def newest(text: str) -> str:
    """Return what the writer of a mail added: no quoted lines, nothing below them that is not hers, no signature."""
    kept: list[str] = []
    quoting = False
    for line in text.splitlines():
        if line == "-- " or line.strip() == "--" or BEGINS.fullmatch(line) or HEAD.fullmatch(line):
            break
        is_quoted = line.lstrip().startswith(">")
        if is_quoted and not quoting:
            _drop_attribution(kept)
        if not is_quoted:
            kept.append(line.rstrip())
        quoting = is_quoted or (quoting and not line.strip())
    return "\n".join(kept).strip()


def _drop_attribution(kept: list[str]) -> None:
    """Remove the line above a quotation that says who wrote it, "On Monday X wrote:", which may be broken in two."""
    while kept and not kept[-1]:
        kept.pop()
    if not kept or not kept[-1].endswith((":", "：")):
        return
    last = kept.pop()
    if kept and (kept[-1].endswith("<") or ("@" not in last and "@" in kept[-1])):
        kept.pop()


def _is_automatic(message: Message, sender: str) -> bool:
    return (
        _header(message, "Auto-Submitted").lower() not in ("", "no")
        or _header(message, "Precedence").lower() in BULK
        or "List-Id" in message
        or _header(message, "Return-Path") == "<>"
        or message.get_content_type() == "multipart/report"
        or ROBOTS.match(sender) is not None
    )


def _header(message: Message, name: str) -> str:
    value = str(message.get(name, ""))
    with suppress(LookupError, ValueError, MessageError):  # else it stays as it stands
        value = str(make_header(decode_header(value)))
    return " ".join(value.split())


def _text(message: Message) -> str:
    """Return the plain text, or that of the HTML where there is none."""
    parts = [part for part in message.walk() if not part.is_multipart() and part.get_filename() is None]
    for content_type in ("text/plain", "text/html"):
        texts = [_decoded(part) for part in parts if part.get_content_type() == content_type]
        if any(text.strip() for text in texts):
            return "\n".join(texts) if content_type == "text/plain" else _without_tags("\n".join(texts))
    return ""


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    try:
        return raw.decode(part.get_content_charset() or "utf-8", errors="replace")
    except (LookupError, ValueError):  # an encoding that nobody knows, or none at all
        return raw.decode(errors="replace")


def _files(message: Message) -> Iterator[dict[str, str]]:
    for part in message.walk():
        if part.get_filename() is not None:
            yield {"name": str(part.get_filename()), "type": part.get_content_type()}


class _Words(HTMLParser):
    """Collects the words of a page outside of what is quoted or not shown."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._skipping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        quoted = tag == "div" and "gmail_quote" in (dict(attrs).get("class") or "")
        if (self._skipping and tag == self._skipping[0]) or (not self._skipping and (tag in SKIPPED or quoted)):
            self._skipping.append(tag)
        elif tag in BREAKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._skipping and tag == self._skipping[0]:
            self._skipping.pop()

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.words.append(data)


def _without_tags(page: str) -> str:
    reader = _Words()
    reader.feed(page)
    reader.close()
    return "\n".join(" ".join(line.split()) for line in "".join(reader.words).splitlines())
