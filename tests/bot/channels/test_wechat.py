from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from bot.channels.wechat import WeChat
from bot.tables import DELIVERED, messages, replies
from tests.bot.channels.conftest import Shop
from tests.bot.channels.played import PLAYED, wechat_body
from tests.bot.channels.reading import asked, heard, provider_of
from tests.bot.fake_rasa import reply, turn


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take more than WeChat's five seconds."""
    monkeypatch.setattr(WeChat, "answers_within", 60.0)


def content(answer: httpx.Response) -> str:
    return str(fromstring(answer.content).findtext("Content"))


def test_the_replies_of_a_quick_turn_are_given_back_together(shop: Shop, unhurried: None) -> None:
    buttons = [{"title": "是", "payload": "/affirm"}, {"title": "否", "payload": "/deny"}]
    shop.rasa.script["你好"] = turn(reply("您好。"), reply("要取消吗?", buttons=buttons))

    answer = shop.hears("wechat", wechat_body("1", sender="oANNA", MsgType="text", Content="你好"))

    root = fromstring(answer.content)
    assert (root.findtext("ToUserName"), root.findtext("FromUserName")) == ("oANNA", "gh_shop")
    assert content(answer) == "您好。\n\n要取消吗?\n\n1. 是\n2. 否"

    chosen = shop.hears("wechat", wechat_body("2", sender="oANNA", MsgType="text", Content="2"))
    assert content(chosen) == "echo /deny"
    while {row.delivery for row in shop.edge.rows(replies)} != {DELIVERED}:
        time.sleep(0.01)
    assert shop.apis.calls["wechat"] == 0, "what was given back is not sent as well"


def test_a_request_that_comes_again_is_given_the_same_answer(shop: Shop, unhurried: None) -> None:
    body = wechat_body("1", MsgType="text", Content="你好")

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: shop.hears("wechat", body), range(3)))

    assert [content(answer) for answer in answers] == ["echo 你好"] * 3
    assert shop.rasa.texts() == ["你好"]
    assert len(shop.edge.rows(messages)) == 1


def test_a_turn_that_takes_longer_is_sent_when_it_is_done(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WeChat, "answers_within", 0.2)
    shop.rasa.go_on.clear()

    answer = shop.hears("wechat", wechat_body("1", sender="oANNA", MsgType="text", Content="你好"))
    assert answer.text == "success"
    shop.rasa.go_on.set()

    assert shop.apis.wait_for_text("echo 你好").to == "oANNA"


def test_a_token_that_has_ended_is_renewed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WeChat, "answers_within", 0.0)
    shop.hears("wechat", wechat_body("1", MsgType="text", Content="一"))
    shop.apis.wait_for_text("echo 一")
    shop.apis.tokens.append("a newer one, that somebody else was given")

    shop.hears("wechat", wechat_body("2", MsgType="text", Content="二"))

    shop.apis.wait_for_text("echo 二")


def test_a_signature_is_good_for_one_body_and_five_minutes() -> None:
    provider = provider_of("wechat")
    request = PLAYED["wechat"].text("1", sender="oANNA", text="你好")
    other = PLAYED["wechat"].text("1", sender="oANNA", text="再见")

    assert provider.is_genuine(asked(request))
    assert provider.is_genuine(asked(request)), "WeChat asks again"
    assert not provider.is_genuine(asked(PLAYED["wechat"].with_body(request, other.body)))
    assert not provider.is_genuine(asked(PLAYED["wechat"].signed(request.body, at=1_700_000_000)))


def test_kinds_of_messages_are_told_apart() -> None:
    [image] = heard("wechat", wechat_body("1", MsgType="image", PicUrl="https://p.example/1", MediaId="m"))
    [voice] = heard("wechat", wechat_body("2", MsgType="voice", MediaId="m", Format="amr"))
    [spoken] = heard("wechat", wechat_body("3", MsgType="voice", MediaId="m", Recognition="我的订单"))
    [place] = heard("wechat", wechat_body("4", MsgType="location", Location_X="23.1", Location_Y="113.3"))
    [video] = heard("wechat", wechat_body("5", MsgType="video", MediaId="m"))

    assert [one.kind for one in (image, voice, spoken, place, video)] == ["image", "voice", "text", "location", "other"]
    assert spoken.text == "我的订单"
    assert heard("wechat", wechat_body("6", MsgType="event", Event="subscribe")) == []


def test_entities_in_the_xml_are_refused(shop: Shop) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><xml><Content>&a;</Content></xml>'

    assert shop.post(PLAYED["wechat"].signed(bomb)).status_code == 400
    assert shop.edge.rows(replies) == []


def test_the_time_for_an_answer_is_within_wechats_five_seconds() -> None:
    assert WeChat.answers_within < 5
