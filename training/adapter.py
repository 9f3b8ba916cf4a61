"""Makes an adapter folder of a finished training: weights, heads, metrics, model card, manifest; all or nothing."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

from nlu.adapters import MANIFEST, PEFT_WEIGHTS, write_manifest
from nlu.encoder import fingerprint
from nlu.heads import Heads, HeadSettings
from training.calibrate import calibrate, centroids, prototypes
from training.card import write_card
from training.checkpoint import clear_progress
from training.dataset import DatasetError, Example, first_of_each_intent
from training.disk import sync_files
from training.evaluate import evaluate
from training.predict import pool
from training.train import Trainer

ROWS_A_MEAN = 40


@dataclass(frozen=True)
class Provenance:
    """Where an adapter comes from, for its manifest and card: sources as `name: rows`, and how to make it again."""

    sources: dict[str, int]
    command: str
    parent: str | None = None


@dataclass(frozen=True)
class Calibrated:
    """Heads with their calibration, and the metrics on the rows that it was fitted on."""

    heads: Heads
    metrics: dict[str, Any]


def finish(
    trainer: Trainer, *, name: str, validation: Sequence[Example], provenance: Provenance, target: Path
) -> dict[str, Any]:
    """Calibrate on `validation`, measure, and write the adapter to `target`; return its metrics.

    The training's progress is forgotten only then: what is cut off before that goes on from its last step.
    """
    result = calibrated(trainer, validation)
    write_adapter(trainer, result, name=name, provenance=provenance, target=target)
    clear_progress(trainer.scratch)
    return result.metrics


def calibrated(trainer: Trainer, validation: Sequence[Example]) -> Calibrated:
    """Return the trained heads, calibrated and measured on `validation`."""
    pooled = pool(trainer.network.body, trainer.tokenizer, [example.text for example in validation])
    heads = calibrate(uncalibrated(trainer), pooled, validation)
    scores = heads.score(pooled, [example.language for example in validation])
    return Calibrated(heads, evaluate(validation, scores, intents=trainer.intents, sentiments=trainer.sentiments))


def uncalibrated(trainer: Trainer) -> Heads:
    """Return the trained heads with the mean vector of each intent, and no calibration yet."""
    network = trainer.network
    labelled = _some_of_each([example for example in trainer.examples if example.intent in trainer.intents])
    nothing = np.zeros((0, network.intent.in_features), dtype=np.float32)
    pooled = pool(network.body, trainer.tokenizer, [example.text for example in labelled]) if labelled else nothing
    settings = HeadSettings(trainer.intents, trainer.sentiments, trainer.has_out_of_scope)
    means = centroids(pooled, labelled, trainer.intents)
    several = prototypes(pooled, labelled, trainer.intents)
    if trainer.kept:
        means[[trainer.intents.index(name) for name in trainer.kept.names]] = trainer.kept.centroids
        several = np.concatenate([several, trainer.kept.centroids])
    return Heads(
        settings=settings,
        intent_weight=network.intent.weight.detach().numpy(),
        intent_bias=network.intent.bias.detach().numpy(),
        sentiment_weight=network.sentiment.weight.detach().numpy(),
        sentiment_bias=network.sentiment.bias.detach().numpy(),
        centroids=means,
        prototypes=several,
    )


def _some_of_each(examples: Sequence[Example]) -> list[Example]:
    """Keep enough rows of each intent for its mean vector: all of a large set would take minutes to embed."""
    mixed = random.Random(0).sample(list(examples), len(examples))  # noqa: S311 - not for secrets
    return first_of_each_intent(mixed, ROWS_A_MEAN)


def refuse_other_content(target: Path) -> None:
    """Raise `DatasetError` if something other than an adapter would be replaced by one that is written to `target`."""
    if not target.exists() or (target / MANIFEST).exists():
        return
    if not target.is_dir() or any(target.iterdir()):
        raise DatasetError(f"{target} is no adapter, and would be replaced: name a new folder, or an adapter's.")


def write_adapter(trainer: Trainer, result: Calibrated, *, name: str, provenance: Provenance, target: Path) -> None:
    """Write the adapter's folder; what stood there before is replaced only when the new one is complete."""
    body = trainer.network.body
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        folder = Path(scratch) / "adapter"
        body.save_pretrained(str(folder))
        (folder / "README.md").unlink(missing_ok=True)
        _halve(folder / PEFT_WEIGHTS)
        _name_the_encoder(folder / "adapter_config.json")
        result.heads.save(folder)
        metrics = json.dumps(result.metrics, indent=2, ensure_ascii=False)
        (folder / "metrics.json").write_text(metrics + "\n", encoding="utf-8")
        training = {**asdict(trainer.settings), **asdict(provenance)}
        manifest = write_manifest(
            folder, name=name, encoder=fingerprint(trainer.encoder), method=trainer.settings.method, training=training
        )
        write_card(folder, manifest, result.metrics)
        sync_files(folder)
        _put_in_place(folder, target)


def _put_in_place(folder: Path, target: Path) -> None:
    """Let `folder` stand where `target` is. Cut off in between, it leaves the earlier one beside it, whole."""
    earlier = target.with_name(f".{target.name}.earlier")
    if target.exists():
        shutil.rmtree(earlier, ignore_errors=True)
        target.rename(earlier)
    folder.rename(target)
    shutil.rmtree(earlier, ignore_errors=True)


def _halve(path: Path) -> None:
    """Store weights in half precision, which changes no served answer: serving rounds to seven bits."""
    save_file({name: tensor.half().contiguous() for name, tensor in load_file(str(path)).items()}, str(path))


def _name_the_encoder(path: Path) -> None:
    """Keep the path of the machine that trained out of what is published."""
    configuration = json.loads(path.read_text(encoding="utf-8"))
    configuration["base_model_name_or_path"] = "models/encoder"
    path.write_text(json.dumps(configuration, indent=2, sort_keys=True) + "\n", encoding="utf-8")
