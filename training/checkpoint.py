"""Saves a training's progress and takes it up again: weights, optimiser moments, random state; no pickle."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.model import Network

FILE = "progress.safetensors"


def save_progress(folder: Path, network: Network, optimizer: torch.optim.Optimizer, *, step: int, run: str) -> None:
    """Write the state after `step`, replacing the older one in one move; `run` names the training's settings."""
    tensors: dict[str, Tensor] = {"random": torch.get_rng_state()}
    for name, parameter in network.trainable().items():
        tensors[f"weight.{name}"] = parameter.detach().contiguous()
        for moment, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{moment}.{name}"] = value.contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{FILE}.draft"
    save_file(tensors, str(draft), metadata={"progress": json.dumps({"step": step, "run": run})})
    draft.replace(folder / FILE)


def load_progress(folder: Path, network: Network, optimizer: torch.optim.Optimizer, *, run: str) -> int:
    """Restore the state of the same `run` and return the step it was saved after; 0 if there is none."""
    path = folder / FILE
    if not path.exists():
        return 0
    with safe_open(str(path), framework="pt") as file:
        progress = json.loads(file.metadata()["progress"])
        if progress["run"] != run:
            return 0
        names = set(file.keys())
        for name, parameter in network.trainable().items():
            parameter.data.copy_(file.get_tensor(f"weight.{name}"))
            moments = ("step", "exp_avg", "exp_avg_sq")
            optimizer.state[parameter] = {
                moment: file.get_tensor(f"{moment}.{name}") for moment in moments if f"{moment}.{name}" in names
            }
        torch.set_rng_state(file.get_tensor("random"))
    return int(progress["step"])


def clear_progress(folder: Path) -> None:
    """Forget the progress of a training that has finished."""
    (folder / FILE).unlink(missing_ok=True)
