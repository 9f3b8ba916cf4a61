"""Reading what providers send, which has been verified but may hold kinds of events that are not known here.

One event that cannot be read must not hold up the others of its request: it is left out. Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import structlog

from bot.checks import Refusal

T = TypeVar("T")


def decode_object(body: bytes | str) -> dict[str, Any]:
    """Decode a JSON object; raises `Refusal`."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("unreadable", detail=str(error)) from error


def each(data: object, *path: str) -> Iterator[dict[str, Any]]:
    """Go along `path` through objects and lists of objects, and give every object at its end."""
    if isinstance(data, list):
        for item in data:
            yield from each(item, *path)
    elif isinstance(data, dict):
        if path:
            yield from each(data.get(path[0]), *path[1:])
        else:
            yield data


def as_form(data: object, form: type[T]) -> T | None:
    """Return an event as a struct, or None for one that is not of this form."""
    try:
        return msgspec.convert(data, type=form)
    except msgspec.ValidationError as error:
        # Names the field and its type, not what stands in it.
        structlog.get_logger().warning("channel.unknown_event", reason=str(error))
        return None
