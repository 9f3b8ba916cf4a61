"""Trains an adapter: intent and sentiment at once, labels missing on either side allowed, resumable at any step.

LoRA (Hu et al. 2021, arXiv:2106.09685) and the other kinds come from peft; devices, precision and several processes
from accelerate. Started from another adapter, the weights can be held close to it, and other examples be replayed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from nlu.adapters import HEAD_SETTINGS
from nlu.encoder import find_encoder, fingerprint
from nlu.heads import Heads
from training.adversarial import no_push, worst_push
from training.batches import IGNORED, Batch, Labels, collate, draw_epoch, replayed_rows
from training.checkpoint import SaveEvery, clear_progress, load_progress, save_progress
from training.dataset import OUT_OF_SCOPE, Example, has_out_of_scope, labels_of, split
from training.kept import KeptIntents
from training.losses import away_from_orthogonal, contrastive_loss, distance_from, labelled_loss
from training.model import Network, Tokenizer
from training.predict import pool
from training.settings import TrainingSettings
from training.stopping import BestEpoch, Validation

__all__ = ["Progress", "Trainer", "TrainingSettings"]

SAVE_EVERY = SaveEvery()
STOPPING_SHARE = 0.1
VALIDATION_BATCH = 64
CENTRE_ROWS = 500


@dataclass(frozen=True)
class Progress:
    """Where a training stands after a step; `loss` is the mean over this process's last steps, `validation` is there
    after an epoch of a training that has rows for it."""

    step: int
    steps: int
    loss: float
    validation: Validation | None = None


class Trainer:
    """One training run; `steps()` yields progress, and afterwards `network` holds the weights.

    `validation` rows are looked at after each epoch. With `settings.patience` and none of them, a tenth of the examples
    is held back for it. `known_intents` are those of the adapter that it began from; those of them that are to be kept
    (`keep`) stay as they were if no example has them. With `keep_progress` the same training made again ends at once,
    instead of beginning anew.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        replay: Sequence[Example] = (),
        validation: Sequence[Example] = (),
        settings: TrainingSettings,
        init: Path | None = None,
        scratch: Path,
        encoder: str | None = None,
        keep_progress: bool = False,
        keep: Collection[str] = (),
    ) -> None:
        set_seed(settings.seed)
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=_precision())
        self.settings = settings
        if settings.patience and not validation:
            examples, validation = split(examples, share=STOPPING_SHARE, seed=settings.seed)
        self.examples = examples
        self.replay = replay
        self.validation = validation
        self.scratch = scratch
        self.keep_progress = keep_progress
        self.encoder = find_encoder(encoder)
        learned, self.sentiments = labels_of([*examples, *replay])
        heads = Heads.load(init) if init is not None and (init / HEAD_SETTINGS).exists() else None
        self.kept = KeptIntents.of(heads, wanted=keep, learned=learned) if heads else None
        self.intents = tuple(sorted({*learned, *(self.kept.names if self.kept else ())}))
        self.has_out_of_scope = has_out_of_scope(examples)
        self.labels = Labels(self.intents, self.sentiments, self.has_out_of_scope)
        self.tokenizer = Tokenizer(self.encoder)
        rows_an_epoch = len(examples) + replayed_rows(examples, replay, settings)
        self.steps_an_epoch = math.ceil(rows_an_epoch / settings.batch_size)
        self.total_steps = self.steps_an_epoch * settings.epochs
        self.network = Network(
            encoder=self.encoder,
            method=settings.method,
            intent_rows=len(self.intents) + self.has_out_of_scope,
            sentiments=len(self.sentiments),
            total_steps=self.total_steps,
            rank=settings.rank,
            dropout=settings.dropout,
        )
        self.known_intents: tuple[str, ...] = ()
        if init is not None:
            self.network.load_adapter(init)
        if heads is not None:
            self._load_heads(heads)
        self.anchor = {name: weight.detach().clone() for name, weight in self._adapter_weights()} if init else {}
        self.run = self._run_name(init)

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes, of those that train together."""
        return bool(self.accelerator.is_main_process)

    def steps(self) -> Iterator[Progress]:
        """Train; yields after every step. Continues where an interrupted run of the same settings and data stopped.

        Several processes see the same `scratch`, which only the main one writes.
        """
        self._set_centre()
        began = {name: weight.detach().clone() for name, weight in self.network.trainable().items()}
        optimizer, best = self._optimizer(), BestEpoch()
        done = load_progress(self.scratch, self.network, optimizer, best, run=self.run)
        network, prepared = self.accelerator.prepare(self.network, optimizer)
        network.train()
        losses: list[float] = []
        saved, saved_at = done, time.monotonic()
        for step in range(done, self.total_steps):
            epoch, place = divmod(step, self.steps_an_epoch)
            if place == 0 and self._is_hopeless(best):
                break
            if place == 0 or step == done:
                batches = draw_epoch(self.examples, self.replay, self.settings, epoch)
            self._set_rate(optimizer, step)
            losses = [*losses[-49:], self._backward(network, self._collate(batches[place]))]
            self.accelerator.clip_grad_norm_(self.network.trainable().values(), 1.0)
            prepared.step()
            if self.settings.method == "adalora":  # wants the gradients of the step, and the weights after it
                self.network.body.base_model.update_and_allocate(step)
            prepared.zero_grad()
            if self.kept:
                self.kept.restore(self.network.intent, self.intents)
            validation = self.validate() if self.validation and place + 1 == self.steps_an_epoch else None
            if validation and self.settings.patience and self._ranks_are_settled(step):
                best.see(validation, self.network.trainable())
            if self.is_main and SAVE_EVERY.is_due(step + 1 - saved, time.monotonic() - saved_at):
                save_progress(self.scratch, self.network, optimizer, best, step=step + 1, run=self.run)
                saved, saved_at = step + 1, time.monotonic()
            yield Progress(step + 1, self.total_steps, sum(losses) / len(losses), validation)
        if self.is_main and self.keep_progress:
            save_progress(self.scratch, self.network, optimizer, best, step=self.total_steps, run=self.run)
        elif self.is_main:
            clear_progress(self.scratch)
        best.restore(self.network.trainable())
        self.network.to("cpu").eval()
        self._go_back(began)

    def _set_centre(self) -> None:
        """Let dropout fall back to the mean vector of some examples, as the encoder has them before the training."""
        chance = random.Random(self.settings.seed)  # noqa: S311 - not for secrets
        some = chance.sample(list(self.examples), min(CENTRE_ROWS, len(self.examples)))
        pooled = pool(self.network.body, self.tokenizer, [example.text for example in some])
        self.network.centre = torch.tensor(pooled.mean(axis=0))

    @torch.no_grad()
    def _go_back(self, began: dict[str, Tensor]) -> None:
        for name, weight in self.network.trainable().items():
            weight.lerp_(began[name], self.settings.way_back)

    def _is_hopeless(self, best: BestEpoch) -> bool:
        return bool(self.settings.patience) and best.waited >= self.settings.patience

    def _ranks_are_settled(self, step: int) -> bool:
        """AdaLoRA takes ranks away while it trains: what an epoch had before that is not what will be saved."""
        config = self.network.body.active_peft_config
        return self.settings.method != "adalora" or step >= config.total_step - config.tfinal

    def _backward(self, network: nn.Module, batch: Batch) -> float:
        """Add the gradients of a batch, and with FGM those of the same batch pushed; return the loss before that."""
        kept = self.network.draw_dropout(batch.places, batch.size).to(self.accelerator.device)
        push = no_push(batch.input_ids, self.network.hidden) if self.settings.adversarial else None
        with self.accelerator.autocast():
            loss = self._loss(network, batch, kept, push)
        self.accelerator.backward(loss)
        if push is not None and push.grad is not None:
            worst = worst_push(push.grad, self.settings.adversarial)
            with self.accelerator.autocast():
                pushed_loss = self._loss(network, batch, kept, worst)
            self.accelerator.backward(pushed_loss)
        return float(loss.detach())

    def _loss(self, network: nn.Module, batch: Batch, kept: Tensor, push: Tensor | None) -> Tensor:
        """Return the loss of this process's rows, so scaled that the mean over the processes is the whole batch's.

        What is summed over labelled rows is divided by all rows, so that a batch's mix of labels sets the balance.
        """
        settings = self.settings
        intents, sentiments, pooled = network(batch.input_ids, batch.attention_mask, kept=kept, push=push)
        summed = labelled_loss(intents, batch.intents, smoothing=settings.label_smoothing)
        summed = summed + settings.sentiment_weight * labelled_loss(
            sentiments, batch.sentiments, smoothing=settings.label_smoothing
        )
        if settings.contrast:
            # Out-of-scope rows have nothing in common. Partners are those of the same process.
            inside = batch.intents.masked_fill(batch.intents == len(self.intents), IGNORED)
            summed = summed + settings.contrast * contrastive_loss(
                pooled, inside, temperature=settings.contrast_temperature
            )
        loss: Tensor = summed * self.accelerator.num_processes / batch.size
        if self.anchor and settings.hold:
            loss = loss + settings.hold * distance_from(self.anchor, self._adapter_weights())
        if settings.method == "adalora":
            loss = loss + self.network.body.active_peft_config.orth_reg_weight * away_from_orthogonal(self.network.body)
        return loss

    @torch.no_grad()
    def validate(self) -> Validation:
        """Measure the network on the validation rows, as it is: after `steps()` with part of the way taken back."""
        was_training = self.network.training
        self.network.eval()
        right, loss, labelled = 0, 0.0, 0
        for start in range(0, len(self.validation), VALIDATION_BATCH):
            rows = self.validation[start : start + VALIDATION_BATCH]
            batch = self._on_device(collate(rows, self.tokenizer, self.labels))
            intents, sentiments, _ = self.network(batch.input_ids, batch.attention_mask)
            for logits, labels in ((intents, batch.intents), (sentiments, batch.sentiments)):
                loss += float(labelled_loss(logits, labels, smoothing=0.0))
                right += int((logits.argmax(dim=1) == labels).sum()) if logits.shape[1] else 0
                labelled += int((labels != IGNORED).sum())
        self.network.train(was_training)
        return Validation(right / max(labelled, 1), -loss / max(labelled, 1))

    def _collate(self, rows: Sequence[Example]) -> Batch:
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        return self._on_device(collate(rows, self.tokenizer, self.labels, process=process, processes=processes))

    def _on_device(self, batch: Batch) -> Batch:
        device = self.network.intent.weight.device
        return replace(
            batch,
            input_ids=batch.input_ids.to(device),
            attention_mask=batch.attention_mask.to(device),
            intents=batch.intents.to(device),
            sentiments=batch.sentiments.to(device),
        )

    def _load_heads(self, heads: Heads) -> None:
        """Take over the rows of labels that the earlier adapter knows; new labels start from nothing."""
        self.known_intents = heads.settings.intents
        known = list(heads.settings.intents) + [OUT_OF_SCOPE] * heads.settings.has_out_of_scope_row
        wanted = list(self.intents) + [OUT_OF_SCOPE] * self.has_out_of_scope
        weights = torch.tensor(heads.intent_weight), torch.tensor(heads.intent_bias)
        _copy_rows(self.network.intent, wanted, *weights, known)
        weights = torch.tensor(heads.sentiment_weight), torch.tensor(heads.sentiment_bias)
        _copy_rows(self.network.sentiment, list(self.sentiments), *weights, list(heads.settings.sentiments))

    def _adapter_weights(self) -> list[tuple[str, Tensor]]:
        return [(name, weight) for name, weight in self.network.trainable().items() if name.startswith("body.")]

    def _run_name(self, init: Path | None) -> str:
        content = [repr(self.settings), fingerprint(self.encoder), str(init)]
        content += self.kept.names if self.kept else ()
        content += map(repr, [*self.examples, *self.replay, *self.validation])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def _optimizer(self) -> Optimizer:
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.network.trainable().items():
            is_adapter = name.startswith("body.")
            rate = self.settings.learning_rate if is_adapter else self.settings.head_learning_rate
            groups.setdefault(rate, []).append(parameter)
        return AdamW(
            [{"params": group, "lr": rate, "peak": rate} for rate, group in groups.items()],
            weight_decay=self.settings.weight_decay,
        )

    def rate_factor(self, step: int, steps: int) -> float:
        """Return the share of the peak learning rate at a step: a straight way up, then half a cosine down."""
        warm = max(1, int(self.settings.warmup * steps))
        remaining = (step - warm) / max(1, steps - warm)
        return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * remaining))

    def _set_rate(self, optimizer: Optimizer, step: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * self.rate_factor(step, self.total_steps)


def _precision() -> str:
    """Return accelerate's name of the precision: what its launcher was told, else the fastest that this machine has."""
    told = os.environ.get("ACCELERATE_MIXED_PRECISION")
    if told:
        return told
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16") else "no"


def _copy_rows(head: nn.Linear, wanted: list[str], weight: Tensor, bias: Tensor, known: list[str]) -> None:
    with torch.no_grad():
        for row, label in enumerate(wanted):
            if label in known:
                head.weight[row] = weight[known.index(label)]
                head.bias[row] = bias[known.index(label)]
