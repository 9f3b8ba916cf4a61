"""`python -m training …`: the transcript's story, one command a step."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nlu.adapters import ADAPTERS_FOLDER, DamagedAdapterError
from nlu.encoder import EncoderError
from nlu.markets import MarketsFileError, UnknownMarketError
from training.dataset import DatasetError

BAD_INPUT = (DatasetError, DamagedAdapterError, EncoderError, MarketsFileError, UnknownMarketError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; returns the exit code: 0, or 2 with one line on standard error for bad input."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # torch takes seconds to import: --help and wrong options must not wait for it.
    module = importlib.import_module(options.module)
    try:
        getattr(module, options.function)(options)
    except BAD_INPUT as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")

    train = steps.add_parser("train", help="fit an adapter")
    train.add_argument("--data", nargs="+", type=Path, required=True, metavar="FILE_OR_FOLDER")
    train.add_argument("--output", type=Path, required=True, metavar="DIR")
    train.add_argument("--market", help="the market the adapter is for; its language is that of rows without one")
    train.add_argument("--init", choices=["global", "none"], help="the start (global with --market, else none)")
    train.add_argument("--method", choices=["lora", "adalora", "ia3", "prefix"], default="lora")
    train.add_argument("--valid", type=Path, help="rows to calibrate and measure on (default: a tenth of the data)")
    train.add_argument("--epochs", type=int, help="default: by the number of rows")
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(module="training.commands", function="train")

    adapters = steps.add_parser("adapters", help="make the shipped adapters again: global, then each market's")
    adapters.add_argument("--without", nargs="*", default=[], choices=["umsab", "bitext"], help="leave a source out")
    adapters.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these, such as global or de-DE")
    adapters.add_argument("--output", type=Path, default=ADAPTERS_FOLDER, metavar="DIR")
    adapters.set_defaults(module="training.recipe", function="make_shipped_adapters")

    language = steps.add_parser("language", help="make the short-message language model again (nlu/language.py)")
    language.set_defaults(module="training.language", function="main")

    predict = steps.add_parser("predict", help="label a CSV's texts with an adapter folder")
    predict.add_argument("--adapter", type=Path, required=True, metavar="DIR")
    predict.add_argument("--input", type=Path, required=True, metavar="IN.csv")
    predict.add_argument("--output", type=Path, required=True, metavar="OUT.csv")
    predict.set_defaults(module="training.commands", function="predict")

    evaluate = steps.add_parser("evaluate", help="measure an adapter, or what serves a market, on labelled rows")
    which = evaluate.add_mutually_exclusive_group(required=True)
    which.add_argument("--adapter", type=Path, metavar="DIR")
    which.add_argument("--market")
    evaluate.add_argument("--data", nargs="+", type=Path, required=True, metavar="FILE")
    evaluate.add_argument("--json", type=Path, metavar="OUT")
    evaluate.set_defaults(module="training.commands", function="evaluate_rows")
    return parser


if __name__ == "__main__":
    sys.exit(main())
