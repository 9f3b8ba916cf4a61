"""What WhatsApp and Messenger share: Meta's signature, the verification of an address, and the meaning of its errors.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from bot.channels import calls
from bot.channels.provider import Asked, same
from bot.delivery import Recipient, TryLater, Undeliverable

VERSION = "v23.0"  # of the Graph API
WINDOW = timedelta(hours=24)
# Throttled or out of order for a while, which Meta tells with statuses that would mean otherwise.
TEMPORARY = frozenset({1, 2, 4, 17, 32, 341, 613, 1200, 80006, 80007, 130429, 131000, 131016, 131048, 131056, 131057})


def is_genuine(asked: Asked, app_secret: str) -> bool:
    """Whether the request carries the signature of its body."""
    digest = hmac.new(app_secret.encode(), asked.body, hashlib.sha256).hexdigest()
    return same(asked.headers.get("x-hub-signature-256"), f"sha256={digest}")


def challenge(asked: Asked, verify_token: str) -> str | None:
    """Return the challenge of a verification that knows our token."""
    known = same(asked.query.get("hub.verify_token"), verify_token)
    return asked.query.get("hub.challenge", "") if known and asked.query.get("hub.mode") == "subscribe" else None


async def call(http: httpx.AsyncClient, url: str, **request: Any) -> dict[str, Any]:
    """Call the Graph API and return what it answers; raises `TryLater` or `Undeliverable`."""
    answer = await calls.post(http, url, **request)
    content = calls.content(answer)
    error = content.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        reason = f"code {code} subcode {error.get('error_subcode')}"
        if (isinstance(code, int) and code in TEMPORARY) or error.get("is_transient") is True:
            raise TryLater(reason, after=calls.retry_after(answer.headers))
        calls.check(answer, reason=reason)
    calls.check(answer)
    return content


def check_window(recipient: Recipient) -> None:
    """Raise `Undeliverable` if the customer wrote so long ago that Meta takes only approved templates."""
    heard = recipient.last_customer_at
    if heard is None or datetime.now(UTC) - heard > WINDOW:
        raise Undeliverable("the customer last wrote over 24 hours ago: only an approved template may be sent now")
