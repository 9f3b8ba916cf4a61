"""The quality benchmark's tasks: which rows are trained on, which are measured, and what others have published.

Reads the public data sets below `POLYDESK_DATA`; a set that is not there is left out, with the reason.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, matthews_corrcoef, roc_auc_score

from training.dataset import OUT_OF_SCOPE, Example, read_examples

OUT_OF_SCOPE_NAMES = ("oos", OUT_OF_SCOPE)
KEPT_IN_SCOPE = 0.95
QUICK_INTENTS = ("greet", "track_order", "get_refund", "recover_password")


@dataclass(frozen=True)
class Answers:
    """What a system says of the test rows [N]: the best label before any threshold, how far out of scope (greater is
    farther), and the label after the system's own threshold."""

    labels: NDArray[np.str_]
    out_of_scope: NDArray[np.float64]
    decisions: NDArray[np.str_]


@dataclass(frozen=True)
class Rows:
    """The test rows' labels [N] (out-of-scope among them) and languages [N]."""

    labels: NDArray[np.str_]
    languages: NDArray[np.str_]

    @property
    def inside(self) -> NDArray[np.bool_]:
        return self.labels != OUT_OF_SCOPE


Measure = Callable[[Rows, Answers], float]


@dataclass(frozen=True)
class Task:
    """Rows to learn and to measure, the measures by name (the first is the task's), goals and published figures."""

    name: str
    title: str
    training: Sequence[Example]
    test: Sequence[Example]
    measures: dict[str, Measure]
    goals: dict[str, float]
    published: str
    fine_tuned: bool = False

    @property
    def rows(self) -> Rows:
        return Rows(np.array([label_of(row) for row in self.test]), np.array([row.language for row in self.test]))


def label_of(example: Example) -> str:
    """Return the label of a row that has one of either kind."""
    return example.intent or example.sentiment or ""


def accuracy(rows: Rows, answers: Answers) -> float:
    """Percent of the in-scope rows whose best label is right."""
    return 100 * float((answers.labels == rows.labels)[rows.inside].mean())


def mcc(rows: Rows, answers: Answers) -> float:
    """Matthews' correlation of the decisions, with out-of-scope as a label."""
    return 100 * float(matthews_corrcoef(rows.labels, answers.decisions))


def auroc(rows: Rows, answers: Answers) -> float:
    """How well the score tells in-scope from out-of-scope rows."""
    return 100 * float(roc_auc_score(~rows.inside, answers.out_of_scope))


def recall_at_95(rows: Rows, answers: Answers) -> float:
    """Percent of the out-of-scope rows beyond the score within which 95% of the in-scope rows are."""
    limit = np.quantile(answers.out_of_scope[rows.inside], KEPT_IN_SCOPE)
    return 100 * float((answers.out_of_scope[~rows.inside] > limit).mean())


def mean_over_languages(measure: Measure, rows: Rows, answers: Answers) -> float:
    """Mean of a measure over the languages."""
    parts = [rows.languages == language for language in sorted(set(rows.languages))]
    return float(np.mean([measure(*_part(rows, answers, part)) for part in parts]))


def macro_f1(rows: Rows, answers: Answers) -> float:
    """Macro-F1 of the best labels."""
    return 100 * float(f1_score(rows.labels, answers.labels, average="macro", zero_division=0))


def _part(rows: Rows, answers: Answers, part: NDArray[np.bool_]) -> tuple[Rows, Answers]:
    own = Answers(answers.labels[part], answers.out_of_scope[part], answers.decisions[part])
    return Rows(rows.labels[part], rows.languages[part]), own


def all_tasks() -> tuple[list[Task], list[str]]:
    """Return the tasks whose data is here, and why the others are not."""
    data = Path(os.environ.get("POLYDESK_DATA", "../shared/data"))
    tasks: list[Task] = []
    reasons: list[str] = []
    for name, read in (
        ("hint3/sofmattress", _hint3),
        ("banking77", _banking77),
        ("clinc150", _clinc150),
        ("umsab", _umsab),
        ("xsid", _xsid),
    ):
        if (data / name).is_dir():
            tasks += read(data / name)
        else:
            reasons.append(f"{name} is left out: there is no {data / name} (POLYDESK_DATA says where the data is)")
    return tasks, reasons


def quick_task(rows: int = 20) -> Task:
    """Return a tiny task of our own English messages, for the tests."""
    examples = read_examples([Path("training/examples/en.yml")])
    test = read_examples([Path("training/examples/held_back/en.yml")])
    known = [row for intent in QUICK_INTENTS for row in [row for row in examples if row.intent == intent][:rows]]
    kept = [replace(row, sentiment=None) for row in test if row.intent in (*QUICK_INTENTS, OUT_OF_SCOPE)]
    training = [replace(row, sentiment=None) for row in known]
    return Task("quick", "Four intents of our own", training, kept, {"accuracy": accuracy, "AUROC": auroc}, {}, "none")


def _hint3(folder: Path) -> list[Task]:
    test = _read(folder / "test.csv", "en")
    measures = {"MCC": mcc, "in-scope accuracy": accuracy, "AUROC": auroc}
    full = "best of Rasa, Dialogflow, LUIS, Haptik, BERT: MCC 63.8, threshold picked on the test set"
    subset = "the same five: MCC 55.6"
    return [
        Task(f"hint3-{name}", f"HINT3 {name}", _read(folder / file, "en"), test, measures, goal, said, True)
        for name, file, goal, said in (
            ("full", "train.csv", {"MCC": 68.0}, full),
            ("subset", "subset_train.csv", {"MCC": 59.0}, subset),
        )
    ]


def _banking77(folder: Path) -> list[Task]:
    test = _read(folder / "test.csv", "en")
    return [
        Task(
            f"banking77-{name}",
            f"Banking77, {name}",
            _read(folder / file, "en"),
            test,
            {"accuracy": accuracy},
            {"accuracy": goal},
            said,
            fine_tuned=name == "10-shot",
        )
        for name, file, goal, said in (
            ("5-shot", "train_5shot.csv", 81.0, "CPFT 80.9"),
            ("10-shot", "train_10shot.csv", 87.3, "CPFT 87.2; ConvBERT combined 86.0"),
            ("full", "train.csv", 93.9, "BERT 93.7; ConvBERT 93.8; best small systems about 94.6"),
        )
    ]


def _clinc150(folder: Path) -> list[Task]:
    training = [row for row in _read(folder / "train.csv", "en") if row.intent != OUT_OF_SCOPE]
    measures = {"in-scope accuracy": accuracy, "AUROC": auroc, "out-of-scope recall at 95": recall_at_95}
    goals = {"in-scope accuracy": 96.5, "AUROC": 98.0, "out-of-scope recall at 95": 80.0}
    said = "BERT in-scope 96.2, out-of-scope recall 52.3; Rasa 90.9, 31.2; Dialogflow 90.8, 26.7"
    title = "CLINC150 without out-of-scope rows in training"
    return [Task("clinc150", title, training, _read(folder / "test.csv", "en"), measures, goals, said)]


def _umsab(folder: Path) -> list[Task]:
    training = [row for path in sorted(folder.glob("*/train.csv")) for row in _read(path, path.parent.name)]
    test = [row for path in sorted(folder.glob("*/test.csv")) for row in _read(path, path.parent.name)]
    said = {"ar": 66.9, "en": 70.6, "fr": 71.2, "de": 77.3, "hi": 56.4, "it": 69.1, "pt": 75.4, "es": 67.9}
    rival = float(np.mean([said[language] for language in {row.language for row in test}]))
    measures: dict[str, Measure] = {"mean macro-F1": partial(mean_over_languages, macro_f1)}
    goals = {"mean macro-F1": round(rival, 1)}
    return [Task("umsab", "UMSAB sentiment", training, test, measures, goals, f"XLM-T {rival:.1f} on these languages")]


def _xsid(folder: Path) -> list[Task]:
    valid = [row for path in sorted(folder.glob("*/valid.csv")) for row in _read(path, path.parent.name)]
    test = [row for path in sorted(folder.glob("*/test.csv")) for row in _read(path, path.parent.name)]
    english = [row for row in valid if row.language == "en"]
    measures: dict[str, Measure] = {"mean accuracy": partial(mean_over_languages, accuracy)}
    others = [row for row in test if row.language != "en"]
    return [
        Task("xsid", "xSID, trained on all languages", valid, test, measures, {"mean accuracy": 96.0}, "none"),
        Task("xsid-zero-shot", "xSID, English to the others", english, others, measures, {}, "none"),
    ]


def _read(path: Path, language: str) -> list[Example]:
    """Read every row, also one that is there twice; other names of out-of-scope become ours."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    intents = [row.get("intent") or None for row in rows]
    ours = [OUT_OF_SCOPE if intent in OUT_OF_SCOPE_NAMES else intent for intent in intents]
    return [
        Example(row["text"], intent, row.get("sentiment") or None, language, path.parent.name)
        for row, intent in zip(rows, ours, strict=True)
    ]
