"""What `evaluate` does once its options are read: measures an adapter, or what serves a market, on labelled rows."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from nlu.classifier import Classifier
from nlu.heads import Scores
from nlu.markets import GLOBAL_ADAPTER, load_markets
from nlu.releases import SHIPPED, read_pointer
from nlu.served import ServedAdapters
from training.answers import score_served
from training.dataset import OUT_OF_SCOPE, DatasetError, Example, read_examples
from training.evaluate import evaluate
from training.held_back import HELD_BACK
from training.labelled import markets_served_by
from training.parents import serving_folder
from training.predict import AdapterPredictor
from training.report import Measured, Rival, write_report
from training.row_languages import in_detected_language, in_market_language


def evaluate_rows(options: argparse.Namespace) -> None:
    """Measure an adapter folder in full precision, or what serves a market as its customers meet it.

    Rows that name no language have the market's, or without one what is detected. The report compares an adapter with
    what serves its market, and what serves with what served before.
    """
    examples = in_detected_language(in_market_language(read_examples(options.data), options.market))
    if options.adapter:
        adapter = _in_full_precision(options.adapter, f"Adapter {options.adapter.name}")
        rival = _serving_rival(options.adapter, options.against) if options.html else None
    else:
        adapter, rival = _served(options.market)
    _refuse_unknown_labels(examples, adapter.settings.intents)
    settings = adapter.settings
    metrics = evaluate(examples, adapter.score(examples), intents=settings.intents, sentiments=settings.sentiments)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.html:
        write_report(options.html, examples, adapter, rival)
    sys.stdout.write(json.dumps({k: v for k, v in metrics.items() if isinstance(v, int | float)}) + "\n")


def _in_full_precision(folder: Path, title: str) -> Measured:
    predictor = AdapterPredictor(folder)

    def score(rows: Sequence[Example]) -> Scores:
        return predictor.score([row.text for row in rows], [row.language for row in rows])

    return Measured(f"{title}, version {predictor.manifest.version}", predictor.heads.settings, score)


def _serving_rival(adapter: Path, market: str | None) -> Rival | None:
    """Return what serves the market that was named, or that the adapter is named after, if there is one."""
    by_code = load_markets().by_code
    code = market or adapter.resolve().name
    if code not in by_code:
        if market:
            raise DatasetError(f"There is no market {market}; there are {', '.join(by_code)}.")
        return None
    name = by_code[code].adapter or GLOBAL_ADAPTER
    return _rival(_in_full_precision(serving_folder(name), f"what serves {code}"), name)


def _served(market: str) -> tuple[Measured, Rival | None]:
    name = load_markets()[market].adapter or GLOBAL_ADAPTER
    served = ServedAdapters()
    before = read_pointer(served.releases / name).before

    def measured(classifier: Classifier, title: str) -> Measured:
        def score(rows: Sequence[Example]) -> Scores:
            return score_served(classifier, served.embedder, rows)

        return Measured(f"{title}, version {classifier.version}", classifier.heads.settings, score)

    now = measured(served[name], f"What serves {market}")
    if before == read_pointer(served.releases / name).release:
        return now, None
    earlier = served.load_shipped(name) if before == SHIPPED else served.load_release(name, before)
    return now, _rival(measured(earlier, "what served before"), name)


def _rival(measured: Measured, name: str) -> Rival:
    own = [language for market in markets_served_by(name) for language in market.languages]
    others = read_examples([HELD_BACK]) if HELD_BACK.exists() else []
    known = {*measured.settings.intents, OUT_OF_SCOPE, None}
    return Rival(measured, own, [row for row in others if row.language not in own and row.intent in known])


def _refuse_unknown_labels(examples: Sequence[Example], intents: Sequence[str]) -> None:
    unknown = {example.intent for example in examples if example.intent} - {*intents, OUT_OF_SCOPE}
    if intents and unknown:
        raise DatasetError(f"The adapter does not know these intents: {', '.join(sorted(map(str, unknown)))}.")
