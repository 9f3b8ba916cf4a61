"""Web addresses and e-mails, also those that people write out so that no machine reads them. Touches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from training.pii.spans import Message, Span

LATIN = "A-Za-z0-9À-ɏ"
TLD = (
    r"(?:com|org|net|edu|gov|io|co|info|biz|shop|store|app|dev|eu|us|uk|de|at|ch|es|fr|it|br|pt|in|sa|ae|eg"
    r"|cn|hk|tw|jp|mx|ar|nl|be|example|test|me|link|ly|to|gl|ai)"
)
WEB = re.compile(r"https?\s?://[^\s<>\"'“”\u3000-\u303f\u4e00-\u9fff\u0600-\u06ff]+|ftp://\S+", re.IGNORECASE)
BARE_WEB = re.compile(
    rf"(?<![{LATIN}@./-])(?:www\.)?(?:[{LATIN}-]+\.)+[A-Za-z]{{2,12}}(?::\d+)?[/?#][^\s<>\"'\u3000-\u303f\u4e00-\u9fff]*",
    re.IGNORECASE,
)
TRAILING = ".,;:!?)]}>'\""
EMAIL = re.compile(rf"(?<![{LATIN}])[{LATIN}][{LATIN}._%+'-]*\s?@\s?(?:[{LATIN}-]+\.)+[A-Za-z]{{2,24}}", re.IGNORECASE)
# Local parts and domains of other scripts, between spaces.
ANY_EMAIL = re.compile(r"(?<!\S)[^\s@<>(),;:]+@[^\s@<>(),;:]+\.[^\s@<>(),;:.]{2,24}")
PROVIDER = (
    r"(?:gmail|googlemail|google|yahoo|ymail|hotmail|outlook|live|msn|icloud|me|aol|gmx|web|t-online"
    r"|freenet|posteo|mailbox|proton|protonmail|orange|free|wanadoo|laposte|sfr|libero|virgilio|alice"
    r"|tiscali|uol|bol|terra|ig|rediffmail|rediff|qq|163|126|sina|foxmail|mail|email|example)"
)
AT_SIGN = r"(?:[(\[{<]\s?(?:at|@|ät|arroba|arobase|chiocciola|a)\s?[)\]}>]|_at_|-at-|#|＠)"
AT_WORD = (
    r"(?:at the rate|at|ät|klammeraffe|arroba|arobase|arobas|chiocciola|chiocciolina|ऐट|एट|ऐट द रेट"
    r"|एट द रेट|आत|آت|ات|أت|@|艾特|at符号|圈a)"
)
DOT_SIGN = r"(?:[(\[{]\s?(?:dot|\.|punkt|punto|point|ponto)\s?[)\]}]|_dot_|-dot-|\.)"
DOT_WORD = r"(?:dot|punkt|punto|point|ponto|डॉट|डाट|दॉट|دوت|نقطة|نقطه|点|點)"
LOCAL = (
    rf"[{LATIN}][{LATIN}_+.-]*(?:\s?(?:{DOT_SIGN}|\s{DOT_WORD}\s|\s(?:underscore|tiret|guion|trattino"
    rf"|minus)\s)\s?[{LATIN}_+-]+){{0,4}}"
)
LABEL = rf"[{LATIN}][{LATIN}-]*"
SPELLED = re.compile(
    rf"(?<![{LATIN}])(?:"
    rf"{LOCAL}\s?{AT_SIGN}\s?{LABEL}(?:\s?(?:{DOT_SIGN}"
    rf"|\s?{DOT_WORD}\s)\s?{LABEL}){{0,3}}\s?(?:{DOT_SIGN}|\s{DOT_WORD})\s?{TLD}"
    rf"|{LOCAL}\s?{AT_WORD}\s?{LABEL}(?:\s?{DOT_WORD}\s?{LABEL}){{0,2}}\s?{DOT_WORD}\s?{TLD}"
    rf"|{LOCAL}\s{AT_WORD}\s{PROVIDER}\s?\.\s?{TLD}(?:\.{TLD})?"
    rf"|{LOCAL}\s?@\s?{LABEL}(?:\s?{DOT_WORD}\s?{LABEL}){{0,2}}\s?{DOT_WORD}\s?{TLD}"
    rf"|{LOCAL}\s?@\s?{LABEL}(?:\s?\.\s?{LABEL}){{0,2}}\s?\.\s?{TLD}"
    rf")(?![{LATIN}])",
    re.IGNORECASE,
)


def find_urls(message: Message) -> Iterator[Span]:
    """Give web addresses: with their scheme always, without it where a path or a query may say whose they are."""
    for pattern in (WEB, BARE_WEB):
        for match in pattern.finditer(message.text):
            yield Span(match.start(), match.start() + len(match[0].rstrip(TRAILING)), "url")


def find_emails(message: Message) -> Iterator[Span]:
    """Give e-mail addresses of all scripts, and those spelled out in the markets' languages."""
    for match in EMAIL.finditer(message.text):
        yield Span(match.start(), match.end(), "email")
    if "@" in message.text:
        for match in ANY_EMAIL.finditer(message.text):
            yield Span(match.start(), match.end(), "email")
    for match in SPELLED.finditer(message.text):
        yield Span(match.start(), match.end(), "email")
