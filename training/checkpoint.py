"""Saves a training's progress and takes it up again: weights, optimiser moments, random state; no pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training.model import Network
from training.stopping import BestEpoch, Validation

FILE = "progress.safetensors"
IMPORTANCE = ("ipt", "exp_avg_ipt", "exp_avg_unc")


@dataclass(frozen=True)
class SaveEvery:
    """What an interruption may cost at most: so many steps or seconds, whichever is reached first."""

    steps: int = 200
    seconds: float = 30.0

    def is_due(self, steps: int, seconds: float) -> bool:
        """Whether to save again, so many steps and seconds after the last time."""
        return steps >= self.steps or seconds >= self.seconds


def save_progress(
    folder: Path, network: Network, optimizer: torch.optim.Optimizer, best: BestEpoch, *, step: int, run: str
) -> None:
    """Write the state after `step`, replacing the older one in one move; `run` names the training's settings."""
    tensors: dict[str, Tensor] = {"random": torch.get_rng_state()}
    for name, parameter in network.trainable().items():
        tensors[f"weight.{name}"] = parameter.detach().contiguous()
        for moment, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{moment}.{name}"] = value.contiguous()
    tensors |= {f"best.{name}": weight for name, weight in best.weights.items()}
    tensors |= _allocation(network.body)
    progress = {
        "step": step,
        "run": run,
        "best": [best.validation.right, best.validation.minus_loss] if best.validation else None,
        "waited": best.waited,
        "ranks": getattr(network.body.active_peft_config, "rank_pattern", None),
    }
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{FILE}.draft"
    save_file(tensors, str(draft), metadata={"progress": json.dumps(progress)})
    draft.replace(folder / FILE)


def load_progress(
    folder: Path, network: Network, optimizer: torch.optim.Optimizer, best: BestEpoch, *, run: str
) -> int:
    """Restore the state of the same `run` and return the step it was saved after; 0 if there is no whole one."""
    path = folder / FILE
    if not path.exists():
        return 0
    try:
        with safe_open(str(path), framework="pt") as file:
            progress = json.loads(file.metadata()["progress"])
            if progress["run"] != run:
                return 0
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError:  # the power failed before all of it was on the disk
        return 0
    for name, parameter in network.trainable().items():
        parameter.data.copy_(tensors[f"weight.{name}"])
        moments = ("step", "exp_avg", "exp_avg_sq")
        optimizer.state[parameter] = {
            moment: tensors[f"{moment}.{name}"] for moment in moments if f"{moment}.{name}" in tensors
        }
    best.validation = Validation(*progress["best"]) if progress["best"] else None
    best.weights = _below("best", tensors)
    best.waited = progress["waited"]
    _restore_allocation(network.body, tensors, progress["ranks"])
    torch.set_rng_state(tensors["random"])
    return int(progress["step"])


def clear_progress(folder: Path) -> None:
    """Forget the progress of a training that has finished."""
    (folder / FILE).unlink(missing_ok=True)


def _allocation(body: nn.Module) -> dict[str, Tensor]:
    """Return what AdaLoRA has learned about which ranks matter; nothing for the other kinds of adapters."""
    allocator = getattr(body.base_model, "rankallocator", None)
    kinds = IMPORTANCE if allocator is not None else ()
    return {f"{kind}.{name}": value for kind in kinds for name, value in getattr(allocator, kind).items()}


def _restore_allocation(body: Any, tensors: dict[str, Tensor], ranks: dict[str, list[bool]] | None) -> None:
    allocator = getattr(body.base_model, "rankallocator", None)
    if allocator is None:
        return
    for kind in IMPORTANCE:
        setattr(allocator, kind, _below(kind, tensors))
    body.active_peft_config.rank_pattern = ranks


def _below(kind: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{kind}."): value for name, value in tensors.items() if name.startswith(f"{kind}.")}
