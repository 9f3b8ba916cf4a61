"""Fixtures of the channels' tests: a real edge on which every channel is on, and the providers' interfaces played."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.channels.accounts import MAY_HAVE, read_accounts, variable
from bot.turns import Patience
from tests.bot.channels.fake_apis import FakeApis
from tests.bot.channels.played import BASE, PLAYED, VARIABLES, Request
from tests.bot.edge_for_tests import Edge, edge_on
from tests.bot.fake_rasa import FakeRasa, served

# Nobody is told to wait while a busy machine takes its time.
PATIENT = Patience(failing=60.0, one_moment=300.0, human=600.0, one_try=120.0)
CREDENTIALS = """
whatsapp: {market: de-DE}
messenger: {market: de-DE}
telegram: {market: de-DE}
slack: {market: de-DE}
twilio: {market: de-DE}
line: {market: ja-JP}
wechat: {market: zh-CN}
"""


@dataclass(frozen=True)
class Shop:
    """An edge with its customers' providers around it."""

    edge: Edge
    apis: FakeApis
    rasa: FakeRasa

    def post(self, request: Request) -> httpx.Response:
        """Have a provider call its webhook."""
        return self.edge.http.post(request.url, content=request.body, headers=dict(request.headers))

    def hears(self, channel: str, body: bytes, **options: object) -> httpx.Response:
        """Have a provider call its webhook with this body, signed."""
        answer = self.post(PLAYED[channel].signed(body, **options))
        assert answer.status_code == 200, answer.text
        return answer


def environment(api_url: str) -> dict[str, str]:
    """Return the variables with which every channel is on."""
    urls = {variable(channel, "api_url"): api_url for channel, keys in MAY_HAVE.items() if "api_url" in keys}
    return {**VARIABLES, **urls}


@contextmanager
def open_shop(database: str, rasa: FakeRasa, folder: Path, **changes: Any) -> Iterator[Shop]:
    """Open a shop on which every channel is on."""
    apis = FakeApis()
    file = folder / "credentials.yml"
    file.write_text(CREDENTIALS)
    with served(apis.app) as api_url:
        accounts = read_accounts(environment(api_url), file)
        with edge_on(database, rasa, folder, accounts=accounts, public_url=BASE, patience=PATIENT, **changes) as edge:
            yield Shop(edge, apis, rasa)


@pytest.fixture
def shop(database: str, rasa: FakeRasa, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(database, rasa, tmp_path) as opened:
        yield opened
