"""What cannot be undone is done after a clear yes only; whatever else is said then is asked again, or answered."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from actions.accounts import DeleteAccountForm
from actions.cancelling import CancelOrderForm
from actions.form import CONFIRMED, Form
from actions.refunds import GetRefundForm
from nlu.markets import load_markets
from tests.actions.talk import Talk
from tests.dialogue.shop_data import ANNA, DELIVERED, EVA, PLACED, UNPAID

LANGUAGES = load_markets().languages
UNDECIDED = {
    "ar": ["ربما", "مو متأكد", "ما أدري والله"],
    "de": ["vielleicht", "hm bin nicht sicher", "weiß ich noch nicht"],
    "en": ["maybe", "not sure tbh", "I don't know", "let me think about it", "yes... hmm"],
    "es": ["quizás", "no sé", "pues no estoy segura"],
    "fr": ["peut-être", "je sais pas", "pas trop sûr"],
    "hi": ["शायद", "pata nahi", "सोच रहा हूँ"],
    "it": ["forse", "non lo so", "boh"],
    "ja": ["たぶん", "分かりません", "ちょっと考えます"],
    "pt": ["talvez", "não sei", "nao tenho certeza"],
    "zh": ["也许吧", "不确定", "我再想想"],
}
FORMS: dict[type[Form], tuple[str, str]] = {
    CancelOrderForm: (f"{PLACED} {ANNA}", "utter_confirm_cancel"),
    DeleteAccountForm: (f"{DELIVERED} {EVA}", "utter_confirm_delete_account"),
    GetRefundForm: (f"{DELIVERED} {EVA}", "utter_confirm_refund"),
}


def at_the_confirmation(engine: Engine, form: type[Form] = CancelOrderForm) -> Talk:
    talk = Talk(engine, form)
    message, question = FORMS[form]
    assert talk.says(message, starts=True) == [question]
    return talk


def still_asked(talk: Talk, question: str = "utter_confirm_cancel") -> bool:
    asked = [reply["response"] for reply in talk.replies] == ["utter_needs_clear_yes", question]
    return asked and talk.slots["requested_slot"] == CONFIRMED and not talk.slots.get(CONFIRMED)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_maybe_is_asked_again_whatever_it_was_taken_for(sqlite_engine: Engine, language: str) -> None:
    talk = at_the_confirmation(sqlite_engine)
    for text in UNDECIDED[language]:
        for taken_for in ("affirm", "deny", "nlu_fallback", "cancel_order"):
            talk.says(text, intent=taken_for)
            assert still_asked(talk), (text, taken_for)
    assert talk.says("ok", intent="affirm") == []
    assert talk.slots[CONFIRMED] is True


@pytest.mark.parametrize("form", FORMS)
def test_every_confirmation_is_asked_again_with_what_happens(sqlite_engine: Engine, form: type[Form]) -> None:
    talk = at_the_confirmation(sqlite_engine, form)
    facts = talk.replies[0]
    talk.says("maybe", intent="affirm")
    assert still_asked(talk, FORMS[form][1])
    assert talk.replies[1] == facts


@pytest.mark.parametrize("beginning", ["affirm", None])
def test_a_yes_with_a_maybe_behind_it_is_none(sqlite_engine: Engine, beginning: str | None) -> None:
    talk = at_the_confirmation(sqlite_engine)
    talk.says("yes cancel it, or maybe wait", opening=beginning)
    assert still_asked(talk)


def test_what_is_hardly_taken_for_a_yes_is_none(sqlite_engine: Engine) -> None:
    talk = at_the_confirmation(sqlite_engine)
    talk.says("as you like", intent="affirm", confidence=0.6)
    assert still_asked(talk)


@pytest.mark.parametrize("yes", ["/affirm", "👍", "sí", "ja klar", "हाँ", "嗯嗯"])
def test_buttons_thumbs_and_plain_words_are_clear(sqlite_engine: Engine, yes: str) -> None:
    talk = at_the_confirmation(sqlite_engine)
    assert talk.says(yes, intent="affirm") == []
    assert talk.slots[CONFIRMED] is True


def test_a_no_with_a_reason_stays_a_no(sqlite_engine: Engine) -> None:
    talk = at_the_confirmation(sqlite_engine)
    assert talk.says("no, maybe another day", intent="deny", opening="deny") == ["utter_stopped"]
    assert talk.slots["requested_slot"] is None


@pytest.mark.parametrize("taken_for", ["affirm", "deny"])
def test_a_question_is_neither_yes_nor_no(sqlite_engine: Engine, taken_for: str) -> None:
    talk = at_the_confirmation(sqlite_engine)
    for question in ("is it late?", "哪个？", "ماذا؟"):
        talk.says(question, intent=taken_for)
        assert still_asked(talk), question


def test_another_matter_is_left_to_its_own_rule_also_if_it_begins_with_a_maybe(sqlite_engine: Engine) -> None:
    talk = at_the_confirmation(sqlite_engine)
    for text, opening in (("no wait where is my order", "deny"), ("not sure, where is it?", None)):
        assert talk.says(text, intent="track_order", opening=opening) == []
        assert talk.slots["requested_slot"] == CONFIRMED
        assert not talk.slots.get(CONFIRMED)


def test_a_correction_is_taken_up_also_if_it_begins_with_a_maybe(sqlite_engine: Engine) -> None:
    talk = at_the_confirmation(sqlite_engine)
    assert talk.says(f"not sure, rather {UNPAID}", intent="deny") == ["utter_confirm_cancel"]
    assert talk.slots["order_number"] == UNPAID
