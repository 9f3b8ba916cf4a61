"""What `train` chooses by itself: settings, and which messages stand for what a data set's bot should not answer."""

from __future__ import annotations

from nlu.adapters import ADAPTERS_FOLDER
from training.commands import (
    MARKET_SETTINGS,
    OWN_EXAMPLES,
    SENTIMENT_SETTINGS,
    default_settings,
    other_requests,
)
from training.dataset import Example, read_examples
from training.fit import settings_for


def test_sentiments_are_learned_briefly_where_they_are_known_and_intents_as_their_number_wants() -> None:
    start, known = ADAPTERS_FOLDER / "start", ADAPTERS_FOLDER / "global"
    mood, wish = Example("wo ist es?!", None, "negative", "de"), Example("wo ist es", "track_order", None, "de")
    assert default_settings([mood], known) == SENTIMENT_SETTINGS
    for init in (start, None):
        assert default_settings([mood], init) == settings_for(1)
    assert default_settings([mood, wish], known) == settings_for(2)
    assert default_settings([wish], known, market="de-DE") == MARKET_SETTINGS


def test_they_are_our_own_examples_in_the_languages_of_the_rows() -> None:
    others = other_requests([Example("Wo ist der Automat?", "find", None, "de")])
    assert set(others) == {row for row in read_examples([OWN_EXAMPLES]) if row.language == "de"}


def test_where_we_have_none_in_the_language_they_are_other_fields_messages() -> None:
    others = other_requests([Example("kartım kayboldu", "lost", None, "tr")])
    assert {row.language for row in others} == {"tr"}
    assert len({row.source for row in others}) > 10


def test_a_language_that_nobody_wrote_in_has_none() -> None:
    assert other_requests([Example("sawubona", "hello", None, "zu")]) == []
