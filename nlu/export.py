"""Turns an adapter into what is served: the encoder's body with the adapter merged in, int8, as one ONNX file.

The word embeddings (four fifths of the parameters) stay outside and are shared by all adapters. The body is exported
once from torch; for each adapter only the weights that it changes are replaced, then everything is quantised
(dynamic int8, per channel). This is the only file in `nlu` that imports torch and peft, and it does so when called.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from nlu.adapters import PEFT_SETTINGS, PEFT_WEIGHTS, DamagedAdapterError, Manifest
from nlu.encoder import fingerprint

if TYPE_CHECKING:
    from torch import nn

SERVED_FOLDER = Path("models/served")
OPSET = 17
MERGEABLE = ("lora", "adalora", "ia3")


def served_path(manifest: Manifest, folder: Path = SERVED_FOLDER) -> Path:
    """Name the served file of an adapter: it changes with the adapter's version and with the encoder."""
    return folder / f"{manifest.name}-{manifest.version}-{Path(manifest.encoder).name}.onnx"


def export_adapter(adapter: Path, manifest: Manifest, *, encoder: str, folder: Path = SERVED_FOLDER) -> Path:
    """Write the served file of an adapter whose manifest has been checked, unless it is there; return its path."""
    target = served_path(manifest, folder)
    if not target.exists():
        write_served(adapter, manifest, target, encoder=encoder, bodies=folder)
    return target


def write_served(
    adapter: Path, manifest: Manifest, target: Path, *, encoder: str, bodies: Path = SERVED_FOLDER
) -> None:
    """Write the served form of a checked adapter to `target` in one move; `bodies` keeps the exported encoder.

    Raises `DamagedAdapterError` if the adapter's weights do not fit the encoder.
    """
    if manifest.method not in MERGEABLE:
        raise DamagedAdapterError(
            f"{adapter} is a {manifest.method} adapter: only {', '.join(MERGEABLE)} can be merged and served."
        )
    bodies.mkdir(parents=True, exist_ok=True)
    body = _exported_body(encoder, bodies)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        merged = Path(scratch) / "merged.onnx"
        _replace_weights(body, _changed_weights(encoder, adapter), merged)
        _quantise(merged, Path(scratch) / "int8.onnx")
        (Path(scratch) / "int8.onnx").replace(target)


def _exported_body(encoder: str, folder: Path) -> Path:
    """Export the encoder without word embeddings: embeddings [N, tokens, hidden] and mask to pooled [N, hidden]."""
    target = folder / f"body-{Path(fingerprint(encoder)).name}.onnx"
    if target.exists():
        return target
    import torch

    body = _load_encoder(encoder)

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            states = self.body(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).to(states.dtype)
            pooled: torch.Tensor = (states * weight).sum(dim=1) / weight.sum(dim=1)
            return pooled

    draft = target.with_suffix(".draft")
    tokens = {0: "rows", 1: "tokens"}
    hidden = int(body.config.hidden_size)  # type: ignore[union-attr, arg-type]
    with torch.no_grad(), _quietly():
        torch.onnx.export(
            Pooled().eval(),
            (torch.randn(2, 7, hidden), torch.ones(2, 7, dtype=torch.int64)),
            str(draft),
            input_names=["embeddings", "mask"],
            output_names=["pooled"],
            dynamic_axes={"embeddings": tokens, "mask": tokens, "pooled": {0: "rows"}},
            opset_version=OPSET,
            dynamo=False,
        )
    draft.replace(target)
    return target


def _load_encoder(encoder: str) -> nn.Module:
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # "eager" attention exports to plain MatMul and Softmax, which quantise.
    model: nn.Module = AutoModel.from_pretrained(encoder, attn_implementation="eager").eval()
    return model


def _changed_weights(encoder: str, adapter: Path) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return (before, after) of each weight that merging the adapter changes."""
    from peft import PeftModel, get_peft_model_state_dict

    base = _load_encoder(encoder)
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    weights = load_file(str(adapter / PEFT_WEIGHTS))
    if not all(np.isfinite(tensor).all() for tensor in weights.values()):
        raise DamagedAdapterError(f"{adapter / PEFT_WEIGHTS} has values that are no numbers.")
    try:
        with _quietly():
            adapted = PeftModel.from_pretrained(base, str(adapter)).float()
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        # What peft raises for settings and shapes that do not fit; its messages fill pages.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedAdapterError(f"{adapter} does not fit the encoder: {reason}") from error
    # peft passes over weights that it misses or does not know.
    if set(weights) != set(get_peft_model_state_dict(adapted, save_embedding_layers=False)):
        raise DamagedAdapterError(f"{adapter / PEFT_WEIGHTS} has other weights than {PEFT_SETTINGS} asks for.")
    merged = adapted.merge_and_unload()
    pairs = [(before[name].numpy(), after.numpy()) for name, after in merged.state_dict().items()]
    return [(old, new) for old, new in pairs if not np.array_equal(old, new)]


def _replace_weights(body: Path, changed: list[tuple[NDArray[np.float32], NDArray[np.float32]]], target: Path) -> None:
    """Copy the exported body with weights replaced; the exporter renames them, so they are found by content."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(body))
    by_content = {_content(numpy_helper.to_array(tensor)): tensor for tensor in model.graph.initializer}
    for old, new in changed:
        found = False
        for before, after in ((old, new), (old.T, new.T)):
            tensor = by_content.get(_content(before))
            if tensor is not None:
                tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(after), tensor.name))
                found = True
                break
        if not found:
            raise RuntimeError(f"A weight of shape {old.shape} is not in the exported encoder {body}; delete the file.")
    onnx.save(model, str(target))


def _content(array: NDArray[np.float32]) -> str:
    return f"{array.shape}{hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"


def _quantise(source: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Seven-bit weights (reduce_range): AVX2 without VNNI saturates when it adds pairs of eight-bit products.
    with _quietly():
        quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """Hold back pages of the exporter's warnings, which are known and mean nothing here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
