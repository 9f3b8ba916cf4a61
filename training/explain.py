"""Says which words moved a prediction: integrated gradients on the word embeddings (Sundararajan et al. 2017,
arXiv:1703.01365), by captum. Loads an adapter in full precision; touches nothing else."""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from dataclasses import asdict, dataclass

import torch
from captum.attr import LayerIntegratedGradients  # type: ignore[import-untyped]
from torch import Tensor

from nlu.language import LanguageDetector
from nlu.markets import load_markets, message_language
from training.dataset import DatasetError
from training.parents import serving_folder
from training.predict import AdapterPredictor
from training.promote import adapter_name

STEPS = 50
BAR = 30  # characters


@dataclass(frozen=True)
class Word:
    """A word of the message and how far it moved the prediction: above 0 towards the intent, below 0 away from it."""

    word: str
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Why a message has its intent. The weights add up to the intent's logit less that of an empty message, but for
    `missing`, which is what the numeric integral leaves."""

    text: str
    intent: str
    probability: float
    words: tuple[Word, ...]
    missing: float


def main(options: argparse.Namespace) -> None:
    """Explain a text's intent, as bars or as JSON."""
    folder = options.adapter or serving_folder(adapter_name(options.market))
    explanation = explain(AdapterPredictor(folder), options.text, language=_language(options.text, options.market))
    if options.json:
        sys.stdout.write(json.dumps(asdict(explanation), ensure_ascii=False) + "\n")
        return
    sys.stdout.write(f"{explanation.intent} ({100 * explanation.probability:.1f}%)\n")
    widest = max((abs(word.weight) for word in explanation.words), default=0.0)
    for word in explanation.words:
        bar = ("+" if word.weight > 0 else "-") * round(BAR * abs(word.weight) / max(widest, 1e-9))
        sys.stdout.write(f"{word.weight:+7.2f}  {word.word}  {bar}\n")


def explain(predictor: AdapterPredictor, text: str, *, language: str) -> Explanation:
    """Explain the best intent of a text. Raises `DatasetError` for an empty text or an adapter without intents."""
    intents = predictor.heads.settings.intents
    if not text.strip() or not intents:
        raise DatasetError("There is nothing to explain: the text is empty." if intents else "It knows no intents.")
    probabilities = predictor.score([text], [language]).intents[0]
    best = int(probabilities.argmax())
    tokens, mask, spans = _tokens(predictor, text)
    # What the message is compared with: the same marks around nothing, as many as it has words' places.
    empty = torch.where(_is_content(spans), torch.full_like(tokens, predictor.tokenizer.tokenizer.pad_token_id), tokens)
    weight, bias = (torch.tensor(each[best]) for each in (predictor.heads.intent_weight, predictor.heads.intent_bias))

    def logit(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = predictor.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        share = attention_mask.unsqueeze(-1).to(states.dtype)
        logits: Tensor = (states * share).sum(dim=1) / share.sum(dim=1) @ weight + bias
        return logits

    embeddings = predictor.body.get_submodule("base_model.model.embeddings.word_embeddings")
    gradients = LayerIntegratedGradients(logit, embeddings)
    attributions, missing = gradients.attribute(
        tokens, baselines=empty, additional_forward_args=(mask,), n_steps=STEPS, return_convergence_delta=True,
        internal_batch_size=STEPS,
    )  # fmt: skip
    moved = attributions.sum(dim=-1)[0].tolist()
    return Explanation(
        text, intents[best], round(float(probabilities[best]), 4), _words(text, spans, moved), round(float(missing), 4)
    )


def _tokens(predictor: AdapterPredictor, text: str) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
    """Return ids and mask [1, tokens], and each token's place in `text`; (0, 0) for marks and the encoder's prefix."""
    tokenizer = predictor.tokenizer
    prefix = len(tokenizer.prefix)
    batch = tokenizer.tokenizer(
        [tokenizer.prefix + text], return_offsets_mapping=True, truncation=True, return_tensors="pt"
    )
    spans = [(max(0, start - prefix), max(0, end - prefix)) for start, end in batch["offset_mapping"][0].tolist()]
    return batch["input_ids"], batch["attention_mask"], spans


def _is_content(spans: list[tuple[int, int]]) -> Tensor:
    return torch.tensor([[start < end for start, end in spans]])


def _words(text: str, spans: list[tuple[int, int]], moved: list[float]) -> tuple[Word, ...]:
    """Join tokens that touch each other to words; scripts that write no spaces keep their tokens."""
    words: list[tuple[int, int, float]] = []
    for (start, end), weight in zip(spans, moved, strict=True):
        if start >= end:
            continue
        # Some tokenizers count the space before a word to it.
        start += len(text[start:end]) - len(text[start:end].lstrip())
        if words and start == words[-1][1] and not _is_wide(text[start]):
            first, _, sum_so_far = words.pop()
            words.append((first, end, sum_so_far + weight))
        elif start < end:
            words.append((start, end, weight))
    return tuple(Word(text[start:end], round(weight, 4)) for start, end, weight in words)


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _language(text: str, market: str | None) -> str:
    markets = load_markets()
    row = markets[market] if market in markets.by_code else None
    code = LanguageDetector(markets.languages).detect(text, market=row.language if row else None).code
    return message_language(code, conversation=None, hint=None, market=row, fallback=markets.languages[0])
