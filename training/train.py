"""Trains an adapter: intent and sentiment at once, labels missing on either side allowed, resumable at any step.

LoRA (Hu et al. 2021, arXiv:2106.09685) and the other kinds come from peft. Started from the global adapter, the weights
are held close to it (L2-SP, Li et al. 2018, arXiv:1802.01483), and other markets' examples are replayed.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn import functional

from nlu.adapters import HEAD_SETTINGS
from nlu.encoder import find_encoder, fingerprint
from nlu.heads import Heads
from training.augment import augment
from training.checkpoint import clear_progress, load_progress, save_progress
from training.dataset import OUT_OF_SCOPE, Example, labels_of
from training.model import Method, Network, Tokenizer

IGNORED = -100
SAVE_EVERY = 200


@dataclass(frozen=True)
class TrainingSettings:
    """How one adapter is trained. Rates are per step, shares between 0 and 1.

    `replay_share` is how many replayed rows an epoch adds, as a share of its own rows; `hold` weighs the distance from
    the adapter that training started from.
    """

    method: Method = "lora"
    epochs: int = 8
    batch_size: int = 32
    learning_rate: float = 8e-4
    head_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: float = 0.06
    label_smoothing: float = 0.05
    sentiment_weight: float = 0.7
    replay_share: float = 0.5
    hold: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """Where a training stands after a step; `loss` is the mean over the last steps."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class Batch:
    """Rows of one step: token ids and mask [N, tokens], label indices [N], `IGNORED` where a label is missing."""

    input_ids: Tensor
    attention_mask: Tensor
    intents: Tensor
    sentiments: Tensor


class Trainer:
    """One training run; `steps()` yields progress, and afterwards `network` holds the weights."""

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        replay: Sequence[Example] = (),
        settings: TrainingSettings,
        init: Path | None = None,
        scratch: Path,
        encoder: str | None = None,
    ) -> None:
        set_seed(settings.seed)
        self.settings = settings
        self.examples = examples
        self.replay = replay
        self.scratch = scratch
        self.encoder = find_encoder(encoder)
        self.intents, self.sentiments = labels_of([*examples, *replay])
        self.has_out_of_scope = any(example.intent == OUT_OF_SCOPE for example in examples)
        self.tokenizer = Tokenizer(self.encoder)
        rows_an_epoch = len(examples) + min(len(replay), int(settings.replay_share * len(examples)))
        self.steps_an_epoch = math.ceil(rows_an_epoch / settings.batch_size)
        self.total_steps = self.steps_an_epoch * settings.epochs
        self.network = Network(
            encoder=self.encoder,
            method=settings.method,
            intent_rows=len(self.intents) + self.has_out_of_scope,
            sentiments=len(self.sentiments),
            total_steps=self.total_steps,
        )
        if init is not None:
            self.network.load_adapter(init)
            if (init / HEAD_SETTINGS).exists():
                self._load_heads(Heads.load(init))
        self.anchor = {name: weight.detach().clone() for name, weight in self._adapter_weights()} if init else {}
        self.run = self._run_name(init)

    def steps(self) -> Iterator[Progress]:
        """Train; yields after every step. Continues where an interrupted run of the same settings and data stopped."""
        accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=_precision())
        optimizer = self._optimizer()
        done = load_progress(self.scratch, self.network, optimizer, run=self.run)
        network, prepared = accelerator.prepare(self.network, optimizer)
        network.train()
        losses: list[float] = []
        for step in range(done, self.total_steps):
            if step % self.steps_an_epoch == 0 or step == done:
                batches = self._epoch(step // self.steps_an_epoch)
            self._set_rate(optimizer, step)
            batch = self._collate(batches[step % self.steps_an_epoch])
            with accelerator.autocast():
                loss = self._loss(batch)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(self.network.trainable().values(), 1.0)
            prepared.step()
            prepared.zero_grad()
            if self.settings.method == "adalora":
                self.network.body.base_model.update_and_allocate(step)
            losses = [*losses[-49:], float(loss.detach())]
            if (step + 1) % SAVE_EVERY == 0:
                save_progress(self.scratch, self.network, optimizer, step=step + 1, run=self.run)
            yield Progress(step + 1, self.total_steps, sum(losses) / len(losses))
        clear_progress(self.scratch)
        self.network.eval()

    def _load_heads(self, heads: Heads) -> None:
        """Take over the rows of labels that the earlier adapter knows; new labels start from nothing."""
        known = list(heads.settings.intents) + [OUT_OF_SCOPE] * heads.settings.has_out_of_scope_row
        wanted = list(self.intents) + [OUT_OF_SCOPE] * self.has_out_of_scope
        weights = torch.tensor(heads.intent_weight), torch.tensor(heads.intent_bias)
        _copy_rows(self.network.intent, wanted, *weights, known)
        weights = torch.tensor(heads.sentiment_weight), torch.tensor(heads.sentiment_bias)
        _copy_rows(self.network.sentiment, list(self.sentiments), *weights, list(heads.settings.sentiments))

    def _adapter_weights(self) -> list[tuple[str, Tensor]]:
        return [(name, weight) for name, weight in self.network.trainable().items() if name.startswith("body.")]

    def _run_name(self, init: Path | None) -> str:
        content = [repr(self.settings), fingerprint(self.encoder), str(init), *map(repr, self.examples)]
        content += map(repr, self.replay)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def _optimizer(self) -> torch.optim.Optimizer:
        groups: dict[float, list[torch.nn.Parameter]] = {}
        for name, parameter in self.network.trainable().items():
            is_adapter = name.startswith("body.")
            rate = self.settings.learning_rate if is_adapter else self.settings.head_learning_rate
            groups.setdefault(rate, []).append(parameter)
        return torch.optim.AdamW(
            [{"params": group, "lr": rate, "peak": rate} for rate, group in groups.items()],
            weight_decay=self.settings.weight_decay,
        )

    def _set_rate(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        warm = max(1, int(self.settings.warmup * self.total_steps))
        remaining = (step - warm) / max(1, self.total_steps - warm)
        factor = (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * remaining))
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor

    def _epoch(self, epoch: int) -> list[list[Example]]:
        """Draw an epoch's batches: replay sampled anew, rows of like length together so that little is padded."""
        chance = random.Random(f"{self.settings.seed}-{epoch}")  # noqa: S311 - not for secrets
        sampled = min(len(self.replay), int(self.settings.replay_share * len(self.examples)))
        rows = [*self.examples, *chance.sample(list(self.replay), sampled)]
        chance.shuffle(rows)
        size, stretch = self.settings.batch_size, self.settings.batch_size * 50
        batches: list[list[Example]] = []
        for start in range(0, len(rows), stretch):
            alike = sorted(rows[start : start + stretch], key=lambda example: len(example.text.encode()))
            batches += [alike[at : at + size] for at in range(0, len(alike), size)]
        chance.shuffle(batches)
        return [[_augmented(example, chance) for example in batch] for batch in batches]

    def _collate(self, rows: Sequence[Example]) -> Batch:
        input_ids, attention_mask = self.tokenizer([example.text for example in rows])
        intents = torch.tensor([self._intent_index(example) for example in rows])
        sentiments = torch.tensor([self._sentiment_index(example) for example in rows])
        return Batch(input_ids, attention_mask, intents, sentiments)

    def _intent_index(self, example: Example) -> int:
        if example.intent is None or (example.intent == OUT_OF_SCOPE and not self.has_out_of_scope):
            return IGNORED
        return len(self.intents) if example.intent == OUT_OF_SCOPE else self.intents.index(example.intent)

    def _sentiment_index(self, example: Example) -> int:
        return self.sentiments.index(example.sentiment) if example.sentiment else IGNORED

    def _loss(self, batch: Batch) -> Tensor:
        intent_logits, sentiment_logits, _ = self.network(batch.input_ids, batch.attention_mask)
        smoothing = self.settings.label_smoothing
        loss = _labelled_loss(intent_logits, batch.intents, smoothing)
        loss = loss + self.settings.sentiment_weight * _labelled_loss(sentiment_logits, batch.sentiments, smoothing)
        if self.anchor and self.settings.hold:
            away = sum((weight - self.anchor[name]).square().sum() for name, weight in self._adapter_weights())
            loss = loss + self.settings.hold * away
        return loss


def _precision() -> str:
    """Return accelerate's name of the fastest precision here: bf16 where the hardware has it."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16") else "no"


def _copy_rows(head: nn.Linear, wanted: list[str], weight: Tensor, bias: Tensor, known: list[str]) -> None:
    with torch.no_grad():
        for row, label in enumerate(wanted):
            if label in known:
                head.weight[row] = weight[known.index(label)]
                head.bias[row] = bias[known.index(label)]


def _labelled_loss(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy summed over the labelled rows and divided by all rows, so that a batch's mix sets the balance."""
    if not bool((labels != IGNORED).any()):
        return logits.sum() * 0.0
    summed = functional.cross_entropy(
        logits, labels, ignore_index=IGNORED, label_smoothing=smoothing, reduction="sum"
    )
    return summed / len(labels)


def _augmented(example: Example, chance: random.Random) -> Example:
    return Example(augment(example.text, chance), example.intent, example.sentiment, example.language, example.source)
