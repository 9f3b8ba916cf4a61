from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.formatting import Form, chosen, lay_out, split, utf8, utf16
from bot.outbox import Outgoing

YES_NO = [{"title": "Ja", "payload": "/affirm"}, {"title": "Nein", "payload": "/deny"}]


def outgoing(text: str, buttons: list[dict[str, str]] | None = None, image: str | None = None) -> Outgoing:
    return Outgoing(7, "m", "utter_x", "de", text, buttons or [], image, datetime.now(UTC))


def texts(text: str, form: Form, buttons: list[dict[str, str]] | None = None) -> list[str]:
    return [piece.text for piece in lay_out(outgoing(text, buttons), form, conversation="c")]


def test_a_text_is_split_where_a_sentence_ends() -> None:
    text = "Ihre Bestellung ist unterwegs. Sie kommt morgen an! Möchten Sie mehr wissen?"

    assert split(text, 60) == ["Ihre Bestellung ist unterwegs. Sie kommt morgen an!", "Möchten Sie mehr wissen?"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("您的订单已发出。预计明天送达。", ["您的订单已发出。", "预计明天送达。"]),
        ("आपका ऑर्डर भेजा गया। कल पहुँचेगा।", ["आपका ऑर्डर भेजा गया।", "कल पहुँचेगा।"]),
        ("تم شحن طلبك. هل تريد المزيد؟ نعم", ["تم شحن طلبك. هل تريد المزيد؟", "نعم"]),
    ],
)
def test_sentences_end_in_every_script(text: str, pieces: list[str]) -> None:
    assert split(text, len(text) - 4) == pieces


def test_without_a_sentence_a_text_is_split_between_words() -> None:
    assert split("eins zwei drei vier", 12) == ["eins zwei", "drei vier"]


def test_a_decimal_point_is_no_end_of_a_sentence() -> None:
    assert split("Es kostet genau 59.90 Euro im Laden", 22) == ["Es kostet genau 59.90", "Euro im Laden"]


def test_an_emoji_of_many_parts_is_not_torn() -> None:
    family = "👨‍👩‍👧‍👦"

    assert split(family * 3, utf16(family) * 2, utf16) == [family * 2, family]


@settings(deadline=None)
@given(st.text(min_size=1), st.integers(min_value=40, max_value=200))
def test_no_piece_is_over_the_limit_and_nothing_but_space_is_lost(text: str, limit: int) -> None:
    pieces = split(text, limit)

    assert all(len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_buttons_stand_with_the_last_piece() -> None:
    pieces = lay_out(
        outgoing("Eins zwei. Drei vier?", YES_NO), Form(12, buttons=3, title=20, payload=20), conversation="c"
    )

    assert [(piece.text, len(piece.buttons)) for piece in pieces] == [("Eins zwei.", 0), ("Drei vier?", 2)]
    assert [piece.key for piece in pieces] == ["c-7-0", "c-7-1"]


@pytest.mark.parametrize(
    "form",
    [
        Form(1000),
        Form(1000, buttons=1, title=20, payload=20),
        Form(1000, buttons=3, title=3, payload=20),
        Form(1000, buttons=3, title=20, payload=5),
    ],
)
def test_buttons_without_room_become_a_numbered_list(form: Form) -> None:
    assert texts("Stornieren?", form, YES_NO) == ["Stornieren?\n\n1. Ja\n2. Nein"]


def test_the_text_above_buttons_has_its_own_limit() -> None:
    form = Form(100, buttons=3, title=20, payload=20, text_with_buttons=15)

    assert texts("Eins zwei drei. Vier fünf?", form, YES_NO) == ["Eins zwei drei.", "Vier fünf?"]


def test_a_picture_is_told_by_its_address() -> None:
    [piece] = lay_out(outgoing("Hier:", image="https://shop.example/a.png"), Form(100), conversation="c")

    assert piece.text == "Hier:\nhttps://shop.example/a.png"


@pytest.mark.parametrize("text", ["2", " 2. ", "2)", "(2)", "#2", "2️⃣", "٢", "२", "２"])
def test_a_number_chooses_the_button_in_every_script(text: str) -> None:
    assert chosen(text, YES_NO) == YES_NO[1]


@pytest.mark.parametrize("text", ["0", "3", "12345", "2 Stück", "zwei", "", "1 2", "²"])
def test_other_texts_choose_nothing(text: str) -> None:
    assert chosen(text, YES_NO) is None


def test_limits_in_bytes_count_bytes() -> None:
    assert all(utf8(piece) <= 30 for piece in split("あいうえお。" * 10, 30, utf8))
