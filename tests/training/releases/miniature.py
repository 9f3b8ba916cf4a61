"""A whole Polydesk in miniature: an encoder of a few layers, three markets, adapters trained on some of our examples.

Everything in it is real and small, so that training, exporting, promoting and serving take seconds together.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from nlu.adapters import ADAPTERS_FOLDER, read_manifest, write_manifest
from nlu.heads import Heads
from nlu.served import ServedAdapters, prepare
from training.adapter import Provenance, finish
from training.dataset import Example, read_examples
from training.poison import Contradictions
from training.promote import LABEL_NOTE
from training.train import Trainer, TrainingSettings

PROJECT = Path(__file__).parents[3]
MARKETS = ("de-DE", "fr-FR")
INTENTS = (
    "cancel_order", "create_account", "delivery_period", "get_invoice", "get_refund", "greet", "recover_password",
    "thank", "track_order", "out_of_scope",
)  # fmt: skip
EXAMPLES_A_BLOCK = 12
# A body that was never trained holds words apart, and little more: the heads learn most.
SETTINGS = TrainingSettings(
    epochs=12, learning_rate=1e-3, head_learning_rate=2e-2, warmup=0.0, label_smoothing=0.0, dropout=0.0
)
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


@dataclass(frozen=True)
class Miniature:
    """One installation; relative paths of the code hold below `root`."""

    root: Path

    @property
    def encoder(self) -> Path:
        return self.root / "models" / "encoder"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(PROJECT),
            "POLYDESK_ENCODER": "models/encoder",
            "DATABASE_URL": f"sqlite:///{self.root}/var/polydesk.db",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            # Threads that wait for each other on a busy machine take longer than one alone.
            "OMP_NUM_THREADS": "1",
        }

    def served(self) -> ServedAdapters:
        return ServedAdapters(encoder="models/encoder", threads=1)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m …` here."""
        return self.shell(shlex.join([sys.executable, "-m", *arguments]))

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line of bash here."""
        environment = {**os.environ, **self.environment}
        bash = ["bash", "-c", command]
        return subprocess.run(bash, cwd=self.root, env=environment, capture_output=True, text=True, check=False)


def make_miniature(root: Path) -> Miniature:
    """Make one from our own files; the working folder must be `root`."""
    miniature = Miniature(root)
    torch.set_num_threads(1)
    shutil.copy(PROJECT / "domain.yml", root / "domain.yml")
    rows = yaml.safe_load((PROJECT / "markets.yml").read_text(encoding="utf-8"))["markets"]
    rows = [row for row in rows if row["code"] in MARKETS]
    (root / "markets.yml").write_text(yaml.safe_dump({"markets": rows}, allow_unicode=True), encoding="utf-8")
    for code in MARKETS:
        for folder in ("training/examples", "training/examples/held_back"):
            _copy_some(Path(folder) / f"{code[:2]}.yml", root)
    examples = read_examples([Path("training/examples")])
    make_encoder(miniature.encoder, [example.text for example in examples])
    train_adapter(examples, ADAPTERS_FOLDER / "global")
    for name in MARKETS:
        copy_adapter(ADAPTERS_FOLDER / "global", ADAPTERS_FOLDER / name)
    prepare(["global", *MARKETS])
    return miniature


def copy_adapter(
    source: Path, target: Path, *, change: Callable[[Heads], Heads] = lambda heads: heads, encoder: str | None = None
) -> Path:
    """Copy an adapter under another name, with other heads if wanted, as whole as any.

    It says that it learned from no new labels, as one of `train --market` says what there is against its labels.
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(LABEL_NOTE))
    change(Heads.load(source)).save(target)
    old = read_manifest(source)
    encoder = encoder or old.encoder
    write_manifest(target, name=target.name, encoder=encoder, method=old.method, training=old.training)
    (target / LABEL_NOTE).write_text(json.dumps(asdict(Contradictions())), encoding="utf-8")
    return target


def made_whole(folder: Path) -> Path:
    """Write the manifest of an adapter anew, so that the hashes of what was changed in it are right."""
    old = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    write_manifest(folder, name=old["name"], encoder=old["encoder"], method=old["method"], training=old["training"])
    return folder


def with_intents_mixed_up(heads: Heads) -> Heads:
    """Let the heads call each intent by the name of the next one."""
    weights, bias = heads.intent_weight.copy(), heads.intent_bias.copy()
    last = len(heads.settings.intents)
    weights[:last], bias[:last] = np.roll(weights[:last], 1, axis=0), np.roll(bias[:last], 1)
    return replace(heads, intent_weight=weights, intent_bias=bias)


def the_same_in_other_bytes(heads: Heads) -> Heads:
    """Return heads that answer the same, in other bytes: what a gate cannot object to."""
    return replace(heads, intent_bias=heads.intent_bias + np.float32(1e-6))


def train_adapter(
    examples: Sequence[Example], target: Path, *, init: Path | None = None, settings: TrainingSettings = SETTINGS
) -> Path:
    """Train an adapter in a second or two."""
    scratch = target.with_name(f".{target.name}.progress")
    trainer = Trainer(examples, settings=settings, init=init, scratch=scratch)
    for _ in trainer.steps():
        pass
    validation = read_examples([Path("training/examples/held_back")])
    provenance = Provenance({"examples": len(examples)}, "python -m pytest")
    finish(trainer, name=target.name, validation=validation, provenance=provenance, target=target)
    return target


def make_encoder(folder: Path, texts: Sequence[str]) -> None:
    """Write a BERT of four small layers with weights that were never trained, and a tokenizer of some of our words."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=3000, special_tokens=SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(str(folder))
    torch.manual_seed(0)
    sizes = {"hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 96}
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=128, pad_token_id=1, **sizes)
    BertModel(config, add_pooling_layer=False).save_pretrained(str(folder))


def _copy_some(file: Path, root: Path) -> None:
    content = yaml.load((PROJECT / file).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    content["nlu"] = [block for block in content["nlu"] if block["intent"] in INTENTS]
    for block in content["nlu"]:
        block["examples"] = "\n".join(block["examples"].splitlines()[:EXAMPLES_A_BLOCK])
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
