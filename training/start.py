"""Makes and finds the start: an adapter whose vectors tell requests apart by what is wanted, whatever the labels.

What `train` begins from where the labels are not ours. Supervised contrastive learning (Khosla et al. 2020,
arXiv:2004.11362) over the intents of CLINC150, bitext and our examples, each batch a few intents with some messages
each, of any language; a few hundred steps, since an encoder needs little to learn what an intent is (IntentBERT, Zhang
et al. 2021, arXiv:2109.05782) and, with more, forgets what no label asked for.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW
from tqdm import tqdm

from nlu.adapters import ADAPTERS_FOLDER, MANIFEST, read_manifest
from nlu.encoder import find_encoder, fingerprint
from nlu.heads import Heads, HeadSettings
from training.adapter import Calibrated, Lineage, write_adapter
from training.augment import augment
from training.dataset import OUT_OF_SCOPE, Example
from training.losses import contrastive_loss
from training.model import Method
from training.train import Trainer, TrainingSettings

START = "start"
STEPS = 300
INTENTS_A_BATCH, ROWS_AN_INTENT = 24, 2
SETTINGS = TrainingSettings(
    epochs=1,
    batch_size=INTENTS_A_BATCH * ROWS_AN_INTENT,
    learning_rate=3e-4,
    contrast=1.0,
    contrast_temperature=0.05,
)


@dataclass(frozen=True)
class Family:
    """Messages whose intents stand beside each other: `rows` by intent, at least two rows each."""

    rows: dict[str, list[Example]]

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Family:
        """Group messages by intent; those without one, out of scope, or alone with theirs are left out."""
        groups: dict[str, list[Example]] = defaultdict(list)
        for example in examples:
            if example.intent and example.intent != OUT_OF_SCOPE:
                groups[example.intent].append(example)
        return cls({intent: rows for intent, rows in sorted(groups.items()) if len(rows) >= ROWS_AN_INTENT})

    def draw(self, chance: random.Random) -> list[Example]:
        """Draw a batch: some intents, and some messages of each."""
        intents = chance.sample(list(self.rows), min(INTENTS_A_BATCH, len(self.rows)))
        return [row for intent in intents for row in chance.sample(self.rows[intent], ROWS_AN_INTENT)]


def default_start(method: Method) -> Path | None:
    """Return the start's folder; None if there is none for this encoder and method."""
    folder = ADAPTERS_FOLDER / START
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    fits = manifest.method == method and manifest.encoder == fingerprint(find_encoder())
    return folder if fits else None


def make_start(families: Sequence[Sequence[Example]], *, lineage: Lineage, target: Path, scratch: Path) -> None:
    """Train the start on families of labelled messages, whose batches take turns by chance, and write its folder."""
    trainer = Trainer([row for family in families for row in family], settings=SETTINGS, scratch=scratch)
    with tqdm(total=STEPS, desc=START, unit="step", mininterval=1.0) as bar:
        for loss in learn_space(trainer, [Family.of(family) for family in families], steps=STEPS):
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
    hidden = trainer.network.hidden
    nothing = np.zeros((0, hidden), dtype=np.float32)
    none = nothing[:, 0]
    heads = Heads(HeadSettings((), (), False), nothing, none, nothing, none, centroids=nothing)
    write_adapter(trainer, Calibrated(heads, {}), name=START, lineage=lineage, target=target)


def learn_space(trainer: Trainer, families: Sequence[Family], *, steps: int) -> Iterator[float]:
    """Pull messages of one intent together in the trainer's network, and intents apart; gives the loss of each step."""
    network, settings = trainer.network, trainer.settings
    chance = random.Random(settings.seed)  # noqa: S311 - not for secrets
    weights = [weight for name, weight in network.trainable().items() if name.startswith("body.")]
    optimizer = AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    network.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * trainer.rate_factor(step, steps)
        rows = chance.choice(families).draw(chance)
        texts = [augment(row.text, chance, language=row.language) for row in rows]
        with trainer.accelerator.autocast():
            _, _, pooled = network(*trainer.tokenizer(texts))
        loss = _apart(pooled.float(), rows, settings.contrast_temperature)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield float(loss.detach())
    network.eval()


def _apart(pooled: Tensor, rows: Sequence[Example], temperature: float) -> Tensor:
    """Return the mean contrastive loss; centred, since an encoder's vectors share a large common part."""
    intents = {intent: place for place, intent in enumerate(dict.fromkeys(row.intent for row in rows))}
    labels = torch.tensor([intents[row.intent] for row in rows])
    return contrastive_loss(pooled - pooled.mean(dim=0).detach(), labels, temperature=temperature) / len(rows)
