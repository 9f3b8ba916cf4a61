"""Each sentence of the design's "Routing" as a test."""

from pathlib import Path

import pytest
import yaml

from nlu.markets import Contact, Markets, MarketsFileError, UnknownMarketError, load_markets, message_language

CONTACT = {"email": "service@shop.example", "phone": "+1 202 555 0142", "opens": "09:00", "closes": "18:00"}


@pytest.fixture(scope="module")
def markets() -> Markets:
    return load_markets()


def test_an_undetermined_message_has_the_conversations_language(markets: Markets) -> None:
    language = message_language("und", conversation="fr", hint="es", market=markets["de-DE"], fallback="en")
    assert language == "fr"


def test_without_a_conversation_the_hint_decides(markets: Markets) -> None:
    language = message_language("und", conversation=None, hint="es", market=markets["de-DE"], fallback="en")
    assert language == "es"


def test_without_a_hint_the_markets_first_language_decides(markets: Markets) -> None:
    assert message_language("und", conversation=None, hint=None, market=markets["de-DE"], fallback="en") == "de"


def test_a_detected_language_wins_over_everything(markets: Markets) -> None:
    assert message_language("it", conversation="fr", hint="es", market=markets["de-DE"], fallback="en") == "it"


def test_a_market_that_lists_the_language_serves_with_its_own_adapter(markets: Markets) -> None:
    assert markets.adapter_for("de", markets["de-DE"]) == "de-DE"


def test_french_in_the_german_shop_is_understood_by_the_french_adapter(markets: Markets) -> None:
    assert markets.adapter_for("fr", markets["de-DE"]) == "fr-FR"


def test_a_language_of_no_market_goes_to_the_global_adapter(markets: Markets) -> None:
    assert markets.adapter_for("nl", markets["de-DE"]) == "global"


def test_a_market_without_an_adapter_goes_to_the_global_one(markets: Markets) -> None:
    assert markets.adapter_for("ja", markets["ja-JP"]) == "global"


def test_with_no_market_the_first_market_that_lists_the_language_serves(markets: Markets) -> None:
    assert markets.adapter_for("pt", None) == "pt-BR"


def test_a_market_that_lists_a_second_language_serves_it_itself(tmp_path: Path) -> None:
    rows = yaml.safe_load(Path("markets.yml").read_text(encoding="utf-8"))["markets"]
    swiss = {**rows[1], "code": "de-CH", "languages": ["de", "fr"], "adapter": "de-CH"}
    file = tmp_path / "markets.yml"
    file.write_text(yaml.safe_dump({"markets": [*rows, swiss]}), encoding="utf-8")
    markets = load_markets(file)
    assert markets.adapter_for("fr", markets["de-CH"]) == "de-CH"
    assert markets.adapter_for("fr", None) == "fr-FR"


def test_an_unknown_market_is_named_in_the_error(markets: Markets) -> None:
    with pytest.raises(UnknownMarketError, match="xx-XX"):
        markets["xx-XX"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"languages": []}, "empty"),
        ({"code": "zz-99"}, "row 1"),
        ({"colour": "red"}, "colour"),
        ({"contact": {}}, "row 1"),
        ({"contact": {**CONTACT, "first_day": "sunday"}}, "row 1.*sunday"),
    ],
)
def test_a_wrong_row_is_named_in_the_error(tmp_path: Path, change: dict[str, object], message: str) -> None:
    rows = yaml.safe_load(Path("markets.yml").read_text(encoding="utf-8"))["markets"]
    file = tmp_path / "markets.yml"
    file.write_text(yaml.safe_dump({"markets": [{**rows[0], **change}]}), encoding="utf-8")
    with pytest.raises(MarketsFileError, match=message):
        load_markets(file)


def test_a_week_is_monday_to_friday_where_nothing_is_said_and_may_begin_on_any_day(markets: Markets) -> None:
    assert Contact(**CONTACT).open_days == ("mon", "tue", "wed", "thu", "fri")
    assert markets["ar-SA"].contact.open_days == ("sun", "mon", "tue", "wed", "thu")
    assert Contact(**CONTACT, first_day="wed", last_day="wed").open_days == ("wed",)


def test_arabic_is_written_from_right_to_left(markets: Markets) -> None:
    assert (markets.direction("ar"), markets.direction("de")) == ("rtl", "ltr")
