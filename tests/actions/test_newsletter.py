"""Whether somebody wants the newsletter or wants it no more is asked only where she has not said it."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from actions.newsletter import NewsletterForm
from nlu.markets import load_markets
from tests.actions.talk import Talk
from tests.dialogue.shop_data import ANNA

LANGUAGES = load_markets().languages
SAID = {
    "ar": ("ألغوا اشتراكي في النشرة", "أبي أشترك في النشرة"),
    "de": ("newsletter abbestellen", "newsletter bestellen"),
    "en": ("take me off the newsletter", "put me on the newsletter"),
    "es": ("quiero darme de baja de la newsletter", "quiero apuntarme a la newsletter"),
    "fr": ("je veux me désinscrire de la newsletter", "je veux m’inscrire à la newsletter"),
    "hi": ("न्यूज़लेटर बंद कर दो", "मुझे न्यूज़लेटर चाहिए"),
    "it": ("cancellatemi dalla newsletter", "vorrei iscrivermi alla newsletter"),
    "ja": ("メルマガを解除したい", "メルマガを購読したい"),
    "pt": ("quero sair da newsletter", "quero assinar a newsletter"),
    "zh": ("我要退订邮件", "我要订阅邮件"),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("place", "wish"), [(0, "unsubscribe"), (1, "subscribe")])
def test_who_says_what_she_wants_is_asked_for_her_email_alone(
    sqlite_engine: Engine, language: str, place: int, wish: str
) -> None:
    talk = Talk(sqlite_engine, NewsletterForm)
    assert talk.says(SAID[language][place], starts=True) == ["utter_request_email"]
    assert talk.slots["newsletter_wish"] == wish
    assert talk.says(ANNA, intent="nlu_fallback") == []
    assert talk.slots["newsletter_wish"] == wish


@pytest.mark.parametrize("text", ["newsletter", "about your newsletter", "der newsletter", "ニュースレターについて"])
def test_who_does_not_say_it_is_asked_and_may_answer_in_her_own_words(sqlite_engine: Engine, text: str) -> None:
    talk = Talk(sqlite_engine, NewsletterForm)
    assert talk.says(text, starts=True) == ["utter_request_newsletter_wish"]
    assert talk.says("no more of it please", intent="deny") == ["utter_request_email"]
    assert talk.slots["newsletter_wish"] == "unsubscribe"


def test_a_plain_no_to_the_question_ends_it(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, NewsletterForm)
    talk.says("newsletter", starts=True)
    assert talk.says("nope", intent="deny") == ["utter_stopped"]


def test_an_email_that_is_known_is_not_asked_beside_the_wish(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, NewsletterForm, email=ANNA)
    assert talk.says("newsletter abbestellen", starts=True) == []
    assert (talk.slots["newsletter_wish"], talk.slots["account_email"]) == ("unsubscribe", ANNA)


def test_a_word_within_an_email_is_no_wish(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, NewsletterForm)
    assert talk.says("newsletter, stop.spam@example.com", starts=True) == ["utter_request_newsletter_wish"]
