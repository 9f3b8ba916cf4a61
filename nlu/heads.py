"""From the encoder's pooled vector to intent, out-of-scope score and sentiment: linear heads and their calibration.

numpy only, so that serving, prediction and evaluation share one implementation. Methods: temperature scaling (Guo et
al. 2017, arXiv:1706.04599); as out-of-scope signals energy (Liu et al. 2020, arXiv:2010.03759), the nearest class mean,
and the nearest of several prototypes a class, after the nearest neighbours of Sun et al. 2022 (arXiv:2204.06507). A
logistic regression fitted on validation rows joins them (`training/calibrate.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from nlu.adapters import HEAD_SETTINGS, HEAD_WEIGHTS, DamagedAdapterError

Floats = NDArray[np.float32]
SIGNALS = 4
DECISION = 0.5  # the confidence at an adapter's own threshold


@dataclass(frozen=True)
class HeadSettings:
    """Labels and calibration. Temperatures are per language, "" holds for the others.

    `out_of_scope_weights` multiply the standardised signals of `signals`; `threshold` is the raw confidence at which
    the adapter stops trusting its intent, and is what a confidence of 0.5 stands for outside.
    """

    intents: tuple[str, ...]
    sentiments: tuple[str, ...]
    has_out_of_scope_row: bool
    intent_temperature: Mapping[str, float] = field(default_factory=lambda: {"": 1.0})
    sentiment_temperature: Mapping[str, float] = field(default_factory=lambda: {"": 1.0})
    signal_mean: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    signal_scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    out_of_scope_weights: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    out_of_scope_bias: float = 0.0
    threshold: float = 0.5


@dataclass(frozen=True)
class Scores:
    """What the heads say of N messages: probabilities [N, intents] and [N, sentiments], out-of-scope score and
    confidence in the best intent [N] (0.5 at the adapter's own threshold)."""

    intents: Floats
    sentiments: Floats
    out_of_scope: Floats
    confidence: Floats

    def at(self, rows: Sequence[int]) -> Scores:
        """Return the scores of some of the messages, by their places."""
        places = np.asarray(rows, dtype=int)
        return Scores(
            self.intents[places], self.sentiments[places], self.out_of_scope[places], self.confidence[places]
        )


@dataclass(frozen=True)
class Heads:
    """Linear heads over the pooled vector [N, hidden], the mean vector of each intent [intents, hidden], and the mean
    vectors of its clusters of messages [prototypes, hidden], of which there may be none.

    `intent_weight` has one row an intent and, if trained with such rows, a last one for out-of-scope.
    """

    settings: HeadSettings
    intent_weight: Floats
    intent_bias: Floats
    sentiment_weight: Floats
    sentiment_bias: Floats
    centroids: Floats
    prototypes: Floats

    def score(self, pooled: Floats, languages: Sequence[str]) -> Scores:
        """Score pooled vectors [N, hidden] of messages in the given languages (ISO 639-1 or `und`)."""
        logits = self.intent_logits(pooled)
        temperature = _per_language(self.settings.intent_temperature, languages)
        intents = softmax(logits[:, : len(self.settings.intents)] / temperature)
        out_of_scope = self._out_of_scope(pooled, logits)
        sentiment_logits = pooled @ self.sentiment_weight.T + self.sentiment_bias
        sentiments = softmax(sentiment_logits / _per_language(self.settings.sentiment_temperature, languages))
        raw = intents.max(axis=1, initial=0.0) * (1 - out_of_scope)
        return Scores(intents, sentiments, out_of_scope, scale_confidence(raw, self.settings.threshold))

    def intent_logits(self, pooled: Floats) -> Floats:
        """Return logits [N, intents (+1)]."""
        return np.asarray(pooled @ self.intent_weight.T + self.intent_bias, dtype=np.float32)

    def signals(self, pooled: Floats, logits: Floats) -> Floats:
        """Return the out-of-scope signals [N, 4]: log-odds of the out-of-scope row, negative energy, and how far the
        nearest mean and the nearest prototype are, by cosine."""
        inside = logits[:, : len(self.settings.intents)]
        energy = _logsumexp(inside)
        odds = logits[:, -1] - energy if self.settings.has_out_of_scope_row else np.zeros_like(energy)
        nearest = (unit(pooled) @ unit(self.centroids).T).max(axis=1, initial=-1.0)
        # Less the large part that all vectors share: beside it the differences between neighbours are small.
        centre = self.centroids.mean(axis=0)
        neighbour = (unit(pooled - centre) @ unit(self.prototypes - centre).T).max(axis=1, initial=-1.0)
        return np.asarray(np.stack([odds, -energy, -nearest, -neighbour], axis=1), dtype=np.float32)

    def _out_of_scope(self, pooled: Floats, logits: Floats) -> Floats:
        if not self.settings.intents:
            return np.zeros(len(pooled), dtype=np.float32)
        standard = (self.signals(pooled, logits) - self.settings.signal_mean) / np.asarray(self.settings.signal_scale)
        score = standard @ np.asarray(self.settings.out_of_scope_weights) + self.settings.out_of_scope_bias
        return np.asarray(1 / (1 + np.exp(-np.clip(score, -30, 30))), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write weights and settings into an adapter's folder."""
        weights = {
            "intent_weight": self.intent_weight,
            "intent_bias": self.intent_bias,
            "sentiment_weight": self.sentiment_weight,
            "sentiment_bias": self.sentiment_bias,
            "centroids": self.centroids,
            "prototypes": self.prototypes,
        }
        save_file({name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()},
                  str(folder / HEAD_WEIGHTS))
        settings = json.dumps(asdict(self.settings), indent=2, ensure_ascii=False)
        (folder / HEAD_SETTINGS).write_text(settings + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Heads:
        """Read heads from an adapter's folder, whose manifest has been checked.

        Raises `DamagedAdapterError` if labels, weights and calibration do not fit each other.
        """
        try:
            settings = msgspec.json.decode((folder / HEAD_SETTINGS).read_bytes(), type=HeadSettings)
            weights = load_file(str(folder / HEAD_WEIGHTS))
            if "prototypes" not in weights:
                settings, weights = _without_prototypes(settings, weights)
            heads = cls(settings=settings, **weights)
        except (msgspec.MsgspecError, SafetensorError, TypeError) as error:
            raise DamagedAdapterError(f"{folder}: the heads cannot be read: {error}") from error
        fault = heads._fault()
        if fault:
            raise DamagedAdapterError(f"{folder}: {fault}.")
        return heads

    def _fault(self) -> str | None:
        """Say what does not fit; None if everything does."""
        settings = self.settings
        rows, hidden = len(settings.intents) + settings.has_out_of_scope_row, self.intent_weight.shape[-1:]
        expected = {
            "intent_weight": (rows, *hidden),
            "intent_bias": (rows,),
            "sentiment_weight": (len(settings.sentiments), *hidden),
            "sentiment_bias": (len(settings.sentiments),),
            "centroids": (len(settings.intents), *hidden),
            "prototypes": (self.prototypes.shape[0], *hidden),
        }
        for name, shape in expected.items():
            weights = getattr(self, name)
            if weights.shape != shape:
                return f"{HEAD_WEIGHTS}, {name} has the shape {weights.shape}; the labels want {shape}"
            if not np.isfinite(weights).all():
                return f"{HEAD_WEIGHTS}, {name} has values that are no numbers"
        temperatures = [settings.intent_temperature, settings.sentiment_temperature]
        if any("" not in each or min(each.values()) <= 0 for each in temperatures):
            return f"{HEAD_SETTINGS}: a temperature is missing or not above 0"
        signals = (settings.signal_mean, settings.signal_scale, settings.out_of_scope_weights)
        if any(len(each) != SIGNALS for each in signals) or min(settings.signal_scale) <= 0:
            return f"{HEAD_SETTINGS}: the out-of-scope score needs {SIGNALS} means, scales above 0, and weights"
        if not 0 < settings.threshold < 1:
            return f"{HEAD_SETTINGS}: the threshold {settings.threshold} is not between 0 and 1"
        return None


def _without_prototypes(settings: HeadSettings, weights: dict[str, Floats]) -> tuple[HeadSettings, dict[str, Floats]]:
    """Return what an adapter of before there were prototypes says, with a fourth signal that weighs nothing."""
    settings = replace(
        settings,
        signal_mean=(*settings.signal_mean, 0.0),
        signal_scale=(*settings.signal_scale, 1.0),
        out_of_scope_weights=(*settings.out_of_scope_weights, 0.0),
    )
    hidden = weights["intent_weight"].shape[-1] if "intent_weight" in weights else 0
    return settings, {**weights, "prototypes": np.zeros((0, hidden), dtype=np.float32)}


def scale_confidence(raw: Floats, threshold: float) -> Floats:
    """Map confidence so that 0 stays 0, 1 stays 1 and `threshold` becomes 0.5 (a power, hence order is kept)."""
    exponent = np.log(DECISION) / np.log(np.clip(threshold, 1e-4, 1 - 1e-4))
    return np.asarray(np.power(np.clip(raw, 0.0, 1.0), exponent), dtype=np.float32)


def softmax(logits: Floats) -> Floats:
    """Return probabilities over the last axis; an empty axis stays empty."""
    if logits.shape[-1] == 0:
        return logits
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True), dtype=np.float32)


def _logsumexp(logits: Floats) -> Floats:
    if logits.shape[-1] == 0:
        return np.zeros(len(logits), dtype=np.float32)
    top = logits.max(axis=-1)
    return np.asarray(top + np.log(np.exp(logits - top[:, None]).sum(axis=-1)), dtype=np.float32)


def unit(vectors: Floats) -> Floats:
    """Return vectors of length one over the last axis; those of no length stay."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6), dtype=np.float32)


def _per_language(temperature: Mapping[str, float], languages: Sequence[str]) -> Floats:
    """Return the temperatures [N, 1], also where N is 0."""
    found = [temperature.get(language, temperature[""]) for language in languages]
    return np.array(found, dtype=np.float32).reshape(-1, 1)
