"""`python -m tests.benchmarks.channels`: each provider's messages five times and twenty at once, and forged requests.

    --ids 500         messages a channel, each delivered five times
    --forged 1000     forged requests a channel
    --channels line   these channels alone

Prints a table. Rasa and the providers are played; the edge and its database are real.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bot.channels.masses import TIMES, Door, deliver_again_and_again, forged
from tests.bot.channels.played import PLAYED
from tests.bot.fake_rasa import FakeRasa

HEAD = "| channel | deliveries | stored | asked | answered | not once | seconds | forged | accepted | side effects |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if anything was lost, doubled or accepted."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.channels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ids", type=int, default=500)
    parser.add_argument("--forged", type=int, default=1000)
    parser.add_argument("--channels", nargs="+", choices=sorted(PLAYED), default=sorted(PLAYED))
    options = parser.parse_args(arguments)
    sys.stdout.write(f"{HEAD}\n{'|---' * (HEAD.count('|') - 1)}|\n")
    with tempfile.TemporaryDirectory(prefix="polydesk-channels-") as folder:
        rows = [measure(channel, options.ids, options.forged, Path(folder) / channel) for channel in options.channels]
    return 0 if all(rows) else 1


def measure(channel: str, ids: int, forgeries: int, folder: Path) -> bool:
    """Measure one channel and print its row; returns whether all is well."""
    folder.mkdir()
    began = time.perf_counter()
    processed = deliver_again_and_again(channel, ids, f"sqlite:///{folder / 'busy.db'}", FakeRasa(), folder)
    seconds = time.perf_counter() - began
    door = Door(folder)
    before = door.stored()
    chance = random.Random(channel)
    statuses = [door.post(forged(PLAYED[channel], number, chance)).status_code for number in range(forgeries)]
    accepted, effects = sum(status != 403 for status in statuses), door.stored() - before
    door.close()
    kept = (len(processed.stored), len(processed.asked), len(processed.answered), processed.not_once(ids))
    figures = (ids * TIMES, *kept, f"{seconds:.0f}", forgeries, accepted, effects)
    sys.stdout.write(f"| {channel} | {' | '.join(str(figure) for figure in figures)} |\n")
    sys.stdout.flush()
    return processed.each_once(ids) and accepted == effects == 0


if __name__ == "__main__":
    sys.exit(main())
