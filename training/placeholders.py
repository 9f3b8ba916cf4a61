"""The kinds of personal data that are taken out of messages, and the words that stand in their place. Touches nothing.

The placeholders are plain words in angle brackets, in every language: training may put them into examples, so that a
model reads `<order_number>` as it reads `48213`.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Kind = Literal[
    "name",
    "email",
    "phone",
    "address",
    "iban",
    "card",
    "national_id",
    "order_number",
    "tracking_number",
    "url",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
PLACEHOLDER = re.compile(rf"<({'|'.join(KINDS)})>")


def placeholder(kind: Kind) -> str:
    """Return what stands in the place of personal data of a kind, such as `<email>`."""
    return f"<{kind}>"
