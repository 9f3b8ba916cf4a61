"""What holds for every webhook, whoever the provider is."""

from __future__ import annotations

import pytest

from bot.tables import conversations, messages
from tests.bot.channels.conftest import Shop
from tests.bot.channels.played import PLAYED
from tests.bot.fake_rasa import reply, turn

CHANNELS = sorted(PLAYED)


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "wechat"])
def test_a_text_is_answered_through_the_providers_interface(shop: Shop, channel: str) -> None:
    request = PLAYED[channel].text("1", sender="15550001", text="Wo ist meine Bestellung?")

    assert shop.post(request).status_code == 200
    [sent] = shop.apis.wait_for(1)

    assert (sent.channel, sent.text) == (channel, "echo Wo ist meine Bestellung?")
    assert "15550001" in sent.to
    assert shop.rasa.texts() == ["Wo ist meine Bestellung?"]
