"""The report on an adapter: one HTML page with its tables and plots in it, which opens without a network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader

from nlu.heads import HeadSettings, Scores
from training.answers import Answers, Truth
from training.dataset import OUT_OF_SCOPE, Example
from training.evaluate import evaluate
from training.gate import Finding, judge
from training.plots import calibration_plots, confusion_plot
from training.slices import slices, with_typos

TEMPLATE = "report.html.j2"
COLUMNS = {
    "rows": "messages",
    "accuracy": "intent accuracy",
    "macro_f1": "intent macro-F1",
    "decision_accuracy": "decisions right",
    "mcc": "MCC of decisions",
    "auroc": "out-of-scope AUROC",
    "calibration_error": "calibration error",
    "sentiment_macro_f1": "sentiment macro-F1",
}


@dataclass(frozen=True)
class Measured:
    """An adapter that can be measured: `score` takes rows and gives their scores."""

    title: str
    settings: HeadSettings
    score: Callable[[Sequence[Example]], Scores]


@dataclass(frozen=True)
class Rival:
    """What the adapter is compared with; `other_markets` are rows of languages that it does not serve."""

    measured: Measured
    own_languages: Collection[str]
    other_markets: Sequence[Example]


def write_report(target: Path, examples: Sequence[Example], adapter: Measured, rival: Rival | None) -> None:
    """Measure the adapter on labelled rows, and against its rival, and write the page."""
    scores = adapter.score(examples)
    truth, answers = Truth.of(examples), Answers.of(scores, adapter.settings)
    labelled = truth.intents != ""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    page = environment.get_template(TEMPLATE).render(
        title=adapter.title,
        rival=rival.measured.title if rival else None,
        columns=COLUMNS,
        languages=_by_language(examples, scores, adapter.settings),
        slices=_by_slice(examples, scores, adapter),
        findings=_against(examples, scores, adapter, rival) if rival else [],
        forgetting=_forgetting(adapter, rival) if rival else [],
        calibration=_calibration(truth, answers),
        confusion=confusion_plot(truth.intents[labelled], answers.decisions[labelled]) if labelled.any() else "",
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")


def _by_language(examples: Sequence[Example], scores: Scores, settings: HeadSettings) -> Mapping[str, Any]:
    metrics = evaluate(examples, scores, intents=settings.intents, sentiments=settings.sentiments)
    return {"all": metrics, **metrics.get("languages", {})}


def _by_slice(examples: Sequence[Example], scores: Scores, adapter: Measured) -> Mapping[str, Any]:
    labels = {"intents": adapter.settings.intents, "sentiments": adapter.settings.sentiments}
    parts = {
        name: evaluate([examples[place] for place in places], scores.at(places), **labels)
        for name, places in slices(examples).items()
    }
    slipped = with_typos(examples)
    return {**parts, "typos: every message with one more": evaluate(slipped, adapter.score(slipped), **labels)}


def _against(examples: Sequence[Example], scores: Scores, adapter: Measured, rival: Rival) -> Sequence[Finding]:
    theirs = Answers.of(rival.measured.score(examples), rival.measured.settings)
    mine = Answers.of(scores, adapter.settings)
    return judge(Truth.of(examples), theirs, mine, served_languages=rival.own_languages).findings


def _forgetting(adapter: Measured, rival: Rival) -> Sequence[Finding]:
    rows = rival.other_markets
    if not rows:
        return []
    theirs = Answers.of(rival.measured.score(rows), rival.measured.settings)
    mine = Answers.of(adapter.score(rows), adapter.settings)
    findings = judge(Truth.of(rows), theirs, mine, served_languages=()).findings
    return [finding for finding in findings if " in " in finding.what]


def _calibration(truth: Truth, answers: Answers) -> str:
    inside = (truth.intents != "") & (truth.intents != OUT_OF_SCOPE)
    curves = {}
    for language in sorted(set(truth.languages[inside])):
        rows = inside & (truth.languages == language)
        right = answers.intents[rows] == truth.intents[rows]
        curves[language or "?"] = (answers.probabilities[rows].astype(np.float64), right)
    return calibration_plots(curves) if curves else ""
