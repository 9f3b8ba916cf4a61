"""`python -m training …`: the transcript's story, one command a step."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from bot.settings import SettingsError
from nlu.adapters import ADAPTERS_FOLDER, DamagedAdapterError
from nlu.encoder import EncoderError
from nlu.markets import MarketsFileError, UnknownMarketError
from nlu.releases import DomainFileError
from nlu.rows import RowsError
from training.dataset import DatasetError
from training.formats import FORMATS, ArchiveError
from training.outcomes import OutcomeError

BAD_INPUT = (
    ArchiveError,
    DatasetError,
    DamagedAdapterError,
    DomainFileError,
    EncoderError,
    MarketsFileError,
    RowsError,
    SettingsError,
    UnknownMarketError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; returns the exit code, and says on standard error why it is not 0.

    2 is bad input, 1 no room on the disk, 3 refused by the gate, 4 that another run is at it, 130 Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # peft asks transformers for an attribute by its old name, which no user can mend.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    # torch takes seconds to import: --help and wrong options must not wait for it.
    module = importlib.import_module(options.module)
    try:
        getattr(module, options.function)(options)
    except BAD_INPUT as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OutcomeError as outcome:
        sys.stderr.write(f"{outcome}\n")
        return outcome.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")

    ingest = steps.add_parser("ingest", help="take conversations in, without personal data")
    ingest.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the archive; none for the bot's own")
    ingest.add_argument("--format", required=True, choices=FORMATS)
    ingest.add_argument("--market", required=True)
    ingest.add_argument(
        "--consent-by-contract", metavar="REASON", help="take in what states no consent, for this reason, which is kept"
    )
    help_source = "the help desk, where two of one format have the same ids (default: the format's name)"
    ingest.add_argument("--source", metavar="NAME", help=help_source)
    help_move = "let conversations that were taken in under another market belong to this one"
    ingest.add_argument("--move", action="store_true", help=help_move)
    ingest.set_defaults(module="training.transcripts", function="run")

    redact = steps.add_parser("redact", help="replace personal data in a CSV's texts by placeholders")
    redact.add_argument("--input", type=Path, required=True, metavar="IN.csv")
    redact.add_argument("--output", type=Path, required=True, metavar="OUT.csv")
    redact.set_defaults(module="training.redact", function="run")

    review = steps.add_parser("review", help="label the messages that the bot is least sure of")
    review.add_argument("--market", required=True)
    review.add_argument("--limit", type=int, default=50, metavar="N")
    review.add_argument("--labeller", metavar="NAME", help="who labels (default: the user's name)")
    review.add_argument("--export", type=Path, metavar="FILE", help="write the queue as CSV, to be labelled elsewhere")
    review.add_argument("--import", type=Path, dest="labelled", metavar="FILE", help="read such a CSV back")
    review.add_argument("--disagreements", action="store_true", help="list what labellers are divided on")
    review.set_defaults(module="training.review", function="run")

    train = steps.add_parser("train", help="fit an adapter")
    train.add_argument("--data", nargs="+", type=Path, required=True, metavar="FILE_OR_FOLDER")
    help_output = "a new or empty folder, or an adapter's, which is replaced at the end"
    train.add_argument("--output", type=Path, required=True, metavar="DIR", help=help_output)
    train.add_argument("--market", help="the market the adapter is for; its language is that of rows without one")
    help_init = "the adapter to begin from (default: global with --market or for sentiments alone, else start)"
    train.add_argument("--init", choices=["global", "start", "none"], help=help_init)
    train.add_argument("--method", choices=["lora", "adalora", "ia3", "prefix"], default="lora",
                       help="prefix can predict and be measured, not served: it cannot be merged")
    train.add_argument("--valid", type=Path, help="rows to calibrate and measure on (default: a part of the data)")
    train.add_argument("--epochs", type=int, help="default: by the number of rows")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--settings", type=Path, metavar="FILE.json", help="settings of training, as search writes them")
    help_log = "write progress to OUTPUT.log; wandb stays offline"
    train.add_argument("--log", choices=["tensorboard", "wandb"], help=help_log)
    train.set_defaults(module="training.commands", function="train")

    adapters = steps.add_parser("adapters", help="make the shipped adapters again: start, global, each market's")
    public = ["umsab", "bitext", "clinc150"]
    adapters.add_argument("--without", nargs="*", default=[], choices=public, help="leave a source out")
    adapters.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these, such as global or de-DE")
    adapters.add_argument("--output", type=Path, default=ADAPTERS_FOLDER, metavar="DIR")
    adapters.set_defaults(module="training.recipe", function="make_shipped_adapters")

    search = steps.add_parser("search", help="look for better settings of train with Optuna; goes on where it stopped")
    search.add_argument("--data", nargs="+", type=Path, required=True, metavar="FILE_OR_FOLDER")
    search.add_argument("--valid", type=Path, help="rows that judge a trial (default: a fifth of the data)")
    search.add_argument("--trials", type=int, default=20, metavar="N", help="how many in all, those before included")
    search.add_argument("--output", type=Path, default=Path("var/settings.json"), metavar="FILE.json")
    search.add_argument("--seed", type=int, default=0)
    search.set_defaults(module="training.search", function="main")

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
    evaluate.add_argument("--html", type=Path, metavar="OUT.html", help="a report with plots, as one page")
    evaluate.add_argument("--against", metavar="MARKET", help="whose release to compare with (default: by DIR's name)")
    evaluate.set_defaults(module="training.measuring", function="evaluate_rows")

    explain = steps.add_parser("explain", help="say which words moved a prediction")
    explained = explain.add_mutually_exclusive_group(required=True)
    explained.add_argument("--adapter", type=Path, metavar="DIR")
    explained.add_argument("--market")
    explain.add_argument("--json", action="store_true")
    explain.add_argument("text", metavar="TEXT")
    explain.set_defaults(module="training.explain", function="main")
    _add_releases(steps)
    return parser


def _add_releases(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    promote = steps.add_parser("promote", help="let an adapter serve a market, if nothing got worse")
    promote.add_argument("--adapter", type=Path, required=True, metavar="DIR")
    promote.add_argument("--market", required=True, help="such as de-DE, or global")
    promote.add_argument("--data", nargs="+", type=Path, metavar="FILE", help="the rows it learned from, to be checked")
    promote.add_argument("--force", action="store_true", help="even if the gate refuses it; needs --reason")
    promote.add_argument("--reason", metavar="TEXT", help="why it is forced; kept with the release")
    promote.set_defaults(module="training.release_commands", function="promote_adapter")

    rollback = steps.add_parser("rollback", help="let an earlier release serve a market again")
    rollback.add_argument("--market", required=True)
    rollback.add_argument("--to", type=int, metavar="N", help="its number, 0 is the shipped one (default: the parent)")
    help_keep = "its labels were not the reason (somebody is to be forgotten): `retrain` learns from them again"
    rollback.add_argument("--keep-labels", action="store_true", help=help_keep)
    rollback.set_defaults(module="training.release_commands", function="roll_back")

    releases = steps.add_parser("releases", help="list releases: which serves, where each comes from")
    releases.add_argument("--market")
    releases.add_argument("--learned-from", type=int, metavar="TRANSCRIPT", help="only those that learned from it")
    releases.add_argument("--json", action="store_true", help="as JSON, with the history")
    releases.set_defaults(module="training.release_commands", function="list_releases")

    retrain = steps.add_parser("retrain", help="learn from the labels since the last release, and promote or refuse")
    retrain.add_argument("--market", required=True)
    retrain.set_defaults(module="training.retrain", function="main")


if __name__ == "__main__":
    sys.exit(main())
