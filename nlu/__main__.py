"""`python -m nlu parse` understands messages; `python -m nlu prepare` makes encoder and served adapters."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from nlu.adapters import DamagedAdapterError
from nlu.encoder import EncoderError, make_encoder
from nlu.markets import GLOBAL_ADAPTER, MarketsFileError, UnknownMarketError, load_markets
from nlu.parser import Parser, Prediction, Request
from nlu.rows import COLUMNS, RowsError, read_table, write_table
from nlu.served import prepare

BAD_INPUT = (DamagedAdapterError, EncoderError, MarketsFileError, RowsError, UnknownMarketError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, or 2 with one line on standard error for bad input."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except BAD_INPUT as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nlu", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    parse = commands.add_parser("parse", help="understand a text, or all texts of a CSV")
    parse.add_argument("text", nargs="?", metavar="TEXT")
    parse.add_argument("--market", help="such as de-DE")
    parse.add_argument("--language-hint", metavar="CODE", help="the client's guess, such as de")
    parse.add_argument("--input", type=Path, metavar="IN.csv", help="columns text, market?, language_hint?")
    parse.add_argument("--output", type=Path, metavar="OUT.csv")
    parse.set_defaults(run=_parse)
    ready = commands.add_parser("prepare", help="make models/encoder and the served form of every adapter")
    ready.set_defaults(run=_prepare)
    return parser


def _parse(options: argparse.Namespace) -> None:
    if (options.text is None) == (options.input is None) or (options.input is None) != (options.output is None):
        raise RowsError("Give a TEXT, or --input IN.csv and --output OUT.csv.")
    parser = Parser()
    if options.input is None:
        prediction = parser.parse(Request(options.text, options.market, options.language_hint))
        sys.stdout.write(json.dumps(prediction.as_json(), ensure_ascii=False) + "\n")
        return
    table = read_table(options.input, list(parser.markets.by_code))
    requests = [Request(r.text, r.market or options.market, r.hint or options.language_hint) for r in table.rows]
    answers = [_columns(prediction) for prediction in parser.parse_many(requests)]
    write_table(options.output, table, answers, COLUMNS)


def _columns(prediction: Prediction) -> dict[str, Any]:
    if prediction.intent.name is None:
        return {"pred_language": prediction.language.code, "pred_market": prediction.adapter}
    return {
        "pred_language": prediction.language.code,
        "pred_intent": prediction.intent.name,
        "pred_confidence": prediction.intent.confidence,
        "pred_oos_score": prediction.out_of_scope,
        "pred_sentiment": prediction.sentiment.name,
        "pred_market": prediction.adapter,
    }


def _prepare(options: argparse.Namespace) -> None:
    del options
    make_encoder()
    names = [GLOBAL_ADAPTER, *(market.adapter for market in load_markets() if market.adapter)]
    for path in prepare(names):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main())
