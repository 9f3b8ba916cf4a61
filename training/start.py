"""Makes and finds the start: an adapter whose vectors tell requests apart by what is wanted, whatever the labels.

What `train` begins from where the intents are not ours. Supervised contrastive learning (Khosla et al. 2020,
arXiv:2004.11362) over the intents of CLINC150, bitext, our examples and those of other businesses
(`training/examples/start/`). A batch is some intents that are near each other, with a few messages each in any
language: what is far apart teaches nothing (hard negatives, Robinson et al. 2021, arXiv:2010.04592). A few hundred
steps, since an encoder needs little to learn what an intent is (IntentBERT, Zhang et al. 2021, arXiv:2109.05782) and,
with more, forgets what no label asked for.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW
from tqdm import tqdm

from nlu.adapters import ADAPTERS_FOLDER, MANIFEST, read_manifest
from nlu.encoder import find_encoder, fingerprint
from nlu.heads import Floats, Heads, HeadSettings, unit
from nlu.markets import GLOBAL_ADAPTER
from training.adapter import Calibrated, Provenance, write_adapter
from training.augment import augment
from training.dataset import OUT_OF_SCOPE, Example, labels_of
from training.losses import contrastive_loss
from training.model import Method
from training.predict import pool
from training.train import Trainer, TrainingSettings

START = "start"
STEPS = 300
INTENTS_A_BATCH, ROWS_AN_INTENT = 24, 2
NEIGHBOURS = 36
ROWS_A_MEAN = 12
SETTINGS = TrainingSettings(
    epochs=1,
    batch_size=INTENTS_A_BATCH * ROWS_AN_INTENT,
    learning_rate=3e-4,
    contrast=1.0,
    contrast_temperature=0.05,
)

Embed = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Family:
    """Messages whose intents stand beside each other: `rows` by intent, at least two rows each, and for each intent
    those that are `near` it, itself among them."""

    rows: dict[str, list[Example]]
    near: dict[str, list[str]]

    @classmethod
    def of(cls, examples: Sequence[Example], embed: Embed) -> Family:
        """Group messages by intent; where there are many, their mean vectors tell which are near.

        Messages without an intent, out of scope, or alone with theirs are left out.
        """
        groups: dict[str, list[Example]] = defaultdict(list)
        for example in examples:
            if example.intent and example.intent != OUT_OF_SCOPE:
                groups[example.intent].append(example)
        rows = {intent: group for intent, group in sorted(groups.items()) if len(group) >= ROWS_AN_INTENT}
        if len(rows) <= NEIGHBOURS:
            return cls(rows, {intent: list(rows) for intent in rows})
        return cls(rows, _neighbours(rows, embed))

    def draw(self, chance: random.Random) -> list[Example]:
        """Draw a batch: some of the intents near one of them, and some messages of each."""
        near = self.near[chance.choice(list(self.rows))]
        intents = chance.sample(near, min(INTENTS_A_BATCH, len(near)))
        return [row for intent in intents for row in chance.sample(self.rows[intent], ROWS_AN_INTENT)]


def _neighbours(rows: Mapping[str, Sequence[Example]], embed: Embed) -> dict[str, list[str]]:
    """Return for each intent those whose mean vectors point where its does."""
    intents = list(rows)
    means = np.array([embed([row.text for row in group[:ROWS_A_MEAN]]).mean(axis=0) for group in rows.values()])
    directions = unit(means - means.mean(axis=0))
    order = np.argsort(-directions @ directions.T, axis=1)[:, :NEIGHBOURS]
    return {intent: [intents[place] for place in order[number]] for number, intent in enumerate(intents)}


def start_for(examples: Sequence[Example], method: Method) -> Path | None:
    """Return the adapter to begin from where nobody says: the global one if the examples tell only sentiments that it
    knows, which it has learned in many languages; else the start. None if there is none for this encoder and method.
    """
    intents, sentiments = labels_of(examples)
    if sentiments and not intents:
        folder = _fitting(GLOBAL_ADAPTER, method)
        if folder and set(sentiments) <= set(Heads.load(folder).settings.sentiments):
            return folder
    return default_start(method)


def default_start(method: Method) -> Path | None:
    """Return the start's folder; None if there is none for this encoder and method."""
    return _fitting(START, method)


def _fitting(name: str, method: Method) -> Path | None:
    folder = ADAPTERS_FOLDER / name
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    fits = manifest.method == method and manifest.encoder == fingerprint(find_encoder())
    return folder if fits else None


def make_start(
    families: Sequence[tuple[float, Sequence[Example]]], *, provenance: Provenance, target: Path, scratch: Path
) -> None:
    """Train the start on families of labelled messages, each with its share of the batches, and write its folder."""
    trainer = Trainer([row for _, family in families for row in family], settings=SETTINGS, scratch=scratch)
    embed = partial(pool, trainer.network.body, trainer.tokenizer)
    shared = [(share, Family.of(family, embed)) for share, family in families]
    with tqdm(total=STEPS, desc=START, unit="step", mininterval=1.0) as bar:
        for loss in learn_space(trainer, shared, steps=STEPS):
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
    hidden = trainer.network.hidden
    nothing = np.zeros((0, hidden), dtype=np.float32)
    none = nothing[:, 0]
    heads = Heads(HeadSettings((), (), False), nothing, none, nothing, none, centroids=nothing, prototypes=nothing)
    write_adapter(trainer, Calibrated(heads, {}), name=START, provenance=provenance, target=target)


def learn_space(trainer: Trainer, families: Sequence[tuple[float, Family]], *, steps: int) -> Iterator[float]:
    """Pull messages of one intent together in the trainer's network, and intents apart; gives the loss of each step.

    A batch is of one family, drawn by the families' shares.
    """
    network, settings = trainer.network, trainer.settings
    chance = random.Random(settings.seed)  # noqa: S311 - not for secrets
    shares, drawn = zip(*families, strict=True)
    weights = [weight for name, weight in network.trainable().items() if name.startswith("body.")]
    optimizer = AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    network.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * trainer.rate_factor(step, steps)
        rows = chance.choices(drawn, shares)[0].draw(chance)
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
