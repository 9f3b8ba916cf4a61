"""Reads requests with a provider's own file, without an edge around it."""

from __future__ import annotations

from pathlib import Path

import httpx
from starlette.datastructures import Headers

from bot.channels.accounts import read_accounts
from bot.channels.messaging import WITH_WEBHOOKS
from bot.channels.provider import Asked, Received, WebhookProvider
from tests.bot.channels.played import BASE, PLAYED, VARIABLES, Request
from tests.bot.edge_for_tests import texts_for_tests

NO_FILE = Path("there is no such credentials.yml")


def provider_of(channel: str, http: httpx.AsyncClient | None = None, **environ: str) -> WebhookProvider:
    """Make the channel's first account."""
    [account] = [each for each in read_accounts({**VARIABLES, **environ}, NO_FILE) if each.channel == channel]
    return WITH_WEBHOOKS[channel](account, http or httpx.AsyncClient(), texts_for_tests())


def asked(request: Request) -> Asked:
    """Return a request as the edge's webhook hands it on."""
    return Asked(f"{BASE}{request.url}", request.query, Headers(dict(request.headers)), request.body)


def heard(channel: str, body: bytes, **headers: str) -> list[Received]:
    """Sign a body as its provider does, and read it."""
    provider = provider_of(channel)
    played = PLAYED[channel]
    request = asked(played.sign(Request(played.path, body, headers)))
    assert provider.is_genuine(request)
    return list(provider.read(request))
