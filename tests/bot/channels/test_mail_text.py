from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.mail_text import newest, read_mail

OWN = "service@shop.example"


def message(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    for name, value in {"From": "Anna <Anna@Customers.example>", "Message-ID": "<1@x>", **headers}.items():
        mail[name] = value
    return mail


@pytest.mark.parametrize(
    "quoted",
    [
        "> Alles gut?\n> Ihr Shop",
        "On Mon, 2 Nov 2026 at 10:00, Shop <service@shop.example> wrote:\n> Alles gut?",
        "Am Mo., 2. Nov. 2026 um 10:00 Uhr schrieb Shop <\nservice@shop.example>:\n\n> Alles gut?",
        "2026年11月2日(月) 10:00 Shop <service@shop.example>：\n> 大丈夫ですか",
        "-----Ursprüngliche Nachricht-----\nVon: Shop",
        "________________________________\nDe : Shop <service@shop.example>",
        "From: Shop <service@shop.example>\nSent: Monday",
        "-- \nAnna Muster\nMusterweg 1",
    ],
)
def test_only_what_the_customer_wrote_herself_is_kept(quoted: str) -> None:
    assert newest(f"Wo ist meine Bestellung?\nDanke: Anna\n\n{quoted}") == "Wo ist meine Bestellung?\nDanke: Anna"


def test_answers_between_the_lines_of_a_quotation_are_kept() -> None:
    text = "Am Montag schrieb Shop <service@shop.example>:\n> Welche?\nDie rote.\n> Wohin?\n> Wann?\nNach Hause."

    assert newest(text) == "Die rote.\nNach Hause."


def test_a_mail_of_html_alone_is_read_without_tags_and_quotations() -> None:
    mail = message()
    mail.set_content(
        "<html><head><style>p{}</style></head><body><p>Wo ist&nbsp;sie?</p><div>Danke</div>"
        "<div class='gmail_quote'><div>Am Montag</div><blockquote>Alles gut?</blockquote></div></body></html>",
        subtype="html",
    )
    received = read_mail(mail.as_bytes(), own=OWN)

    assert received is not None
    assert received.text.split() == ["Wo", "ist", "sie?", "Danke"]


def test_the_plain_part_is_read_and_files_are_named() -> None:
    mail = message(Subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    mail.set_content("Das kam kaputt an")
    mail.add_alternative("<p>Das kam kaputt an</p>", subtype="html")
    mail.add_attachment(b"jpeg", maintype="image", subtype="jpeg", filename="kaputt.jpg")
    received = read_mail(mail.as_bytes(), own=OWN)

    assert received is not None
    assert (received.sender, received.kind, received.text) == ("anna@customers.example", "text", "Das kam kaputt an")
    assert received.attachment is not None
    assert received.attachment["content"]["files"] == [{"name": "kaputt.jpg", "type": "image/jpeg"}]
    assert received.attachment["content"]["subject"] == "Grüße"


def test_a_picture_alone_is_a_picture() -> None:
    mail = message()
    mail.add_attachment(b"png", maintype="image", subtype="png", filename="a.png")
    received = read_mail(mail.as_bytes(), own=OWN)

    assert received is not None
    assert received.kind == "image"


def test_unknown_character_sets_do_not_stop_the_reading() -> None:
    raw = (
        b"From: a@x.example\r\nSubject: =?unheard-of?q?x?=\r\nContent-Type: text/plain; charset=unheard-of\r\n\r\nHallo"
    )
    received = read_mail(raw, own=OWN)

    assert received is not None
    assert received.text == "Hallo"


@settings(deadline=None)
@given(st.binary(max_size=600), st.binary(max_size=600))
def test_no_mail_breaks_the_reading(head: bytes, body: bytes) -> None:
    read_mail(b"From: a@x.example\r\n" + head + b"\r\n\r\n" + body, own=OWN)
