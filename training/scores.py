"""What the serving adapters say of messages that may be asked about. Touches the encoder and the served adapters.

score = AdapterScorer(market)
for scored in score(["wo ist mein paket"], ["de"]): ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nlu.classifier import Classifier
from nlu.markets import GLOBAL_ADAPTER, Market, Markets
from nlu.parser import Parser

SUGGESTIONS = 3
AT_ONCE = 32


@dataclass(frozen=True)
class Scored:
    """What a release says of one message.

    `suggestions` are its best intents, the best first; `margin` is the first one's probability less the second's;
    `global_intent` is what the global adapter would have said; `vector` is what the encoder makes of the text.
    """

    release: str
    suggestions: tuple[str, ...]
    margin: float
    out_of_scope: float
    sentiment: str | None
    global_intent: str | None
    vector: NDArray[np.float32]


class Scorer(Protocol):
    """Scores messages; tests have their own."""

    @property
    def intents(self) -> tuple[str, ...]:
        """All intents that the market's adapter knows."""

    @property
    def release(self) -> str:
        """The release that scores."""

    def __call__(self, texts: Sequence[str], languages: Sequence[str]) -> list[Scored]:
        """Return what is said of each text."""


class AdapterScorer:
    """The market's serving adapter beside the global one."""

    def __init__(self, market: Market, markets: Markets) -> None:
        self._adapters = Parser(markets=markets).adapters
        self._own: Classifier = self._adapters[market.adapter or GLOBAL_ADAPTER]
        self._global: Classifier = self._adapters[GLOBAL_ADAPTER]

    @property
    def intents(self) -> tuple[str, ...]:
        """All intents that the market's adapter knows."""
        return self._own.heads.settings.intents

    @property
    def release(self) -> str:
        """The adapter's name and version."""
        return f"{self._own.name}@{self._own.version}"

    def __call__(self, texts: Sequence[str], languages: Sequence[str]) -> list[Scored]:
        """Return what both adapters say of each text, a batch at a time."""
        scored: list[Scored] = []
        for start in range(0, len(texts), AT_ONCE):
            scored += self._batch(texts[start : start + AT_ONCE], languages[start : start + AT_ONCE])
        return scored

    def _batch(self, texts: Sequence[str], languages: Sequence[str]) -> list[Scored]:
        encoded = self._adapters.embedder(texts)
        vectors = self._own.pooled(encoded)
        own = self._own.heads.score(vectors, languages)
        general = self._global.score(encoded, languages)
        names, sentiments = self.intents, self._own.heads.settings.sentiments
        general_names = self._global.heads.settings.intents
        best = np.argsort(-own.intents, axis=1)[:, :SUGGESTIONS]
        return [
            Scored(
                release=self.release,
                suggestions=tuple(names[place] for place in best[row]),
                margin=float(own.intents[row, best[row, 0]] - own.intents[row, best[row, min(1, len(best[row]) - 1)]]),
                out_of_scope=float(own.out_of_scope[row]),
                sentiment=sentiments[int(own.sentiments[row].argmax())] if sentiments else None,
                global_intent=general_names[int(general.intents[row].argmax())] if general_names else None,
                vector=vectors[row],
            )
            for row in range(len(texts))
        ]
