"""What `train` and `predict` do once their options are read."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nlu.adapters import ADAPTERS_FOLDER, DamagedAdapterError, read_manifest
from nlu.encoder import find_encoder, fingerprint
from nlu.heads import DECISION
from nlu.language import UNDETERMINED, LanguageDetector
from nlu.markets import GLOBAL_ADAPTER, Markets, load_markets, message_language
from nlu.rows import COLUMNS, Row, read_table, write_table
from nlu.served import ServedAdapters
from training.adapter import Provenance, refuse_other_content, write_adapter
from training.augment import DEFAULT_KINDS
from training.dataset import OUT_OF_SCOPE, DatasetError, Example, labels_of, read_examples
from training.disk import needing_room
from training.fit import Plan, fit, settings_for
from training.predict import AdapterPredictor
from training.promote import note_labels
from training.row_languages import in_market_language
from training.settings import read_settings
from training.start import start_for
from training.tracking import Log, tracked
from training.train import Trainer, TrainingSettings

LANGUAGE_SHARE = 0.1
OWN_EXAMPLES = Path("training/examples")
OTHER_FIELDS = OWN_EXAMPLES / "start"
# Hindi and Arabic are often typed in Latin letters; what redaction leaves in transcripts is read as what it stands for.
MARKET_KINDS = (*DEFAULT_KINDS, "transliteration", "transliteration", "transliteration", "placeholders")
MARKET_SETTINGS = TrainingSettings(
    epochs=3,
    learning_rate=5e-4,
    hold=0.005,
    replay_share=0.2,
    augmentations=MARKET_KINDS,
    augmentation_share=0.5,
)
# The global adapter knows these labels: what is learned longer is learned by heart.
SENTIMENT_SETTINGS = TrainingSettings(epochs=3, learning_rate=3e-4, head_learning_rate=5e-4)


@needing_room("What stands in the output is whole; the same command goes on where this one stopped.")
def train(options: argparse.Namespace) -> None:
    """Fit an adapter on the given rows and write its folder."""
    output: Path = options.output.resolve()
    refuse_other_content(output)
    training = in_market_language(read_examples(options.data), options.market)
    validation = in_market_language(read_examples([options.valid]), options.market) if options.valid else None
    init = _start(options, training)
    settings = default_settings(training, init, market=options.market)
    if options.settings:
        settings = read_settings(options.settings, settings)
    scratch = output.with_name(f".{output.name}.progress")
    plan = Plan(
        training,
        validation,
        others=other_requests(training),
        replay=_other_markets_examples(options.market, training) if options.market and _is_global(init) else (),
    )
    trainer, result = fit(
        plan,
        replace(settings, epochs=options.epochs or settings.epochs, method=options.method, seed=options.seed),
        init=init,
        scratch=scratch,
        run=partial(run_with_bar, log=options.log, folder=output.with_name(f"{output.name}.log")),
    )
    if not trainer.is_main:
        return
    provenance = Provenance(
        sources=dict(Counter(example.source for example in trainer.examples)),
        command=" ".join(["python -m training", *sys.argv[1:]]),
        parent=init.name if init else None,
    )
    write_adapter(trainer, result, name=output.name, provenance=provenance, target=output)
    if options.market:
        _note_labels(output, training, options.market)
    shutil.rmtree(scratch, ignore_errors=True)
    _say(result.metrics)


def predict(options: argparse.Namespace) -> None:
    """Label the texts of a CSV with an adapter folder, in full precision."""
    markets = load_markets()
    table = read_table(options.input, list(markets.by_code))
    rows = table.rows
    predictor = AdapterPredictor(options.adapter)
    detector = LanguageDetector(markets.languages)
    detected = [_detect(detector, markets, row) for row in rows]
    treated = [_treated_as(code, markets, row) for code, row in zip(detected, rows, strict=True)]
    filled = [position for position, row in enumerate(rows) if row.text.strip()]
    scores = predictor.score([rows[position].text for position in filled], [treated[p] for p in filled])
    adapter = predictor.manifest.name
    answers: list[dict[str, Any]] = [{"pred_language": UNDETERMINED, "pred_market": adapter} for _ in rows]
    settings = predictor.heads.settings
    for place, position in enumerate(filled):
        intent = settings.intents[int(scores.intents[place].argmax())] if settings.intents else ""
        sentiment = settings.sentiments[int(scores.sentiments[place].argmax())] if settings.sentiments else ""
        confident = float(scores.confidence[place]) >= DECISION
        answers[position] = {
            "pred_language": detected[position],
            "pred_intent": intent,
            "pred_confidence": round(float(scores.confidence[place]), 4),
            "pred_oos_score": round(float(scores.out_of_scope[place]), 4),
            "pred_sentiment": sentiment,
            "pred_market": adapter,
            "pred_decision": intent if confident else (OUT_OF_SCOPE if intent else ""),
        }
    write_table(options.output, table, answers, [*COLUMNS, "pred_decision"])


def run_with_bar(trainer: Trainer, name: str, *, log: Log | None = None, folder: Path | None = None) -> None:
    """Train under a progress bar on standard error, and with a `log` into `folder`."""
    steps = tracked(trainer, log, folder / name) if folder else trainer.steps()
    with tqdm(total=trainer.total_steps, desc=name, unit="step", mininterval=1.0, disable=not trainer.is_main) as bar:
        for progress in steps:
            bar.update(progress.step - bar.n)
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)


def _note_labels(adapter: Path, learned: Sequence[Example], market: str) -> None:
    """Keep with the adapter how its labels agree with what serves, for the gate; not possible where nothing does."""
    try:
        note_labels(adapter, learned, load_markets()[market].adapter or GLOBAL_ADAPTER, ServedAdapters())
    except DamagedAdapterError as error:
        sys.stderr.write(f"The labels were not compared with what serves {market}: {error}\n")


def _start(options: argparse.Namespace, training: Sequence[Example]) -> Path | None:
    """Return the adapter to begin from: for a market the global one, else what suits the rows; None for none."""
    name = options.init or (GLOBAL_ADAPTER if options.market else None)
    if name is None:
        return start_for(training, options.method)
    if name == "none":
        return None
    folder = ADAPTERS_FOLDER / name
    manifest = read_manifest(folder, encoder=fingerprint(find_encoder()))
    if manifest.method != options.method:
        raise DatasetError(f"{folder} is a {manifest.method} adapter: --method {options.method} needs --init none.")
    return folder


def default_settings(training: Sequence[Example], init: Path | None, *, market: str | None = None) -> TrainingSettings:
    """Return the settings that suit the rows and what the training begins from."""
    intents, _ = labels_of(training)
    if _is_global(init) and not intents:
        return SENTIMENT_SETTINGS
    return MARKET_SETTINGS if market and _is_global(init) else settings_for(len(training))


def _is_global(init: Path | None) -> bool:
    return init is not None and init.name == GLOBAL_ADAPTER


def other_requests(training: Sequence[Example]) -> list[Example]:
    """Return our own examples in the languages of the given rows, which are detected where they are not told; where we
    have none, other fields' messages."""
    markets = load_markets()
    detector = LanguageDetector(markets.languages)
    told = Counter(row.language or detector.detect(row.text).code for row in training[:: len(training) // 500 + 1])
    spoken = {language for language, count in told.items() if count >= LANGUAGE_SHARE * told.total()}
    for folder in (OWN_EXAMPLES, OTHER_FIELDS):
        examples = read_examples([folder]) if folder.exists() else []
        found = [example for example in examples if example.language in spoken]
        if found:
            return found
    return []


def _other_markets_examples(code: str, own: Sequence[Example]) -> list[Example]:
    """Return the other markets' examples that use this market's labels, for replay."""
    language = load_markets()[code].language
    labels = {example.intent for example in own}
    return [e for e in read_examples([OWN_EXAMPLES]) if e.language != language and e.intent in labels]


def _detect(detector: LanguageDetector, markets: Markets, row: Row) -> str:
    market = markets[row.market].language if row.market else None
    return detector.detect(row.text, hint=row.hint, market=market).code


def _treated_as(detected: str, markets: Markets, row: Row) -> str:
    market = markets[row.market] if row.market else None
    return message_language(detected, conversation=None, hint=row.hint, market=market, fallback=markets.languages[0])


def _say(metrics: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({k: v for k, v in metrics.items() if isinstance(v, int | float)}) + "\n")
