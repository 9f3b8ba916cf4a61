"""What every public message must fulfil, whatever channel it came through. Touches nothing.

A `Refusal` names a text of the reply files' section `edge`, so that the customer reads it in her language.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec

from nlu.markets import Market, Markets

BODY_LIMIT = 64 * 1024  # bytes
TEXT_LIMIT = 2000  # characters
MESSAGE_ID_LIMIT = 200

T = TypeVar("T")


class Refusal(Exception):
    """A message is not taken. `name` is the text to say, `values` are its placeholders', `status` is HTTP's."""

    def __init__(self, name: str, status: int = 400, **values: Any) -> None:
        super().__init__(name)
        self.name = name
        self.status = status
        self.values = values


class Metadata(msgspec.Struct, frozen=True):
    """What is read of a client's metadata; the rest is dropped."""

    market: str | None = None
    language_hint: str | None = None
    message_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MESSAGE_ID_LIMIT)] | None = None
    identity: Any = None  # a token of the shop's; whatever else stands here proves nothing and harms nobody


def convert(data: object, form: type[T]) -> T:
    """Turn decoded JSON into a struct; raises `Refusal`."""
    try:
        return msgspec.convert(data, type=form)
    except msgspec.ValidationError as error:
        raise Refusal("unreadable", detail=str(error)) from error


def decode(body: bytes, form: type[T]) -> T:
    """Read a JSON body; raises `Refusal`, also for invalid UTF-8 and for nesting too deep to read."""
    if len(body) > BODY_LIMIT:
        raise Refusal("too_long", 413, limit=TEXT_LIMIT)
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("unreadable", detail=str(error)) from error


def check_text(text: str) -> str:
    """Return a customer's text as it is; raises `Refusal` for one that is empty, too long or no text."""
    if len(text) > TEXT_LIMIT:
        raise Refusal("too_long", 413, limit=TEXT_LIMIT)
    if not text.strip():
        raise Refusal("empty")
    return check_storable(text)


def check_storable(text: str) -> str:
    """Return a string that a database can keep; raises `Refusal` for NUL and for halves of characters."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Refusal("unreadable", detail="NUL and lone surrogates are not text")
    return text


def check_market(code: str | None, markets: Markets) -> Market | None:
    """Return the named market, None where none is named; raises `Refusal` for an unknown one."""
    if code is None:
        return None
    if code not in markets.by_code:
        raise Refusal("unknown_market", market=code[:20])
    return markets[code]


def known_language(hint: str | None, markets: Markets) -> str | None:
    """Return the hint's language if it is in use (`de-AT` is `de`); a hint that helps nobody is no error."""
    language = (hint or "").replace("_", "-").partition("-")[0].lower()
    return language if language in markets.languages else None
