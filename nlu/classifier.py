"""Runs messages through the shared encoder with one adapter merged in, and reads intent, out-of-scope and sentiment.

Imports onnxruntime, tokenizers and numpy; neither torch, transformers nor peft, so that the Rasa process stays light.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_state
from tokenizers import Tokenizer

from nlu.adapters import DamagedAdapterError
from nlu.encoder import QUERY_PREFIX
from nlu.heads import Heads, Scores

MAX_TOKENS = 96
EMBEDDING_TENSORS = ("embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight")
PADDING_ID = 1
ONNX_ERRORS = (
    onnx_state.Fail, onnx_state.InvalidArgument, onnx_state.InvalidGraph, onnx_state.InvalidProtobuf,
    onnx_state.NoSuchFile, onnx_state.NotImplemented, onnx_state.RuntimeException,
)  # fmt: skip


@dataclass(frozen=True)
class EncodedTexts:
    """A padded batch: embeddings [N, tokens, hidden] and mask [N, tokens]."""

    embeddings: NDArray[np.float32]
    mask: NDArray[np.int64]


class Embedder:
    """Tokenizer and word embeddings, shared by all adapters. The table is mapped: only rows in use cost memory."""

    def __init__(self, encoder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()
        self.table = _map_embeddings(encoder / "model.safetensors")

    def __call__(self, texts: Sequence[str]) -> EncodedTexts:
        """Tokenise and look up; texts longer than `MAX_TOKENS` are cut."""
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch([QUERY_PREFIX + text for text in texts])]
        longest = max(map(len, ids))
        padded = np.full((len(ids), longest), PADDING_ID, dtype=np.int64)
        mask = np.zeros((len(ids), longest), dtype=np.int64)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return EncodedTexts(np.asarray(self.table[padded], dtype=np.float32), mask)


class Classifier:
    """One adapter, ready to answer. `name` and `version` are those of its manifest.

    Raises `DamagedAdapterError` if the served file cannot be run or does not fit the heads.
    """

    def __init__(self, served: Path, heads: Heads, *, name: str, version: str, threads: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.heads = heads
        self.name = name
        self.version = version
        try:
            self.session = onnxruntime.InferenceSession(str(served), options, providers=["CPUExecutionProvider"])
            self._try_out()
        except ONNX_ERRORS as error:
            raise DamagedAdapterError(f"{served} cannot be run: {str(error).splitlines()[0]}") from error

    def pooled(self, batch: EncodedTexts) -> NDArray[np.float32]:
        """Return the pooled vectors [N, hidden] of a batch."""
        (vectors,) = self.session.run(["pooled"], {"embeddings": batch.embeddings, "mask": batch.mask})
        return np.asarray(vectors, dtype=np.float32)

    def score(self, batch: EncodedTexts, languages: Sequence[str]) -> Scores:
        """Score a batch of messages in the given languages, in one pass."""
        return self.heads.score(self.pooled(batch), languages)

    def _try_out(self) -> None:
        hidden = self.heads.intent_weight.shape[-1]
        vector = self.pooled(EncodedTexts(np.zeros((1, 2, hidden), np.float32), np.ones((1, 2), np.int64)))
        if vector.shape != (1, hidden) or not np.isfinite(vector).all():
            raise DamagedAdapterError(f"{self.name} does not fit its heads: its vectors are not [1, {hidden}] numbers.")


def _map_embeddings(path: Path) -> NDArray[np.float32]:
    """Map the word-embedding table [vocabulary, hidden] out of a safetensors file (header: u64 length, then JSON)."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    name = next(tensor for tensor in EMBEDDING_TENSORS if tensor in header)
    start = 8 + length + header[name]["data_offsets"][0]
    dtype = {"F32": "<f4", "F16": "<f2"}[header[name]["dtype"]]
    shape = tuple(header[name]["shape"])
    table: NDArray[np.float32] = np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape)
    return table
