"""Writes an adapter's model card: data and licences, settings, metrics per language, how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlu.adapters import Manifest
from nlu.encoder import DEFAULT_ENCODER, fingerprint

LICENCES = {
    "examples": "Polydesk's own examples (`training/examples/`), Apache-2.0",
    "start": "Messages to businesses of other fields (`training/examples/start/`), written for Polydesk, Apache-2.0",
    "bitext": "Bitext customer-support intent detection data set, CDLA-Sharing-1.0 (not redistributed here)",
    "clinc150": "CLINC150, clinc/oos-eval (Larson et al., EMNLP 2019), CC-BY-3.0 (not redistributed here)",
    "umsab": "UMSAB, cardiffnlp/xlm-t (Barbieri et al., LREC 2022); repository Apache-2.0, texts under Twitter's "
    "terms, research use, not redistributed here",
}
COLUMNS = (
    ("rows", "rows"),
    ("accuracy", "intent accuracy"),
    ("macro_f1", "intent macro-F1"),
    ("auroc", "out-of-scope AUROC"),
    ("mcc", "MCC by own threshold"),
    ("sentiment_macro_f1", "sentiment macro-F1"),
    ("calibration_error", "calibration error"),
)


def write_card(folder: Path, manifest: Manifest, metrics: Mapping[str, Any]) -> None:
    """Write `README.md` into the adapter's folder."""
    training = manifest.training
    sources = [f"- {LICENCES.get(name, name)}: {rows:,} rows" for name, rows in training["sources"].items()]
    settings = {name: value for name, value in training.items() if name not in ("sources", "command")}
    known = " (multilingual-e5-small, MIT, in four bits)" if _is_default(manifest.encoder) else ""
    lines = [
        f"# Adapter `{manifest.name}`",
        "",
        f"A {manifest.method} adapter for the encoder `{manifest.encoder}`{known}",
        "with heads for intent, out-of-scope and sentiment. For Polydesk's customer service bot, not to judge people.",
        "",
        f"Version {manifest.version}, {manifest.created}. Weights: Apache-2.0, without the data below.",
        "",
        "## Data",
        "",
        *sources,
        "",
        "## Made again by",
        "",
        f"    {training['command']}",
        "",
        "Settings: " + ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None) + ".",
        "",
        *(_measured(metrics) if metrics else ["It has no labels: it is what `train` begins from.", ""]),
    ]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _is_default(encoder: str) -> bool:
    return encoder == fingerprint(str(DEFAULT_ENCODER))


def _measured(metrics: Mapping[str, Any]) -> list[str]:
    return [
        "## Metrics",
        "",
        "Percentages on the rows that calibration was fitted on, too. Which these are:",
        "",
        "- `adapters`, `retrain`: messages by other writers of `training/examples/held_back/` (for a market's adapter",
        "  the half that it did not learn from), in `retrain` also those of customers who were kept out of training.",
        "- `train`: the file of `--valid`, else a tenth of many rows. Of few, a fifth and some whole intents, which a",
        "  first training went without: the figures are that one's, for the adapter itself has learned from all rows.",
        "  Where out-of-scope messages were borrowed, half of them as well.",
        "",
        *_table(metrics),
        "",
    ]


def _table(metrics: Mapping[str, Any]) -> list[str]:
    columns = [(key, title) for key, title in COLUMNS if key in metrics]
    rows = {"all": metrics, **metrics.get("languages", {})}
    header = "| language | " + " | ".join(title for _, title in columns) + " |"
    body = [
        f"| {language} | " + " | ".join(str(values.get(key, "")) for key, _ in columns) + " |"
        for language, values in rows.items()
    ]
    return [header, "|---" * (len(columns) + 1) + "|", *body]
