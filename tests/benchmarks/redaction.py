"""What the redaction finds, market by market and kind by kind: `python -m tests.benchmarks.redaction --write`.

Made-up data in sentences of ours (tests/training/pii_cases.py), another seed than the tests'. False alarms are counted
on every tenth example message of the market's language, order numbers aside, which are order numbers there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nlu.markets import Market, load_markets
from tests.training.pii_cases import LOCALES, Case, cases
from training.dataset import read_examples
from training.placeholders import KINDS
from training.redact import find_pii

REPORT = Path("docs/redaction.md")
EXAMPLES = Path("training/examples")
MARK = "<!-- table -->"
SEED = 20
EVERY = 10  # of the example messages


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.redaction", description=__doc__)
    parser.add_argument("--cases", type=int, default=25, help="of each kind in each market")
    parser.add_argument("--write", action="store_true", help=f"put the table into {REPORT}")
    options = parser.parse_args(arguments)
    markets = load_markets()
    rows = [row_of(markets[code], options.cases) for code in LOCALES]
    table = "\n".join([f"| market | {' | '.join(KINDS)} | false alarms |", "|---" * (len(KINDS) + 2) + "|", *rows])
    if options.write:
        before, _, rest = REPORT.read_text(encoding="utf-8").partition(MARK)
        REPORT.write_text(f"{before}{MARK}\n{table}\n{MARK}{rest.partition(MARK)[2]}", encoding="utf-8")
    sys.stdout.write(table + "\n")
    return 0


def row_of(market: Market, count: int) -> str:
    """Return a market's row: the share of each kind that is found whole, and the share of messages falsely alarmed."""
    found = [sum(_is_found(case, market) for case in cases(market.code, kind, count, seed=SEED)) for kind in KINDS]
    texts = [row.text for row in read_examples([EXAMPLES]) if row.language == market.language][::EVERY]
    alarmed = sum(bool({span.kind for span in find_pii(text, market)} - {"order_number"}) for text in texts)
    shares = " | ".join(f"{number / count:.2f}" for number in found)
    return f"| {market.code} | {shares} | {alarmed / len(texts):.1%} |"


def _is_found(case: Case, market: Market) -> bool:
    """Whether nothing of the data is left in sight under its own kind."""
    return any(
        span.kind == case.kind and span.start <= case.start and case.end <= span.end
        for span in find_pii(case.text, market)
    )


if __name__ == "__main__":
    sys.exit(main())
