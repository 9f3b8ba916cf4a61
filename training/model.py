"""The network that is trained: a frozen encoder, a peft adapter in it, two linear heads on the mean-pooled states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from peft import (
    AdaLoraConfig,
    IA3Config,
    LoraConfig,
    PeftConfig,
    PrefixTuningConfig,
    get_peft_model,
    set_peft_model_state_dict,
)
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from nlu.adapters import PEFT_WEIGHTS
from nlu.encoder import QUERY_PREFIX, find_encoder
from training.dataset import DatasetError

Method = Literal["lora", "adalora", "ia3", "prefix"]
MAX_TOKENS = 96
RANK = 16
DROPOUT = 0.2
FIRST_LAYER = 3  # lower layers hold what languages share; leaving them alone is faster and keeps unseen languages close


class Network(nn.Module):
    """Encoder with adapter and heads. `forward` gives intent logits, sentiment logits and pooled states [N, hidden].

    `centre` [hidden] is what dropout falls back to: the mean of the pooled states where it is known, else nothing. A
    dropped part of the large common share of all states would be taken for a difference between messages.
    """

    centre: Tensor

    def __init__(
        self,
        *,
        encoder: str,
        method: Method,
        intent_rows: int,
        sentiments: int,
        total_steps: int,
        rank: int = RANK,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        # Dropout inside the encoder doubles a step's time on a CPU and gains nothing for a low-rank adapter: the head's
        # dropout, weight decay, label smoothing and augmentation regularise instead.
        quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        # "eager" attention: on a CPU the fused kernels are slow in half precision and no faster in full.
        base = AutoModel.from_pretrained(encoder, attn_implementation="eager", **_without_pooler(encoder), **quiet)
        self.body = get_peft_model(base, _peft_config(method, base, total_steps, rank))
        self.hidden = int(base.config.hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("centre", torch.zeros(self.hidden), persistent=False)
        self.intent = nn.Linear(self.hidden, intent_rows)
        self.sentiment = nn.Linear(self.hidden, sentiments)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, *, kept: Tensor | None = None, push: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take token ids and mask [N, tokens], what dropout keeps of the pooled states [N, hidden], and what to add to
        the word embeddings [N, tokens, hidden]."""
        source = {"input_ids": input_ids}
        if push is not None:
            source = {"inputs_embeds": self.body.get_input_embeddings()(input_ids) + push}
        states = self.body(**source, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        pooled = (states * mask).sum(dim=1) / mask.sum(dim=1)
        dropped = pooled if kept is None else self.centre + (pooled - self.centre) * kept
        return self.intent(dropped), self.sentiment(dropped), pooled

    def draw_dropout(self, places: Tensor, size: int) -> Tensor:
        """Draw what dropout keeps of the rows at `places` [N] of a batch of `size` rows: [N, hidden].

        It is drawn for the whole batch, so that several processes with the same random state drop what one would.
        """
        kept: Tensor = self.dropout(torch.ones(size, self.hidden))[places]
        return kept

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def load_adapter(self, folder: Path) -> None:
        """Start the adapter's weights from those of another adapter; the heads are not touched.

        Raises `DatasetError` if that one is of another method or rank.
        """
        mine, theirs = self.body.active_peft_config, PeftConfig.from_pretrained(str(folder))
        if _kind(mine) != _kind(theirs):
            raise DatasetError(f"{folder} is {_kind(theirs)}: an adapter that is {_kind(mine)} cannot begin from it.")
        weights = {name: tensor.float() for name, tensor in load_file(str(folder / PEFT_WEIGHTS)).items()}
        set_peft_model_state_dict(self.body, weights)


class Tokenizer:
    """Turns texts into padded token ids the way the encoder expects them."""

    def __init__(self, encoder: str) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(encoder)
        self.prefix = QUERY_PREFIX if re.search("e5", encoder) or Path(encoder).is_dir() else ""

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return token ids and attention mask [N, tokens]."""
        batch = self.tokenizer(
            [self.prefix + text for text in texts],
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        )
        return batch["input_ids"], batch["attention_mask"]


def load_encoder(source: str) -> PreTrainedModel:
    """Return the bare encoder, ready to predict."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    return AutoModel.from_pretrained(source, **_without_pooler(source)).eval()


def load_trained(folder: Path, *, encoder: str | None = None) -> tuple[nn.Module, Tokenizer]:
    """Return the encoder with an adapter's weights in it, ready to predict, and its tokenizer."""
    from peft import PeftModel

    source = find_encoder(encoder)
    body: nn.Module = PeftModel.from_pretrained(load_encoder(source), str(folder)).float().eval()
    return body, Tokenizer(source)


def _without_pooler(encoder: str) -> dict[str, bool]:
    from transformers import AutoConfig

    known = AutoConfig.from_pretrained(encoder).model_type in ("bert", "roberta", "xlm-roberta")
    return {"add_pooling_layer": False} if known else {}


def _kind(config: PeftConfig) -> str:
    rank = config.r if isinstance(config, LoraConfig) else None
    return f"{config.peft_type.value.lower()} of rank {rank}" if rank else str(config.peft_type.value).lower()


def _peft_config(method: Method, base: PreTrainedModel, total_steps: int, rank: int) -> PeftConfig:
    linear = sorted({_tail(name) for name, part in base.named_modules() if isinstance(part, nn.Linear)})
    feed_forward = [name for name in linear if "attention" not in name]
    layers = list(range(FIRST_LAYER, base.config.num_hidden_layers))
    if method == "lora":
        return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear, layers_to_transform=layers)
    if method == "adalora":
        return AdaLoraConfig(
            init_r=rank,
            target_r=max(1, rank // 2),
            lora_alpha=2 * rank,
            target_modules=linear,
            layers_to_transform=layers,
            total_step=max(total_steps, 10),
            tinit=total_steps // 10,
            tfinal=total_steps // 4,
        )
    if method == "ia3":
        return IA3Config(target_modules=linear, feedforward_modules=feed_forward)
    return PrefixTuningConfig(num_virtual_tokens=16, task_type="FEATURE_EXTRACTION")


def _tail(name: str) -> str:
    """Name a part without its layer, as peft wants it: `encoder.layer.3.output.dense` is `output.dense`."""
    return re.sub(r".*\.\d+\.", "", name)
