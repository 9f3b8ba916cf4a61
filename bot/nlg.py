"""Rasa's nlg hook: turns a reply's name into text and buttons in the language of the customer's last real sentence.

Named in Rasa's endpoints file as `nlg: {type: bot.nlg.Replies}`. Texts come from `bot/replies/`, buttons' payloads from
`domain.yml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.texts import Texts, load_texts
from nlu.component import conversation_language
from nlu.markets import Markets, load_markets


class Replies(TemplatedNaturalLanguageGenerator):  # type: ignore[misc]
    """Renders replies; made once by Rasa, before it has a domain.

    A subclass of Rasa's template generator because Rasa hands the domain's responses only to that, with each model.
    """

    def __init__(self, endpoint_config: EndpointConfig | None = None, domain: Domain | None = None) -> None:
        self.texts: Texts = load_texts()
        self.markets: Markets = load_markets()
        super().__init__((domain or Domain.empty()).responses)

    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **values: Any
    ) -> dict[str, Any] | None:
        """Return the reply as Rasa's dictionary; name and language go along as metadata. None if there is none."""
        if utter_action not in self.responses:
            return None
        market, language = self._market_and_language(tracker)
        return self.render(utter_action, market=market, language=language, values={**_slots(tracker), **values})

    def render(self, name: str, *, market: str | None, language: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return reply `name` in `language`; numbers and dates as the market writes them if it speaks that language."""
        market_language = self.markets[market].language if market else None
        locale = market if market_language == language else language
        response = self.responses[name][0]
        buttons = [
            {"title": self.texts.button(language, button["title"]), "payload": button["payload"]}
            for button in response.get("buttons") or ()
        ]
        text = self.texts.reply(language, name, values, locale=locale)
        return {"text": text, "buttons": buttons, "name": name, "language": language}

    def _market_and_language(self, tracker: DialogueStateTracker) -> tuple[str | None, str]:
        """Look back for the last turn that knew its language; before the first, it is the hint's or the market's."""
        latest = tracker.latest_message
        metadata = (latest.metadata if latest else None) or {}
        market = metadata.get("market")
        fallback = self.markets[market].language if market else self.markets.languages[0]
        return market, conversation_language(tracker) or metadata.get("language_hint") or fallback


def _slots(tracker: DialogueStateTracker) -> dict[str, Any]:
    return {name: value for name, value in tracker.current_slot_values().items() if value is not None}
