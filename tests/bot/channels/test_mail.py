from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.channels.accounts import read_accounts
from bot.tables import messages, replies
from tests.bot.channels.conftest import PATIENT
from tests.bot.channels.fake_mail import USER, Post, mail_server
from tests.bot.edge_for_tests import Edge, edge_on
from tests.bot.fake_rasa import FakeRasa, reply, turn


def mail(message_id: str, text: str, *, sender: str = "Anna <anna@customers.example>", **headers: str) -> bytes:
    """Write a mail as a mail program does."""
    told = {
        "From": sender,
        "To": USER,
        "Subject": "Meine Bestellung",
        "Message-ID": message_id,
        "Content-Type": "text/plain; charset=utf-8",
        **headers,
    }
    head = "\r\n".join(f"{name.replace('_', '-')}: {value}" for name, value in told.items())
    return f"{head}\r\n\r\n{text}\r\n".encode()


@contextmanager
def office(database: str, rasa: FakeRasa, tmp_path: Path) -> Iterator[tuple[Edge, Post]]:
    with mail_server() as (post, variables):
        file = tmp_path / "credentials.yml"
        file.write_text("mail: {market: de-DE}")
        accounts = read_accounts(variables, file)
        with edge_on(database, rasa, tmp_path, patience=PATIENT, accounts=accounts, mail_looks_every=0.05) as edge:
            yield edge, post


@pytest.fixture
def mail_office(database: str, rasa: FakeRasa, tmp_path: Path) -> Iterator[tuple[Edge, Post]]:
    with office(database, rasa, tmp_path) as opened:
        yield opened


def test_a_mail_is_answered_in_its_thread(mail_office: tuple[Edge, Post]) -> None:
    edge, post = mail_office
    edge.rasa.script["Wo ist sie?"] = turn(
        reply("Welche?", buttons=[{"title": "Die rote", "payload": "/a"}, {"title": "Die blaue", "payload": "/b"}])
    )
    text = "Wo ist sie?\r\n\r\n-- \r\nAnna\r\n\r\nAm Montag schrieb service@shop.example:\r\n> Alles\r\n> gut?"

    post.comes(mail("<1@customers.example>", text, References="<0@customers.example>"))
    [answer] = post.wait_for_sent(1)

    assert answer["To"] == "anna@customers.example"
    assert answer["Subject"] == "Re: Meine Bestellung"
    assert answer["In-Reply-To"] == "<1@customers.example>"
    assert answer["References"] == "<0@customers.example> <1@customers.example>"
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer.get_content().split() == ["Welche?", "1.", "Die", "rote", "2.", "Die", "blaue"]


def test_a_number_in_the_answer_chooses(mail_office: tuple[Edge, Post]) -> None:
    edge, post = mail_office
    edge.rasa.script["Hallo"] = turn(reply("Welche?", buttons=[{"title": "Die rote", "payload": "/a"}]))

    post.comes(mail("<1@x>", "Hallo"))
    post.wait_for_sent(1)
    post.comes(mail("<2@x>", "1"))
    post.wait_for_sent(2)

    assert edge.rasa.texts() == ["Hallo", "/a"]
    assert edge.rasa.asked[1]["metadata"]["button"] is True


def test_a_mail_that_is_read_again_is_answered_once(mail_office: tuple[Edge, Post]) -> None:
    edge, post = mail_office
    for _ in range(5):
        post.comes(mail("<1@x>", "Hallo"))
    post.comes(mail("<2@x>", "Ende"))

    post.wait_for_seen(6)
    post.wait_for_sent(2)

    assert sorted(edge.rasa.texts()) == ["Ende", "Hallo"]
    assert len(edge.rows(messages)) == 2


def test_robots_and_ourselves_get_no_answer(mail_office: tuple[Edge, Post]) -> None:
    edge, post = mail_office
    post.comes(mail("<1@x>", "Ich bin nicht da", Auto_Submitted="auto-replied"))
    post.comes(mail("<2@x>", "Unser Rundbrief", Precedence="bulk"))
    post.comes(mail("<3@x>", "Unzustellbar", sender="MAILER-DAEMON@x.example"))
    post.comes(mail("<4@x>", "von uns", sender=f"Shop <{USER.upper()}>"))
    post.comes(mail("<5@x>", "ohne Absender", sender=""))

    post.wait_for_seen(5)

    assert edge.rows(messages) == []


def test_a_refusal_for_now_is_tried_again_with_the_same_message_id(mail_office: tuple[Edge, Post]) -> None:
    edge, post = mail_office
    post.refusals.append("451 try later")

    post.comes(mail("<1@x>", "Hallo"))
    [answer] = post.wait_for_sent(1)

    [row] = edge.rows(replies)
    assert row.attempts == 2
    assert answer["Message-ID"].startswith(f"<{row.conversation_id}-{row.number}-0@")
