"""Understands a message: language, then the adapter that serves it, then what that adapter and the entities say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nlu.entities import Entity, find_entities
from nlu.heads import Scores
from nlu.language import DetectedLanguage, LanguageDetector
from nlu.markets import GLOBAL_ADAPTER, Market, Markets, load_markets, message_language
from nlu.served import ServedAdapters

UNDETERMINED = "und"


@dataclass(frozen=True)
class Request:
    """A message to understand. `conversation` is the language of the conversation so far, `hint` the client's guess."""

    text: str
    market: str | None = None
    hint: str | None = None
    conversation: str | None = None


@dataclass(frozen=True)
class Label:
    """A label with its calibrated confidence, 0 to 1."""

    name: str | None
    confidence: float


@dataclass(frozen=True)
class Prediction:
    """What is known of one message. `intent` is the best before any threshold; its confidence is 0.5 at the adapter's
    own threshold. `treated_as` is the language that routing and the reply go by when the message's own is `und`."""

    text: str
    language: DetectedLanguage
    treated_as: str
    market: str | None
    adapter: str
    adapter_version: str | None
    ranking: tuple[Label, ...]
    out_of_scope: float
    sentiment: Label
    entities: tuple[Entity, ...]

    @property
    def intent(self) -> Label:
        """The best intent; no name for an empty text."""
        return self.ranking[0] if self.ranking else Label(None, 0.0)

    def as_json(self) -> dict[str, Any]:
        """Return the contract's JSON object."""
        return {
            "text": self.text,
            "language": {"code": self.language.code, "confidence": round(self.language.confidence, 4)},
            "market": self.market,
            "adapter": {"name": self.adapter, "version": self.adapter_version},
            "intent": asdict(self.intent),
            "intent_ranking": [asdict(label) for label in self.ranking],
            "out_of_scope": self.out_of_scope,
            "sentiment": asdict(self.sentiment),
            "entities": [asdict(entity) for entity in self.entities],
        }


class Parser:
    """Detector, routing and adapters in one place. Loads an adapter when the first message needs it."""

    def __init__(
        self, *, markets: Markets | None = None, adapters: ServedAdapters | None = None, threads: int = 2
    ) -> None:
        self.markets = markets or load_markets()
        self.adapters = adapters or ServedAdapters(threads=threads)
        self.detector = LanguageDetector(self.markets.languages)

    def parse(self, request: Request) -> Prediction:
        """Understand one message. Raises `UnknownMarketError` for a market that does not exist."""
        return self.parse_many([request])[0]

    def parse_many(self, requests: Iterable[Request]) -> list[Prediction]:
        """Understand messages in order.

        Each goes through the encoder alone, also where there are many: dynamic int8 scales by the whole batch, so that
        a message's answer would hang on its neighbours, and be two or three points worse than alone.
        """
        routed = [self._route(request) for request in requests]
        return [self._classify(message) if message.request.text.strip() else _empty(message) for message in routed]

    def _route(self, request: Request) -> _Routed:
        market = self.markets[request.market] if request.market else None
        prior = market.language if market else None
        detected = self.detector.detect(
            request.text, conversation=request.conversation, hint=request.hint, market=prior
        )
        language = message_language(
            detected.code,
            conversation=request.conversation,
            hint=request.hint,
            market=market,
            fallback=self.markets.languages[0],
        )
        return _Routed(request, market, detected, language, self.markets.adapter_for(language, market))

    def _classify(self, message: _Routed) -> Prediction:
        classifier = self.adapters[message.adapter]
        scores = classifier.score(self.adapters.embedder([message.request.text]), [message.language])
        return Prediction(
            text=message.request.text,
            language=message.detected,
            treated_as=message.language,
            market=message.request.market,
            adapter=classifier.name,
            adapter_version=classifier.version,
            ranking=_ranking(scores, classifier.heads.settings.intents),
            out_of_scope=round(float(scores.out_of_scope[0]), 4),
            sentiment=_best(scores.sentiments[0], classifier.heads.settings.sentiments),
            entities=tuple(find_entities(message.request.text)),
        )


@dataclass(frozen=True)
class _Routed:
    request: Request
    market: Market | None
    detected: DetectedLanguage
    language: str
    adapter: str


def _empty(message: _Routed) -> Prediction:
    """An empty text is nobody's language and has no labels."""
    return Prediction(
        text=message.request.text,
        language=DetectedLanguage(UNDETERMINED, 0.0),
        treated_as=message.language,
        market=message.request.market,
        adapter=message.adapter if message.market else GLOBAL_ADAPTER,
        adapter_version=None,
        ranking=(),
        out_of_scope=0.0,
        sentiment=Label(None, 0.0),
        entities=(),
    )


def _ranking(scores: Scores, intents: Sequence[str]) -> tuple[Label, ...]:
    """Rank the intents; all confidences are scaled as the best one's is, so that their order and ratios stay."""
    probabilities = scores.intents[0]
    top = float(probabilities.max(initial=1e-9))
    scale = float(scores.confidence[0]) / top
    order = np.argsort(-probabilities)
    return tuple(Label(intents[index], round(float(probabilities[index]) * scale, 4)) for index in order)


def _best(probabilities: np.ndarray[Any, np.dtype[np.float32]], labels: Sequence[str]) -> Label:
    if not labels:
        return Label(None, 0.0)
    index = int(probabilities.argmax())
    return Label(labels[index], round(float(probabilities[index]), 4))
