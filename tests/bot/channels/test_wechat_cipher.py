"""WeChat's safe mode, spoken with a WeChat that encrypts by the public documentation."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels.accounts import AccountsError, read_accounts
from bot.channels.wechat import WeChat
from bot.checks import Refusal
from bot.tables import messages
from tests.bot.channels.conftest import Shop, open_shop
from tests.bot.channels.masses import Door
from tests.bot.channels.played import PLAYED, VARIABLES, Request, wechat_body
from tests.bot.channels.played_wechat import (
    KEY,
    content,
    encrypted,
    enveloped,
    opened,
    sealed,
    sign,
    with_query,
    without,
)
from tests.bot.channels.reading import NO_FILE, asked, provider_of
from tests.bot.fake_rasa import FakeRasa, reply, turn

FORGERIES = 1000
OTHER_KEY = KEY[::-1]
HELLO = wechat_body("1", sender="oANNA", MsgType="text", Content="你好")


@pytest.fixture
def shop(database: str, rasa: FakeRasa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose account is in safe mode, and which is not hurried on a busy machine."""
    monkeypatch.setitem(VARIABLES, "WECHAT_ENCODING_AES_KEY", KEY)
    monkeypatch.setattr(WeChat, "answers_within", 60.0)
    with open_shop(database, rasa, tmp_path) as opened_shop:
        yield opened_shop


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The same account without a server around it, for many requests."""
    monkeypatch.setitem(VARIABLES, "WECHAT_ENCODING_AES_KEY", KEY)
    monkeypatch.setattr(WeChat, "answers_within", 0.0)
    opened_door = Door(tmp_path)
    yield opened_door
    opened_door.close()


def test_an_encrypted_message_is_answered_encrypted(shop: Shop) -> None:
    shop.rasa.script["你好"] = turn(reply("您好 & <再见>。"))

    answer = shop.post(sealed(HELLO))

    assert answer.status_code == 200
    assert "您好" not in answer.text
    root = fromstring(opened(answer.content))
    assert (root.findtext("ToUserName"), root.findtext("Content")) == ("oANNA", "您好 & <再见>。")
    assert shop.rasa.texts() == ["你好"]


def test_a_message_that_comes_again_in_another_envelope_is_processed_once(shop: Shop) -> None:
    answers = [shop.post(sealed(HELLO)) for _ in range(3)]

    assert len({opened(answer.content) for answer in answers}) == 1
    assert shop.rasa.texts() == ["你好"]
    assert len(shop.edge.rows(messages)) == 1


def test_what_takes_longer_is_sent_as_in_plain_text(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WeChat, "answers_within", 0.0)

    assert shop.post(sealed(HELLO)).text == "success"
    assert shop.apis.wait_for_text("echo 你好").to == "oANNA"


def test_the_address_is_verified_as_in_plain_text(shop: Shop) -> None:
    request = PLAYED["wechat"].signed(b"")
    genuine = shop.edge.http.get(request.path, params={**request.query, "echostr": "5837397520"})
    forged = shop.edge.http.get(request.path, params={**request.query, "signature": "0" * 40, "echostr": "1"})

    assert (genuine.status_code, genuine.text) == (200, "5837397520")
    assert forged.status_code == 403


def one_bit_off(request: Request, chance: random.Random) -> Request:
    """Change a bit of what is encrypted, below the signature that covered it."""
    start = request.body.index(b"<Encrypt><![CDATA[") + len(b"<Encrypt><![CDATA[")
    place = chance.randrange(start, request.body.index(b"]]></Encrypt>"))
    off = bytes([request.body[place] ^ 1])
    return Request(request.path, request.body[:place] + off + request.body[place + 1 :], request.headers, request.query)


def forgeries(chance: random.Random) -> dict[str, Callable[[], Request]]:
    """Return requests that WeChat did not send: each kind, made anew at each call."""
    whole = content(HELLO)
    cut = chance.randrange(1, len(whole))
    cipher = encrypted(whole)
    genuine = sealed(HELLO)
    return {
        "no signature": lambda: without(genuine, "msg_signature"),
        "empty signature": lambda: with_query(genuine, msg_signature=""),
        "wrong signature": lambda: with_query(genuine, msg_signature=sign("x", str(cut))),
        "signature of plain text": lambda: with_query(genuine, msg_signature=genuine.query["signature"]),
        "another time": lambda: with_query(genuine, timestamp=str(int(time.time()) + 1)),
        "other token": lambda: enveloped(cipher, token=f"token {cut}"),
        "other hash": lambda: enveloped(cipher, digest="md5"),
        "stale": lambda: enveloped(cipher, at=time.time() - 301),
        "of the future": lambda: enveloped(cipher, at=time.time() + 400),
        "one bit off": lambda: one_bit_off(genuine, chance),
        "plain text": lambda: PLAYED["wechat"].signed(HELLO),
        # Signed rightly, as nobody but WeChat could, and wrong all the same.
        "other app id": lambda: sealed(HELLO, app_id="wx0000000000000002"),
        "no app id": lambda: sealed(HELLO, app_id=""),
        "longer app id": lambda: sealed(HELLO, app_id=VARIABLES["WECHAT_APP_ID"] + "0"),
        "other key": lambda: sealed(HELLO, key=OTHER_KEY),
        "cut off within": lambda: enveloped(encrypted(whole[:cut])),
        "cut off": lambda: enveloped(cipher[: -4 * chance.randrange(1, len(cipher) // 4)]),
        "wrong padding": lambda: enveloped(encrypted(whole.ljust(-len(whole) % 32 + len(whole), b"\x07"), pad=0)),
        "not base64": lambda: enveloped(f"{cipher[:-3]}!§$"),
        "nothing": lambda: enveloped(""),
    }


def test_a_thousand_forged_requests_are_refused_without_effect(door: Door) -> None:
    chance = random.Random("wechat")
    kinds = sorted(forgeries(chance))

    answers: Counter[tuple[str, int]] = Counter()
    for number in range(FORGERIES):
        kind = kinds[number % len(kinds)]
        answers[kind, door.post(forgeries(chance)[kind]()).status_code] += 1

    assert {status for _, status in answers} == {403}, answers
    assert door.stored() == 0
    assert door.post(sealed(HELLO)).status_code == 200
    assert door.stored() == 2, "the message and its conversation"


def test_what_is_encrypted_and_no_message_is_no_server_error(door: Door) -> None:
    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.binary(max_size=200) | st.text().map(str.encode))
    def try_one(rubbish: bytes) -> None:
        assert door.post(sealed(rubbish)).status_code in (200, 400)
        assert door.post(enveloped(encrypted(rubbish))).status_code == 403

    try_one()
    assert door.stored() == 0


def test_without_a_key_what_is_encrypted_is_refused_and_not_lost_in_silence() -> None:
    with pytest.raises(Refusal, match="unreadable"):
        list(provider_of("wechat").read(asked(sealed(HELLO))))


def test_a_second_account_has_a_key_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "credentials.yml"
    file.write_text("""
wechat:
- {name: shop}
- name: club
  token: ${CLUB_TOKEN}
  app_id: wx2
  app_secret: ${CLUB_SECRET}
  encoding_aes_key: ${CLUB_KEY}
""")
    environ = {**VARIABLES, "CLUB_TOKEN": "t", "CLUB_SECRET": "s", "CLUB_KEY": OTHER_KEY}
    shop, club = (each for each in read_accounts(environ, file) if each.channel == "wechat")

    assert (shop["encoding_aes_key"], club["encoding_aes_key"]) == ("", OTHER_KEY)
    assert not club.missing


@pytest.mark.parametrize("key", [KEY[:-1], KEY + "A", KEY[:-1] + "=", KEY[:-1] + "\n"])
def test_a_key_of_another_form_is_named_and_not_repeated(key: str) -> None:
    with pytest.raises(AccountsError, match="encoding_aes_key must be 43 letters and digits") as error:
        read_accounts({**VARIABLES, "WECHAT_ENCODING_AES_KEY": key}, NO_FILE)

    assert key not in str(error.value)


def test_the_key_stands_in_no_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials.yml"
    file.write_text(f"wechat: {{encoding_aes_key: {KEY}}}")

    with pytest.raises(AccountsError, match="secret comes from the environment"):
        read_accounts({}, file)
