"""The systems that are compared: each learns a task's rows and answers its test rows, on this machine alone."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from nlu.encoder import find_encoder
from nlu.heads import DECISION
from tests.benchmarks.quality_diet import FALLBACK
from tests.benchmarks.quality_tasks import Answers, Task, label_of
from training.adapter import calibrated
from training.dataset import OUT_OF_SCOPE, split
from training.model import Tokenizer, load_encoder
from training.predict import pool
from training.train import Trainer, TrainingSettings

KEPT_IN_SCOPE = 0.95
THRESHOLD_SHARE = 0.2
FULL_SETTINGS = TrainingSettings(learning_rate=5e-5, head_learning_rate=1e-3)
FULL_STEPS, FULL_EPOCHS_AT_MOST = 700, 30

System = Callable[[Task, int, Path, float], Answers]


def svm(task: Task, seed: int, folder: Path, timeout: float) -> Answers:
    """TF-IDF of words and letters, linear SVM."""
    texts = [row.text for row in task.training]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    features = make_union(words, letters)
    return _classical(
        lambda: make_pipeline(LinearSVC(random_state=seed)),
        features.fit_transform(texts),
        features.transform([row.text for row in task.test]),
        [label_of(row) for row in task.training],
        seed,
    )


def frozen(task: Task, seed: int, folder: Path, timeout: float) -> Answers:
    """The encoder as it is, and logistic regression on its pooled vectors."""
    source = find_encoder()
    encoder, tokenizer = load_encoder(source), Tokenizer(source)
    return _classical(
        lambda: LogisticRegression(C=100.0, max_iter=1000, random_state=seed),
        pool(encoder, tokenizer, [row.text for row in task.training]),
        pool(encoder, tokenizer, [row.text for row in task.test]),
        [label_of(row) for row in task.training],
        seed,
    )


def diet(task: Task, seed: int, folder: Path, timeout: float) -> Answers:
    """Rasa's DIET, by Rasa."""
    training, test, output = folder / "train.csv", folder / "test.csv", folder / "out.csv"
    _write(training, ["text", "label"], ([row.text, label_of(row)] for row in task.training))
    _write(test, ["text"], ([row.text] for row in task.test))
    _run(["tests.benchmarks.quality_diet", str(training), str(test), str(output), str(seed)], timeout)
    rows = _read(output)
    decisions = [OUT_OF_SCOPE if row["decision"] == FALLBACK else row["decision"] for row in rows]
    confidence = np.array([float(row["confidence"]) for row in rows])
    return Answers(np.array([row["label"] for row in rows]), -confidence, np.array(decisions))


def full(task: Task, seed: int, folder: Path, timeout: float) -> Answers:
    """All of the encoder's weights trained, with our heads and calibration; the adapter stays zero, as it begins."""
    training, validation = split(task.training, share=0.1, seed=seed)
    epochs = min(FULL_EPOCHS_AT_MOST, max(3, round(FULL_STEPS * FULL_SETTINGS.batch_size / len(training))))
    settings = TrainingSettings(**{**vars(FULL_SETTINGS), "epochs": epochs, "seed": seed})
    trainer = Trainer(training, settings=settings, scratch=folder)
    for name, parameter in trainer.network.body.named_parameters():
        parameter.requires_grad_("lora_" not in name)
    for _ in trainer.steps():
        pass
    heads = calibrated(trainer, validation).heads
    pooled = pool(trainer.network.body, trainer.tokenizer, [row.text for row in task.test])
    scores = heads.score(pooled, [row.language for row in task.test])
    chosen, names = (scores.intents, trainer.intents) if trainer.intents else (scores.sentiments, trainer.sentiments)
    labels = np.array(names)[chosen.argmax(axis=1)]
    decisions = np.where(scores.confidence >= DECISION, labels, OUT_OF_SCOPE) if trainer.intents else labels
    return Answers(labels, np.asarray(scores.out_of_scope, dtype=float), decisions)


def ours(task: Task, seed: int, folder: Path, timeout: float) -> Answers:
    """Polydesk as a user calls it: `python -m training train` and `predict`, default options."""
    kind = "intent" if task.training[0].intent else "sentiment"
    training, test, output = folder / "train.csv", folder / "test.csv", folder / "out.csv"
    _write(training, ["text", kind, "language"], ([r.text, label_of(r), r.language] for r in task.training))
    _write(test, ["text"], ([row.text] for row in task.test))
    adapter = str(folder / "adapter")
    _run(["training", "train", "--data", str(training), "--output", adapter, "--seed", str(seed)], timeout)
    _run(["training", "predict", "--adapter", adapter, "--input", str(test), "--output", str(output)], timeout)
    rows = _read(output)
    labels = np.array([row[f"pred_{kind}"] for row in rows])
    decisions = np.array([row["pred_decision"] for row in rows]) if kind == "intent" else labels
    return Answers(labels, np.array([float(row["pred_oos_score"]) for row in rows]), decisions)


SYSTEMS: dict[str, System] = {"svm": svm, "frozen": frozen, "diet": diet, "ours": ours, "full": full}
TITLES = {
    "svm": "TF-IDF + linear SVM",
    "frozen": "frozen encoder + logistic regression",
    "diet": "Rasa DIET",
    "full": "full fine-tuning",
    "ours": "ours",
}


def _classical(make: Callable[[], Any], known: Any, asked: Any, labels: Sequence[str], seed: int) -> Answers:
    """Fit and answer; the threshold keeps 95% of a fifth of the training rows that a first fit had not seen."""
    targets = np.array(labels)
    first, held = train_test_split(np.arange(len(targets)), test_size=THRESHOLD_SHARE, random_state=seed)
    limit = float(np.quantile(_confidence(make().fit(known[first], targets[first]), known[held])[1], 1 - KEPT_IN_SCOPE))
    names, confidence = _confidence(make().fit(known, targets), asked)
    return Answers(names, -confidence, np.where(confidence >= limit, names, OUT_OF_SCOPE))


def _confidence(model: Any, rows: Any) -> tuple[Any, Any]:
    scores = model.predict_proba(rows) if hasattr(model, "predict_proba") else model.decision_function(rows)
    return model.classes_[scores.argmax(axis=1)], scores.max(axis=1)


def _run(arguments: Sequence[str], timeout: float) -> None:
    environment = {**os.environ, "RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-m", *arguments], check=True, env=environment, timeout=timeout)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
