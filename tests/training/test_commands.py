"""Which messages stand for what a data set's bot should not answer."""

from __future__ import annotations

from training.commands import OWN_EXAMPLES, other_requests
from training.dataset import Example, read_examples


def test_they_are_our_own_examples_in_the_languages_of_the_rows() -> None:
    others = other_requests([Example("Wo ist der Automat?", "find", None, "de")])
    assert set(others) == {row for row in read_examples([OWN_EXAMPLES]) if row.language == "de"}


def test_where_we_have_none_in_the_language_they_are_other_fields_messages() -> None:
    others = other_requests([Example("kartım kayboldu", "lost", None, "tr")])
    assert {row.language for row in others} == {"tr"}
    assert len({row.source for row in others}) > 10


def test_a_language_that_nobody_wrote_in_has_none() -> None:
    assert other_requests([Example("sawubona", "hello", None, "zu")]) == []
