"""The demo shop's pages: each market in its own language, direction and currency, with nothing inline."""

from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bot.shop_pages import pages
from bot.texts import load_texts
from nlu.markets import Market, load_markets

MARKETS = list(load_markets())


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=pages.routes(load_texts())))


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.code)
def test_each_market_has_its_page_in_language_direction_and_with_its_widget(client: TestClient, market: Market) -> None:
    page = client.get(f"/shop/{market.code}").text
    assert f'<html lang="{market.code}" dir="{market.direction}">' in page
    assert f'<polydesk-chat market="{market.code}"' in page
    assert load_texts().shop_page(market.language)["products_title"] in page
    for other in MARKETS:
        assert f'href="/shop/{other.code}"' in page


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.code)
@pytest.mark.parametrize("path", ["/shop/{}", "/shop/{}/privacy"])
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(client: TestClient, market: Market, path: str) -> None:
    page = client.get(path.format(market.code)).text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|(src|href)=\"(https?:)?//", page)
    for file in re.findall(r'(?:src|href)="(/shop-static/[^"]+)"', page):
        assert client.get(file).status_code == 200


def test_prices_are_written_as_the_market_writes_them(client: TestClient) -> None:
    assert "88,90\N{NO-BREAK SPACE}€" in client.get("/shop/de-DE").text
    assert "$97.90" in client.get("/shop/en-US").text
    assert "¥14,000" in client.get("/shop/ja-JP").text.replace("￥", "¥")


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ("fr-CA,fr;q=0.9", "fr-FR"),
        ("pt-BR", "pt-BR"),
        ("xx;q=1,de;q=0.2,it;q=0.8", "it-IT"),
        ("", "en-US"),
        ("de;q=x", "de-DE"),
    ],
)
def test_the_front_page_follows_the_browsers_languages(client: TestClient, wish: str, code: str) -> None:
    assert f'<html lang="{code}"' in client.get("/", headers={"accept-language": wish}).text


def test_the_team_is_there_on_the_markets_own_days(client: TestClient) -> None:
    assert "من الأحد إلى الخميس" in client.get("/shop/ar-SA").text
    assert "Montag bis Freitag" in client.get("/shop/de-DE").text


def test_an_unknown_market_is_not_found(client: TestClient) -> None:
    assert client.get("/shop/xx-XX").status_code == 404
